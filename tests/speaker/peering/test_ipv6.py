"""Two speakers over IPv6 in a namespace: what the kernel does otherwise there."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import pytest

from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.iana import MessageType
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.peering import sockets
from metallb_speaker.peering.addresses import endpoints_of, ipv4_addresses, ipv6_addresses
from support.bgp_nodes import Node, both_up
from support.cable import NEAR_IPV4, NEAR_IPV6
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.cable import Cable

pytestmark = pytest.mark.netns

HERE, THERE = IPv6Address("fd77::1"), IPv6Address("fd77::2")
ROUTES = {Prefix.of("203.0.113.1/32"): RouteAttributes(), Prefix.of("fd88::/64"): RouteAttributes()}


@pytest.fixture
async def nodes(near: Cable) -> AsyncIterator[tuple[Node, Node]]:
    """Two speakers in one namespace."""
    for address in (HERE, THERE):
        near.ip("addr", "add", f"{address}/128", "dev", "eth0", "nodad")
    async with Node(HERE, 64513) as one, Node(THERE, 64512) as other:
        yield one, other


@pytest.mark.parametrize(
    "settings", [{}, {"password": b"secret"}, {"ttl_security_hops": 1}, {"multihop": True}], ids=str
)
async def test_two_come_up_and_routes_of_both_families_go_over(
    nodes: tuple[Node, Node], settings: dict[str, Any]
) -> None:
    one, other = nodes
    other.peers_with(one, passive=True, **settings)
    one.peers_with(other, **settings)
    one.routes(other, dict(ROUTES))
    await both_up(one, other)
    await until(lambda: other.status(one).received[MessageType.UPDATE] == 4)
    assert other.status(one).malformed_updates == 0
    assert one.status(other).local_address == HERE


async def test_a_password_must_be_the_same(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    other.peers_with(one, passive=True, password=b"secret")
    one.peers_with(other, password=b"another", connect_seconds=0.5)
    await one.ended(other, "ConnectRetryTimer expired in Connect")
    one.peers_with(other, password=b"secret")
    await both_up(one, other)


async def test_the_addresses_of_an_interface_are_known(near: Cable) -> None:
    assert ("eth0", IPv4Address(NEAR_IPV4)) in ipv4_addresses()
    assert ("eth0", IPv6Address(NEAR_IPV6)) in ipv6_addresses()
    assert all(not address.is_link_local for _, address in ipv6_addresses())


@pytest.mark.parametrize("address", [NEAR_IPV4, NEAR_IPV6])
async def test_a_connection_has_an_address_of_each_family(near: Cable, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with sockets.listening(family, 1790, address) as server, socket.socket(family) as client:
        client.connect((address, 1790))
        ends = endpoints_of(client)
        assert str(ends.local) == str(ends.peer) == address
        assert {str(ends.ipv4 or NEAR_IPV4), str(ends.ipv6 or NEAR_IPV6)} == {NEAR_IPV4, NEAR_IPV6}
        assert server.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
