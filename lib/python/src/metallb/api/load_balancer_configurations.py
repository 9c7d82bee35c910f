"""MetalLoadBalancerConfiguration (network.deckhouse.io/v1alpha1): which nodes announce which pools
to which peers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.bgp_advertisements import (
    LENGTH,
    LENGTH_V6,
    PREPEND_MAX,
    RouteAttributes,
    read_extended_communities,
    read_med,
    read_route_communities,
)
from metallb.api.fields import Fields, Problem
from metallb.api.meta import GROUP, Metadata, Named, read_metadata
from metallb.api.selectors import NodeSelector, read_node_selector

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

API_VERSION = f"{GROUP}/v1alpha1"
KIND = "MetalLoadBalancerConfiguration"


@dataclass(frozen=True, slots=True)
class PoolAdvertisement:
    """One of `spec.advertisements`: the pools, how their routes are announced, where it stands."""

    pools: tuple[str, ...]
    routes: RouteAttributes
    path: str


@dataclass(frozen=True, slots=True)
class MetalLoadBalancerConfiguration(Named):
    """A configuration as it was written; `problems` are those of the object itself."""

    api_version = API_VERSION
    object_kind = KIND

    meta: Metadata
    is_bgp: bool
    node_selector: NodeSelector
    peers: tuple[str, ...]
    advertisements: tuple[PoolAdvertisement, ...]
    problems: tuple[Problem, ...]


def read_load_balancer_configuration(value: JsonObject) -> MetalLoadBalancerConfiguration:
    """Read a MetalLoadBalancerConfiguration object; never raises, see `problems` of the result."""
    fields = Fields(value)
    spec = fields.child("spec")
    return MetalLoadBalancerConfiguration(
        meta=read_metadata(fields),
        is_bgp=spec.choice("mode", ("BGP",), "") == "BGP",
        node_selector=read_node_selector(spec, "nodeSelector"),
        peers=spec.child("bgp").names("peerNames"),
        advertisements=tuple(map(_read_advertisement, spec.children("advertisements"))),
        problems=tuple(fields.problems),
    )


def _read_advertisement(fields: Fields) -> PoolAdvertisement:
    if fields.value.get("poolNames") is None:
        fields.note("poolNames", "is wanted")
    pools = fields.names("poolNames")
    bgp = fields.child("bgp")
    routes = RouteAttributes(
        aggregation_length=bgp.integer("aggregationLength", 0, 0, LENGTH) or LENGTH,
        aggregation_length_v6=bgp.integer("aggregationLengthV6", 0, 0, LENGTH_V6) or LENGTH_V6,
        local_pref=bgp.integer("localPref", 0, 0, 2**32 - 1),
        communities=read_route_communities(bgp),
        med=read_med(bgp),
        prepend=bgp.integer("prepend", 0, 0, PREPEND_MAX),
        extended_communities=read_extended_communities(bgp),
        is_weighted=bgp.boolean("weightByEndpoints"),
    )
    return PoolAdvertisement(pools, routes, fields.path)
