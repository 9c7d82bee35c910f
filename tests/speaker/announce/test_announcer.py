"""The announcer alone: one situation a test."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from metallb.api.virtual_ips import AnnounceReason
from metallb_speaker.announce.announcer import CONFLICT_SECONDS, DEFEND_SECONDS, Announcer
from metallb_speaker.announce.handover import ASK_PAUSE_SECONDS, ASKED_AT_ONCE
from metallb_speaker.announce.model import (
    Announce,
    Announced,
    Ask,
    Change,
    ConflictGone,
    ConflictSeen,
    Orders,
    OwnLink,
    Withdrawn,
    WithdrawReason,
)
from metallb_speaker.liveness.events import Member
from metallb_speaker.liveness.messages import NodeState

if TYPE_CHECKING:
    from metallb.net.addresses import IPAddress

VIP = ip_address("10.0.0.1")
VIP6 = ip_address("fd00::1")
ETH0 = frozenset({"eth0"})
READY, JOINING, LEAVING = NodeState.READY, NodeState.JOINING, NodeState.LEAVING


def _announcer(state: NodeState = READY, *links: OwnLink) -> Announcer:
    made = Announcer("a")
    made.set_links(links or (OwnLink("eth0"),), 0.0)
    made.set_state(state, 0.0)
    return made


def _orders(
    *nodes: str,
    address: IPAddress = VIP,
    interfaces: tuple[str, ...] = (),
    is_suspended: bool = False,
    version: int = 0,
) -> Orders:
    return Orders(address, nodes, interfaces, is_suspended, version)


def _saw(
    made: Announcer,
    address: IPAddress,
    node: str | None,
    mac: str,
    interface: str,
    now: float,
    *,
    is_answer: bool = True,
    version: int = 0,
    is_newer: bool = False,
) -> None:
    made.saw(
        address,
        node,
        mac,
        interface,
        now,
        is_answer=is_answer,
        version=version,
        is_newer=is_newer,
    )


def _changes(made: Announcer) -> list[Change]:
    found: list[Change] = []
    while change := made.next_change():
        found.append(change)
    return found


def _up(made: Announcer, now: float = 0.0, **members: NodeState) -> None:
    _up_with(made, ETH0, now, **members)


def _up_with(made: Announcer, links: frozenset[str], now: float, **members: NodeState) -> None:
    found = {name: Member(state, links) for name, state in members.items()}
    for name in members:
        made.member_up(name, found, now)


def test_the_first_of_the_order_announces() -> None:
    made = _announcer()
    made.set_orders(_orders("a", "b"), 1.0)
    assert _changes(made) == [Announced(VIP, AnnounceReason.PREFERRED, "", None, ("eth0",))]
    assert made.announced() == {VIP: ("eth0",)}
    assert made.owned == {"eth0": {VIP.packed}}
    assert made.addresses() == [VIP]


def test_orders_that_say_the_same_change_nothing() -> None:
    made = _announcer()
    made.set_orders(_orders("a"), 1.0)
    _changes(made)
    made.set_orders(_orders("a"), 2.0)
    assert _changes(made) == []


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        (READY, {"b": READY}, False),
        (READY, {"b": JOINING}, True),
        (READY, {"b": LEAVING}, True),
        (READY, {}, True),
        (JOINING, {"b": READY}, False),
        (JOINING, {"c": READY}, False),
        (JOINING, {"b": JOINING}, False),
        (JOINING, {}, True),
        (LEAVING, {}, False),
        (NodeState.STARTING, {}, False),
    ],
)
def test_who_announces_depends_on_what_each_says_of_itself(
    own: NodeState, others: dict[str, NodeState], expected: bool
) -> None:
    made = _announcer(own)
    _up(made, **others)
    made.set_orders(_orders("b", "a", "c"), 1.0)
    assert bool(made.announced()) is expected


def test_the_next_takes_over_when_the_announcer_dies() -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("b", "a"), 1.0)
    made.member_down("b", {}, 5.0, 0.15)
    [change] = _changes(made)
    assert isinstance(change, Announced)
    assert (change.reason, change.previous) == (AnnounceReason.NODE_DOWN, "b")
    assert change.outage_seconds == pytest.approx(0.15)


def test_the_next_takes_over_when_the_announcer_leaves() -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("b", "a"), 1.0)
    _up(made, 2.0, b=LEAVING)
    assert _changes(made) == [Announced(VIP, AnnounceReason.NODE_LEFT, "b", None, ("eth0",))]


def test_the_next_takes_over_when_the_announcers_interface_is_lost() -> None:
    made = _announcer()
    both = frozenset({"eth0", "eth1"})
    _up_with(made, both, 0.0, b=READY)
    made.set_orders(_orders("b", "a", interfaces=("eth0",)), 1.0)
    assert made.announced() == {}
    _up_with(made, frozenset({"eth1"}), 2.0, b=READY)
    assert _changes(made) == [Announced(VIP, AnnounceReason.INTERFACE_DOWN, "b", None, ("eth0",))]


def test_a_planned_move_begins_with_the_new_owner() -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("b", "a"), 1.0)
    made.set_orders(_orders("a", "b"), 2.0)
    assert _changes(made) == [Announced(VIP, AnnounceReason.PLANNED_MOVE, "b", None, ("eth0",))]


def test_the_old_owner_goes_on_until_it_sees_the_new_one() -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("a", "b"), 1.0)
    _changes(made)
    made.set_orders(_orders("b", "a"), 2.0)
    assert _changes(made) == []
    _saw(made, VIP, "b", "02:b", "eth0", 2.1)
    assert _changes(made) == [Withdrawn(VIP, WithdrawReason.TAKEN_OVER)]
    assert made.owned == {"eth0": set()}


def _wait(made: Announcer) -> float:
    """Call the announcer at its timer; gives the time."""
    due_at = made.get_timer()
    assert due_at is not None
    made.handle_timer(due_at)
    return due_at


def test_a_new_owner_that_is_not_seen_is_asked_for() -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("a", "b"), 1.0)
    made.set_orders(_orders("b", "a"), 2.0)
    _changes(made)
    times = []
    for _ in range(8):
        times.append(_wait(made))
        assert _changes(made) == [Ask(VIP)]
    gaps = [after - before for before, after in pairwise(times)]
    assert times[0] == pytest.approx(2.05)
    assert gaps == pytest.approx([0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0])
    _saw(made, VIP, "b", "02:b", "eth0", 40.0)
    assert _changes(made) == [Withdrawn(VIP, WithdrawReason.TAKEN_OVER)]


def test_a_new_owner_that_was_seen_is_asked_once_whether_it_goes_on() -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("a", "b"), 1.0)
    made.set_orders(_orders("b", "a"), 2.0)
    _saw(made, VIP, "b", "02:b", "eth0", 2.01)
    _changes(made)
    assert _wait(made) == pytest.approx(2.11)
    assert _changes(made) == [Ask(VIP)]
    assert made.watched == {VIP.packed}
    _saw(made, VIP, "b", "02:b", "eth0", 2.12)
    _wait(made)
    assert (_changes(made), made.get_timer(), made.watched) == ([], None, set())


def test_the_old_owner_announces_again_when_the_new_one_does_not_answer() -> None:
    """Both may have given way at once: the frames of two moves crossed."""
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("a", "b"), 1.0)
    made.set_orders(_orders("b", "a"), 2.0)
    _saw(made, VIP, "b", "02:b", "eth0", 2.01)
    _wait(made)
    _changes(made)
    assert _wait(made) == pytest.approx(2.21)
    assert _changes(made) == [Announced(VIP, AnnounceReason.UNANSWERED, "b", None, ("eth0",))]
    assert _wait(made) == pytest.approx(2.26)
    assert _changes(made) == [Ask(VIP)]


@pytest.mark.parametrize("state", [LEAVING, NodeState.STARTING])
def test_one_that_stops_or_starts_announces_nothing_again(state: NodeState) -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("a", "b"), 1.0)
    made.set_orders(_orders("b", "a"), 2.0)
    _saw(made, VIP, "b", "02:b", "eth0", 2.01)
    made.set_state(state, 2.02)
    _wait(made)
    _changes(made)
    _wait(made)
    assert (_changes(made), made.get_timer()) == ([], None)


def test_a_new_owner_that_has_older_orders_may_be_giving_way_itself() -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("a", "b", version=1), 1.0)
    made.set_orders(_orders("b", "a", version=7), 2.0)
    _changes(made)
    _wait(made)
    assert _changes(made) == [Ask(VIP)]
    _saw(made, VIP, "b", "02:b", "eth0", 2.06, version=6)
    assert _changes(made) == []
    assert _wait(made) == pytest.approx(2.11)
    assert _changes(made) == [Ask(VIP)]
    _saw(made, VIP, "b", "02:b", "eth0", 2.12, version=7)
    assert _changes(made) == [Withdrawn(VIP, WithdrawReason.TAKEN_OVER)]


def test_orders_that_differ_by_their_version_only_are_the_same() -> None:
    made = _announcer()
    made.set_orders(_orders("a", version=1), 1.0)
    _changes(made)
    made.set_orders(_orders("a", version=2), 2.0)
    assert _changes(made) == []


def test_nobody_is_asked_for_what_is_ours_after_all() -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("a", "b"), 1.0)
    made.set_orders(_orders("b", "a"), 2.0)
    made.set_orders(_orders("a", "b"), 2.01)
    assert made.get_timer() is None


# -- two announce ----------------------------------------------------------------------------------


def _contested(node: str, *nodes: str, others: tuple[str, ...] = ("b", "c")) -> Announcer:
    """Announce by the order, see a claim of a node, and ask for it."""
    made = _announcer()
    _up(made, **dict.fromkeys(others, READY))
    made.set_orders(_orders(*nodes), 1.0)
    _changes(made)
    _saw(made, VIP, node, "02:x", "eth0", 3.0)
    assert _changes(made) == []
    _saw(made, VIP, node, "02:x", "eth0", 3.05)  # asked for only once
    assert _wait(made) == pytest.approx(3.1)
    assert _changes(made) == [Ask(VIP)]
    return made


@pytest.mark.parametrize("node", ["b", "c", "z"], ids=["behind us", "not named", "not alive"])
def test_one_that_has_no_right_to_it_is_told_who_announces(node: str) -> None:
    made = _contested(node, "a", "b", "z")
    _saw(made, VIP, node, "02:x", "eth0", 3.11)
    assert _changes(made) == [Announce(VIP)]
    assert _wait(made) == pytest.approx(3.2)
    assert (_changes(made), made.get_timer()) == ([], None)
    _saw(made, VIP, node, "02:x", "eth0", 3.5)
    assert _wait(made) == pytest.approx(3.6)
    assert _changes(made) == [Ask(VIP)]
    _saw(made, VIP, node, "02:x", "eth0", 3.61)
    assert _changes(made) == []  # it was said a moment ago
    assert _wait(made) == pytest.approx(4.11)
    assert (_changes(made), made.get_timer()) == ([Announce(VIP)], None)


def test_a_claim_that_is_not_repeated_is_answered_too() -> None:
    """Who made it is quiet by now, but clients believe what they heard last."""
    made = _contested("b", "a", "b")
    assert _wait(made) == pytest.approx(3.2)
    assert (_changes(made), made.get_timer()) == ([Announce(VIP)], None)


def test_a_claim_is_answered_though_something_else_happens_meanwhile() -> None:
    made = _contested("b", "a", "b")
    _up(made, b=READY, c=READY)
    assert _wait(made) == pytest.approx(3.2)
    assert _changes(made) == [Announce(VIP)]


def test_it_gives_way_to_one_with_newer_orders_that_stays_with_it() -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("a", "b"), 1.0)
    _saw(made, VIP, "b", "02:b", "eth0", 3.0, is_newer=True)
    _changes(made)
    _wait(made)
    assert _changes(made) == [Ask(VIP)]
    _saw(made, VIP, "b", "02:b", "eth0", 3.11, is_newer=True)
    assert _changes(made) == [Withdrawn(VIP, WithdrawReason.TAKEN_OVER)]


def test_what_is_said_unasked_is_no_answer() -> None:
    """It may have been said before the question, by one that has given way since."""
    made = _contested("b", "a", "b")
    _saw(made, VIP, "b", "02:b", "eth0", 3.11, is_answer=False, is_newer=True)
    assert _changes(made) == []
    assert _wait(made) == pytest.approx(3.2)
    assert _changes(made) == [Ask(VIP)]


def test_it_gives_way_at_once_to_one_named_before_it_whose_heartbeats_it_does_not_hear() -> None:
    made = _announcer()
    made.set_orders(_orders("b", "a"), 1.0)
    _changes(made)
    _saw(made, VIP, "b", "02:b", "eth0", 3.0)
    assert _changes(made) == [Withdrawn(VIP, WithdrawReason.TAKEN_OVER)]


def test_it_does_not_give_way_to_one_named_before_it_that_it_sees_joining() -> None:
    made = _announcer()
    _up(made, b=JOINING)
    made.set_orders(_orders("b", "a"), 1.0)
    _changes(made)
    _saw(made, VIP, "b", "02:b", "eth0", 3.0)
    assert _changes(made) == []
    assert made.announced() == {VIP: ("eth0",)}


# -- left to another -------------------------------------------------------------------------------


def _left_to_b(*others: str, interfaces: tuple[str, ...] = ()) -> Announcer:
    """Leave what is ours to `b`, which has newer orders."""
    made = _announcer()
    _up(made, b=READY, **dict.fromkeys(others, READY))
    made.set_orders(_orders("a", *others, interfaces=interfaces), 1.0)
    _saw(made, VIP, "b", "02:b", "eth0", 2.9, is_newer=True)
    _wait(made)
    _saw(made, VIP, "b", "02:b", "eth0", 3.0, is_newer=True)
    assert made.announced() == {}
    _changes(made)
    return made


def test_one_that_it_was_left_to_is_asked_for_it_now_and_then() -> None:
    made = _left_to_b()
    asked = []
    for _ in range(4):
        due_at = _wait(made)
        asked.append((round(due_at, 3), _changes(made)))
        _saw(made, VIP, "b", "02:b", "eth0", due_at + 0.001, is_newer=True)
    assert asked == [(3.1, [Ask(VIP)]), (3.2, []), (5.2, [Ask(VIP)]), (5.3, [])]


def test_what_was_left_is_taken_back_when_nobody_answers() -> None:
    made = _left_to_b("c")
    made.handle_timer(3.1)
    assert _changes(made) == [Ask(VIP)]
    _saw(made, VIP, "c", "02:c", "eth0", 3.15)
    made.handle_timer(3.2)
    assert _changes(made) == [Announced(VIP, AnnounceReason.UNANSWERED, "b", None, ("eth0",))]
    assert made.get_timer() is None


def test_what_was_left_is_taken_back_when_it_is_only_said_unasked() -> None:
    made = _left_to_b()
    made.handle_timer(3.1)
    _saw(made, VIP, "b", "02:b", "eth0", 3.11, is_answer=False, is_newer=True)
    made.handle_timer(3.2)
    assert made.announced() == {VIP: ("eth0",)}


def test_what_was_left_is_taken_back_from_one_whose_orders_are_newer_no_more() -> None:
    made = _left_to_b()
    made.handle_timer(3.1)
    _saw(made, VIP, "b", "02:b", "eth0", 3.11)
    made.handle_timer(3.2)
    assert made.announced() == {VIP: ("eth0",)}


def test_what_was_left_is_taken_back_when_the_orders_change() -> None:
    made = _left_to_b("c")
    made.set_orders(_orders("a", "c", "b"), 4.0)
    assert [type(change) for change in _changes(made)] == [Announced]
    assert made.get_timer() is None


def test_what_was_left_is_taken_back_when_that_one_dies_and_not_when_another_does() -> None:
    made = _left_to_b("c")
    made.member_down("c", {"b": Member(READY, ETH0)}, 4.0, 0.1)
    assert _changes(made) == []
    made.member_down("b", {}, 9.0, 0.15)
    [change] = _changes(made)
    assert isinstance(change, Announced)
    assert (change.reason, change.previous) == (AnnounceReason.NODE_DOWN, "b")
    assert change.outage_seconds == pytest.approx(0.15)
    assert made.get_timer() is None


def test_what_was_left_is_taken_back_when_that_one_leaves_and_not_before() -> None:
    made = _left_to_b()
    _up(made, 4.0, b=READY)
    assert _changes(made) == []
    _up(made, 5.0, b=LEAVING)
    assert _changes(made) == [Announced(VIP, AnnounceReason.NODE_LEFT, "b", None, ("eth0",))]


def test_what_was_left_is_another_s_when_that_one_is_to_announce_it() -> None:
    made = _left_to_b("c")
    made.set_state(JOINING, 4.0)
    assert (_changes(made), made.get_timer(), made.watched) == ([], None, set())


def test_what_was_left_is_forgotten_with_the_vip() -> None:
    made = _left_to_b()
    made.remove(VIP)
    assert (_changes(made), made.get_timer(), made.watched) == ([], None, set())


def test_what_was_left_is_not_announced_without_an_interface() -> None:
    made = _left_to_b()
    made.set_links((), 3.05)
    assert (_changes(made), made.get_timer()) == ([], None)
    made.set_links((OwnLink("eth0"),), 4.0)
    assert [type(change) for change in _changes(made)] == [Announced]


def test_nothing_is_announced_again_without_an_interface() -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("a", "b"), 1.0)
    made.set_orders(_orders("b", "a"), 2.0)
    _saw(made, VIP, "b", "02:b", "eth0", 2.01)
    made.set_links((), 2.05)
    _wait(made)
    _changes(made)
    _wait(made)
    assert (_changes(made), made.get_timer()) == ([], None)


def test_many_questions_are_asked_in_portions() -> None:
    made = _announcer()
    _up(made, b=READY)
    for number in range(300):
        address = ip_address(f"10.2.{number // 250}.{number % 250}")
        made.set_orders(_orders("a", "b", address=address), 1.0)
        made.set_orders(_orders("b", "a", address=address), 2.0)
    _changes(made)
    made.handle_timer(2.05)
    assert len(_changes(made)) == ASKED_AT_ONCE
    made.handle_timer(2.05)
    assert _changes(made) == []
    assert _wait(made) == pytest.approx(2.05 + ASK_PAUSE_SECONDS)
    assert len(_changes(made)) == 300 - ASKED_AT_ONCE


def test_a_suspended_vip_is_announced_by_nobody() -> None:
    made = _announcer()
    made.set_orders(_orders("a"), 1.0)
    _changes(made)
    made.set_orders(_orders("a", is_suspended=True), 2.0)
    assert _changes(made) == [Withdrawn(VIP, WithdrawReason.SUSPENDED)]
    made.set_orders(_orders("a"), 3.0)
    assert [type(change) for change in _changes(made)] == [Announced]


def test_a_released_vip_is_withdrawn_and_forgotten() -> None:
    made = _announcer()
    made.set_orders(_orders("a", "b"), 1.0)
    _changes(made)
    made.remove(VIP)
    assert _changes(made) == [Withdrawn(VIP, WithdrawReason.RELEASED)]
    made.remove(VIP)
    _saw(made, VIP, None, "02:x", "eth0", 2.0)
    assert _changes(made) == []
    assert made.addresses() == []


def test_a_vip_leaves_with_its_interface_and_comes_back_with_it() -> None:
    made = _announcer()
    made.set_orders(_orders("a"), 1.0)
    _changes(made)
    made.set_links((), 2.0)
    assert _changes(made) == [Withdrawn(VIP, WithdrawReason.NO_INTERFACE)]
    assert made.owned == {}
    made.set_links((OwnLink("eth0"),), 3.0)
    assert [type(change) for change in _changes(made)] == [Announced]


def test_a_vip_is_announced_on_the_interfaces_that_the_orders_name() -> None:
    made = _announcer(READY, OwnLink("eth0"), OwnLink("eth1"))
    made.set_orders(_orders("a"), 1.0)
    assert made.announced() == {VIP: ("eth0", "eth1")}
    made.set_orders(_orders("a", interfaces=("eth1", "eth7")), 2.0)
    assert made.announced() == {VIP: ("eth1",)}
    assert made.owned == {"eth0": set(), "eth1": {VIP.packed}}
    made.set_orders(_orders("a", interfaces=("eth9",)), 3.0)
    assert made.announced() == {}


def test_ipv6_needs_a_link_local_address() -> None:
    made = _announcer(READY, OwnLink("eth0", has_link_local=False))
    made.set_orders(_orders("a", address=VIP6), 1.0)
    assert made.announced() == {}
    made.set_links((OwnLink("eth0"),), 2.0)
    assert made.announced() == {VIP6: ("eth0",)}


def test_one_that_had_been_lost_hears_of_what_is_ours() -> None:
    made = _announcer()
    members = {"b": Member(READY, ETH0)}
    made.member_up("b", members, 1.0)
    made.set_orders(_orders("a", "b"), 1.0)
    _changes(made)
    made.member_up("b", members, 2.0)
    assert _changes(made) == []
    made.member_up("b", members, 3.0, was_lost=True)
    assert _changes(made) == [Announce(VIP)]
    made.set_orders(_orders("a"), 4.0)  # as when the controller knew it to be down
    made.member_up("b", members, 5.0, was_lost=True)
    assert _changes(made) == [Announce(VIP)]


def test_what_was_left_to_another_is_not_announced_when_a_lost_one_is_back() -> None:
    made = _left_to_b("c")
    both = {"b": Member(READY, ETH0), "c": Member(READY, ETH0)}
    made.member_up("c", both, 3.05, was_lost=True)
    assert _changes(made) == []


def test_what_is_ours_is_announced_once_more_when_we_are_alone_no_longer() -> None:
    made = _announcer()
    both = {"b": Member(READY, ETH0), "c": Member(READY, ETH0)}
    made.set_orders(_orders("a", "b"), 1.0)
    _changes(made)
    made.member_down("c", {"b": both["b"]}, 2.0, 0.1)
    made.member_up("c", both, 3.0)
    assert _changes(made) == []
    made.member_down("c", {"b": both["b"]}, 4.0, 0.1)
    made.member_down("b", {}, 4.0, 0.1)
    made.member_up("b", {"b": both["b"]}, 5.0)
    assert _changes(made) == [Announce(VIP)]
    made.member_up("c", both, 5.0)
    assert _changes(made) == []


def test_a_claim_by_a_stranger_is_a_conflict_and_is_answered_now_and_then() -> None:
    made = _announcer()
    made.set_orders(_orders("a"), 1.0)
    _changes(made)
    _saw(made, VIP, None, "02:99", "eth0", 2.0)
    assert _changes(made) == [ConflictSeen(VIP, "02:99", "eth0"), Announce(VIP)]
    _saw(made, VIP, None, "02:99", "eth0", 3.0)
    assert _changes(made) == []
    _saw(made, VIP, None, "02:99", "eth0", 2.0 + DEFEND_SECONDS)
    assert _changes(made) == [Announce(VIP)]
    over_at = 2.0 + DEFEND_SECONDS + CONFLICT_SECONDS
    assert made.get_timer() == over_at
    made.handle_timer(over_at - 1)
    assert _changes(made) == []
    made.handle_timer(over_at)
    assert _changes(made) == [ConflictGone(VIP)]
    assert made.get_timer() is None


def test_a_conflict_ends_with_the_announcement() -> None:
    made = _announcer()
    made.set_orders(_orders("a"), 1.0)
    _saw(made, VIP, None, "02:99", "eth0", 2.0)
    _changes(made)
    made.set_orders(_orders("a", is_suspended=True), 3.0)
    assert _changes(made) == [ConflictGone(VIP), Withdrawn(VIP, WithdrawReason.SUSPENDED)]
    made.set_orders(_orders("a"), 4.0)
    _saw(made, VIP, None, "02:99", "eth0", 5.0)
    made.remove(VIP)
    assert made.get_timer() is None


def test_what_is_seen_of_a_vip_that_is_not_announced_does_not_matter() -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("b", "a"), 1.0)
    _saw(made, VIP, None, "02:99", "eth0", 2.0)
    assert _changes(made) == []


def test_stopping_withdraws_everything() -> None:
    made = _announcer()
    made.set_orders(_orders("a"), 1.0)
    _changes(made)
    made.stop()
    assert _changes(made) == [Withdrawn(VIP, WithdrawReason.STOPPED)]


def test_one_that_joins_again_believes_answers_only_for_a_while() -> None:
    """The other may have seen it READY, and be giving way to it."""
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("a", "b"), 1.0)
    made.set_state(JOINING, 2.0)
    _changes(made)
    _saw(made, VIP, "b", "02:b", "eth0", 2.01, is_answer=False)
    assert _changes(made) == []
    assert _wait(made) == pytest.approx(2.05)
    assert _changes(made) == [Ask(VIP)]
    _saw(made, VIP, "b", "02:b", "eth0", 2.051)
    assert _changes(made) == [Withdrawn(VIP, WithdrawReason.TAKEN_OVER)]


def test_one_that_leaves_goes_on_until_another_is_seen() -> None:
    made = _announcer()
    _up(made, b=READY)
    made.set_orders(_orders("a", "b"), 1.0)
    _changes(made)
    made.set_state(LEAVING, 2.0)
    assert _changes(made) == []
    _saw(made, VIP, "b", "02:b", "eth0", 2.01, is_answer=False)
    assert _changes(made) == [Withdrawn(VIP, WithdrawReason.TAKEN_OVER)]
