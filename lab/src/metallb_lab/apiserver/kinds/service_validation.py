"""Services: validation. Ports of ``validateService`` and its parts, with their messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from metallb_lab.apiserver.kinds.addresses import IP_RULE, address_warnings, is_address
from metallb_lab.apiserver.kinds.service_addresses import (
    FIXED,
    ONLY_BALANCER,
    cluster_ip_change_errors,
    cluster_ip_errors,
    external_ip_errors,
    family_change_errors,
    source_range_errors,
)
from metallb_lab.apiserver.kinds.service_defaults import (
    PORTED_TYPES,
    externally_accessible,
    is_headless,
    needs_health_check,
)
from metallb_lab.apiserver.metadata import label_1123, subdomain
from metallb_lab.apiserver.selectors import label_value_fault, qualified_name_fault

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
PROTOCOLS = ["SCTP", "TCP", "UDP"]
AFFINITIES = ["ClientIP", "None"]
TRAFFIC_POLICIES = ["Cluster", "Local"]
IP_MODES = ["Proxy", "VIP"]
DISTRIBUTIONS = ["PreferClose", "PreferSameZone", "PreferSameNode"]
MAX_AFFINITY_SECONDS = 86400
PORT_RANGE = "must be between 1 and 65535, inclusive"


def validate(service: Document, old: Document | None = None) -> list[FieldError]:
    """Everything but metadata."""
    spec = service["spec"]
    before = old["spec"] if old else None
    return [
        *type_errors(spec),
        *ports_errors(spec),
        *selector_errors(spec),
        *affinity_errors(spec),
        *cluster_ip_errors(spec, before),
        *external_ip_errors(spec, before),
        *([] if spec.get("type") in TYPES else [not_supported("spec.type", spec["type"], TYPES)]),
        *node_port_errors(spec),
        *duplicate_port_errors(spec),
        *source_range_errors(spec),
        *balancer_errors(spec),
        *traffic_errors(spec),
    ]


def validate_update(service: Document, old: Document) -> list[FieldError]:
    """What may not change, and then everything."""
    spec, before = service["spec"], old["spec"]
    found = []
    if "ExternalName" not in (spec.get("type"), before.get("type")):
        found += cluster_ip_change_errors(spec, before)
        found += family_change_errors(spec, before)
    both_balance = spec.get("type") == before.get("type") == "LoadBalancer"
    name = spec.get("loadBalancerClass")
    if both_balance and name != before.get("loadBalancerClass"):
        found.append(invalid("spec.loadBalancerClass", name, FIXED))
    if needs_health_check(spec) and needs_health_check(before):
        field = "healthCheckNodePort"
        if spec.get(field) != before.get(field):
            found.append(forbidden(f"spec.{field}", "field is immutable"))
    return [*found, *validate(service, old)]


def validate_status(service: Document) -> list[FieldError]:
    """``ValidateLoadBalancerStatus``."""
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", [])
    path = "status.loadBalancer.ingress"
    if ingress and service["spec"].get("type") != "LoadBalancer":
        return [forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
    found = []
    for index, entry in enumerate(ingress):
        found += ingress_errors(entry, f"{path}[{index}]")
    return found


def ingress_errors(entry: Document, path: str) -> list[FieldError]:
    """One address of the status."""
    found = []
    address, mode, hostname = entry.get("ip", ""), entry.get("ipMode"), entry.get("hostname", "")
    if address and not is_address(address):
        found.append(invalid(f"{path}.ip", address, IP_RULE))
    if mode is None and address:
        found.append(required(f"{path}.ipMode", "must be specified when `ip` is set"))
    elif mode is not None and not address:
        found.append(forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set"))
    elif mode is not None and mode not in IP_MODES:
        found.append(not_supported(f"{path}.ipMode", mode, IP_MODES))
    if hostname:
        if fault := subdomain(hostname):
            found.append(invalid(f"{path}.hostname", hostname, fault))
        if is_address(hostname):
            why = "must be a DNS name, not an IP address"
            found.append(invalid(f"{path}.hostname", hostname, why))
    return found


# ---------------------------------------------------------------- the spec, part by part


def type_errors(spec: Document) -> list[FieldError]:
    """What a type demands of other fields."""
    kind = spec.get("type")
    found = []
    if not spec.get("ports") and not is_headless(spec) and kind != "ExternalName":
        found.append(required("spec.ports"))
    if kind in PORTED_TYPES and is_headless(spec):
        why = f"may not be set to 'None' for {kind} services"
        found.append(invalid("spec.clusterIPs[0]", "None", why))
    if kind == "ExternalName":
        found += [
            forbidden(f"spec.{name}", "may not be set for ExternalName services")
            for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
            if spec.get(name) is not None
        ]
        target = spec.get("externalName", "").removesuffix(".")
        if not target:
            found.append(required("spec.externalName"))
        elif fault := subdomain(target):
            found.append(invalid("spec.externalName", target, fault))
    return found


def ports_errors(spec: Document) -> list[FieldError]:
    """Each port, and their names."""
    found = []
    names: set[str] = set()
    ports = spec.get("ports", ())
    for index, port in enumerate(ports):
        path = f"spec.ports[{index}]"
        name = port.get("name", "")
        if not name and len(ports) > 1:
            found.append(required(f"{path}.name"))
        elif name:
            if fault := label_1123(name):
                found.append(invalid(f"{path}.name", name, fault))
            if name in names:
                found.append(duplicate(f"{path}.name", name))
            names.add(name)
        found += port_errors(port, path)
    return found


def port_errors(port: Document, path: str) -> list[FieldError]:
    """One port."""
    found = []
    number = port.get("port", 0)
    if not 1 <= number <= 65535:
        found.append(invalid(f"{path}.port", number, PORT_RANGE))
    if port["protocol"] not in PROTOCOLS:
        found.append(not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS))
    target = port.get("targetPort", 0)
    if isinstance(target, int):
        if not 1 <= target <= 65535:
            found.append(invalid(f"{path}.targetPort", target, PORT_RANGE))
    else:
        found += [invalid(f"{path}.targetPort", target, why) for why in port_name_faults(target)]
    protocol = port.get("appProtocol")
    if protocol is not None and (fault := qualified_name_fault(protocol)):
        found.append(invalid(f"{path}.appProtocol", protocol, fault))
    return found


def port_name_faults(name: str) -> list[str]:
    """``IsValidPortName``."""
    found = []
    if len(name) > 15:
        found.append("must be no more than 15 bytes")
    if not re.fullmatch(r"[-a-z0-9]+", name):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", name):
        found.append("must contain at least one letter (a-z)")
    if "--" in name:
        found.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        found.append("must not begin or end with a hyphen")
    return found


def selector_errors(spec: Document) -> list[FieldError]:
    """The selector is a set of labels."""
    found = []
    for key, value in spec.get("selector", {}).items():
        if fault := qualified_name_fault(key):
            found.append(invalid("spec.selector", key, fault))
        if fault := label_value_fault(value):
            found.append(invalid("spec.selector", value, fault))
    return found


def affinity_errors(spec: Document) -> list[FieldError]:
    """The sessionAffinity and its timeout."""
    affinity = spec["sessionAffinity"]
    if affinity not in AFFINITIES:
        return [not_supported("spec.sessionAffinity", affinity, AFFINITIES)]
    if affinity == "None":
        return []
    seconds = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]
    if 0 < seconds <= MAX_AFFINITY_SECONDS:
        return []
    path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
    why = f"must be greater than 0 and less than {MAX_AFFINITY_SECONDS}"
    return [invalid(path, seconds, why)]


def node_port_errors(spec: Document) -> list[FieldError]:
    """None on ClusterIP; no (protocol, node port) twice."""
    found = []
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.get("ports", ())):
        node_port = port.get("nodePort", 0)
        if not node_port:
            continue
        path = f"spec.ports[{index}].nodePort"
        if spec.get("type") == "ClusterIP":
            found.append(forbidden(path, "may not be used when `type` is 'ClusterIP'"))
        pair = (port["protocol"], node_port)
        if pair in seen:
            found.append(duplicate(path, node_port))
        seen.add(pair)
    return found


def duplicate_port_errors(spec: Document) -> list[FieldError]:
    """No (protocol, port) twice."""
    found = []
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.get("ports", ())):
        pair = (port["protocol"], port.get("port", 0))
        if pair in seen:
            value = {"protocol": pair[0], "port": pair[1]}
            found.append(duplicate(f"spec.ports[{index}]", value))
        seen.add(pair)
    return found


def balancer_errors(spec: Document) -> list[FieldError]:
    """Fields of type LoadBalancer alone."""
    found = []
    balances = spec.get("type") == "LoadBalancer"
    if "allocateLoadBalancerNodePorts" in spec and not balances:
        found.append(forbidden("spec.allocateLoadBalancerNodePorts", ONLY_BALANCER))
    name = spec.get("loadBalancerClass")
    if name is not None and not balances:
        found.append(forbidden("spec.loadBalancerClass", ONLY_BALANCER))
    elif name is not None and (fault := qualified_name_fault(name)):
        found.append(invalid("spec.loadBalancerClass", name, fault))
    return found


def traffic_errors(spec: Document) -> list[FieldError]:
    """The traffic policies, the health check port, the distribution."""
    found: list[FieldError] = []
    policy = spec.get("externalTrafficPolicy", "")
    if not externally_accessible(spec):
        if policy:
            why = "may only be set for externally-accessible services"
            found.append(invalid("spec.externalTrafficPolicy", policy, why))
    elif policy not in TRAFFIC_POLICIES:
        found.append(not_supported("spec.externalTrafficPolicy", policy, TRAFFIC_POLICIES))
    found += health_check_errors(spec)
    one_of("spec.internalTrafficPolicy", spec, TRAFFIC_POLICIES, found)
    one_of("spec.trafficDistribution", spec, DISTRIBUTIONS, found)
    return found


def health_check_errors(spec: Document) -> list[FieldError]:
    """The healthCheckNodePort."""
    port = spec.get("healthCheckNodePort", 0)
    path = "spec.healthCheckNodePort"
    if needs_health_check(spec):
        if not port:
            return [required(path)]
        return [] if 1 <= port <= 65535 else [invalid(path, port, PORT_RANGE)]
    if port:
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        return [invalid(path, port, why)]
    return []


def one_of(path: str, spec: Document, values: list[str], found: list[FieldError]) -> None:
    """An optional field with a closed set of values."""
    value: Any = spec.get(path.rpartition(".")[2])
    if value is not None and value not in values:
        found.append(not_supported(path, value, values))


# ---------------------------------------------------------------- warnings


def warnings(service: Document) -> list[str]:
    """``GetWarningsForService``, for the fields that people set."""
    spec = service["spec"]
    found = []
    if is_headless(spec):
        if spec.get("loadBalancerIP"):
            found.append("spec.loadBalancerIP is ignored for headless services")
        if spec.get("externalIPs"):
            found.append("spec.externalIPs is ignored for headless services")
        if spec["sessionAffinity"] != "None":
            found.append("spec.SessionAffinity is ignored for headless services")
    named = [(f"spec.externalIPs[{i}]", ip) for i, ip in enumerate(spec.get("externalIPs", ()))]
    if spec.get("loadBalancerIP"):
        named.append(("spec.loadBalancerIP", spec["loadBalancerIP"]))
    for path, text in named:
        found += address_warnings(path, text)
    if spec["type"] != "ExternalName" and spec.get("externalName"):
        found.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec["type"] == "ExternalName" and spec.get("externalIPs"):
        found.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose":
        found.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return found
