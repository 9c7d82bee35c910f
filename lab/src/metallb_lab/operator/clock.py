"""The operator's time: the real one, or one that a test turns by hand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits for one."""

    def now(self) -> datetime:
        """Give the time, with a zone."""
        ...

    async def wait_until(self, at: datetime) -> None:
        """Come back when it is so late."""
        ...


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        """Give the time."""
        return datetime.now(UTC)

    async def wait_until(self, at: datetime) -> None:
        """Come back when it is so late."""
        await asyncio.sleep(max(0.0, (at - self.now()).total_seconds()))


class ManualClock:
    """A time that stands until it is turned."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._turned = asyncio.Condition()

    def now(self) -> datetime:
        """Give the time."""
        return self._at

    async def wait_until(self, at: datetime) -> None:
        """Come back when it is so late."""
        async with self._turned:
            await self._turned.wait_for(lambda: self._at >= at)

    async def turn(self, by: timedelta) -> None:
        """Let time pass."""
        self._at += by
        async with self._turned:
            self._turned.notify_all()
