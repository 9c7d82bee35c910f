"""The dashboards as they are in the tree, and what each of their panels asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from module.monitoring.rules import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = ROOT / "monitoring/grafana-dashboards"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    board: str
    panel: str
    number: str
    expression: str
    is_instant: bool

    def __str__(self) -> str:
        return f"{self.board}/{self.panel}/{self.number}"


def boards() -> dict[str, Json]:
    """Give the dashboards by the names of their files."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*/*.json"))}


def panels(board: Json) -> Iterator[Json]:
    """Give the panels that show something, those of collapsed rows too."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def queries() -> list[Query]:
    """Give the queries of all dashboards."""
    return [
        Query(name, panel["title"], target["refId"], target["expr"], bool(target["instant"]))
        for name, board in boards().items()
        for panel in panels(board)
        for target in panel["targets"]
    ]
