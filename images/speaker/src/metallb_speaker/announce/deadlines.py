"""Deadlines of many keys: the earliest is found at once, and any can be changed or dropped."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

Key = TypeVar("Key")

STALE_MIN = 64
"""Entries without a meaning that the heap may hold beyond as many as have one."""


class Deadlines(Generic[Key]):
    """A heap with lazy deletion; times are monotonic seconds."""

    def __init__(self) -> None:
        self._at: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._number = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._at

    def set(self, key: Key, at: float) -> None:
        """Give a key a deadline, in place of the one it has."""
        self._at[key] = at
        self._number += 1
        heapq.heappush(self._heap, (at, self._number, key))
        if len(self._heap) > 2 * len(self._at) + STALE_MIN:
            self._heap = [item for item in self._heap if self._at.get(item[2]) == item[0]]
            heapq.heapify(self._heap)

    def set_by(self, key: Key, at: float) -> None:
        """Give a key a deadline, unless it has an earlier one."""
        if at < self._at.get(key, float("inf")):
            self.set(key, at)

    def drop(self, key: Key) -> None:
        """Take a key's deadline away, if it has one."""
        self._at.pop(key, None)

    def take_due(self, now: float, limit: int) -> list[Key]:
        """Drain the keys whose deadline has come, at most `limit`."""
        due: list[Key] = []
        while len(due) < limit and (at := self.next_at()) is not None and at <= now:
            key = heapq.heappop(self._heap)[2]
            del self._at[key]
            due.append(key)
        return due

    def next_at(self) -> float | None:
        """Tell the earliest deadline."""
        while self._heap and self._at.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
