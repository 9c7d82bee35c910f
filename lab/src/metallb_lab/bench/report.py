"""How figures are shown to a person: one block each, and a table of all at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_lab.bench.figures import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb_lab.bench.figures import Figure, Series

HEADINGS = ("", "ours", "peer or limit", "ratio", "goal", "met")


def shown(value: float) -> str:
    """Write a number with about three digits."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(values: Sequence[float]) -> str:
    """Tell how values are spread."""
    shares = {"min": 0.0, "median": 0.5, "p90": 0.9, "max": 1.0}
    return ", ".join(f"{word} {shown(percentile(values, at))}" for word, at in shares.items())


def block(figure: Figure) -> str:
    """Show one figure with its notes."""
    kind = figure.peer.kind.value
    lines = [
        f"{figure.id}  {figure.work}",
        f"  {'ours':<6} {_series(figure.ours, figure.unit)}, {_runs(figure.ours)}",
        f"  {kind:<6} {_series(figure.peer.series, figure.unit)}  ({figure.peer.name})",
        f"  {'ratio':<6} {_ratio(figure)}",
        f"  {'goal':<6} {figure.goal_text}: {_verdict(figure)}",
    ]
    lines += [f"  - {note}" for note in figure.notes]
    return "\n".join(lines)


def table(figures: Sequence[Figure]) -> str:
    """Show all figures, one line each."""
    rows = [HEADINGS, *(_cells(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _cells(figure: Figure) -> tuple[str, ...]:
    theirs = figure.peer.series.median
    return (
        figure.id,
        f"{shown(figure.ours.median)} {figure.unit}",
        f"{shown(theirs)} {figure.unit}, {figure.peer.name}",
        _ratio(figure),
        figure.goal_text,
        _verdict(figure),
    )


def _series(series: Series, unit: str) -> str:
    return f"median {shown(series.median)} {unit}, worst {shown(series.worst)} {unit}"


def _runs(series: Series) -> str:
    count = len(series.values)
    return "1 run" if count == 1 else f"{count} runs"


def _ratio(figure: Figure) -> str:
    return "-" if figure.ratio is None else f"{figure.ratio:.2f}"


def _verdict(figure: Figure) -> str:
    return "met" if figure.is_met else "NOT MET"
