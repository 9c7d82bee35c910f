from __future__ import annotations

from typing import Any

import pytest

from metallb_lab.operator.errors import PatchRefusedError
from metallb_lab.operator.metrics import HookMetrics


def _value(metrics: HookMetrics, name: str, **labels: str) -> list[float]:
    return [item.value for item in metrics.find(name, **labels)]


def test_labels_of_the_operator_are_added() -> None:
    metrics = HookMetrics("m")
    metrics.apply("h.py", [{"name": "x", "set": 2, "labels": {"a": "b"}}])
    [series] = metrics.find("x")
    assert dict(series.labels) == {"a": "b", "hook": "h.py", "module": "m"}
    assert (series.value, series.label("a"), series.label("none")) == (2.0, "b", "")


def test_a_run_replaces_the_series_of_its_groups_and_no_others() -> None:
    metrics = HookMetrics("m")
    metrics.apply(
        "h.py",
        [
            {"name": "x", "action": "set", "value": 1, "labels": {"a": "1"}, "group": "g"},
            {"name": "x", "action": "set", "value": 1, "labels": {"a": "2"}, "group": "g"},
            {"name": "y", "set": 1, "group": "other"},
            {"name": "z", "set": 1},
        ],
    )
    metrics.apply("h.py", [{"name": "x", "set": 5, "labels": {"a": "2"}, "group": "g"}])
    assert _value(metrics, "x") == [5.0]
    assert _value(metrics, "x", a="1") == []
    assert (_value(metrics, "y"), _value(metrics, "z")) == ([1.0], [1.0])
    metrics.apply("h.py", [{"action": "expire", "group": "g"}])
    assert (_value(metrics, "x"), _value(metrics, "y")) == ([], [1.0])
    metrics.apply("h.py", [{"name": "w", "set": 1}])
    assert _value(metrics, "z") == [], "without a group the hook is one"
    metrics.clear()
    assert _value(metrics, "y") == []


def test_series_are_added_up_within_a_run() -> None:
    metrics = HookMetrics("m")
    metrics.apply("h.py", [{"name": "x", "add": 1}, {"name": "x", "action": "add", "value": 2}])
    assert _value(metrics, "x") == [3.0]
    metrics.apply("h.py", [{"name": "x", "set": 7}, {"action": "expire", "group": "h.py"}])
    assert _value(metrics, "x") == []


@pytest.mark.parametrize(
    "operation",
    [
        {"name": "x", "set": 1, "colour": "red"},
        {"name": "x", "action": "observe", "value": 1, "buckets": [1]},
        {"name": "x", "set": 1, "buckets": [1]},
        {"name": "x"},
        {"set": 1},
        {"name": "x", "set": "1"},
        {"name": "x", "set": True},
        {"name": "x", "set": 1, "labels": {"a": 1}},
        {"action": "expire"},
        {"action": "drop", "group": "g"},
    ],
)
def test_what_is_refused_changes_nothing(operation: dict[str, Any]) -> None:
    metrics = HookMetrics("m")
    metrics.apply("h.py", [{"name": "before", "set": 1}])
    with pytest.raises(PatchRefusedError, match="metric"):
        metrics.apply("h.py", [{"name": "after", "set": 1}, operation])
    assert _value(metrics, "before") == [1.0]
    assert _value(metrics, "after") == []
