"""Pods; nothing here runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.documents import copied
from metallb_lab.apiserver.errors import FieldError, forbidden
from metallb_lab.apiserver.kinds.pod_defaults import (
    CONTAINER_LISTS,
    default_pod_spec,
    validate_pod_spec,
)
from metallb_lab.apiserver.resources import Strategy

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

CHANGEABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)
TOLERATED_SECONDS = 300
TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
DEFAULT_GRACE_SECONDS = 30


class PodStrategy(Strategy):
    """``v1`` Pods; nothing here runs them."""

    returns_deleted = True
    has_status = True
    generations = True
    selectable = (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs",
        "status.nominatedNodeName",
    )  # fmt: skip

    def default(self, obj: Document) -> None:
        """``SetDefaults_Pod``."""
        spec = obj.setdefault("spec", {})
        default_pod_spec(spec)
        spec.setdefault("enableServiceLinks", True)
        for listing in CONTAINER_LISTS:
            for container in spec.get(listing, ()):
                if spec.get("hostNetwork"):
                    for port in container.get("ports", ()):
                        port.setdefault("hostPort", port.get("containerPort", 0))
                resources = container["resources"]
                for name, limit in resources.get("limits", {}).items():
                    resources.setdefault("requests", {}).setdefault(name, limit)

    def prepare_create(self, new: Document) -> None:
        """Pending, with the tolerations that admission adds."""
        super().prepare_create(new)
        new["status"] = {"phase": "Pending", "qosClass": qos_class(new["spec"])}
        tolerations = new["spec"].setdefault("tolerations", [])
        known = {t.get("key") for t in tolerations}
        tolerations += [
            {
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": TOLERATED_SECONDS,
            }
            for key in TOLERATED
            if key not in known
        ]

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """A complete spec, of which hardly anything may change."""
        if old is None:
            return validate_pod_spec(new["spec"], "spec")
        if fixed_part(new["spec"]) != fixed_part(old["spec"]):
            return [forbidden("spec", CHANGEABLE)]
        return []

    def grace_seconds(self, obj: Document, asked: int | None) -> int | None:
        """The pod's own period unless asked; none for pods without a node or that have ended."""
        if not obj["spec"].get("nodeName"):
            return 0
        if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        if asked is not None:
            return asked
        return int(obj["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS))

    def read_field(self, obj: Any, name: str) -> str:
        """``spec.hostNetwork`` is false when absent."""
        if name == "status.podIPs":
            return ",".join(ip.get("ip", "") for ip in obj.get("status", {}).get("podIPs", ()))
        found = super().read_field(obj, name)
        return found or ("false" if name == "spec.hostNetwork" else "")


def qos_class(spec: Document) -> str:
    """Guaranteed, Burstable or BestEffort."""
    resources = [c["resources"] for listing in CONTAINER_LISTS for c in spec.get(listing, ())]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    exact = all(
        {"cpu", "memory"} <= set(r.get("limits", {})) and r.get("limits") == r.get("requests")
        for r in resources
    )
    return "Guaranteed" if exact else "Burstable"


def fixed_part(spec: Document) -> Document:
    """A pod's spec without what may change."""
    out: Document = copied(spec)
    for name in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"):
        out.pop(name, None)
    for listing in CONTAINER_LISTS:
        for container in out.get(listing, ()):
            container.pop("image", None)
    return out
