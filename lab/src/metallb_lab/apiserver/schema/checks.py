"""Whether a CRD's schema is one that the server can keep: structural, complete, sound defaults.

Ports of ``ValidateStructural`` and ``ValidateCustomResourceDefinitionOpenAPISchema``, without
cost estimates for CEL. Faults carry the path of the keyword inside the CRD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.documents import copied
from metallb_lab.apiserver.errors import FieldError, forbidden, invalid, not_supported, required
from metallb_lab.apiserver.schema import formats
from metallb_lab.apiserver.schema.structural import prune, read_node
from metallb_lab.apiserver.schema.validation import pattern, validate

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

TYPES = ["array", "boolean", "integer", "number", "object", "string"]
UNSUPPORTED = {
    "id": "id is not supported",
    "additionalItems": "additionalItems is not supported",
    "patternProperties": "patternProperties is not supported",
    "definitions": "definitions is not supported",
    "dependencies": "dependencies is not supported",
    "$ref": "$ref is not supported",
}
NOT_IN_JUNCTORS = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}
JUNCTORS = ("allOf", "anyOf", "oneOf")
INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
REASONS = [
    "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired", "FieldValueDuplicate",
]  # fmt: skip
META = frozenset({"apiVersion", "kind", "metadata"})


def schema_errors(schema: Document, path: str) -> list[FieldError]:
    """Everything wrong with the schema of one version, CEL apart."""
    found = level_errors(schema, path, "root")
    found += keyword_errors(schema, path)
    found.sort(key=str)
    return found or default_errors(schema, path)


# ---------------------------------------------------------------- structure


def level_errors(schema: Document, path: str, level: str) -> list[FieldError]:
    """Types are given, metadata are left alone, junctors only validate."""
    found = type_errors(schema, path, level)
    kind = schema.get("type", "")
    items, additional = schema.get("items"), schema.get("additionalProperties")
    if kind == "array" and items is None:
        found.append(required(f"{path}.items", "must be specified"))
    if isinstance(items, dict):
        found += level_errors(items, f"{path}.items", "item")
    for name, child in (schema.get("properties") or {}).items():
        where = f"{path}.properties[{name}]"
        if name == "metadata" and level == "root":
            found += metadata_errors(child, where)
        else:
            found += level_errors(child, where, "field")
    if additional is not None and level == "root":
        why = "must not be used at the root"
        found.append(forbidden(f"{path}.additionalProperties", why))
    if isinstance(additional, dict):
        found += level_errors(additional, f"{path}.additionalProperties", "field")
    if schema.get("x-kubernetes-int-or-string"):
        for name in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
            if schema.get(name):
                why = "must be false if x-kubernetes-int-or-string is true"
                found.append(invalid(f"{path}.{name}", True, why))
    return [*found, *junctors_errors(schema, path), *pattern_errors(schema, path)]


def type_errors(schema: Document, path: str, level: str) -> list[FieldError]:
    """A type at each level, an object at the root and in embedded resources."""
    kind = schema.get("type", "")
    where = f"{path}.type"
    embedded = schema.get("x-kubernetes-embedded-resource")
    if embedded and kind != "object":
        why = "must be object if x-kubernetes-embedded-resource is true"
        return [invalid(where, kind, why) if kind else required(where, why)]
    free = schema.get("x-kubernetes-int-or-string") or schema.get(
        "x-kubernetes-preserve-unknown-fields"
    )
    if not kind and not free:
        places = {
            "root": "must not be empty at the root",
            "item": "must not be empty for specified array items",
            "field": "must not be empty for specified object fields",
        }
        return [required(where, places[level])]
    if level == "root" and kind and kind != "object":
        return [invalid(where, kind, "must be object at the root")]
    found = []
    if embedded and not schema.get("properties") and not free:
        why = (
            "must not be empty if x-kubernetes-embedded-resource is true without "
            "x-kubernetes-preserve-unknown-fields"
        )
        found.append(required(f"{path}.properties", why))
    return found


def metadata_errors(schema: Document, path: str) -> list[FieldError]:
    """The root's metadata may restrict name and generateName, nothing else."""
    found = []
    if schema.get("type") != "object":
        found.append(invalid(f"{path}.type", schema.get("type", ""), "must be object"))
    rest = set(schema) - {"type", "properties", "description"}
    if rest or not set(schema.get("properties") or {}) <= {"name", "generateName"}:
        why = (
            "must not specify anything other than name and generateName, but metadata is "
            "implicitly specified"
        )
        found.append(forbidden(path, why))
    return found


