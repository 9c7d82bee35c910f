"""MetalLoadBalancerClass (network.deckhouse.io/v1alpha1): addresses, interfaces and nodes of an
L2 pool.

The group, version and fields are Deckhouse's; `spec.l2.rebalancing`, those of
`metallb.api.pool_options` and the status are ours on top. A class is read with everything that is
right in it: a malformed range is left out and noted, the others serve. A class whose `type` is not
ours serves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from metallb.api.advertisements import read_interfaces
from metallb.api.conditions import (
    CLASS_CONDITIONS,
    Condition,
    other_conditions,
    read_conditions,
)
from metallb.api.fields import Fields, Problem
from metallb.api.meta import GROUP, Metadata, Named, read_metadata
from metallb.api.pool_options import PoolOptions, PoolRange, read_pool_options, read_ranges
from metallb.api.selectors import NodeSelector, read_node_selector

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

API_VERSION = f"{GROUP}/v1alpha1"
KIND = "MetalLoadBalancerClass"


class RebalancingPolicy(StrEnum):
    """Whether VIPs that work are moved for the sake of balance; a move breaks their connections."""

    AUTOMATIC = "Automatic"
    NEVER = "Never"


@dataclass(frozen=True, slots=True)
class Rebalancing:
    """How balance is restored: after how many quiet seconds, at how many moves a minute."""

    policy: RebalancingPolicy = RebalancingPolicy.AUTOMATIC
    delay_seconds: int = 10
    moves_per_minute: int = 60


@dataclass(frozen=True, slots=True)
class ClassStatus:
    """`status` as it was last written; `others` are conditions of types that are not ours."""

    total: int = 0
    used: int = 0
    free: int = 0
    eligible_nodes: int = 0
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    others: tuple[JsonObject, ...] = ()


@dataclass(frozen=True, slots=True)
class MetalLoadBalancerClass(Named):
    """A class as decisions see it; `problems` are those of the object itself."""

    api_version = API_VERSION
    object_kind = KIND

    meta: Metadata
    is_default: bool
    is_layer2: bool
    ranges: tuple[PoolRange, ...]
    interfaces: tuple[str, ...]
    node_selector: NodeSelector
    rebalancing: Rebalancing
    status: ClassStatus
    problems: tuple[Problem, ...]
    options: PoolOptions = field(default_factory=PoolOptions)


def read_class(
    value: JsonObject, rebalancing: Rebalancing = Rebalancing()
) -> MetalLoadBalancerClass:
    """Read a class object; never raises, see `problems` of the result.

    `rebalancing` holds where the class does not say it itself.
    """
    fields = Fields(value)
    spec = fields.child("spec")
    l2 = spec.child("l2")
    kind = spec.choice("type", ("L2",), "L2")
    is_layer2 = not any(problem.path == ".spec.type" for problem in fields.problems)
    return MetalLoadBalancerClass(
        meta=read_metadata(fields),
        is_default=spec.boolean("isDefault"),
        is_layer2=is_layer2 and kind == "L2",
        ranges=read_ranges(spec, "addressPool", is_whole=False),
        interfaces=read_interfaces(l2),
        node_selector=read_node_selector(spec, "nodeSelector"),
        rebalancing=_read_rebalancing(l2.child("rebalancing"), rebalancing),
        status=read_status(Fields(value).child("status")),
        options=read_pool_options(spec),
        problems=tuple(fields.problems),
    )


def _read_rebalancing(fields: Fields, default: Rebalancing) -> Rebalancing:
    return Rebalancing(
        RebalancingPolicy(fields.choice("policy", list(RebalancingPolicy), default.policy)),
        fields.integer("delaySeconds", default.delay_seconds, 0, 86_400),
        fields.integer("movesPerMinute", default.moves_per_minute, 1, 60_000),
    )


def read_status(status: Fields) -> ClassStatus:
    """Read `status` of a class or a MetalLoadBalancerPool."""
    addresses = status.child("addresses")
    conditions = read_conditions(status, CLASS_CONDITIONS)
    return ClassStatus(
        total=addresses.integer("total", 0, 0, 2**63 - 1),
        used=addresses.integer("used", 0, 0, 2**63 - 1),
        free=addresses.integer("free", 0, 0, 2**63 - 1),
        eligible_nodes=status.integer("eligibleNodes", 0, 0, 2**31 - 1),
        observed_generation=status.integer("observedGeneration", 0, 0, 2**63 - 1),
        conditions=tuple(conditions.values()),
        others=other_conditions(status, CLASS_CONDITIONS),
    )


def status_object(status: ClassStatus) -> dict[str, Any]:
    """Give the JSON form of a class's status; counts saturate at what int64 holds."""
    limit = 2**63 - 1
    return {
        "addresses": {
            "total": min(status.total, limit),
            "used": min(status.used, limit),
            "free": min(status.free, limit),
        },
        "eligibleNodes": status.eligible_nodes,
        "observedGeneration": status.observed_generation,
        "conditions": [*status.others, *(item.to_object() for item in status.conditions)],
    }
