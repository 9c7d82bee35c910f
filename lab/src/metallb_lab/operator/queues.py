"""Queues of tasks: one task at a time, in order, a failing one again until it succeeds.

The operator's queues (deckhouse-platform.md §2.4, §2.10, §3.3): tasks of one queue run one after
another, queues run beside each other. A task that fails stays at the head and is tried again
after 5 to 30 s, longer each time, so a failing hook in `main` blocks everything behind it. Tasks
of one hook that wait in a row are put together (§2.5): that is `merge`. A task that must wait for
another queue gives way to what is put before it (`NotYetError`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from metallb_lab.operator.errors import NotYetError

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_YET_SECONDS = 0.05

log = logging.getLogger(__name__)


class Task(Protocol):
    """One thing to do; `merge` takes in a task that waits behind it, or says that it cannot."""

    @property
    def allows_failure(self) -> bool:
        """Whether a failure ends the task."""
        ...

    def merge(self, other: Task) -> bool:
        """Take in another task; tell whether that was possible."""
        ...

    async def run(self) -> None:
        """Do it."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a failed task waits, in seconds: the first time, and at most."""

    first_seconds: float = 5.0
    limit_seconds: float = 30.0

    def delay(self, failures: int) -> float:
        """Give the wait after so many failures."""
        return float(min(self.limit_seconds, self.first_seconds * 2 ** min(failures - 1, 10)))


class TaskQueue:
    """One queue; `on_change` is told of each change of its state."""

    def __init__(self, name: str, patience: Patience, on_change: Callable[[], None]) -> None:
        self.name = name
        self._patience = patience
        self._on_change = on_change
        self._tasks: deque[Task] = deque()
        self._added = asyncio.Event()
        self._retry = asyncio.Event()
        self._running: Task | None = None
        self.failures = 0
        """Of the task at the head, one after another."""
        self.failures_ever = 0
        self.last_failure: Exception | None = None
        self._worker = asyncio.create_task(self._work())

    def add(self, task: Task, *, first: bool = False) -> None:
        """Add a task behind the others; or before them, and then the head waits no longer."""
        if first:
            self._tasks.appendleft(task)
            self._retry.set()
        else:
            self._tasks.append(task)
        self._added.set()
        self._on_change()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self._tasks and self._running is None

    def waiting(self) -> list[Task]:
        """Give the tasks that have not begun."""
        return list(self._tasks)

    def drop(self, is_dropped: Callable[[Task], bool]) -> None:
        """Take tasks away that have not begun."""
        self._tasks = deque(task for task in self._tasks if not is_dropped(task))

    async def stop(self) -> None:
        """End the queue, whatever it does."""
        self._worker.cancel()
        with suppress(asyncio.CancelledError):
            await self._worker

    async def _work(self) -> None:
        while True:
            self._added.clear()
            while self._tasks:
                await self._do_head()
            await self._added.wait()

    async def _do_head(self) -> None:
        task = self._running = self._tasks.popleft()
        while self._tasks and task.merge(self._tasks[0]):
            self._tasks.popleft()
        try:
            await task.run()
        except NotYetError:
            await self._put_back(task, NOT_YET_SECONDS)
        except Exception as error:
            await self._failed(task, error)
        else:
            self.failures, self.last_failure = 0, None
        self._running = None
        self._on_change()

    async def _failed(self, task: Task, error: Exception) -> None:
        log.warning("%s: %s", self.name, error)
        if task.allows_failure:
            return
        self.failures += 1
        self.failures_ever += 1
        self.last_failure = error
        await self._put_back(task, self._patience.delay(self.failures))

    async def _put_back(self, task: Task, seconds: float) -> None:
        """Try a task again later, or as soon as another one is put before it."""
        self._running = None
        self._retry.clear()
        self._tasks.appendleft(task)
        self._on_change()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._retry.wait()
