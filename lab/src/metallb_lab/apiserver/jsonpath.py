"""The simple JSONPath of printer columns: ``.spec.a``, ``.a['b.c']``, ``.l[0]``, ``.l[*].x``,
``.l[?(@.type=="Ready")].status``.

What client-go's dialect has beyond that (ranges, unions, functions, ``..``) is refused when a CRD
is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

STEP = re.compile(
    r"""\.(?P<name>(?:\\.|[^.\[\]\\\s])+)
    |\['(?P<quoted>(?:\\'|[^'])+)'\]
    |\["(?P<double>[^"]+)"\]
    |\[(?P<index>-?\d+)\]
    |\[(?P<all>\*)\]
    |\[\?\(@\.(?P<field>[^=!<>)\s]+)\s*(?P<operator>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[^)\s]+)\)\]""",
    re.X,
)


class PathError(ValueError):
    """Why a path cannot be used."""


@dataclass(frozen=True)
class Path:
    """A compiled path."""

    steps: tuple[Callable[[Any], list[Any]], ...]

    def find(self, document: Any) -> list[Any]:
        """All values that it leads to."""
        values = [document]
        for step in self.steps:
            values = [found for value in values for found in step(value)]
        return values


def parse_path(text: str) -> Path:
    """Reads a path; braces around it are tolerated."""
    body = text[1:-1] if text.startswith("{") and text.endswith("}") else text
    if not body.startswith((".", "[")):
        raise PathError("is an invalid JSONPath: must be a simple json path starting with .")
    steps: list[Callable[[Any], list[Any]]] = []
    at = 0
    while at < len(body):
        match = STEP.match(body, at)
        if match is None:
            raise PathError(f"is an invalid JSONPath: unrecognized text at {body[at:]!r}")
        steps.append(make_step(match))
        at = match.end()
    return Path(tuple(steps))


def make_step(match: re.Match[str]) -> Callable[[Any], list[Any]]:
    """One step of a path."""
    groups = match.groupdict()
    if (name := groups["name"] or groups["quoted"] or groups["double"]) is not None:
        key = re.sub(r"\\(.)", r"\1", name)
        if key == "*":
            return every
        return lambda value: [value[key]] if type(value) is dict and key in value else []
    if groups["index"] is not None:
        index = int(groups["index"])
        return lambda value: item(value, index)
    if groups["all"]:
        return every
    wanted = groups["value"].strip("\"'")
    equal = groups["operator"] == "=="
    inner = parse_path(f".{groups['field']}")
    return lambda value: [
        entry
        for entry in every(value)
        if (wanted in [plain(found) for found in inner.find(entry)]) is equal
    ]


def item(value: Any, index: int) -> list[Any]:
    """One item of a list."""
    if type(value) is not list or not -len(value) <= index < len(value):
        return []
    return [value[index]]


def every(value: Any) -> list[Any]:
    """All items of a list, all values of an object."""
    if type(value) is dict:
        return list(value.values())
    return list(value) if type(value) is list else []


def plain(value: Any) -> str:
    """A scalar as a filter compares it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
