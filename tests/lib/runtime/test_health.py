"""Health checks are asked, address by address, and what is wrong is said in words."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from metallb.runtime.health import HealthClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NEAR, FAR, SIX = "127.0.0.1", "127.0.0.7", "::1"


@pytest.fixture
async def client() -> AsyncIterator[HealthClient]:
    made = HealthClient(timeout_seconds=10)
    yield made
    await made.close()


class Answering:
    """Serves `/healthz` with a status that a test sets, on one address."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.port = 0
        app = web.Application()
        app.router.add_get("/healthz", self._answer)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, host: str) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, host, 0).start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        return web.Response(status=self.status)


@pytest.fixture
async def answering(request: pytest.FixtureRequest) -> AsyncIterator[Answering]:
    made = Answering(200)
    await made.start(getattr(request, "param", NEAR))
    yield made
    await made.stop()


async def test_all_is_well_or_the_status_is_said(
    client: HealthClient, answering: Answering
) -> None:
    assert await client.ask([NEAR], answering.port, "/healthz") is None
    answering.status = 503
    assert await client.ask([NEAR], answering.port, "/healthz") == "says 503"
    assert await client.ask([NEAR], answering.port, "/other") == "says 404"


@pytest.mark.parametrize("answering", [FAR, SIX], indirect=True)
async def test_the_first_address_that_answers_counts(
    client: HealthClient, answering: Answering
) -> None:
    hosts = [NEAR, SIX, FAR]
    assert await client.ask(hosts, answering.port, "/healthz") is None
    assert await client.ask([NEAR], answering.port, "/healthz") == "refuses connections"
    assert await client.ask([], answering.port, "/healthz") == "no address to ask"


async def test_who_accepts_and_says_nothing_is_not_waited_for() -> None:
    client = HealthClient(timeout_seconds=0.05)
    with socket.create_server((NEAR, 0)) as silent:
        assert await client.ask([NEAR], silent.getsockname()[1], "/healthz") == "does not answer"
    await client.close()


async def test_what_is_no_http_is_no_answer(client: HealthClient) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-none\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, NEAR, 0)
    port = server.sockets[0].getsockname()[1]
    found = await client.ask([NEAR], port, "/healthz")
    assert found is not None
    assert found.startswith("answers what is no HTTP: ")
    server.close()
    await server.wait_closed()


async def test_a_client_that_asked_nobody_is_closed(client: HealthClient) -> None:
    await client.close()
    await client.close()
