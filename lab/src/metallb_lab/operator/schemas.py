"""Schemas of a module's settings and values, made and applied as the module operator does.

A module has two files, ``openapi/config-values.yaml`` for what a user sets and
``openapi/values.yaml`` for everything the templates see. Three schemas come of them
(deckhouse-platform.md §1.3, §1.4, §3.2):

- ``config``: settings when they arrive,
- ``values``: settings and what the hooks found, at start and after each hook,
- ``helm``: the same just before Helm, where ``x-required-for-helm`` is required too.

``x-extend`` merges the first file into the second. An object that does not say otherwise takes no
further properties (``additionalProperties: false``), through properties and items. Deckhouse adds
``registry`` to the values of a module that is not built in. Defaults apply where the parent exists.
``x-deckhouse-validations`` are in :mod:`.cel_rules`.

Faults are worded as the operator words them, with the path that it gives.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from jsonschema import Draft4Validator, Draft6Validator, ValidationError, validators

from metallb_lab.apiserver.schema.validation import pattern
from metallb_lab.operator.cel_rules import Fault, SchemaError, compiled_rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Document = dict[str, Any]

REQUIRED_FOR_HELM = "x-required-for-helm"
EXTENDED = ("definitions", "properties")
REGISTRY: Document = {
    "type": "object",
    "default": {},
    "properties": {name: {"type": "string"} for name in ("base", "dockercfg", "scheme", "ca")},
}


# ---------------------------------------------------------------- making the three schemas


def read(path: Path) -> Document:
    """Read one file; its root must be an object."""
    document = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    if not isinstance(document, dict) or document.get("type") != "object":
        raise SchemaError(f"{path}: the root must be of type object")
    return document


def extended(values: Document, config: Document) -> Document:
    """``x-extend``: what the settings' schema has is in the values' schema too."""
    name = (values.get("x-extend") or {}).get("schema")
    if name is None:
        return copy.deepcopy(values)
    if name != "config-values.yaml":
        raise SchemaError(f"x-extend: only config-values.yaml can be extended, not {name}")
    out = copy.deepcopy(config) | copy.deepcopy(values)
    for key in EXTENDED:
        merged = (config.get(key) or {}) | (values.get(key) or {})
        if merged:
            out[key] = copy.deepcopy(merged)
    required = [*config.get("required", ()), *values.get("required", ())]
    return out | {"required": sorted(set(required))} if required else out


def closed(schema: Document) -> Document:
    """Further properties are refused where nothing else is said; changes the schema."""
    if "additionalProperties" not in schema:
        schema["additionalProperties"] = False
        for below in (schema.get("properties") or {}).values():
            closed(below)
    if isinstance(items := schema.get("items"), dict):
        closed(items)
    return schema


def required_for_helm(schema: Document) -> Document:
    """``x-required-for-helm`` becomes required; changes the schema."""
    if wanted := schema.get(REQUIRED_FOR_HELM):
        schema["required"] = sorted({*schema.get("required", ()), *wanted})
    for below in (schema.get("properties") or {}).values():
        required_for_helm(below)
    return schema


def with_registry(schema: Document) -> Document:
    """What Deckhouse adds for a module from a source; changes the schema."""
    properties = schema.setdefault("properties", {})
    if "registry" in properties:
        raise SchemaError("values.yaml: registry is declared by Deckhouse")
    properties["registry"] = copy.deepcopy(REGISTRY)
    return schema


@dataclass(frozen=True, slots=True)
class ModuleSchemas:
    """The three schemas of a module, by the key that its values have."""

    config: Schema
    values: Schema
    helm: Schema
    config_version: int

    @classmethod
    def load(cls, openapi: Path, key: str) -> ModuleSchemas:
        """Read the directory ``openapi`` of a module; raises SchemaError."""
        config = read(openapi / "config-values.yaml")
        values = with_registry(extended(read(openapi / "values.yaml"), config))
        helm = required_for_helm(copy.deepcopy(values))
        version = config.get("x-config-version", 1)
        if not isinstance(version, int) or version < 1:
            raise SchemaError(f"x-config-version: {version!r} is not a version")
        config, values, helm = closed(config), closed(values), closed(helm)
        return cls(Schema(config, key), Schema(values, key), Schema(helm, key), version)


# ---------------------------------------------------------------- applying one


class Schema:
    """One schema, ready to be applied; ``key`` is the first word of the paths in messages."""

    def __init__(self, document: Document, key: str) -> None:
        Draft4Validator.check_schema(document)
        self.document = document
        self._key = key
        self._validator = _Validator(document)
        self._rules = tuple(compiled_rules(document))

    def faults(self, value: Any, old: Any = None) -> list[Fault]:
        """Everything that is wrong with a value; ``old`` is what it replaces.

        Rules are asked only about a value that the schema takes, so that each fault is told once.
        """
        errors = list(self._validator.iter_errors(value))
        mistyped = {tuple(e.absolute_path) for e in errors if e.validator == "type"}
        found = [
            Fault(tuple(error.absolute_path), tuple(error.absolute_schema_path), text)
            for error in errors
            if error.validator == "type" or tuple(error.absolute_path) not in mistyped
            for text in self._texts(error)
        ]
        if not found:
            found = [fault for rule in self._rules for fault in rule.faults(value, old)]
        return sorted(found, key=lambda fault: (tuple(map(str, fault.path)), fault.message))

    def with_defaults(self, value: Document) -> Document:
        """A copy of the value in which defaults are filled in."""
        out = copy.deepcopy(value)
        fill_defaults(self.document, out)
        return out

    def _texts(self, error: ValidationError) -> Iterator[str]:
        where = ".".join(map(str, (self._key, *error.absolute_path)))
        match error.validator:
            case "required":
                missing = (n for n in error.validator_value if n not in error.instance)
                yield from (
                    f"{where}.{n} in body is required" for n in missing if repr(n) in error.message
                )
            case "additionalProperties":
                known = error.schema.get("properties") or {}
                unknown = (n for n in error.instance if n not in known)
                yield from (f"{where}.{name} in body is a forbidden property" for name in unknown)
            case "anyOf":
                yield f'"{where}" must validate at least one schema (anyOf)'
            case _:
                yield f"{where} {wording(error)}"


def wording(error: ValidationError) -> str:
    """A fault as go-openapi words it."""
    limit, value = error.validator_value, error.instance
    match error.validator:
        case "type":
            return f'in body must be of type {limit}: "{json_type(value)}"'
        case "enum":
            return f"in body should be one of [{' '.join(map(str, limit))}]"
        case "pattern":
            return f"in body should match '{limit}'"
        case "minimum":
            return f"in body should be greater than or equal to {limit}"
        case "maximum":
            return f"in body should be less than or equal to {limit}"
        case "minLength" | "maxLength":
            bound = "least" if error.validator == "minLength" else "most"
            return f"in body should be at {bound} {limit} chars long"
        case "minItems" | "maxItems":
            bound = "least" if error.validator == "minItems" else "most"
            return f"in body should have at {bound} {limit} items"
        case "minProperties" | "maxProperties":
            bound = "least" if error.validator == "minProperties" else "most"
            return f"in body should have at {bound} {limit} properties"
        case "uniqueItems":
            return "in body shouldn't contain duplicates"
    raise SchemaError(f"{error.validator}: no module of ours uses this keyword")


def json_type(value: Any) -> str:
    """JSON's word for what a value is."""
    words = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer",
             float: "number", type(None): "null"}  # fmt: skip
    return words[type(value)]


def matches(_: Any, expression: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    """``pattern`` by RE2, as in Go: ``$`` is the very end, and nothing backtracks."""
    if isinstance(value, str) and not pattern(expression).search(value):
        yield ValidationError(f"{value!r} does not match {expression!r}")


_Validator = validators.extend(
    Draft4Validator, {"pattern": matches}, type_checker=Draft6Validator.TYPE_CHECKER
)


def fill_defaults(schema: Document, value: Any) -> None:
    """Fill in defaults below a value that exists; changes the value."""
    if isinstance(value, dict):
        for name, below in (schema.get("properties") or {}).items():
            if name not in value and "default" in below:
                value[name] = copy.deepcopy(below["default"])
            if name in value:
                fill_defaults(below, value[name])
    elif isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        for inner in value:
            fill_defaults(items, inner)
