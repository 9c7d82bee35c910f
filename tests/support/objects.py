"""Kubernetes objects for tests, as JSON: only what matters is given, the rest is ordinary."""

from __future__ import annotations

from typing import Any

from metallb.api.services import (
    ADDRESSES_ANNOTATION,
    CLASS_ANNOTATION,
    COUNT_ANNOTATION,
    SHARING_ANNOTATION,
)

JsonObject = dict[str, Any]

NAMESPACE = "d8-metallb"
"""Namespace of the module."""


def class_object(
    name: str = "ingress",
    ranges: tuple[str, ...] = ("10.0.0.1-10.0.0.9",),
    *,
    created: str = "2026-01-01T00:00:00Z",
    generation: int = 1,
    status: JsonObject | None = None,
    **spec: Any,
) -> JsonObject:
    """Make a MetalLoadBalancerClass."""
    return {
        "apiVersion": "network.deckhouse.io/v1alpha1",
        "kind": "MetalLoadBalancerClass",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "generation": generation,
            "creationTimestamp": created,
        },
        "spec": {"addressPool": list(ranges), **spec},
        "status": status or {},
    }


def pool_object(
    name: str = "front",
    ranges: tuple[str, ...] = ("10.0.0.1-10.0.0.9",),
    *,
    namespace: str = NAMESPACE,
    created: str = "2026-01-01T00:00:00Z",
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> JsonObject:
    """Make an IPAddressPool."""
    return _native(
        "IPAddressPool", name, namespace, created, labels, {"addresses": list(ranges), **spec}
    )


def advertisement_object(
    name: str = "adv", *, kind: str = "L2Advertisement", namespace: str = NAMESPACE, **spec: Any
) -> JsonObject:
    """Make an L2Advertisement, or another object of metallb.io/v1beta1."""
    return _native(kind, name, namespace, "2026-01-01T00:00:00Z", None, spec)


def _native(
    kind: str,
    name: str,
    namespace: str,
    created: str,
    labels: dict[str, str] | None,
    spec: JsonObject,
) -> JsonObject:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": created,
            "labels": labels or {},
        },
        "spec": spec,
    }


def namespace_object(name: str, **labels: str) -> JsonObject:
    """Make a Namespace."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "resourceVersion": "1", "labels": labels},
    }


def service_object(
    name: str = "web",
    *,
    namespace: str = "default",
    count: str | None = None,
    ips: str | None = None,
    key: str | None = None,
    class_annotation: str | None = None,
    created: str = "2026-01-01T00:00:00Z",
    version: int = 1,
    uid: str | None = None,
    ports: tuple[tuple[str, int], ...] = (("TCP", 80),),
    ingress: tuple[str, ...] = (),
    conditions: tuple[JsonObject, ...] = (),
    deleting: bool = False,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> JsonObject:
    """Make a Service of type LoadBalancer."""
    given = {
        COUNT_ANNOTATION: count,
        ADDRESSES_ANNOTATION: ips,
        SHARING_ANNOTATION: key,
        CLASS_ANNOTATION: class_annotation,
    }
    metadata: JsonObject = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"uid-{namespace}-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": created,
        "annotations": {key: value for key, value in given.items() if value is not None}
        | (annotations or {}),
        "labels": labels or {},
    }
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "type": "LoadBalancer",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "selector": {"app": name},
            "ports": [{"protocol": protocol, "port": port} for protocol, port in ports],
            **spec,
        },
        "status": {
            "loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in ingress]},
            "conditions": list(conditions),
        },
    }


def bound_condition(class_name: str, reason: str = "LoadBalancerClassBound") -> JsonObject:
    """Make the condition that binds a Service to a class."""
    return {
        "type": "network.deckhouse.io/load-balancer-class",
        "status": "True" if reason == "LoadBalancerClassBound" else "False",
        "reason": reason,
        "message": class_name,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def node_object(
    name: str,
    *,
    labels: dict[str, str] | None = None,
    ready: bool = True,
    network_unavailable: bool = False,
) -> JsonObject:
    """Make a Node."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels or {}},
        "status": {
            "conditions": [
                {"type": "Ready", "status": "True" if ready else "Unknown"},
                {
                    "type": "NetworkUnavailable",
                    "status": "True" if network_unavailable else "False",
                },
            ]
        },
    }


def slice_object(
    service: str,
    nodes: tuple[str, ...] = ("a",),
    *,
    namespace: str = "default",
    name: str | None = None,
    ready: bool = True,
    serving: bool | None = None,
) -> JsonObject:
    """Make an EndpointSlice with one endpoint on each node; an empty name means no nodeName."""
    conditions: JsonObject = {"ready": ready}
    if serving is not None:
        conditions["serving"] = serving
    endpoints: list[JsonObject] = []
    for node in nodes:
        endpoint: JsonObject = {"addresses": ["10.244.0.1"], "conditions": conditions}
        if node:
            endpoint["nodeName"] = node
        endpoints.append(endpoint)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name or f"{service}-1",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
    }


def lease_of_speaker(
    node: str, *, holder: str | None = "h", renewed: str = "t1", annotation: str | None = None
) -> JsonObject:
    """Make an entry of the speakers' roll."""
    annotations = {"network.deckhouse.io/heartbeat-links": annotation} if annotation else {}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": f"metallb-speaker-{node}",
            "namespace": NAMESPACE,
            "resourceVersion": "5",
            "annotations": annotations,
        },
        "spec": {"holderIdentity": holder, "renewTime": renewed},
    }


def native_object(
    kind: str,
    name: str = "x",
    *,
    labels: dict[str, str] | None = None,
    namespace: str = "metallb-system",
    version: str = "v1beta1",
    created: str = "2026-01-01T00:00:00Z",
    **spec: Any,
) -> JsonObject:
    """Make an object of MetalLB's kinds."""
    return {
        "apiVersion": f"metallb.io/{version}",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": created,
            "labels": labels or {},
        },
        "spec": spec,
    }


def metal_object(
    kind: str, name: str = "x", *, created: str = "2026-01-01T00:00:00Z", **spec: Any
) -> JsonObject:
    """Make an object of Deckhouse's kinds."""
    return {
        "apiVersion": "network.deckhouse.io/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": created,
        },
        "spec": spec,
    }
