"""OpenAPI, as far as clients use it: kubectl's explain, validation and patch choice; generators.

Version 3 has a document for each group version, version 2 one for all. Built-in kinds show the
published definitions, custom ones their CRD's schema. Paths carry what kubectl looks at: the kind
of each operation, the patch types, the query parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.custom.strategy import OBJECT_META, CustomStrategy
from metallb_lab.apiserver.openapi_types import WELL_KNOWN, definition_names, definitions
from metallb_lab.apiserver.patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.registry import Registry
    from metallb_lab.apiserver.resources import Resource

V3 = "#/components/schemas/"
V2 = "#/definitions/"
WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
LIST_PARAMETERS = ("labelSelector", "fieldSelector", "limit", "continue", "resourceVersion",
                   "resourceVersionMatch", "timeoutSeconds", "watch")  # fmt: skip
TYPE_META = {
    "apiVersion": "APIVersion defines the versioned schema of this representation of an object.",
    "kind": "Kind is a string value representing the REST resource this object represents.",
}


def index(registry: Registry) -> Document:
    """``/openapi/v3``."""
    paths = {}
    for group, versions in registry.groups().items():
        for version in versions:
            path = f"apis/{group}/{version}" if group else f"api/{version}"
            where = f"/openapi/v3/{path}?hash={registry.revision:08X}"
            paths[path] = {"serverRelativeURL": where}
    return {"paths": paths}


def document_v3(resources: list[Resource]) -> Document:
    """``/openapi/v3/apis/GROUP/VERSION``."""
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes (embedded)", "version": "v1.35.4"},
        "paths": paths(resources),
        "components": {"schemas": schemas(resources, V3)},
    }


def document_v2(registry: Registry) -> Document:
    """``/openapi/v2``."""
    everything = list(registry)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes (embedded)", "version": "v1.35.4"},
        "paths": paths(everything),
        "definitions": schemas(everything, V2),
    }


# ---------------------------------------------------------------- schemas


def schemas(resources: Iterable[Resource], prefix: str) -> Document:
    """The definitions of some resources, with all that they refer to."""
    out: Document = {}
    for resource in resources:
        strategy = resource.strategy
        if isinstance(strategy, CustomStrategy):
            add_definition(OBJECT_META, out, prefix)
            out[custom_name(resource)] = custom_schema(resource, strategy, prefix)
        else:
            key = (resource.group, resource.gv.version, resource.kind)
            add_definition(definition_names()[key], out, prefix)
    return out


def add_definition(name: str, out: Document, prefix: str) -> None:
    """One definition and, through it, others."""
    if name in out:
        return
    out[name] = {}
    out[name] = converted(definitions()[name], out, prefix, name)


def converted(schema: Any, out: Document, prefix: str, name: str = "") -> Any:
    """A published schema in the form that servers publish: no nulls, references wrapped."""
    if isinstance(schema, list):
        return [converted(item, out, prefix) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if name in WELL_KNOWN and "oneOf" in schema:
        return scalar_definition(schema, name, prefix)
    shown: Document = {}
    for key, value in schema.items():
        if key == "$ref":
            target = value.rpartition("/")[2]
            add_definition(target, out, prefix)
            reference = {"$ref": prefix + target}
            if prefix == V3 and len(schema) > 1:
                shown["allOf"] = [reference]
            else:
                shown |= reference
        elif key == "type" and isinstance(value, list):
            shown["type"] = next(t for t in value if t != "null")
        elif key == "properties":
            shown[key] = {n: converted(s, out, prefix) for n, s in value.items()}
        elif key == "x-kubernetes-group-version-kind":
            shown[key] = value
        else:
            shown[key] = converted(value, out, prefix)
    return shown


def scalar_definition(schema: Document, name: str, prefix: str) -> Document:
    """IntOrString and Quantity."""
    shown = {"description": schema["description"]} if "description" in schema else {}
    if prefix == V2:
        form = {"format": "int-or-string"} if name.endswith("IntOrString") else {}
        return shown | {"type": "string"} | form
    if name.endswith("IntOrString"):
        options = [{"type": "integer"}, {"type": "string"}]
        return shown | {"format": "int-or-string", "oneOf": options}
    return shown | {"oneOf": [{"type": "string"}, {"type": "number"}]}


def custom_name(resource: Resource) -> str:
    """``com.example.lab.v1.Foo``."""
    reverse = ".".join(reversed(resource.group.split(".")))
    return f"{reverse}.{resource.gv.version}.{resource.kind}"


def custom_schema(resource: Resource, strategy: CustomStrategy, prefix: str) -> Document:
    """A CRD's schema with what every object has."""
    shown = dict(strategy.schema)
    properties = dict(shown.get("properties") or {})
    for name, text in TYPE_META.items():
        properties[name] = {"type": "string", "description": text}
    properties["metadata"] = {
        "allOf": [{"$ref": prefix + OBJECT_META}],
        "description": "Standard object's metadata.",
    }
    if prefix == V2:
        properties["metadata"] = {"$ref": prefix + OBJECT_META}
    shown["properties"] = properties
    shown["x-kubernetes-group-version-kind"] = [kind_of(resource)]
    return shown


def kind_of(resource: Resource) -> Document:
    """The kind of an operation."""
    return {"group": resource.group, "kind": resource.kind, "version": resource.gv.version}


# ---------------------------------------------------------------- paths


def paths(resources: Iterable[Resource]) -> Document:
    """The operations of some resources."""
    out: Document = {}
    for resource in resources:
        root = f"/apis/{resource.gv}" if resource.group else f"/api/{resource.gv}"
        if resource.namespaced:
            out[f"{root}/{resource.plural}"] = {"get": operation(resource, "list")}
            root += "/namespaces/{namespace}"
        collection = f"{root}/{resource.plural}"
        out[collection] = {
            "get": operation(resource, "list"),
            "post": operation(resource, "post"),
            "delete": operation(resource, "deletecollection"),
        }
        for name in ("", *(f"/{s}" for s in resource.subresources)):
            out[f"{collection}/{{name}}{name}"] = {
                "get": operation(resource, "get"),
                "put": operation(resource, "put"),
                "patch": operation(resource, "patch"),
            }
        out[f"{collection}/{{name}}"]["delete"] = operation(resource, "delete")
    return out


def operation(resource: Resource, action: str) -> Document:
    """One operation."""
    out: Document = {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": kind_of(resource),
        "responses": {"200": {"description": "OK"}},
    }
    if action in ("post", "put", "patch"):
        out["parameters"] = [parameter(name) for name in WRITE_PARAMETERS]
    if action == "list":
        out["parameters"] = [parameter(name) for name in LIST_PARAMETERS]
    if action == "patch":
        kinds = [JSON_PATCH, MERGE_PATCH] + ([] if resource.custom else [STRATEGIC_PATCH])
        out["requestBody"] = {"content": {kind: {} for kind in kinds}}
        out["consumes"] = kinds
    return out


def parameter(name: str) -> Document:
    """A query parameter."""
    return {"in": "query", "name": name, "schema": {"type": "string", "uniqueItems": True}}
