"""Placement of VIPs on nodes, class by class, and the pace at which balance is restored.

Each class has one `Placement` (pure, see that package). Here its inputs are gathered (eligible
nodes, zones, and for `externalTrafficPolicy: Local` the nodes with a ready endpoint) and its
moves are paced: a move breaks connections, so balance is restored only `delaySeconds` after nodes
last came or went, and then at `movesPerMinute`; with policy Never not at all.

A VIP whose Services have no endpoint that can serve is *suspended*: it keeps its place, and nobody
announces it. So a rollout that leaves a Service without pods for a moment moves nothing. One whose
class is forbidden on every node, by its selector or by labels of the nodes, is suspended too: else
the last node would go on with it, as it does when the others are merely away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb.api.classes import Rebalancing, RebalancingPolicy
from metallb.api.nodes import NodeName
from metallb.api.virtual_ips import Layer2Orders, Suspension, TrafficPolicy
from metallb.domain.eligibility import NodeRefusal, eligible_nodes
from metallb.net.addresses import address_from_name, object_name
from metallb_controller.placement.model import Demand
from metallb_controller.placement.model import Node as PlacementNode
from metallb_controller.placement.placement import Placement

if TYPE_CHECKING:
    from metallb.api.meta import ObjectKey
    from metallb.net.addresses import IPAddress
    from metallb_controller.placement.model import Move
    from metallb_controller.reconcile.observed import Observed


_FORBIDDEN = frozenset((NodeRefusal.NOT_SELECTED, NodeRefusal.EXCLUDED))
"""Refusals that somebody has decided; the others are the state of a node, and may be an error."""


@dataclass(slots=True)
class _ClassPlacement:
    placement: Placement
    is_forbidden: bool = False
    rebalancing: Rebalancing = field(default_factory=Rebalancing)
    interfaces: tuple[str, ...] = ()
    eligible: tuple[NodeName, ...] = ()
    refused: dict[NodeName, NodeRefusal] = field(default_factory=dict)
    next_move_at: float = float("-inf")
    may_be_uneven: bool = True
    vip_count: int = 0
    allowed: frozenset[NodeName] = frozenset()
    """The eligible nodes or, when there are none, those that nobody has forbidden."""
    serving: dict[IPAddress, frozenset[NodeName]] = field(default_factory=dict)
    """VIPs under the policy Local, with the nodes on which their endpoints can serve."""


class Layer2:
    """Placements of all classes."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._classes: dict[str, _ClassPlacement] = {}
        self._class_of: dict[IPAddress, str] = {}
        self._holders: dict[IPAddress, tuple[ObjectKey, ...]] = {}
        self._suspended: dict[IPAddress, bool] = {}
        self._changed: dict[IPAddress, None] = {}

    # -- classes and nodes ---------------------------------------------------------------------

    def refresh_class(self, name: str, now: float) -> None:
        """Take in that a class, or the nodes that it may use, may have changed."""
        found = self._observed.classes.get(name)
        state = self._classes.get(name)
        if found is None:
            if state is not None:
                self._set_nodes(state, [], {}, now)
                self._forget_if_done(name)
            return
        if state is None:
            state = self._classes[name] = _ClassPlacement(Placement(name))
        state.rebalancing = found.rebalancing
        eligible, refused = eligible_nodes(
            self._observed.nodes.values(), found.node_selector, self._observed.roll.present
        )
        is_forbidden = not eligible and _FORBIDDEN.issuperset(refused.values())
        if (state.interfaces, state.is_forbidden) != (found.interfaces, is_forbidden):
            state.interfaces, state.is_forbidden = found.interfaces, is_forbidden
            self._changed.update(
                (item, None) for item, owner in self._class_of.items() if owner == name
            )
        nodes = [PlacementNode(node.name, node.zone) for node in eligible]
        if self._set_nodes(state, nodes, refused, now):
            self._place_local(name, state)

    def _place_local(self, name: str, state: _ClassPlacement) -> None:
        """Look again at what depends on where endpoints are: whether any node can serve."""
        for address, nodes in list(state.serving.items()):
            if nodes.isdisjoint(state.allowed) is not self._suspended[address]:
                self.place(address, name, self._holders[address])

    def _set_nodes(
        self,
        state: _ClassPlacement,
        nodes: list[PlacementNode],
        refused: dict[NodeName, NodeRefusal],
        now: float,
    ) -> bool:
        """Change the eligible nodes; tells whether others are allowed than before."""
        names = tuple(NodeName(node.name) for node in nodes)
        if names != state.eligible:
            state.next_move_at = max(state.next_move_at, now + state.rebalancing.delay_seconds)
        state.eligible, state.refused = names, refused
        forbidden = {name for name, reason in refused.items() if reason in _FORBIDDEN}
        before, state.allowed = state.allowed, frozenset(names or refused.keys() - forbidden)
        state.placement.set_nodes(nodes)
        state.may_be_uneven = True
        return state.allowed != before

    def _forget_if_done(self, name: str) -> None:
        if name not in self._observed.classes and not self._classes[name].vip_count:
            del self._classes[name]

    def classes(self) -> list[str]:
        """Name the classes that exist, or that VIPs are left of."""
        return list(self._classes)

    def eligible(self, name: str) -> tuple[NodeName, ...]:
        """Give the nodes that may announce addresses of a class."""
        state = self._classes.get(name)
        return () if state is None else state.eligible

    def refused(self, name: str) -> dict[NodeName, NodeRefusal]:
        """Give the nodes that may not, and why."""
        state = self._classes.get(name)
        return {} if state is None else state.refused

    # -- VIPs ----------------------------------------------------------------------------------

    def place(self, address: IPAddress, pool: str, holders: tuple[ObjectKey, ...]) -> None:
        """Take in that a VIP exists, or that something about its holders changed."""
        if self._class_of.get(address, pool) != pool:
            self.discard(address)
        state = self._classes.get(pool)
        if state is None:
            state = self._classes[pool] = _ClassPlacement(Placement(pool))
        serving = self._serving(holders)
        if serving is None:
            state.serving.pop(address, None)
            suspended = not self._observed.endpoints.can_serve(holders)
        else:
            state.serving[address] = serving
            suspended = serving.isdisjoint(state.allowed)
        if self._suspended.get(address) is not suspended or address not in self._class_of:
            self._changed[address] = None
        self._suspended[address] = suspended
        known = self._observed.vips.get(address)
        present = known.spec.layer2.nodes if known is not None and known.spec.pool == pool else ()
        state.vip_count += address not in self._class_of
        self._class_of[address] = pool
        self._holders[address] = holders
        group = str(holders[0]) if holders else ""
        demand = Demand(object_name(address), group, None if suspended else serving)
        state.placement.put(demand, present)
        state.may_be_uneven = True

    def discard(self, address: IPAddress) -> None:
        """Take in that a VIP is no more."""
        pool = self._class_of.pop(address, None)
        if pool is not None:
            del self._suspended[address], self._holders[address]
            self._changed.pop(address, None)
            state = self._classes[pool]
            state.serving.pop(address, None)
            state.placement.discard(object_name(address))
            state.vip_count -= 1
            state.may_be_uneven = True
            self._forget_if_done(pool)

    def _serving(self, holders: tuple[ObjectKey, ...]) -> frozenset[NodeName] | None:
        """Give the nodes to which a VIP is confined by its policy; None: it is not."""
        first = self._observed.services.get(holders[0]) if holders else None
        if first is None or first.traffic_policy is TrafficPolicy.CLUSTER:
            return None
        return self._observed.endpoints.nodes(holders)

    def orders(self, address: IPAddress) -> Layer2Orders:
        """Give the orders for a VIP that was placed; raises KeyError when it was not."""
        state = self._classes[self._class_of[address]]
        suspended = None
        if state.is_forbidden:
            suspended = Suspension.NO_ELIGIBLE_NODES
        elif self._suspended[address]:
            suspended = Suspension.NO_READY_ENDPOINTS
        return Layer2Orders(
            nodes=state.placement.order(object_name(address)),
            interfaces=state.interfaces,
            suspended=suspended,
        )

    def take_changes(self) -> list[IPAddress]:
        """Drain the VIPs whose orders may have changed."""
        for state in self._classes.values():
            for name in state.placement.take_changes():
                self._changed[address_from_name(name)] = None
        changed = list(self._changed)
        self._changed.clear()
        return changed

    # -- pace ----------------------------------------------------------------------------------

    def rebalance(self, now: float) -> list[Move]:
        """Make the moves that are due."""
        moves: list[Move] = []
        for state in self._classes.values():
            if not self._is_uneven(state) or state.next_move_at > now:
                continue
            made = state.placement.rebalance(1)
            state.next_move_at = now + len(made) * 60.0 / state.rebalancing.moves_per_minute
            moves += made
        return moves

    def next_move_at(self) -> float | None:
        """Tell when the next move is due; None: every class is balanced, or is not to be."""
        times = [state.next_move_at for state in self._classes.values() if self._is_uneven(state)]
        return min(times, default=None)

    def _is_uneven(self, state: _ClassPlacement) -> bool:
        if state.rebalancing.policy is RebalancingPolicy.NEVER:
            return False
        if state.may_be_uneven:
            state.may_be_uneven = not state.placement.is_balanced()
        return state.may_be_uneven
