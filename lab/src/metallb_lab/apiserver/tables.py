"""Printer columns of the built-in kinds: what ``kubectl get`` shows.

Ports of ``pkg/printers/internalversion``; descriptions are left out, names and cells are the real
server's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.cells import (
    NONE,
    UNKNOWN,
    age_of,
    at,
    containers_cells,
    endpoints_text,
    event_age,
    event_count,
    event_object,
    event_source,
    external_addresses,
    labels_text,
    node_address,
    node_roles,
    node_status,
    pod_ready,
    pod_restarts,
    pod_status,
    selector_text,
    service_ports,
    slice_addresses,
    slice_ports,
    status_number,
    subjects,
)
from metallb_lab.apiserver.custom.columns import AGE_DESCRIPTION, name_column
from metallb_lab.apiserver.resources import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.resources import Resource


def column(
    name: str, read: Callable[[Document], Any], kind: str = "string", priority: int = 0
) -> Column:
    """A column without a description."""
    return Column(name, kind, "", read, "", priority)


def age_column() -> Column:
    """How long ago it was made."""
    return Column("Age", "string", AGE_DESCRIPTION, lambda o: age_of(o))


def workload_columns() -> list[Column]:
    """The wide columns of Deployments and DaemonSets."""

    def pod_spec(obj: Document) -> Any:
        return at(obj, "spec", "template", "spec", default={})

    return [
        column("Containers", lambda o: containers_cells("name", pod_spec(o)), priority=1),
        column("Images", lambda o: containers_cells("image", pod_spec(o)), priority=1),
        column("Selector", lambda o: selector_text(o["spec"].get("selector")), priority=1),
    ]


def event_columns() -> list[Column]:
    """Events have their own order."""
    first = ("firstTimestamp", "deprecatedFirstTimestamp", "eventTime")
    last = ("series.lastObservedTime", "lastTimestamp", "deprecatedLastTimestamp", *first)
    named = name_column()
    return [
        column("Last Seen", lambda e: event_age(e, *last)),
        column("Type", lambda e: e.get("type", "")),
        column("Reason", lambda e: e.get("reason", "")),
        column("Object", event_object),
        column("Subobject", lambda e: at(e, "involvedObject", "fieldPath"), priority=1),
        column("Source", event_source, priority=1),
        column("Message", lambda e: str(e.get("message") or e.get("note") or "").strip()),
        column("First Seen", lambda e: event_age(e, *first), priority=1),
        column("Count", event_count, priority=1),
        Column(named.name, named.type, named.description, named.read, "name", 1),
    ]


def pod_columns() -> list[Column]:
    """Pods."""
    return [
        column("Ready", pod_ready),
        column("Status", pod_status),
        column("Restarts", pod_restarts),
        age_column(),
        column("IP", lambda p: at(p, "status", "podIP") or NONE, priority=1),
        column("Node", lambda p: p["spec"].get("nodeName") or NONE, priority=1),
        column("Nominated Node", lambda p: at(p, "status", "nominatedNodeName") or NONE,
               priority=1),
        column("Readiness Gates", lambda p: NONE, priority=1),
    ]  # fmt: skip


def node_columns() -> list[Column]:
    """Nodes."""

    def info(name: str) -> Callable[[Document], str]:
        return lambda n: str(at(n, "status", "nodeInfo", name) or UNKNOWN)

    return [
        column("Status", node_status),
        column("Roles", node_roles),
        age_column(),
        column("Version", lambda n: at(n, "status", "nodeInfo", "kubeletVersion")),
        column("Internal-IP", node_address("InternalIP"), priority=1),
        column("External-IP", node_address("ExternalIP"), priority=1),
        column("OS-Image", info("osImage"), priority=1),
        column("Kernel-Version", info("kernelVersion"), priority=1),
        column("Container-Runtime", info("containerRuntimeVersion"), priority=1),
    ]


def service_columns() -> list[Column]:
    """Services."""
    return [
        column("Type", lambda s: s["spec"].get("type", "")),
        column("Cluster-IP", lambda s: (s["spec"].get("clusterIPs") or [NONE])[0]),
        column("External-IP", external_addresses),
        column("Port(s)", service_ports),
        age_column(),
        column("Selector", lambda s: labels_text(s["spec"].get("selector")), priority=1),
    ]


def deployment_columns() -> list[Column]:
    """Deployments."""

    def ready(obj: Document) -> str:
        return f"{at(obj, 'status', 'readyReplicas', default=0)}/{obj['spec'].get('replicas', 1)}"

    return [
        column("Ready", ready),
        column("Up-to-date", status_number("updatedReplicas")),
        column("Available", status_number("availableReplicas")),
        age_column(),
        *workload_columns(),
    ]


def daemonset_columns() -> list[Column]:
    """DaemonSets."""
    numbers = {
        "Desired": "desiredNumberScheduled",
        "Current": "currentNumberScheduled",
        "Ready": "numberReady",
        "Up-to-date": "updatedNumberScheduled",
        "Available": "numberAvailable",
    }
    out = [column(n, status_number(f), "integer") for n, f in numbers.items()]
    path = ("spec", "template", "spec", "nodeSelector")
    return [
        *out,
        column("Node Selector", lambda d: labels_text(at(d, *path, default=None))),
        age_column(),
        *workload_columns(),
    ]


def binding_columns() -> list[Column]:
    """RoleBindings and ClusterRoleBindings."""
    return [
        column("Role", lambda b: f"{b['roleRef'].get('kind')}/{b['roleRef'].get('name')}"),
        age_column(),
        column("Users", subjects("User"), priority=1),
        column("Groups", subjects("Group"), priority=1),
        column("ServiceAccounts", subjects("ServiceAccount"), priority=1),
    ]


def data_column(kind: str = "string") -> Column:
    """How many entries there are."""
    return column("Data", lambda o: len(o.get("data") or ()) + len(o.get("binaryData") or ()), kind)


def columns_of(kind: str) -> list[Column]:
    """The columns of a kind; name and moment of creation when it has none of its own."""
    hooks = column("Webhooks", lambda o: len(o.get("webhooks") or ()), "integer")
    makers: dict[str, Callable[[], Iterable[Column]]] = {
        "Service": service_columns,
        "Pod": pod_columns,
        "Node": node_columns,
        "Deployment": deployment_columns,
        "DaemonSet": daemonset_columns,
        "RoleBinding": binding_columns,
        "ClusterRoleBinding": binding_columns,
        "Namespace": lambda: [column("Status", lambda n: at(n, "status", "phase")), age_column()],
        "Endpoints": lambda: [column("Endpoints", endpoints_text), age_column()],
        "EndpointSlice": lambda: [
            column("AddressType", lambda s: s.get("addressType", "")),
            column("Ports", slice_ports),
            column("Endpoints", slice_addresses),
            age_column(),
        ],
        "ConfigMap": lambda: [data_column(), age_column()],
        "Secret": lambda: [
            column("Type", lambda s: s.get("type", "")), data_column(), age_column(),
        ],
        "ServiceAccount": lambda: [age_column()],
        "Lease": lambda: [
            column("Holder", lambda o: at(o, "spec", "holderIdentity")), age_column(),
        ],
        "ValidatingWebhookConfiguration": lambda: [hooks, age_column()],
        "MutatingWebhookConfiguration": lambda: [hooks, age_column()],
    }  # fmt: skip
    if kind == "Event":
        return event_columns()
    if kind in makers:
        return [name_column(), *makers[kind]()]
    created = column("Created At", lambda o: o["metadata"].get("creationTimestamp"), "date")
    return [name_column(), created]


def give_columns(resources: Iterable[Resource]) -> None:
    """Tells the strategies of built-in kinds how they are printed."""
    for resource in resources:
        resource.strategy.columns = tuple(columns_of(resource.kind))
