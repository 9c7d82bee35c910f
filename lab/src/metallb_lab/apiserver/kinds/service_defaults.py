"""Services: defaults, and what a change of type wipes.

Ports of ``SetDefaults_Service``, ``dropTypeDependentFields``, ``normalizeClusterIPs`` and
``patchAllocatedValues``; the predicates that those and the allocation share live here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

DEFAULT_AFFINITY_SECONDS = 10800
POLICIES = ("Cluster", "Local")
PORTED_TYPES = ("NodePort", "LoadBalancer")


# ---------------------------------------------------------------- predicates


def is_headless(spec: Document) -> bool:
    """``clusterIPs: [None]``."""
    return spec.get("clusterIPs") == ["None"]


def needs_cluster_ip(spec: Document) -> bool:
    """All but ExternalName."""
    return spec.get("type") != "ExternalName"


def allocates_node_ports(spec: Document) -> bool:
    """Whether missing node ports are picked."""
    if spec.get("type") == "LoadBalancer":
        return bool(spec.get("allocateLoadBalancerNodePorts", True))
    return spec.get("type") == "NodePort"


def needs_health_check(spec: Document) -> bool:
    """LoadBalancer with the Local policy."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def externally_accessible(spec: Document) -> bool:
    """Whether externalTrafficPolicy has a meaning."""
    if spec.get("type") in PORTED_TYPES:
        return True
    return bool(spec.get("type") == "ClusterIP" and spec.get("externalIPs"))


def node_ports(spec: Document) -> set[int]:
    """Node ports in use by a spec."""
    return {p["nodePort"] for p in spec.get("ports", ()) if p.get("nodePort")}


def same_cluster_ips(old: Document, new: Document) -> bool:
    """Both spellings unchanged."""
    singular = old.get("clusterIP", "") == new.get("clusterIP", "")
    return bool(singular and old.get("clusterIPs", []) == new.get("clusterIPs", []))


# ---------------------------------------------------------------- defaults


def set_defaults(service: Document) -> None:
    """What decoding fills in, on every write."""
    spec = service.setdefault("spec", {})
    default_affinity(spec)
    kind = spec.setdefault("type", "ClusterIP")
    for port in spec.get("ports", ()):
        default_port(port)
    if externally_accessible(spec):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind in ("ClusterIP", *PORTED_TYPES):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    status = service.setdefault("status", {})
    balancer = status.setdefault("loadBalancer", {})
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for ingress in balancer.get("ingress", ()):
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def default_affinity(spec: Document) -> None:
    """The sessionAffinity and its timeout."""
    affinity = spec.setdefault("sessionAffinity", "None")
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        config = spec.get("sessionAffinityConfig") or {}
        if (config.get("clientIP") or {}).get("timeoutSeconds") is None:
            timeout = {"timeoutSeconds": DEFAULT_AFFINITY_SECONDS}
            spec["sessionAffinityConfig"] = {"clientIP": timeout}


def default_port(port: Document) -> None:
    """One entry of ``ports``."""
    port.setdefault("protocol", "TCP")
    if port.get("targetPort", 0) in (0, ""):
        port["targetPort"] = port.get("port", 0)


# ---------------------------------------------------------------- linked fields


def hide_internal_policy(spec: Document) -> None:
    """An ExternalName Service never shows a policy that is right in itself."""
    if spec.get("type") == "ExternalName" and spec.get("internalTrafficPolicy") in POLICIES:
        del spec["internalTrafficPolicy"]


def normalize_cluster_ips(new: Document, old: Document | None) -> None:
    """Keeps ``clusterIP`` and ``clusterIPs`` together for clients that know only the first."""
    one, many = new.get("clusterIP", ""), new.get("clusterIPs") or []
    if old is None:
        if one and not many:
            new["clusterIPs"] = [one]
        return
    old_one, old_many = old.get("clusterIP", ""), old.get("clusterIPs") or []
    if old_many and not many and old_one == one:
        new["clusterIPs"] = many = list(old_many)
    if old_one == one or many != old_many:
        return
    if old_one and not one:
        new.pop("clusterIPs", None)
    else:
        new["clusterIPs"] = [one]


def patch_allocated_values(new: Document, old: Document) -> None:
    """Keeps what was allocated when a client sends the object without it."""
    if needs_cluster_ip(old) and needs_cluster_ip(new):
        if not new.get("clusterIP") and old.get("clusterIP"):
            new["clusterIP"] = old["clusterIP"]
        if not new.get("clusterIPs") and old.get("clusterIPs"):
            new["clusterIPs"] = list(old["clusterIPs"])
    if allocates_node_ports(old) and allocates_node_ports(new):
        kept = node_ports(old) & node_ports(new)
        by_name = {p.get("name", ""): p.get("nodePort", 0) for p in old.get("ports", ())}
        for port in new.get("ports", ()):
            before = by_name.get(port.get("name", ""), 0)
            if not port.get("nodePort") and before and before not in kept:
                port["nodePort"] = before
    both = needs_health_check(old) and needs_health_check(new)
    if both and not new.get("healthCheckNodePort") and old.get("healthCheckNodePort"):
        new["healthCheckNodePort"] = old["healthCheckNodePort"]


def drop_type_dependent(new: Document, old: Document) -> None:
    """Wipes what no longer applies after a change of type and was not touched by the client."""
    after, before = new["spec"], old["spec"]
    if needs_cluster_ip(before) and not needs_cluster_ip(after):
        if same_cluster_ips(before, after):
            after.pop("clusterIP", None)
            after.pop("clusterIPs", None)
        for name in ("ipFamilies", "ipFamilyPolicy"):
            drop_if_same(after, before, name)
    ported = before.get("type") in PORTED_TYPES and after.get("type") not in PORTED_TYPES
    if ported and node_ports(before) >= node_ports(after):
        for port in after.get("ports", ()):
            port.pop("nodePort", None)
    if needs_health_check(before) and not needs_health_check(after):
        drop_if_same(after, before, "healthCheckNodePort")
    if before.get("type") == "LoadBalancer" and after.get("type") != "LoadBalancer":
        for name in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            drop_if_same(after, before, name)
    if externally_accessible(before) and not externally_accessible(after):
        drop_if_same(after, before, "externalTrafficPolicy")
    if after.get("type") != "LoadBalancer":
        new["status"] = new.get("status", {}) | {"loadBalancer": {}}


def drop_if_same(after: Document, before: Document, name: str) -> None:
    """Wipes one field unless the client changed it."""
    if name in after and after[name] == before.get(name):
        del after[name]
