"""The relay from loopback into a namespace, by which kubectl reaches a lab's API server."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Self

import pytest
import pytest_asyncio

from metallb_lab import netns
from metallb_lab.instance import Instance
from metallb_lab.relay import Relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.netns

DEADLINE_SECONDS = 20.0
HERE = "127.0.0.1"


@pytest_asyncio.fixture
async def namespace() -> AsyncIterator[str]:
    with Instance() as lab:
        name = lab.namespace("x")
        netns.run("ip", "netns", "add", name)
        netns.run("ip", "-n", name, "link", "set", "lo", "up")
        yield name


class Shouter:
    """A server in a namespace: what is said comes back in capitals."""

    def __init__(self, namespace: str) -> None:
        self._socket = netns.make_socket(namespace, socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind((HERE, 0))
        self.port = int(self._socket.getsockname()[1])
        self._ended = asyncio.Condition()
        self.open = self.seen = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._shout, sock=self._socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        async with asyncio.timeout(DEADLINE_SECONDS), self._ended:
            await self._ended.wait_for(lambda: not self.open)

    async def _shout(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open, self.seen = self.open + 1, self.seen + 1
        while data := await reader.read(65_536):
            writer.write(data.upper())
            await writer.drain()
        writer.close()
        async with self._ended:
            self.open -= 1
            self._ended.notify_all()


async def say(port: int, data: bytes) -> bytes:
    """Say something, and give as many bytes of what comes back."""
    reader, writer = await asyncio.open_connection(HERE, port)
    writer.write(data)
    answer = await reader.read() if not data else await reader.readexactly(len(data))
    writer.close()
    await writer.wait_closed()
    return answer


async def test_bytes_pass_both_ways(namespace: str) -> None:
    async with Shouter(namespace) as server:
        relay = Relay(namespace, HERE, server.port)
        await relay.start()
        data = b"word" * 100_000
        async with asyncio.timeout(DEADLINE_SECONDS):
            answers = await asyncio.gather(*(say(relay.port, data) for _ in range(5)))
        assert answers == [data.upper()] * 5
        assert server.seen == 5
        await relay.stop()


async def test_stopping_drops_what_is_connected(namespace: str) -> None:
    async with Shouter(namespace) as server:
        relay = Relay(namespace, HERE, server.port)
        await relay.start()
        reader, writer = await asyncio.open_connection(HERE, relay.port)
        writer.write(b"word")
        assert await reader.readexactly(4) == b"WORD"
        await relay.stop()
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await reader.read() == b""
        writer.close()


async def test_where_nobody_listens_the_caller_is_hung_up_on(namespace: str) -> None:
    relay = Relay(namespace, HERE, 9)
    await relay.start()
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await say(relay.port, b"") == b""
    await relay.stop()


async def test_a_stopped_relay_listens_no_more(namespace: str) -> None:
    relay = Relay(namespace, HERE, 9)
    await relay.stop()  # not started: nothing to do
    await relay.start()
    port = relay.port
    await relay.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HERE, port)
