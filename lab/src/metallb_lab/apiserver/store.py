"""Objects in memory, one counter of versions for all, and a bounded history for each resource.

A ``Table`` holds the objects of one resource. What is stored is never changed again: writers put
new dictionaries, so readers, watchers and the history share them freely. Every change is an
``Event``; the last ``limit`` of them stay, which is what makes three things possible and bounds
their memory: a watch that resumes, a list at an exact version, a chunked list that sees one
moment. Older versions answer ``CompactedError``.

Subscribers are called inside the commit, in order; they must only queue.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HISTORY_LIMIT = 10_000

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


class Key(NamedTuple):
    """Namespace ("" for cluster-scoped) and name; sorts as the real server lists."""

    namespace: str
    name: str

    def path(self) -> str:
        """As a continue token spells it."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class CompactedError(Exception):
    """The version asked for is older than the history; ``oldest`` is the first one that is not."""

    def __init__(self, oldest: int) -> None:
        super().__init__(oldest)
        self.oldest = oldest


@dataclass(slots=True, eq=False)
class Stored:
    """One version of one object, and its encodings by representation."""

    key: Key
    version: int
    value: dict[str, Any]
    encodings: dict[Any, bytes] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Event:
    """One change; a deletion carries the last state under the deletion's own version."""

    type: EventType
    version: int
    stored: Stored
    previous: Stored | None
    encodings: dict[Any, bytes] = field(default_factory=dict)


class Clock:
    """The counter of versions that all tables share."""

    def __init__(self, start: int = 1) -> None:
        self.version = start

    def tick(self) -> int:
        """The next version."""
        self.version += 1
        return self.version


class Table:
    """The objects of one resource."""

    def __init__(self, clock: Clock, limit: int = HISTORY_LIMIT) -> None:
        self._clock = clock
        self._limit = limit
        self._items: dict[Key, Stored] = {}
        self._order: list[Key] = []
        self._history: deque[Event] = deque()
        self._compacted_at = clock.version
        self._subscribers: set[Callable[[Event], None]] = set()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Key) -> Stored | None:
        """The present version of an object."""
        return self._items.get(key)

    # ------------------------------------------------------------ writing

    def put(self, key: Key, value: dict[str, Any]) -> Stored:
        """Creates or replaces; stamps ``metadata.resourceVersion`` into ``value``."""
        version = self._clock.tick()
        value["metadata"]["resourceVersion"] = str(version)
        stored = Stored(key, version, value)
        previous = self._items.get(key)
        if previous is None:
            insort(self._order, key)
        self._items[key] = stored
        self._commit(Event("MODIFIED" if previous else "ADDED", version, stored, previous))
        return stored

    def remove(self, key: Key) -> Stored:
        """Deletes; the last state gets the version of the deletion."""
        previous = self._items.pop(key)
        self._order.pop(bisect_left(self._order, key))
        version = self._clock.tick()
        final = dict(previous.value)
        final["metadata"] = final["metadata"] | {"resourceVersion": str(version)}
        stored = Stored(key, version, final)
        self._commit(Event("DELETED", version, stored, previous))
        return stored

    def _commit(self, event: Event) -> None:
        self._history.append(event)
        while len(self._history) > self._limit:
            self._compacted_at = self._history.popleft().version
        for subscriber in tuple(self._subscribers):
            subscriber(event)

    # ------------------------------------------------------------ history

    @property
    def oldest(self) -> int:
        """The oldest version that history can still speak about."""
        return self._compacted_at

    def compact(self) -> None:
        """Forgets all history, as etcd's compaction does."""
        self._history.clear()
        self._compacted_at = self._clock.version

    def since(self, version: int) -> list[Event]:
        """Changes after a version."""
        if version < self._compacted_at:
            raise CompactedError(self._compacted_at)
        out: list[Event] = []
        for event in reversed(self._history):
            if event.version <= version:
                break
            out.append(event)
        out.reverse()
        return out

    def subscribe(self, subscriber: Callable[[Event], None]) -> Callable[[], None]:
        """Calls ``subscriber`` with each change from now on; returns how to stop."""
        self._subscribers.add(subscriber)
        return lambda: self._subscribers.discard(subscriber)

    # ------------------------------------------------------------ reading many

    def scan(self, namespace: str = "", after: Key | None = None) -> Iterator[Stored]:
        """Present objects in order, of one namespace or of all."""
        for key in self._range(self._order, namespace, after):
            yield self._items[key]

    def scan_at(
        self, version: int, namespace: str = "", after: Key | None = None
    ) -> Iterator[Stored]:
        """Objects as they were at a version: the present, with later changes undone."""
        undone: dict[Key, Stored | None] = {}
        for event in reversed(self.since(version)):
            undone[event.stored.key] = event.previous
        if not undone:
            yield from self.scan(namespace, after)
            return
        gone = [key for key, old in undone.items() if old is not None and key not in self._items]
        order = sorted([*self._order, *gone]) if gone else self._order
        for key in self._range(order, namespace, after):
            stored = undone[key] if key in undone else self._items[key]
            if stored is not None:
                yield stored

    @staticmethod
    def _range(order: list[Key], namespace: str, after: Key | None) -> list[Key]:
        start = 0
        if after is not None:
            start = bisect_left(order, Key(after.namespace, after.name + "\0"))
        if not namespace:
            return order[start:]
        first = max(start, bisect_left(order, Key(namespace, "")))
        return order[first : bisect_left(order, Key(namespace + "\0", ""))]


class Store:
    """All tables."""

    def __init__(self, history_limit: int = HISTORY_LIMIT) -> None:
        self.clock = Clock()
        self.history_limit = history_limit
        self._tables: dict[str, Table] = {}

    @property
    def version(self) -> int:
        """The newest version of anything."""
        return self.clock.version

    def table(self, name: str) -> Table:
        """The table of a resource (``services``, ``virtualips.network.deckhouse.io``)."""
        if name not in self._tables:
            self._tables[name] = Table(self.clock, self.history_limit)
        return self._tables[name]

    def drop(self, name: str) -> None:
        """Forgets a table whose resource is gone."""
        self._tables.pop(name, None)

    def compact(self) -> None:
        """Forgets the history of everything."""
        for table in self._tables.values():
            table.compact()
