"""Reading JSON objects field by field, knowing the path of each, keeping what is right of a wrong
whole.

Whatever a user wrote ends here: a field of the wrong type or an impossible value becomes a
`Problem` that names its JSON path, the value and what would be right, and reading goes on with
the default. So one bad item never takes the rest with it, and the caller decides what a problem
means for the object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern
from typing import Any

JsonObject = Mapping[str, Any]

_SHOWN_CHARACTERS = 80

LISTED = 5
"""At most so many items of a kind are spelled out in one message."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in an object, in words for the person who wrote it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def shown(value: object) -> str:
    """Make a value short enough to be quoted in a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def listed(items: Sequence[object], most: int = LISTED) -> str:
    """Spell out the first few of many."""
    shown = ", ".join(str(item) for item in items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


@dataclass(slots=True)
class Fields:
    """One JSON object being read.

    `path` is the object's own JSON path ("" for the top: its fields are then ``.spec``).
    `problems` is shared by all objects below one top object. A getter never raises: it notes a
    problem and gives the default. ``null`` counts as absent, as it does for the API server.
    """

    value: JsonObject
    path: str = ""
    problems: list[Problem] = field(default_factory=list)

    def note(self, name: str, message: str) -> None:
        """Note a problem of the named field."""
        self.problems.append(Problem(f"{self.path}.{name}", message))

    def _typed(self, name: str, wanted: type | tuple[type, ...], word: str) -> Any:
        value = self.value.get(name)
        if value is None:
            return None
        if isinstance(value, wanted) and not (wanted is int and isinstance(value, bool)):
            return value
        self.note(name, f"{word} is wanted, not {shown(value)}")
        return None

    def text(self, name: str, default: str = "") -> str:
        """Read a string."""
        value = self.value.get(name)
        if type(value) is str:  # nearly always, and ten thousand objects are read
            return value
        value = self._typed(name, str, "a string")
        return default if value is None else str(value)

    def word(self, name: str, default: str = "") -> str:
        """Read a string that many objects have in common: it is kept once."""
        return intern(self.text(name, default))

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Read one of several words."""
        value = self.text(name, default)
        if value not in allowed:
            self.note(name, f"{shown(value)} is not one of {', '.join(allowed)}")
            return default
        return value

    def boolean(self, name: str, default: bool = False) -> bool:
        """Read true or false."""
        value = self._typed(name, bool, "true or false")
        return default if value is None else bool(value)

    def integer(self, name: str, default: int, minimum: int, maximum: int) -> int:
        """Read a whole number within limits."""
        value = self._typed(name, int, "a whole number")
        if value is None:
            return default
        if not minimum <= value <= maximum:
            self.note(name, f"{shown(value)} is not within {minimum} to {maximum}")
            return default
        return int(value)

    def integers(self, name: str, minimum: int, maximum: int) -> tuple[int, ...]:
        """Read a list of whole numbers within limits; other items are noted and left out."""
        found: list[int] = []
        for index, item in enumerate(self._typed(name, list, "a list of whole numbers") or ()):
            is_whole = isinstance(item, int) and not isinstance(item, bool)
            if is_whole and minimum <= item <= maximum:
                found.append(item)
            else:
                wanted = f"a whole number from {minimum} to {maximum}"
                self.note(f"{name}[{index}]", f"{wanted} is wanted, not {shown(item)}")
        return tuple(found)

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of strings; items that are none are noted and left out."""
        items = self._typed(name, list, "a list of strings") or ()
        found = tuple(item for item in items if isinstance(item, str))
        if len(found) < len(items):
            for index, item in enumerate(items):
                if not isinstance(item, str):
                    self.note(f"{name}[{index}]", f"a string is wanted, not {shown(item)}")
        return found

    def words(self, name: str) -> tuple[str, ...]:
        """Read a list of strings that many objects have in common."""
        return tuple(map(intern, self.texts(name)))

    def names(self, name: str) -> tuple[str, ...]:
        """Read a list of names, each once; one that is empty or repeated is noted."""
        found: dict[str, str] = {}
        for index, text in enumerate(self.texts(name)):
            place = f"{name}[{index}]"
            if not text:
                self.note(place, "a name is wanted, not ''")
            elif text in found:
                self.note(place, f"{shown(text)} is there already, in {found[text]}")
            else:
                found[text] = f"{self.path}.{place}"
        return tuple(found)

    def mapping(self, name: str) -> dict[str, str]:
        """Read a map of strings; entries that are none are noted and left out."""
        items = self._typed(name, Mapping, "a map of strings") or {}
        found = {key: item for key, item in items.items() if isinstance(item, str)}
        if len(found) < len(items):
            for key, item in items.items():
                if not isinstance(item, str):
                    self.note(f"{name}[{shown(key)}]", f"a string is wanted, not {shown(item)}")
        return found

    def child(self, name: str) -> Fields:
        """Read an object; an absent or wrong one reads as empty."""
        value = self.value.get(name)
        if type(value) is not dict:
            value = self._typed(name, Mapping, "an object") or {}
        return Fields(value, f"{self.path}.{name}", self.problems)

    def children(self, name: str) -> list[Fields]:
        """Read a list of objects; items that are none are noted and left out."""
        found: list[Fields] = []
        for index, item in enumerate(self._typed(name, list, "a list of objects") or []):
            if type(item) is dict or isinstance(item, Mapping):
                found.append(Fields(item, f"{self.path}.{name}[{index}]", self.problems))
            else:
                self.note(f"{name}[{index}]", f"an object is wanted, not {shown(item)}")
        return found
