"""TCP-AO between two speakers of ours (RFC 5925). `make guest` runs it in a kernel that has it."""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab import netns
from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.iana import MessageType
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.peering.config import TcpAoKey
from support.bgp_nodes import PORT, Node, addresses, both_up
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

ROUTE, PLAIN = Prefix.of("203.0.113.1/32"), RouteAttributes()
KEY, OTHER_KEY = TcpAoKey(1, 1, b"correct-horse"), TcpAoKey(1, 1, b"battery-staple")
NOT_HEARD = "ConnectRetryTimer expired in Connect"
"""What a peer says whose SYN was passed over."""


@pytest.fixture
async def nodes() -> AsyncIterator[tuple[Node, Node]]:
    here, there = list(addresses())[:2]
    async with Node(here, 64513) as one, Node(there, 64512) as other:
        yield one, other


def join(one: Node, other: Node, **changes: Any) -> None:
    """The first dials."""
    other.peers_with(one, passive=True, **changes)
    one.peers_with(other, **changes)


async def heard(one: Node, other: Node) -> None:
    """Wait until a route has come."""
    one.routes(other, {ROUTE: PLAIN})
    await until(lambda: other.status(one).received[MessageType.UPDATE] >= 3)


@pytest.mark.parametrize("algorithm", ["hmac(sha1)", "cmac(aes128)"])
@pytest.mark.parametrize("length", [16, 80])
async def test_a_session_with_equal_keys(
    nodes: tuple[Node, Node], algorithm: str, length: int
) -> None:
    """Both algorithms of RFC 5926; from a key that is not of 16 octets AES derives its own."""
    one, other = nodes
    join(one, other, tcp_ao=TcpAoKey(7, 7, b"k" * length, algorithm))
    await both_up(one, other)
    await heard(one, other)


async def test_a_session_over_ipv6() -> None:
    here, there = IPv6Address("fd00::1"), IPv6Address("fd00::2")
    for address in (here, there):
        netns.run("ip", "addr", "replace", f"{address}/128", "dev", "lo", "nodad")
    async with Node(here, 64513) as one, Node(there, 64512) as other:
        join(one, other, tcp_ao=KEY)
        await both_up(one, other)
        assert one.status(other).local_address == ip_address(here)


async def test_each_way_has_an_id_of_its_own(nodes: tuple[Node, Node]) -> None:
    """RFC 5925 §3.1: the SendID of one is the RecvID of the other."""
    one, other = nodes
    other.peers_with(one, passive=True, tcp_ao=TcpAoKey(2, 1, KEY.key))
    one.peers_with(other, tcp_ao=TcpAoKey(1, 2, KEY.key))
    await both_up(one, other)
    one.peers_with(other, tcp_ao=TcpAoKey(3, 2, KEY.key), connect_seconds=0.5)
    await one.ended(other, NOT_HEARD)


@pytest.mark.parametrize(
    "wrong",
    [OTHER_KEY, TcpAoKey(1, 1, KEY.key, "cmac(aes128)"), None],
    ids=["key", "algorithm", "none"],
)
async def test_without_the_key_the_peer_is_not_reached(
    nodes: tuple[Node, Node], wrong: TcpAoKey | None
) -> None:
    one, other = nodes
    other.peers_with(one, passive=True, tcp_ao=KEY)
    one.peers_with(other, tcp_ao=wrong, connect_seconds=0.5)
    await one.ended(other, NOT_HEARD)
    assert other.status(one).established_count == 0
    one.peers_with(other, tcp_ao=KEY)
    await both_up(one, other)


async def test_a_peer_without_keys_takes_no_connection_that_has_one(
    nodes: tuple[Node, Node],
) -> None:
    one, other = nodes
    other.peers_with(one, passive=True)
    one.peers_with(other, tcp_ao=KEY, connect_seconds=0.5)
    await until(lambda: one.status(other).last_error)
    assert other.status(one).established_count == 0


async def test_another_key_means_another_session(nodes: tuple[Node, Node]) -> None:
    """The listener must have the new key, and the old one no more."""
    one, other = nodes
    join(one, other, tcp_ao=KEY)
    await both_up(one, other)
    join(one, other, tcp_ao=OTHER_KEY)
    await until(lambda: other.status(one).established_count == 2)
    await both_up(one, other)
    one.peers_with(other, tcp_ao=KEY, connect_seconds=0.5)
    await one.ended(other, NOT_HEARD)
    assert other.status(one).established_count == 2


@pytest.mark.parametrize("after", [{}, {"password": b"md5"}], ids=["without", "MD5"])
async def test_a_peer_may_give_up_its_key(
    nodes: tuple[Node, Node], after: dict[str, bytes]
) -> None:
    """And take it up again; the kernel refuses an address keys of both kinds."""
    one, other = nodes
    join(one, other, tcp_ao=KEY)
    await both_up(one, other)
    join(one, other, **after)
    await until(lambda: other.status(one).established_count == 2)
    await both_up(one, other)
    join(one, other, tcp_ao=KEY)
    await until(lambda: other.status(one).established_count == 3)
    await both_up(one, other)


async def test_a_connection_older_than_the_key_is_turned_away(nodes: tuple[Node, Node]) -> None:
    """It waits to be accepted when the peer gets its key: the kernel has checked nothing of it."""
    one, other = nodes
    other.peers_with(one, passive=True)
    with socket.socket() as stranger:
        stranger.bind((str(one.address), 0))
        stranger.connect((str(other.address), PORT))
        other.peers_with(one, passive=True, tcp_ao=KEY)
        await until(lambda: other.peering.strangers == 1)
    assert other.status(one).established_count == 0


async def test_no_key_is_told(nodes: tuple[Node, Node], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    one, other = nodes
    join(one, other, tcp_ao=KEY)
    await both_up(one, other)
    said = caplog.text + repr(one.configs) + repr(one.status(other))
    assert KEY.key.decode() not in said
