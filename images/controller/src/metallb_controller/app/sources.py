"""The kinds that are read: where they are, how, and what each that users write is part of."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from metallb.api import (
    bfd_profiles,
    bgp_advertisements,
    bgp_peers,
    classes,
    communities,
    ip_address_pools,
    layer2_advertisements,
    load_balancer_configurations,
    load_balancer_peers,
    load_balancer_pools,
)
from metallb.api.fields import Problem
from metallb.api.nodes import EndpointSliceObject, NodeObject
from metallb.api.services import ServiceObject
from metallb.api.virtual_ips import VirtualIPObject, read_virtual_ip
from metallb_controller.app import resources
from metallb_controller.reconcile.catalogue import ConfigKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.client import JsonObject, Resource
    from metallb_controller.app.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A kind; `part` None: pools are not made of it."""

    kind: str
    resource: Resource
    read: Callable[[JsonObject], Any]
    part: ConfigKind | None = None

    def seen(self, value: JsonObject) -> Seen:
        """Read an object, and keep its status."""
        status = value.get("status")
        return Seen(self.read(value), status if isinstance(status, dict) else {})


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as its reader gives it, and its status as it was written."""

    found: Any
    status: JsonObject


def pool_sources(settings: Settings) -> tuple[Source, ...]:
    """Give the kinds of pool, whose readers know their statuses."""
    read_class = partial(classes.read_class, rebalancing=settings.rebalancing)
    return (
        Source(classes.KIND, resources.CLASSES, read_class, ConfigKind.CLASSES),
        Source(
            load_balancer_pools.KIND,
            resources.POOLS,
            load_balancer_pools.read_load_balancer_pool,
            ConfigKind.POOLS,
        ),
        Source(
            ip_address_pools.KIND,
            resources.NATIVE_POOLS,
            ip_address_pools.read_ip_address_pool,
            ConfigKind.NATIVE_POOLS,
        ),
    )


PART_SOURCES = (
    Source(
        load_balancer_configurations.KIND,
        resources.CONFIGURATIONS,
        load_balancer_configurations.read_load_balancer_configuration,
        ConfigKind.CONFIGURATIONS,
    ),
    Source(
        layer2_advertisements.KIND,
        resources.LAYER2_ADVERTISEMENTS,
        layer2_advertisements.read_l2_advertisement,
        ConfigKind.LAYER2_ADVERTISEMENTS,
    ),
    Source(
        bgp_advertisements.KIND,
        resources.BGP_ADVERTISEMENTS,
        bgp_advertisements.read_bgp_advertisement,
        ConfigKind.BGP_ADVERTISEMENTS,
    ),
    Source(
        communities.KIND,
        resources.COMMUNITIES,
        communities.read_community,
        ConfigKind.COMMUNITIES,
    ),
)
"""Kinds that say how pools are announced."""

PEER_SOURCES = (
    Source(load_balancer_peers.KIND, resources.PEERS, load_balancer_peers.read_load_balancer_peer),
    Source(bgp_peers.KIND, resources.NATIVE_PEERS, bgp_peers.read_bgp_peer),
    Source(bfd_profiles.KIND, resources.BFD_PROFILES, bfd_profiles.read_bfd_profile),
)
"""Kinds that no address depends on: nothing waits for them."""


SHAPES: dict[Resource, Any] = {
    resources.SERVICES: ServiceObject,
    resources.VIRTUAL_IPS: VirtualIPObject,
    resources.ENDPOINT_SLICES: EndpointSliceObject,
    resources.NODES: NodeObject,
}
"""What is decoded of the kinds of which there may be thousands; of others it is everything."""


def read_vip(value: JsonObject) -> VirtualIP | None:
    """Read an entry of the ledger; None: it is nobody's, and is left out."""
    found = read_virtual_ip(value)
    if isinstance(found, Problem):
        log.warning("VirtualIP %s is left out: %s", value["metadata"]["name"], found)
        return None
    return found
