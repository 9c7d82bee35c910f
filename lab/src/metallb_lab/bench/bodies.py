"""What the bare clients write: the bodies that the controller would send for the same Service.

Made of the same values (`metallb.api`), so that the limit is measured with the same bytes; a test
compares them with what the controller's writer sends.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from metallb.api.conditions import Condition, ServiceCondition
from metallb.api.services import ALLOCATED_FROM_ANNOTATION, ingress_object
from metallb.api.virtual_ips import Layer2Orders, VirtualIPSpec, new_virtual_ip, to_object
from metallb.domain.selection import BindingReason
from metallb.net.addresses import parse_address
from metallb_controller.reconcile.status import ALL_ASSIGNED
from metallb_lab import objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb.api.meta import ObjectKey
    from metallb.kube.client import JsonObject


def now() -> str:
    """Give the time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def virtual_ip(address: str, pool: str, holder: ObjectKey, nodes: Sequence[str]) -> JsonObject:
    """Make the VirtualIP of a Service's only address."""
    spec = VirtualIPSpec(
        parse_address(address), pool, (holder,), layer2=Layer2Orders(nodes=tuple(nodes))
    )
    return to_object(new_virtual_ip(spec))


def service_status(
    uid: str, resource_version: str, address: str, pool: str, wall: str
) -> JsonObject:
    """Make the status patch of a Service that got its only address.

    A class is entered as a binding, a pool of MetalLB's in an annotation.
    """
    assigned = Condition(
        ServiceCondition.ASSIGNED, True, ALL_ASSIGNED, "1 of 1 public IPs were assigned", wall
    )
    bound = Condition(ServiceCondition.CLASS, True, BindingReason.BOUND, pool, wall)
    kind, _, name = pool.rpartition("/")
    metadata: JsonObject = {"uid": uid, "resourceVersion": resource_version}
    if kind:
        metadata["annotations"] = {ALLOCATED_FROM_ANNOTATION: name}
    return {
        "metadata": metadata,
        "status": {
            "conditions": [
                item.to_object() for item in ((assigned,) if kind else (bound, assigned))
            ],
            "loadBalancer": {"ingress": ingress_object((address,))},
        },
    }


def service_name(number: int) -> str:
    """Name of the Service with a number."""
    return f"service-{number:05d}"


def service(number: int) -> JsonObject:
    """Make the Service with a number."""
    return objects.service(service_name(number), ports=(("TCP", 80),))


def endpoint_slice(service: str, node: str, address: str) -> JsonObject:
    """Make the EndpointSlice of a Service with one ready endpoint."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-1",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}, "nodeName": node}],
        "ports": [{"name": "tcp-80", "port": 8080, "protocol": "TCP"}],
    }
