"""Supervised tasks: each has a name, and the unexpected end of one ends the program with a reason.

A task that is meant to run for ever and returns, or raises, is a bug or a fatal condition; carrying
on without it would be a process that looks alive and does half its work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = logging.getLogger(__name__)


class TaskEndedError(Exception):
    """A task that should run for ever has ended; the cause is chained when it raised."""


class Supervisor:
    """Runs named tasks until one ends, or until `stop` is set."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[Any]] = []
        self.stop = asyncio.Event()

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task that is to run until cancelled."""
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        return task

    def stop_on_signals(self) -> None:
        """Let SIGTERM and SIGINT set `stop`."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)

    async def wait(self) -> None:
        """Wait for `stop`; raises TaskEndedError when a task ends before."""
        stopping = asyncio.create_task(self.stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait(
                (stopping, *self._tasks), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stopping.cancel()
        for task in done - {stopping}:
            if not self.stop.is_set():
                raise TaskEndedError(f"task {task.get_name()} has ended") from _cause(task)

    async def cancel(self) -> None:
        """Cancel all tasks in the reverse order of their start, each to its end."""
        for task in reversed(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                try:
                    await task
                except Exception:
                    log.exception("task %s failed as it was stopped", task.get_name())
        self._tasks.clear()


def _cause(task: asyncio.Task[Any]) -> BaseException | None:
    return None if task.cancelled() else task.exception()
