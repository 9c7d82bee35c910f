"""The site of the demo of BGP mode: what a user writes, and what the routers are then to have.

BIRD is a peer by MetalLB's objects, FRR by Deckhouse's. So the addresses of the IPAddressPool,
whose BGPAdvertisement names no peers, go to both, as far as a session carries their family; those
of the MetalLoadBalancerPool go to the peers of its MetalLoadBalancerConfiguration only, which is
FRR. Both Services have the policy Local: a node that gets a request answers it by its own pod, so
the answers tell which way the routers sent it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb.api.services import NATIVE_POOL_ANNOTATION, POOL_ANNOTATION
from metallb_lab import objects
from metallb_lab.fabric import BIRD_ADDRESS, BIRD_ASN, FRR_ADDRESS, FRR_ASN, NODE_ASN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb.kube.client import JsonObject

PASSWORD = "known-to-both"
BFD_MILLISECONDS, BFD_MULTIPLIER = 100, 3
EDGE_IPV4, EDGE_IPV6 = "198.51.100.0/26", "2001:db8:100::/120"
SHOP_IPV4 = "198.51.100.64/26"
EDGE_COMMUNITIES = ("64500:7", "64500:1:2")
SHOP_COMMUNITIES = ("64500:9",)
SERVICES = {"web": 2, "shop": 1}
"""Service -> how many addresses it gets."""

_TIMERS = {
    "receiveInterval": BFD_MILLISECONDS,
    "transmitInterval": BFD_MILLISECONDS,
    "detectMultiplier": BFD_MULTIPLIER,
}


def of_metallb() -> list[JsonObject]:
    """Give what is written in MetalLB's words: BIRD as a peer, and a pool for all peers."""
    aliases = {"edge": EDGE_COMMUNITIES[0]}
    large = [f"large:{EDGE_COMMUNITIES[1]}"]
    return [
        objects.bfd_profile("fast", **_TIMERS),
        objects.bgp_peer(
            "bird", BIRD_ADDRESS, NODE_ASN, BIRD_ASN,
            passwordSecret={"name": "routers"}, bfdProfile="fast", dualStackAddressFamily=True,
        ),
        objects.community("names", **aliases),
        objects.ip_address_pool("edge", [EDGE_IPV4, EDGE_IPV6], autoAssign=False),
        objects.bgp_advertisement("edge", ipAddressPools=["edge"], communities=["edge", *large]),
    ]  # fmt: skip


def of_deckhouse() -> list[JsonObject]:
    """Give what is written in Deckhouse's words: FRR as a peer, and a pool for it."""
    secret = {"name": "routers", "namespace": objects.NAMESPACE}
    return [
        objects.load_balancer_peer(
            "frr", FRR_ADDRESS, NODE_ASN, FRR_ASN, passwordSecretRef=secret, bfd=_TIMERS
        ),
        objects.load_balancer_pool("shop", [SHOP_IPV4], autoAssign=False),
        objects.load_balancer_configuration(
            "routers", ["shop"], peers=["frr"], communities=list(SHOP_COMMUNITIES)
        ),
    ]


def services() -> list[JsonObject]:
    """Give the Services."""
    local: dict[str, Any] = {"externalTrafficPolicy": "Local"}
    edge, shop = {NATIVE_POOL_ANNOTATION: "edge"}, {POOL_ANNOTATION: "shop"}
    return [
        objects.service("web", annotations=edge, ipFamilyPolicy="RequireDualStack", **local),
        objects.service("shop", annotations=shop, **local),
    ]


def to_be_heard(addresses: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Give what each router is to hear, by Service's addresses: address -> communities."""
    web, shop = addresses["web"], addresses["shop"]
    return {
        "bird": dict.fromkeys(web, EDGE_COMMUNITIES),
        "frr": {
            **{address: EDGE_COMMUNITIES for address in web if ":" not in address},
            **dict.fromkeys(shop, SHOP_COMMUNITIES),
        },
    }
