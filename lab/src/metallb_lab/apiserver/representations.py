"""How objects are written out: whole, as metadata only, as rows of a table.

An object, or an event of a watch, is encoded once for each representation and kept with it;
tables are not, because they show ages. Lists are put together from their items' bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.documents import encode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.resources import Column, Resource
    from metallb_lab.apiserver.store import Stored

Form = Literal["object", "partial", "table"]
META_V1 = "meta.k8s.io/v1"
JSON = "application/json"
AS = {"Table": "table", "PartialObjectMetadata": "partial", "PartialObjectMetadataList": "partial"}


@dataclass(frozen=True)
class Representation:
    """A form, and for tables how much of the object goes with each row."""

    form: Form = "object"
    include: str = "Metadata"
    content_type: str = JSON


WHOLE = Representation()


# ---------------------------------------------------------------- negotiation


def negotiate(accept: str, query: dict[str, str]) -> Representation:
    """The first acceptable type that we can write; 406 when there is none.

    Protobuf and YAML may be asked for before JSON, but only JSON is written.
    """
    if accept in ("", "*/*", JSON):
        return WHOLE
    for clause in ordered(accept):
        media, parameters = clause
        if media not in (JSON, "*/*"):
            continue
        if "as" not in parameters:
            return WHOLE
        found = transformed(parameters, query)
        if found is not None:
            return found
    raise errors.ApiError(
        406, "NotAcceptable", f"only the following media types are accepted: {JSON}", {}
    )


def ordered(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Clauses by quality, then by place."""
    clauses = []
    for index, part in enumerate(accept.split(",")):
        media, *rest = (p.strip() for p in part.split(";"))
        parameters = dict(p.split("=", 1) for p in rest if "=" in p)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        if quality > 0:
            clauses.append((-quality, index, media, parameters))
    return [(media, parameters) for _, _, media, parameters in sorted(clauses, key=lambda c: c[:2])]


def transformed(parameters: dict[str, str], query: dict[str, str]) -> Representation | None:
    """``as=Table;v=v1;g=meta.k8s.io`` and the partial metadata."""
    form = AS.get(parameters["as"])
    group, version = parameters.get("g", "meta.k8s.io"), parameters.get("v", "v1")
    if form is None or group != "meta.k8s.io" or version != "v1":
        return None
    include = query.get("includeObject", "Metadata") or "Metadata"
    return Representation("table" if form == "table" else "partial", include)


# ---------------------------------------------------------------- objects


def view(resource: Resource, stored: Stored) -> Document:
    """An object as a version of its resource shows it; computed once."""
    key = ("view", resource.strategy)
    cached: Any = stored.encodings.get(key)
    if cached is None:
        cached = resource.strategy.on_read(stored.value)
        stored.encodings[key] = cached
    shown: Document = cached
    return shown


def has_view(resource: Resource, stored: Stored) -> bool:
    """Whether an object can be shown without converting it."""
    return ("view", resource.strategy) in stored.encodings


def remember_view(resource: Resource, stored: Stored, shown: Document) -> None:
    """Saves computing what the writer knows already."""
    stored.encodings["view", resource.strategy] = shown  # type: ignore[assignment]


def partial(shown: Document) -> Document:
    """Metadata and nothing else."""
    metadata = shown["metadata"]
    return {"kind": "PartialObjectMetadata", "apiVersion": META_V1, "metadata": metadata}


def encode_object(resource: Resource, stored: Stored, how: Representation) -> bytes:
    """One object."""
    if how.form == "table":
        return encode(table(resource, [stored], {"resourceVersion": str(stored.version)}, how))
    key = (how.form, resource.strategy)
    if (cached := stored.encodings.get(key)) is None:
        shown = view(resource, stored)
        cached = encode(partial(shown) if how.form == "partial" else shown)
        stored.encodings[key] = cached
    return cached


def encode_item(resource: Resource, stored: Stored, how: Representation) -> bytes:
    """One item of a list: built-in kinds leave out what the list says already."""
    if resource.custom or how.form == "partial":
        return encode_object(resource, stored, how)
    key = ("item", resource.strategy)
    if (cached := stored.encodings.get(key)) is None:
        shown = view(resource, stored)
        cached = encode({k: v for k, v in shown.items() if k not in ("apiVersion", "kind")})
        stored.encodings[key] = cached
    return cached


def encode_list(
    resource: Resource, items: Iterable[Stored], metadata: Document, how: Representation
) -> bytes:
    """A list."""
    if how.form == "table":
        return encode(table(resource, items, metadata, how))
    if how.form == "partial":
        kind, version = "PartialObjectMetadataList", META_V1
    else:
        kind, version = resource.list_kind, str(resource.gv)
    head = encode({"kind": kind, "apiVersion": version, "metadata": metadata})
    body = b",".join([encode_item(resource, stored, how) for stored in items])
    return head[:-1] + b',"items":[' + body + b"]}"


# ---------------------------------------------------------------- tables


def table(
    resource: Resource,
    items: Iterable[Stored],
    metadata: Document,
    how: Representation,
    *,
    with_columns: bool = True,
) -> Document:
    """Server-side printing."""
    columns = resource.strategy.columns
    rows = [row(columns, view(resource, stored), how) for stored in items]
    definitions = [definition(c) for c in columns] if with_columns else []
    return {
        "kind": "Table",
        "apiVersion": META_V1,
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    }


def definition(column: Column) -> Document:
    """The head of a column."""
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def row(columns: Iterable[Column], shown: Document, how: Representation) -> Document:
    """The cells of one object, and as much of the object as was asked for."""
    cells = [column.read(shown) for column in columns]
    if how.include == "None":
        return {"cells": cells, "object": None}
    whole = how.include == "Object"
    return {"cells": cells, "object": shown if whole else partial(shown)}
