"""The parts of the reflex process that need no kernel: the table, what is told, the counts."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface
from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.virtual_ips import AnnounceReason
from metallb_speaker import control
from metallb_speaker.announce.announcer import Announcer
from metallb_speaker.announce.model import (
    Announced,
    ConflictSeen,
    Orders,
    OwnLink,
    Withdrawn,
    WithdrawReason,
)
from metallb_speaker.bfd.config import BFDConfig, Endpoint
from metallb_speaker.bfd.errors import DropReason as BFDDropReason
from metallb_speaker.l2.errors import DropReason as FrameDropReason
from metallb_speaker.liveness.errors import DropReason as HeartbeatDropReason
from metallb_speaker.liveness.members import Liveness
from metallb_speaker.liveness.messages import NodeState
from metallb_speaker.liveness.paths import LocalLink, Peer, PeerLink
from metallb_speaker.reflex.counters import Counters
from metallb_speaker.reflex.table import Table
from metallb_speaker.reflex.telling import Telling

if TYPE_CHECKING:
    from metallb_speaker.control import Line

VIP, OTHER = ip_address("10.9.0.50"), ip_address("fd09::50")
KEY = b"k" * 32


class TestTable:
    def setup_method(self) -> None:
        self.announcer = Announcer("a")
        self.announcer.set_links([OwnLink("eth0")], 0.0)
        self.announcer.set_state(NodeState.READY, 0.0)
        self.liveness = Liveness("a", 1, [KEY])
        self.liveness.set_links([LocalLink("eth0", (ip_interface("10.9.0.1/24"),))], 0.0)
        self.bfd: list[list[BFDConfig]] = []
        self.table = Table(self.announcer, self.liveness, self.bfd.append)

    def take(self, *lines: Line) -> list[bool]:
        return [self.table.take(control.decode(control.encode(line)), 1.0) for line in lines]

    def test_a_whole_table_replaces_what_was_there(self) -> None:
        old = self.take(control.vip_line(Orders(OTHER, ("a",), version=3)))
        done = self.take(
            control.RESET,
            control.vip_line(Orders(VIP, ("a", "b"), ("eth0",), version=9)),
            control.synced_line(9),
        )
        assert (old, done) == ([False], [False, False, True])
        assert self.announcer.announced() == {VIP: ("eth0",)}
        assert self.liveness.orders_version == 9

    def test_what_is_announced_stays_so_while_a_table_comes_in(self) -> None:
        self.take(control.vip_line(Orders(VIP, ("a",), version=3), 3), control.RESET)
        assert self.announcer.announced() == {VIP: ("eth0",)}
        assert self.liveness.orders_version == 3
        self.take(control.vip_line(Orders(OTHER, ("a",), version=9), 9))
        assert self.liveness.orders_version == 3  # not before all is told
        self.take(control.synced_line(9))
        assert self.announcer.announced() == {OTHER: ("eth0",)}

    def test_one_vip_changes_and_goes(self) -> None:
        self.take(control.vip_line(Orders(VIP, ("a",), version=3), 3))
        self.take(control.vip_line(Orders(VIP, ("a",), is_suspended=True, version=6), 4))
        assert (self.announcer.announced(), self.announcer.addresses()) == ({}, [VIP])
        assert self.liveness.orders_version == 4  # those of other VIPs are not known up to 6
        self.take(control.seen_line(6))
        assert self.liveness.orders_version == 6
        self.take(control.gone_line(VIP))
        assert self.announcer.addresses() == []

    def test_nothing_is_said_to_peers_before_the_table_is_complete(self) -> None:
        peers = {"b": Peer(4225, (PeerLink("eth0", (ip_address("10.9.0.2"),)),))}
        self.take(control.peers_line(peers))
        assert self.liveness.datagrams_to_send() == []
        self.take(control.synced_line(0))
        [datagram] = self.liveness.datagrams_to_send()
        assert str(datagram.path.address) == "10.9.0.2"

    def test_bfd_sessions_are_ordered_all_at_once(self) -> None:
        configs = [BFDConfig(Endpoint(VIP)), BFDConfig(Endpoint(OTHER, VIP, "eth0"))]
        assert self.take(control.bfd_line(configs), control.bfd_line([])) == [False, False]
        assert self.bfd == [configs, []]

    def test_an_unknown_line_is_a_bug_of_ours(self) -> None:
        with pytest.raises(ValueError, match="'dance'"):
            self.take({"do": "dance"})


class TestTelling:
    def setup_method(self) -> None:
        self.said: list[Line] = []
        self.telling = Telling(self.said.append)

    def words(self) -> list[Any]:
        found = [(line["do"], line.get("address")) for line in self.said]
        self.said.clear()
        return found

    async def test_what_is_announced_is_told_again_as_it_was(self) -> None:
        change = Announced(VIP, AnnounceReason.NODE_DOWN, "b", 0.15, ("eth0",))
        self.telling.announced(change)
        self.telling.conflict_seen(ConflictSeen(VIP, "02:99", "eth0"))
        first = list(self.said)
        self.said.clear()
        self.telling.tell_all()
        assert self.said == [*first, control.TOLD]
        told = control.AnnouncedLine.of(control.decode(control.encode(first[0])))
        assert (told.address, told.reason, told.previous) == (VIP, "NodeDown", "b")
        assert (told.outage_seconds, told.interfaces) == (0.15, ("eth0",))

    async def test_what_is_over_is_not_told_again(self) -> None:
        self.telling.announced(Announced(VIP, AnnounceReason.PREFERRED, "", None, ("eth0",)))
        self.telling.announced(Announced(OTHER, AnnounceReason.PREFERRED, "", None, ("eth0",)))
        self.telling.conflict_seen(ConflictSeen(VIP, "02:99", "eth0"))
        self.telling.conflict_gone(VIP)
        self.telling.withdrawn(Withdrawn(VIP, WithdrawReason.SUSPENDED))
        self.words()
        self.telling.tell_all()
        assert self.words() == [("announced", str(OTHER)), ("told", None)]

    async def test_it_is_quiet_while_nothing_is_announced(self) -> None:
        assert self.telling.quiet.is_set()
        for address in (VIP, OTHER):
            self.telling.announced(Announced(address, AnnounceReason.PREFERRED, "", None, ()))
        self.telling.withdrawn(Withdrawn(VIP, WithdrawReason.TAKEN_OVER))
        assert not self.telling.quiet.is_set()
        self.telling.withdrawn(Withdrawn(OTHER, WithdrawReason.TAKEN_OVER))
        assert self.telling.quiet.is_set()


def test_counts_are_told_once() -> None:
    counters = Counters()
    counters.requests[VIP.packed] += 2
    counters.responses[VIP.packed] += 1
    counters.gratuitous[OTHER.packed] += 4
    counters.lost["frames"] += 1
    counters.drop_frame(FrameDropReason.NOT_OWNED)
    counters.drop_heartbeat(HeartbeatDropReason.REPLAYED)
    counters.heartbeats["sent"] += 3
    counters.drop_bfd(BFDDropReason.TTL)
    bfd = [(Endpoint(VIP, vrf="red"), (1, 2, 3, 4, 5, 6))]
    line = control.decode(control.encode(counters.take_line(bfd)))
    assert line["addresses"] == {str(VIP): [2, 1, 0], str(OTHER): [0, 0, 4]}
    assert line["lost"] == {"frames": 1}
    assert line["dropped_frames"] == {"NotOwned": 1}
    assert line["dropped_heartbeats"] == {"Replayed": 1}
    assert line["heartbeats"] == {"sent": 3}
    assert line["dropped_bfd"] == {"TTL": 1}
    assert control.bfd_counts_of(line) == [(bfd[0][0], [1, 2, 3, 4, 5, 6])]
    empty = counters.take_line()
    assert not any(empty.pop("late_timers"))
    assert {key: value for key, value in empty.items() if value} == {"do": "counters"}


def test_timers_are_counted_by_how_late_they_were() -> None:
    counters = Counters()
    for late_seconds in (-1e-9, 0.0005, 0.0006, 0.03, 7.0):
        counters.timer_fired(late_seconds)
    line = counters.take_line()
    found = dict(zip((*control.LATENESS_BOUNDS_SECONDS, None), line["late_timers"], strict=True))
    assert {bound: count for bound, count in found.items() if count} == {
        0.0005: 2, 0.001: 1, 0.05: 1, None: 1,
    }  # fmt: skip
    assert line["late_seconds"] == pytest.approx(7.0311)
    assert not any(counters.take_line()["late_timers"])
