from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from metallb.api.meta import ObjectKey, Reference
from metallb.domain.decisions import Metric
from metallb.domain.findings import Finding, events_of, metrics_of
from metallb.domain.hook_metrics import HookMetric
from support.situations import NOW, NOW_TEXT

SERVICE = Reference("v1", "Service", ObjectKey("web", "nginx"), "u1", "7")
FINDING = Finding(SERVICE, ".spec.x", "Wrong", "it is wrong")


def test_an_event_says_what_is_wrong_of_which_object() -> None:
    [event] = events_of([FINDING, FINDING], NOW)
    made = event.object
    assert made["metadata"]["namespace"] == "web"
    assert made["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Service",
        "namespace": "web",
        "name": "nginx",
        "uid": "u1",
        "resourceVersion": "7",
    }
    assert (made["type"], made["reason"]) == ("Warning", "Wrong")
    assert made["message"] == ".spec.x: it is wrong"
    assert made["firstTimestamp"] == made["lastTimestamp"] == NOW_TEXT


def test_the_name_of_an_event_is_what_it_says() -> None:
    [first] = events_of([FINDING], NOW)
    [later] = events_of([FINDING], NOW + timedelta(days=1))
    [other] = events_of([replace(FINDING, message="it is otherwise wrong")], NOW)
    names = [item.object["metadata"]["name"] for item in (first, later, other)]
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("nginx.")


def test_events_of_cluster_objects_go_where_kubernetes_puts_them() -> None:
    of = Reference("v1", "Node", ObjectKey("", "n"), "u")
    [event] = events_of([Finding(of, "", "Wrong", "x" * 2000)], NOW)
    assert event.object["metadata"]["namespace"] == "default"
    assert event.object["message"] == "x" * 1024


def test_series_are_sorted_each_once() -> None:
    other = replace(FINDING, path=".spec.a", message="another message")
    assert metrics_of(HookMetric.PROBLEM, [FINDING, other, FINDING]) == [
        Metric(
            HookMetric.PROBLEM,
            {
                "kind": "Service",
                "namespace": "web",
                "name": "nginx",
                "path": path,
                "reason": "Wrong",
            },
        )
        for path in (".spec.a", ".spec.x")
    ]
    assert metrics_of(HookMetric.PROBLEM, []) == []
