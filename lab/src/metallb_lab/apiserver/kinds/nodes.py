"""Nodes; who runs one posts its status and its Lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.errors import (
    FieldError,
    forbidden,
    invalid,
    not_supported,
    required,
)
from metallb_lab.apiserver.kinds.addresses import CIDR_RULE, is_network
from metallb_lab.apiserver.resources import Strategy
from metallb_lab.apiserver.selectors import label_value_fault, qualified_name_fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_lab.apiserver.documents import Document

EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"]
FIXED = {"podCIDRs": "podCIDR", "providerID": "providerID"}


class NodeStrategy(Strategy):
    """``v1`` Nodes."""

    has_status = True
    selectable = ("spec.unschedulable",)

    def default(self, obj: Document) -> None:
        """Allocatable is the capacity unless given; podCIDR is the first of podCIDRs."""
        status = obj["status"]
        if "capacity" in status:
            status.setdefault("allocatable", dict(status["capacity"]))
        spec = obj["spec"]
        one, many = spec.get("podCIDR"), spec.get("podCIDRs")
        if one and (not many or many[0] != one):
            spec["podCIDRs"] = [one]
        elif many:
            spec["podCIDR"] = many[0]

    def prepare_create(self, new: Document) -> None:
        """A node may bring its status with it."""

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """Taints, pod networks, and what never changes."""
        spec = new["spec"]
        found = taint_errors(spec.get("taints", ()))
        found += [
            invalid(f"spec.podCIDRs[{index}]", text, CIDR_RULE)
            for index, text in enumerate(spec.get("podCIDRs", ()))
            if not is_network(text)
        ]
        if old is not None:
            found += [
                forbidden(
                    f"spec.{name}", f'node updates may not change {told} except from "" to valid'
                )
                for name, told in FIXED.items()
                if old["spec"].get(name) and spec.get(name) != old["spec"][name]
            ]
        return found

    def validate_status(self, new: Document, old: Document) -> list[FieldError]:
        """One address of a kind."""
        seen: set[tuple[str, str]] = set()
        found = []
        for index, entry in enumerate(new.get("status", {}).get("addresses", ())):
            pair = (entry.get("type", ""), entry.get("address", ""))
            if pair in seen:
                path = f"status.addresses[{index}]"
                found.append(FieldError("FieldValueDuplicate", path, entry))
            seen.add(pair)
        return found

    def field_fault(self, name: str) -> str | None:
        """Nodes have no namespace to select by."""
        if name in ("metadata.name", "spec.unschedulable"):
            return None
        return self.field_text.format(name)

    def read_field(self, obj: Any, name: str) -> str:
        """``spec.unschedulable`` is false when absent."""
        found = super().read_field(obj, name)
        return found or ("false" if name == "spec.unschedulable" else "")


def taint_errors(taints: Iterable[Document]) -> list[FieldError]:
    """``validateNodeTaints``: a key, a known effect, each pair once."""
    found = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        path = f"metadata.taints[{index}]"
        key, effect = taint["key"], taint["effect"]
        if fault := qualified_name_fault(key):
            found.append(invalid(f"{path}.key", key, fault))
        if fault := label_value_fault(taint.get("value", "")):
            found.append(invalid(f"{path}.value", taint["value"], fault))
        if not effect:
            found.append(required(f"{path}.effect"))
        elif effect not in EFFECTS:
            found.append(not_supported(f"{path}.effect", effect, EFFECTS))
        if (key, effect) in seen:
            why = "taints must be unique by key and effect pair"
            found.append(FieldError("FieldValueDuplicate", path, taint, why))
        seen.add((key, effect))
    return found
