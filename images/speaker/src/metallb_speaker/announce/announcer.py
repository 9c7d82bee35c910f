"""What this node announces: orders, who is alive, and what is seen on the wire, made into changes.

For each VIP the view (`announce.view`) says who is to announce it, the *winner*; here is what
follows:

    we win, and do not announce            announce at once
    we announce, and another wins          go on until it is seen on the wire, with these orders
                                           or newer ones, and ask for it
    we win, and another announces too      leave it to one that the order names before us; ask
                                           any other whether it does: leave it to one that stays
                                           with it and has newer orders, else say once more that
                                           we announce, stays it or not: clients believe the last
    we have left it to another             ask that one for it; take it back when it does not
                                           answer, or has no right to it any more
    suspended, released, no interface      stop at once

So a move is make-before-break: there is no moment without an announcer, and mostly a few
milliseconds with two. Frames cross, orders come late and in another order to each node, so nobody
stops because of one frame alone unless it then makes sure that the other has the VIP.

A claim by a station that is no speaker is a conflict: it is reported, and answered by one
announcement in `DEFEND_SECONDS` (RFC 5227 §2.4 (b)).

Pure: `now` is monotonic seconds. Changes are drained by `next_change`; which addresses are
announced on which interface is read from `owned`, whose claims by others are to be told, from
`watched`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from metallb.api.virtual_ips import AnnounceReason
from metallb_speaker.announce.deadlines import Deadlines
from metallb_speaker.announce.handover import (
    ANSWER_SECONDS,
    CONTEST_ASK_SECONDS,
    HANDOVER_ASK_SECONDS,
    HANDOVER_GAP_SECONDS,
    LEFT_ASK_SECONDS,
    NEVER,
    Ledger,
)
from metallb_speaker.announce.model import (
    Announce,
    Announced,
    Ask,
    ConflictGone,
    ConflictSeen,
    Withdrawn,
    WithdrawReason,
)
from metallb_speaker.announce.view import View
from metallb_speaker.liveness.messages import NodeState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb.net.addresses import IPAddress
    from metallb_speaker.announce.handover import Vip
    from metallb_speaker.announce.model import Change, Orders, OwnLink
    from metallb_speaker.liveness.events import Member

REASSERT_SECONDS: Final = 1.0
"""How often we say that we announce, at most, when a speaker that is to give way announces too."""

DEFEND_SECONDS: Final = 10.0
"""DEFEND_INTERVAL of RFC 5227 §1.1."""

CONFLICT_SECONDS: Final = 30.0
"""A conflict is over when nobody else has claimed the VIP for so long."""


class Announcer:
    """Decides for one node."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._view = View(node)
        self._ledger = Ledger()
        self._conflicts: Deadlines[IPAddress] = Deadlines()
        self._heard_until = NEVER
        self._was_alone = True
        self._changes: deque[Change] = deque()
        self.owned: dict[str, set[bytes]] = {}
        """Packed addresses announced on each interface."""
        self.watched: set[bytes] = set()
        """Packed addresses of which it matters that somebody else claims them."""

    # -- what is read ------------------------------------------------------------------------------

    def next_change(self) -> Change | None:
        """Drain one change."""
        return self._changes.popleft() if self._changes else None

    def announced(self) -> dict[IPAddress, tuple[str, ...]]:
        """Give the VIPs that this node announces, with the interfaces."""
        vips = self._ledger.vips.items()
        return {address: vip.interfaces for address, vip in vips if vip.is_announced}

    def addresses(self) -> list[IPAddress]:
        """Give all VIPs that there are orders for."""
        return list(self._ledger.vips)

    def get_timer(self) -> float | None:
        """Tell when `handle_timer` is to be called."""
        times = (self._ledger.next_at(), self._conflicts.next_at())
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Ask what is to be asked, and end the conflicts that are over."""
        for address in self._conflicts.take_due(now, len(self._ledger.vips)):
            self._changes.append(ConflictGone(address))
        for vip in self._ledger.take_due(now):
            if vip.left_to:
                self._ask_for_left(vip, now)
            else:
                self._ask(vip, now)

    # -- what is told ------------------------------------------------------------------------------

    def set_orders(self, orders: Orders, now: float) -> None:
        """Take in orders for a VIP, new or changed."""
        vip = self._ledger.vips.get(orders.address)
        if vip is None or vip.orders != orders:
            vip = self._ledger.put(orders)
            self._take_back(vip)
            self._settle(vip, now)

    def remove(self, address: IPAddress) -> None:
        """Take in that a VIP is in use no more."""
        vip = self._ledger.vips.get(address)
        if vip is not None:
            self._withdraw(vip, WithdrawReason.RELEASED)
            self._take_back(vip)
            self._ledger.remove(vip)

    def set_links(self, links: Iterable[OwnLink], now: float) -> None:
        """Take in which of our interfaces are up."""
        self._view.set_links(links)
        for name in self._view.links:
            self.owned.setdefault(name, set())
        self._settle_all(now)
        for name in [name for name in self.owned if name not in self._view.links]:
            del self.owned[name]

    def set_state(self, state: NodeState, now: float) -> None:
        """Take in what we are to say of ourselves.

        When we join again, others hear of it a little later: one that has right to a VIP since then
        may just be about to give way to us, so that only its answers count for a while.
        """
        self._view.state = state
        if state is NodeState.JOINING:
            self._heard_until = now + HANDOVER_ASK_SECONDS
        self._settle_all(now)

    def member_up(
        self, node: str, members: Mapping[str, Member], now: float, *, was_lost: bool = False
    ) -> None:
        """Take in that a peer is alive, or has changed.

        One that we had lost may announce what we do: what is ours is announced once more, so that
        it, and everybody on its side of the network, hears of it. So it is when we knew nobody: we
        may have spoken to nobody.
        """
        self._view.members = members
        was_lost |= self._was_alone
        self._was_alone = False
        for vip in self._ledger.left(node):
            if not self._view.can(node, vip.orders):
                self._take_back(vip)
                self._settle(vip, now, before=node)
        for vip in self._ledger.named(node):
            self._settle(vip, now)
        if was_lost:  # orders that came meanwhile need not name it any more
            for vip in self._ledger.won(self._node):
                if vip.is_announced:
                    self._changes.append(Announce(vip.orders.address))

    def member_down(
        self, node: str, members: Mapping[str, Member], now: float, silent_seconds: float
    ) -> None:
        """Take in that a peer is alive no more, and for how long it has been silent."""
        self._view.members = members
        self._was_alone = not members
        self._view.lose(node, now - silent_seconds)
        for vip in self._ledger.left(node):
            self._take_back(vip)
            self._settle(vip, now, before=node)
        for vip in self._ledger.won(node):
            self._settle(vip, now)

    def saw(
        self,
        address: IPAddress,
        node: str | None,
        mac: str,
        interface: str,
        now: float,
        *,
        is_answer: bool,
        version: int = 0,
        is_newer: bool = False,
    ) -> None:
        """Take in that another station claims a VIP.

        `node` is None when it is no speaker's; an answer is given when asked and not before;
        `version` is how far its orders are, `is_newer` tells that this is farther than ours.
        """
        vip = self._ledger.vips.get(address)
        if vip is None:
            return
        if node is None:
            if vip.is_announced:
                self._dispute(vip, mac, interface, now)
            return
        knows_us = is_answer or now >= self._heard_until
        knows_it = knows_us and version >= vip.orders.version  # else it may be giving way to us
        has_right = (vip.winner == node and knows_it) or self._view.outranks_us(vip.orders, node)
        if not vip.is_announced:
            vip.is_confirmed |= is_answer and vip.left_to == node and (has_right or is_newer)
        elif has_right:
            self._give_way(vip, node, now)
        elif vip.winner == node:
            self._ledger.ask_by(vip, now + HANDOVER_ASK_SECONDS)
        elif is_answer and now - vip.asked_at <= ANSWER_SECONDS:
            self._contest(vip, node, now, is_newer=is_newer)
        else:
            vip.claimed_at = now
            self._ledger.ask_by(vip, now + CONTEST_ASK_SECONDS)

    def stop(self) -> None:
        """Withdraw everything: the process ends."""
        for vip in self._ledger.vips.values():
            self._withdraw(vip, WithdrawReason.STOPPED)

    # -- what follows ------------------------------------------------------------------------------

    def _settle_all(self, now: float) -> None:
        for vip in self._ledger.vips.values():
            self._settle(vip, now)

    def _settle(self, vip: Vip, now: float, before: str | None = None) -> None:
        """Compare what we do about a VIP with what we should; `before` announced it, if we know."""
        previous, winner = before or vip.winner, self._view.winner(vip.orders)
        if winner != vip.winner:
            self._take_back(vip)
            self._ledger.win(vip, winner)
        usable = self._view.usable(vip.orders)
        if vip.orders.is_suspended:
            self._withdraw(vip, WithdrawReason.SUSPENDED)
        elif not usable:
            self._withdraw(vip, WithdrawReason.NO_INTERFACE)
        elif vip.is_announced:
            if vip.interfaces != usable:
                self._disown(vip)
                self._own(vip, usable, AnnounceReason.PREFERRED, self._node)
            self._expect(vip, now)
        elif winner == self._node and not vip.left_to:
            self._own(vip, usable, *self._why(vip, previous, now))

    def _why(self, vip: Vip, previous: str, now: float) -> tuple[AnnounceReason, str, float | None]:
        reason, outage_seconds = self._view.why(vip.orders, previous, now)
        return reason, previous, outage_seconds

    def _expect(self, vip: Vip, now: float) -> None:
        """Ask for the next announcer of what we announce, or stop asking when it is ours."""
        if vip.winner in ("", self._node):
            if vip.claimed_at == NEVER:
                self._ledger.ask_no_more(vip)
            vip.ask_gap_seconds = HANDOVER_GAP_SECONDS[0]
        else:
            self._ledger.ask_by(vip, now + HANDOVER_ASK_SECONDS)

    def _ask(self, vip: Vip, now: float) -> None:
        """Ask who else has what we announce, or end what an earlier question began."""
        is_ours = vip.winner in ("", self._node)
        if is_ours and vip.claimed_at <= vip.asked_at:
            self._reassert(vip, now)
            return
        vip.asked_at = now
        self._changes.append(Ask(vip.orders.address))
        if is_ours:
            self._ledger.ask_at(vip, now + ANSWER_SECONDS)
        else:
            self._ledger.ask_at(vip, now + vip.ask_gap_seconds)
            vip.ask_gap_seconds = min(2 * vip.ask_gap_seconds, HANDOVER_GAP_SECONDS[1])

    def _reassert(self, vip: Vip, now: float) -> None:
        """Say once more that we announce, as another has said that it does, but not too often."""
        if vip.claimed_at == NEVER:
            return
        if now < vip.said_at + REASSERT_SECONDS:
            self._ledger.ask_at(vip, vip.said_at + REASSERT_SECONDS)
            return
        vip.said_at, vip.claimed_at = now, NEVER
        self._changes.append(Announce(vip.orders.address))

    # -- giving way --------------------------------------------------------------------------------

    def _contest(self, vip: Vip, node: str, now: float, *, is_newer: bool) -> None:
        """Face a speaker that stays with what it should not have, as far as we know."""
        if is_newer:
            self._give_way(vip, node, now)
        else:
            vip.claimed_at = min(now, vip.asked_at)
            self._reassert(vip, now)

    def _give_way(self, vip: Vip, node: str, now: float) -> None:
        self._withdraw(vip, WithdrawReason.TAKEN_OVER)
        self._ledger.leave(vip, node, now)
        self.watched.add(vip.orders.address.packed)

    def _take_back(self, vip: Vip) -> None:
        if vip.left_to:
            self._ledger.take_back(vip)
            self.watched.discard(vip.orders.address.packed)

    def _ask_for_left(self, vip: Vip, now: float) -> None:
        """Ask the one that a VIP was left to, and see after a while what it said."""
        if not vip.is_awaited:
            vip.is_awaited, vip.is_confirmed = True, False
            self._changes.append(Ask(vip.orders.address))
            self._ledger.ask_at(vip, now + ANSWER_SECONDS)
        elif not vip.is_confirmed:
            self._announce_again(vip, now)
        elif vip.winner == vip.left_to:
            self._take_back(vip)  # it is as it should be, and its life is watched
        else:
            vip.is_awaited = False
            self._ledger.ask_at(vip, now + LEFT_ASK_SECONDS[1])

    def _announce_again(self, vip: Vip, now: float) -> None:
        """Announce what nobody has, though another may be to."""
        node = vip.left_to
        self._take_back(vip)
        usable = self._view.usable(vip.orders)
        if usable and self._view.may_announce:
            self._own(vip, usable, AnnounceReason.UNANSWERED, node)
            self._expect(vip, now)

    # -- conflicts ---------------------------------------------------------------------------------

    def _dispute(self, vip: Vip, mac: str, interface: str, now: float) -> None:
        address = vip.orders.address
        if address not in self._conflicts:
            self._changes.append(ConflictSeen(address, mac, interface))
        if now - vip.said_at >= DEFEND_SECONDS:
            vip.said_at = now
            self._changes.append(Announce(address))
        self._conflicts.set(address, now + CONFLICT_SECONDS)

    # -- announcing --------------------------------------------------------------------------------

    def _own(
        self,
        vip: Vip,
        usable: tuple[str, ...],
        reason: AnnounceReason,
        previous: str,
        outage_seconds: float | None = None,
    ) -> None:
        address = vip.orders.address
        vip.interfaces, vip.asked_at, vip.claimed_at = usable, NEVER, NEVER
        vip.ask_gap_seconds = HANDOVER_GAP_SECONDS[0]
        self.watched.add(address.packed)
        for name in usable:
            self.owned[name].add(address.packed)
        self._changes.append(Announced(address, reason, previous, outage_seconds, usable))

    def _withdraw(self, vip: Vip, reason: WithdrawReason) -> None:
        if vip.is_announced:
            address = vip.orders.address
            self._disown(vip)
            self._ledger.ask_no_more(vip)
            if address in self._conflicts:
                self._conflicts.drop(address)
                self._changes.append(ConflictGone(address))
            self._changes.append(Withdrawn(address, reason))

    def _disown(self, vip: Vip) -> None:
        for name in vip.interfaces:
            self.owned[name].discard(vip.orders.address.packed)
        vip.interfaces = ()
        self.watched.discard(vip.orders.address.packed)
