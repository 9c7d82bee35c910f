"""The kinds that are judged, and how each is read."""

from __future__ import annotations

from dataclasses import dataclass
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.api.fields import JsonObject


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind; `ranges` is the field of its addresses, if it has any.

    Objects of a native kind (metallb.io) are namespaced.
    """

    name: str
    read: Callable[[JsonObject], Any]
    is_native: bool = True
    ranges: str = ""


KINDS = {
    kind.name: kind
    for kind in (
        Kind("MetalLoadBalancerClass", read_class, is_native=False, ranges="addressPool"),
        Kind("MetalLoadBalancerPool", read_load_balancer_pool, is_native=False, ranges="addresses"),
        Kind("MetalLoadBalancerBGPPeer", read_load_balancer_peer, is_native=False),
        Kind("MetalLoadBalancerConfiguration", read_load_balancer_configuration, is_native=False),
        Kind("IPAddressPool", read_ip_address_pool, ranges="addresses"),
        Kind("L2Advertisement", read_l2_advertisement),
        Kind("BGPAdvertisement", read_bgp_advertisement),
        Kind("BGPPeer", read_bgp_peer),
        Kind("BFDProfile", read_bfd_profile),
        Kind("Community", read_community),
    )
}
