"""The report: every number that matters is in it, and an unmet goal cannot be overlooked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metallb_lab.bench import report
from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series

FIGURE = Figure(
    id="F7",
    work="10000 Services present",
    unit="Services/s",
    ours=Series((400.0, 412.5, 380.0), more_is_better=True),
    peer=Peer("bare client, 32 connections", Series((500.0,), True), PeerKind.LIMIT),
    goal=Goal(ratio_at_least=0.8),
    notes=("ours 24.2 s",),
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (3.0, "3"), (0.123, "0.12"), (9.994, "9.99"), (12.34, "12.3"), (812.6, "813")],
)
def test_numbers_have_about_three_digits(value: float, text: str) -> None:
    assert report.shown(value) == text


def test_a_block_shows_ours_the_limit_the_ratio_the_goal_and_the_notes() -> None:
    assert report.block(FIGURE).splitlines() == [
        "F7  10000 Services present",
        "  ours   median 400 Services/s, worst 380 Services/s, 3 runs",
        "  limit  median 500 Services/s, worst 500 Services/s  (bare client, 32 connections)",
        "  ratio  0.80",
        "  goal   >= 0.8 x the limit: met",
        "  - ours 24.2 s",
    ]


def test_an_unmet_goal_is_shown_as_such() -> None:
    unmet = replace(FIGURE, goal=Goal(ratio_at_least=0.9), ours=Series((400.0,)))
    assert "goal   >= 0.9 x the limit: NOT MET" in report.block(unmet)
    assert "1 run\n" in report.block(unmet)
    assert report.table([unmet]).splitlines()[-1].endswith("NOT MET")


def test_the_table_has_a_line_a_figure_in_columns() -> None:
    other = replace(FIGURE, id="F11-random", unit="VIPs", peer=Peer("nobody", Series((0.0,))))
    lines = report.table([FIGURE, other]).splitlines()
    assert len(lines) == 4
    assert lines[0].index("ours") == lines[2].index("400 Services/s") == lines[3].index("400 VIPs")
    assert lines[3].split()[-2:] == ["NOT", "MET"]
    assert " - " in lines[3]


def test_a_spread() -> None:
    values = [float(number) for number in range(1, 11)]
    assert report.spread(values) == "min 1, median 5, p90 9, max 10"
