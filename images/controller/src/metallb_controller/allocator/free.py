"""Free numbers of a range as sorted disjoint intervals: taking the first one does not search.

The cost of a step is a bisection over the *holes*, never over the numbers: an empty /12 is one
interval, and so is a full one with the interval gone.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class FreeNumbers:
    """The free ones of the numbers `first` to `last`, both included."""

    __slots__ = ("_firsts", "_lasts", "count")

    def __init__(self, first: int, last: int) -> None:
        self._firsts = [first]
        self._lasts = [last]
        self.count = last - first + 1

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self._firsts, number) - 1
        return index >= 0 and number <= self._lasts[index]

    def take(self, number: int) -> None:
        """Take a free number; raises ValueError when it is not free."""
        index = bisect_right(self._firsts, number) - 1
        if index < 0 or number > self._lasts[index]:
            raise ValueError(f"{number} is not free")
        first, last = self._firsts[index], self._lasts[index]
        if first == last:
            del self._firsts[index], self._lasts[index]
        elif number == first:
            self._firsts[index] = number + 1
        elif number == last:
            self._lasts[index] = number - 1
        else:
            self._lasts[index] = number - 1
            self._firsts.insert(index + 1, number + 1)
            self._lasts.insert(index + 1, last)
        self.count -= 1

    def give(self, number: int) -> None:
        """Give a number back; raises ValueError when it is free already."""
        index = bisect_right(self._firsts, number)
        if index > 0 and number <= self._lasts[index - 1]:
            raise ValueError(f"{number} is free already")
        joins_left = index > 0 and self._lasts[index - 1] == number - 1
        joins_right = index < len(self._firsts) and self._firsts[index] == number + 1
        if joins_left and joins_right:
            self._lasts[index - 1] = self._lasts[index]
            del self._firsts[index], self._lasts[index]
        elif joins_left:
            self._lasts[index - 1] = number
        elif joins_right:
            self._firsts[index] = number
        else:
            self._firsts.insert(index, number)
            self._lasts.insert(index, number)
        self.count += 1

    def intervals(self) -> Iterator[tuple[int, int]]:
        """Give the free intervals, lowest first."""
        return zip(self._firsts, self._lasts, strict=True)
