"""Who is to announce a VIP, as far as this node can tell.

The *winner* is the first node of the order that can: that is alive and READY, and has an interface
on which the VIP may be announced; if there is none, the first that is at least JOINING. All
speakers have the same orders and nearly the same view, so they find the same winner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.api.virtual_ips import AnnounceReason
from metallb_speaker.liveness.messages import NodeState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb_speaker.announce.model import Orders, OwnLink
    from metallb_speaker.liveness.events import Member


class View:
    """What one node knows of itself and of the others; `members` are those that live."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.state = NodeState.STARTING
        self.members: Mapping[str, Member] = {}
        self._links: dict[str, OwnLink] = {}
        self._heard_at: dict[str, float] = {}

    @property
    def links(self) -> Iterable[str]:
        """Names of our interfaces that are up."""
        return self._links

    @property
    def may_announce(self) -> bool:
        """Whether this node may announce anything, as it says of itself."""
        return self.state in (NodeState.READY, NodeState.JOINING)

    def set_links(self, links: Iterable[OwnLink]) -> None:
        """Take in which of our interfaces are up."""
        self._links = {link.name: link for link in links}

    def lose(self, node: str, heard_at: float) -> None:
        """Take in when a node was last heard that is alive no more."""
        self._heard_at[node] = heard_at

    def winner(self, orders: Orders) -> str:
        """Name the node that is to announce a VIP; empty: none can, or none is to."""
        if orders.is_suspended:
            return ""
        for wanted in (NodeState.READY, NodeState.JOINING):
            for node in orders.nodes:
                if self.can(node, orders, wanted):
                    return node
        return ""

    def can(self, node: str, orders: Orders, wanted: NodeState = NodeState.READY) -> bool:
        """Tell whether a node is alive in this state, with an interface for a VIP."""
        if node == self.node:
            return self.state is wanted and bool(self.usable(orders))
        member = self.members.get(node)
        if member is None or member.state is not wanted:
            return False
        return not orders.interfaces or not member.links.isdisjoint(orders.interfaces)

    def usable(self, orders: Orders) -> tuple[str, ...]:
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

    def outranks_us(self, orders: Orders, node: str) -> bool:
        """Tell whether the order names a node before us, and we cannot see why it should not be.

        One whose heartbeats do not reach us may well be alive; one that we see, and see as not
        able, has no claim.
        """
        if node in self.members:
            return False
        first = next((name for name in orders.nodes if name in (node, self.node)), None)
        return first == node

    def why(self, orders: Orders, before: str, now: float) -> tuple[AnnounceReason, float | None]:
        """Tell why a VIP comes to us from the node that had it, and how long nobody may have."""
        if before in ("", self.node):
            return AnnounceReason.PREFERRED, None
        member = self.members.get(before)
        if member is None:
            heard_at = self._heard_at.get(before)
            return AnnounceReason.NODE_DOWN, None if heard_at is None else now - heard_at
        if member.state is not NodeState.READY:
            return AnnounceReason.NODE_LEFT, None
        if not self.can(before, orders):
            return AnnounceReason.INTERFACE_DOWN, None
        return AnnounceReason.PLANNED_MOVE, None
