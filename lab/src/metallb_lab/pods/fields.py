"""Reads an object field by field, and refuses what was not read.

`close` raises UnsupportedError if the object says anything that nobody asked for. A field that is
empty says nothing: API servers and clients write `{}`, `[]`, `""`, `false` and `null` for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.pods.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Fields:
    """One object that is being read."""

    def __init__(self, value: Mapping[str, Any] | None, path: str) -> None:
        self._left = dict(value or {})
        self.path = path

    def take(self, name: str, default: Any = None) -> Any:
        """Read a field; what is null is as if it were not there."""
        value = self._left.pop(name, None)
        return default if value is None else value

    def has(self, name: str) -> bool:
        """Tell whether a field that was not read yet is there."""
        return self._left.get(name) is not None

    def child(self, name: str) -> Fields:
        """Read a field that is an object."""
        return Fields(self.take(name), f"{self.path}.{name}")

    def children(self, name: str) -> list[Fields]:
        """Read a field that is a list of objects."""
        items = enumerate(self.take(name, []))
        return [Fields(item, f"{self.path}.{name}[{index}]") for index, item in items]

    def choice(self, name: str, default: str, *others: str) -> str:
        """Read a word out of several."""
        value = self.take(name, default)
        if value not in (default, *others):
            raise UnsupportedError(f"{self.path}.{name}: {value!r}")
        return str(value)

    def leave(self, *names: str) -> None:
        """Pass over fields that are another's affair."""
        for name in names:
            self._left.pop(name, None)

    def close(self) -> None:
        """Raise UnsupportedError if something is left."""
        if left := sorted(name for name, value in self._left.items() if value):
            raise UnsupportedError(f"{self.path}.{left[0]}: the agent does not know this field")
