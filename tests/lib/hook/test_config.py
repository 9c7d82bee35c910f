from __future__ import annotations

import json
from typing import Any

from metallb.hook.config import Binding, HookConfig

CLASSES = Binding("classes", "x/v1", "Class", ".spec")
NODES = Binding("nodes", "v1", "Node", ".spec", is_silent=True)


def _read(config: HookConfig) -> Any:
    return json.loads(config.to_json())


def test_every_binding_is_of_one_group_and_keeps_no_objects() -> None:
    found = _read(HookConfig(queue="q", before_helm=10, bindings=(CLASSES, NODES)))
    assert found["configVersion"] == "v1"
    assert found["beforeHelm"] == 10
    for binding in found["kubernetes"]:
        assert binding["group"] == "snapshots"
        assert binding["queue"] == "/modules/metallb/q"
        assert binding["keepFullObjectsInMemory"] is False


def test_a_hook_with_a_moment_does_not_run_at_the_start_too() -> None:
    with_moment = _read(HookConfig(before_helm=10, bindings=(CLASSES,)))
    without = _read(HookConfig(bindings=(CLASSES, NODES), crontab="* * * * *"))
    assert [item["executeHookOnSynchronization"] for item in with_moment["kubernetes"]] == [False]
    assert [item["executeHookOnSynchronization"] for item in without["kubernetes"]] == [True, False]


def test_a_silent_binding_runs_nothing() -> None:
    found = _read(HookConfig(bindings=(CLASSES, NODES)))
    assert "executeHookOnEvent" not in found["kubernetes"][0]
    assert found["kubernetes"][1]["executeHookOnEvent"] == []


def test_a_schedule_sees_the_snapshots() -> None:
    found = _read(HookConfig(queue="q", crontab="0 4 * * *", bindings=(CLASSES,)))
    assert found["schedule"] == [
        {
            "name": "schedule",
            "crontab": "0 4 * * *",
            "group": "snapshots",
            "queue": "/modules/metallb/q",
        }
    ]


def test_selectors() -> None:
    binding = Binding(
        "s", "v1", "Secret", ".", namespace="n", names=("a", "b"), labels=(("k", "v"),)
    )
    [found] = _read(HookConfig(bindings=(binding,)))["kubernetes"]
    assert found["namespace"] == {"nameSelector": {"matchNames": ["n"]}}
    assert found["nameSelector"] == {"matchNames": ["a", "b"]}
    assert found["labelSelector"] == {"matchLabels": {"k": "v"}}
    assert found["queue"] == "main"


def test_moments_have_the_operators_names() -> None:
    found = _read(HookConfig(on_startup=1, before_helm=2, after_helm=3, after_delete_helm=4))
    assert found == {
        "configVersion": "v1",
        "onStartup": 1,
        "beforeHelm": 2,
        "afterHelm": 3,
        "afterDeleteHelm": 4,
    }


def test_what_a_decision_needs() -> None:
    assert HookConfig(bindings=(CLASSES, NODES)).needs() == {"classes", "nodes"}
