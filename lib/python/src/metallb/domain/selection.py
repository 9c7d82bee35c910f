"""Who serves a Service: a class, or address pools with MetalLB's rules.

1. A Service that is bound to a class is served by it. The order is Deckhouse's: the class that the
   Service was once bound to (recorded in its condition, whose message is the class name), else the
   one named in `spec.loadBalancerClass`, else the one named in the annotation.
2. Else, when its `spec.loadBalancerClass` is the one that is set for the pools (or both are empty),
   pools serve it if it names that class or a pool, requests an address that a pool has, or there is
   no default class.
3. Else the default class does.

Three faults of Deckhouse's are mended: of several default classes the oldest wins, whatever order
they come in; a Service whose `spec.loadBalancerClass` is not one of ours belongs to somebody else
and is left alone entirely; and an annotation that names no class is a refusal with a reason, not a
Service quietly given to the default class.

One of MetalLB's is mended: a pool whose namespace selectors match nothing serves nobody. And where
it takes pools in random order, here it is that of their names.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from metallb.api.conditions import ServiceCondition
from metallb.api.fields import listed, shown
from metallb.api.selectors import any_matches
from metallb.domain.address_pools import PoolKind
from metallb.domain.requests import (
    Dialect,
    RequestProblem,
    RequestReason,
    pool_annotation,
    read_wish,
    requested_pool,
)
from metallb.net.addresses import Family, IPAddress, family_of
from metallb.net.ranges import RangeSet

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Mapping

    from metallb.api.classes import MetalLoadBalancerClass
    from metallb.api.services import Service
    from metallb.domain.address_pools import AddressPool


class BindingReason(StrEnum):
    """Reason of the condition `network.deckhouse.io/load-balancer-class`."""

    BOUND = "LoadBalancerClassBound"
    DELETED = "LoadBalancerClassDeleted"
    UNKNOWN = "LoadBalancerClassUnknown"


@dataclass(frozen=True, slots=True)
class Binding:
    """The class that a Service goes to; only with reason BOUND does it exist."""

    class_name: str
    reason: BindingReason

    @property
    def is_bound(self) -> bool:
        """Whether the class is there to serve."""
        return self.reason is BindingReason.BOUND

    def record(self) -> tuple[str, str]:
        """Give what of it is recorded in the Service's condition: `Service.binding_record`."""
        return self.class_name, self.reason


@dataclass(frozen=True, slots=True)
class Candidates:
    """Keys of the pools that may serve a Service.

    `groups` are tried in turn. `others` serve it only while it holds, or if it requests, an address
    of theirs. `alternatives` are those that it could have by naming them.
    """

    groups: tuple[tuple[str, ...], ...] = ()
    others: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """Who serves a Service: the class that it is bound to, or pools (`binding` None).

    Without candidates nobody does, and the binding or `problems` tell why.
    """

    binding: Binding | None
    candidates: Candidates
    problems: tuple[RequestProblem, ...] = ()

    @property
    def dialect(self) -> Dialect:
        """How the Service's wish is to be read."""
        return Dialect.POOL if self.binding is None else Dialect.CLASS

    @classmethod
    def of_class(cls, binding: Binding) -> Choice:
        """Make the choice of a class, there or not."""
        groups = ((binding.class_name,),) if binding.is_bound else ()
        return cls(binding, Candidates(groups))


def choose_class(service: Service, classes: Container[str], default: str | None) -> Binding | None:
    """Choose the class of a Service among those that exist, by name; None: no class's to serve."""
    if not service.is_load_balancer or service.meta.is_deleting:
        return None
    if (binding := _named_class(service, classes)) is not None:
        return binding
    if service.load_balancer_class or default is None:
        return None
    return Binding(default, BindingReason.BOUND)


