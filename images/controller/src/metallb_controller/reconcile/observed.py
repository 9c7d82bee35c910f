"""What the reconciler knows of the cluster: the last seen value of each object that concerns it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb_controller.reconcile.endpoints import Endpoints
from metallb_controller.reconcile.roll import Roll

if TYPE_CHECKING:
    from metallb.api.classes import MetalLoadBalancerClass
    from metallb.api.meta import ObjectKey
    from metallb.api.nodes import Node, NodeName
    from metallb.api.services import Service
    from metallb.api.virtual_ips import VirtualIP
    from metallb.net.addresses import IPAddress


@dataclass(slots=True)
class Observed:
    """The cluster as last seen. Only Services of type LoadBalancer, and those that were, are
    kept.
    """

    services: dict[ObjectKey, Service] = field(default_factory=dict)
    classes: dict[str, MetalLoadBalancerClass] = field(default_factory=dict)
    nodes: dict[NodeName, Node] = field(default_factory=dict)
    roll: Roll = field(default_factory=Roll)
    vips: dict[IPAddress, VirtualIP] = field(default_factory=dict)
    endpoints: Endpoints = field(default_factory=Endpoints)
