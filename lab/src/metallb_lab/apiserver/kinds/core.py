"""Namespaces, ConfigMaps, Secrets, ServiceAccounts, Endpoints."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import metadata
from metallb_lab.apiserver.errors import FieldError, forbidden, invalid, required, too_long
from metallb_lab.apiserver.kinds.addresses import IP_RULE, is_address
from metallb_lab.apiserver.resources import PlainStrategy, Strategy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_lab.apiserver.documents import Document

KEY = re.compile(r"[-._a-zA-Z0-9]+")
KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
DATA_LIMIT = 1024 * 1024
FROZEN = "field is immutable when `immutable` is set"
ENDPOINTS_DEPRECATED = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"


class NamespaceStrategy(Strategy):
    """``v1`` Namespaces; they go when a controller finalizes them, as in the real server."""

    returns_deleted = True
    has_status = True
    selectable = ("status.phase",)

    def name_fault(self, name: str) -> str | None:
        """A DNS label."""
        return metadata.label_1123(name)

    def field_fault(self, name: str) -> str | None:
        """Namespaces have no namespace to select by."""
        if name in ("metadata.name", "status.phase"):
            return None
        return self.field_text.format(name)

    def default(self, obj: Document) -> None:
        """The label with its own name."""
        obj.setdefault("spec", {})
        obj.setdefault("status", {}).setdefault("phase", "Active")
        if name := obj["metadata"].get("name"):
            obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name

    def prepare_create(self, new: Document) -> None:
        """Active, and kept by the finalizer of its content."""
        self.default(new)
        new["status"] = {"phase": "Active"}
        finalizers = new["spec"].setdefault("finalizers", [])
        if "kubernetes" not in finalizers:
            finalizers.append("kubernetes")

    def prepare_update(self, new: Document, old: Document) -> None:
        """Finalizers and status have their own paths."""
        new["spec"] = old["spec"]
        new["status"] = old["status"]


class ConfigMapStrategy(PlainStrategy):
    """``v1`` ConfigMaps."""

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """Keys, size, and that an immutable one stays as it is."""
        found = key_errors(new.get("data", {}), "data")
        found += key_errors(new.get("binaryData", {}), "binaryData")
        found += [
            invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
            for key in new.get("data", {})
            if key in new.get("binaryData", {})
        ]
        size = sum(len(v.encode()) for v in new.get("data", {}).values())
        if size + sum(len(v) * 3 // 4 for v in new.get("binaryData", {}).values()) > DATA_LIMIT:
            found.append(too_long("[]", DATA_LIMIT))
        return [*found, *frozen_errors(new, old, ("data", "binaryData"))]


class SecretStrategy(Strategy):
    """``v1`` Secrets."""

    selectable = ("type",)

    def default(self, obj: Document) -> None:
        """Opaque; ``stringData`` goes into ``data``."""
        if not obj.get("type"):
            obj["type"] = "Opaque"
        plain: dict[str, str] = obj.pop("stringData", {})
        for key, value in plain.items():
            encoded = base64.b64encode(value.encode()).decode()
            obj.setdefault("data", {})[key] = encoded

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """Keys, size, type; an immutable one stays as it is."""
        data = new.get("data", {})
        found = key_errors(data, "data")
        if sum(len(v) * 3 // 4 for v in data.values()) > DATA_LIMIT:
            found.append(too_long("data", DATA_LIMIT))
        if new["type"] == "kubernetes.io/tls":
            found += [required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data]
        if old is not None and new["type"] != old["type"]:
            found.append(invalid("type", new["type"], "field is immutable"))
        return [*found, *frozen_errors(new, old, ("data",))]


def key_errors(data: dict[str, Any], path: str) -> list[FieldError]:
    """Keys are file names."""
    found = []
    for key in data:
        if len(key) > 253:
            found.append(invalid(f"{path}[{key}]", key, "must be no more than 253 bytes"))
        elif not KEY.fullmatch(key):
            found.append(invalid(f"{path}[{key}]", key, KEY_RULE))
        elif key in (".", ".."):
            found.append(invalid(f"{path}[{key}]", key, f"may not be '{key}'"))
    return found


def frozen_errors(new: Document, old: Document | None, parts: tuple[str, ...]) -> list[FieldError]:
    """What ``immutable: true`` freezes."""
    if old is None or not old.get("immutable"):
        return []
    found = [forbidden(part, FROZEN) for part in parts if new.get(part) != old.get(part)]
    if not new.get("immutable"):
        found.insert(0, forbidden("immutable", FROZEN))
    return found


class ServiceAccountStrategy(PlainStrategy):
    """``v1`` ServiceAccounts."""

    returns_deleted = True


class EndpointsStrategy(PlainStrategy):
    """``v1`` Endpoints, deprecated but watched by many."""

    create_on_update = True

    def default(self, obj: Document) -> None:
        """Ports are TCP."""
        for subset in obj.get("subsets", ()):
            for port in subset.get("ports", ()):
                port.setdefault("protocol", "TCP")

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """Addresses and ports."""
        found = []
        for index, subset in enumerate(new.get("subsets", ())):
            path = f"subsets[{index}]"
            if not subset.get("addresses") and not subset.get("notReadyAddresses"):
                why = "must specify `addresses` or `notReadyAddresses`"
                found.append(required(path, why))
            for name in ("addresses", "notReadyAddresses"):
                found += [
                    invalid(f"{path}.{name}[{at}].ip", entry.get("ip", ""), IP_RULE)
                    for at, entry in enumerate(subset.get(name, ()))
                    if not is_address(entry.get("ip", ""))
                ]
        return found

    def request_warnings(self) -> Iterable[str]:
        """Every request is told."""
        return (ENDPOINTS_DEPRECATED,)
