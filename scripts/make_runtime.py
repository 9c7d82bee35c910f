"""Makes a directory that holds a Python and all that it needs, in the first stage of a build.

    python3 make_runtime.py image PACKAGES ROOT    ROOT/opt/metallb: an image without anything else
    python3 make_runtime.py code PACKAGES ROOT     what is laid over it: our own packages alone
    python3 make_runtime.py hooks PACKAGES VENV    VENV: the environment that runs the hooks

Runs with the Python that is to be copied. PACKAGES holds what is installed. The directory gets the
interpreter, the standard library without what serves only developers, the packages, and the shared
libraries that any of these needs; the interpreter is told to look for them there, from where it
lies itself (patchelf, which is to be on the PATH). Where there is a `strip`, symbols for debuggers
are taken out: some wheels are built with them.

An image also gets the C library and its loader: nothing of the base image matters, and nothing of
it is overwritten. Hooks run where the platform runs them, with the C library that is there, so the
base must not have a newer one.

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
    "__pycache__", "_pyrepl", "config-*", "curses", "dbm", "dist-packages", "distutils",
    "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "sitecustomize.py", "test",
    "tkinter", "turtle.py", "turtledemo", "venv", "_curses*", "_dbm*", "_gdbm*", "_test*",
    "_tkinter*", "nis.*", "readline*", "xx*.so",
)  # fmt: skip
"""What serves only developers and terminals, and extension modules whose libraries nobody needs."""
C_LIBRARY = {
    "libanl.so.1", "libc.so.6", "libdl.so.2", "libm.so.6", "libmvec.so.1", "libpthread.so.0",
    "libresolv.so.2", "librt.so.1", "libutil.so.1",
}  # fmt: skip
"""What must be of one piece with the loader."""


def make_image(packages: Path, root: Path) -> Path:
    """Make the Python of an image; gives its home, `ROOT/opt/metallb`."""
    home = root / HOME
    python = copy_python(packages, home)
    loader = loader_of(python)
    copy_shared_libraries(home, loader, is_whole=True)
    strip(elf_files(home))
    patchelf("--set-interpreter", f"/{HOME}/lib/{loader.name}", python)
    point_to_libraries(home, python)
    compile_all(home / "lib", root)
    return home


def make_hooks(packages: Path, home: Path) -> Path:
    """Make the environment of the hooks; gives its home."""
    python = copy_python(packages, home)
    copy_shared_libraries(home, loader_of(python), is_whole=False)
    strip(elf_files(home))
    point_to_libraries(home, python)
    compile_all(home / "lib", home)
    return home


def add_code(packages: Path, root: Path) -> Path:
    """Make what is laid over an image's Python; gives its home."""
    place = packages_of(root / HOME)
    shutil.copytree(packages, place, ignore=shutil.ignore_patterns("__pycache__"))
    compile_all(place, root)
    return root / HOME


def packages_of(home: Path) -> Path:
    """Where this Python looks for packages: distributions have their own minds about it."""
    return home / Path(site.getsitepackages(["/home"])[-1]).relative_to("/home")


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


def copy_python(packages: Path, home: Path) -> Path:
    """Copy interpreter, standard library and packages; gives the interpreter's path."""
    python = home / "bin" / "python3"
    python.parent.mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), python)
    python.chmod(0o755)
    stdlib = Path(sysconfig.get_path("stdlib"))
    ignored = shutil.ignore_patterns(*NOT_SHIPPED)
    shutil.copytree(stdlib, home / "lib" / stdlib.name, ignore=ignored, symlinks=False)
    shutil.copytree(packages, packages_of(home), ignore=not_needed)
    return python


def loader_of(python: Path) -> Path:
    """The loader that a program asks for."""
    return Path(patchelf("--print-interpreter", python))


def copy_shared_libraries(home: Path, loader: Path, *, is_whole: bool) -> None:
    """Copy what interpreter and extension modules are linked to; the C library if it is `whole`."""
    own = {path.resolve() for path in home.rglob("*")}
    needed = {loader.resolve(): loader.name} if is_whole else {}
    for binary in elf_files(home):
        for path in linked(loader, binary):
            if path.resolve() not in own and (is_whole or path.name not in C_LIBRARY):
                needed.setdefault(path.resolve(), path.name)
    for source, name in needed.items():
        if is_whole or source != loader.resolve():
            shutil.copy(source, home / "lib" / name)


def point_to_libraries(home: Path, python: Path) -> None:
    """Tell the interpreter, and what has its own mind about it, where the libraries are."""
    own = [*(home / "lib").glob("lib*.so*"), *(home / "lib").glob("python3*/lib-dynload/*.so")]
    for binary in (python, *sorted(own)):
        if binary == python or patchelf("--print-rpath", binary):
            place = os.path.relpath(home / "lib", binary.parent)
            patchelf("--force-rpath", "--set-rpath", f"$ORIGIN/{place}", binary)


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


def strip(binaries: Iterable[Path]) -> None:
    """Take out what only debuggers read."""
    if program := shutil.which("strip"):
        for binary in binaries:
            subprocess.run([program, "--strip-unneeded", str(binary)], check=True)


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
    works = {"image": make_image, "code": add_code, "hooks": make_hooks}
    if len(arguments) != 3 or arguments[0] not in works:
        print("usage: make_runtime.py image | code | hooks PACKAGES PLACE", file=sys.stderr)
        return 2
    made = works[arguments[0]](Path(arguments[1]), Path(arguments[2]))
    total = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    print(f"{made}: {total / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
