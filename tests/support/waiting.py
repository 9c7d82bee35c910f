"""Waiting, with a deadline, for what no call that could be awaited tells."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DEADLINE_SECONDS = 20.0


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait until a condition holds; AssertionError after the deadline."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + DEADLINE_SECONDS
    while not condition():
        assert loop.time() < ends_at, f"waited in vain for {what or condition}"
        await asyncio.sleep(0.002)


async def until_it(condition: Callable[[], Awaitable[object]], what: str = "") -> None:
    """Wait until a condition that has to be asked for holds; AssertionError after the deadline."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + DEADLINE_SECONDS
    while not await condition():
        assert loop.time() < ends_at, f"waited in vain for {what or condition}"
        await asyncio.sleep(0.01)
