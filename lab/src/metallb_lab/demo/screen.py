"""What the demo shows: headings, steps with the time, tables, and checks that count."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_BOLD, _DIM, _GREEN, _RED, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"


def lay_out(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lay a table out in columns as wide as their widest cell."""
    table = [list(headers), *(list(row) for row in rows)]
    widths = [max(len(row[index]) for row in table) for index in range(len(headers))]
    lines = []
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return lines


class Screen:
    """Writes to a terminal or a file; in colour only where it is one."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._colours = self._out.isatty()
        self._began_at = time.monotonic()
        self.failures: list[str] = []

    @property
    def seconds(self) -> float:
        """Time since the demo began."""
        return time.monotonic() - self._began_at

    def _write(self, text: str = "", style: str = "") -> None:
        line = f"{style}{text}{_PLAIN}" if style and self._colours else text
        print(line, file=self._out, flush=True)

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._write()
        self._write(text, _BOLD)

    def step(self, text: str) -> None:
        """Tell what has just been done, with the time."""
        self._write(f"  {self.seconds:5.1f} s  {text}")

    def hint(self, text: str) -> None:
        """Tell what is not news: a command to try, an explanation."""
        self._write(f"           {text}", _DIM)

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Show a table."""
        head, *body = lay_out(headers, rows)
        self._write(f"           {head}", _DIM)
        for line in body:
            self._write(f"           {line}")

    def check(self, is_held: bool, text: str) -> None:
        """Show whether something held; what did not is kept for the end."""
        if not is_held:
            self.failures.append(text)
        self._write(f"  {'holds ' if is_held else 'FAILED'}   {text}", _GREEN if is_held else _RED)
