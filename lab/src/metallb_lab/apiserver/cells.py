"""Cells of the printer columns of the built-in kinds. Ports of ``pkg/printers/internalversion``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.ages import human_age

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_lab.apiserver.documents import Document

NONE, UNKNOWN = "<none>", "<unknown>"
SHOWN_ENDPOINTS = 3
ROLE_PREFIX = "node-role.kubernetes.io/"


def age_of(obj: Document) -> str:
    """The age of an object."""
    return human_age(obj["metadata"].get("creationTimestamp"))


def at(obj: Document, *path: str, default: Any = "") -> Any:
    """A value below some fields."""
    value: Any = obj
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return default if value is None else value


def labels_text(labels: Document | None) -> str:
    """``a=b,c=d``."""
    return ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items())) or NONE


def selector_text(selector: Document | None) -> str:
    """A LabelSelector as a query string."""
    selector = selector or {}
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        key, operator = expression["key"], expression["operator"]
        values = ",".join(sorted(expression.get("values") or ()))
        match operator:
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(key)
            case _:
                parts.append(f"!{key}")
    return ",".join(parts) or NONE


def with_more(shown: list[str], count: int) -> str:
    """Three, and how many more."""
    if not shown:
        return "<unset>"
    more = f" + {count - SHOWN_ENDPOINTS} more..." if count > SHOWN_ENDPOINTS else ""
    return ",".join(shown) + more


def containers_cells(index: str, spec: Document) -> str:
    """Names or images of containers."""
    return ",".join(c.get(index, "") for c in at(spec, "containers", default=[]))


def external_addresses(service: Document) -> str:
    """The EXTERNAL-IP column."""
    spec = service["spec"]
    extra = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return ",".join(extra) or NONE
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case "LoadBalancer":
            ingress = at(service, "status", "loadBalancer", "ingress", default=[])
            given = {i.get("ip") or i.get("hostname") for i in ingress} - {None, ""}
            return ",".join([*sorted(given), *extra]) or "<pending>"
    return UNKNOWN


def service_ports(service: Document) -> str:
    """The PORT(S) column."""
    out = []
    for port in at(service, "spec", "ports", default=[]):
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        out.append(f"{port.get('port', 0)}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(out) or NONE


def endpoints_text(endpoints: Document) -> str:
    """Addresses of Endpoints."""
    found: list[str] = []
    for subset in endpoints.get("subsets") or ():
        addresses = [a.get("ip", "") for a in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        if not ports:
            found += addresses
        for port in ports:
            found += [
                f"[{a}]:{port['port']}" if ":" in a else f"{a}:{port['port']}" for a in addresses
            ]
    if not endpoints.get("subsets"):
        return NONE
    more = len(found) - SHOWN_ENDPOINTS
    return ",".join(found[:SHOWN_ENDPOINTS]) + (f" + {more} more..." if more > 0 else "")


def slice_ports(obj: Document) -> str:
    """Ports of an EndpointSlice."""
    ports = [str(p.get("port") or p.get("name") or "*") for p in obj.get("ports") or ()]
    return with_more(ports[:SHOWN_ENDPOINTS], len(ports))


def slice_addresses(obj: Document) -> str:
    """Addresses of an EndpointSlice."""
    found = [a for e in obj.get("endpoints") or () for a in e.get("addresses") or ()]
    return with_more(found[:SHOWN_ENDPOINTS], len(found))


def node_status(node: Document) -> str:
    """Ready, NotReady, SchedulingDisabled."""
    ready = [c for c in at(node, "status", "conditions", default=[]) if c.get("type") == "Ready"]
    status = ["Ready" if c.get("status") == "True" else "NotReady" for c in ready] or ["Unknown"]
    if at(node, "spec", "unschedulable", default=False):
        status.append("SchedulingDisabled")
    return ",".join(status)


def node_roles(node: Document) -> str:
    """Roles, which are labels."""
    labels = node["metadata"].get("labels") or {}
    roles = {k.removeprefix(ROLE_PREFIX) for k in labels if k.startswith(ROLE_PREFIX)}
    if "kubernetes.io/role" in labels:
        roles.add(labels["kubernetes.io/role"])
    return ",".join(sorted(roles - {""})) or NONE


def node_address(kind: str) -> Callable[[Document], str]:
    """The first address of a kind."""

    def read(node: Document) -> str:
        addresses = at(node, "status", "addresses", default=[])
        return next((a["address"] for a in addresses if a.get("type") == kind), NONE)

    return read


def pod_ready(pod: Document) -> str:
    """How many containers are ready."""
    statuses = at(pod, "status", "containerStatuses", default=[])
    return f"{sum(bool(s.get('ready')) for s in statuses)}/{len(pod['spec'].get('containers', ()))}"


def pod_status(pod: Document) -> str:
    """The phase, unless something says it better."""
    status = at(pod, "status", "reason") or at(pod, "status", "phase")
    for container in at(pod, "status", "containerStatuses", default=[]):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason"):
            status = waiting["reason"]
        elif ended.get("reason"):
            status = ended["reason"]
    return "Terminating" if "deletionTimestamp" in pod["metadata"] else str(status)


def pod_restarts(pod: Document) -> str:
    """How often containers were restarted."""
    statuses = at(pod, "status", "containerStatuses", default=[])
    return str(sum(s.get("restartCount", 0) for s in statuses))


def event_age(event: Document, *names: str) -> str:
    """The age of the first timestamp that is set."""
    for name in names:
        value = at(event, *name.split("."), default=None)
        if value:
            return human_age(value)
    return UNKNOWN


def event_object(event: Document) -> str:
    """What an event is about."""
    about = event.get("involvedObject") or event.get("regarding") or {}
    kind = about.get("kind", "").lower()
    return f"{kind}/{about['name']}" if about.get("name") else kind


def event_source(event: Document) -> str:
    """Who reported."""
    source = event.get("source") or event.get("deprecatedSource") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or ""
    return f"{component}, {host}" if host else component


def event_count(event: Document) -> int:
    """How often it happened."""
    return int(
        at(event, "series", "count", default=0)
        or event.get("count")
        or event.get("deprecatedCount")
        or 1
    )


def subjects(kind: str) -> Callable[[Document], str]:
    """Subjects of a binding, of one kind."""

    def read(binding: Document) -> str:
        found = [s for s in binding.get("subjects") or () if s.get("kind") == kind]
        names = [
            f"{s.get('namespace')}/{s['name']}" if kind == "ServiceAccount" else s["name"]
            for s in found
        ]
        return ", ".join(names)

    return read


def status_number(name: str) -> Callable[[Document], int]:
    """A number of the status."""
    return lambda obj: int(at(obj, "status", name, default=0))
