"""`docs/internal/METRICS.md` as data: every metric that there is, or is reserved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from module.monitoring.rules import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs/internal/METRICS.md"


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of the page; type and help may be missing."""

    name: str
    labels: tuple[str, ...]
    kind: str = ""
    help: str = ""

    def series(self) -> set[str]:
        """Give the names that its series have."""
        if self.kind == "histogram":
            return {f"{self.name}_{end}" for end in ("bucket", "sum", "count")}
        return {self.name}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _rows(text: str) -> Iterator[Row]:
    header: list[str] = []
    for line in text.splitlines():
        if line.startswith("| Metric"):
            header = _cells(line)
        elif line.startswith("| `"):
            cells = dict(zip(header, _cells(line), strict=True))
            labels = tuple(sorted(re.findall(r"`(\w+)`", cells["Labels"])))
            name = cells["Metric"].strip("`")
            yield Row(name, labels, cells.get("Type", ""), cells.get("Help", ""))


def chapters() -> dict[str, list[Row]]:
    """Give the rows of each chapter."""
    found = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.M)[1:]
    return {title: list(_rows(text)) for title, text in zip(found[::2], found[1::2], strict=True)}


def series(*titles: str) -> set[str]:
    """Give the names of all series of some chapters; of all, when none is named."""
    rows = chapters()
    return {name for title in titles or rows for row in rows[title] for name in row.series()}


def names_in(expression: str) -> set[str]:
    """Find the series that an expression of PromQL asks for; functions and labels are no series."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    bare = re.sub(r"\{[^}]*\}", "", bare)
    bare = re.sub(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)", "", bare)
    return set(re.findall(r"\b[a-z]\w*_\w+\b(?!\s*\()", bare)) | set(re.findall(r"\bup\b", bare))
