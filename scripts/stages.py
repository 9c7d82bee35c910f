"""Commands run one after another: timed, limited, never silent for long.

What a command prints goes through as it comes. After `QUIET_SECONDS` without a whole line the
stage says that it still runs and for how long. A command that overstays its limit is ended with
all that it started: it leads a process group of its own. One that is to be quiet is shown only when
it fails.

Counts of tests are read from the JUnit file that pytest writes, not from what it prints.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

QUIET_SECONDS = 30.0
PATIENCE_SECONDS = 20.0
CHUNK_BYTES = 65_536
LIMIT_EXIT = 124
"""Exit code of a command that was ended at its limit, as `timeout` gives it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests ended how; a test that ended by an error counts as failed."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def read_counts(junit: Path) -> Counts:
    """Sum up a JUnit file; none, or one cut off, counts nothing."""
    try:
        suites = list(ElementTree.parse(junit).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return Counts()
    found = Counts()
    for suite in suites:
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        found += Counts(int(suite.get("tests", 0)) - failed - skipped, failed, skipped)
    return found


def in_words(seconds: float) -> str:
    """Write a duration: `0.4 s`, `75 s`, `12 min 3 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def write(data: bytes) -> None:
    """Write to standard output at once."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def run(
    name: str, command: Sequence[str], *, limit_seconds: float, is_quiet: bool = False
) -> tuple[int, float]:
    """Run a command; gives its exit code and the seconds it took."""
    started_at = time.monotonic()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            held = _pass_on(name, process, started_at, limit_seconds, is_quiet=is_quiet)
        except BaseException:
            _end_group(process)
            raise
    if is_quiet and process.returncode:
        write(held)
    return process.returncode, time.monotonic() - started_at


def _pass_on(
    name: str,
    process: subprocess.Popen[bytes],
    started_at: float,
    limit_seconds: float,
    *,
    is_quiet: bool,
) -> bytes:
    """Pass on what the command prints until it ends; gives what was held back."""
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    held: list[bytes] = []
    line_at = started_at
    at_line_start = True
    while True:
        now = time.monotonic()
        if now - started_at > limit_seconds:
            write(f"\n[{name}] ended at its limit of {in_words(limit_seconds)}\n".encode())
            _end_group(process)
            process.returncode = LIMIT_EXIT
            return b"".join(held)
        if now - line_at >= QUIET_SECONDS:
            break_line = b"" if at_line_start else b"\n"
            write(break_line + f"[{name}] {in_words(now - started_at)}, still running\n".encode())
            line_at, at_line_start = now, True
        if not select.select([pipe], [], [], 1.0)[0]:
            continue
        data = os.read(pipe, CHUNK_BYTES)
        if not data:
            process.wait()
            return b"".join(held)
        if is_quiet:
            held.append(data)
            continue
        write(data)
        at_line_start = data.endswith(b"\n")
        if b"\n" in data:
            line_at = time.monotonic()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it started: by request, then by force."""
    for number, patience_seconds in ((signal.SIGTERM, PATIENCE_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_seconds)
