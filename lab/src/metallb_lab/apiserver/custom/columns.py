"""Printer columns of CRDs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.ages import human_age
from metallb_lab.apiserver.jsonpath import parse_path
from metallb_lab.apiserver.resources import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_lab.apiserver.documents import Document

AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
AGE_DESCRIPTION = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. "
    "It is not guaranteed to be set in happens-before order across separate operations. Clients "
    "may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the "
    "system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
NAME_DESCRIPTION = (
    "Name must be unique within a namespace. Is required when creating resources, although some "
    "resources may allow a client to request the generation of an appropriate name automatically. "
    "Name is primarily intended for creation idempotence and configuration definition. Cannot be "
    "updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)


def name_column() -> Column:
    """The first column of every table."""
    return Column("Name", "string", NAME_DESCRIPTION, lambda o: o["metadata"]["name"], "name")


def custom_columns(declared: list[Document] | None) -> tuple[Column, ...]:
    """Name, and what the CRD declares; age alone when it declares nothing."""
    out = [name_column()]
    for entry in declared or [AGE]:
        description = entry.get("description", "")
        if entry["jsonPath"] == AGE["jsonPath"] and not description:
            description = AGE_DESCRIPTION
        read = reader(entry["jsonPath"], entry["type"])
        out.append(
            Column(
                entry["name"],
                entry["type"],
                description,
                read,
                entry.get("format", ""),
                entry.get("priority", 0),
            )
        )
    return tuple(out)


def reader(path: str, kind: str) -> Callable[[Document], Any]:
    """A cell of one column; null when there is nothing to show."""
    compiled = parse_path(path)

    def read(obj: Document) -> Any:
        values = compiled.find(obj)
        if not values:
            return None
        return cell(values[0], kind)

    return read


def cell(first: Any, kind: str) -> Any:
    """The first value that a path leads to, as a table shows it."""
    match kind:
        case "integer":
            if isinstance(first, str):
                return int(first) if first.lstrip("-").isdigit() else None
            return int(first) if isinstance(first, int | float) else None
        case "number":
            return float(first) if isinstance(first, int | float) else None
        case "boolean":
            return first if isinstance(first, bool) else None
        case "date":
            return human_age(first) if isinstance(first, str) else "<unknown>"
    return shown(first)


def shown(value: Any) -> str:
    """One value in a string column."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"))
    return "<nil>" if value is None else str(value)
