"""EndpointSlices and Leases."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.errors import (
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
    too_many,
)
from metallb_lab.apiserver.kinds.addresses import IP_RULE, is_address
from metallb_lab.apiserver.kinds.service_validation import PROTOCOLS
from metallb_lab.apiserver.metadata import label_1123, subdomain
from metallb_lab.apiserver.resources import PlainStrategy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_lab.apiserver.documents import Document

ADDRESS_TYPES = ["FQDN", "IPv4", "IPv6"]
MAX_ENDPOINTS = 1000
MAX_ADDRESSES = 100


class EndpointSliceStrategy(PlainStrategy):
    """``discovery.k8s.io/v1`` EndpointSlices."""

    generations = True

    def default(self, obj: Document) -> None:
        """Ports have a name and are TCP; endpoints have conditions."""
        for port in obj.get("ports") or ():
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")
        for endpoint in obj.get("endpoints") or ():
            endpoint.setdefault("conditions", {})
        for name in ("endpoints", "ports"):  # the storage knows no empty list
            obj[name] = obj.get(name) or None

    def spec_of(self, obj: Document) -> Any:
        """Labels count here, unlike anywhere else."""
        return [obj.get(n) for n in ("addressType", "endpoints", "ports")] + [
            obj["metadata"].get("labels")
        ]

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """``ValidateEndpointSlice``."""
        kind = new.get("addressType", "")
        found = []
        if not kind:
            found.append(required("addressType"))
        elif kind not in ADDRESS_TYPES:
            found.append(not_supported("addressType", kind, ADDRESS_TYPES))
        found += port_errors(new.get("ports") or [])
        endpoints = new.get("endpoints") or []
        if len(endpoints) > MAX_ENDPOINTS:
            found.append(too_many("endpoints", len(endpoints), MAX_ENDPOINTS))
        else:
            for index, endpoint in enumerate(endpoints):
                found += endpoint_errors(endpoint, kind, f"endpoints[{index}]")
        if old is not None and kind != old.get("addressType"):
            found.append(invalid("addressType", kind, "field is immutable"))
        return found

    def warnings(self, new: Document, old: Document | None) -> Iterable[str]:
        """FQDN is on its way out."""
        if old is None and new.get("addressType") == "FQDN":
            return ("spec.addressType: FQDN endpoints are deprecated",)
        return ()


def port_errors(ports: list[Document]) -> list[FieldError]:
    """Names once, known protocols."""
    found = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        path = f"ports[{index}]"
        if port["name"] and (fault := label_1123(port["name"])):
            found.append(invalid(f"{path}.name", port["name"], fault))
        if port["name"] in names:
            found.append(duplicate(f"{path}.name", port["name"]))
        names.add(port["name"])
        if port["protocol"] not in PROTOCOLS:
            found.append(not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS))
    return found


def endpoint_errors(endpoint: Document, kind: str, path: str) -> list[FieldError]:
    """Addresses of the slice's type."""
    addresses = endpoint.get("addresses") or []
    where = f"{path}.addresses"
    found = []
    if not addresses:
        found.append(required(where, "must contain at least 1 address"))
    elif len(addresses) > MAX_ADDRESSES:
        found.append(too_many(where, len(addresses), MAX_ADDRESSES))
    for index, text in enumerate(addresses):
        if kind in ("IPv4", "IPv6"):
            found += address_errors(text, kind, where, index)
        elif kind == "FQDN":
            found += domain_errors(text, f"{where}[{index}]")
    node = endpoint.get("nodeName")
    if node is not None and (fault := subdomain(node)):
        found.append(invalid(f"{path}.nodeName", node, fault))
    hostname = endpoint.get("hostname")
    if hostname is not None and (fault := label_1123(hostname)):
        found.append(invalid(f"{path}.hostname", hostname, fault))
    return found


def domain_errors(text: str, at: str) -> list[FieldError]:
    """``IsFullyQualifiedDomainName``."""
    name = text.removesuffix(".")
    if not name:
        return [required(at)]
    if fault := subdomain(name):
        return [invalid(at, text, fault)]
    if "." not in name:
        return [
            invalid(at, text, "should be a domain with at least two segments separated by dots")
        ]
    return []


def address_errors(text: str, kind: str, where: str, index: int) -> list[FieldError]:
    """One address, which must be one of a machine."""
    at = f"{where}[{index}]"
    if not is_address(text):
        return [invalid(at, text, IP_RULE)]
    found = []
    address = ip_address(text)
    if f"IPv{address.version}" != kind:
        found.append(invalid(where, text, f"must be an {kind} address"))
    if address.is_unspecified:
        found.append(invalid(at, text, f"may not be unspecified ({text})"))
    if address.is_loopback:
        found.append(invalid(at, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if address.is_link_local:
        why = "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
        found.append(invalid(at, text, why))
    return found


class LeaseStrategy(PlainStrategy):
    """``coordination.k8s.io/v1`` Leases."""

    create_on_update = True
    unconditional_update = False
    qualified_finalizers = "never"

    def default(self, obj: Document) -> None:
        """A lease has a spec; fields behind a gate that is shut are dropped."""
        spec = obj.setdefault("spec", {})
        for gated in ("strategy", "preferredHolder"):
            spec.pop(gated, None)

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """``ValidateLeaseSpec``."""
        spec = new["spec"]
        found = []
        seconds = spec.get("leaseDurationSeconds")
        if seconds is not None and seconds <= 0:
            found.append(invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
        transitions = spec.get("leaseTransitions")
        if transitions is not None and transitions < 0:
            why = "must be greater than or equal to 0"
            found.append(invalid("spec.leaseTransitions", transitions, why))
        return found
