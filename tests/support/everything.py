"""Objects of both dialects, read by kind, and `Everything` made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb.api.bfd_profiles import read_bfd_profile
from metallb.api.bgp_advertisements import read_bgp_advertisement
from metallb.api.bgp_peers import read_bgp_peer
from metallb.api.classes import read_class
from metallb.api.communities import read_community
from metallb.api.ip_address_pools import read_ip_address_pool
from metallb.api.layer2_advertisements import read_l2_advertisement
from metallb.api.load_balancer_configurations import read_load_balancer_configuration
from metallb.api.load_balancer_peers import read_load_balancer_peer
from metallb.api.load_balancer_pools import read_load_balancer_pool
from metallb.api.nodes import read_node
from metallb.domain.everything import Everything
from support.objects import metal_object, native_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "MetalLoadBalancerClass": read_class,
    "MetalLoadBalancerPool": read_load_balancer_pool,
    "MetalLoadBalancerBGPPeer": read_load_balancer_peer,
    "MetalLoadBalancerConfiguration": read_load_balancer_configuration,
    "IPAddressPool": read_ip_address_pool,
    "L2Advertisement": read_l2_advertisement,
    "BGPAdvertisement": read_bgp_advertisement,
    "BGPPeer": read_bgp_peer,
    "BFDProfile": read_bfd_profile,
    "Community": read_community,
}


def written(kind: str, name: str, **spec: Any) -> tuple[str, Any]:
    """Give a kind, and an object of it as its reader gives it."""
    if kind == "Node":
        return kind, read_node({"metadata": {"name": name, "labels": spec}})
    make = metal_object if kind.startswith("Metal") else native_object
    return kind, READERS[kind](make(kind, name, **spec))


def everything_of(items: Iterable[tuple[str, Any]]) -> Everything:
    """Make `Everything` of objects."""
    found = Everything()
    for kind, parsed in items:
        found.put(kind, parsed)
    return found
