"""Both dialects, translated into the one model: objects as they were written in, `AddressPool`s
out.

A class is a pool with one advertisement by ARP and NDP; Services are bound to it, so nobody else
gets its addresses. An IPAddressPool has the advertisements that name it, select it by label, or
neither name nor select any pool. Each pool has each thing once: two advertisements that say the
same count as one, as for MetalLB.

What is malformed has been left out by the readers. What only shows between objects is noted here.
The order of the objects does not matter, and the result is sorted by key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from metallb.api import classes as classes_api
from metallb.api import ip_address_pools
from metallb.api import layer2_advertisements as layer2_advertisements_api
from metallb.api.classes import Rebalancing
from metallb.api.fields import Problem
from metallb.api.meta import ObjectKey
from metallb.api.selectors import LabelSelector
from metallb.domain.address_pools import AddressPool, Layer2Advertisement, PoolKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metallb.api.classes import MetalLoadBalancerClass
    from metallb.api.ip_address_pools import IPAddressPool
    from metallb.api.layer2_advertisements import L2Advertisement
    from metallb.api.meta import Metadata

ObjectId = tuple[str, ObjectKey]
"""Kind and key of an object."""

_ORDINARY = Rebalancing()


class _Written(Protocol):
    """An object as a reader gives it."""

    @property
    def meta(self) -> Metadata: ...
    @property
    def problems(self) -> tuple[Problem, ...]: ...


_Object = TypeVar("_Object", bound=_Written)


@dataclass(frozen=True, slots=True)
class Translation:
    """The pools, sorted by key, and what is wrong in which object (without a fault: absent)."""

    pools: tuple[AddressPool, ...]
    problems: Mapping[ObjectId, tuple[Problem, ...]]


def translate(
    *,
    classes: Iterable[MetalLoadBalancerClass] = (),
    native_pools: Iterable[IPAddressPool] = (),
    layer2_advertisements: Iterable[L2Advertisement] = (),
    rebalancing: Rebalancing = _ORDINARY,
) -> Translation:
    """Translate all objects; `rebalancing` is for pools whose kind cannot say it."""
    notes = _Notes()
    layer2 = _in_order(layer2_advertisements)
    found = [
        *(_of_class(item) for item in _unique(notes, classes_api.KIND, classes)),
        *(
            _of_native(item, rebalancing, layer2)
            for item in _unique(notes, ip_address_pools.KIND, native_pools)
        ),
    ]
    for advertisement in layer2:
        notes.take(layer2_advertisements_api.KIND, advertisement)
    return Translation(tuple(sorted(found, key=lambda pool: pool.key)), notes.result())


class _Notes:
    """What is wrong, by object."""

    def __init__(self) -> None:
        self._found: dict[ObjectId, list[Problem]] = {}

    def take(self, kind: str, value: _Written) -> None:
        """Take over what the reader noted."""
        self.add((kind, value.meta.key), *value.problems)

    def add(self, of: ObjectId, *problems: Problem) -> None:
        """Note problems of an object."""
        if problems:
            self._found.setdefault(of, []).extend(problems)

    def result(self) -> dict[ObjectId, tuple[Problem, ...]]:
        """Give all, sorted by object."""
        return {of: tuple(self._found[of]) for of in sorted(self._found)}


def _in_order(items: Iterable[_Object]) -> list[_Object]:
    """Sort objects by name."""
    return sorted(items, key=lambda item: (item.meta.key.name, item.meta.seniority))


def _unique(notes: _Notes, kind: str, items: Iterable[_Object]) -> Iterator[_Object]:
    """Give the objects in order, of those with one name (in two namespaces) the oldest."""
    holder: _Object | None = None
    for item in _in_order(items):
        notes.take(kind, item)
        if holder is not None and holder.meta.key.name == item.meta.key.name:
            text = f"{holder.meta.key} has this name and is older: this object is not used"
            notes.add((kind, item.meta.key), Problem(".metadata.name", text))
            continue
        holder = item
        yield item


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


# -- pools of MetalLB ------------------------------------------------------------------------------


def _of_native(
    item: IPAddressPool, rebalancing: Rebalancing, layer2: list[L2Advertisement]
) -> AddressPool:
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
        reservations=item.options.reservations,
        layer2=_once(_layer2(each) for each in layer2 if each.pools.covers(item.name, item.labels)),
        rebalancing=rebalancing,
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
