"""Which advertisements cover a pool, without asking each of them: most name their pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb.api.advertisements import PoolChoice

Item = TypeVar("Item")


class Covering(Generic[Item]):
    """Advertisements, each with its choice of pools, in an order that is kept."""

    def __init__(self, items: Iterable[tuple[PoolChoice, Item]]) -> None:
        self._named: dict[str, list[tuple[int, Item]]] = {}
        self._choosing: list[tuple[int, PoolChoice, Item]] = []
        for index, (choice, item) in enumerate(items):
            if choice.names and not choice.selectors:
                for name in choice.names:
                    self._named.setdefault(name, []).append((index, item))
            else:
                self._choosing.append((index, choice, item))

    def of(self, name: str, labels: Mapping[str, str]) -> list[Item]:
        """Give those that cover a pool."""
        found = dict(self._named.get(name, ()))
        found |= {
            index: item for index, choice, item in self._choosing if choice.covers(name, labels)
        }
        return [found[index] for index in sorted(found)]
