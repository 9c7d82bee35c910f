"""The published OpenAPI types of the core kinds, read once and turned into shapes.

The definitions come with PyPI's ``kubernetes-validate`` (Apache-2.0), which carries those of
every release; ours is :data:`RELEASE`. A ``Shape`` is one schema node with references resolved,
compiled on first use, so that a server that only sees Services never looks at a Pod. Shapes serve
decoding (:mod:`.decoding`), strategic merge patch and the OpenAPI that we publish.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast

import orjson

RELEASE = "v1.35.0"

ShapeType = Literal[
    "object", "map", "array", "string", "integer", "number", "boolean", "any", "int-or-string",
    "quantity", "time", "micro-time", "bytes",
]  # fmt: skip

WELL_KNOWN: dict[str, ShapeType] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "micro-time",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": "any",
}


@dataclass(eq=False)
class Shape:
    """One node of a type."""

    type: ShapeType
    struct: str = ""
    format: str = ""
    properties: dict[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    items: Shape | None = None
    patch_strategy: frozenset[str] = frozenset()
    merge_key: str = ""
    drops: frozenset[str] = frozenset()
    keeps: dict[str, Any] = field(default_factory=dict)


@cache
def definitions() -> dict[str, dict[str, Any]]:
    """All published definitions by their long names."""
    package = find_spec("kubernetes_validate")  # found, not imported: that would take 0.1 s
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "kubernetes-json-schema" / f"{RELEASE}-local"
    loaded: dict[str, Any] = orjson.loads((folder / "_definitions.json").read_bytes())
    found: dict[str, dict[str, Any]] = loaded["$defs"]
    return found


@cache
def definition_names() -> dict[tuple[str, str, str], str]:
    """(group, version, kind) -> long name, for top-level kinds."""
    out = {}
    for name, schema in definitions().items():
        kinds = schema.get("x-kubernetes-group-version-kind") or []
        if len(kinds) == 1:
            out[(kinds[0]["group"], kinds[0]["version"], kinds[0]["kind"])] = name
    return out


@cache
def shape_of(group: str, version: str, kind: str) -> Shape:
    """The shape of a top-level kind."""
    return named_shape(definition_names()[(group, version, kind)])


_named: dict[str, Shape] = {}


def named_shape(name: str) -> Shape:
    """The shape of a definition; recursive types refer to themselves."""
    if name in _named:
        return _named[name]
    if name in WELL_KNOWN:
        shape = Shape(WELL_KNOWN[name])
        _named[name] = shape
        return shape
    shape = Shape("object", struct=name.rpartition(".")[2])
    _named[name] = shape
    fill(shape, definitions()[name])
    zeros = zero_values().get(name, {"drop": droppable(shape), "keep": {}})
    shape.drops, shape.keeps = frozenset(zeros["drop"]), zeros["keep"]
    return shape


@cache
def zero_values() -> dict[str, dict[str, Any]]:
    """Which zero values Go leaves out and which it writes, by definition.

    The file is made by ``lab/tools/zero_values/generate.py`` from the Go types.
    """
    path = Path(__file__).with_name("zero_values.json")
    found: dict[str, dict[str, Any]] = orjson.loads(path.read_bytes())
    return found


def droppable(shape: Shape) -> list[str]:
    """For types that are not in the table: empty lists and maps that may be missing."""
    return [
        name
        for name, inner in shape.properties.items()
        if inner.type in ("array", "map") and name not in shape.required
    ]


def fill(shape: Shape, schema: dict[str, Any]) -> None:
    """Reads one schema into a shape that exists already."""
    shape.type = shape_type(schema)
    shape.format = schema.get("format", "")
    shape.required = frozenset(schema.get("required") or ())
    if shape.type == "object":
        shape.properties = {n: node(s) for n, s in schema["properties"].items()}
    elif shape.type == "map":
        shape.items = node(schema["additionalProperties"])
    elif shape.type == "array":
        shape.items = node(schema["items"])


def node(schema: dict[str, Any]) -> Shape:
    """The shape of an inner schema, with the patch strategy of the field that holds it."""
    strategy = schema.get("x-kubernetes-patch-strategy", "")
    key = schema.get("x-kubernetes-patch-merge-key", "")
    if "$ref" in schema:
        target = named_shape(schema["$ref"].rpartition("/")[2])
        if not strategy:
            return target
        return Reference(target, frozenset(strategy.split(",")), key)
    shape = Shape("any")
    fill(shape, schema)
    shape.patch_strategy = frozenset(strategy.split(",")) if strategy else frozenset()
    shape.merge_key = key
    return shape


class Reference(Shape):
    """A named type behind a field with a patch strategy of its own."""

    def __init__(self, target: Shape, strategy: frozenset[str], key: str) -> None:
        self.__dict__ = target.__dict__ | {"patch_strategy": strategy, "merge_key": key}


def shape_type(schema: dict[str, Any]) -> ShapeType:
    """The kind of a schema node; the published ones also allow null everywhere."""
    named = schema.get("type")
    kind = next((t for t in named if t != "null"), None) if isinstance(named, list) else named
    match kind:
        case "object" | None if "properties" in schema:
            return "object"
        case "object" if "additionalProperties" in schema:
            return "map"
        case "string" if schema.get("format") == "byte":
            return "bytes"
        case "string" if schema.get("format") == "date-time":
            return "time"
        case "array" | "string" | "integer" | "number" | "boolean":
            return cast("ShapeType", kind)
    return "any"
