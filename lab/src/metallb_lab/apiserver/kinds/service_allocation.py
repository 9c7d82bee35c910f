"""Services: IP families, cluster IPs, node ports and health check ports.

Ports of ``registry/core/service/storage/alloc.go``. Each request works on a ``Claim``; the caller
commits it with the write or reverts it, which is also how a dry run leaves no trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.errors import FieldError, invalid
from metallb_lab.apiserver.kinds.allocators import (
    AddressPool,
    Claim,
    FullError,
    PortPool,
    TakenError,
)
from metallb_lab.apiserver.kinds.service_addresses import cluster_ip_errors
from metallb_lab.apiserver.kinds.service_defaults import (
    PORTED_TYPES,
    allocates_node_ports,
    is_headless,
    needs_health_check,
    node_ports,
    same_cluster_ips,
)

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

FAMILIES = ("IPv4", "IPv6")


def family_of(address: str) -> str:
    """By its look; the address was validated."""
    return "IPv6" if ":" in address else "IPv4"


def refuse(service: Document, found: list[FieldError]) -> None:
    """422 when there is anything to say."""
    if found:
        raise errors.invalid_object("Service", "", service["metadata"].get("name", ""), found)


class ServiceAllocation:
    """The pools of one server."""

    def __init__(self, cidrs: tuple[str, ...], ports: tuple[int, int]) -> None:
        pools = [AddressPool(cidr) for cidr in cidrs]
        self.pools = {pool.family: pool for pool in pools}
        self.primary = pools[0].family
        self.ports = PortPool(*ports)

    # ------------------------------------------------------------ the three occasions

    def create(self, service: Document, claim: Claim) -> None:
        """A new Service."""
        self.init_families(service, None)
        spec = service["spec"]
        if spec.get("type") != "ExternalName" and not is_headless(spec):
            self._fill_addresses(service, claim)
        if spec.get("type") in PORTED_TYPES:
            self._init_node_ports(service, claim)
        if needs_health_check(spec):
            self._health_check_port(spec, claim)

    def update(self, service: Document, old: Document, claim: Claim) -> None:
        """A changed one."""
        self.init_families(service, old)
        self._update_addresses(service, old, claim)
        spec, before = service["spec"], old["spec"]
        if before.get("type") in PORTED_TYPES and spec.get("type") not in PORTED_TYPES:
            for port in node_ports(before):
                claim.leave_port(self.ports, port)
        if spec.get("type") in PORTED_TYPES:
            self._update_node_ports(service, before, claim)
        if not needs_health_check(before) and needs_health_check(spec):
            self._health_check_port(spec, claim)
        elif needs_health_check(before) and not needs_health_check(spec):
            claim.leave_port(self.ports, before.get("healthCheckNodePort", 0))

    def release(self, service: Document) -> None:
        """A deleted one."""
        spec = service["spec"]
        if spec.get("type") != "ExternalName" and not is_headless(spec):
            for address in spec.get("clusterIPs", ()):
                if pool := self.pools.get(family_of(address)):
                    pool.release(address)
        for port in node_ports(spec):
            self.ports.release(port)
        if needs_health_check(spec):
            self.ports.release(spec.get("healthCheckNodePort", 0))

    # ------------------------------------------------------------ families

    def init_families(self, service: Document, old: Document | None) -> None:
        """``initIPFamilyFields``: policy and families from what the client gave."""
        spec = service["spec"]
        before = old["spec"] if old else None
        if spec.get("type") == "ExternalName" or matching_prefer_dual(spec, before):
            return
        if "ipFamilyPolicy" not in spec:
            spec["ipFamilyPolicy"] = default_policy(spec, before)
        refuse(service, cluster_ip_errors(spec, before))
        found = release_errors(spec, before) if before is not None else []
        found += single_stack_errors(spec)
        found += self._infer_families(spec)
        refuse(service, found)
        if is_headless(spec) and not spec.get("selector"):
            families = spec.setdefault("ipFamilies", [self.primary])
            if len(families) < 2 and spec["ipFamilyPolicy"] != "SingleStack":
                families.append(other(families[0]))
            return
        refuse(service, self._unconfigured(spec))
        families = spec.setdefault("ipFamilies", [self.primary])
        wants_two = spec["ipFamilyPolicy"] != "SingleStack" and len(self.pools) == 2
        if wants_two and len(families) == 1:
            families.append(other(families[0]))

    def _infer_families(self, spec: Document) -> list[FieldError]:
        """Families of addresses that the client asked for."""
        found = []
        for index, address in enumerate(spec.get("clusterIPs", ())):
            if address == "None":
                break
            if index < len(spec.get("ipFamilies", ())):
                continue
            family = family_of(address)
            if family in self.pools:
                spec.setdefault("ipFamilies", []).append(family)
            else:
                why = f"{family} is not configured on this cluster"
                found.append(invalid(f"spec.clusterIPs[{index}]", spec["clusterIPs"], why))
        return found

    def _unconfigured(self, spec: Document) -> list[FieldError]:
        found = []
        if spec["ipFamilyPolicy"] == "RequireDualStack" and len(self.pools) < 2:
            why = "this cluster is not configured for dual-stack services"
            found.append(invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], why))
        for index, family in enumerate(spec.get("ipFamilies", ())):
            if family not in self.pools:
                field = f"spec.ipFamilies[{index}]"
                found.append(invalid(field, family, "not configured on this cluster"))
        return found

    # ------------------------------------------------------------ addresses

    def _fill_addresses(self, service: Document, claim: Claim) -> None:
        """An address of each family, as asked for or any."""
        spec = service["spec"]
        wanted = list(spec.get("clusterIPs") or [])
        wanted += [""] * (len(spec["ipFamilies"]) - len(wanted))
        taken = [
            self._take(service, family, wanted[index], claim)
            for index, family in enumerate(spec["ipFamilies"])
        ]
        spec["clusterIPs"] = taken
        spec["clusterIP"] = taken[0]

    def _take(self, service: Document, family: str, wanted: str, claim: Claim) -> str:
        try:
            return claim.address(self.pools[family], wanted)
        except TakenError as why:
            text = f"failed to allocate IP {wanted}: {why}"
            asked = service["spec"].get("clusterIPs")
            refuse(service, [invalid("spec.clusterIPs", asked, text)])
            raise AssertionError from why
        except FullError:
            raise errors.internal("failed to allocate a serviceIP: range is full") from None

    def _update_addresses(self, service: Document, old: Document, claim: Claim) -> None:
        spec, before = service["spec"], old["spec"]
        if matching_prefer_dual(spec, before):
            return
        was_external = before.get("type") == "ExternalName"
        is_external = spec.get("type") == "ExternalName"
        if was_external and not is_external:
            if not is_headless(spec):
                self._fill_addresses(service, claim)
            return
        if is_headless(before) or was_external:
            return
        families, old_families = spec.get("ipFamilies", []), before.get("ipFamilies", [])
        if is_external:
            for address in before.get("clusterIPs", ()):
                claim.leave_address(self.pools[family_of(address)], address)
        elif len(old_families) == 1 and len(families) == 2:
            wanted = spec["clusterIPs"][1] if len(spec["clusterIPs"]) > 1 else ""
            second = self._take(service, families[1], wanted, claim)
            spec["clusterIPs"] = [spec["clusterIPs"][0], second]
        elif len(old_families) == 2 and len(families) == 1:
            gone = before["clusterIPs"][1]
            claim.leave_address(self.pools[family_of(gone)], gone)

    # ------------------------------------------------------------ ports

    def _init_node_ports(self, service: Document, claim: Claim) -> None:
        spec = service["spec"]
        by_port: dict[int, int] = {}
        for index, port in enumerate(spec.get("ports", ())):
            wanted = port.get("nodePort", 0)
            if not wanted and not allocates_node_ports(spec):
                continue
            number = port.get("port", 0)
            known = by_port.get(number, 0)
            if not known:
                asked = next(
                    (
                        p["nodePort"]
                        for p in spec["ports"]
                        if p.get("port") == number and p.get("nodePort")
                    ),
                    0,
                )
                port["nodePort"] = self._take_port(service, index, asked, claim)
                by_port[number] = port["nodePort"]
            elif not wanted:
                port["nodePort"] = known
            elif wanted != known:
                self._take_port(service, index, wanted, claim)

    def _update_node_ports(self, service: Document, before: Document, claim: Claim) -> None:
        spec = service["spec"]
        held = node_ports(before)
        fresh: set[int] = set()
        for index, port in enumerate(spec.get("ports", ())):
            wanted = port.get("nodePort", 0)
            if not wanted and not allocates_node_ports(spec):
                continue
            if not wanted:
                port["nodePort"] = self._take_port(service, index, 0, claim)
            elif wanted not in held and wanted not in fresh:
                self._take_port(service, index, wanted, claim)
                fresh.add(wanted)
        for port in held - node_ports(spec):
            claim.leave_port(self.ports, port)

    def _take_port(self, service: Document, index: int, wanted: int, claim: Claim) -> int:
        try:
            return claim.port(self.ports, wanted)
        except TakenError as why:
            refuse(service, [invalid(f"spec.ports[{index}].nodePort", wanted, str(why))])
            raise AssertionError from why
        except FullError:
            raise errors.internal("failed to allocate a nodePort: range is full") from None

    def _health_check_port(self, spec: Document, claim: Claim) -> None:
        wanted = spec.get("healthCheckNodePort", 0)
        try:
            spec["healthCheckNodePort"] = claim.port(self.ports, wanted)
        except (TakenError, FullError) as why:
            text = f"failed to allocate requested HealthCheck NodePort {wanted}: {why}"
            raise errors.internal(text) from why


def other(family: str) -> str:
    """The family that this one is not."""
    return FAMILIES[1 - FAMILIES.index(family)]


def default_policy(spec: Document, before: Document | None) -> str:
    """The ipFamilyPolicy when the client gave none."""
    if before is not None and "ipFamilyPolicy" in before:
        return str(before["ipFamilyPolicy"])
    if spec.get("clusterIP") == "None" and not spec.get("selector"):
        return "RequireDualStack"
    return "SingleStack"


def matching_prefer_dual(spec: Document, before: Document | None) -> bool:
    """A PreferDualStack Service whose address fields did not change is left alone."""
    if before is None or before.get("type") != spec.get("type"):
        return False
    if spec.get("type") not in ("ClusterIP", *PORTED_TYPES):
        return False
    if spec.get("ipFamilyPolicy") != "PreferDualStack":
        return False
    if before.get("ipFamilyPolicy", "PreferDualStack") != "PreferDualStack":
        return False
    same = spec.get("ipFamilies", []) == before.get("ipFamilies", [])
    return same and same_cluster_ips(before, spec)


def release_errors(spec: Document, before: Document) -> list[FieldError]:
    """SingleStack drops the second of each; any other policy may not lose one."""
    found = []
    for name, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        new, old = spec.get(name, []), before.get(name, [])
        if spec["ipFamilyPolicy"] == "SingleStack":
            if new == old and len(new) > 1:
                spec[name] = new[:1]
        elif new and len(new) < len(old):
            why = f"must be 'SingleStack' to release the secondary {what}"
            found.append(invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], why))
    return found


def single_stack_errors(spec: Document) -> list[FieldError]:
    """Two of anything contradict SingleStack."""
    found = []
    if spec["ipFamilyPolicy"] == "SingleStack":
        for name, what in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")):
            if len(spec.get(name, ())) == 2:
                why = (
                    "must be 'RequireDualStack' or 'PreferDualStack' when multiple "
                    f"{what} are specified"
                )
                found.append(invalid("spec.ipFamilyPolicy", "SingleStack", why))
    return found
