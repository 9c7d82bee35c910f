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
from metallb.api.ip_address_pools import ServiceAllocation
from metallb.api.layer2_advertisements import NodePreference
from metallb.api.pool_options import Reservation

if TYPE_CHECKING:
    from metallb.api.fields import Problem
    from metallb.api.meta import Metadata
    from metallb.api.pool_options import PoolRange
    from metallb.api.selectors import LabelSelector

__all__ = [
    "AddressPool",
    "BGPAdvertisement",
    "Layer2Advertisement",
    "NodePreference",
    "PoolKind",
    "Reservation",
    "ServiceAllocation",
    "pool_key",
]


class PoolKind(StrEnum):
    """Kinds of object that address pools are made of."""

    CLASS = "MetalLoadBalancerClass"
    POOL = "MetalLoadBalancerPool"
    NATIVE = "IPAddressPool"


def pool_key(kind: PoolKind, name: str) -> str:
    """Give the key of a pool."""
    return name if kind is PoolKind.CLASS else f"{kind}/{name}"


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
    named is all peers. `is_weighted`: with the policy Local, routes say how many endpoints the node
    has.
    """

    name: str
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    aggregation_length: int = 32
    aggregation_length_v6: int = 128
    local_pref: int = 0
    communities: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    med: int | None = None
    prepend: int = 0
    extended_communities: tuple[str, ...] = ()
    is_weighted: bool = False


@dataclass(frozen=True, slots=True)
class AddressPool:
    """A pool as decisions see it; `problems` are those of the object itself.

    `auto_assign` false: only Services that name the pool, or request an address of it, get one. A
    class is such a pool, as Services are bound to it. `allocation` None: not pinned.
    `is_disabled`: nobody new gets in, and so many Services a minute as `drain_moves_per_minute`
    says move elsewhere, if they can. `namespace_quota`: so many addresses at most for the Services
    of one namespace, 0: any number. `retention_seconds`: how long an address is kept for a Service
    that is gone. `is_default`: a class for Services that name none. `is_served` false: of a type
    that is not ours; it serves nothing.
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
    drain_moves_per_minute: int = 0
    reservations: tuple[Reservation, ...] = ()
    layer2: tuple[Layer2Advertisement, ...] = ()
    bgp: tuple[BGPAdvertisement, ...] = ()
    rebalancing: Rebalancing = field(default_factory=Rebalancing)
    is_default: bool = False
    is_served: bool = True
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """Name of the object."""
        return self.meta.key.name

    @property
    def key(self) -> str:
        """Name among all pools."""
        return pool_key(self.kind, self.name)

    @property
    def title(self) -> str:
        """How people are told of it: ``class ingress``, ``pool edge``."""
        return f"{'class' if self.kind is PoolKind.CLASS else 'pool'} {self.name}"
