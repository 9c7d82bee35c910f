"""The objects that address pools are made of, as last seen, and the pools that follow from them.

An observation only marks that something changed; `refresh` translates all of them at once
(`metallb.domain.translation`), and parts the addresses between the pools (`ranges`). There are tens
of such objects, not thousands, and they change seldom.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from metallb.domain.address_pools import PoolKind, pool_key
from metallb.domain.translation import Translation, translate
from metallb_controller.allocator.model import PoolSpace
from metallb_controller.reconcile.ranges import AddressSpace, address_spaces

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb.api.classes import Rebalancing
    from metallb.api.fields import Problem
    from metallb.api.meta import ObjectKey, Reference
    from metallb.domain.address_pools import AddressPool
    from metallb_controller.allocator.model import ForeignUse
    from metallb_controller.reconcile.observed import Observed


class ConfigKind(StrEnum):
    """Kinds of object that pools are made of, by the names that `translate` has for them."""

    CLASSES = "classes"
    POOLS = "pools"
    CONFIGURATIONS = "configurations"
    NATIVE_POOLS = "native_pools"
    LAYER2_ADVERTISEMENTS = "layer2_advertisements"
    BGP_ADVERTISEMENTS = "bgp_advertisements"
    COMMUNITIES = "communities"


_CONFIG_OF = {
    PoolKind.CLASS: ConfigKind.CLASSES,
    PoolKind.POOL: ConfigKind.POOLS,
    PoolKind.NATIVE: ConfigKind.NATIVE_POOLS,
}
_POOL_OF = {config: pool for pool, config in _CONFIG_OF.items()}
_NO_SPACE = AddressSpace((), ())


class Catalogue:
    """All pools; what is decided from lands in `Observed.classes` and `Observed.pools`."""

    def __init__(self, observed: Observed, rebalancing: Rebalancing) -> None:
        self._observed = observed
        self._rebalancing = rebalancing
        self._objects: dict[ConfigKind, dict[ObjectKey, Any]] = {kind: {} for kind in ConfigKind}
        self._problems: Mapping[tuple[str, ObjectKey], tuple[Problem, ...]] = {}
        self._references: dict[str, Reference] = {}
        self.foreign: tuple[ForeignUse, ...] = ()
        """What others use, as an IPAM says; without overlaps."""
        self.spaces: dict[str, AddressSpace] = {}
        """What each pool hands out, by key."""

    def observe(self, kind: ConfigKind, key: ObjectKey, found: Any) -> bool:
        """Take in an object, or that it is gone (None); tells whether pools may have changed."""
        objects = self._objects[kind]
        before = objects.pop(key, None)
        if found is not None:
            objects[key] = found
        if kind is ConfigKind.CLASSES:
            self._observed.classes = {item.name: item for item in objects.values()}
        return is_news(before, found)

    def refresh(self) -> list[tuple[AddressPool, Reference]]:
        """Make the pools anew; gives those that are gone, with what Events are to be about."""
        given: dict[str, Any] = {
            kind.value: tuple(objects.values())
            for kind, objects in self._objects.items()
            if objects
        }
        made: Translation = translate(rebalancing=self._rebalancing, **given)
        before, references = self._observed.pools, self._references
        self._problems = made.problems
        self._observed.pools = {pool.key: pool for pool in made.pools}
        self._references = {pool.key: self.source(pool).reference() for pool in made.pools}
        self.spaces = address_spaces(made.pools)
        return [
            (pool, references[key])
            for key, pool in before.items()
            if key not in self._observed.pools
        ]

    def space(self, pool: str) -> AddressSpace:
        """Give what a pool hands out; nothing when there is no such pool."""
        return self.spaces.get(pool, _NO_SPACE)

    def pool_spaces(self) -> dict[str, PoolSpace]:
        """Give what the allocator is to know of each pool, by key."""
        return {
            key: PoolSpace(
                self.spaces[key].ranges,
                avoid_buggy_ips=pool.avoid_buggy_ips,
                is_disabled=pool.is_disabled,
                namespace_quota=pool.namespace_quota,
                reservations=pool.reservations,
                foreign=self.foreign,
            )
            for key, pool in self._observed.pools.items()
        }

    def source(self, pool: AddressPool) -> Any:
        """Give the object that a pool is made of."""
        return self._objects[_CONFIG_OF[pool.kind]][pool.meta.key]

    def sources(self) -> list[Any]:
        """Give the objects that pools are made of, as last seen."""
        return [item for kind in _POOL_OF for item in self._objects[kind].values()]

    def all_problems(self) -> Mapping[tuple[str, ObjectKey], tuple[Problem, ...]]:
        """Tell what is wrong in all objects, by kind and key."""
        return self._problems

    def refusals(self) -> dict[tuple[str, ObjectKey], tuple[str, ...]]:
        """Tell for what MetalLB would refuse pools of its own: addresses that older ones have."""
        pools = self._observed.pools
        lost = {
            key: tuple(str(item) for item in space.conflicts if not item.keeps)
            for key, space in self.spaces.items()
            if pools[key].kind is PoolKind.NATIVE and space.conflicts
        }
        return {
            (pools[key].kind, pools[key].meta.key): texts for key, texts in lost.items() if texts
        }

    def problems(self, pool: AddressPool) -> tuple[Problem, ...]:
        """Tell what is wrong in that object, also between it and others."""
        return self._problems.get((pool.kind, pool.meta.key), ())


def is_news(before: Any, found: Any) -> bool:
    """Tell whether pools may be others by a change of an object (None: it is not there)."""
    return _identity(before) != _identity(found)


def _identity(found: Any) -> tuple[object, ...] | None:
    """Give what tells one state of a spec from another: status and annotations do not count."""
    if found is None:
        return None
    return (found.meta.uid, found.meta.generation, getattr(found, "labels", None))


def pool_of(kind: ConfigKind, name: str) -> str | None:
    """Give the key of the pool that is made of an object; None: it is none by itself."""
    pool = _POOL_OF.get(kind)
    return None if pool is None else pool_key(pool, name)
