"""Judging pools of all kinds, and L2Advertisements, among all other objects.

Ranges that overlap: two IPAddressPools may not, as MetalLB has it. For the kinds of Deckhouse, and
between the dialects, it is a warning, and a condition on both afterwards: the older pool keeps the
addresses, and the rest of both serves.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

from metallb.api import classes, ip_address_pools, load_balancer_pools
from metallb.domain.bgp_validation import judge_native_routes, judge_pool_routes, unknown
from metallb.domain.verdicts import Verdict
from metallb.net.ranges import AddressRange, RangeSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metallb.api.classes import MetalLoadBalancerClass
    from metallb.api.ip_address_pools import IPAddressPool
    from metallb.api.layer2_advertisements import L2Advertisement
    from metallb.api.load_balancer_pools import MetalLoadBalancerPool
    from metallb.api.meta import ObjectKey
    from metallb.api.pool_options import PoolRange, Reservation
    from metallb.domain.everything import Everything


class _HasRange(Protocol):
    @property
    def range(self) -> AddressRange:
        """Addresses of it."""


_Ranged = TypeVar("_Ranged", bound=_HasRange)

_SHOWN = 3
"""Faults of one sort that are named; a pool may overlap with thousands."""

_LOOKED_FOR = 50
"""How many overlaps are looked for, so that a judgement takes no longer for a hostile object."""


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
    with_others = (
        (item, other)
        for item in ranges
        for other in everything.overlapping(kind, key, item.range)[:_LOOKED_FOR]
    )
    for item, other in islice(with_others, _LOOKED_FOR):
        text = _overlap(item, other.range, f"{other.kind} {other.key.name}")
        (errors if is_native and other.kind == kind else warnings).append(text)
    for one, two in islice(_overlaps(sorted(ranges, key=_place)), _LOOKED_FOR):
        (errors if is_native else warnings).append(_overlap(two, one, "this pool"))
    return Verdict(tuple(_few(errors)), tuple(_few(warnings)))


def _place(item: PoolRange) -> tuple[AddressRange, str]:
    return item.range, item.path


def _overlaps(ordered: Iterable[_Ranged]) -> Iterator[tuple[_Ranged, _Ranged]]:
    """Of things in the order of their ranges, give each that overlaps with one before, and the one
    of these that goes furthest.
    """
    furthest: _Ranged | None = None
    for item in ordered:
        if furthest is None or item.range.family is not furthest.range.family:
            furthest = item
            continue
        if item.range.first <= furthest.range.last:
            yield furthest, item
        if item.range.last > furthest.range.last:
            furthest = item


def _common(one: _HasRange, other: _HasRange) -> AddressRange:
    """Give what two ranges that overlap have in common."""
    first = max(one.range.first, other.range.first)
    return AddressRange(one.range.family, first, min(one.range.last, other.range.last))


def _overlap(item: PoolRange, other: PoolRange, of: str) -> str:
    return (
        f"{item.path}: {item.text} has addresses of {other.text} of {of} ({_common(item, other)}); "
        "each address can be in one pool, once"
    )


def _few(texts: list[str]) -> list[str]:
    if len(texts) <= _SHOWN:
        return texts
    return [*texts[:_SHOWN], "and more of that sort"]


# -- reservations ----------------------------------------------------------------------------------


def _reservations(ranges: Sequence[PoolRange], items: Sequence[Reservation]) -> Verdict:
    """Judge the reservations of a pool."""
    own = RangeSet(item.range for item in ranges)
    outside = RangeSet(item.range for item in items).subtract(own)
    warnings = [f".spec.reservations: {each} is in no range of the pool" for each in outside]
    for one, two in _overlaps(sorted(items, key=_reserved)):
        if (one.namespace, one.service) != (two.namespace, two.service):
            first, second = sorted((one, two), key=items.index)
            text = f"{_common(one, two)} is reserved for {_owner(first)} and {_owner(second)}"
            warnings.append(f".spec.reservations: {text}; the first one holds")
            break
    return Verdict(warnings=tuple(_few(warnings)))


def _reserved(item: Reservation) -> tuple[AddressRange, str, str]:
    return item.range, item.namespace, item.service


def _owner(item: Reservation) -> str:
    return f"{item.namespace}/{item.service}" if item.service else f"namespace {item.namespace}"
