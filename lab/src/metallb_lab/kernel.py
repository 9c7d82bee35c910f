"""Builds a kernel as a process (User Mode Linux) with what Debian's has not: TCP-AO.

The source is Debian's package `linux-source-6.12`, the configuration
`lab/tools/guest/kernel.config`, with nothing else in it. The program lies in the cache under a
digest of what decides its content, and appears whole or not at all (see `metallb_lab.tools`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_lab.tools import cache_dir, lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb_lab.tools import Say

CONFIGURATION = Path(__file__).parents[2] / "tools" / "guest" / "kernel.config"
SOURCE = Path("/usr/src/linux-source-6.12.tar.xz")
LOG_TAIL_LINES = 25
_LEFT_OUT = ("drivers/gpu/*.[chS]", "sound/*.[chS]", "Documentation/*.rst", "tools/testing/*")
"""What no configuration of ours compiles, a good part of the source."""


class KernelError(RuntimeError):
    """The kernel cannot be built; the text has the end of what was said."""


def path() -> Path:
    """Give where the kernel is, or is to be."""
    decides = hashlib.sha256(CONFIGURATION.read_bytes() + SOURCE.name.encode())
    return cache_dir() / "kernels" / decides.hexdigest()[:20] / "linux"


def ensure(say: Say = print) -> Path:
    """Give the kernel, built now if need be (some minutes); raises KernelError."""
    program = path()
    if program.exists():
        say(f"[kernel] present in {program}")
        return program
    if not SOURCE.exists():
        raise KernelError(f"there is no {SOURCE}; run: python3 scripts/setup.py guest")
    program.parent.mkdir(parents=True, exist_ok=True)
    with lock(program.with_suffix(".lock"), "kernel", say):
        if not program.exists():
            _build(program, say)
    return program


def _build(program: Path, say: Say) -> None:
    scratch = Path(tempfile.mkdtemp(prefix="kernel-", dir=program.parent))
    log = program.with_suffix(".log")
    say(f"[kernel] building (log: {log})")
    try:
        excluded = [f"--exclude=linux-source-*/{pattern}" for pattern in _LEFT_OUT]
        _run(log, scratch, ["tar", "--strip-components=1", "-xf", str(SOURCE), *excluded])
        make = ["make", "ARCH=um", f"-j{os.cpu_count() or 1}"]
        settings = {"KCONFIG_ALLCONFIG": str(CONFIGURATION)}
        _run(log, scratch, [*make, "allnoconfig"], settings)
        _check(scratch / ".config")
        _run(log, scratch, [*make, "linux"])
        (scratch / "linux").rename(program)
    finally:
        shutil.rmtree(scratch)
    say(f"[kernel] built: {program}")


def _run(
    log: Path, where: Path, command: Sequence[str], settings: dict[str, str] | None = None
) -> None:
    with log.open("ab") as out:
        done = subprocess.run(
            command,
            cwd=where,
            env=os.environ | (settings or {}),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        raise KernelError(f"{' '.join(command)} failed ({done.returncode}):\n{tail}")


def _check(made: Path) -> None:
    """See that what was asked for can be had: kconfig passes over what it does not know."""
    has = set(made.read_text().splitlines())
    wanted = [line for line in CONFIGURATION.read_text().splitlines() if line.endswith("=y")]
    if lost := [line for line in wanted if line not in has]:
        raise KernelError(f"this source cannot have {', '.join(lost)}")
