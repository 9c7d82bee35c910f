"""What this node announces: orders, who is alive, and what is seen on the wire, made into changes.

For each VIP the *winner* is the first node of its order that can announce it: that is alive and
READY, and has an interface on which the VIP may be announced; if there is none, the first that is
at least JOINING. All speakers have the same orders and nearly the same view, so they find the same
winner.

    we win, and do not announce            announce at once
    we announce, and another wins          go on until its announcement is seen on the wire
    we win, and another announces too      leave it to the one that began later, if it is a living
                                           speaker that the order names: its view is the newer one
    suspended, released, no interface      stop at once

So a move is make-before-break: there is no moment without an announcer, and at most a few
milliseconds with two. A VIP that was left to another is taken back when that one is gone or the
orders change. A claim by a station that is no speaker is a conflict: it is reported, and answered
by one announcement in `DEFEND_SECONDS` (RFC 5227 §2.4 (b)).

Pure: `now` is monotonic seconds. Changes are drained by `next_change`; which addresses are
announced on which interface is read from `owned`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.virtual_ips import AnnounceReason
from metallb_speaker.announce.model import (
    Announce,
    Announced,
    ConflictGone,
    ConflictSeen,
    Withdrawn,
    WithdrawReason,
)
from metallb_speaker.liveness.messages import NodeState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb.net.addresses import IPAddress
    from metallb_speaker.announce.model import Change, Orders, OwnLink
    from metallb_speaker.liveness.members import Member

NEWCOMER_SECONDS = 1.0
"""One that began to announce within this time does not give way to another that does too."""

DEFEND_SECONDS = 10.0
"""DEFEND_INTERVAL of RFC 5227 §1.1."""

CONFLICT_SECONDS = 30.0
"""A conflict is over when nobody else has claimed the VIP for so long."""

_NEVER = float("-inf")


@dataclass(slots=True)
class _Vip:
    orders: Orders
    winner: str = ""
    interfaces: tuple[str, ...] = ()
    """Where it is announced; empty: nowhere."""
    announced_at: float = _NEVER
    left_to: str = ""
    seen_from: str = ""
    seen_at: float = _NEVER
    conflict_at: float = _NEVER
    defended_at: float = _NEVER

    @property
    def is_announced(self) -> bool:
        return bool(self.interfaces)


class Announcer:
    """Decides for one node."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._state = NodeState.STARTING
        self._members: Mapping[str, Member] = {}
        self._links: dict[str, OwnLink] = {}
        self._vips: dict[IPAddress, _Vip] = {}
        self._named: dict[str, dict[IPAddress, None]] = {}
        self._won: dict[str, dict[IPAddress, None]] = {}
        self._left: dict[IPAddress, None] = {}
        self._conflicts: dict[IPAddress, None] = {}
        self._heard_at: dict[str, float] = {}
        self._changes: deque[Change] = deque()
        self.owned: dict[str, set[bytes]] = {}

    # -- what is read ------------------------------------------------------------------------------

    def next_change(self) -> Change | None:
        """Drain one change."""
        return self._changes.popleft() if self._changes else None

    def announced(self) -> dict[IPAddress, tuple[str, ...]]:
        """Give the VIPs that this node announces, with the interfaces."""
        return {item: vip.interfaces for item, vip in self._vips.items() if vip.is_announced}

    def addresses(self) -> list[IPAddress]:
        """Give all VIPs that there are orders for."""
        return list(self._vips)

    def get_timer(self) -> float | None:
        """Tell when `handle_timer` is to be called."""
        ends = (self._vips[item].conflict_at + CONFLICT_SECONDS for item in self._conflicts)
        return min(ends, default=None)

    def handle_timer(self, now: float) -> None:
        """End the conflicts that are over."""
        for address in list(self._conflicts):
            if self._vips[address].conflict_at + CONFLICT_SECONDS <= now:
                self._end_conflict(address)

    # -- what is told ------------------------------------------------------------------------------

    def set_orders(self, orders: Orders, now: float) -> None:
        """Take in orders for a VIP, new or changed."""
        vip = self._vips.get(orders.address)
        if vip is not None and vip.orders == orders:
            return
        if vip is None:
            vip = self._vips[orders.address] = _Vip(orders)
        for node in vip.orders.nodes:
            self._named.get(node, {}).pop(orders.address, None)
        for node in orders.nodes:
            self._named.setdefault(node, {})[orders.address] = None
        vip.orders = orders
        self._stop_leaving_it(vip)
        self._settle(vip, now)

    def remove(self, address: IPAddress) -> None:
        """Take in that a VIP is in use no more."""
        vip = self._vips.get(address)
        if vip is None:
            return
        self._withdraw(vip, WithdrawReason.RELEASED)
        self._win(vip, "")
        self._stop_leaving_it(vip)
        for node in vip.orders.nodes:
            self._named[node].pop(address, None)
        self._conflicts.pop(address, None)
        del self._vips[address]

    def set_links(self, links: Iterable[OwnLink], now: float) -> None:
        """Take in which of our interfaces are up."""
        self._links = {link.name: link for link in links}
        for name in self._links:
            self.owned.setdefault(name, set())
        self._settle_all(now)
        for name in [name for name in self.owned if name not in self._links]:
            del self.owned[name]

    def set_state(self, state: NodeState, now: float) -> None:
        """Take in what we are to say of ourselves."""
        self._state = state
        self._settle_all(now)

    def member_up(
        self, node: str, members: Mapping[str, Member], now: float, *, was_lost: bool = False
    ) -> None:
        """Take in that a peer is alive, or has changed.

        One that we had lost may announce what we do: what is ours is announced once more, so that
        it, and everybody on its side of the network, hears of it.
        """
        self._members = members
        for address in list(self._named.get(node, ())):
            vip = self._vips[address]
            self._settle(vip, now)
            if was_lost and vip.is_announced and vip.winner == self._node:
                self._changes.append(Announce(address))
        self._take_back(now)

    def member_down(
        self, node: str, members: Mapping[str, Member], now: float, silent_seconds: float
    ) -> None:
        """Take in that a peer is alive no more, and for how long it has been silent."""
        self._members = members
        self._heard_at[node] = now - silent_seconds
        for address in list(self._won.get(node, ())):
            self._settle(self._vips[address], now)
        self._take_back(now)

    def saw(
        self, address: IPAddress, node: str | None, mac: str, interface: str, now: float
    ) -> None:
        """Take in that another station claims a VIP; `node` is None when it is no speaker's."""
        vip = self._vips.get(address)
        if vip is None or not vip.is_announced:
            return
        if node is None:
            self._dispute(vip, mac, interface, now)
            return
        vip.seen_from, vip.seen_at = node, now
        if vip.winner == node:
            self._withdraw(vip, WithdrawReason.TAKEN_OVER)
        elif self._gives_way(vip, node, now):
            vip.left_to = node
            self._left[address] = None
            self._withdraw(vip, WithdrawReason.TAKEN_OVER)

    def stop(self) -> None:
        """Withdraw everything: the process ends."""
        for vip in self._vips.values():
            self._withdraw(vip, WithdrawReason.STOPPED)

    # -- who wins ----------------------------------------------------------------------------------

    def _winner(self, orders: Orders) -> str:
        if orders.is_suspended:
            return ""
        for wanted in (NodeState.READY, NodeState.JOINING):
            for node in orders.nodes:
                if self._can(node, orders, wanted):
                    return node
        return ""

    def _can(self, node: str, orders: Orders, wanted: NodeState) -> bool:
        if node == self._node:
            return self._state is wanted and bool(self._usable(orders))
        member = self._members.get(node)
        if member is None or member.state is not wanted:
            return False
        return not orders.interfaces or not member.links.isdisjoint(orders.interfaces)

    def _usable(self, orders: Orders) -> tuple[str, ...]:
        """Find our interfaces on which a VIP may be announced, by name."""
        is_ipv6 = orders.address.version == 6
        return tuple(
            sorted(
                name
                for name, link in self._links.items()
                if (not orders.interfaces or name in orders.interfaces)
                and (link.has_link_local or not is_ipv6)
            )
        )

    def _settle_all(self, now: float) -> None:
        for vip in list(self._vips.values()):
            self._settle(vip, now)

    def _settle(self, vip: _Vip, now: float) -> None:
        """Compare what we do about a VIP with what we should."""
        before, winner = vip.winner, self._winner(vip.orders)
        self._win(vip, winner)
        usable = self._usable(vip.orders)
        if vip.orders.is_suspended:
            self._withdraw(vip, WithdrawReason.SUSPENDED)
        elif not usable:
            self._withdraw(vip, WithdrawReason.NO_INTERFACE)
        elif vip.is_announced:
            if winner not in ("", self._node) and self._has_begun(vip, winner):
                self._withdraw(vip, WithdrawReason.TAKEN_OVER)
            elif vip.interfaces != usable:
                self._announce_on(vip, usable)
        elif winner == self._node and not self._is_left(vip):
            self._begin(vip, usable, before, now)

    def _has_begun(self, vip: _Vip, node: str) -> bool:
        return vip.seen_from == node and vip.seen_at > vip.announced_at

    def _win(self, vip: _Vip, winner: str) -> None:
        if vip.winner != winner:
            self._won.get(vip.winner, {}).pop(vip.orders.address, None)
            if winner:
                self._won.setdefault(winner, {})[vip.orders.address] = None
            vip.winner = winner

    # -- giving way --------------------------------------------------------------------------------

    def _gives_way(self, vip: _Vip, node: str, now: float) -> bool:
        return (
            vip.winner == self._node
            and now - vip.announced_at > NEWCOMER_SECONDS
            and node in vip.orders.nodes
            and self._can(node, vip.orders, NodeState.READY)
        )

    def _is_left(self, vip: _Vip) -> bool:
        return bool(vip.left_to) and self._can(vip.left_to, vip.orders, NodeState.READY)

    def _stop_leaving_it(self, vip: _Vip) -> None:
        vip.left_to = ""
        self._left.pop(vip.orders.address, None)

    def _take_back(self, now: float) -> None:
        for address in list(self._left):
            vip = self._vips[address]
            if not self._is_left(vip):
                if vip.winner == self._node:
                    self._win(vip, vip.left_to)  # it was the announcer: that is what went down
                self._stop_leaving_it(vip)
                self._settle(vip, now)

    # -- conflicts ---------------------------------------------------------------------------------

    def _dispute(self, vip: _Vip, mac: str, interface: str, now: float) -> None:
        address = vip.orders.address
        vip.conflict_at = now
        if address not in self._conflicts:
            self._conflicts[address] = None
            self._changes.append(ConflictSeen(address, mac, interface))
        if now - vip.defended_at >= DEFEND_SECONDS:
            vip.defended_at = now
            self._changes.append(Announce(address))

    def _end_conflict(self, address: IPAddress) -> None:
        del self._conflicts[address]
        self._changes.append(ConflictGone(address))

    # -- announcing --------------------------------------------------------------------------------

    def _begin(self, vip: _Vip, usable: tuple[str, ...], before: str, now: float) -> None:
        reason, outage_seconds = self._why(vip.orders, before, now)
        vip.announced_at = now
        self._own(vip, usable)
        self._changes.append(Announced(vip.orders.address, reason, before, outage_seconds, usable))

    def _why(self, orders: Orders, before: str, now: float) -> tuple[AnnounceReason, float | None]:
        if before in ("", self._node):
            return AnnounceReason.PREFERRED, None
        member = self._members.get(before)
        if member is None:
            heard_at = self._heard_at.get(before)
            return AnnounceReason.NODE_DOWN, None if heard_at is None else now - heard_at
        if member.state is not NodeState.READY:
            return AnnounceReason.NODE_LEFT, None
        if not self._can(before, orders, NodeState.READY):
            return AnnounceReason.INTERFACE_DOWN, None
        return AnnounceReason.PLANNED_MOVE, None

    def _announce_on(self, vip: _Vip, usable: tuple[str, ...]) -> None:
        self._disown(vip)
        self._own(vip, usable)
        self._changes.append(
            Announced(vip.orders.address, AnnounceReason.PREFERRED, self._node, None, usable)
        )

    def _withdraw(self, vip: _Vip, reason: WithdrawReason) -> None:
        if vip.is_announced:
            self._disown(vip)
            if vip.orders.address in self._conflicts:
                self._end_conflict(vip.orders.address)
            self._changes.append(Withdrawn(vip.orders.address, reason))

    def _own(self, vip: _Vip, usable: tuple[str, ...]) -> None:
        vip.interfaces = usable
        for name in usable:
            self.owned[name].add(vip.orders.address.packed)

    def _disown(self, vip: _Vip) -> None:
        for name in vip.interfaces:
            if name in self.owned:
                self.owned[name].discard(vip.orders.address.packed)
        vip.interfaces = ()
