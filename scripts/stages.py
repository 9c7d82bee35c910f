"""Commands run one after another: timed, limited, never silent for long.

What a command prints goes through as it comes; of one that runs beside another whole lines do, with
its name before them. After `QUIET_SECONDS` without a whole line the
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
import threading
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

BESIDE_NICE = 10
"""How far a command that runs beside another stands back from it."""


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


class Output:
    """Standard output, for two who write by turns: lines of one do not begin within the other's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_at_line_start = True

    def write(self, data: bytes) -> None:
        """Write at once, from where the last one stopped."""
        with self._lock:
            self._put(data)

    def write_lines(self, data: bytes) -> None:
        """Write whole lines at once."""
        with self._lock:
            self._put(data if self._is_at_line_start else b"\n" + data)

    def _put(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        self._is_at_line_start = data.endswith(b"\n")


output = Output()
giving_up = threading.Event()
"""Set: commands that run are ended, and none is begun."""


class GivenUpError(Exception):
    """The command was not run, or not to its end."""


def run(
    name: str,
    command: Sequence[str],
    *,
    limit_seconds: float,
    is_quiet: bool = False,
    is_beside: bool = False,
) -> tuple[int, float]:
    """Run a command; gives its exit code and the seconds it took.

    A quiet one is shown only when it fails; one beside another stands back from it. Raises
    GivenUpError when `giving_up` is set.
    """
    started_at = time.monotonic()
    if is_beside:
        command = ("nice", "-n", str(BESIDE_NICE), *command)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        passing = Passing(name, is_quiet=is_quiet, is_beside=is_beside)
        try:
            _pass_on(process, passing, limit_seconds)
        except BaseException:
            _end_group(process)
            raise
        finally:
            passing.end(is_failed=process.returncode != 0)
    return process.returncode, time.monotonic() - started_at


class Passing:
    """What a command prints, on its way through."""

    def __init__(self, name: str, *, is_quiet: bool, is_beside: bool) -> None:
        self.name = name
        self._is_quiet, self._is_beside = is_quiet, is_beside
        self._label = f"{name:8} | ".encode()
        self._held: list[bytes] = []
        self._line_at = self._started_at = time.monotonic()

    def take(self, data: bytes) -> None:
        """Pass on, or hold, what was printed."""
        if b"\n" in data and not self._is_quiet:
            self._line_at = time.monotonic()
        if self._is_quiet:
            self._held.append(data)
        elif self._is_beside:
            *whole, rest = b"".join((*self._held, data)).split(b"\n")
            self._held = [rest]
            if whole:
                output.write_lines(self._labelled(whole))
        else:
            output.write(data)

    def _labelled(self, lines: Sequence[bytes]) -> bytes:
        return b"".join(self._label + line + b"\n" for line in lines)

    def say(self, words: str) -> None:
        """Say something of the command itself."""
        output.write_lines(f"[{self.name}] {words}\n".encode())
        self._line_at = time.monotonic()

    def say_if_silent(self) -> None:
        """Say that it still runs, when it has printed no line for long."""
        now = time.monotonic()
        if now - self._line_at >= QUIET_SECONDS:
            self.say(f"{in_words(now - self._started_at)}, still running")

    def end(self, *, is_failed: bool) -> None:
        """Show what was held, if it is to be shown."""
        held = b"".join(self._held)
        if self._is_quiet and is_failed:
            output.write(held)
        elif self._is_beside and held and not self._is_quiet:
            output.write_lines(self._labelled([held]))


def _pass_on(process: subprocess.Popen[bytes], passing: Passing, limit_seconds: float) -> None:
    """Pass on what the command prints until it ends, or its time does."""
    until = time.monotonic() + limit_seconds
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    while True:
        if giving_up.is_set():
            raise GivenUpError(passing.name)
        if time.monotonic() > until:
            passing.say(f"ended at its limit of {in_words(limit_seconds)}")
            _end_group(process)
            process.returncode = LIMIT_EXIT
            return
        passing.say_if_silent()
        if not select.select([pipe], [], [], 1.0)[0]:
            continue
        data = os.read(pipe, CHUNK_BYTES)
        if not data:
            process.wait()
            return
        passing.take(data)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it started: by request, then by force."""
    for number, patience_seconds in ((signal.SIGTERM, PATIENCE_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_seconds)
