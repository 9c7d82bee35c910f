"""MetalLoadBalancerPool (network.deckhouse.io/v1alpha1): addresses for Services in BGP mode.

A prefix names all its addresses, as it does for MetalLB, which served these pools before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.classes import ClassStatus, read_status
from metallb.api.fields import Fields, Problem
from metallb.api.meta import GROUP, Metadata, Named, read_metadata
from metallb.api.pool_options import PoolOptions, PoolRange, read_pool_options, read_ranges

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

API_VERSION = f"{GROUP}/v1alpha1"
KIND = "MetalLoadBalancerPool"


@dataclass(frozen=True, slots=True)
class MetalLoadBalancerPool(Named):
    """A pool as it was written; `problems` are those of the object itself."""

    api_version = API_VERSION
    object_kind = KIND

    meta: Metadata
    ranges: tuple[PoolRange, ...]
    auto_assign: bool
    avoid_buggy_ips: bool
    options: PoolOptions
    status: ClassStatus
    problems: tuple[Problem, ...]


def read_load_balancer_pool(value: JsonObject) -> MetalLoadBalancerPool:
    """Read a MetalLoadBalancerPool object; never raises, see `problems` of the result."""
    fields = Fields(value)
    spec = fields.child("spec")
    return MetalLoadBalancerPool(
        meta=read_metadata(fields),
        ranges=read_ranges(spec, "addresses", is_whole=True),
        auto_assign=spec.boolean("autoAssign", default=True),
        avoid_buggy_ips=spec.boolean("avoidBuggyIPs"),
        options=read_pool_options(spec),
        status=read_status(Fields(value).child("status")),
        problems=tuple(fields.problems),
    )
