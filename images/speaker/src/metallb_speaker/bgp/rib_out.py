"""Adj-RIB-Out of one peer: what it is to have, and where that differs from what it has.

Only the difference is kept beside the wish: prefix -> what the peer has now (`None`: nothing). So a
route that changes ten times while the peer reads slowly is sent once, and one that changes back is
not sent at all. A batch is taken out when it is about to be written, never before.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb_speaker.bgp.attributes import RouteAttributes
    from metallb_speaker.bgp.prefixes import Prefix


class Held(Enum):
    """What the peer has where it is to be told again whatever that is."""

    SOMETHING = "something"


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be said next: NLRI by family, announced ones by their attributes too."""

    withdrawn: dict[int, list[bytes]]
    announced: dict[tuple[int, RouteAttributes], list[bytes]]


class RibOut:
    """The routes for one peer."""

    def __init__(self, routes: Mapping[Prefix, RouteAttributes] | None = None) -> None:
        self._wanted: dict[Prefix, RouteAttributes] = dict(routes or {})
        self._differs: dict[Prefix, RouteAttributes | Held | None] = {}
        self._is_live = False

    def __len__(self) -> int:
        return len(self._wanted)

    @property
    def wanted(self) -> Mapping[Prefix, RouteAttributes]:
        """What the peer is to have."""
        return self._wanted

    @property
    def unsent(self) -> int:
        """How many prefixes the peer has otherwise than it is to."""
        return len(self._differs)

    def change(self, changes: Mapping[Prefix, RouteAttributes | None]) -> None:
        """Wish routes to be announced with these attributes, or (`None`) withdrawn."""
        for prefix, attributes in changes.items():
            before = self._wanted.get(prefix)
            if attributes == before:
                continue
            if attributes is None:
                del self._wanted[prefix]
            else:
                self._wanted[prefix] = attributes
            if self._is_live:
                self._note(prefix, before, attributes)

    def replace(self, routes: Mapping[Prefix, RouteAttributes]) -> None:
        """Wish for exactly these."""
        gone: dict[Prefix, RouteAttributes | None] = dict.fromkeys(self._wanted.keys() - routes)
        self.change({**gone, **routes})

    def _note(
        self, prefix: Prefix, before: RouteAttributes | None, after: RouteAttributes | None
    ) -> None:
        if prefix not in self._differs:
            self._differs[prefix] = before
        elif self._differs[prefix] == after:
            del self._differs[prefix]

    def begin(self) -> None:
        """Begin with a peer that has nothing of ours."""
        self._is_live = True
        self._differs = dict.fromkeys(self._wanted)

    def end(self) -> None:
        """There is nobody to tell."""
        self._is_live = False
        self._differs = {}

    def repeat(self, afis: Iterable[int]) -> None:
        """Tell all routes of these families again (RFC 2918, or a new next hop)."""
        again = frozenset(afis)
        for prefix in self._wanted:
            if prefix.afi in again and self._differs.get(prefix, Held.SOMETHING) is not None:
                self._differs[prefix] = Held.SOMETHING

    def take(self, at_most: int) -> Batch:
        """Take out what is to be said next; the peer counts as told."""
        return self._batch((prefix, self._wanted.get(prefix)) for prefix in self._taken(at_most))

    def said(self) -> Batch:
        """Give what the peer has been told and is still to have, or to hear again."""
        return self._batch(
            (prefix, attributes)
            for prefix, attributes in self._wanted.items()
            if self._differs.get(prefix, Held.SOMETHING) is not None
        )

    @staticmethod
    def _batch(items: Iterable[tuple[Prefix, RouteAttributes | None]]) -> Batch:
        batch = Batch({}, {})
        alike: dict[tuple[int, int], list[bytes]] = {}  # by identity first: hashing costs more
        for prefix, attributes in items:
            if attributes is None:
                batch.withdrawn.setdefault(prefix.afi, []).append(prefix.nlri)
                continue
            key = (prefix.afi, id(attributes))
            if key not in alike:
                alike[key] = batch.announced.setdefault((prefix.afi, attributes), [])
            alike[key].append(prefix.nlri)
        return batch

    def _taken(self, at_most: int) -> Iterable[Prefix]:
        if len(self._differs) <= at_most:
            taken, self._differs = self._differs, {}
            return taken
        some = list(islice(self._differs, at_most))
        for prefix in some:
            del self._differs[prefix]
        return some
