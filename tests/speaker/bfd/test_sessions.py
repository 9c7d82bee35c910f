"""All sessions of a node: demultiplexing, TTL, timers; and two nodes on a fake wire."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise

import pytest

from metallb_speaker.bfd.config import BFDConfig, Endpoint
from metallb_speaker.bfd.errors import DropReason
from metallb_speaker.bfd.events import StateChanged
from metallb_speaker.bfd.iana import Diagnostic, State
from metallb_speaker.bfd.packet import ControlPacket, decode
from metallb_speaker.bfd.sessions import Arrival, Loop, Sessions
from support.bfd_wire import BfdWire, Node, config

A, B, C = (ip_address(f"10.9.0.{number}") for number in (1, 2, 3))
LINK_LOCAL = ip_address("fe80::1")


def two_up(wire: BfdWire, **given: object) -> tuple[Node, Node]:
    one, other = wire.node(str(A)), wire.node(str(B))
    wire.connect(one, other, first=given, second=given)
    wire.run_until(lambda: all_up(one, other), 2.0)
    wire.run(0.5)
    return one, other


def all_up(*nodes: Node) -> bool:
    return all(item.state is State.UP for node in nodes for item in node.sessions)


def control(state: State, your_discriminator: int = 0) -> bytes:
    return ControlPacket(0, state, 0, 3, 24, 77, your_discriminator, 1_000_000, 50_000, 0).encode()


def chances() -> Sessions:
    values = iter(range(1, 1000))
    return Sessions(jitter=lambda: next(values) / 1000)


# -- demultiplexing --------------------------------------------------------------------------------


ENDPOINTS = (
    Endpoint(A),
    Endpoint(A, is_multihop=True),
    Endpoint(B, local_address=C),
    Endpoint(LINK_LOCAL, interface="eth0"),
    Endpoint(LINK_LOCAL, interface="eth1"),
    Endpoint(B, vrf="red"),
)
ARRIVALS = (
    Arrival(A, 255, C),
    Arrival(A, 254, C, is_multihop=True),
    Arrival(B, 255, C),
    Arrival(LINK_LOCAL, 255, LINK_LOCAL, "eth0"),
    Arrival(LINK_LOCAL, 255, LINK_LOCAL, "eth1"),
    Arrival(B, 255, A, vrf="red"),
)


@pytest.mark.parametrize("place", range(len(ENDPOINTS)))
def test_a_first_packet_is_told_by_where_it_came_from(place: int) -> None:
    sessions = chances()
    sessions.apply([BFDConfig(item) for item in ENDPOINTS], 0.0)
    assert sessions.receive_control(control(State.DOWN), ARRIVALS[place], 0.0) is None
    changed = sessions.next_event()
    assert isinstance(changed, StateChanged)
    assert changed.endpoint == ENDPOINTS[place]
    assert sessions.next_event() is None


@pytest.mark.parametrize(
    "arrival",
    [
        Arrival(C, 255, A),
        Arrival(B, 255, A),
        Arrival(B, 255, C, is_multihop=True),
        Arrival(LINK_LOCAL, 255, LINK_LOCAL, "eth2"),
        Arrival(A, 255, C, vrf="red"),
    ],
)
def test_a_first_packet_from_elsewhere_is_for_nobody(arrival: Arrival) -> None:
    sessions = chances()
    sessions.apply([BFDConfig(item) for item in ENDPOINTS], 0.0)
    found = sessions.receive_control(control(State.DOWN), arrival, 0.0)
    assert found is DropReason.NO_SESSION


def test_later_packets_are_told_by_the_discriminator_alone() -> None:
    sessions = chances()
    sessions.apply([BFDConfig(Endpoint(A)), BFDConfig(Endpoint(B))], 0.0)
    second = sessions.get(Endpoint(B))
    assert second is not None
    data = control(State.DOWN, second.local_discriminator)
    assert sessions.receive_control(data, Arrival(C, 255), 0.0) is None
    assert second.state is State.INIT
    data = control(State.DOWN, second.local_discriminator + 1)
    found = sessions.receive_control(data, Arrival(B, 255), 0.0)
    assert found is DropReason.YOUR_DISCRIMINATOR


def test_a_discriminator_is_used_once_and_is_never_zero() -> None:
    values = iter((0.0, 0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    sessions = Sessions(jitter=lambda: next(values))
    sessions.apply([BFDConfig(Endpoint(A))], 0.0)
    values = iter((0.1, 0.7, 0.0, 0.1, 0.2))
    sessions.apply([BFDConfig(Endpoint(A)), BFDConfig(Endpoint(B))], 0.0)
    found = {item.local_discriminator for item in sessions}
    assert found == {int(0.1 * 2**32), int(0.7 * 2**32)}


def test_what_cannot_be_read_is_told() -> None:
    assert chances().receive_control(b"", Arrival(A, 255), 0.0) is DropReason.TOO_SHORT
    assert not chances().repeats(b"", 255, 0.0)
    assert not chances().repeats(control(State.UP, 5), 255, 0.0)


@pytest.mark.parametrize("ttl", [0, 1, 254])
def test_on_a_single_hop_the_ttl_is_255(ttl: int) -> None:
    sessions = chances()
    sessions.apply([BFDConfig(Endpoint(A))], 0.0)
    found = sessions.receive_control(control(State.DOWN), Arrival(A, ttl), 0.0)
    assert found is DropReason.TTL


@pytest.mark.parametrize(("ttl", "reason"), [(249, DropReason.TTL), (250, None), (255, None)])
def test_on_a_multihop_session_the_ttl_has_a_minimum(ttl: int, reason: DropReason | None) -> None:
    sessions = chances()
    sessions.apply([BFDConfig(Endpoint(A, is_multihop=True), minimum_ttl=250)], 0.0)
    arrival = Arrival(A, ttl, is_multihop=True)
    assert sessions.receive_control(control(State.DOWN), arrival, 0.0) is reason


def test_a_multihop_packet_is_not_for_a_single_hop_session() -> None:
    sessions = chances()
    sessions.apply([BFDConfig(Endpoint(A))], 0.0)
    [session] = sessions
    data = control(State.DOWN, session.local_discriminator)
    found = sessions.receive_control(data, Arrival(A, 255, is_multihop=True), 0.0)
    assert found is DropReason.YOUR_DISCRIMINATOR


# -- two nodes -------------------------------------------------------------------------------------


def test_two_nodes_come_up_within_a_few_round_trips() -> None:
    wire = BfdWire()
    one, other = wire.node(str(A)), wire.node(str(B))
    wire.connect(one, other, first={}, second={})
    assert wire.run_until(lambda: all_up(one, other), 1.0) < 0.01
    wire.run(60.0)
    assert one.states()[-1] is other.states()[-1] is State.UP
    assert len(one.events) <= 2
    assert len(other.events) <= 2
    assert one.drops == other.drops == []


def test_they_send_as_often_as_negotiated_with_jitter() -> None:
    wire = BfdWire()
    one, _ = two_up(wire)
    one.sent.clear()
    wire.run(10.0)
    times = [at for at, _ in one.sent]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert 200 <= len(times) <= 267
    assert 0.0375 <= min(gaps) < 0.039
    assert 0.0485 < max(gaps) <= 0.05 + 1e-9


@pytest.mark.parametrize("interval_us", [3_300, 10_000, 20_000, 50_000, 100_000, 1_000_000])
def test_common_intervals_are_what_is_used(interval_us: int) -> None:
    """RFC 7419 §3; beyond them any other is taken as it is."""
    wire = BfdWire(delay_seconds=0.0001)
    one, other = two_up(wire, receive_us=interval_us, transmit_us=interval_us)
    wire.run(5.0)
    for node in (one, other):
        assert node.session().timing.transmit_us == interval_us
        assert node.session().detection_seconds == pytest.approx(3 * interval_us / 1e6)
        assert node.states()[-1] is State.UP


@pytest.mark.parametrize("interval_us", [10_000, 50_000, 300_000])
def test_a_dead_peer_is_found_within_the_detection_time(interval_us: int) -> None:
    for seed in range(20):
        wire = BfdWire(seed)
        one, other = two_up(wire, receive_us=interval_us, transmit_us=interval_us)
        took = time_to_find_dead(wire, other, one)
        assert 2 * interval_us / 1e6 - 0.002 <= took <= 3 * interval_us / 1e6 + 0.002
        assert one.events[-1].diagnostic is Diagnostic.CONTROL_DETECTION_TIME_EXPIRED


def time_to_find_dead(wire: BfdWire, dead: Node, watcher: Node) -> float:
    dead.is_frozen = True
    return wire.run_until(lambda: not all_up(watcher), 5.0)


def test_a_path_that_works_one_way_only_is_down_on_both_sides() -> None:
    wire = BfdWire()
    one, other = two_up(wire)
    wire.loses = lambda source, target: source is one
    wire.run(0.4)
    assert other.events[-1].diagnostic is Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
    assert one.events[-1].diagnostic is Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN
    wire.run(5.0)
    assert not all_up(one)
    assert not all_up(other)
    wire.loses = lambda source, target: False
    wire.run(3.0)
    assert all_up(one, other)


def test_a_peer_that_is_started_anew_costs_one_flap() -> None:
    wire = BfdWire()
    one, _ = two_up(wire)
    one.events.clear()
    fresh = wire.node(str(B))
    wire.order(fresh, [config(one)])
    wire.run(3.0)
    assert all_up(one, fresh)
    assert one.states()[0] is State.DOWN
    assert one.states().count(State.DOWN) == 1


def test_lost_packets_below_the_multiplier_cost_nothing() -> None:
    wire = BfdWire()
    one, other = two_up(wire)
    one.events.clear()
    sent = iter(range(10_000))
    wire.loses = lambda source, target: source is one and next(sent) % 3 != 0
    wire.run(60.0)
    assert one.events == []
    assert other.states()[-1] is State.UP


@pytest.mark.parametrize("seed", range(10))
def test_changed_timers_do_not_flap_even_when_packets_are_lost_and_overtake_each_other(
    seed: int,
) -> None:
    wire = BfdWire(seed)
    wire.spread_seconds = 0.01
    one, other = two_up(wire, multiplier=5)
    wire.loses = lambda source, target: wire.random.random() < 0.1
    one.events.clear()
    other.events.clear()
    for node, peer in ((one, other), (other, one)) * 5:
        receive_us, transmit_us = wire.random.choices((10_000, 50_000, 300_000, 1_000_000), k=2)
        changed = config(peer, receive_us=receive_us, transmit_us=transmit_us, multiplier=5)
        wire.order(node, [changed])
        wire.run(wire.random.random() * 4)
    wire.loses = lambda source, target: False
    wire.run(20.0)
    assert one.events == other.events == []
    for node, peer in ((one, other), (other, one)):
        mine, its = node.session().config, peer.session().config
        assert node.session().timing.transmit_us == max(mine.transmit_us, its.receive_us)
        assert not node.session().timing.is_polling


def test_what_is_taken_away_tells_its_peer_and_is_dropped() -> None:
    wire = BfdWire()
    one, other = two_up(wire)
    endpoints = one.sessions.endpoints()
    wire.order(one, [])
    assert list(one.sessions) == []
    assert one.sessions.endpoints() == endpoints
    wire.run(0.1)
    event = other.events[-1]
    assert (event.state, event.remote_state) == (State.DOWN, State.ADMIN_DOWN)
    assert one.left == []
    wire.run(0.2)
    assert one.left == list(endpoints)
    assert one.sessions.endpoints() == set()
    assert one.sessions.get_timer() is None


def test_what_is_ordered_again_while_it_leaves_comes_up() -> None:
    wire = BfdWire()
    one, other = two_up(wire)
    wire.order(one, [])
    wire.run(0.05)
    wire.order(one, [config(other)])
    wire.run(3.0)
    assert all_up(one, other)
    assert len(one.sessions.endpoints()) == 1


def test_a_node_that_stops_takes_all_away() -> None:
    wire = BfdWire()
    one, other = two_up(wire)
    one.sessions.stop(wire.now)
    [datagram] = one.sessions.datagrams_to_send()
    found = decode(datagram.data)
    assert isinstance(found, ControlPacket)
    assert (found.state, found.diagnostic) == (State.ADMIN_DOWN, 7)
    assert list(other.sessions) != list(one.sessions) == []


def test_two_passive_ones_stay_silent_and_one_is_enough() -> None:
    wire = BfdWire()
    one, other = wire.node(str(A)), wire.node(str(B))
    wire.connect(one, other, first={"is_passive": True}, second={"is_passive": True})
    wire.run(10.0)
    assert one.sent == other.sent == []
    wire.order(other, [config(one)])
    wire.run(2.0)
    assert all_up(one, other)
    assert other.sent


# -- echo ------------------------------------------------------------------------------------------


def test_echoes_find_a_dead_forwarding_path() -> None:
    wire = BfdWire()
    one, other = two_up(wire, is_echo=True, echo_us=20_000)
    assert one.session().timing.required_min_rx_us == 1_000_000
    wire.run(30.0)
    assert all_up(one, other)
    other.loops_echoes = False
    one.events.clear()
    took = wire.run_until(lambda: not all_up(one), 1.0)
    assert 0.04 <= took <= 0.081
    assert one.events[-1].diagnostic is Diagnostic.ECHO_FUNCTION_FAILED


def test_echoes_of_strangers_are_not_looped() -> None:
    wire = BfdWire()
    one, _ = two_up(wire, is_echo=True)
    assert one.sessions.receive_echo(b"x", Arrival(B, 255), 0.0) == Loop(b"x")
    assert one.sessions.receive_echo(b"x", Arrival(C, 255), 0.0) is DropReason.ECHO
    assert one.sessions.receive_echo(b"x", Arrival(B, 254), 0.0) is DropReason.ECHO
    wire = BfdWire()
    one, _ = two_up(wire)
    assert one.sessions.receive_echo(b"x", Arrival(B, 255), 0.0) is DropReason.ECHO
