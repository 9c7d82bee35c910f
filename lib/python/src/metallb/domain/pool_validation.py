"""Judging pools of all kinds, and L2Advertisements, among all other objects.

Ranges that overlap: two IPAddressPools may not, as MetalLB has it. For the kinds of Deckhouse, and
between the dialects, it is a warning, and a condition on both afterwards: the older pool keeps the
addresses, and the rest of both serves.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from metallb.api import classes, ip_address_pools, load_balancer_pools
from metallb.domain.bgp_validation import judge_native_routes, judge_pool_routes, unknown
from metallb.domain.verdicts import Verdict
from metallb.net.ranges import AddressRange, RangeSet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metallb.api.classes import MetalLoadBalancerClass
    from metallb.api.ip_address_pools import IPAddressPool
    from metallb.api.layer2_advertisements import L2Advertisement
    from metallb.api.load_balancer_pools import MetalLoadBalancerPool
    from metallb.api.meta import ObjectKey
    from metallb.api.pool_options import PoolRange, Reservation
    from metallb.domain.everything import Everything

_SHOWN = 3
"""Faults of one sort that are named; a pool may overlap with thousands."""


def judge_class(item: MetalLoadBalancerClass, everything: Everything) -> Verdict:
    """Judge a class."""
    others = sorted(
        other.name
        for other in everything.of(classes.KIND).values()
        if other.is_default and other.meta.key != item.meta.key
    )
    found = _ranges(classes.KIND, item.meta.key, item.ranges, everything)
    found += _reservations(item.ranges, item.options.reservations)
    if item.is_default and others:
        text = f".spec.isDefault: class {others[0]} is a default one too; the older of them serves"
        found += Verdict(warnings=(text,))
    return found


def judge_pool(item: MetalLoadBalancerPool, everything: Everything) -> Verdict:
    """Judge a MetalLoadBalancerPool."""
    found = _ranges(load_balancer_pools.KIND, item.meta.key, item.ranges, everything)
    found += _reservations(item.ranges, item.options.reservations)
    return found + judge_pool_routes(item, everything)


def judge_native_pool(item: IPAddressPool, everything: Everything) -> Verdict:
    """Judge an IPAddressPool."""
    found = _ranges(ip_address_pools.KIND, item.meta.key, item.ranges, everything)
    found += _reservations(item.ranges, item.options.reservations)
    return found + judge_native_routes(item, everything)


def judge_layer2(item: L2Advertisement, everything: Everything) -> Verdict:
    """Judge an L2Advertisement."""
    names, namespace = item.pools.names, item.meta.key.namespace
    kind = ip_address_pools.KIND
    return Verdict(
        warnings=tuple(unknown(".spec.ipAddressPools", kind, namespace, names, everything))
    )


# -- ranges ----------------------------------------------------------------------------------------


def _ranges(
    kind: str, key: ObjectKey, ranges: Sequence[PoolRange], everything: Everything
) -> Verdict:
    """Judge the ranges of a pool: those of others, and its own among each other."""
    errors: list[str] = []
    warnings: list[str] = []
    is_native = kind == ip_address_pools.KIND
    for item in ranges:
        for other in everything.overlapping(kind, key, item.range):
            text = _overlap(item, other.range, f"{other.kind} {other.key.name}")
            (errors if is_native and other.kind == kind else warnings).append(text)
    for one, two in _overlaps_within(ranges):
        (errors if is_native else warnings).append(_overlap(two, one, "this pool"))
    return Verdict(tuple(_few(errors)), tuple(_few(warnings)))


def _overlaps_within(ranges: Sequence[PoolRange]) -> Iterator[tuple[PoolRange, PoolRange]]:
    """Give the pairs of ranges of one pool that have addresses in common, but for the many."""
    ordered = sorted(ranges, key=lambda item: (item.range, item.path))
    furthest: PoolRange | None = None
    for item in ordered:
        if furthest is not None and _common(furthest, item) is not None:
            yield furthest, item
        if furthest is None or (item.range.family, item.range.last) > (
            furthest.range.family,
            furthest.range.last,
        ):
            furthest = item


def _common(one: PoolRange, other: PoolRange) -> AddressRange | None:
    return next(iter(RangeSet([one.range]).intersection(RangeSet([other.range]))), None)


def _overlap(item: PoolRange, other: PoolRange, of: str) -> str:
    return (
        f"{item.path}: {item.text} has addresses of {other.text} of {of} ({_common(item, other)}); "
        "each address can be in one pool, once"
    )


def _few(texts: list[str]) -> list[str]:
    if len(texts) <= _SHOWN:
        return texts
    return [*texts[:_SHOWN], f"and {len(texts) - _SHOWN} more of that sort"]


# -- reservations ----------------------------------------------------------------------------------


def _reservations(ranges: Sequence[PoolRange], items: Sequence[Reservation]) -> Verdict:
    """Judge the reservations of a pool."""
    own = RangeSet(item.range for item in ranges)
    warnings = []
    for item in items:
        outside = RangeSet([item.range]).subtract(own)
        if outside:
            first = next(iter(outside))
            warnings.append(f".spec.reservations: {first} is in no range of the pool")
    for one, other in combinations(items[:_COMPARED], 2):
        common = RangeSet([one.range]).intersection(RangeSet([other.range]))
        if common and (one.namespace, one.service) != (other.namespace, other.service):
            text = f"{next(iter(common))} is reserved for {_owner(one)} and {_owner(other)}"
            warnings.append(f".spec.reservations: {text}; the first one holds")
    return Verdict(warnings=tuple(_few(warnings)))


_COMPARED = 100
"""Reservations that are compared with each other."""


def _owner(item: Reservation) -> str:
    return f"{item.namespace}/{item.service}" if item.service else f"namespace {item.namespace}"
