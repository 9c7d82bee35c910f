"""BMP on real sockets (RFC 7854): what a collector hears of sessions and of routes."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Self, cast

import pytest

from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.bmp import BmpType, PeerDownReason
from metallb_speaker.bgp.messages import MARKER
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.peering import monitor
from metallb_speaker.peering.config import Collector
from support.bgp_nodes import Node, addresses, both_up, join
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PLAIN = RouteAttributes()
ROUTE, OTHER = Prefix.of("203.0.113.1/32"), Prefix.of("203.0.113.2/32")
PORT = 11_019
_HEAD, _PER_PEER = 6, 42


@dataclass(slots=True)
class PlayedCollector:
    """Listens, and keeps what it is told; use as an asynchronous context manager."""

    address: IPv4Address
    messages: list[tuple[int, bytes]] = field(default_factory=list)
    calls: int = 0
    is_deaf: bool = False
    _server: asyncio.Server | None = None
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._called, str(self.address), PORT)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        self._writers.append(writer)
        try:
            while True:
                version, length, kind = struct.unpack("!BIB", await reader.readexactly(_HEAD))
                assert version == 3
                body = await reader.readexactly(length - _HEAD)
                self.messages.append((kind, body))
        except (asyncio.IncompleteReadError, OSError):
            return

    def told(self, kind: BmpType) -> list[bytes]:
        return [body for found, body in self.messages if found == kind]

    def routes(self) -> list[Prefix]:
        """The IPv4 prefixes of all Route Monitoring messages, those withdrawn too, in order."""
        found = []
        for body in self.told(BmpType.ROUTE_MONITORING):
            update = body[_PER_PEER:]
            assert update.startswith(MARKER)
            found += [each for each in (ROUTE, OTHER) if each.nlri in update]
        return found


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(monitor, "LAST_WAIT_SECONDS", 0.05)


@pytest.fixture
def places() -> list[IPv4Address]:
    return list(addresses())


@pytest.fixture
async def collector(places: list[IPv4Address]) -> AsyncIterator[PlayedCollector]:
    async with PlayedCollector(places[2]) as made:
        yield made


@pytest.fixture
async def nodes(places: list[IPv4Address]) -> AsyncIterator[tuple[Node, Node]]:
    """Two speakers; the first is monitored."""
    here, there = places[:2]
    told = Collector(str(places[2]), PORT, "n1")
    async with Node(here, 64513, collector=told) as one, Node(there, 64512) as other:
        yield one, other


async def test_sessions_and_routes_are_told_as_they_come(
    nodes: tuple[Node, Node], collector: PlayedCollector
) -> None:
    one, other = nodes
    await until(lambda: collector.told(BmpType.INITIATION))
    assert collector.told(BmpType.INITIATION) == [b"\0\1\0\x0fmetallb speaker\0\2\0\2n1"]
    join(one, other)
    one.routes(other, {ROUTE: PLAIN})
    await both_up(one, other)
    await until(lambda: collector.routes() == [ROUTE])
    [up] = collector.told(BmpType.PEER_UP)
    assert IPv4Address(up[22:26]) == other.address
    assert int.from_bytes(up[26:30], "big") == 64512
    opens = up[_PER_PEER + 20 :]
    assert opens.count(MARKER) == 2
    assert IPv4Address(up[_PER_PEER + 12 : _PER_PEER + 16]) == one.address
    one.routes(other, {OTHER: PLAIN, ROUTE: None})
    await until(lambda: collector.routes() == [ROUTE, ROUTE, OTHER])
    assert all(body[1] == 0x50 for body in collector.told(BmpType.ROUTE_MONITORING)), (
        "Adj-RIB-Out, after policy"
    )


async def test_a_collector_that_comes_later_is_told_all_again(
    nodes: tuple[Node, Node], places: list[IPv4Address]
) -> None:
    one, other = nodes
    join(one, other)
    one.routes(other, {ROUTE: PLAIN, OTHER: PLAIN})
    await both_up(one, other)
    await until(lambda: one.status(other).unsent_routes == 0)
    async with PlayedCollector(places[2]) as late:
        await until(lambda: sorted(late.routes()) == [ROUTE, OTHER])
        assert len(late.told(BmpType.PEER_UP)) == 1
        await until(lambda: len(late.told(BmpType.ROUTE_MONITORING)) == 3)
        *_, six = late.told(BmpType.ROUTE_MONITORING)
        assert len(six) > _PER_PEER
        late.hang_up()
        await until(lambda: late.calls == 2)
        await until(lambda: len(late.told(BmpType.PEER_UP)) == 2)


@pytest.mark.parametrize(
    ("ending", "reason"),
    [("ours", PeerDownReason.LOCAL_NOTIFICATION), ("theirs", PeerDownReason.REMOTE_NOTIFICATION)],
)
async def test_an_end_is_told_with_its_notification(
    nodes: tuple[Node, Node], collector: PlayedCollector, ending: str, reason: PeerDownReason
) -> None:
    one, other = nodes
    await until(lambda: collector.told(BmpType.INITIATION))
    join(one, other)
    await both_up(one, other)
    await until(lambda: collector.told(BmpType.PEER_UP))
    if ending == "ours":
        one.parts_from(other)
    else:
        other.parts_from(one)
    await until(lambda: collector.told(BmpType.PEER_DOWN))
    down = collector.told(BmpType.PEER_DOWN)[0]
    assert down[_PER_PEER] == reason
    assert down[_PER_PEER + 1 :].startswith(MARKER)
    assert down[_PER_PEER + 1 + 18] == 3, "a NOTIFICATION"


async def test_a_collector_that_does_not_read_is_dropped_and_peers_go_on(
    nodes: tuple[Node, Node], places: list[IPv4Address], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "UNREAD_OCTETS", 200)
    one, other = nodes
    calls: list[asyncio.ReadTransport] = []

    class Deaf(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            calls.append(cast("asyncio.ReadTransport", transport))
            calls[-1].pause_reading()

    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    tcp.bind((str(places[2]), PORT))
    server = await asyncio.get_running_loop().create_server(Deaf, sock=tcp)
    await until(lambda: len(calls) == 1)
    join(one, other)
    await both_up(one, other)
    number = 0
    while len(calls) == 1:
        number += 1
        prefixes = [Prefix.of(f"10.{number % 250}.{each}.0/24") for each in range(250)]
        one.routes(other, {each: RouteAttributes(med=number) for each in prefixes})
        await until(lambda: one.status(other).unsent_routes == 0)
    assert one.status(other).is_up
    server.close()
    for transport in calls:
        transport.close()
