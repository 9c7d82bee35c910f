"""Validation of values against structural schemas, with the real server's messages.

With the old value at hand, validation ratchets: what was not changed is not complained about.
Patterns are RE2, by Google's own binding, so that they mean here what they mean in Go.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import re2  # type: ignore[import-untyped]

from metallb_lab.apiserver.documents import same
from metallb_lab.apiserver.errors import (
    FieldError,
    duplicate,
    invalid,
    not_supported,
    quoted,
    required,
    too_long,
    too_many,
    type_invalid,
)
from metallb_lab.apiserver.schema import formats

if TYPE_CHECKING:
    from metallb_lab.apiserver.schema.structural import Node

MISSING: Any = object()


@lru_cache(maxsize=1024)
def pattern(text: str) -> Any:
    """A compiled expression."""
    return re2.compile(text)


def json_type(value: Any) -> str:
    """A value's type in the words of a schema."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "array"
    return "object"


def validate(value: Any, node: Node, path: str, old: Any = MISSING) -> list[FieldError]:
    """Everything wrong with a value, CEL rules apart."""
    if old is not MISSING and same(value, old):
        return []
    if (fault := type_error(value, node, path)) is not None:
        found = [fault, *enum_errors(value, node, path)]
        return found + junctor_errors(value, node, path) if node.negated is not None else found
    found = keyword_errors(value, node, path)
    if value is None:
        return found
    if type(value) is dict:
        found += object_errors(value, node, path, old)
    elif type(value) is list:
        found += list_errors(value, node, path, old)
    if node.junctors or node.negated is not None:
        found += junctor_errors(value, node, path)
    return found


def under(path: str, name: str) -> str:
    """A property below a path."""
    return f"{path}.{name}" if path else name


def type_error(value: Any, node: Node, path: str) -> FieldError | None:
    """A value of the wrong JSON type."""
    if value is None:
        if node.nullable or not node.type:
            return None
        text = f'{path or "<nil>"} in body must be of type {node.type}: "null"'
        return type_invalid(path or "<nil>", "null", text)
    if node.int_or_string:
        if type(value) in (int, str):
            return None
        text = f'{path} in body must be of type integer,string: "{json_type(value)}"'
        return type_invalid(path, json_type(value), text)
    actual = json_type(value)
    if not node.type or actual == node.type or (actual == "integer" and node.type == "number"):
        return None
    if actual == "number" and node.type == "integer" and float(value).is_integer():
        return None
    text = f'{path or "<nil>"} in body must be of type {node.type}: "{actual}"'
    return type_invalid(path or "<nil>", actual, text)


# ---------------------------------------------------------------- keywords


def keyword_errors(value: Any, node: Node, path: str) -> list[FieldError]:
    """The keywords of one level."""
    keywords = node.keywords
    if not keywords:
        return []
    found = enum_errors(value, node, path)
    match value:
        case bool():
            pass
        case str():
            found += string_errors(value, keywords, path)
        case int() | float():
            found += number_errors(value, keywords, path)
        case list():
            found += size_errors(value, keywords, path)
        case dict():
            found += property_count_errors(value, keywords, path)
    return found


def enum_errors(value: Any, node: Node, path: str) -> list[FieldError]:
    """A value outside the enumeration, null included, whatever ``nullable`` says."""
    allowed = node.keywords.get("enum")
    if allowed is None or any(same(value, one) for one in allowed):
        return []
    return [not_supported(path, value, [v if isinstance(v, str) else quoted(v) for v in allowed])]


def string_errors(value: str, keywords: dict[str, Any], path: str) -> list[FieldError]:
    """The first of lengths and pattern that does not hold; and the format."""
    found = []
    length = len(value)
    if (limit := keywords.get("maxLength")) is not None and length > limit:
        found.append(too_long(path, limit))
    elif (limit := keywords.get("minLength")) is not None and length < limit:
        text = f"{path} in body should be at least {limit} chars long"
        found.append(invalid(path, value, text))
    elif (rule := keywords.get("pattern")) is not None and pattern(rule).search(value) is None:
        found.append(invalid(path, value, f"{path} in body should match '{rule}'"))
    if (name := keywords.get("format")) is not None and not formats.check(name, value):
        why = f"{path} in body must be of type {name}: {quoted(value)}"
        found.append(type_invalid(path, value, why))
    return found


def number_errors(value: float, keywords: dict[str, Any], path: str) -> list[FieldError]:
    """Bounds and multiples; the width of integers is not checked, there or here."""
    found = []
    if (limit := keywords.get("maximum")) is not None:
        exclusive = bool(keywords.get("exclusiveMaximum"))
        if value >= limit if exclusive else value > limit:
            words = "less than" if exclusive else "less than or equal to"
            found.append(invalid(path, value, f"{path} in body should be {words} {limit}"))
    if (limit := keywords.get("minimum")) is not None:
        exclusive = bool(keywords.get("exclusiveMinimum"))
        if value <= limit if exclusive else value < limit:
            words = "greater than" if exclusive else "greater than or equal to"
            found.append(invalid(path, value, f"{path} in body should be {words} {limit}"))
    if (factor := keywords.get("multipleOf")) is not None:
        quotient = value / factor
        if abs(quotient - round(quotient)) > 1e-9:
            text = f"{path} in body should be a multiple of {factor}"
            found.append(invalid(path, value, text))
    return found


