"""Both dialects, translated into the one model: objects as they were written in, `AddressPool`s
out.

A class is a pool with one advertisement by ARP and NDP; Services are bound to it, so nobody else
gets its addresses. An IPAddressPool has the advertisements that name it, select it by label, or
neither name nor select any pool; two L2Advertisements that say the same count as one, as for
MetalLB. How pools are announced by BGP: `metallb.domain.bgp_translation`.

What is malformed has been left out by the readers. What only shows between objects is noted here.
The order of the objects does not matter, and the result is sorted by key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api import bgp_advertisements as bgp_api
from metallb.api import classes as classes_api
from metallb.api import communities as communities_api
from metallb.api import ip_address_pools as native_pools_api
from metallb.api import layer2_advertisements as layer2_api
from metallb.api import load_balancer_configurations as configurations_api
from metallb.api import load_balancer_pools as pools_api
from metallb.api.advertisements import PoolChoice
from metallb.api.classes import Rebalancing
from metallb.api.selectors import LabelSelector
from metallb.domain.address_pools import AddressPool, Layer2Advertisement, PoolKind
from metallb.domain.bgp_translation import (
    Written,
    advertise,
    resolve_aliases,
    written_in_configuration,
    written_natively,
)
from metallb.domain.covering import Covering
from metallb.domain.objects import Notes, ObjectId, in_order, unique

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb.api.bgp_advertisements import BGPAdvertisement
    from metallb.api.classes import MetalLoadBalancerClass
    from metallb.api.communities import Community
    from metallb.api.fields import Problem
    from metallb.api.ip_address_pools import IPAddressPool
    from metallb.api.layer2_advertisements import L2Advertisement
    from metallb.api.load_balancer_configurations import MetalLoadBalancerConfiguration
    from metallb.api.load_balancer_pools import MetalLoadBalancerPool

__all__ = ["ObjectId", "Translation", "translate"]

_ORDINARY = Rebalancing()


@dataclass(frozen=True, slots=True)
class Translation:
    """The pools, sorted by key, and what is wrong in which object (without a fault: absent)."""

    pools: tuple[AddressPool, ...]
    problems: Mapping[ObjectId, tuple[Problem, ...]]


def translate(
    *,
    classes: Iterable[MetalLoadBalancerClass] = (),
    pools: Iterable[MetalLoadBalancerPool] = (),
    configurations: Iterable[MetalLoadBalancerConfiguration] = (),
    native_pools: Iterable[IPAddressPool] = (),
    layer2_advertisements: Iterable[L2Advertisement] = (),
    bgp_advertisements: Iterable[BGPAdvertisement] = (),
    communities: Iterable[Community] = (),
    rebalancing: Rebalancing = _ORDINARY,
) -> Translation:
    """Translate all objects; `rebalancing` is for pools whose kind cannot say it."""
    notes = Notes()
    layer2 = notes.taken(layer2_api.KIND, in_order(layer2_advertisements))
    by_bgp = notes.taken(bgp_api.KIND, in_order(bgp_advertisements))
    of_pools = notes.taken(configurations_api.KIND, in_order(configurations))
    aliases = resolve_aliases(notes, notes.taken(communities_api.KIND, in_order(communities)))
    native = _Native(
        rebalancing,
        Covering((item.pools, _layer2(item)) for item in layer2),
        Covering((item.pools, written_natively(notes, aliases, item)) for item in by_bgp),
    )
    parts = Covering(
        (PoolChoice(names or ("",)), part)
        for item in of_pools
        for names, part in written_in_configuration(notes, item)
    )
    found = [
        *(_of_class(item) for item in unique(notes, classes_api.KIND, classes)),
        *(_of_pool(notes, parts, item) for item in unique(notes, pools_api.KIND, pools)),
        *(native.pool(notes, item) for item in unique(notes, native_pools_api.KIND, native_pools)),
    ]
    return Translation(tuple(sorted(found, key=lambda pool: pool.key)), notes.result())


# -- classes ---------------------------------------------------------------------------------------


def _of_class(item: MetalLoadBalancerClass) -> AddressPool:
    labels = dict(item.node_selector.pairs)
    advertisement = Layer2Advertisement(
        item.name,
        node_selectors=(LabelSelector.of(labels),) if labels else (),
        interfaces=item.interfaces,
    )
    return AddressPool(
        PoolKind.CLASS,
        item.meta,
        item.ranges,
        auto_assign=False,
        is_disabled=item.options.is_disabled,
        namespace_quota=item.options.namespace_quota,
        retention_seconds=item.options.retention_seconds,
        reservations=item.options.reservations,
        layer2=(advertisement,) if item.is_layer2 else (),
        rebalancing=item.rebalancing,
        is_default=item.is_default,
        is_served=item.is_layer2,
        problems=item.problems,
    )


# -- pools of Deckhouse ----------------------------------------------------------------------------


def _of_pool(notes: Notes, parts: Covering[Written], item: MetalLoadBalancerPool) -> AddressPool:
    return AddressPool(
        PoolKind.POOL,
        item.meta,
        item.ranges,
        auto_assign=item.auto_assign,
        avoid_buggy_ips=item.avoid_buggy_ips,
        is_disabled=item.options.is_disabled,
        namespace_quota=item.options.namespace_quota,
        retention_seconds=item.options.retention_seconds,
        drain_moves_per_minute=item.options.drain_moves_per_minute,
        reservations=item.options.reservations,
        bgp=tuple(
            advertise(notes, part, item.name, item.ranges) for part in parts.of(item.name, {})
        ),
        problems=item.problems,
    )


# -- pools of MetalLB ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Native:
    """What pools of MetalLB are announced by."""

    rebalancing: Rebalancing
    layer2: Covering[Layer2Advertisement]
    bgp: Covering[Written]

    def pool(self, notes: Notes, item: IPAddressPool) -> AddressPool:
        """Translate a pool."""
        return AddressPool(
            PoolKind.NATIVE,
            item.meta,
            item.ranges,
            auto_assign=item.auto_assign,
            avoid_buggy_ips=item.avoid_buggy_ips,
            allocation=item.allocation,
            is_disabled=item.options.is_disabled,
            namespace_quota=item.options.namespace_quota,
            retention_seconds=item.options.retention_seconds,
            drain_moves_per_minute=item.options.drain_moves_per_minute,
            reservations=item.options.reservations,
            layer2=_once(self.layer2.of(item.name, item.labels)),
            bgp=tuple(
                advertise(notes, written, item.name, item.ranges)
                for written in self.bgp.of(item.name, item.labels)
            ),
            rebalancing=self.rebalancing,
            problems=item.problems,
        )


def _layer2(item: L2Advertisement) -> Layer2Advertisement:
    return Layer2Advertisement(
        item.name,
        node_selectors=item.node_selectors,
        service_selectors=item.service_selectors,
        interfaces=item.interfaces,
        preferences=item.preferences,
    )


def _once(items: Iterable[Layer2Advertisement]) -> tuple[Layer2Advertisement, ...]:
    """Leave out what says the same as one before it.

    Preferences add up, so one that has any is never the same as another.
    """
    found: list[Layer2Advertisement] = []
    seen: set[tuple[frozenset[object], ...]] = set()
    for item in items:
        said = (
            frozenset(item.node_selectors),
            frozenset(item.service_selectors),
            frozenset(item.interfaces),
        )
        if item.preferences or said not in seen:
            found.append(item)
        if not item.preferences:
            seen.add(said)
    return tuple(found)
