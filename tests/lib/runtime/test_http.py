"""The process's own port: metrics, alive, ready."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from metallb.runtime.http import StatusServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Served:
    """A running status server whose readiness a test sets."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.registry = CollectorRegistry()
        self.server = StatusServer("127.0.0.1", 0, self.registry, lambda: self.reason)

    async def get(self, path: str) -> tuple[int, str, str]:
        url = f"http://127.0.0.1:{self.server.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text(), answer.headers["Content-Type"]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    found = Served()
    await found.server.start()
    yield found
    await found.server.stop()


async def test_metrics_are_given_in_the_text_format(served: Served) -> None:
    Counter("things", "Things.", registry=served.registry).inc(3)
    status, text, content_type = await served.get("/metrics")
    assert status == 200
    assert "things_total 3.0" in text
    assert content_type.startswith("text/plain; version=")


async def test_health_and_readiness(served: Served) -> None:
    assert (await served.get("/healthz"))[:2] == (200, "ok\n")
    assert (await served.get("/readyz"))[:2] == (200, "ok\n")
    served.reason = "the API server has not answered yet"
    assert (await served.get("/readyz"))[:2] == (503, "the API server has not answered yet\n")
    assert (await served.get("/healthz"))[0] == 200
    assert (await served.get("/"))[0] == 404


async def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = StatusServer(
            "127.0.0.1", taken.getsockname()[1], CollectorRegistry(), lambda: None
        )
        with pytest.raises(OSError, match="in use"):
            await server.start()
        await server.stop()


async def test_a_server_that_was_not_started_can_be_stopped() -> None:
    await StatusServer("127.0.0.1", 0, CollectorRegistry(), lambda: None).stop()
