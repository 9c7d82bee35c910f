from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from metallb_lab.operator.errors import HookError
from metallb_lab.operator.hook_config import read_config

POD = {"kind": "Pod"}


def _config(**more: Any) -> str:
    return json.dumps({"configVersion": "v1", **more})


def test_moments_are_orders() -> None:
    config = read_config(_config(onStartup=1, beforeHelm=2, afterHelm=3, afterDeleteHelm=4))
    assert config.moments == {"onStartup": 1, "beforeHelm": 2, "afterHelm": 3, "afterDeleteHelm": 4}
    assert (config.schedules, config.kubernetes) == ((), ())


def test_yaml_is_as_good_as_json() -> None:
    text = yaml.safe_dump({"configVersion": "v1", "kubernetes": [POD]})
    assert read_config(text) == read_config(_config(kubernetes=[POD]))


def test_what_is_not_said_of_a_binding() -> None:
    [binding] = read_config(_config(kubernetes=[POD])).kubernetes
    assert (binding.name, binding.queue, binding.group, binding.jq) == (
        "kubernetes",
        "main",
        "",
        "",
    )
    assert binding.events == {"Added", "Modified", "Deleted"}
    assert binding.on_synchronization
    assert binding.keeps_objects
    assert not binding.allow_failure
    [schedule] = read_config(_config(schedule=[{"crontab": "* * * * *"}])).schedules
    assert (schedule.name, schedule.queue, schedule.group) == ("schedule", "main", "")


def test_all_that_can_be_said_of_a_binding() -> None:
    selector = {
        "matchLabels": {"b": "2", "a": "1"},
        "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["x", "y"]},
            {"key": "d", "operator": "NotIn", "values": ["z"]},
            {"key": "e", "operator": "Exists"},
            {"key": "f", "operator": "DoesNotExist"},
        ],
    }
    fields = {
        "matchExpressions": [
            {"field": "status.phase", "operator": "Equals", "value": "Running"},
            {"field": "spec.nodeName", "operator": "!=", "value": "n1"},
        ]
    }
    [binding] = read_config(
        _config(
            kubernetes=[
                {
                    "name": "pods",
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "executeHookOnEvent": ["Deleted"],
                    "executeHookOnSynchronization": False,
                    "waitForSynchronization": False,
                    "keepFullObjectsInMemory": False,
                    "jqFilter": ".spec",
                    "nameSelector": {"matchNames": ["a", "b"]},
                    "namespace": {"nameSelector": {"matchNames": ["n"]}},
                    "labelSelector": selector,
                    "fieldSelector": fields,
                    "includeSnapshotsFrom": ["pods"],
                    "queue": "/q",
                    "allowFailure": True,
                }
            ]
        )
    ).kubernetes
    assert binding.label_selector == "a=1,b=2,c in (x,y),d notin (z),e,!f"
    assert binding.field_selector == "status.phase=Running,spec.nodeName!=n1"
    assert (binding.names, binding.namespaces) == (("a", "b"), ("n",))
    assert binding.events == {"Deleted"}
    assert not binding.on_synchronization
    assert not binding.waits
    assert not binding.keeps_objects
    assert binding.include == ("pods",)
    assert binding.allow_failure


def test_snapshots_that_a_binding_sees() -> None:
    pods = {"name": "pods", **POD}
    grouped = [{"name": name, **POD, "group": "g"} for name in ("a", "b")]
    config = read_config(_config(kubernetes=[pods, *grouped]))
    assert config.snapshots_for("g", ()) == ("a", "b")
    assert config.snapshots_for("", ("pods",)) == ("pods",)
    assert config.snapshots_for("", ()) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not YAML"),
        ("text", "is not of type 'object'"),
        ("null", "is not of type 'object'"),
        (json.dumps({"beforeHelm": 1}), "'configVersion' is a required property"),
        (json.dumps({"configVersion": "v0", "beforeHelm": 1}), "'v1' was expected"),
        (_config(), "does not have enough properties"),
        (_config(beforeHelm="10"), "is not of type 'integer'"),
        (_config(beforeHelm=1, colour="red"), "'colour' was unexpected"),
        (_config(kubernetes=[{}]), "'kind' is a required property"),
        (_config(kubernetes=[{**POD, "jqfilter": "."}]), "'jqfilter' was unexpected"),
        (_config(kubernetes=[{**POD, "executeHookOnEvent": ["Changed"]}]), "'Changed' is not one"),
        (_config(kubernetes=[{**POD, "includeSnapshotsFrom": []}]), "should be non-empty"),
        (_config(kubernetes=[{**POD, "includeSnapshotsFrom": ["x"]}]), "no binding x"),
        (_config(schedule=[{"crontab": "* * * * *", "includeSnapshotsFrom": ["y"]}]), "binding y"),
        (_config(kubernetes=[POD, POD]), "two kubernetes bindings have one name"),
        (_config(kubernetes=[{**POD, "waitForSynchronization": False}]), "bindings with a queue"),
        (_config(schedule=[{}]), "'crontab' is a required property"),
        (_config(schedule=[{"crontab": "0 * * * * *"}]), "takes five fields"),
    ],
)
def test_what_the_operator_refuses(text: str, message: str) -> None:
    with pytest.raises(HookError, match=message):
        read_config(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kubernetesValidating", []),
        ("kubernetesMutating", []),
        ("kubernetesCustomResourceConversion", []),
        ("settings", {"executionBurst": 1}),
        ("beforeAll", 1),
        ("afterAll", 1),
        ("kubernetes", [{**POD, "watchEvent": ["Added"]}]),
        ("kubernetes", [{**POD, "resynchronizationPeriod": "1h"}]),
        ("kubernetes", [{**POD, "namespace": {"labelSelector": {"matchLabels": {"a": "b"}}}}]),
    ],
)
def test_what_is_not_done_is_refused_not_ignored(name: str, value: Any) -> None:
    with pytest.raises(HookError, match=r"this runner|never calls it|global hooks"):
        read_config(_config(**{name: value}))
