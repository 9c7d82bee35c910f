"""A cluster that is to be moved: its objects as the API server gave them, read once.

Objects that Deckhouse's release renders for its own MetalLB (label `heritage: deckhouse`) go with
that release, so they are no pools of anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from metallb.api.bfd_profiles import read_bfd_profile
from metallb.api.bgp_advertisements import read_bgp_advertisement
from metallb.api.bgp_peers import read_bgp_peer
from metallb.api.classes import read_class
from metallb.api.communities import read_community
from metallb.api.fields import Fields, Problem
from metallb.api.ip_address_pools import read_ip_address_pool
from metallb.api.layer2_advertisements import read_l2_advertisement
from metallb.api.load_balancer_configurations import read_load_balancer_configuration
from metallb.api.load_balancer_peers import read_load_balancer_peer
from metallb.api.load_balancer_pools import read_load_balancer_pool
from metallb.api.namespaces import read_namespace
from metallb.api.services import ALLOCATED_FROM_ANNOTATION, NATIVE_PREFIXES, read_service
from metallb.api.virtual_ips import read_virtual_ip
from metallb.domain.adoption import bound_class, running_addresses
from metallb.domain.deckhouse_children import KIND as CHILD_KIND
from metallb_controller.migrate.children import Child, read_child
from metallb_controller.reconcile.catalogue import ConfigKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from metallb.api.fields import JsonObject
    from metallb.api.meta import ObjectKey
    from metallb.api.services import Service
    from metallb.api.virtual_ips import VirtualIP
    from metallb.net.addresses import IPAddress

Objects = dict[str, "Sequence[JsonObject]"]
"""Objects by kind; a kind that the server does not have is not in it."""

CONFIGS: Mapping[str, tuple[ConfigKind, Callable[[JsonObject], Any]]] = {
    "MetalLoadBalancerClass": (ConfigKind.CLASSES, read_class),
    "MetalLoadBalancerPool": (ConfigKind.POOLS, read_load_balancer_pool),
    "MetalLoadBalancerConfiguration": (
        ConfigKind.CONFIGURATIONS,
        read_load_balancer_configuration,
    ),
    "IPAddressPool": (ConfigKind.NATIVE_POOLS, read_ip_address_pool),
    "L2Advertisement": (ConfigKind.LAYER2_ADVERTISEMENTS, read_l2_advertisement),
    "BGPAdvertisement": (ConfigKind.BGP_ADVERTISEMENTS, read_bgp_advertisement),
    "Community": (ConfigKind.COMMUNITIES, read_community),
}
"""Kinds that pools are made of."""

OTHERS: Mapping[str, Callable[[JsonObject], Any]] = {
    "MetalLoadBalancerBGPPeer": read_load_balancer_peer,
    "BGPPeer": read_bgp_peer,
    "BFDProfile": read_bfd_profile,
}
"""Kinds that are read for what is wrong in them."""

_ALLOCATED_FROM = tuple(
    f"{prefix}/{ALLOCATED_FROM_ANNOTATION.partition('/')[2]}" for prefix in NATIVE_PREFIXES
)


class Origin(StrEnum):
    """Who has served the cluster until now."""

    METALLB = "metallb"
    DECKHOUSE = "deckhouse"


@dataclass(slots=True)
class Cluster:
    """A cluster as it is.

    `running` are the addresses that Services of type LoadBalancer have, by their own status and by
    the children's; `bound` the class that each was given its addresses from, if that is recorded.
    `allocated_from` is what MetalLB wrote down of it. `other_problems` are of the kinds `OTHERS`.
    """

    services: dict[ObjectKey, Service] = field(default_factory=dict)
    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)
    vips: dict[IPAddress, VirtualIP] = field(default_factory=dict)
    configs: list[tuple[ConfigKind, Any]] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    running: dict[ObjectKey, tuple[IPAddress, ...]] = field(default_factory=dict)
    bound: dict[ObjectKey, str] = field(default_factory=dict)
    allocated_from: dict[ObjectKey, str] = field(default_factory=dict)
    other_problems: dict[tuple[str, ObjectKey], tuple[Problem, ...]] = field(default_factory=dict)


def read_cluster(objects: Objects, origin: Origin) -> Cluster:
    """Read the objects of a cluster; never raises."""
    cluster = Cluster()
    for value in objects.get("Namespace", ()):
        namespace = read_namespace(value)
        cluster.namespaces[namespace.name] = namespace.labels
    for value in objects.get("VirtualIP", ()):
        vip = read_virtual_ip(value)
        if not isinstance(vip, Problem):
            cluster.vips[vip.spec.address] = vip
    for kind, (config, read) in CONFIGS.items():
        cluster.configs += [(config, read(value)) for value in _kept(objects, kind, origin)]
    for kind, read in OTHERS.items():
        for found in map(read, _kept(objects, kind, origin)):
            if found.problems:
                cluster.other_problems[kind, found.meta.key] = tuple(found.problems)
    cluster.children = [read_child(value) for value in objects.get(CHILD_KIND, ())]
    _read_services(cluster, objects.get("Service", ()))
    return cluster


def _kept(objects: Objects, kind: str, origin: Origin) -> Iterable[JsonObject]:
    """Give the objects of a kind that stay when what ran before goes."""
    return (
        value
        for value in objects.get(kind, ())
        if origin is not Origin.DECKHOUSE
        or not kind.startswith(("IPAddress", "L2", "BGP", "BFD", "Community"))
        or labels_of(value).get("heritage") != "deckhouse"
    )


def labels_of(value: JsonObject) -> Mapping[str, str]:
    """Give the labels of an object."""
    return Fields(value).child("metadata").mapping("labels")


def _read_services(cluster: Cluster, values: Iterable[JsonObject]) -> None:
    children: dict[ObjectKey, list[Child]] = {}
    for child in cluster.children:
        children.setdefault(child.service, []).append(child)
    for value in values:
        service = read_service(value)
        if not service.is_load_balancer:
            continue
        key = service.meta.key
        cluster.services[key] = service
        mine = children.get(key, [])
        found = [*running_addresses(service), *(item for child in mine for item in child.addresses)]
        cluster.running[key] = tuple(dict.fromkeys(found))
        bound = bound_class(service) or next(filter(None, (item.class_name for item in mine)), "")
        if bound:
            cluster.bound[key] = bound
        annotations = Fields(value).child("metadata").child("annotations")
        named = next(filter(None, (annotations.text(name) for name in _ALLOCATED_FROM)), "")
        if named:
            cluster.allocated_from[key] = named
