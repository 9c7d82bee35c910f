"""Decoding of typed objects as Go does it: types enforced, null and unknown fields dropped.

``clean`` returns a new document that holds only what the type knows; a value of the wrong JSON
type raises ``GoTypeError``; unknown fields are told to the caller, who decides by
fieldValidation. Zero values vanish or appear as Go's ``omitempty`` makes them. Each shape is
compiled once into a closure, because every write of every client passes here.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_lab.apiserver.openapi_types import Shape

INTEGER_RANGES = {"int32": 2**31, "int64": 2**63, "": 2**63}
GO_TYPES = {"string": "string", "boolean": "bool", "number": "float64", "array": "[]", "map": "map"}
ZEROS: dict[str, Callable[[], Any]] = {
    "object": dict, "map": dict, "string": str, "integer": int, "number": int, "boolean": bool,
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")


class GoTypeError(Exception):
    """A value that its field's Go type cannot hold."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(found)
        self.found = found
        self.wanted = wanted
        self.struct = ""
        self.path: list[str] = []

    def message(self) -> str:
        """As encoding/json words it."""
        if self.found.startswith(("parsing", "illegal", "quantities", "unable")):
            return self.found
        field = f" struct field {self.struct}.{'.'.join(self.path)}" if self.path else " value"
        return f"json: cannot unmarshal {self.found} into Go{field} of type {self.wanted}"


def json_type(value: Any) -> str:
    """What encoding/json calls a value."""
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
    return "object"


_compiled: dict[int, tuple[Shape, Callable[[Any, list[str]], Any]]] = {}


def cleaner(shape: Shape) -> Callable[[Any, list[str]], Any]:
    """The compiled closure of a shape; it appends unknown fields to its second argument."""
    known = _compiled.get(id(shape))
    if known is None:
        known = (shape, compile_shape(shape))
        _compiled[id(shape)] = known
    return known[1]


def compile_shape(shape: Shape) -> Callable[[Any, list[str]], Any]:
    """One closure for one node."""
    match shape.type:
        case "object":
            return object_cleaner(shape)
        case "map":
            return map_cleaner(shape)
        case "array":
            return array_cleaner(shape)
        case "integer":
            return integer_cleaner(shape)
        case "string":
            return exact_cleaner(str, "string")
        case "boolean":
            return exact_cleaner(bool, "bool")
        case "any":
            return lambda value, unknown: value
    return {
        "number": clean_number,
        "int-or-string": clean_int_or_string,
        "quantity": clean_quantity,
        "time": clean_time,
        "micro-time": clean_micro_time,
        "bytes": clean_bytes,
    }[shape.type]


def object_cleaner(shape: Shape) -> Callable[[Any, list[str]], Any]:
    """Known properties in, the rest reported; children compile on first sight."""
    compiled: dict[str, tuple[Callable[[Any, list[str]], Any], bool]] = {}
    keeps = shape.keeps

    def child(name: str) -> tuple[Callable[[Any, list[str]], Any], bool] | None:
        inner = shape.properties.get(name)
        if inner is None:
            return None
        compiled[name] = (cleaner(inner), name in shape.drops)
        return compiled[name]

    def zero(name: str) -> Any:
        """What Go writes for a field that nobody set."""
        return cleaner(shape.properties[name])({}, []) if keeps[name] == "{}" else keeps[name]

    def clean(value: Any, unknown: list[str]) -> Any:
        if type(value) is not dict:
            raise GoTypeError(json_type(value), f"v1.{shape.struct}")
        out = {}
        name = ""
        try:
            for name, inner in value.items():
                entry = compiled.get(name) or child(name)
                if entry is None:
                    unknown.append(name)
                elif inner is not None:
                    before = len(unknown)
                    cleaned = entry[0](inner, unknown)
                    if len(unknown) != before:
                        prefix_from(unknown, before, name)
                    if cleaned or not entry[1]:
                        out[name] = cleaned
        except GoTypeError as fault:
            fault.struct = fault.struct or shape.struct
            fault.path.insert(0, name)
            raise
        for name in keeps:
            if name not in out:
                out[name] = zero(name)
        return out

    return clean


def prefix_from(unknown: list[str], start: int, name: str) -> None:
    """Puts the name of the field that was just left before what was found inside it."""
    for index in range(start, len(unknown)):
        inner = unknown[index]
        unknown[index] = name + inner if inner.startswith("[") else f"{name}.{inner}"


