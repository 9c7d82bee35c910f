"""Services: validation of everything that is an address, and of how addresses may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_lab.apiserver.errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from metallb_lab.apiserver.kinds.addresses import (
    CIDR_RULE,
    IP_RULE,
    is_address,
    is_network,
    parse_address,
)
from metallb_lab.apiserver.kinds.service_defaults import is_headless

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

FAMILIES = ["IPv4", "IPv6"]
FAMILY_POLICIES = ["PreferDualStack", "RequireDualStack", "SingleStack"]
FIXED = "may not change once set"
ONLY_BALANCER = "may only be used when `type` is 'LoadBalancer'"


def cluster_ip_errors(spec: Document, before: Document | None) -> list[FieldError]:
    """``ValidateServiceClusterIPsRelatedFields``."""
    if spec.get("type") == "ExternalName":
        return []
    one, many = spec.get("clusterIP", ""), spec.get("clusterIPs") or []
    found = []
    if one and not many:
        found.append(required("spec.clusterIPs"))
    elif one and many[0] != one:
        found.append(invalid("spec.clusterIPs", many, "first value must match `clusterIP`"))
    elif not one and many:
        why = "must be empty when `clusterIP` is not specified"
        found.append(invalid("spec.clusterIPs", many, why))
    found += family_value_errors(spec)
    faults = cluster_ip_value_errors(many, (before or {}).get("clusterIPs") or [])
    if len(many) > 2:
        faults.append(invalid("spec.clusterIPs", many, "may only hold up to 2 values"))
    if any("None" in str(f) or "valid IP" in str(f) for f in faults):
        return [*found, *faults]
    found += faults
    if len(many) == 2 and (":" in many[0]) == (":" in many[1]):
        why = "may specify no more than one IP for each IP family"
        found.append(invalid("spec.clusterIPs", many, why))
    if not is_headless(spec):
        pairs = zip(many, spec.get("ipFamilies", ()), strict=False)
        for index, (address, family) in enumerate(pairs):
            if family in FAMILIES and (family == "IPv6") != (":" in address):
                why = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
                found.append(invalid(f"spec.clusterIPs[{index}]", address, why))
    return found


def family_value_errors(spec: Document) -> list[FieldError]:
    """Known, no family twice, a known policy."""
    found = []
    seen: set[str] = set()
    for index, family in enumerate(spec.get("ipFamilies", ())):
        if family not in FAMILIES:
            found.append(not_supported(f"spec.ipFamilies[{index}]", family, FAMILIES))
        if family in seen:
            found.append(duplicate(f"spec.ipFamilies[{index}]", family))
        seen.add(family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in FAMILY_POLICIES:
        found.append(not_supported("spec.ipFamilyPolicy", policy, FAMILY_POLICIES))
    return found


def cluster_ip_value_errors(many: list[str], known: list[str]) -> list[FieldError]:
    """Addresses, or None alone."""
    found = []
    for index, address in enumerate(many):
        if index == 0 and address == "None":
            if len(many) > 1:
                why = "'None' must be the first and only value"
                found.append(invalid("spec.clusterIPs", many, why))
        elif address not in known and not is_address(address):
            found.append(invalid(f"spec.clusterIPs[{index}]", address, IP_RULE))
    return found


def external_ip_errors(spec: Document, before: Document | None) -> list[FieldError]:
    """Addresses of machines, not of loops."""
    known = (before or {}).get("externalIPs") or []
    found = []
    for index, text in enumerate(spec.get("externalIPs", ())):
        path = f"spec.externalIPs[{index}]"
        address = parse_address(text)
        if address is None:
            if text not in known:
                found.append(invalid(path, text, IP_RULE))
            continue
        if address.is_unspecified:
            found.append(invalid(path, text, f"may not be unspecified ({text})"))
        if address.is_loopback:
            why = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
            found.append(invalid(path, text, why))
        if address.is_link_local:
            why = "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
            found.append(invalid(path, text, why))
    return found


def source_range_errors(spec: Document) -> list[FieldError]:
    """The loadBalancerSourceRanges."""
    ranges: list[str] = spec.get("loadBalancerSourceRanges") or []
    path = "spec.LoadBalancerSourceRanges"
    found = []
    if ranges and spec.get("type") != "LoadBalancer":
        found.append(forbidden(path, ONLY_BALANCER))
    for index, text in enumerate(ranges):
        if not is_network(text.strip()):
            found.append(invalid(f"{path}[{index}]", text.strip(), CIDR_RULE))
    return found


def cluster_ip_change_errors(spec: Document, before: Document) -> list[FieldError]:
    """``validateUpgradeDowngradeClusterIPs``: the primary stays; the second may come and go."""
    if is_headless(spec) and is_headless(before):
        return []
    new, old = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    if len(new) == len(old):
        return [
            invalid(f"spec.clusterIPs[{index}]", new, FIXED)
            for index, pair in enumerate(zip(old, new, strict=True))
            if pair[0] != pair[1]
        ]
    found = []
    if not new:
        found.append(invalid("spec.clusterIPs[0]", None, "primary clusterIP can not be unset"))
    elif old and new[0] != old[0]:
        found.append(invalid("spec.clusterIPs[0]", new, FIXED))
    if len(new) == 1 and len(old) == 2 and spec.get("ipFamilyPolicy") != "SingleStack":
        why = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        found.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), why))
    return found


def family_change_errors(spec: Document, before: Document) -> list[FieldError]:
    """``validateUpgradeDowngradeIPFamilies``."""
    if is_headless(spec) or is_headless(before):
        return []
    new, old = spec.get("ipFamilies") or [], before.get("ipFamilies") or []
    path = "spec.ipFamilies[0]"
    if len(new) == len(old):
        return [
            invalid(path, new, FIXED) for pair in zip(old, new, strict=True) if pair[0] != pair[1]
        ]
    found = []
    if new and old and new[0] != old[0]:
        found.append(invalid(path, spec.get("clusterIPs"), FIXED))
    if len(new) == 1 and len(old) == 2 and spec.get("ipFamilyPolicy") != "SingleStack":
        why = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        found.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), why))
    return found
