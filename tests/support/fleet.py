"""A fleet of speakers without a network: cores, a wire with virtual time, and a segment for frames.

Each `Station` is one node's liveness and announcer, as the reflex process joins them. Heartbeats
travel over a wire that may delay, lose or cut; announcements (as an ARP announcement would) reach
every station that the wire connects, and a client, which loses none and asks nobody. Time is
virtual: `run_until` goes from event to event.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_address, ip_interface
from typing import TYPE_CHECKING, Any

from metallb_speaker.announce.announcer import Announcer
from metallb_speaker.announce.model import (
    Announce,
    Announced,
    Ask,
    Change,
    Orders,
    OwnLink,
    Withdrawn,
)
from metallb_speaker.liveness.events import MemberChanged, MemberDown, MemberUp, SelfChanged
from metallb_speaker.liveness.members import Liveness
from metallb_speaker.liveness.paths import LocalLink, Peer, PeerLink
from metallb_speaker.liveness.settings import LivenessSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metallb.net.addresses import IPAddress
    from metallb_speaker.liveness.events import Event

KEY = b"k" * 32
PORT = 4225
DELAY_SECONDS = 0.0002


def address_of(index: int) -> str:
    """Address of the index-th node."""
    return f"10.0.{index // 250}.{1 + index % 250}"


def mac_of(index: int) -> bytes:
    """MAC of the index-th node."""
    return b"\x02\0\0\0" + index.to_bytes(2, "big")


@dataclass(slots=True)
class Station:
    """One node: cores, and what they did."""

    name: str
    index: int
    liveness: Liveness
    announcer: Announcer
    is_running: bool = True
    stalled_until: float = 0.0
    versions: dict[IPAddress, int] = field(default_factory=dict)
    events: list[tuple[float, Event]] = field(default_factory=list)
    changes: list[tuple[float, Change]] = field(default_factory=list)

    def announced(self) -> set[IPAddress]:
        """Give the VIPs that this node announces."""
        return set(self.announcer.announced())


class Fleet:
    """All stations, the wire, and the clock."""

    def __init__(
        self, count: int, *, seed: int = 0, settings: LivenessSettings | None = None
    ) -> None:
        self.chance = random.Random(seed)
        self.settings = settings or LivenessSettings()
        self.now = 0.0
        self.loss = 0.0
        self.incarnations = 0
        self.version = 0
        self.orders: dict[IPAddress, Orders] = {}
        self.stations: dict[str, Station] = {}
        self.blocked: set[frozenset[str]] = set()
        self.unplugged: set[str] = set()
        self.client: dict[IPAddress, str] = {}
        """The node whose MAC a client has for a VIP: the last that said so on its side."""
        self._beyond: set[str] = set()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._timers: dict[str, float] = {}
        self._told_at: dict[str, float] = {}
        self.names = [f"n{index}" for index in range(count)]
        for index, name in enumerate(self.names):
            self.start(name, index)

    # -- life --------------------------------------------------------------------------------------

    def start(self, name: str, index: int | None = None) -> Station:
        """Start a node's speaker, the first time or again."""
        number = self.names.index(name) if index is None else index
        self.incarnations += 1
        liveness = Liveness(
            name, self.incarnations, [KEY], settings=self.settings, phase=self.chance.random()
        )
        station = Station(name, number, liveness, Announcer(name))
        self.stations[name] = station
        if name not in self.unplugged:
            self._set_links(station)
        liveness.set_peers(self.roll(), self.now)
        for orders in self.orders.values():
            station.announcer.set_orders(orders, self.now)
        liveness.set_orders_version(self.version, self.now)
        liveness.begin(self.now)
        self._pump(station)
        return station

    def _set_links(self, station: Station, *, are_up: bool = True) -> None:
        """Tell a node of its links, in the order in which the reflex process does."""
        number = station.index
        link = LocalLink("eth0", (ip_interface(f"{address_of(number)}/16"),), mac_of(number))
        station.liveness.set_links([link] if are_up else [], self.now)
        station.announcer.set_links([OwnLink("eth0")] if are_up else [], self.now)

    def roll(self) -> dict[str, Peer]:
        """Give the roll of all nodes."""
        return {
            name: Peer(PORT, (PeerLink("eth0", (ip_address(address_of(index)),)),))
            for index, name in enumerate(self.names)
        }

    def kill(self, name: str) -> None:
        """End a node without warning."""
        self.stations[name].is_running = False
        self._timers.pop(name, None)

    def leave(self, name: str) -> None:
        """Let a speaker stop in good order; it goes on until `kill`."""
        self.stations[name].liveness.leave()
        self._pump(self.stations[name])

    def stall(self, name: str, seconds: float) -> None:
        """Stop a speaker's process for a while, as SIGSTOP does; what comes in waits."""
        self.stations[name].stalled_until = self.now + seconds
        self._at(self.now + seconds + 1e-6, lambda: self._wake(name))

    def _wake(self, name: str) -> None:
        station = self.stations[name]
        if station.is_running:
            station.liveness.handle_timer(self.now)
            self._pump(station)

    def cut(self, one: str, other: str) -> None:
        """Cut the wire between two nodes, both ways."""
        self.blocked.add(frozenset((one, other)))

    def unplug(self, name: str) -> None:
        """Pull a node's cable, which it notices."""
        self.unplugged.add(name)
        self._replug(name)

    def plug_in(self, name: str) -> None:
        """Plug a node's cable in again."""
        self.unplugged.discard(name)
        self._replug(name)

    def _replug(self, name: str) -> None:
        station = self.stations[name]
        if station.is_running:
            self._set_links(station, are_up=name not in self.unplugged)
            self._pump(station)

    def isolate(self, *names: str) -> None:
        """Cut the wire between these nodes and all others, the client among them."""
        self._beyond.update(names)
        for name in names:
            for other in self.names:
                if other not in names:
                    self.cut(name, other)

    def heal(self) -> None:
        """Mend the wire; cables stay as they are."""
        self.blocked.clear()
        self._beyond.clear()

    def set_orders(self, *orders: Orders, late: Iterable[str] = ()) -> None:
        """Give orders to all nodes, but for those that hear of them later (by `catch_up`)."""
        waiting = frozenset(late)
        self.version += 1
        self.orders.update((item.address, replace(item, version=self.version)) for item in orders)
        for name in self.names:
            if name not in waiting:
                self.catch_up(name)

    def spread_orders(self, orders: Orders, skew_seconds: float, ahead: str = "") -> None:
        """Give orders that each node hears of at a time of its own, the older ones first.

        One may be `ahead`: it has written the VIP's status just after, and the answer shows it the
        orders, at the version of that write; it hears later of what was before.
        """
        self._spread(orders, skew_seconds)
        if ahead:
            self._spread(orders, skew_seconds)
            station = self.stations[ahead]
            self._at(self.now, partial(self._hear, station, self.orders[orders.address]))

    def _spread(self, orders: Orders, skew_seconds: float) -> None:
        self.version += 1
        orders = self.orders[orders.address] = replace(orders, version=self.version)
        for name in self.names:
            at = max(
                self.now + self.chance.random() * skew_seconds, self._told_at.get(name, self.now)
            )
            self._told_at[name] = at
            self._at(at, partial(self._tell, self.stations[name], orders))

    def _tell(self, station: Station, orders: Orders) -> None:
        """Let a node see a change, as the watch shows it."""
        self._hear(station, orders)
        station.liveness.set_orders_version(orders.version, self.now)
        self._pump(station)

    def _hear(self, station: Station, orders: Orders) -> None:
        """Let a node take in orders, unless it has newer ones."""
        if orders.version > station.versions.get(orders.address, 0):
            station.versions[orders.address] = orders.version
            station.announcer.set_orders(orders, self.now)
            self._pump(station)

    def catch_up(self, name: str) -> None:
        """Let a node hear of all orders that it has not heard of."""
        station = self.stations[name]
        if station.is_running:
            for item in self.orders.values():
                station.announcer.set_orders(item, self.now)
            station.liveness.set_orders_version(self.version, self.now)
            self._pump(station)

    # -- the wire
    # ------------------------------------------------------------------------------------

    def _at(self, at: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (at, self._count, action))

    def _passes(self, one: str, other: str) -> bool:
        if frozenset((one, other)) in self.blocked or self.unplugged & {one, other}:
            return False
        return self.chance.random() >= self.loss

    def _deliver(self, source: str, target: str, action: Callable[[Station], Any]) -> None:
        def arrive() -> None:
            station = self.stations[target]
            if not station.is_running:
                return
            if station.stalled_until > self.now:
                self._at(station.stalled_until, arrive)
                return
            action(station)
            self._pump(station)

        if self._passes(source, target):
            self._at(self.now + DELAY_SECONDS * (1 + self.chance.random()), arrive)

    def _pump(self, station: Station) -> None:
        """Drain a station, as the reflex process does."""
        while event := station.liveness.next_event():
            station.events.append((self.now, event))
            self._apply(station, event)
        for datagram in station.liveness.datagrams_to_send():
            target, data = datagram.path.node, datagram.data
            self._deliver(
                station.name,
                target,
                lambda at, data=data: at.liveness.receive_datagram(data, self.now),  # type: ignore[misc]
            )
        while change := station.announcer.next_change():
            station.changes.append((self.now, change))
            if isinstance(change, Announced | Announce):
                self._say(station, change.address)
            elif isinstance(change, Ask):
                self._ask(station, change.address)
        self._arm(station)

    def _apply(self, station: Station, event: Event) -> None:
        members = station.liveness.members()
        announcer = station.announcer
        match event:
            case MemberUp(node, was_lost):
                announcer.member_up(node, members, self.now, was_lost=was_lost)
            case MemberChanged(node):
                announcer.member_up(node, members, self.now)
            case MemberDown(node, _, silent):
                announcer.member_down(node, members, self.now, silent)
            case SelfChanged(state):
                announcer.set_state(state, self.now)

    def _say(self, station: Station, address: IPAddress) -> None:
        """Announce on the segment: at once and twice more, as gratuitous frames do."""
        for delay in (0.0, 0.1, 0.5):
            self._at(self.now + delay, lambda: self._broadcast(station, address))

    def _broadcast(self, station: Station, address: IPAddress) -> None:
        if not station.is_running or address not in station.announced():
            return
        if station.name not in self._beyond | self.unplugged:
            self.client[address] = station.name
        mac = mac_of(station.index)
        for name in self.names:
            if name != station.name:
                self._deliver(station.name, name, partial(self._see, address, mac, False))

    def _ask(self, station: Station, address: IPAddress) -> None:
        """Ask the segment who has a VIP; whoever announces it answers."""

        def answer(at: Station) -> None:
            if address in at.announced():
                mac = mac_of(at.index)
                self._deliver(at.name, station.name, partial(self._see, address, mac, True))

        for name in self.names:
            if name != station.name:
                self._deliver(station.name, name, answer)

    def _see(self, address: IPAddress, mac: bytes, is_answer: bool, station: Station) -> None:
        node = station.liveness.node_of(mac)
        version = 0 if node is None else station.liveness.orders_version_of(node)
        is_newer = version > station.liveness.orders_version
        station.announcer.saw(
            address,
            node,
            mac.hex(),
            "eth0",
            self.now,
            is_answer=is_answer,
            version=version,
            is_newer=is_newer,
        )

    # -- time --------------------------------------------------------------------------------------

    def _arm(self, station: Station) -> None:
        times = (station.liveness.get_timer(), station.announcer.get_timer())
        due = min((time for time in times if time is not None), default=None)
        if due is None or not station.is_running:
            self._timers.pop(station.name, None)
        elif self._timers.get(station.name) != due:
            self._timers[station.name] = due
            self._at(max(due, self.now), lambda: self._fire(station, due))

    def _fire(self, station: Station, due: float) -> None:
        is_current = self._timers.get(station.name) == due
        if not is_current or not station.is_running or station is not self.stations[station.name]:
            return
        if station.stalled_until > self.now:
            return  # it is woken at the end of the stall
        del self._timers[station.name]
        station.liveness.handle_timer(self.now)
        station.announcer.handle_timer(self.now)
        self._pump(station)

    def run_until(self, at: float, check: Callable[[], None] | None = None) -> None:
        """Let time pass; `check` is called after each event."""
        while self._queue and self._queue[0][0] <= at:
            self.now, _, action = heapq.heappop(self._queue)
            action()
            if check is not None:
                check()
        self.now = at

    def run_for(self, seconds: float, check: Callable[[], None] | None = None) -> None:
        """Let so much time pass."""
        self.run_until(self.now + seconds, check)

    # -- what is seen ------------------------------------------------------------------------------

    def announcers(self, address: IPAddress) -> list[str]:
        """Name the running nodes that announce a VIP."""
        return [
            name
            for name, station in self.stations.items()
            if station.is_running and address in station.announced()
        ]


def orders(address: str, *nodes: str, suspended: bool = False) -> Orders:
    """Make orders for a VIP."""
    return Orders(ip_address(address), nodes, (), suspended)


def withdrawals(station: Station) -> list[Withdrawn]:
    """Give the withdrawals of a station, in order."""
    return [change for _, change in station.changes if isinstance(change, Withdrawn)]