def size_errors(value: list[Any], keywords: dict[str, Any], path: str) -> list[FieldError]:
    """Lengths of lists."""
    found = []
    if (limit := keywords.get("maxItems")) is not None and len(value) > limit:
        found.append(too_many(path, len(value), limit))
    if (limit := keywords.get("minItems")) is not None and len(value) < limit:
        text = f"{path} in body should have at least {limit} items"
        found.append(invalid(path, len(value), text))
    return found


def property_count_errors(
    value: dict[str, Any], keywords: dict[str, Any], path: str
) -> list[FieldError]:
    """Sizes of objects, and what they must have."""
    found = [
        required(under(path, name)) for name in keywords.get("required", ()) if name not in value
    ]
    if (limit := keywords.get("maxProperties")) is not None and len(value) > limit:
        found.append(too_many(path, len(value), limit))
    if (limit := keywords.get("minProperties")) is not None and len(value) < limit:
        text = f"{path} in body should have at least {limit} properties"
        found.append(invalid(path, len(value), text))
    return found


# ---------------------------------------------------------------- what is inside


def object_errors(value: dict[str, Any], node: Node, path: str, old: Any) -> list[FieldError]:
    """Named properties and the others."""
    found = []
    before = old if type(old) is dict else None
    for name, inner in value.items():
        below = node.properties.get(name, node.additional)
        if below is not None and not (below.preserve and not below.type):
            was = before.get(name, MISSING) if before is not None else MISSING
            found += validate(inner, below, under(path, name), was)
    return found


def list_errors(value: list[Any], node: Node, path: str, old: Any) -> list[FieldError]:
    """Items, and what lists of type set and map promise."""
    found = []
    if node.items is not None:
        before = correlated(value, node, old)
        for index, inner in enumerate(value):
            found += validate(inner, node.items, f"{path}[{index}]", before[index])
    if node.list_type == "set":
        found += repeated([quoted(item) for item in value], value, path)
    elif node.list_type == "map":
        why = "must be an object for an array of list-type map"
        found += [
            invalid(f"{path}[{index}]", item, why)
            for index, item in enumerate(value)
            if type(item) is not dict
        ]
        keys = [
            {k: item[k] for k in node.list_keys if k in item}
            for item in value
            if type(item) is dict
        ]
        found += repeated([quoted(k) for k in keys], keys, path)
    return found


def correlated(value: list[Any], node: Node, old: Any) -> list[Any]:
    """For each item of a list the item it was, when the list's type tells."""
    if type(old) is not list or node.list_type != "map":
        return [MISSING] * len(value)

    def key(item: Any) -> str:
        return quoted([item.get(k) for k in node.list_keys]) if type(item) is dict else ""

    before = {key(item): item for item in old}
    return [before.get(key(item), MISSING) for item in value]


def repeated(keys: list[str], values: list[Any], path: str) -> list[FieldError]:
    """The second of each."""
    found = []
    seen: dict[str, int] = {}
    for index, key in enumerate(keys):
        seen[key] = seen.get(key, 0) + 1
        if seen[key] == 2:
            found.append(duplicate(f"{path}[{index}]", values[index]))
    return found


def junctor_errors(value: Any, node: Node, path: str) -> list[FieldError]:
    """allOf, anyOf, oneOf, not; the verdicts stand at no field, their reasons at theirs."""
    found: list[FieldError] = []
    results = [validate(value, inner, path) for inner in node.junctors.get("allOf", ())]
    if any(results):
        none = "" if not all(results) else ". None validated"
        found.append(verdict(path, f"must validate all the schemas (allOf){none}"))
        found += [fault for faults in results for fault in faults]
    for name in ("anyOf", "oneOf"):
        if name in node.junctors:
            results = [validate(value, inner, path) for inner in node.junctors[name]]
            found += alternatives(name, results, path)
    if node.negated is not None and not validate(value, node.negated, path):
        found.append(verdict(path, "must not validate the schema (not)"))
    return found


def alternatives(name: str, results: list[list[FieldError]], path: str) -> list[FieldError]:
    """What anyOf and oneOf say about the results of their schemas."""
    passed = sum(not faults for faults in results)
    if passed == 1 or (passed and name == "anyOf"):
        return []
    if name == "anyOf":
        text = "must validate at least one schema (anyOf)"
    else:
        alternatives_text = f"{passed} valid alternatives" if passed else "none valid"
        text = f"must validate one and only one schema (oneOf). Found {alternatives_text}"
    best = [] if passed else sorted(results, key=len)[0]
    return [verdict(path, text), *best]


def verdict(path: str, text: str) -> FieldError:
    """An error that the real server reports at no field."""
    return invalid("<nil>", "", f'"{path}" {text}')