def junctors_errors(schema: Document, path: str) -> list[FieldError]:
    """Below allOf, anyOf, oneOf and not there is only value validation."""
    found = []
    free = schema.get("x-kubernetes-int-or-string")
    for name in JUNCTORS:
        for index, inner in enumerate(schema.get(name) or ()):
            if free and name == "anyOf" and schema["anyOf"] == INT_OR_STRING:
                break
            if free and name == "allOf" and inner.get("anyOf") == INT_OR_STRING:
                continue
            found += nested_errors(inner, f"{path}.{name}[{index}]")
    if isinstance(inner := schema.get("not"), dict):
        found += nested_errors(inner, f"{path}.not")
    return found


def nested_errors(schema: Document, path: str) -> list[FieldError]:
    """One schema below a junctor."""
    found = [
        forbidden(f"{path}.{name}", why)
        for name, why in NOT_IN_JUNCTORS.items()
        if schema.get(name)
    ]
    for name, child in (schema.get("properties") or {}).items():
        found += nested_errors(child, f"{path}.properties[{name}]")
    if isinstance(items := schema.get("items"), dict):
        found += nested_errors(items, f"{path}.items")
    return [*found, *junctors_errors(schema, path), *pattern_errors(schema, path)]


def pattern_errors(schema: Document, path: str) -> list[FieldError]:
    """Expressions compile, formats are ones that we check."""
    found = []
    if text := schema.get("pattern"):
        try:
            pattern(text)
        except Exception as error:
            why = f"must be a valid regular expression, but isn't: {error}"
            found.append(invalid(f"{path}.pattern", text, why))
    if formats.is_unchecked(schema.get("format", "")):
        raise errors.not_implemented(f"the format {schema['format']} at {path}")
    return found


# ---------------------------------------------------------------- keywords


def keyword_errors(schema: Document, path: str) -> list[FieldError]:
    """Keywords that CRDs may not have, and what the x-kubernetes ones demand."""
    kind = schema.get("type", "")
    found = [
        forbidden(f"{path}.{name}", why) for name, why in UNSUPPORTED.items() if name in schema
    ]
    if kind == "null":
        why = "type cannot be set to null, use nullable as an alternative"
        found.append(forbidden(f"{path}.type", why))
    elif kind and kind not in TYPES:
        found.append(not_supported(f"{path}.type", kind, TYPES))
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        found.append(forbidden(f"{path}.uniqueItems", why))
    if schema.get("additionalProperties") not in (None, True) and schema.get("properties"):
        why = "additionalProperties and properties are mutual exclusive"
        found.append(forbidden(f"{path}.additionalProperties", why))
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        name = "x-kubernetes-preserve-unknown-fields"
        found.append(invalid(f"{path}.{name}", False, "must be true or undefined"))
    found += list_type_errors(schema, path) + map_type_errors(schema, path)
    found += rule_errors(schema, path)
    for where, child in children(schema, path):
        found += keyword_errors(child, where)
    return found


def children(schema: Document, path: str) -> list[tuple[str, Document]]:
    """All schemas directly below one."""
    out = [(f"{path}.properties[{n}]", s) for n, s in (schema.get("properties") or {}).items()]
    out += [
        (f"{path}.{name}", schema[name])
        for name in ("items", "additionalProperties", "not")
        if isinstance(schema.get(name), dict)
    ]
    for name in JUNCTORS:
        out += [(f"{path}.{name}[{i}]", s) for i, s in enumerate(schema.get(name) or ())]
    return out


def list_type_errors(schema: Document, path: str) -> list[FieldError]:
    """x-kubernetes-list-type and its keys."""
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys")
    where = f"{path}.x-kubernetes-list-type"
    found = []
    if kind is not None and schema.get("type") != "array":
        why = "must be array if x-kubernetes-list-type is specified"
        actual = schema.get("type", "")
        found.append(
            invalid(f"{path}.type", actual, why) if actual else required(f"{path}.type", why)
        )
    if kind not in (None, "atomic", "set", "map"):
        found.append(not_supported(where, kind, ["atomic", "set", "map"]))
    if keys and kind != "map":
        why = "must be map if x-kubernetes-list-map-keys is non-empty"
        found.append(required(where, why) if kind is None else invalid(where, kind, why))
    if kind == "map":
        found += map_list_errors(schema, keys or [], path)
    items: Any = schema.get("items")
    objects = isinstance(items, dict) and items.get("type") == "object"
    if kind == "set" and objects and items.get("x-kubernetes-map-type") != "atomic":
        why = "must be atomic as item of a list with x-kubernetes-list-type=set"
        found.append(invalid(f"{path}.items.x-kubernetes-map-type", None, why))
    return found


