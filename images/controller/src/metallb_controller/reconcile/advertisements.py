"""What the advertisements of a pool say of one VIP: who may announce it, where, and who should.

An L2 advertisement is for some nodes and some Services, may name interfaces, and may prefer nodes
by weights that add up (metallb.md §3.2). A VIP that several Services share may be announced by the
nodes that advertisements give to each of them. Most pools have advertisements for every Service
and prefer nobody: then all VIPs of the pool have the same answer, which costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb.api.nodes import NodeName
from metallb.api.selectors import any_matches
from metallb.api.virtual_ips import BGPOrders, Suspension

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from metallb.api.nodes import Node
    from metallb.domain.address_pools import AddressPool, Layer2Advertisement

    Labels = Mapping[str, str]

_NO_SCORES: Mapping[NodeName, int] = {}


@dataclass(frozen=True, slots=True)
class Reach:
    """The answer for a VIP: nodes (None: all of the pool), interfaces (none: all), scores.

    `by_node` are the interfaces of each node, where advertisements name others for some nodes than
    for the rest. `is_advertised` false: no advertisement is for (one of) its Services.
    """

    nodes: frozenset[NodeName] | None
    interfaces: tuple[str, ...]
    scores: Mapping[NodeName, int]
    by_node: Mapping[NodeName, tuple[str, ...]] = field(default_factory=dict)
    is_advertised: bool = True

    def split(
        self, eligible: Sequence[NodeName], confined: frozenset[NodeName] | None
    ) -> tuple[frozenset[NodeName] | None, tuple[NodeName, ...]]:
        """Part the nodes of a VIP into those of the highest score, and the others by score.

        `confined` are the nodes that it may be on at all, None: all of `eligible`.
        """
        if not any(self.scores.values()):
            return confined, ()
        able = [name for name in eligible if confined is None or name in confined]
        ranked = sorted(able, key=lambda name: -self.scores.get(name, 0))
        best = self.scores.get(ranked[0], 0) if ranked else 0
        if not best:
            return confined, ()
        first = frozenset(name for name in ranked if self.scores.get(name, 0) == best)
        return first, tuple(name for name in ranked if name not in first)


@dataclass(frozen=True, slots=True)
class _Advertised:
    """One advertisement, with the nodes that it is for and how much it prefers them."""

    advertisement: Layer2Advertisement
    nodes: frozenset[NodeName]
    scores: Mapping[NodeName, int]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The L2 advertisements of a pool, over the nodes of the cluster; compares by content.

    `items` are there only when VIPs or nodes differ: some advertisement is not for all Services, or
    prefers nodes, or they name interfaces for nodes of their own.
    """

    advertisements: tuple[Layer2Advertisement, ...] = ()
    items: tuple[_Advertised, ...] = ()

    @classmethod
    def of(cls, advertisements: tuple[Layer2Advertisement, ...], nodes: Iterable[Node]) -> Coverage:
        """Work out which nodes the advertisements are for."""
        is_by_node = len({item.interfaces for item in advertisements}) > 1 and any(
            item.node_selectors for item in advertisements
        )
        if not is_by_node and not any(
            item.service_selectors or item.preferences for item in advertisements
        ):
            return cls(advertisements)
        nodes = sorted(nodes, key=lambda node: node.name)
        return cls(advertisements, tuple(_over(item, nodes) for item in advertisements))

    def matches(self, labels: Labels) -> bool:
        """Tell whether a node with these labels may announce anything of the pool."""
        return any(any_matches(item.node_selectors, labels) for item in self.advertisements)

    def reach(self, services: Iterable[Labels]) -> Reach:
        """Give the answer for a VIP whose Services have these labels."""
        if not self.items:
            is_advertised = bool(self.advertisements)
            interfaces = _interfaces(self.advertisements)
            return Reach(None, interfaces, _NO_SCORES, is_advertised=is_advertised)
        is_advertised = True
        nodes: frozenset[NodeName] | None = None
        matching: dict[str, _Advertised] = {}
        for labels in services:
            mine = [
                item
                for item in self.items
                if any_matches(item.advertisement.service_selectors, labels)
            ]
            is_advertised = is_advertised and bool(mine)
            theirs = frozenset(name for item in mine for name in item.nodes)
            nodes = theirs if nodes is None else nodes & theirs
            matching.update((item.advertisement.name, item) for item in mine)
        scores: dict[NodeName, int] = {}
        for item in matching.values():
            for name, score in item.scores.items():
                scores[name] = scores.get(name, 0) + score
        interfaces = _interfaces(item.advertisement for item in matching.values())
        by_node = _by_node(nodes, matching.values(), interfaces)
        return Reach(nodes, interfaces, scores, by_node, is_advertised)


def _over(item: Layer2Advertisement, nodes: Sequence[Node]) -> _Advertised:
    mine = [node for node in nodes if any_matches(item.node_selectors, node.labels)]
    scores = {
        node.name: sum(
            preference.weight
            for preference in item.preferences
            if preference.nodes.matches(node.labels)
        )
        for node in mine
        if item.preferences
    }
    return _Advertised(item, frozenset(node.name for node in mine), scores)


def _by_node(
    nodes: Iterable[NodeName] | None,
    items: Collection[_Advertised],
    interfaces: tuple[str, ...],
) -> dict[NodeName, tuple[str, ...]]:
    """Give the interfaces of nodes that have others than all advertisements together name."""
    found: dict[NodeName, tuple[str, ...]] = {}
    for node in nodes or ():
        mine = _interfaces(item.advertisement for item in items if node in item.nodes)
        if mine != interfaces:
            found[node] = mine
    return found


def _interfaces(advertisements: Iterable[Layer2Advertisement]) -> tuple[str, ...]:
    """Give the interfaces of several advertisements; one that names none is for all."""
    each = [item.interfaces for item in advertisements]
    return tuple(dict.fromkeys(name for names in each for name in names)) if all(each) else ()


def bgp_orders(
    pool: AddressPool | None,
    services: Sequence[Labels],
    *,
    serving: frozenset[NodeName] | None,
    can_serve: bool,
    counts: Mapping[NodeName, int],
    health_check_ports: Collection[int],
) -> BGPOrders | None:
    """Give the orders for BGP of a VIP whose Services have these labels; None: not by BGP.

    An advertisement is for the VIP when it is for each of the Services. `serving` are the nodes to
    which the policy Local confines it (None: it does not); `can_serve`: an endpoint can anywhere;
    `counts`: endpoints by node, which are told if an advertisement wants them;
    `health_check_ports`: those of the Services that have one, which are told with the nodes.
    """
    if pool is None or not pool.bgp:
        return None
    fitting = [
        item
        for item in pool.bgp
        if all(any_matches(item.service_selectors, labels) for labels in services)
    ]
    names = [item.name for item in fitting]
    suspended = None
    if not names:
        suspended = Suspension.NOT_ADVERTISED
    elif not (can_serve if serving is None else serving):
        suspended = Suspension.NO_READY_ENDPOINTS
    nodes = None if serving is None else tuple(sorted(serving))
    weights: tuple[tuple[str, int], ...] = ()
    if nodes and any(item.is_weighted for item in fitting):
        weights = tuple((node, counts[NodeName(node)]) for node in nodes)
    ports = () if nodes is None else tuple(sorted(health_check_ports))
    return BGPOrders(tuple(sorted(names)), nodes, suspended, weights, ports)
