"""Figures: medians, ratios, goals, and their JSON form."""

from __future__ import annotations

import json

import pytest

from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series, percentile


def figure(
    ours: tuple[float, ...] = (12.0, 18.0, 40.0),
    theirs: tuple[float, ...] = (10.0, 15.0, 50.0),
    *,
    goal: Goal | None = None,
    more_is_better: bool = False,
) -> Figure:
    return Figure(
        id="F8",
        work="Service created -> first ARP answer",
        unit="ms",
        ours=Series(ours, more_is_better),
        peer=Peer("bare client", Series(theirs, more_is_better), PeerKind.LIMIT),
        goal=goal or Goal(median_at_most=20, ratio_at_most=1.3),
    )


def test_the_worst_value_is_the_largest_or_where_more_is_better_the_smallest() -> None:
    assert Series((2.0, 9.0, 4.0)).worst == 9.0
    assert Series((2.0, 9.0, 4.0), more_is_better=True).worst == 2.0
    assert Series((2.0, 9.0, 4.0)).median == 4.0


def test_a_series_has_at_least_one_run() -> None:
    with pytest.raises(ValueError, match="at least one run"):
        Series(())


def test_the_json_form_is_exactly_this() -> None:
    assert json.loads(json.dumps(figure().to_object())) == {
        "id": "F8",
        "work": "Service created -> first ARP answer",
        "unit": "ms",
        "ours": {"median": 18.0, "worst": 40.0, "runs": 3},
        "peer": {"name": "bare client", "median": 15.0, "worst": 50.0},
        "ratio": 1.2,
        "goal": "median <= 20 ms and <= 1.3 x the limit",
        "met": True,
    }


@pytest.mark.parametrize(
    ("goal", "is_met"),
    [
        (Goal(median_at_most=18), True),
        (Goal(median_at_most=17.9), False),
        (Goal(worst_at_most=40), True),
        (Goal(worst_at_most=39), False),
        (Goal(ratio_at_most=1.2), True),
        (Goal(ratio_at_most=1.1), False),
        (Goal(ratio_at_least=1.2), True),
        (Goal(ratio_at_least=1.3), False),
        (Goal(median_at_most=18, ratio_at_most=1.1), False),
        (Goal(median_at_most=17, ratio_at_most=1.2), False),
    ],
)
def test_a_goal_is_met_when_all_its_bounds_hold(goal: Goal, is_met: bool) -> None:
    assert figure(goal=goal).is_met is is_met


def test_there_is_no_ratio_to_nothing_and_it_meets_no_bound() -> None:
    found = figure(theirs=(0.0,), goal=Goal(ratio_at_most=1.3))
    assert found.ratio is None
    assert not found.is_met
    assert not figure(theirs=(0.0,), goal=Goal(ratio_at_least=0.1)).is_met
    assert found.to_object()["ratio"] is None


def test_a_goal_names_its_bounds_and_whom_they_speak_of() -> None:
    assert Goal(ratio_at_least=0.8).text("1/s", PeerKind.LIMIT) == ">= 0.8 x the limit"
    assert Goal(worst_at_most=1).text("VIPs", PeerKind.PEER) == "worst <= 1 VIPs"


def test_what_is_only_shown_has_no_goal_and_meets_it() -> None:
    assert Goal().text("MiB", PeerKind.PEER) == "none"
    assert figure(goal=Goal()).to_object()["met"] is True


def test_percentiles() -> None:
    values = tuple(float(number) for number in range(1, 21))
    assert [percentile(values, share) for share in (0.0, 0.05, 0.5, 0.9, 1.0)] == [1, 1, 10, 18, 20]
    assert percentile((7.0,), 0.5) == 7.0
