"""Two speakers of ours on real sockets: up, changed while up, down with a reason, up again."""

from __future__ import annotations

import logging
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.fsm import State
from metallb_speaker.bgp.iana import MessageType
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.bgp.rib_out import RibOut
from metallb_speaker.peering import leg
from metallb_speaker.peering.config import BfdMode, TcpAoKey
from support.bgp_nodes import Node, Robot, addresses, both_up, join
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PLAIN = RouteAttributes()
ROUTE = Prefix.of("203.0.113.1/32")
PASSWORD = b"correct horse battery staple"


@pytest.fixture
async def nodes() -> AsyncIterator[tuple[Node, Node]]:
    """Two speakers that know nothing of each other."""
    here, there = list(addresses())[:2]
    async with Node(here, 64513) as one, Node(there, 64512) as other:
        yield one, other


async def test_two_come_up_and_routes_go_over(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    join(one, other)
    one.routes(other, {ROUTE: PLAIN})
    await both_up(one, other)
    await until(lambda: other.status(one).received[MessageType.UPDATE] == 3)  # and two ends
    status = one.status(other)
    assert status.is_dialled
    assert status.local_address == one.address
    assert (status.routes, status.unsent_routes, status.established_count) == (1, 0, 1)
    assert status.keepalive_seconds == 30.0
    assert status.retry_at is None
    assert not other.status(one).is_dialled


async def test_routes_change_over_a_live_session(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    join(one, other)
    await both_up(one, other)
    await until(lambda: other.status(one).received[MessageType.UPDATE] == 2)  # the two ends
    one.routes(other, {ROUTE: PLAIN})
    one.routes(other, {ROUTE: RouteAttributes(med=1)})
    one.routes(other, {ROUTE: RouteAttributes(med=1)})
    await until(lambda: other.status(one).received[MessageType.UPDATE] == 4)
    assert one.status(other).sent[MessageType.UPDATE] == 4
    assert other.status(one).malformed_updates == 0


async def test_routes_of_a_peer_to_come_are_kept_for_it(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    one.routes(other, {ROUTE: PLAIN})
    join(one, other)
    await both_up(one, other)
    assert one.status(other).routes == 1


async def test_when_both_dial_one_connection_stays(nodes: tuple[Node, Node]) -> None:
    """RFC 4271 §6.8; from both ends the same one."""
    one, other = nodes
    for _ in range(10):
        one.peers_with(other)
        other.peers_with(one)
        await both_up(one, other)
        await until(lambda: one.status(other).is_dialled != other.status(one).is_dialled)
        one.routes(other, {ROUTE: PLAIN})
        await until(lambda: one.status(other).unsent_routes == 0)
        assert one.status(other).is_up
        one.parts_from(other)
        other.parts_from(one)
        await until(lambda: not one.peering.open_connections)
        await until(lambda: not other.peering.open_connections)


async def test_a_peer_that_is_not_there_yet_is_found(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    here, there = list(addresses())[:2]
    async with Node(here, 64513) as one:
        other = Node(there, 64512)
        one.peers_with(other)
        await one.ended(other, "TCP connection failed in Connect: Connection refused")
        assert one.status(other).retry_at is not None
        async with other:
            other.peers_with(one, passive=True)
            await both_up(one, other)
    assert "Connection refused; next try in" in caplog.text
    assert "Established with AS 64512" in caplog.text


async def test_one_that_waits_for_its_next_try_takes_a_connection(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    one.peers_with(other, connect_seconds=3600.0, port=9)
    await one.ended(other, "Connection refused")
    other.peers_with(one)
    await both_up(one, other)
    assert not one.status(other).is_dialled


async def test_a_stranger_is_not_let_in(nodes: tuple[Node, Node]) -> None:
    one, _ = nodes
    async with Robot(next(addresses()), 64512) as robot:
        await robot.dial(one)
        assert await robot.hear() is None
    assert one.peering.strangers == 1


KEPT: list[dict[str, Any]] = [
    {"connect_seconds": 5.0},
    {"keepalive_seconds": 1},
    {"send_hold_seconds": 30.0},
    {"next_hop_ipv4": IPv4Address("192.0.2.9")},
    {"bfd": BfdMode.ON},
    {"passive": True},
]


@pytest.mark.parametrize("changes", KEPT, ids=str)
async def test_settings_that_a_session_can_take_over_do_not_end_it(
    nodes: tuple[Node, Node], changes: dict[str, Any]
) -> None:
    one, other = nodes
    join(one, other)
    await both_up(one, other)
    one.peers_with(other, **changes)
    one.routes(other, {ROUTE: PLAIN})
    await until(lambda: other.status(one).received[MessageType.UPDATE] >= 3)
    assert one.status(other).established_count == 1
    assert one.status(other).last_error is None


RESET: list[dict[str, Any]] = [
    {"hold_seconds": 30},
    {"graceful_restart_seconds": 7},
    {"multihop": True},
]


@pytest.mark.parametrize("changes", RESET, ids=str)
async def test_other_settings_say_why_the_session_ends_and_it_comes_back(
    nodes: tuple[Node, Node], changes: dict[str, Any]
) -> None:
    one, other = nodes
    join(one, other)
    await both_up(one, other)
    one.peers_with(other, **changes)
    await other.ended(one, "CEASE/OTHER_CONFIGURATION_CHANGE")
    await until(lambda: one.status(other).is_up and other.status(one).established_count == 2)


async def test_one_that_is_passive_no_more_dials(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    one.peers_with(other, passive=True)
    other.peers_with(one, passive=True)
    one.peers_with(other)
    await both_up(one, other)


async def test_applying_the_same_again_does_nothing(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    join(one, other)
    await both_up(one, other)
    for _ in range(3):
        join(one, other)
    assert one.status(other).is_up
    assert one.status(other).established_count == 1


async def test_a_peer_that_is_removed_is_told(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    join(one, other)
    await both_up(one, other)
    one.parts_from(other)
    await other.ended(one, "CEASE/HARD_RESET (CEASE/PEER_DE_CONFIGURED)")
    assert one.peering.statuses() == {}


async def test_bad_settings_are_refused_and_the_rest_applied(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    other.peers_with(one, passive=True)
    good, bad = one.config(other), one.config(other, hold_seconds=1)
    refused = one.peering.apply({good.name: good, "bad": bad})
    assert refused == {"bad": "holdTime 1 is neither 0 nor at least 3"}
    await both_up(one, other)


async def test_the_end_of_all_is_told_with_the_operators_words(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    join(one, other)
    await both_up(one, other)
    await one.peering.close(communication="drained")
    await other.ended(one, "CEASE/HARD_RESET (CEASE/ADMINISTRATIVE_SHUTDOWN) 'drained'")


async def test_a_restart_is_not_told_so_that_routes_stay(nodes: tuple[Node, Node]) -> None:
    """RFC 4724 §4: the TCP connection ends without a NOTIFICATION."""
    one, other = nodes
    join(one, other)
    await both_up(one, other)
    await one.peering.close(is_restart=True)
    await other.ended(one, "TCP connection failed in Established")


async def test_a_restart_is_told_to_a_peer_that_knows_nothing_of_it(
    nodes: tuple[Node, Node],
) -> None:
    one, other = nodes
    join(one, other, graceful_restart_seconds=None)
    await both_up(one, other)
    await one.peering.close(is_restart=True)
    await other.ended(one, "CEASE/ADMINISTRATIVE_SHUTDOWN")


async def test_the_restarting_speaker_says_so_and_ends_when_it_has_all() -> None:
    """RFC 4724 §3, §4.1."""
    here, there = list(addresses())[:2]
    settings = {"is_restarting": True, "is_complete": False}
    async with Node(here, 64513, **settings) as one, Node(there, 64512) as other:
        join(one, other)
        await both_up(one, other)
        negotiated = other.status(one).negotiated
        assert negotiated is not None
        assert negotiated.peer_restart is not None
        assert negotiated.peer_restart.restarting
        one.routes(other, {ROUTE: PLAIN})
        await until(lambda: other.status(one).received[MessageType.UPDATE] == 1)
        one.peering.routes_complete()
        await until(lambda: other.status(one).received[MessageType.UPDATE] == 3)


async def test_bfd_down_ends_the_session_and_up_brings_it_back(nodes: tuple[Node, Node]) -> None:
    """RFC 9384."""
    one, other = nodes
    join(one, other, connect_seconds=3600.0)
    one.peers_with(other, bfd=BfdMode.ON, connect_seconds=3600.0)
    await both_up(one, other)
    one.peering.bfd_down(str(other.address))
    await other.ended(one, "CEASE/HARD_RESET (CEASE/BFD_DOWN)")
    one.peering.bfd_up(str(other.address))
    await until(lambda: other.status(one).established_count == 2)
    await both_up(one, other)


async def test_ttl_security_needs_both(nodes: tuple[Node, Node]) -> None:
    """RFC 5082: packets of a peer that has come further, or may have, are not heard."""
    one, other = nodes
    join(one, other, ttl_security_hops=1)
    await both_up(one, other)
    one.peers_with(other)  # its packets have TTL 1 from now on: an OPEN may be heard, no KEEPALIVE
    await until(lambda: one.status(other).received[MessageType.OPEN] == 1)
    assert other.status(one).established_count == 1
    one.peers_with(other, multihop=True)  # 255, as GTSM would
    await both_up(one, other)


async def test_in_strict_mode_bfd_comes_first(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    one.peers_with(other, bfd=BfdMode.STRICT)
    other.peers_with(one)
    await other.ended(one, "the peer closed the connection")
    assert one.status(other).waits_for_bfd
    assert one.status(other).state is State.IDLE
    one.peering.bfd_up(str(other.address))
    await both_up(one, other)
    one.peering.bfd_down(str(other.address))
    await other.ended(one, "BFD_DOWN")
    assert one.status(other).state is State.IDLE
    assert one.status(other).retry_at is None


async def test_bfd_means_nothing_to_a_peer_without_it(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    join(one, other)
    await both_up(one, other)
    one.peering.bfd_down(str(other.address))
    one.peering.bfd_down("nobody")
    one.peering.bfd_up("nobody")
    assert one.status(other).is_up


async def test_a_password_must_be_the_same(
    nodes: tuple[Node, Node], caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 2385: with another key the SYN is passed over."""
    caplog.set_level(logging.DEBUG)
    one, other = nodes
    other.peers_with(one, password=PASSWORD, passive=True)
    one.peers_with(other, password=b"another", connect_seconds=0.5)
    await one.ended(other, "ConnectRetryTimer expired in Connect")
    assert not other.status(one).is_up
    one.peers_with(other, password=PASSWORD)
    await both_up(one, other)
    said = caplog.text + repr(one.configs) + repr(one.status(other)) + repr(other.configs)
    assert PASSWORD.decode() not in said


async def test_without_a_password_a_peer_that_has_one_is_not_reached(
    nodes: tuple[Node, Node],
) -> None:
    one, other = nodes
    other.peers_with(one, password=PASSWORD, passive=True)
    one.peers_with(other, connect_seconds=0.5)
    await one.ended(other, "ConnectRetryTimer expired in Connect")
    other.peers_with(one, passive=True)
    await both_up(one, other)


async def test_the_form_of_weights_changes_on_a_live_session(nodes: tuple[Node, Node]) -> None:
    """All is told again, as it has another form; what says nothing new tells nothing again."""
    one, other = nodes
    one.routes(other, {ROUTE: RouteAttributes(link_bandwidth=1.0)})
    join(one, other)
    await both_up(one, other)
    told = one.status(other).sent[MessageType.UPDATE]
    one.peers_with(other, connect_seconds=7.0)
    one.peers_with(other, connect_seconds=7.0, extended_link_bandwidth=True)
    assert one.status(other).sent[MessageType.UPDATE] == told + 1
    await until(lambda: other.status(one).received[MessageType.UPDATE] == told + 1)
    assert one.status(other).established_count == 1
    assert other.status(one).malformed_updates == 0


async def test_a_password_changes_on_a_live_session(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    join(one, other, password=PASSWORD)
    await both_up(one, other)
    join(one, other, password=b"a new one")
    one.routes(other, {ROUTE: PLAIN})
    await until(lambda: other.status(one).received[MessageType.UPDATE] == 3)
    assert one.status(other).established_count == 1


async def test_a_peer_that_does_not_change_its_password_in_time_is_dialled_anew(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leg, "KEY_SECONDS", 1.0)  # TCP counts from its first retransmission
    one, other = nodes
    join(one, other, password=PASSWORD)
    await both_up(one, other)
    one.peers_with(other, password=b"a new one")
    await until(lambda: not one.status(other).is_up, "what it said is never taken")
    join(one, other, password=b"a new one")
    await until(lambda: one.status(other).established_count == 2)


async def test_tcp_ao_is_refused_in_words_where_the_kernel_has_none(
    nodes: tuple[Node, Node], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = nodes
    key = TcpAoKey(1, 1, PASSWORD)
    one.peers_with(other, tcp_ao=key)
    other.peers_with(one, tcp_ao=key, passive=True)
    await until(lambda: one.status(other).is_up or one.status(other).last_error)
    if one.status(other).is_up:
        return  # this kernel has it
    assert "this kernel has no TCP-AO (RFC 5925)" in (one.status(other).last_error or "")
    assert PASSWORD.decode() not in caplog.text + repr(one.configs)
    one.peers_with(other)
    await one.ended(other, "the peer closed the connection")  # it must not do without
    assert not other.status(one).is_up


async def test_a_fault_of_ours_ends_one_session_and_no_other(
    three: tuple[Node, Node, Node],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, ill, well = three
    join(one, ill)
    join(one, well)
    await both_up(one, ill)
    await both_up(one, well)
    with monkeypatch.context() as patch:
        patch.setattr(RibOut, "take", lambda *_: 1 // 0)
        one.routes(ill, {ROUTE: PLAIN})
    await one.ended(ill, "fault in our session")
    assert "ZeroDivisionError" in caplog.text
    assert one.status(well).established_count == 1
    await both_up(one, ill)


async def test_statuses_are_told_of_when_they_change() -> None:
    changed: list[str] = []
    here, there = list(addresses())[:2]
    async with Node(here, 64513, on_change=changed.append) as one, Node(there, 64512) as other:
        join(one, other)
        await both_up(one, other)
    assert set(changed) == {str(other.address)}
    assert len(changed) >= 4


async def test_a_port_that_is_taken_is_told() -> None:
    here = next(addresses())
    async with Node(here, 64513):
        with pytest.raises(OSError, match="in use"):
            await Node(here, 64513).peering.start()


async def test_without_a_port_nobody_can_dial() -> None:
    here, there = list(addresses())[:2]
    async with Node(here, 64513, listen_port=0) as one, Node(there, 64512) as other:
        other.peers_with(one)
        await other.ended(one, "Connection refused")
        one.peers_with(other)
        await both_up(one, other)