def _named_class(service: Service, classes: Container[str]) -> Binding | None:
    """Find the class that a Service is bound to, or names."""
    recorded = service.condition(ServiceCondition.CLASS)
    if recorded is not None and recorded.message and recorded.reason != BindingReason.UNKNOWN:
        bound = recorded.message in classes
        return Binding(recorded.message, BindingReason.BOUND if bound else BindingReason.DELETED)
    if name := service.load_balancer_class:
        return Binding(name, BindingReason.BOUND) if name in classes else None
    if name := (service.class_annotation or "").strip():
        bound = name in classes
        return Binding(name, BindingReason.BOUND if bound else BindingReason.UNKNOWN)
    return None


def default_class(classes: Iterable[MetalLoadBalancerClass]) -> str | None:
    """Name the default class: the oldest of those that say they are, ties by name."""
    claimants = [item for item in classes if item.is_default]
    if not claimants:
        return None
    return min(claimants, key=lambda item: item.meta.seniority).name


# -- pools -------------------------------------------------------------------------------------


class PoolIndex:
    """The pools that are no classes, by what a Service can ask for; built when they change."""

    def __init__(self, pools: Iterable[AddressPool] = ()) -> None:
        found = [pool for pool in pools if pool.kind is not PoolKind.CLASS]
        in_order = sorted(found, key=lambda pool: (pool.name, pool.kind))
        self.by_key = {pool.key: pool for pool in in_order}
        automatic = [pool for pool in in_order if pool.auto_assign]
        pinned = [pool for pool in automatic if pool.allocation is not None]
        self.pinned = tuple(sorted(pinned, key=_strength))
        self.unpinned = tuple(pool.key for pool in automatic if pool.allocation is None)
        self._by_name: dict[str, dict[PoolKind, str]] = {}
        for pool in in_order:
            self._by_name.setdefault(pool.name, {})[pool.kind] = pool.key
        self._owners = _owners(found)
        self._firsts = [owner[:2] for owner in self._owners]

    def __bool__(self) -> bool:
        return bool(self.by_key)

    def named(self, name: str, preferred: PoolKind) -> str | None:
        """Find a pool by name; of two of that name, the one of the preferred kind."""
        kinds = self._by_name.get(name)
        if kinds is None:
            return None
        return kinds.get(preferred) or next(iter(kinds.values()))

    def owner_of(self, address: IPAddress) -> str | None:
        """Find the pool that has an address; of several, the oldest."""
        index = bisect_right(self._firsts, (family_of(address), int(address))) - 1
        if index < 0:
            return None
        family, _, last, key = self._owners[index]
        return key if family is family_of(address) and int(address) <= last else None


def _strength(pool: AddressPool) -> tuple[bool, int]:
    """Sort key of pinned pools: 1 is strongest, 0 is weakest of all."""
    priority = 0 if pool.allocation is None else pool.allocation.priority
    return priority <= 0, priority


def _owners(pools: Iterable[AddressPool]) -> list[tuple[Family, int, int, str]]:
    owners: list[tuple[Family, int, int, str]] = []
    taken = RangeSet()
    for pool in sorted(pools, key=lambda pool: (pool.meta.seniority, pool.kind)):
        mine = RangeSet(item.range for item in pool.ranges)
        owners += [(item.family, item.first, item.last, pool.key) for item in mine.subtract(taken)]
        taken = taken.union(mine)
    return sorted(owners)


def serves(
    pool: AddressPool, service: Service, namespaces: Mapping[str, Mapping[str, str]]
) -> bool:
    """Tell whether a pool's `serviceAllocation` lets it serve a Service.

    `namespaces` are labels by name; one that is not known is selected by no selector.
    """
    wanted = pool.allocation
    if wanted is None:
        return True
    if wanted.namespaces or wanted.namespace_selectors:
        namespace = service.meta.key.namespace
        labels = namespaces.get(namespace)
        if namespace not in wanted.namespaces and (
            labels is None or not any(item.matches(labels) for item in wanted.namespace_selectors)
        ):
            return False
    return any_matches(wanted.service_selectors, dict(service.labels))


