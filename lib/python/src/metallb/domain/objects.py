"""Objects of many kinds side by side: in an order that does not depend on how they came, and what
is wrong in each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from metallb.api.fields import Problem
from metallb.api.meta import ObjectKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metallb.api.meta import Metadata

ObjectId = tuple[str, ObjectKey]
"""Kind and key of an object."""


class ReadObject(Protocol):
    """An object as a reader gives it."""

    @property
    def meta(self) -> Metadata:
        """Its metadata."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong in it."""


Object = TypeVar("Object", bound=ReadObject)


class Notes:
    """What is wrong, by object."""

    def __init__(self) -> None:
        self._found: dict[ObjectId, list[Problem]] = {}

    def take(self, kind: str, value: ReadObject) -> None:
        """Take over what the reader noted."""
        self.add((kind, value.meta.key), *value.problems)

    def add(self, of: ObjectId, *problems: Problem) -> None:
        """Note problems of an object."""
        if problems:
            self._found.setdefault(of, []).extend(problems)

    def taken(self, kind: str, items: list[Object]) -> list[Object]:
        """Take over what the reader noted of some, and give them."""
        for item in items:
            self.take(kind, item)
        return items

    def result(self) -> dict[ObjectId, tuple[Problem, ...]]:
        """Give all, sorted by object."""
        return {of: tuple(self._found[of]) for of in sorted(self._found)}


def in_order(items: Iterable[Object]) -> list[Object]:
    """Sort objects by name."""
    return sorted(items, key=lambda item: (item.meta.key.name, item.meta.seniority))


def unique(notes: Notes, kind: str, items: Iterable[Object]) -> Iterator[Object]:
    """Give the objects in order, of those with one name (in two namespaces) the oldest."""
    holder: Object | None = None
    for item in in_order(items):
        notes.take(kind, item)
        if holder is not None and holder.meta.key.name == item.meta.key.name:
            text = f"{holder.meta.key} has this name and is older: this object is not used"
            notes.add((kind, item.meta.key), Problem(".metadata.name", text))
            continue
        holder = item
        yield item
