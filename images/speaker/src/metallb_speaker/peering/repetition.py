"""A line of the log that comes again and again is said at its 1st, 2nd, 4th, 8th … time in a row.

A peer can end connections, or send malformed UPDATEs, as fast as it likes; the log must not grow
like that.
"""

from __future__ import annotations


class Repetition:
    """What was said last, and how often in a row."""

    def __init__(self) -> None:
        self._text = ""
        self._count = 0

    def take(self, text: str) -> str | None:
        """Give the line to be said, or `None` when it was said often enough."""
        self._count = self._count + 1 if text == self._text else 1
        self._text = text
        if self._count & (self._count - 1):
            return None
        return text if self._count == 1 else f"{text} ({self._count} times in a row)"
