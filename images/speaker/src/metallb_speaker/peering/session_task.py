"""The task of one peer: takes what its connections and timers bring, one thing after another.

    Connection, timer, dialling ─► put ─► SessionTask ─► Leg ─► Session

Callbacks of asyncio only put in. What the owner of a peer orders does not go this way: it is done
when the call returns, between two steps of the task, for no step awaits anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


class SessionTask:
    """Does steps in the order in which they were put in, from `start` to `end`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._steps: deque[Callable[[], None]] = deque()
        self._has_some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"bgp {self._name}")

    def end(self) -> None:
        """Do nothing any more; what was put in is forgotten."""
        self._steps.clear()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def put(self, step: Callable[[], None]) -> None:
        """Let the task do something."""
        self._steps.append(step)
        self._has_some.set()

    async def _run(self) -> None:
        while True:
            await self._has_some.wait()
            self._has_some.clear()
            while self._steps:
                self._do(self._steps.popleft())

    def _do(self, step: Callable[[], None]) -> None:
        """Do one step; a leg catches its own faults, and what it lets out must not end the task."""
        try:
            step()
        except Exception:
            log.exception("peer %s: fault in its task, which goes on", self._name)
