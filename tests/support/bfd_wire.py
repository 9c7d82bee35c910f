"""BFD sessions of several nodes on a fake wire, in virtual time: no sockets, no clock, no chance
but that of a seed.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import count
from typing import TYPE_CHECKING, Any

from metallb_speaker.bfd.config import BFDConfig, Endpoint
from metallb_speaker.bfd.events import StateChanged
from metallb_speaker.bfd.sessions import Arrival, Loop, Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metallb.net.addresses import IPAddress
    from metallb_speaker.bfd.errors import DropReason
    from metallb_speaker.bfd.events import Datagram
    from metallb_speaker.bfd.iana import State
    from metallb_speaker.bfd.session import Session


@dataclass
class Node:
    """One system: its sessions, and what they told."""

    address: IPAddress
    sessions: Sessions
    events: list[StateChanged] = field(default_factory=list)
    left: list[Endpoint] = field(default_factory=list)
    drops: list[DropReason] = field(default_factory=list)
    sent: list[tuple[float, Datagram]] = field(default_factory=list)
    is_frozen: bool = False
    """Neither sends nor receives, as a node that has died."""
    loops_echoes: bool = True
    alarm_at: float = float("inf")

    def session(self) -> Session:
        """Give the only session."""
        [found] = self.sessions
        return found

    def states(self) -> list[State]:
        """Name the states that were told, in order."""
        return [event.state for event in self.events]


class BfdWire:
    """Nodes and what is between them; `loses(source, destination)` is asked for each datagram."""

    def __init__(self, seed: int = 1, delay_seconds: float = 0.001) -> None:
        self.random = random.Random(seed)
        self.delay_seconds = delay_seconds
        self.spread_seconds = 0.0
        """Chance on top of the delay; with it datagrams overtake each other."""
        self.now = 1000.0
        self.nodes: dict[IPAddress, Node] = {}
        self.loses: Callable[[Node, Node], bool] = lambda source, destination: False
        self.ttl = 255
        self._count = count()
        self._flying: list[tuple[float, int, Node, Node, bytes, bool, int]] = []
        self._alarms: list[tuple[float, int, Node]] = []

    def node(self, address: str) -> Node:
        """Add a system, or start one anew that was there before."""
        found = Node(ip_address(address), Sessions(jitter=self.random.random))
        self.nodes[found.address] = found
        return found

    def order(self, node: Node, configs: Iterable[BFDConfig]) -> None:
        """Say which sessions a node is to have."""
        node.sessions.apply(configs, self.now)
        self._drain(node)

    def connect(
        self, one: Node, other: Node, *, first: dict[str, Any], second: dict[str, Any]
    ) -> None:
        """Give each a session with the other."""
        self.order(one, [config(other, **first)])
        self.order(other, [config(one, **second)])

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end_at = self.now + seconds
        while (at := self._next_at()) is not None and at <= end_at:
            self.now = max(self.now, at)
            self._deliver()
            self._ring()
        self.now = end_at

    def run_until(self, is_so: Callable[[], bool], limit_seconds: float) -> float:
        """Let time pass until something is so; gives how long that took."""
        began_at = self.now
        while not is_so():
            assert self.now - began_at < limit_seconds, "not within the limit"
            self.run(0.0005)
        return self.now - began_at

    def _next_at(self) -> float | None:
        times = [heap[0][0] for heap in (self._alarms, self._flying) if heap]
        return min(times, default=None)

    def _ring(self) -> None:
        """Call those whose timers are due; an alarm may be older than what its node wants now."""
        while self._alarms and self._alarms[0][0] <= self.now:
            _, _, node = heapq.heappop(self._alarms)
            if node.is_frozen or self.nodes.get(node.address) is not node:
                continue
            due_at = node.sessions.get_timer()
            if due_at is not None and due_at <= self.now:
                node.sessions.handle_timer(self.now)
                self._drain(node)
            node.alarm_at = float("inf")
            self._set_alarm(node)

    def _set_alarm(self, node: Node) -> None:
        due_at = node.sessions.get_timer()
        if due_at is not None and due_at < node.alarm_at:
            node.alarm_at = due_at
            heapq.heappush(self._alarms, (due_at, next(self._count), node))

    def _drain(self, node: Node) -> None:
        while event := node.sessions.next_event():
            if isinstance(event, StateChanged):
                node.events.append(event)
            else:
                node.left.append(event.endpoint)
        for datagram in node.sessions.datagrams_to_send():
            node.sent.append((self.now, datagram))
            target = self.nodes.get(datagram.endpoint.peer_address)
            if target is not None:
                self.send(node, target, datagram.data, is_echo=datagram.is_echo)
        self._set_alarm(node)

    def send(
        self, source: Node, target: Node, data: bytes, *, is_echo: bool = False, ttl: int = 0
    ) -> None:
        """Put a datagram on the wire."""
        if self.loses(source, target):
            return
        at = self.now + self.delay_seconds + self.spread_seconds * self.random.random()
        item = (at, next(self._count), source, target, data, is_echo, ttl or self.ttl)
        heapq.heappush(self._flying, item)

    def _deliver(self) -> None:
        while self._flying and self._flying[0][0] <= self.now:
            _, _, source, target, data, is_echo, ttl = heapq.heappop(self._flying)
            if target.is_frozen or self.nodes.get(target.address) is not target:
                continue
            if is_echo:
                self._deliver_echo(source, target, data, ttl)
            elif not target.sessions.repeats(data, ttl, self.now):
                session = next(iter(target.sessions), None)
                is_multihop = session is not None and session.config.endpoint.is_multihop
                arrival = Arrival(source.address, ttl, target.address, is_multihop=is_multihop)
                reason = target.sessions.receive_control(data, arrival, self.now)
                target.drops += [reason] if reason is not None else []
            self._drain(target)

    def _deliver_echo(self, source: Node, target: Node, data: bytes, ttl: int) -> None:
        found = target.sessions.receive_echo(data, Arrival(source.address, ttl), self.now)
        if isinstance(found, Loop):
            if target.loops_echoes:
                self.send(target, source, found.data, is_echo=True, ttl=ttl - 1)
        elif found is not None:
            target.drops.append(found)


def config(peer: Node | str, *, is_multihop: bool = False, **given: Any) -> BFDConfig:
    """Make the settings of a session with a node; intervals of 50 ms unless others are given."""
    address = ip_address(peer) if isinstance(peer, str) else peer.address
    values = {"receive_us": 50_000, "transmit_us": 50_000, **given}
    return BFDConfig(Endpoint(address, is_multihop=is_multihop), **values)
