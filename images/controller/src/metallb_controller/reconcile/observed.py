"""What the reconciler knows of the cluster: the last seen value of each object that concerns it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb.api.virtual_ips import TrafficPolicy
from metallb_controller.reconcile.endpoints import Endpoints
from metallb_controller.reconcile.roll import Roll

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metallb.api.classes import MetalLoadBalancerClass
    from metallb.api.meta import ObjectKey
    from metallb.api.nodes import Node, NodeName
    from metallb.api.services import Service
    from metallb.api.virtual_ips import VirtualIP
    from metallb.domain.address_pools import AddressPool
    from metallb.net.addresses import IPAddress

_NO_LABELS: Mapping[str, str] = {}


@dataclass(slots=True)
class Observed:
    """The cluster as last seen. Only Services of type LoadBalancer, and those that were, are
    kept. `pools` follow from classes and the other objects of `Catalogue`, by key.
    """

    services: dict[ObjectKey, Service] = field(default_factory=dict)
    classes: dict[str, MetalLoadBalancerClass] = field(default_factory=dict)
    pools: dict[str, AddressPool] = field(default_factory=dict)
    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)
    nodes: dict[NodeName, Node] = field(default_factory=dict)
    roll: Roll = field(default_factory=Roll)
    vips: dict[IPAddress, VirtualIP] = field(default_factory=dict)
    endpoints: Endpoints = field(default_factory=Endpoints)

    def labels_of(self, service: ObjectKey) -> Mapping[str, str]:
        """Give the labels of a Service; of one that is not known, none."""
        found = self.services.get(service)
        return _NO_LABELS if found is None else dict(found.labels)

    def health_check_ports(self, services: Iterable[ObjectKey]) -> frozenset[int]:
        """Give the ports where proxies say of the Services whether they have rules for them."""
        found = (self.services[key] for key in services if key in self.services)
        return frozenset(item.health_check_port for item in found if item.health_check_port)

    def confined_to(self, services: Sequence[ObjectKey]) -> frozenset[NodeName] | None:
        """Give the nodes to which the policy of the first Service confines all; None: it does not.

        They are those with an endpoint that can serve.
        """
        first = self.services.get(services[0]) if services else None
        if first is None or first.traffic_policy is TrafficPolicy.CLUSTER:
            return None
        return self.endpoints.nodes(services)
