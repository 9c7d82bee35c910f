"""Our BGP alone, as the speaker's policy process runs it: sessions with peers, and routes for them.

    python -m metallb_lab.bench.bgp_sender --asn 65001 --peer-asn 65002 PEER…

Is told {"prefixes": N} and announces that many host routes of 10.64.0.0/10 to all peers. Before
{"dial": true} it opens no session, so both orders are possible: a full table for a session that
comes up, and routes for sessions that are up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import uvloop

from metallb_lab.bench.conversation import say
from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.config import SessionConfig
from metallb_speaker.bgp.iana import Afi
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.peering.config import PeerConfig
from metallb_speaker.peering.peering import Peering

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUTER_ID = int(IPv4Address("10.9.0.1"))
FIRST_PREFIX = int(IPv4Address("10.64.0.0"))
CONNECT_SECONDS = 2.0


def host_route(number: int) -> str:
    """Give the `number`-th prefix that all senders announce."""
    return f"{IPv4Address(FIRST_PREFIX + number)}/32"


def peer_config(address: str, asn: int, peer_asn: int) -> PeerConfig:
    """Make a peer of its address."""
    session = SessionConfig(
        name=address,
        my_asn=asn,
        peer_asn=peer_asn,
        router_id=ROUTER_ID,
        families=frozenset({Afi.IPV4}),
        connect_seconds=CONNECT_SECONDS,
    )
    return PeerConfig(session, IPv4Address(address))


class Sender:
    """Takes orders."""

    def __init__(self, peers: Sequence[PeerConfig]) -> None:
        self._peers = {item.name: item for item in peers}
        self._peering = Peering(listen_port=0)

    async def run(self) -> None:
        """Take orders until there are no more."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await self._peering.start()
        while line := await reader.readline():
            order = json.loads(line)
            if count := order.get("prefixes"):
                self._announce(count)
            if order.get("dial"):
                self._peering.apply(self._peers)
            say(done=True)

    def _announce(self, count: int) -> None:
        attributes = RouteAttributes()
        routes: dict[Prefix, RouteAttributes | None] = {
            Prefix.of(IPv4Network(host_route(number))): attributes for number in range(count)
        }
        self._peering.routes(dict.fromkeys(self._peers, routes))


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--asn", type=int, required=True)
    parser.add_argument("--peer-asn", type=int, required=True)
    parser.add_argument("peers", nargs="+")
    given = parser.parse_args()
    peers = [peer_config(item, given.asn, given.peer_asn) for item in given.peers]
    uvloop.run(Sender(peers).run())


if __name__ == "__main__":
    main()
