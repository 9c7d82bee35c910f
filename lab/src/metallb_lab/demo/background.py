"""A demo that outlives its command: with `--keep` the lab goes on in a process of its own.

The command forks before anything is made. The child leads a session of its own, owns the lab and
plays the demo on the same terminal; then it says how it went through a pipe, lets go of the
terminal and keeps the lab until `down` (SIGTERM). The command waits for that word, passes Ctrl-C
on, and ends with the demo's exit code.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Parent:
    """The child's line to the command that waits."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.is_released = False

    def release(self, code: int, log: Path) -> None:
        """Let the command end with this exit code; from now on output goes to the log."""
        self.is_released = True
        os.write(self._descriptor, bytes([code]))
        os.close(self._descriptor)
        sys.stdout.flush()
        sys.stderr.flush()
        with log.open("ab") as out, Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)


def run_apart(work: Callable[[Parent], int]) -> int:
    """Run `work` in a child, and wait until it releases us or ends; gives its exit code."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setsid()
        os._exit(_child(work, writing))
    os.close(writing)
    return _wait(child, reading)


def _child(work: Callable[[Parent], int], writing: int) -> int:
    try:
        return work(Parent(writing))
    except BaseException as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1


def _wait(child: int, reading: int) -> int:
    while True:
        try:
            told = os.read(reading, 1)
            break
        except KeyboardInterrupt:
            os.kill(child, signal.SIGINT)
    os.close(reading)
    if told:
        return told[0]
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) or 1
