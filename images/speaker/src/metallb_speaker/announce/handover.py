"""What a node remembers of one VIP, and whom it asks for it.

Questions go out on the wire in three cases, and `Ledger` keeps when:

    we announce, another is to               is it there yet? until it is seen
    we announce, another says it does too    did it only cross our own announcement? once
    we have left it to another               does it have it? at once, then now and then

Many VIPs move together when a node goes, so questions are paced like announcements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from metallb_speaker.announce.deadlines import Deadlines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb.net.addresses import IPAddress
    from metallb_speaker.announce.model import Orders

HANDOVER_ASK_SECONDS: Final = 0.05
HANDOVER_GAP_SECONDS: Final = 0.5, 8.0
"""When the next announcer is first asked for, and the gaps after that, each twice the one before up
to the last; mostly it is seen before. One that begins later says so itself.
"""

CONTEST_ASK_SECONDS: Final = 0.1
"""When one that announces what is ours is asked whether it does; mostly orders come before."""

LEFT_ASK_SECONDS: Final = (0.1, 2.0)
"""When one that we left a VIP to is first asked whether it has it, and how often after that."""

ANSWER_SECONDS: Final = 0.1
"""How long it may take to answer; a speaker does within a millisecond."""

ASKED_AT_ONCE: Final = 200
ASK_PAUSE_SECONDS: Final = 0.01
"""Questions that may go out together, and the pause after so many."""

NEVER = float("-inf")


@dataclass(slots=True)
class Vip:
    """One VIP; times are monotonic seconds."""

    orders: Orders
    winner: str = ""
    interfaces: tuple[str, ...] = ()
    """Where it is announced; empty: nowhere."""
    asked_at: float = NEVER
    ask_gap_seconds: float = HANDOVER_GAP_SECONDS[0]
    claimed_at: float = NEVER
    """When another speaker said that it announces what we do, unless we have said so since."""
    left_to: str = ""
    is_confirmed: bool = False
    """Whether the one that it was left to has answered for it since it was asked last."""
    is_awaited: bool = False
    """Whether it was asked, and the time for its answer runs."""
    said_at: float = NEVER
    """When another's claim was last answered by an announcement."""

    @property
    def is_announced(self) -> bool:
        """Whether this node announces it."""
        return bool(self.interfaces)


class Ledger:
    """All VIPs that there are orders for, found by address and by what nodes have to do with them.

    `named` are those whose order has a node, `won` those that it is to announce, `left` those that
    we left to it.
    """

    def __init__(self) -> None:
        self.vips: dict[IPAddress, Vip] = {}
        self._named: dict[str, dict[IPAddress, None]] = {}
        self._won: dict[str, dict[IPAddress, None]] = {}
        self._left: dict[str, dict[IPAddress, None]] = {}
        self._asks: Deadlines[IPAddress] = Deadlines()
        self._asks_from = NEVER

    # -- entries -----------------------------------------------------------------------------------

    def put(self, orders: Orders) -> Vip:
        """Enter orders, new or changed."""
        address = orders.address
        vip = self.vips.get(address)
        if vip is None:
            vip = self.vips[address] = Vip(orders)
        self._unname(vip)
        vip.orders = orders
        for node in orders.nodes:
            self._named.setdefault(node, {})[address] = None
        return vip

    def remove(self, vip: Vip) -> None:
        """Strike a VIP out."""
        self.win(vip, "")
        self.take_back(vip)
        self._unname(vip)
        self._asks.drop(vip.orders.address)
        del self.vips[vip.orders.address]

    def _unname(self, vip: Vip) -> None:
        for node in vip.orders.nodes:
            _strike(self._named, node, vip.orders.address)

    def win(self, vip: Vip, winner: str) -> None:
        """Note who is to announce a VIP."""
        _strike(self._won, vip.winner, vip.orders.address)
        vip.winner = winner
        if winner:
            self._won.setdefault(winner, {})[vip.orders.address] = None

    def leave(self, vip: Vip, node: str, now: float) -> None:
        """Note that a VIP was left to a node; it is asked for it soon."""
        vip.left_to, vip.is_awaited, vip.is_confirmed = node, False, False
        self._left.setdefault(node, {})[vip.orders.address] = None
        self.ask_at(vip, now + LEFT_ASK_SECONDS[0])

    def take_back(self, vip: Vip) -> None:
        """Note that a VIP is left to nobody."""
        if vip.left_to:
            _strike(self._left, vip.left_to, vip.orders.address)
            vip.left_to = ""
            self._asks.drop(vip.orders.address)

    def named(self, node: str) -> list[Vip]:
        """Find the VIPs whose order has a node."""
        return self._found(self._named.get(node, ()))

    def won(self, node: str) -> list[Vip]:
        """Find the VIPs that a node is to announce."""
        return self._found(self._won.get(node, ()))

    def left(self, node: str) -> list[Vip]:
        """Find the VIPs that were left to a node."""
        return self._found(self._left.get(node, ()))

    def _found(self, addresses: Iterable[IPAddress]) -> list[Vip]:
        return [self.vips[address] for address in addresses]

    # -- questions ---------------------------------------------------------------------------------

    def ask_at(self, vip: Vip, at: float) -> None:
        """Let a VIP be asked for at a time, in place of the one it has."""
        self._asks.set(vip.orders.address, at)

    def ask_by(self, vip: Vip, at: float) -> None:
        """Let a VIP be asked for at a time, unless it will be before."""
        self._asks.set_by(vip.orders.address, at)

    def ask_no_more(self, vip: Vip) -> None:
        """Let nobody be asked for a VIP."""
        self._asks.drop(vip.orders.address)

    def take_due(self, now: float) -> list[Vip]:
        """Drain the VIPs to be asked for now, as many as the pace allows."""
        if now < self._asks_from:
            return []
        due = self._found(self._asks.take_due(now, ASKED_AT_ONCE))
        if len(due) == ASKED_AT_ONCE:
            self._asks_from = now + ASK_PAUSE_SECONDS
        return due

    def next_at(self) -> float | None:
        """Tell when `take_due` has something to give."""
        at = self._asks.next_at()
        return None if at is None else max(at, self._asks_from)


def _strike(index: dict[str, dict[IPAddress, None]], node: str, address: IPAddress) -> None:
    found = index.get(node)
    if found is not None:
        found.pop(address, None)
        if not found:
            del index[node]
