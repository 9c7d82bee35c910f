"""The one model of address pools, which both dialects are translated into.

A MetalLoadBalancerClass, a MetalLoadBalancerPool with its MetalLoadBalancerConfigurations, and an
IPAddressPool with its advertisements all become an `AddressPool`. Nothing behind the translation
(`metallb.domain.translation`) knows which of them it was; the kind is kept for what people read:
conditions, Events, the ledger's column.

Names: a pool's `key` is unique among all kinds. It is the bare name for a class, and
``Kind/name`` for the others, so that a class and a pool may have one name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from metallb.api.classes import Rebalancing

if TYPE_CHECKING:
    from metallb.api.classes import PoolRange
    from metallb.api.fields import Problem
    from metallb.api.meta import Metadata, ObjectKey
    from metallb.api.selectors import LabelSelector
    from metallb.net.ranges import AddressRange


class PoolKind(StrEnum):
    """Kinds of object that address pools are made of."""

    CLASS = "MetalLoadBalancerClass"
    POOL = "MetalLoadBalancerPool"
    NATIVE = "IPAddressPool"


def pool_key(kind: PoolKind, name: str) -> str:
    """Give the key of a pool."""
    return name if kind is PoolKind.CLASS else f"{kind}/{name}"


@dataclass(frozen=True, slots=True)
class ServiceAllocation:
    """Whom a pinned pool serves (`spec.serviceAllocation`): namespaces **and** Services.

    A Service fits when its namespace is named or selected (neither names nor selectors: any is),
    and one of the Service selectors matches it (no selector: any does). Of the pools that fit, the
    lowest `priority` above 0 is strongest; 0 is weakest.
    """

    priority: int = 0
    namespaces: frozenset[str] = frozenset()
    namespace_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()


@dataclass(frozen=True, slots=True)
class NodePreference:
    """How much an advertisement prefers the nodes that a selector matches; weights add up."""

    weight: int
    nodes: LabelSelector


@dataclass(frozen=True, slots=True)
class Layer2Advertisement:
    """By ARP and NDP: which nodes may announce which Services, on which interfaces.

    Selectors are ORed; no selector matches all. No interface named is all interfaces.
    """

    name: str
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    interfaces: tuple[str, ...] = ()
    preferences: tuple[NodePreference, ...] = ()


@dataclass(frozen=True, slots=True)
class BGPAdvertisement:
    """By BGP: which nodes announce which Services to which peers, with what attributes.

    `communities` are values with aliases resolved (``64512:1``, ``large:64512:1:2``). No peer
    named is all peers.
    """

    name: str
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    aggregation_length: int = 32
    aggregation_length_v6: int = 128
    local_pref: int = 0
    communities: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reservation:
    """Addresses kept for the Services of a namespace or, with a name, for one Service."""

    range: AddressRange
    namespace: str
    service: str = ""

    def is_for(self, service: ObjectKey) -> bool:
        """Tell whether a Service may have the addresses."""
        return self.namespace == service.namespace and self.service in ("", service.name)


@dataclass(frozen=True, slots=True)
class AddressPool:
    """A pool as decisions see it; `problems` are those of the object itself.

    `auto_assign` false: only Services that name the pool, or request an address of it, get one. A
    class is such a pool, as Services are bound to it. `allocation` None: not pinned.
    `is_disabled`: nobody new gets in. `namespace_quota`: so many addresses at most for the
    Services of one namespace, 0: any number. `retention_seconds`: how long an address is kept for
    a Service that is gone.
    """

    kind: PoolKind
    meta: Metadata
    ranges: tuple[PoolRange, ...]
    auto_assign: bool = True
    avoid_buggy_ips: bool = False
    allocation: ServiceAllocation | None = None
    is_disabled: bool = False
    namespace_quota: int = 0
    retention_seconds: int = 0
    reservations: tuple[Reservation, ...] = ()
    layer2: tuple[Layer2Advertisement, ...] = ()
    bgp: tuple[BGPAdvertisement, ...] = ()
    rebalancing: Rebalancing = field(default_factory=Rebalancing)
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """Name of the object."""
        return self.meta.key.name

    @property
    def key(self) -> str:
        """Name among all pools."""
        return pool_key(self.kind, self.name)
