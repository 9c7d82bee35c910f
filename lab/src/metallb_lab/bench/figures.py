"""A figure: what was measured, what it is held against, and whether its goal is met.

A figure is one row of the report and of the JSON. Ours and the peer's come from the same run on
the same machine. The ratio is always our median by the peer's, so whether more or less of it is
better depends on the unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class PeerKind(StrEnum):
    """What ours is held against."""

    PEER = "peer"
    """Another program that does the same job."""
    LIMIT = "limit"
    """What the work costs anybody: the least that the things around us allow."""


@dataclass(frozen=True, slots=True)
class Series:
    """The values of all runs; never empty."""

    values: tuple[float, ...]
    more_is_better: bool = False

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a series needs at least one run")

    @property
    def median(self) -> float:
        """Middle value."""
        return median(self.values)

    @property
    def worst(self) -> float:
        """Worst value."""
        return min(self.values) if self.more_is_better else max(self.values)


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom ours is held against."""

    name: str
    series: Series
    kind: PeerKind = PeerKind.PEER


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached; every bound that is given must hold."""

    median_at_most: float | None = None
    worst_at_most: float | None = None
    ratio_at_least: float | None = None
    ratio_at_most: float | None = None

    def is_met(self, ours: Series, ratio: float | None) -> bool:
        """Tell whether all bounds hold; a ratio that does not exist meets no bound on it."""
        least, most = self.ratio_at_least, self.ratio_at_most
        return (
            (self.median_at_most is None or ours.median <= self.median_at_most)
            and (self.worst_at_most is None or ours.worst <= self.worst_at_most)
            and (least is None or (ratio is not None and ratio >= least))
            and (most is None or (ratio is not None and ratio <= most))
        )

    def text(self, unit: str, kind: PeerKind) -> str:
        """Put the goal into words."""
        bounds = (
            (self.median_at_most, f"median <= {{:g}} {unit}"),
            (self.worst_at_most, f"worst <= {{:g}} {unit}"),
            (self.ratio_at_least, f">= {{:g}} x the {kind}"),
            (self.ratio_at_most, f"<= {{:g}} x the {kind}"),
        )
        said = [words.format(bound) for bound, words in bounds if bound is not None]
        return " and ".join(said) or "none"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row."""

    id: str
    work: str
    unit: str
    ours: Series
    peer: Peer
    goal: Goal
    notes: tuple[str, ...] = ()
    """Lines for the reader of the report; not in the JSON."""

    @property
    def ratio(self) -> float | None:
        """Our median by the peer's; None when the peer's is zero."""
        theirs = self.peer.series.median
        return self.ours.median / theirs if theirs else None

    @property
    def is_met(self) -> bool:
        """Whether the goal is met."""
        return self.goal.is_met(self.ours, self.ratio)

    @property
    def goal_text(self) -> str:
        """The goal in words."""
        return self.goal.text(self.unit, self.peer.kind)

    def to_object(self) -> dict[str, Any]:
        """Give the JSON form."""
        theirs = self.peer.series
        return {
            "id": self.id,
            "work": self.work,
            "unit": self.unit,
            "ours": {
                "median": _rounded(self.ours.median),
                "worst": _rounded(self.ours.worst),
                "runs": len(self.ours.values),
            },
            "peer": {
                "name": self.peer.name,
                "median": _rounded(theirs.median),
                "worst": _rounded(theirs.worst),
            },
            "ratio": None if self.ratio is None else _rounded(self.ratio),
            "goal": self.goal_text,
            "met": self.is_met,
        }


def _rounded(value: float) -> float:
    return round(value, 3)


def percentile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that at least that share of the values does not exceed."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]