def map_cleaner(shape: Shape) -> Callable[[Any, list[str]], Any]:
    """A Go map; null values become the zero value of a string."""
    assert shape.items is not None
    inner = cleaner(shape.items)
    of_strings = shape.items.type == "string"

    def clean(value: Any, unknown: list[str]) -> Any:
        if type(value) is not dict:
            raise GoTypeError(json_type(value), f"map[string]{go_type(shape.items)}")
        if of_strings:
            for key, item in value.items():
                if type(item) is not str and item is not None:
                    raise GoTypeError(json_type(item), "string")
                if item is None:
                    value = value | {key: ""}
            return value
        return {key: inner(item, unknown) for key, item in value.items() if item is not None}

    return clean


def array_cleaner(shape: Shape) -> Callable[[Any, list[str]], Any]:
    """A Go slice."""
    assert shape.items is not None
    inner = cleaner(shape.items)
    zero = ZEROS.get(shape.items.type)

    def clean(value: Any, unknown: list[str]) -> Any:
        if type(value) is not list:
            raise GoTypeError(json_type(value), f"[]{go_type(shape.items)}")
        out = []
        for index, item in enumerate(value):
            before = len(unknown)
            if item is None and zero is not None:
                item = zero()
            out.append(inner(item, unknown) if item is not None else None)
            if len(unknown) != before:
                prefix_from(unknown, before, f"[{index}]")
        return out

    return clean


def go_type(shape: Shape | None) -> str:
    """The Go type of an element."""
    if shape is None:
        return "interface {}"
    if shape.type == "object":
        return f"v1.{shape.struct}"
    return GO_TYPES.get(shape.type, shape.format or "interface {}")


def exact_cleaner(wanted: type, name: str) -> Callable[[Any, list[str]], Any]:
    """Strings and booleans."""

    def clean(value: Any, unknown: list[str]) -> Any:
        if type(value) is not wanted:
            raise GoTypeError(json_type(value), name)
        return value

    return clean


def integer_cleaner(shape: Shape) -> Callable[[Any, list[str]], Any]:
    """Integers of 32 or 64 bits."""
    limit = INTEGER_RANGES[shape.format]
    name = shape.format or "int64"

    def clean(value: Any, unknown: list[str]) -> Any:
        if type(value) is not int:
            text = f"number {value}" if type(value) is float else json_type(value)
            raise GoTypeError(text, name)
        if not -limit <= value < limit:
            raise GoTypeError(f"number {value}", name)
        return value

    return clean


def clean_number(value: Any, unknown: list[str]) -> Any:
    """A float."""
    if type(value) not in (int, float):
        raise GoTypeError(json_type(value), "float64")
    return value


def clean_int_or_string(value: Any, unknown: list[str]) -> Any:
    """An IntOrString."""
    if type(value) not in (int, str):
        raise GoTypeError(json_type(value), "intstr.IntOrString")
    if type(value) is int and not -(2**31) <= value < 2**31:
        raise GoTypeError(f"number {value}", "int32")
    return value


def clean_quantity(value: Any, unknown: list[str]) -> Any:
    """A resource.Quantity; numbers become strings."""
    if type(value) not in (int, float, str):
        raise GoTypeError(json_type(value), "resource.Quantity")
    text = str(value)
    if not QUANTITY.fullmatch(text):
        raise GoTypeError(
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            "resource.Quantity",
        )
    return text


def clean_time(value: Any, unknown: list[str]) -> Any:
    """A Time: any RFC 3339 comes in, whole seconds of UTC go out, as Go writes them."""
    if type(value) is not str:
        raise GoTypeError(json_type(value), "v1.Time")
    return rewritten_time(value, TIME, "2006-01-02T15:04:05Z07:00", "seconds")


def clean_micro_time(value: Any, unknown: list[str]) -> Any:
    """A MicroTime: six digits after the point, neither more nor fewer."""
    if type(value) is not str:
        raise GoTypeError(json_type(value), "v1.MicroTime")
    return rewritten_time(value, MICRO_TIME, "2006-01-02T15:04:05.000000Z07:00", "microseconds")


@lru_cache(maxsize=4096)  # an object's times come back with each write of it
def rewritten_time(value: str, form: re.Pattern[str], layout: str, precision: str) -> str | None:
    """A moment as Go writes it; its zero time is written as null."""
    wrong = f'parsing time "{value}" as "{layout}"'
    if not form.fullmatch(value):
        raise GoTypeError(wrong, "a time")
    try:
        moment = datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise GoTypeError(f"{wrong}: {error}", "a time") from None
    return None if moment == datetime.min else f"{moment.isoformat(timespec=precision)}Z"


def clean_bytes(value: Any, unknown: list[str]) -> Any:
    """Base64."""
    if type(value) is not str:
        raise GoTypeError(json_type(value), "[]uint8")
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise GoTypeError("illegal base64 data at input byte 0", "[]uint8") from None
    return value
