"""Another kernel for what the machine's own lacks: User Mode Linux, a kernel that is a process.

    python -m metallb_lab.guest run [--built] FILE…    pytest on these files, in the guest
    python -m metallb_lab.guest build                  make the kernel that Debian has not

The guest's root is the machine's own, read-only (hostfs), so what runs there is this tree with its
`.venv`; `/run` is its own. It has no network but what it makes itself, and needs no `/dev/kvm`.
There are two kernels: Debian's package `user-mode-linux`, which has VRF, and one that
`metallb_lab.kernel` builds, which has TCP-AO too.

Limits: one processor, and system calls cost much more than outside, so nothing is measured there.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_lab import kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[3]
PACKAGED = Path("/usr/bin/linux.uml")
MODULES = Path("/usr/lib/uml/modules")
WANTED_MODULES = (
    "kernel/lib/crc-ccitt.ko",
    "kernel/net/ipv6/ipv6.ko",
    "kernel/drivers/net/veth.ko",
    "kernel/drivers/net/vrf.ko",
)
MEMORY = "512M"
LIMIT_SECONDS = 600.0
_EXIT = re.compile(r"^GUEST-EXIT (\d+)\s*$", re.MULTILINE)

_INIT = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
[ -c /dev/urandom ] || mount -t devtmpfs dev /dev
mkdir /run/home /run/tmp
export HOME=/run/home TMPDIR=/run/tmp PYTHONDONTWRITEBYTECODE=1
cd {root}
{python} -c {load} {modules}
ip link set lo up
{command}
echo "GUEST-EXIT $?"
{python} -c {off}
"""
_LOAD = """import ctypes, os, sys
for path in sys.argv[1:]:
    if ctypes.CDLL(None, use_errno=True).syscall(313, os.open(path, os.O_RDONLY), b'', 0):
        sys.exit(f'{path}: ' + os.strerror(ctypes.get_errno()))
"""
"""`finit_module`: this machine may have no `insmod`."""
_OFF = "import ctypes; ctypes.CDLL(None).reboot(0x4321FEDC)"


class GuestError(RuntimeError):
    """There is no such kernel, or the guest did not come to its end; the text has its console."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended in a guest."""

    code: int
    output: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that can be run, and the modules that it has to load."""

    program: Path
    modules: tuple[Path, ...] = ()


def packaged() -> Kernel:
    """Give Debian's kernel; raises GuestError."""
    versions = sorted(MODULES.glob("*"))
    if not PACKAGED.exists() or not versions:
        raise GuestError("there is no user-mode-linux; run: python3 scripts/setup.py test")
    return Kernel(PACKAGED, tuple(versions[-1] / name for name in WANTED_MODULES))


def built() -> Kernel:
    """Give the kernel that was built; raises GuestError."""
    program = kernel.path()
    if not program.exists():
        raise GuestError("the kernel is not built; run: make guest")
    return Kernel(program)


def run(command: Sequence[str], which: Kernel, *, limit_seconds: float = LIMIT_SECONDS) -> Outcome:
    """Run a command of this tree's in a guest; raises GuestError when it comes to no end."""
    directory = Path(tempfile.mkdtemp(prefix="metallb-guest-"))
    try:
        init = directory / "init"
        init.write_text(_script(command, which))
        init.chmod(0o700)
        console = _boot(which, init, limit_seconds)
    finally:
        shutil.rmtree(directory)
    found = _EXIT.search(console)
    if found is None:
        raise GuestError(f"the guest came to no end:\n{console[-4000:]}")
    return Outcome(int(found[1]), console[: found.start()])


def _script(command: Sequence[str], which: Kernel) -> str:
    return _INIT.format(
        root=shlex.quote(str(ROOT)),
        python=shlex.quote(sys.executable),
        load=shlex.quote(_LOAD),
        modules=shlex.join(str(module) for module in which.modules),
        command=shlex.join(command),
        off=shlex.quote(_OFF),
    )


def _boot(which: Kernel, init: Path, limit_seconds: float) -> str:
    """Run a kernel to its end; gives what it wrote to its console."""
    words = [
        *(str(which.program), f"mem={MEMORY}", "quiet", "con=null", "con0=null,fd:1"),
        *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}"),
    ]
    environment = {**os.environ, "HOME": str(init.parent)}  # where it writes down its pid
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=limit_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its own processes are processes here
        said, _ = process.communicate()
    return said.decode(errors="replace").replace("\r", "")


def pytest_command(files: Sequence[str]) -> list[str]:
    """Write the command that runs tests in a guest."""
    return [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", *files]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the kernel, or run tests in a guest; gives the exit code."""
    parser = argparse.ArgumentParser(prog="metallb_lab.guest", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build")
    running = commands.add_parser("run")
    running.add_argument("--built", action="store_true", help="in the kernel that was built")
    running.add_argument("files", nargs="+", metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        if options.command == "build":
            kernel.ensure()
            return 0
        outcome = run(pytest_command(options.files), built() if options.built else packaged())
    except (GuestError, kernel.KernelError) as error:
        print(error, file=sys.stderr)
        return 1
    print(outcome.output)
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
