"""Placement of VIPs on nodes, pool by pool, and the pace at which balance is restored.

Each pool has one `Placement` (pure, see that package). Here its inputs are gathered (eligible
nodes, zones, the nodes that advertisements and `externalTrafficPolicy: Local` leave for a VIP) and
its moves are paced: a move breaks connections, so balance is restored only `delaySeconds` after
nodes last came or went, and then at `movesPerMinute`; with policy Never not at all.

An advertisement is for some nodes and for some Services, and may prefer some nodes. A VIP may be
announced by the nodes of all advertisements that are for each of its Services. Where nodes are
preferred, only those of the highest score take part in placement, so that they share the load
evenly, and the others follow in the order, by score: they announce when no preferred one lives.

A VIP whose Services have no endpoint that can serve is *suspended*: it keeps its place, and nobody
announces it. So a rollout that leaves a Service without pods for a moment moves nothing. One whose
pool is forbidden on every node, by selectors or by labels of the nodes, is suspended too: else the
last node would go on with it, as it does when the others are merely away. And so is one that no
advertisement is for, unless BGP announces the pool.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb.api.classes import Rebalancing, RebalancingPolicy
from metallb.api.nodes import NodeName
from metallb.api.virtual_ips import Layer2Orders, Suspension
from metallb.domain.eligibility import NodeRefusal, eligible_nodes
from metallb.net.addresses import address_from_name, object_name
from metallb_controller.placement.model import PREFERENCE_LIMIT, Demand
from metallb_controller.placement.model import Node as PlacementNode
from metallb_controller.placement.placement import Placement
from metallb_controller.reconcile.advertisements import Coverage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb.api.meta import ObjectKey
    from metallb.domain.address_pools import BGPAdvertisement
    from metallb.net.addresses import IPAddress
    from metallb_controller.placement.model import Move
    from metallb_controller.reconcile.observed import Observed


_FORBIDDEN = frozenset((NodeRefusal.NOT_SELECTED, NodeRefusal.EXCLUDED))
"""Refusals that somebody has decided; the others are the state of a node, and may be an error."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a VIP may be: what was handed to placement, and what comes after it."""

    pool: str
    holders: tuple[ObjectKey, ...]
    confined: frozenset[NodeName] | None
    """The nodes that advertisements and the policy Local leave; None: all of the pool."""
    followers: tuple[NodeName, ...] = ()
    interfaces: tuple[str, ...] = ()
    suspended: Suspension | None = None
    is_by_bgp_alone: bool = False
    by_node: Mapping[NodeName, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class _PoolPlacement:
    placement: Placement
    coverage: Coverage = field(default_factory=Coverage)
    bgp: tuple[BGPAdvertisement, ...] = ()
    is_forbidden: bool = False
    rebalancing: Rebalancing = field(default_factory=Rebalancing)
    eligible: tuple[NodeName, ...] = ()
    refused: dict[NodeName, NodeRefusal] = field(default_factory=dict)
    next_move_at: float = float("-inf")
    may_be_uneven: bool = True
    vip_count: int = 0
    allowed: frozenset[NodeName] = frozenset()
    """The eligible nodes or, when there are none, those that nobody has forbidden."""
    confined: dict[IPAddress, None] = field(default_factory=dict)
    """VIPs that not all nodes of the pool may announce."""


class Layer2:
    """Placements of all pools."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._pools: dict[str, _PoolPlacement] = {}
        self._places: dict[IPAddress, _Place] = {}
        self._changed: dict[IPAddress, None] = {}

    # -- pools and nodes -----------------------------------------------------------------------

    def refresh_pool(self, key: str, now: float) -> None:
        """Take in that a pool, or the nodes that it may use, may have changed."""
        found = self._observed.pools.get(key)
        state = self._pools.get(key)
        if found is None:
            if state is not None:
                self._set_nodes(state, [], {}, now)
                self._forget_if_done(key)
            return
        if state is None:
            state = self._pools[key] = _PoolPlacement(Placement(key))
        state.rebalancing = found.rebalancing
        before = state.coverage, state.bgp, state.is_forbidden
        state.coverage = Coverage.of(found.layer2, self._observed.nodes.values())
        state.bgp = found.bgp
        eligible, refused = eligible_nodes(
            self._observed.nodes.values(), state.coverage, self._observed.roll.present
        )
        state.is_forbidden = not eligible and _FORBIDDEN.issuperset(refused.values())
        nodes = [PlacementNode(node.name, node.zone) for node in eligible]
        are_others = self._set_nodes(state, nodes, refused, now)
        if before != (state.coverage, state.bgp, state.is_forbidden):
            self._place_again(key, [item for item, at in self._places.items() if at.pool == key])
        elif are_others:
            self._place_again(key, list(state.confined))

    def _place_again(self, key: str, addresses: list[IPAddress]) -> None:
        for address in addresses:
            self._changed[address] = None
            self.place(address, key, self._places[address].holders)

    def _set_nodes(
        self,
        state: _PoolPlacement,
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

    def _forget_if_done(self, key: str) -> None:
        if key not in self._observed.pools and not self._pools[key].vip_count:
            del self._pools[key]

    def pools(self) -> list[str]:
        """Name the pools that exist, or that VIPs are left of."""
        return list(self._pools)

    def eligible(self, key: str) -> tuple[NodeName, ...]:
        """Give the nodes that may announce addresses of a pool."""
        state = self._pools.get(key)
        return () if state is None else state.eligible

    def refused(self, key: str) -> dict[NodeName, NodeRefusal]:
        """Give the nodes that may not, and why."""
        state = self._pools.get(key)
        return {} if state is None else state.refused

    # -- VIPs ----------------------------------------------------------------------------------

    def place(self, address: IPAddress, pool: str, holders: tuple[ObjectKey, ...]) -> None:
        """Take in that a VIP exists, or that something about its holders changed."""
        before = self._places.get(address)
        if before is not None and before.pool != pool:
            self.discard(address)
            before = None
        state = self._pools.get(pool)
        if state is None:
            state = self._pools[pool] = _PoolPlacement(Placement(pool))
        place, eligible = self._where(state, pool, holders)
        if before is None or _told(before) != _told(place) or state.bgp:
            self._changed[address] = None  # what BGP is told follows from more than is here
        self._places[address] = place
        if place.confined is None:
            state.confined.pop(address, None)
        else:
            state.confined[address] = None
        known = self._observed.vips.get(address)
        present = known.spec.layer2.nodes if known is not None and known.spec.pool == pool else ()
        state.vip_count += before is None
        group = str(holders[0]) if holders else ""
        state.placement.put(Demand(object_name(address), group, eligible), present)
        state.may_be_uneven = True

    def discard(self, address: IPAddress) -> None:
        """Take in that a VIP is no more."""
        place = self._places.pop(address, None)
        if place is not None:
            self._changed.pop(address, None)
            state = self._pools[place.pool]
            state.confined.pop(address, None)
            state.placement.discard(object_name(address))
            state.vip_count -= 1
            state.may_be_uneven = True
            self._forget_if_done(place.pool)

    def _where(
        self, state: _PoolPlacement, pool: str, holders: tuple[ObjectKey, ...]
    ) -> tuple[_Place, frozenset[NodeName] | None]:
        """Find where a VIP may be, and the nodes that take part in its placement."""
        serving = self._observed.confined_to(holders)
        reach = state.coverage.reach(self._observed.labels_of(key) for key in holders)
        confined = serving if reach.nodes is None else reach.nodes
        if reach.nodes is not None and serving is not None:
            confined = reach.nodes & serving
        suspended = None
        is_silent = not reach.is_advertised and pool in self._observed.pools
        if is_silent:
            suspended = None if state.bgp else Suspension.NOT_ADVERTISED
        elif serving is None and not self._observed.endpoints.can_serve(holders):
            suspended = Suspension.NO_READY_ENDPOINTS
        elif confined is not None and confined.isdisjoint(state.allowed):
            is_local = serving is not None and serving.isdisjoint(state.allowed)
            suspended = Suspension.NO_READY_ENDPOINTS if is_local else Suspension.NO_ELIGIBLE_NODES
        eligible, followers = reach.split(state.eligible, confined)
        alone = is_silent and bool(state.bgp)
        place = _Place(
            pool, holders, confined, followers, reach.interfaces, suspended, alone, reach.by_node
        )
        return place, None if suspended is not None else eligible

    def orders(self, address: IPAddress) -> Layer2Orders:
        """Give the orders for a VIP that was placed; raises KeyError when it was not.

        They are empty for one that only BGP announces.
        """
        place = self._places[address]
        state = self._pools[place.pool]
        if place.is_by_bgp_alone:
            return Layer2Orders()
        suspended = place.suspended
        if state.is_forbidden and suspended is not Suspension.NOT_ADVERTISED:
            suspended = Suspension.NO_ELIGIBLE_NODES
        nodes = state.placement.order(object_name(address))
        more = (name for name in place.followers if name not in nodes)
        orders = (*nodes, *more)[:PREFERENCE_LIMIT] if place.followers else nodes
        return Layer2Orders(
            nodes=orders,
            interfaces=place.interfaces,
            suspended=suspended,
            node_interfaces=tuple(
                (name, place.by_node[NodeName(name)]) for name in orders if name in place.by_node
            ),
        )

    def take_changes(self) -> list[IPAddress]:
        """Drain the VIPs whose orders may have changed."""
        for state in self._pools.values():
            for name in state.placement.take_changes():
                self._changed[address_from_name(name)] = None
        changed = list(self._changed)
        self._changed.clear()
        return changed

    # -- pace ----------------------------------------------------------------------------------

    def rebalance(self, now: float) -> list[Move]:
        """Make the moves that are due."""
        moves: list[Move] = []
        for state in self._pools.values():
            if not self._is_uneven(state) or state.next_move_at > now:
                continue
            made = state.placement.rebalance(1)
            state.next_move_at = now + len(made) * 60.0 / state.rebalancing.moves_per_minute
            moves += made
        return moves

    def next_move_at(self) -> float | None:
        """Tell when the next move is due; None: every pool is balanced, or is not to be."""
        times = [state.next_move_at for state in self._pools.values() if self._is_uneven(state)]
        return min(times, default=None)

    def _is_uneven(self, state: _PoolPlacement) -> bool:
        if state.rebalancing.policy is RebalancingPolicy.NEVER:
            return False
        if state.may_be_uneven:
            state.may_be_uneven = not state.placement.is_balanced()
        return state.may_be_uneven


def _told(place: _Place) -> tuple[object, ...]:
    return (
        place.suspended,
        place.followers,
        place.interfaces,
        place.is_by_bgp_alone,
        place.by_node,
    )
