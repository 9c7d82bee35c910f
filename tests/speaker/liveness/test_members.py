"""Liveness: two to a hundred cores joined by a wire with virtual time."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import pytest

from metallb_speaker.liveness.errors import DropReason
from metallb_speaker.liveness.events import (
    DownReason,
    MemberChanged,
    MemberDown,
    MemberUp,
    SelfChanged,
)
from metallb_speaker.liveness.members import Liveness
from metallb_speaker.liveness.messages import Heartbeat, NodeState, decode, encode
from metallb_speaker.liveness.paths import LocalLink, Peer, PeerLink
from metallb_speaker.liveness.sessions import TRANSITIONS, PathEvent, PathState
from metallb_speaker.liveness.settings import LivenessSettings
from support.fleet import KEY, PORT, Fleet, address_of

INTERVAL, DETECTION = 0.05, 0.15
READY, JOINING, LEAVING = NodeState.READY, NodeState.JOINING, NodeState.LEAVING


def _settled(count: int, *, seed: int = 1) -> Fleet:
    fleet = Fleet(count, seed=seed)
    fleet.run_for(5)
    return fleet


def _downs(fleet: Fleet, name: str) -> list[MemberDown]:
    return [event for _, event in fleet.stations[name].events if isinstance(event, MemberDown)]


def test_every_pair_of_path_state_and_event_is_decided() -> None:
    assert set(TRANSITIONS) == {(state, event) for state in PathState for event in PathEvent}


@pytest.mark.parametrize("count", [2, 3, 10, 30])
def test_speakers_find_each_other_and_become_ready(count: int) -> None:
    fleet = Fleet(count, seed=1)
    fleet.run_for(1)
    for station in fleet.stations.values():
        assert station.liveness.state is READY
        members = station.liveness.members()
        assert set(members) == set(fleet.names) - {station.name}
        assert all(member.state is READY for member in members.values())
        assert all(member.links == {"eth0"} for member in members.values())


def test_a_speaker_alone_is_ready_after_it_has_listened() -> None:
    fleet = Fleet(1)
    station = fleet.stations["n0"]
    fleet.run_for(0.29)
    assert station.liveness.state is NodeState.STARTING
    fleet.run_for(0.02)
    assert [event for _, event in station.events] == [SelfChanged(READY)]


def test_nothing_is_said_before_the_beginning_and_the_beginning_is_once() -> None:
    core = _core()
    core.handle_timer(1.0)
    assert core.datagrams_to_send() == []
    assert core.get_timer() is None
    core.begin(1.0)
    assert len(core.datagrams_to_send()) == 1
    first = core.get_timer()
    core.begin(2.0)
    assert core.datagrams_to_send() == []
    assert core.get_timer() == first


def test_silence_is_noticed_after_the_detection_time_and_not_before() -> None:
    fleet = _settled(3)
    fleet.kill("n0")
    died_at = fleet.now
    fleet.run_for(1)
    for name in ("n1", "n2"):
        [(at, event)] = [
            (at, event)
            for at, event in fleet.stations[name].events
            if isinstance(event, MemberDown)
        ]
        assert event.node == "n0"
        assert event.reason is DownReason.SILENT
        assert DETECTION - INTERVAL <= at - died_at <= DETECTION + 0.001
        assert event.silent_seconds == pytest.approx(DETECTION, abs=0.001)


@pytest.mark.parametrize("seed", range(20))
def test_two_lost_heartbeats_kill_nobody_and_three_do(seed: int) -> None:
    fleet = _settled(2, seed=seed)
    fleet.run_for(fleet.chance.random())
    fleet.cut("n0", "n1")
    fleet.run_for(2 * 0.85 * INTERVAL)  # in which nobody sends more than two
    fleet.heal()
    fleet.run_for(1)
    assert _downs(fleet, "n0") == _downs(fleet, "n1") == []
    fleet.cut("n0", "n1")
    fleet.run_for(4 * INTERVAL)
    assert len(_downs(fleet, "n0")) == len(_downs(fleet, "n1")) == 1


@pytest.mark.parametrize("seed", range(5))
def test_loss_of_five_in_a_hundred_is_survived_for_a_minute(seed: int) -> None:
    """Three in a row are lost once in 8 000: with two speakers for a minute it may happen once."""
    fleet = _settled(2, seed=seed)
    fleet.loss = 0.05
    fleet.run_for(60)
    assert len(_downs(fleet, "n0")) <= 2


def test_a_path_that_works_one_way_only_is_not_up() -> None:
    core = _core()
    core.begin(0.0)
    challenge = _challenge(core)
    for number in range(10):
        _pass_time(core, number * INTERVAL)
        assert core.receive_datagram(_heartbeat(sequence=number), number * INTERVAL) is None
    assert core.members() == {}
    _pass_time(core, 0.5)
    assert core.receive_datagram(_heartbeat(sequence=20, echo=challenge), 0.5) is None
    assert set(core.members()) == {"b"}
    for number in range(1, 4):
        core.receive_datagram(_heartbeat(sequence=30 + number), 0.5 + number * INTERVAL)
        assert set(core.members()) == {"b"}
        _pass_time(core, 0.5 + number * INTERVAL)
    assert core.members() == {}


def _core(incarnation: int = 1) -> Liveness:
    """Make the core of `a`, which knows of `b`."""
    core = Liveness("a", incarnation, [KEY])
    core.set_links([LocalLink("eth0", (ip_interface("10.0.0.1/16"),))], 0.0)
    core.set_peers({"b": Peer(PORT, (PeerLink("eth0", (ip_address("10.0.0.2"),)),))}, 0.0)
    return core


def _challenge(core: Liveness, key: bytes = KEY) -> int:
    """Read the challenge in what the core sends, as a peer does."""
    heartbeat = decode(core.datagrams_to_send()[-1].data, [key])
    assert isinstance(heartbeat, Heartbeat)
    return heartbeat.challenge


def _pass_time(core: Liveness, until: float) -> None:
    """Call the core at its timers, as a process does that is not stalled."""
    while (due := core.get_timer()) is not None and due <= until:
        core.handle_timer(due)


def _heartbeat(
    *,
    sequence: int = 0,
    echo: int = 0,
    incarnation: int = 5,
    node: str = "b",
    link: str = "eth0",
    state: NodeState = READY,
    key: bytes = KEY,
) -> bytes:
    mac = b"\x02\0\0\0\0\2"
    made = Heartbeat(node, link, state, incarnation, sequence, 77, echo, INTERVAL, 3, mac)
    return encode(made, key)


ECHO = 2
"""What `_pair` challenges its peer with."""


def _pair() -> Liveness:
    core = _core()
    core.begin(0.0)
    assert _challenge(core) == ECHO
    assert core.receive_datagram(_heartbeat(sequence=5, echo=ECHO), 0.1) is None
    assert set(core.members()) == {"b"}
    return core


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_heartbeat(sequence=5, echo=ECHO), DropReason.REPLAYED),
        (_heartbeat(sequence=4, echo=ECHO), DropReason.REPLAYED),
        (_heartbeat(sequence=9, incarnation=4, echo=ECHO), DropReason.REPLAYED),
        (_heartbeat(node="a"), DropReason.OWN),
        (_heartbeat(node="c"), DropReason.UNKNOWN_NODE),
        (_heartbeat(link="eth9"), DropReason.UNKNOWN_NODE),
        (_heartbeat(key=b"x" * 32), DropReason.AUTHENTICATION),
        (b"junk", DropReason.TOO_SHORT),
    ],
)
def test_heartbeats_that_prove_nothing_are_dropped(data: bytes, reason: DropReason) -> None:
    core = _pair()
    before = core.members()
    assert core.receive_datagram(data, 0.2) is reason
    assert core.members() == before


def test_a_recording_of_an_earlier_run_of_ours_proves_nothing() -> None:
    core = _core(incarnation=2)
    core.begin(0.0)
    core.receive_datagram(_heartbeat(sequence=5, echo=ECHO), 0.1)
    assert core.members() == {}


def test_a_recording_from_before_a_silence_proves_nothing() -> None:
    core = _pair()
    _pass_time(core, 1.0)
    assert core.members() == {}
    assert core.receive_datagram(_heartbeat(sequence=6, echo=ECHO), 1.0) is None
    assert core.members() == {}
    challenge = _challenge(core)
    assert challenge != ECHO
    assert core.receive_datagram(_heartbeat(sequence=7, echo=challenge), 1.05) is None
    assert set(core.members()) == {"b"}


def test_a_peer_whose_clock_went_back_is_let_in_when_its_old_run_is_silent() -> None:
    core = _pair()
    assert core.receive_datagram(_heartbeat(incarnation=3, echo=ECHO), 0.15) is DropReason.REPLAYED
    _pass_time(core, 0.3)
    assert core.receive_datagram(_heartbeat(incarnation=3, echo=ECHO), 0.3) is DropReason.REPLAYED
    _pass_time(core, 0.4)
    echo = _challenge(core)
    assert core.receive_datagram(_heartbeat(incarnation=3, echo=echo), 0.4) is None
    assert set(core.members()) == {"b"}
    recorded = _heartbeat(sequence=9, incarnation=5, echo=ECHO)
    assert core.receive_datagram(recorded, 0.45) is DropReason.REPLAYED
    assert set(core.members()) == {"b"}


def test_a_new_key_is_taken_and_the_old_one_still_accepted() -> None:
    core = _pair()
    new = b"n" * 32
    core.set_keys([new, KEY])
    assert core.receive_datagram(_heartbeat(sequence=6, echo=ECHO), 0.2) is None
    assert core.receive_datagram(_heartbeat(sequence=7, echo=ECHO, key=new), 0.2) is None
    core.set_keys([new])
    data = _heartbeat(sequence=8, echo=ECHO)
    assert core.receive_datagram(data, 0.2) is DropReason.AUTHENTICATION


def test_a_speaker_that_restarts_is_down_at_once_and_comes_back_joining() -> None:
    fleet = _settled(3)
    fleet.kill("n0")
    fleet.run_for(0.02)
    restarted_at = fleet.now
    fleet.start("n0")
    fleet.run_for(0.01)
    events = [(at, e) for at, e in fleet.stations["n1"].events if at >= restarted_at]
    assert isinstance(events[0][1], MemberDown)
    assert events[0][1].reason is DownReason.RESTARTED
    fleet.run_for(0.4)
    assert fleet.stations["n1"].liveness.members()["n0"].state is JOINING
    fleet.run_for(2)
    assert fleet.stations["n1"].liveness.members()["n0"].state is READY


def test_a_speaker_that_leaves_says_so_at_once() -> None:
    fleet = _settled(3)
    fleet.leave("n0")
    fleet.run_for(0.001)
    members = fleet.stations["n1"].liveness.members()
    assert members["n0"].state is LEAVING
    assert isinstance(fleet.stations["n1"].events[-1][1], MemberChanged)
    fleet.run_for(3)
    assert fleet.stations["n0"].liveness.state is LEAVING


def test_one_that_was_cut_off_comes_back_joining_and_the_others_do_not() -> None:
    fleet = _settled(5)
    fleet.isolate("n0")
    fleet.run_for(1)
    assert fleet.stations["n0"].liveness.members() == {}
    assert fleet.stations["n0"].liveness.state is READY
    fleet.heal()
    fleet.run_for(0.2)
    assert fleet.stations["n0"].liveness.state is JOINING
    assert all(fleet.stations[name].liveness.state is READY for name in ("n1", "n2", "n3", "n4"))
    ups = [e for _, e in fleet.stations["n1"].events if isinstance(e, MemberUp) and e.was_lost]
    assert [event.node for event in ups] == ["n0"]
    fleet.run_for(2.5)
    assert fleet.stations["n0"].liveness.state is READY


def test_after_a_split_in_halves_nobody_waits_for_nobody() -> None:
    fleet = _settled(4)
    fleet.isolate("n0", "n1")
    fleet.run_for(1)
    fleet.heal()
    fleet.run_for(0.3)
    assert all(station.liveness.state is READY for station in fleet.stations.values())


def test_one_that_was_stalled_accuses_nobody_and_rejoins() -> None:
    fleet = _settled(3)
    before = len(fleet.stations["n0"].events)
    fleet.stall("n0", 1.0)
    fleet.run_for(1.3)
    events = [event for _, event in fleet.stations["n0"].events[before:]]
    assert not any(isinstance(event, MemberDown) for event in events)
    assert SelfChanged(JOINING) in events
    assert [event.node for event in _downs(fleet, "n1")] == ["n0"]


def test_a_short_stall_is_forgiven_on_both_sides() -> None:
    fleet = _settled(3)
    fleet.stall("n0", 1.5 * INTERVAL)
    fleet.run_for(1)
    assert all(_downs(fleet, name) == [] for name in fleet.names)
    assert fleet.stations["n0"].liveness.state is READY


@pytest.mark.parametrize("late", [0.04, 0.06, 0.14])
def test_the_time_in_which_we_were_deaf_is_not_counted(late: float) -> None:
    core = _pair()
    _pass_time(core, 0.2)
    send_at = core.get_timer()
    assert send_at is not None
    core.handle_timer(send_at + late)
    assert set(core.members()) == ({"b"} if late > INTERVAL else set())


def test_how_far_orders_are_is_told_at_once_but_not_without_end() -> None:
    fleet = _settled(2)
    here, there = fleet.stations["n0"].liveness, fleet.stations["n1"].liveness
    there.datagrams_to_send()
    there.set_orders_version(7, fleet.now)
    assert len(there.datagrams_to_send()) == 1
    there.set_orders_version(7, fleet.now + INTERVAL)
    there.set_orders_version(8, fleet.now + INTERVAL / 2)
    assert there.datagrams_to_send() == []
    there.set_orders_version(9, fleet.now + 1.1 * INTERVAL)
    [datagram] = there.datagrams_to_send()
    assert (there.orders_version, here.orders_version_of("n1")) == (9, 0)
    assert here.receive_datagram(datagram.data, fleet.now) is None
    assert here.orders_version_of("n1") == 9
    assert here.orders_version_of("nobody") == 0


def test_losing_all_links_is_being_cut_off() -> None:
    core = _pair()
    while core.next_event():
        pass
    core.set_links([], 0.2)
    down = core.next_event()
    assert isinstance(down, MemberDown)
    assert down.reason is DownReason.UNREACHABLE
    assert down.silent_seconds == pytest.approx(0.1)
    core.set_links([LocalLink("eth0", (ip_interface("10.0.0.1/16"),))], 0.3)
    core.receive_datagram(_heartbeat(sequence=9, echo=_challenge(core)), 0.3)
    assert core.next_event() == MemberUp("b", was_lost=True)
    assert core.state is NodeState.STARTING


def test_one_that_had_no_link_listens_before_it_says_that_it_is_ready() -> None:
    fleet = _settled(2)
    core = fleet.stations["n0"].liveness
    states = [core.state]
    fleet.unplug("n0")
    fleet.run_for(30)
    states.append(core.state)
    assert core.members() == {}
    fleet.plug_in("n0")
    for seconds in (0, fleet.settings.startup_seconds + 0.001, fleet.settings.hold_down_seconds):
        fleet.run_for(seconds)
        states.append(core.state)
    starting = NodeState.STARTING
    assert states == [READY, starting, starting, NodeState.JOINING, READY]


def test_one_that_starts_without_a_link_listens_when_it_has_one() -> None:
    fleet = _settled(2)
    fleet.kill("n0")
    fleet.unplugged.add("n0")
    core = fleet.start("n0").liveness
    fleet.run_for(30)
    assert core.state is NodeState.STARTING
    fleet.plug_in("n0")
    fleet.run_for(0.2)
    assert core.state is NodeState.STARTING


def test_one_whose_link_has_another_address_does_not_begin_anew() -> None:
    fleet = _settled(2)
    core = fleet.stations["n0"].liveness
    there = ip_interface("10.0.0.1/16"), ip_interface("10.0.0.99/16")
    core.set_links([LocalLink("eth0", there)], fleet.now)
    assert core.state is READY


def test_one_that_leaves_goes_on_leaving_without_a_link() -> None:
    core = _pair()
    core.leave()
    core.set_links([], 0.2)
    assert core.state is NodeState.LEAVING


def test_one_whose_entry_loses_its_addresses_for_a_moment_does_not_make_us_rejoin() -> None:
    """A reflex process that starts again knows its interfaces a little later than its policy."""
    fleet = _settled(2)
    core = fleet.stations["n0"].liveness
    before = len(fleet.stations["n0"].events)
    core.set_peers({"n1": Peer(PORT, ())}, fleet.now)
    core.set_peers(fleet.roll(), fleet.now)
    fleet.run_for(0.3)
    [down, up] = [event for _, event in fleet.stations["n0"].events[before:]]
    assert isinstance(down, MemberDown)
    assert down.reason is DownReason.FORGOTTEN
    assert up == MemberUp("n1")
    assert core.state is READY


def test_a_peer_that_leaves_the_roll_is_forgotten() -> None:
    core = _pair()
    while core.next_event():
        pass
    core.set_peers({}, 0.2)
    down = core.next_event()
    assert isinstance(down, MemberDown)
    assert down.reason is DownReason.FORGOTTEN
    assert core.receive_datagram(_heartbeat(sequence=9), 0.3) is DropReason.UNKNOWN_NODE


def test_our_own_entry_in_the_roll_does_not_matter() -> None:
    core = Liveness("a", 1, [KEY])
    core.set_links([LocalLink("eth0", (ip_interface("10.0.0.1/16"),))], 0.0)
    core.set_peers({"a": Peer(PORT, (PeerLink("eth0", (ip_address("10.0.0.1"),)),))}, 0.0)
    core.begin(0.0)
    assert core.datagrams_to_send() == []


def test_a_peer_with_two_links_lives_while_one_of_them_does() -> None:
    core = Liveness("a", 1, [KEY])
    links = [
        LocalLink("eth0", (ip_interface("10.0.0.1/16"),)),
        LocalLink("eth1", (ip_interface("10.1.0.1/16"),)),
    ]
    core.set_links(links, 0.0)
    peer_links = (
        PeerLink("eth0", (ip_address("10.0.0.2"),)),
        PeerLink("eth1", (ip_address("10.1.0.2"),)),
    )
    core.set_peers({"b": Peer(PORT, peer_links)}, 0.0)
    core.begin(0.0)
    core.receive_datagram(_heartbeat(sequence=1, echo=ECHO), 0.1)
    core.receive_datagram(_heartbeat(sequence=2, echo=ECHO, link="eth1"), 0.1)
    assert core.members()["b"].links == {"eth0", "eth1"}
    core.receive_datagram(_heartbeat(sequence=3, echo=ECHO), 0.2)
    _pass_time(core, 0.1 + DETECTION)
    assert core.members()["b"].links == {"eth0"}
    core.set_peers({"b": Peer(PORT, peer_links[:1])}, 0.26)
    assert core.members()["b"].links == {"eth0"}


def test_the_mac_of_a_peer_is_known_also_when_it_is_down() -> None:
    core = _pair()
    assert core.node_of(b"\x02\0\0\0\0\2") == "b"
    _pass_time(core, 5.0)
    assert core.members() == {}
    assert core.node_of(b"\x02\0\0\0\0\2") == "b"
    assert core.node_of(b"\x02\0\0\0\0\3") is None


def test_detection_follows_the_senders_own_interval() -> None:
    settings = LivenessSettings(interval_seconds=0.2, multiplier=4)
    fleet = Fleet(2, settings=settings)
    fleet.run_for(5)
    fleet.kill("n0")
    died_at = fleet.now
    fleet.run_for(2)
    [(at, _)] = [
        (at, event) for at, event in fleet.stations["n1"].events if isinstance(event, MemberDown)
    ]
    assert 0.6 <= at - died_at <= 0.801


def test_heartbeats_are_sent_at_the_interval_to_every_peer() -> None:
    fleet = _settled(2)
    core = fleet.stations["n0"].liveness
    timer = core.get_timer()
    assert timer is not None
    assert timer - fleet.now <= INTERVAL
    core.handle_timer(timer)
    assert {str(item.path.address) for item in core.datagrams_to_send()} == {address_of(1)}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hundred_speakers_agree_on_who_is_dead() -> None:
    fleet = Fleet(100, seed=3)
    fleet.run_for(0.2)
    for name in ("n7", "n42", "n99"):
        fleet.kill(name)
    fleet.run_for(DETECTION + 0.01)
    dead = {"n7", "n42", "n99"}
    for name, station in fleet.stations.items():
        if name not in dead:
            assert set(station.liveness.members()) == set(fleet.names) - dead - {name}
