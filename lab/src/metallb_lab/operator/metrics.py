"""Metrics that hooks give (deckhouse-platform.md §2.7).

A stream of `{name, action, value, labels, group}`, or with `set` or `add` in place of action and
value. A run replaces the series of each group that it speaks of; without a group the hook's name
is one. `expire` empties a group. Labels are texts; the operator adds `hook` and `module`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb_lab.operator.errors import PatchRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

Document = dict[str, Any]

KEYS = {"name", "action", "value", "labels", "group", "set", "add", "buckets"}


@dataclass(frozen=True, slots=True)
class Series:
    """One series."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float

    def label(self, name: str) -> str:
        """Give a label; empty when there is none."""
        return dict(self.labels).get(name, "")


class HookMetrics:
    """The series of all groups."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._groups: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}

    def apply(self, hook: str, operations: Iterable[Document]) -> None:
        """Take in what one run wrote; raises PatchRefusedError and then changes nothing."""
        checked = [_checked(item) for item in operations]
        spoken = {item["group"] or hook for item in checked}
        series: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {
            group: {} for group in spoken
        }
        for item in checked:
            if item["action"] == "expire":
                series[item["group"] or hook].clear()
                continue
            labels = {**item["labels"], "hook": hook, "module": self._module}
            key = (item["name"], tuple(sorted(labels.items())))
            group = series[item["group"] or hook]
            before = group.get(key, 0.0) if item["action"] == "add" else 0.0
            group[key] = before + item["value"]
        self._groups.update(series)

    def find(self, name: str, **labels: str) -> list[Series]:
        """Give the series of a name that have all these labels, sorted."""
        found = [
            Series(key[0], key[1], value)
            for group in self._groups.values()
            for key, value in group.items()
            if key[0] == name and labels.items() <= dict(key[1]).items()
        ]
        return sorted(found, key=lambda item: item.labels)

    def clear(self) -> None:
        """Forget all: the module is off."""
        self._groups.clear()


def _checked(item: Document) -> Document:
    if unknown := item.keys() - KEYS:
        raise PatchRefusedError(f"metric: unknown keys {', '.join(sorted(unknown))}")
    action, value = item.get("action"), item.get("value")
    for shortcut in ("set", "add"):
        if shortcut in item:
            action, value = shortcut, item[shortcut]
    group, labels = item.get("group", ""), item.get("labels") or {}
    if action == "observe" or "buckets" in item:
        raise PatchRefusedError("metric: this runner takes no histograms")
    if action not in ("set", "add", "expire"):
        raise PatchRefusedError(f"metric: action {action!r} is not one of set, add, expire")
    if action == "expire":
        if not group:
            raise PatchRefusedError("metric: expire needs a group")
    elif not item.get("name") or not isinstance(value, int | float) or isinstance(value, bool):
        raise PatchRefusedError(f"metric: {item} needs a name and a number")
    if not all(isinstance(text, str) for text in labels.values()):
        raise PatchRefusedError(f"metric {item.get('name')}: labels must be texts: {labels}")
    return {
        "name": item.get("name", ""),
        "action": action,
        "value": float(value or 0),
        "labels": labels,
        "group": group,
    }
