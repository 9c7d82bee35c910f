"""The event loops that the speaker may run on: asyncio's own, and uvloop as in the product.

Three speakers, for what one peer must not do to another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from support.bgp_nodes import Node, addresses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], Any]]:
    """Run each test on both."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def three() -> AsyncIterator[tuple[Node, Node, Node]]:
    """Three speakers that know nothing of each other."""
    hosts = list(addresses())
    async with Node(hosts[0], 1) as one, Node(hosts[1], 2) as second, Node(hosts[2], 3) as third:
        yield one, second, third
