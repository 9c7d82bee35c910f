"""Structural schemas, read once into nodes; defaults and pruning.

A ``Node`` is one level of an ``openAPIV3Schema``. ``apply_defaults`` and ``prune`` change the
document they get, which is the request's own copy; ``prune`` reports what it removed, for
fieldValidation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.documents import copied

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

META_FIELDS = frozenset({"apiVersion", "kind", "metadata"})
VALUE_KEYWORDS = (
    "format", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "maxItems", "minItems", "multipleOf", "enum", "maxProperties",
    "minProperties", "required",
)  # fmt: skip
JUNCTORS = ("allOf", "anyOf", "oneOf")


@dataclass(eq=False, slots=True)
class Node:
    """One level of a schema."""

    type: str = ""
    nullable: bool = False
    properties: dict[str, Node] = field(default_factory=dict)
    additional: Node | None = None
    items: Node | None = None
    preserve: bool = False
    int_or_string: bool = False
    embedded: bool = False
    has_default: bool = False
    default: Any = None
    keywords: dict[str, Any] = field(default_factory=dict)
    junctors: dict[str, list[Node]] = field(default_factory=dict)
    negated: Node | None = None
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    map_type: str = "granular"
    rules: list[dict[str, Any]] = field(default_factory=list)


def read_node(schema: Document) -> Node:
    """Reads one level and what is below it."""
    node = Node(
        type=schema.get("type", ""),
        nullable=bool(schema.get("nullable")),
        preserve=bool(schema.get("x-kubernetes-preserve-unknown-fields")),
        int_or_string=bool(schema.get("x-kubernetes-int-or-string")),
        embedded=bool(schema.get("x-kubernetes-embedded-resource")),
        has_default=schema.get("default") is not None,
        default=schema.get("default"),
        list_type=schema.get("x-kubernetes-list-type", "atomic"),
        list_keys=tuple(schema.get("x-kubernetes-list-map-keys") or ()),
        map_type=schema.get("x-kubernetes-map-type", "granular"),
        rules=list(schema.get("x-kubernetes-validations") or ()),
    )
    node.keywords = {name: schema[name] for name in VALUE_KEYWORDS if name in schema}
    node.properties = {n: read_node(s) for n, s in (schema.get("properties") or {}).items()}
    node.junctors = {
        name: [read_node(s) for s in schema[name]] for name in JUNCTORS if schema.get(name)
    }
    if isinstance(schema.get("not"), dict):
        node.negated = read_node(schema["not"])
    if isinstance(items := schema.get("items"), dict):
        node.items = read_node(items)
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        node.additional = read_node(additional)
    elif additional is True:
        node.additional = Node(preserve=True)
    return node


def read_root(schema: Document) -> Node:
    """The root is always a resource: its metadata are not the schema's to prune."""
    node = read_node(schema)
    node.embedded = True
    return node


# ---------------------------------------------------------------- defaults


def apply_defaults(value: Any, node: Node) -> None:
    """Fills in defaults; null where null is not allowed counts as absent."""
    if type(value) is dict:
        for name, child in node.properties.items():
            if child.has_default and (
                name not in value or (value[name] is None and not child.nullable)
            ):
                value[name] = copied(child.default)
        for name, inner in value.items():
            below = node.properties.get(name, node.additional)
            if below is not None and type(inner) in (dict, list):
                apply_defaults(inner, below)
    elif type(value) is list and node.items is not None:
        for index, inner in enumerate(value):
            if inner is None and not node.items.nullable and node.items.has_default:
                value[index] = copied(node.items.default)
            apply_defaults(value[index], node.items)


def drop_nulls(value: Any, node: Node) -> None:
    """Removes null where it is not allowed and no default takes its place."""
    if type(value) is dict:
        for name in list(value):
            below = node.properties.get(name, node.additional)
            if below is None:
                continue
            if value[name] is None and not below.nullable and not below.has_default:
                if name in node.properties or below is node.additional:
                    del value[name]
            else:
                drop_nulls(value[name], below)
    elif type(value) is list and node.items is not None:
        for inner in value:
            drop_nulls(inner, node.items)


# ---------------------------------------------------------------- pruning


def prune(value: Any, node: Node | None, path: str = "", found: list[str] | None = None) -> None:
    """Removes what the schema does not name, and tells where it was."""
    if node is not None and node.preserve:
        skip_prune(value, node, path, found)
    elif type(value) is dict:
        for name in list(value):
            if node is not None and node.embedded and name in META_FIELDS:
                continue
            below = None if node is None else node.properties.get(name, node.additional)
            if below is None:
                if found is not None and not (not path and name in META_FIELDS):
                    found.append(joined(path, name))
                del value[name]
            elif type(value[name]) in (dict, list):
                prune(value[name], below, joined(path, name), found)
    elif type(value) is list:
        below = None if node is None else node.items
        for index, inner in enumerate(value):
            if type(inner) in (dict, list):
                prune(inner, below, f"{path}[{index}]", found)


def skip_prune(value: Any, node: Node, path: str, found: list[str] | None) -> None:
    """Unknown fields stay here; below named ones pruning goes on."""
    if type(value) is dict:
        for name, inner in value.items():
            if node.embedded and name in META_FIELDS:
                continue
            below = node.properties.get(name, node.additional)
            if below is not None:
                prune(inner, below, joined(path, name), found)
    elif type(value) is list and node.items is not None:
        for index, inner in enumerate(value):
            skip_prune(inner, node.items, f"{path}[{index}]", found)


def joined(path: str, name: str) -> str:
    """A field below a path."""
    return f"{path}.{name}" if path else name
