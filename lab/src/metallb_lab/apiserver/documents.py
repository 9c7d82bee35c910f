"""JSON documents: decoding with the complaints of Go's decoder, copying, paths, times.

orjson does the work; the standard library's decoder runs only to find repeated keys, which
orjson takes silently and Kubernetes reports (fieldValidation).
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

Document = dict[str, Any]
SORTED = orjson.OPT_SORT_KEYS
EXACT = 2**53  # below this every whole number is a float, too


def encode(value: Any) -> bytes:
    """Compact JSON."""
    return orjson.dumps(value)


def decode(data: bytes) -> Any:
    """A JSON value; ``ValueError`` when it is none."""
    return orjson.loads(data)


def copied(value: Any) -> Any:
    """A deep copy of plain JSON."""
    return orjson.loads(orjson.dumps(value))


class Pairs(list[tuple[str, Any]]):
    """An object as it was written."""


def repeated_keys(data: bytes) -> list[str]:
    """Paths of keys that occur twice in one object."""
    repeated = False

    def check(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated = repeated or len(dict(pairs)) != len(pairs)

    json.loads(data, object_pairs_hook=check)
    return list(repeated_paths(json.loads(data, object_pairs_hook=Pairs))) if repeated else []


def repeated_paths(value: Any, path: str = "") -> Iterator[str]:
    """Walks what :class:`Pairs` kept."""
    if isinstance(value, Pairs):
        seen: set[str] = set()
        for key, inner in value:
            where = f"{path}.{key}" if path else key
            if key in seen:
                yield where
            seen.add(key)
            yield from repeated_paths(inner, where)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from repeated_paths(inner, f"{path}[{index}]")


def whole_floats(value: Any) -> Any:
    """``3.0`` becomes ``3``, as Go writes it; changes objects and lists in place."""
    if type(value) is float and value.is_integer() and abs(value) < EXACT:
        return int(value)
    if type(value) is dict:
        for name, inner in value.items():
            value[name] = whole_floats(inner)
    elif type(value) is list:
        value[:] = map(whole_floats, value)
    return value


def now() -> str:
    """The present moment as Kubernetes writes a Time."""
    return moment(int(time.time()))


@lru_cache(maxsize=2)
def moment(second: int) -> str:
    """A second since the epoch as a Time."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def lookup(document: Any, path: str) -> Any:
    """``spec.nodeName`` and the like; None where something is missing."""
    for part in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(part)
    return document


def same(left: Any, right: Any) -> bool:
    """Equal as JSON: Python also takes true for 1, at any depth."""
    if left != right:
        return False
    return orjson.dumps(left, option=SORTED) == orjson.dumps(right, option=SORTED)


def same_but_version(left: Document, right: Document) -> bool:
    """Whether two states of an object differ in nothing but their resourceVersion."""
    ours, theirs = dict(left), dict(right)
    for side in (ours, theirs):
        side["metadata"] = {k: v for k, v in side["metadata"].items() if k != "resourceVersion"}
    return same(ours, theirs)