def map_list_errors(schema: Document, keys: list[str], path: str) -> list[FieldError]:
    """A list of type map: objects with scalar keys that are always there."""
    where = f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        return [required(where, "must not be empty if x-kubernetes-list-type is map")]
    items = schema.get("items")
    if not isinstance(items, dict):
        return []
    if items.get("type") != "object":
        why = "must be object if parent array's x-kubernetes-list-type is map"
        return [invalid(f"{path}.items.type", items.get("type", ""), why)]
    found = []
    properties = items.get("properties") or {}
    for key in keys:
        if key not in properties:
            why = "entries must all be names of item properties"
            found.append(invalid(where, keys, why))
            continue
        child = properties[key]
        at = f"{path}.items.properties[{key}]"
        if child.get("type") in ("array", "object"):
            why = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            found.append(invalid(f"{at}.type", items["type"], why))
        if "default" not in child and key not in (items.get("required") or ()):
            why = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be "
                "a required property"
            )
            found.append(required(f"{at}.default", why))
    return found


def map_type_errors(schema: Document, path: str) -> list[FieldError]:
    """x-kubernetes-map-type."""
    kind = schema.get("x-kubernetes-map-type")
    if kind is None:
        return []
    found = []
    actual = schema.get("type", "")
    if actual != "object":
        why = "must be object if x-kubernetes-map-type is specified"
        found.append(
            invalid(f"{path}.type", actual, why) if actual else required(f"{path}.type", why)
        )
    if kind not in ("atomic", "granular"):
        found.append(not_supported(f"{path}.x-kubernetes-map-type", kind, ["atomic", "granular"]))
    return found


def rule_errors(schema: Document, path: str) -> list[FieldError]:
    """The fields of rules, before CEL is looked at."""
    found = []
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        where = f"{path}.x-kubernetes-validations[{index}]"
        text, message = rule.get("rule", "").strip(), rule.get("message", "")
        if not text:
            found.append(required(f"{where}.rule", "rule is not specified"))
        elif message and not message.strip():
            why = "must be non-empty if specified"
            found.append(invalid(f"{where}.message", message, why))
        elif "\n" in message.strip():
            found.append(invalid(f"{where}.message", message, "must not contain line breaks"))
        elif "\n" in text and not message:
            why = "message must be specified if rule contains line breaks"
            found.append(required(f"{where}.message", why))
        reason = rule.get("reason")
        if reason is not None and reason not in REASONS:
            found.append(not_supported(f"{where}.reason", reason, REASONS))
        target = rule.get("fieldPath")
        if target and not leads_somewhere(schema, target):
            found.append(invalid(f"{where}.fieldPath", target, "must be a valid path"))
        if rule.get("optionalOldSelf") is not None and "oldSelf" not in text:
            why = "may not be set if oldSelf is not used in rule"
            found.append(invalid(f"{where}.optionalOldSelf", rule["optionalOldSelf"], why))
    return found


def leads_somewhere(schema: Document, target: str) -> bool:
    """Whether ``.a.b`` or ``.a['b']`` names a field below a schema."""
    if not target.startswith((".", "[")):
        return False
    node: Any = schema
    for part in target.replace("['", ".").replace("']", "").strip(".").split("."):
        if not isinstance(node, dict):
            return False
        node = (node.get("properties") or {}).get(part, node.get("additionalProperties"))
    return isinstance(node, dict)


# ---------------------------------------------------------------- defaults


def default_errors(schema: Document, path: str) -> list[FieldError]:
    """Defaults are valid by their own schema and hold nothing that pruning would take."""
    found = []
    if "default" in schema:
        node = read_node(schema)
        value = schema["default"]
        where = f"{path}.default"
        found += [
            FieldError(e.cause, e.field.replace("<nil>", where), e.value, e.detail, e.omit_value)
            for e in validate(value, node, where)
        ]
        pruned = copied(value)
        prune(pruned, node)
        if pruned != value:
            found.append(invalid(where, value, "must not have unknown fields"))
    for where, child in children(schema, path):
        found += default_errors(child, where)
    return found