def choose_pools(
    service: Service,
    pools: PoolIndex,
    namespaces: Mapping[str, Mapping[str, str]],
    classes: Container[str],
    default: str | None,
    settings_class: str = "",
) -> Choice | None:
    """Choose who serves a Service; None: it is not ours to serve.

    `classes` are the names of those that exist, `default` the default one, `settings_class` the
    `spec.loadBalancerClass` of the Services that pools serve.
    """
    if not service.is_load_balancer or service.meta.is_deleting:
        return None
    if (binding := _named_class(service, classes)) is not None:
        return Choice.of_class(binding)
    is_of_pools = service.load_balancer_class == settings_class
    if is_of_pools and _goes_to_pools(service, pools, default):
        return _choose_among(service, pools, namespaces)
    if default is None or (service.load_balancer_class and not is_of_pools):
        return None
    return Choice.of_class(Binding(default, BindingReason.BOUND))


def _goes_to_pools(service: Service, pools: PoolIndex, default: str | None) -> bool:
    if requested_pool(service) is not None or service.load_balancer_class:
        return True
    if default is None:
        return bool(pools)
    requested = read_wish(service, Dialect.POOL).requested if service.requests_addresses else ()
    return any(pools.owner_of(address) is not None for address in requested)


def _choose_among(
    service: Service, pools: PoolIndex, namespaces: Mapping[str, Mapping[str, str]]
) -> Choice:
    found = (key for key, pool in pools.by_key.items() if serves(pool, service, namespaces))
    fitting = dict.fromkeys(found)
    name = requested_pool(service)
    if name is not None:
        return _choose_named(service, name, pools, fitting)
    pinned = tuple(pool.key for pool in pools.pinned if pool.key in fitting)
    groups = tuple(filter(None, (pinned, pools.unpinned)))
    automatic = {key for group in groups for key in group}
    others = tuple(key for key in fitting if key not in automatic)
    problems = () if groups or others else (_nobody_serves(pools),)
    return Choice(None, Candidates(groups, others, others), problems)


def _choose_named(
    service: Service, name: str, pools: PoolIndex, fitting: Collection[str]
) -> Choice:
    is_ours = service.pool_annotation is not None
    preferred = PoolKind.POOL if is_ours else PoolKind.NATIVE
    key = pools.named(name, preferred)
    place = f"annotation {pool_annotation(service)}"
    if key is None:
        there_are = _spelt(pools.by_key[item].name for item in fitting)
        problem = RequestProblem(
            RequestReason.UNKNOWN_POOL,
            f"unknown pool {shown(name)}, which {place} names; {there_are}",
        )
        return Choice(None, Candidates(), (problem,))
    alternatives = tuple(item for item in fitting if item != key)
    if key not in fitting:
        problem = RequestProblem(
            RequestReason.NO_POOL,
            f"pool {name} not compatible for ip assignment: its spec.serviceAllocation is for "
            f"others; {_spelt(pools.by_key[item].name for item in alternatives)}",
        )
        return Choice(None, Candidates(), (problem,))
    return Choice(None, Candidates(((key,),), alternatives=alternatives))


def _spelt(names: Iterable[str]) -> str:
    found = list(names)
    if not found:
        return "there is no pool for it"
    return f"it may name {listed(found)}"


def _nobody_serves(pools: PoolIndex) -> RequestProblem:
    names = [pool.name for pool in pools.by_key.values()]
    there_are = (
        f"spec.serviceAllocation keeps {listed(names)} for others"
        if names
        else "there is none at all"
    )
    return RequestProblem(RequestReason.NO_POOL, f"no pool serves the Service: {there_are}")


def pool_words(key: str) -> str:
    """Name a pool by its key, as people know it: ``class a``, ``pool b``."""
    kind, slash, name = key.partition("/")
    return f"pool {name}" if slash else f"class {kind}"


def is_class(key: str) -> bool:
    """Tell whether a pool's key is a class's."""
    return "/" not in key
