"""IPAddressPool (metallb.io/v1beta1): MetalLB's pool of addresses, and whom it is kept for.

A prefix names all its addresses, as it does for MetalLB. What is malformed is noted and left out,
and the rest serves; a malformed selector selects nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb.api.conditions import CLASS_CONDITIONS, Condition, read_conditions
from metallb.api.fields import Fields, Problem
from metallb.api.meta import NATIVE_VERSION, Metadata, Named, read_metadata
from metallb.api.pool_options import PoolOptions, PoolRange, read_pool_options, read_ranges
from metallb.api.selectors import NOTHING, LabelSelector, read_selectors

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

KIND = "IPAddressPool"
_INT64 = 2**63 - 1


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
class PoolCounts:
    """`status` of MetalLB: addresses held, a shared one once, and those that are left."""

    assigned_ipv4: int = 0
    assigned_ipv6: int = 0
    available_ipv4: int = 0
    available_ipv6: int = 0


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """`status` as it was last written: MetalLB's counts, our conditions."""

    counts: PoolCounts
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class IPAddressPool(Named):
    """A pool as it was written; `problems` are those of the object itself."""

    api_version = NATIVE_VERSION
    object_kind = KIND

    meta: Metadata
    labels: Mapping[str, str]
    ranges: tuple[PoolRange, ...]
    auto_assign: bool
    avoid_buggy_ips: bool
    allocation: ServiceAllocation | None
    options: PoolOptions
    status: PoolStatus
    problems: tuple[Problem, ...]


def read_ip_address_pool(value: JsonObject) -> IPAddressPool:
    """Read an IPAddressPool object; never raises, see `problems` of the result."""
    fields = Fields(value)
    spec = fields.child("spec")
    return IPAddressPool(
        meta=read_metadata(fields),
        labels=fields.child("metadata").mapping("labels"),
        ranges=read_ranges(spec, "addresses", is_whole=True),
        auto_assign=spec.boolean("autoAssign", default=True),
        avoid_buggy_ips=spec.boolean("avoidBuggyIPs"),
        allocation=_read_allocation(spec),
        options=read_pool_options(spec),
        status=_read_status(Fields(value).child("status")),
        problems=tuple(fields.problems),
    )


def _read_allocation(spec: Fields) -> ServiceAllocation | None:
    """Read `spec.serviceAllocation`; an empty one pins the pool to every Service, a malformed one
    to none.
    """
    value = spec.value.get("serviceAllocation")
    if value is None:
        return None
    fields = spec.child("serviceAllocation")
    namespaces = fields.names("namespaces")
    namespace_selectors = read_selectors(fields, "namespaceSelectors")
    if not namespaces and not namespace_selectors and fields.value.get("namespaces"):
        namespace_selectors = (NOTHING,)
    service_selectors = read_selectors(fields, "serviceSelectors")
    return ServiceAllocation(
        priority=fields.integer("priority", 0, -_INT64 - 1, _INT64),
        namespaces=frozenset(namespaces),
        namespace_selectors=namespace_selectors,
        service_selectors=service_selectors if isinstance(value, Mapping) else (NOTHING,),
    )


def _read_status(status: Fields) -> PoolStatus:
    counts = PoolCounts(
        *(
            status.integer(name, 0, -_INT64 - 1, _INT64)
            for name in ("assignedIPv4", "assignedIPv6", "availableIPv4", "availableIPv6")
        )
    )
    return PoolStatus(
        counts=counts,
        observed_generation=status.integer("observedGeneration", 0, 0, _INT64),
        conditions=tuple(read_conditions(status, CLASS_CONDITIONS).values()),
    )


def pool_status_object(status: PoolStatus) -> dict[str, Any]:
    """Give the JSON form of a pool's status; counts saturate at what int64 holds."""
    counts = status.counts
    return {
        "assignedIPv4": min(counts.assigned_ipv4, _INT64),
        "assignedIPv6": min(counts.assigned_ipv6, _INT64),
        "availableIPv4": min(counts.available_ipv4, _INT64),
        "availableIPv6": min(counts.available_ipv6, _INT64),
        "observedGeneration": status.observed_generation,
        "conditions": [condition.to_object() for condition in status.conditions],
    }
