"""L2Advertisement (metallb.io/v1beta1): pools that are announced by ARP and NDP, from which nodes
and on which interfaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.advertisements import PoolChoice, read_interfaces, read_pool_choice
from metallb.api.fields import Fields, Problem
from metallb.api.meta import NATIVE_VERSION, Metadata, Named, read_metadata
from metallb.api.selectors import NOTHING, LabelSelector, read_selector, read_selectors

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

KIND = "L2Advertisement"


@dataclass(frozen=True, slots=True)
class NodePreference:
    """How much an advertisement prefers the nodes that a selector matches; weights add up."""

    weight: int
    nodes: LabelSelector


@dataclass(frozen=True, slots=True)
class L2Advertisement(Named):
    """An advertisement as it was written; `problems` are those of the object itself."""

    api_version = NATIVE_VERSION
    object_kind = KIND

    meta: Metadata
    pools: PoolChoice
    node_selectors: tuple[LabelSelector, ...]
    service_selectors: tuple[LabelSelector, ...]
    interfaces: tuple[str, ...]
    preferences: tuple[NodePreference, ...]
    problems: tuple[Problem, ...]


def read_l2_advertisement(value: JsonObject) -> L2Advertisement:
    """Read an L2Advertisement object; never raises, see `problems` of the result."""
    fields = Fields(value)
    spec = fields.child("spec")
    return L2Advertisement(
        meta=read_metadata(fields),
        pools=read_pool_choice(spec),
        node_selectors=read_selectors(spec, "nodeSelectors"),
        service_selectors=read_selectors(spec, "serviceSelectors"),
        interfaces=read_interfaces(spec),
        preferences=_read_preferences(spec),
        problems=tuple(fields.problems),
    )


def _read_preferences(spec: Fields) -> tuple[NodePreference, ...]:
    """Read `preferredNodeSelectors`; one that is malformed prefers no node."""
    found: list[NodePreference] = []
    for item in spec.children("preferredNodeSelectors"):
        for name in ("weight", "preference"):
            if item.value.get(name) is None:
                item.note(name, "is wanted")
        weight = item.integer("weight", 0, 1, 100)
        nodes = read_selector(item.child("preference"))
        if weight and nodes != NOTHING and isinstance(item.value.get("preference"), Mapping):
            found.append(NodePreference(weight, nodes))
    return tuple(found)
