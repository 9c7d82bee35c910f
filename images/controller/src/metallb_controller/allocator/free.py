"""Free numbers of a range, lowest first: taking, giving and finding one costs the same however many
are taken.

Taken numbers are bits of words of 256 bits. A word that has become full is one bit of a word on the
level above, and so on, so the next free number is found by climbing over full words and descending
again: two steps for a /12, eight for a /64. Only words in which something is taken exist.

    level 1   ···  │11101···│           a bit says that the word below it is full
                       │
    level 0   ···  │10110···│           a bit is a number that is taken

With `avoid_ends` numbers whose last byte is 0 or 255 are never free: that is the first and the last
bit of each word of level 0, whether it exists or not.
"""

from __future__ import annotations

_BITS = 8
_SIZE = 1 << _BITS
_FULL = (1 << _SIZE) - 1
_ENDS = 1 | 1 << (_SIZE - 1)


def ends_within(first: int, last: int) -> int:
    """Count the numbers from `first` to `last` whose last byte is 0 or 255."""
    of_0 = last // _SIZE - (first - 1) // _SIZE
    of_255 = (last + 1) // _SIZE - first // _SIZE
    return of_0 + of_255


class FreeNumbers:
    """The free ones of the numbers `first` to `last`, both included."""

    __slots__ = ("_first", "_from", "_last", "_levels", "_untouched", "count")

    def __init__(self, first: int, last: int, *, avoid_ends: bool = False) -> None:
        self._first = first
        self._last = last
        self._from = first  # nothing below it is free
        self._untouched = _ENDS if avoid_ends else 0
        depth = 1
        while first >> (_BITS * depth) != last >> (_BITS * depth):
            depth += 1
        self._levels: list[dict[int, int]] = [{} for _ in range(depth)]
        self.count = last - first + 1 - (ends_within(first, last) if avoid_ends else 0)

    @property
    def avoids_ends(self) -> bool:
        """Whether numbers whose last byte is 0 or 255 are left out."""
        return bool(self._untouched)

    def __contains__(self, number: int) -> bool:
        if not self._first <= number <= self._last:
            return False
        word = self._levels[0].get(number >> _BITS, self._untouched)
        return not word >> (number & _SIZE - 1) & 1

    def take(self, number: int) -> None:
        """Take a free number; raises ValueError when it is not free."""
        index, untouched = number >> _BITS, self._untouched
        before = self._levels[0].get(index, untouched)
        word = before | 1 << (number & _SIZE - 1)
        if word == before or not self._first <= number <= self._last:
            raise ValueError(f"{number} is not free")
        self._levels[0][index] = word
        self.count -= 1
        if number == self._from:
            self._from = number + 1
        for words in self._levels[1:] if word == _FULL else ():
            number, index = index, index >> _BITS
            word = words.get(index, 0) | 1 << (number & _SIZE - 1)
            words[index] = word
            if word != _FULL:
                break

    def give(self, number: int) -> None:
        """Give a number back; raises ValueError when it is not taken."""
        if number in self or not self._is_usable(number):
            raise ValueError(f"{number} is not taken")
        self._from = min(self._from, number)
        untouched = self._untouched
        for words in self._levels:
            index = number >> _BITS
            before = words[index]
            word = before & ~(1 << (number & _SIZE - 1))
            if word == untouched:
                del words[index]
            else:
                words[index] = word
            if before != _FULL:
                break
            number, untouched = index, 0
        self.count += 1

    def _is_usable(self, number: int) -> bool:
        is_avoided = self._untouched >> (number & _SIZE - 1) & 1
        return self._first <= number <= self._last and not is_avoided

    def lowest(self, at_least: int | None = None) -> int | None:
        """Find the lowest free number, or the lowest that is not below one; None: there is none."""
        start = self._from if at_least is None or at_least < self._from else at_least
        if not self.count or start > self._last:
            return None
        word = self._levels[0].get(start >> _BITS, self._untouched)
        found = self._climb(start) if word >> (start & _SIZE - 1) & 1 else start
        if at_least is None and found is not None:
            self._from = found
        return None if found is None or found > self._last else found

    def _climb(self, number: int) -> int | None:
        untouched = self._untouched
        for level, words in enumerate(self._levels):
            index = number >> _BITS
            rest = (words.get(index, untouched) ^ _FULL) >> (number & _SIZE - 1)
            if rest:
                if not rest & 1:
                    number += (rest & -rest).bit_length() - 1
                return self._descend(level, number) if level else number
            number, untouched = index + 1, 0
        return None

    def _descend(self, level: int, number: int) -> int:
        """Find the lowest free number below a bit of a level, whose word is not full."""
        for words in reversed(self._levels[:level]):
            untouched = self._untouched if words is self._levels[0] else 0
            rest = words.get(number, untouched) ^ _FULL
            number = (number << _BITS) + (rest & -rest).bit_length() - 1
        return number

    def check_invariants(self) -> None:
        """Compare the levels with each other and with the count; raises AssertionError."""
        taken = sum((word & ~self._untouched).bit_count() for word in self._levels[0].values())
        avoided = ends_within(self._first, self._last) if self._untouched else 0
        usable = self._last - self._first + 1 - avoided
        assert self.count == usable - taken, f"{self.count} of {usable} with {taken} taken"
        for below, above in zip(self._levels, self._levels[1:], strict=False):
            full = {index for index, word in below.items() if word == _FULL}
            marked = {
                (index << _BITS) + bit
                for index, word in above.items()
                for bit in range(_SIZE)
                if word >> bit & 1
            }
            assert full == marked, f"full words {full ^ marked} are marked wrongly"
