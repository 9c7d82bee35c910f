"""Makes a directory that holds a Python and all that it needs, for an image without anything.

    python3 make_runtime.py runtime SITE ROOT
    python3 make_runtime.py code PACKAGES ROOT

Runs inside the first stage of an image's build, with the Python that the image is to have. SITE
holds the installed packages. ROOT gets `opt/metallb`: the interpreter, the standard library without
what serves only developers, the packages, and every shared library that any of these needs, the
loader among them. The interpreter is told to look for them there (patchelf, which is to be on the
PATH), so nothing of the base image matters, and nothing of it is overwritten.

`code` makes what is laid over it: our own packages alone, which change more often than the rest.

Everything is compiled before: the root of a running container is read-only, and an import that
finds no compiled file would compile it at each start.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import site
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HOME = Path("opt/metallb")
ELF = b"\x7fELF"
NOT_SHIPPED = (
    "__pycache__", "config-*", "curses", "dbm", "dist-packages", "distutils", "ensurepip",
    "idlelib", "lib2to3", "pydoc_data", "site-packages", "test", "tkinter",
    "turtledemo", "venv", "_curses*", "_dbm*", "_gdbm*", "_test*", "_tkinter*",
    "nis.*", "readline*", "xx*.so",
)  # fmt: skip
"""What serves only developers and terminals, and extension modules whose libraries nobody needs."""


def make_runtime(packages: Path, root: Path) -> Path:
    """Make the directory; gives its path, `ROOT/opt/metallb`."""
    home = root / HOME
    library = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = copy_python(home, library)
    shutil.copytree(packages, packages_of(root), ignore=not_needed)
    loader = Path(patchelf("--print-interpreter", python))
    copy_shared_libraries(home, loader)
    patchelf("--set-interpreter", f"/{HOME}/lib/{loader.name}", python)
    own = [*(home / "lib").glob("lib*.so*"), *(library / "lib-dynload").glob("*.so")]
    for binary in (python, *sorted(own)):
        if binary == python or patchelf("--print-rpath", binary):
            patchelf("--force-rpath", "--set-rpath", f"/{HOME}/lib", binary)
    compile_all(library, root)
    return home


def add_code(packages: Path, root: Path) -> Path:
    """Make the directory that is laid over the runtime; gives its path, `ROOT/opt/metallb`."""
    shutil.copytree(packages, packages_of(root), ignore=shutil.ignore_patterns("__pycache__"))
    compile_all(packages_of(root), root)
    return root / HOME


def packages_of(root: Path) -> Path:
    """Where this Python looks for packages: distributions have their own minds about it."""
    return root / Path(site.getsitepackages([f"/{HOME}"])[-1]).relative_to("/")


def not_needed(directory: str, names: list[str]) -> set[str]:
    """Name what of the packages stays out: scripts, and the clients of the APIs of Kubernetes.

    Of the package `kubernetes` only configuration and authentication are used, which is one part
    in fifty of it.
    """
    parts = Path(directory).parts
    left_out = {"bin"} & set(names)
    if parts[-1] == "kubernetes":
        left_out |= {"aio"} & set(names)
    elif parts[-2:] in (("client", "models"), ("client", "api")) and "kubernetes" in parts:
        left_out |= set(names) - {"__init__.py"}
    return left_out


def copy_python(home: Path, library: Path) -> Path:
    """Copy the interpreter and the standard library; gives the interpreter's path."""
    python = home / "bin" / "python3"
    python.parent.mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), python)
    python.chmod(0o755)
    ignored = shutil.ignore_patterns(*NOT_SHIPPED)
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=ignored, symlinks=False)
    return python


def copy_shared_libraries(home: Path, loader: Path) -> None:
    """Copy what the interpreter and all extension modules are linked to, and the loader."""
    own = {path.resolve() for path in home.rglob("*")}
    needed = {loader.resolve(): loader.name}
    for binary in elf_files(home):
        for path in linked(loader, binary):
            if path.resolve() not in own:
                needed.setdefault(path.resolve(), path.name)
    for source, name in needed.items():
        shutil.copy(source, home / "lib" / name)


def elf_files(home: Path) -> Iterator[Path]:
    """Find programs and shared objects."""
    for path in sorted(home.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == ELF:
                    yield path


def linked(loader: Path, binary: Path) -> list[Path]:
    """List the shared libraries that a binary is linked to, as the loader finds them."""
    library = os.pathsep.join([sysconfig.get_config_var("LIBDIR") or "", *libraries_beside(binary)])
    done = subprocess.run(
        [str(loader), "--library-path", library, "--list", str(binary)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return list(listed(done.stdout.splitlines()))


def libraries_beside(binary: Path) -> list[str]:
    """Directories of libraries that a wheel brings with it (`NAME.libs`)."""
    return [str(path) for parent in binary.parents[:3] for path in parent.glob("*.libs")]


def listed(lines: Iterable[str]) -> Iterator[Path]:
    """Read the loader's list: `name => /path (0x…)`; raises RuntimeError for one not found."""
    for line in lines:
        name, arrow, place = line.partition(" => ")
        if arrow and place.startswith("not found"):
            raise RuntimeError(f"shared library {name.strip()} is not found")
        if arrow and place.startswith("/"):
            yield Path(place.split(" (")[0])


def patchelf(*arguments: str | Path) -> str:
    """Run patchelf; gives what it printed."""
    command = ["patchelf", *(str(item) for item in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def compile_all(directory: Path, root: Path) -> None:
    """Compile every module, once for all: the files of an image never change."""
    compileall.compile_dir(
        directory,
        maxlevels=20,
        quiet=2,
        stripdir=str(root),
        prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def main(arguments: list[str]) -> int:
    """Make what the first word says; gives the exit code."""
    works = {"runtime": make_runtime, "code": add_code}
    if len(arguments) != 3 or arguments[0] not in works:
        print("usage: make_runtime.py runtime | code FROM ROOT", file=sys.stderr)
        return 2
    made = works[arguments[0]](Path(arguments[1]), Path(arguments[2]))
    total = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    print(f"{made}: {total / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
