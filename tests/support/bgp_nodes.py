"""Speakers of ours on real sockets of the loopback, and a peer that does as the test says.

Each test takes addresses of its own in 127.0.0.0/8, so every speaker can listen on one port.
"""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from itertools import count
from typing import TYPE_CHECKING, Any, Self, cast

from metallb_speaker.bgp.config import SessionConfig
from metallb_speaker.bgp.fsm import State
from metallb_speaker.bgp.messages import KEEPALIVE, Keepalive, MessageReader, encode_open
from metallb_speaker.bgp.negotiation import open_message
from metallb_speaker.bgp.open import OpenMessage
from metallb_speaker.peering.config import PeerConfig
from metallb_speaker.peering.peering import Peering
from support.waiting import DEADLINE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metallb_speaker.bgp.attributes import RouteAttributes
    from metallb_speaker.bgp.messages import Message
    from metallb_speaker.bgp.prefixes import Prefix
    from metallb_speaker.peering.status import PeerStatus

    Address = IPv4Address | IPv6Address

PORT = 1790
NEXT_HOP = IPv4Address("192.0.2.1")
"""An address of the loopback is none that a route may have (RFC 4271 §6.3)."""
_NUMBERS = count()


def addresses() -> Iterator[IPv4Address]:
    """Addresses that no other test has, in any process."""
    net = IPv4Address("127.16.0.0") + (os.getpid() % 2**14) * 2**8 + next(_NUMBERS) * 2**3 % 2**8
    return (net + number for number in range(1, 8))


class Node:
    """A speaker of ours; use as an asynchronous context manager."""

    def __init__(self, address: Address, asn: int, **settings: Any) -> None:
        self.address = address
        self.asn = asn
        settings.setdefault("listen_port", PORT)
        self.peering = Peering(listen_host=str(address), **settings)
        self.configs: dict[str, PeerConfig] = {}

    async def __aenter__(self) -> Self:
        await self.peering.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.peering.close()

    def config(self, other: Node | Robot, **changes: Any) -> PeerConfig:
        """Settings for a session with another; of the session's own ones too."""
        session = SessionConfig(
            name=str(other.address),
            my_asn=self.asn,
            peer_asn=other.asn,
            router_id=int(self.address) & 0xFFFFFFFF or 1,
            next_hop_ipv4=NEXT_HOP,
        )
        of_session = set(SessionConfig.__dataclass_fields__)
        inner = {name: value for name, value in changes.items() if name in of_session}
        outer = {name: value for name, value in changes.items() if name not in of_session}
        made = PeerConfig(
            replace(session, **inner), other.address, port=PORT, source_address=self.address
        )
        return replace(made, **outer)

    def peers_with(self, other: Node | Robot, **changes: Any) -> None:
        """Have a session with another, or change it."""
        self.configs[str(other.address)] = self.config(other, **changes)
        assert self.peering.apply(self.configs) == {}

    def parts_from(self, other: Node | Robot) -> None:
        """Have no session with another."""
        del self.configs[str(other.address)]
        self.peering.apply(self.configs)

    def status(self, other: Node | Robot) -> PeerStatus:
        """How it stands with another."""
        return self.peering.statuses()[str(other.address)]

    def routes(self, other: Node | Robot, changes: Mapping[Prefix, RouteAttributes | None]) -> None:
        """Announce to another, or withdraw."""
        self.peering.routes({str(other.address): changes})

    async def up(self, other: Node | Robot) -> PeerStatus:
        """Wait until the session is up."""
        await until(lambda: self.status(other).is_up, f"{self.address} with {other.address}")
        return self.status(other)

    async def ended(self, other: Node | Robot, says: str) -> None:
        """Wait until a connection has ended with these words."""
        await until(
            lambda: says in (self.status(other).last_error or ""),
            f"{says!r}, but {self.status(other).last_error!r}",
        )


def join(one: Node, other: Node, **changes: Any) -> None:
    """Have each peer with the other; the second waits to be dialled."""
    other.peers_with(one, **{"passive": True, **changes})
    one.peers_with(other, **changes)


async def both_up(one: Node, other: Node) -> None:
    """Wait until two have a session, and no second connection between them."""
    await one.up(other)
    await other.up(one)


class Robot:
    """A peer that does what the test says, octet by octet."""

    def __init__(self, address: Address, asn: int) -> None:
        self.address = address
        self.asn = asn
        self._reader = MessageReader()
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._server: asyncio.Server | None = None
        self._sink: asyncio.Task[None] | None = None
        self._arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        self._arrived = asyncio.Queue()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()
        if self._server is not None:
            self._server.close()

    async def listen(self) -> None:
        """Wait to be dialled."""

        async def arrived(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._arrived.put_nowait((reader, writer))

        self._server = await asyncio.start_server(arrived, str(self.address), PORT)

    async def answer(self) -> None:
        """Take the next connection that was dialled to us."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            self._take(await self._arrived.get())

    async def dial(self, node: Node) -> None:
        """Dial a speaker."""
        self._take(
            await asyncio.open_connection(
                str(node.address), PORT, local_addr=(str(self.address), 0)
            )
        )

    def _take(self, stream: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self._reader = MessageReader()
        self._stream = stream

    async def hang_up(self) -> None:
        """Close the connection."""
        if self._sink is not None:
            self._sink.cancel()
        if self._stream is not None:
            writer = self._stream[1]
            writer.close()
            self._stream = None

    def reset(self) -> None:
        """End the connection by a RST."""
        assert self._stream is not None
        tcp = self._stream[1].get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._stream[1].transport.abort()
        self._stream = None

    def say(self, data: bytes) -> None:
        """Write octets."""
        assert self._stream is not None
        self._stream[1].write(data)

    async def flush(self) -> None:
        """Wait until they have left."""
        assert self._stream is not None
        await self._stream[1].drain()

    def pause(self) -> None:
        """Read no more."""
        self._transport().pause_reading()

    def resume(self) -> None:
        """Read, and throw away."""
        self._transport().resume_reading()
        self._sink = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        assert self._stream is not None
        while await self._stream[0].read(65536):
            pass

    def _transport(self) -> asyncio.ReadTransport:
        assert self._stream is not None
        return cast("asyncio.ReadTransport", self._stream[1].transport)

    async def hear(self) -> Message | None:
        """Read the next message; `None` at the end."""
        assert self._stream is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (message := self._reader.next_message()) is None:
                data = await self._stream[0].read(65536)
                if not data:
                    return None
                self._reader.feed(data)
        return message

    def open(self, node: Node, **changes: Any) -> OpenMessage:
        """Make an OPEN that suits a speaker."""
        config = SessionConfig("robot", self.asn, node.asn, int(self.address) & 0xFFFFFFFF)
        return open_message(replace(config, **changes), is_restarting=False)

    async def establish(self, node: Node, **changes: Any) -> None:
        """Exchange OPEN and KEEPALIVE."""
        self.say(encode_open(self.open(node, **changes)) + KEEPALIVE)
        assert isinstance(await self.hear(), OpenMessage)
        assert isinstance(await self.hear(), Keepalive)
        self._reader.max_size = 65535
        await until(lambda: node.status(self).state is State.ESTABLISHED, "Established")
