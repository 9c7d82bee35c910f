from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from metallb.domain.decisions import CreateOrUpdate, Decision, Delete, Metric, Target
from metallb.hook.config import Binding, HookConfig
from metallb.hook.runner import (
    BlindRunError,
    json_pointer,
    read_situation,
    run,
    value_at,
    write_decision,
)
from support.situations import NOW

if TYPE_CHECKING:
    from pathlib import Path

    from metallb.domain.decisions import Situation

CONFIG = HookConfig(
    bindings=(Binding("a", "v1", "Pod", "."), Binding("b", "v1", "Pod", ".")), before_helm=1
)
SNAPSHOTS = {"a": [{"filterResult": 1}, {"filterResult": None}], "b": []}


def test_all_contexts_of_a_run_make_one_situation() -> None:
    contexts: list[dict[str, Any]] = [
        {"binding": "onStartup"},
        {"binding": "g", "type": "Group", "snapshots": {"a": [{"filterResult": 0}], "b": None}},
        {"binding": "beforeHelm", "snapshots": {"a": SNAPSHOTS["a"]}},
    ]
    values = {"global": {"x": 1}, "metallb": {"y": 2}, "other": {}}
    found = read_situation(CONFIG, contexts, values, {"global": None, "metallb": {"z": 3}}, NOW)
    assert found.snapshots == {"a": [1, None], "b": []}
    assert (found.values, found.settings, found.shared) == ({"y": 2}, {"z": 3}, {"x": 1})
    assert found.now == NOW


def test_values_may_be_absent() -> None:
    found = read_situation(HookConfig(on_startup=1), [], {"metallb": None}, {}, NOW)
    assert (found.values, found.settings, found.shared) == ({}, {}, {})


@pytest.mark.parametrize(
    "contexts",
    [[], [{"binding": "schedule", "type": "Schedule"}], [{"snapshots": {"a": []}}]],
)
def test_a_run_without_its_snapshots_fails(contexts: Any) -> None:
    with pytest.raises(BlindRunError, match="no snapshots of"):
        read_situation(CONFIG, contexts, {}, {}, NOW)


def _patches(values: dict[str, Any], now: Any) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = write_decision(Decision(values=values), now).values_patches.data
    return data


def test_only_values_that_differ_are_written_whole() -> None:
    now = {"metallb": {"internal": {"a": 1, "list": [{"x": 1}], "same": {"y": 2}}}}
    wanted = {
        "internal.a": 2,
        "internal.list": [{"x": 2}],
        "internal.same": {"y": 2},
        "internal.new": False,
    }
    assert _patches(wanted, now) == [
        {"op": "add", "path": "/metallb/internal/a", "value": 2},
        {"op": "add", "path": "/metallb/internal/list", "value": [{"x": 2}]},
        {"op": "add", "path": "/metallb/internal/new", "value": False},
    ]


def test_paths_are_escaped() -> None:
    assert json_pointer(["m", "a/b~c"]) == "/m/a~1b~0c"
    assert value_at({"m": {"x": [1]}}, ["m", "x"]) == [1]
    assert value_at({"m": [1]}, ["m", "x"]) is None
    assert value_at({}, ["m", "x"]) is None


def test_each_group_is_emptied_and_then_filled() -> None:
    metrics = {"g": [Metric("m", {"a": "1"}), Metric("m", {"a": "2"}, 3)], "empty": []}
    assert write_decision(Decision(metrics=metrics), {}).metrics.data == [
        {"action": "expire", "group": "g"},
        {"name": "m", "action": "set", "value": 1.0, "labels": {"a": "1"}, "group": "g"},
        {"name": "m", "action": "set", "value": 3, "labels": {"a": "2"}, "group": "g"},
        {"action": "expire", "group": "empty"},
    ]


class Files:
    """The operator's files."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(sys, "argv", ["hook.py"])

    def give(self, name: str, content: Any) -> None:
        (self.directory / name).write_text(json.dumps(content))
        self._monkeypatch.setenv(name, str(self.directory / name))

    def wanted(self, name: str) -> list[Any]:
        return [json.loads(line) for line in (self.directory / name).read_text().splitlines()]

    def expect(self, *names: str) -> None:
        for name in names:
            (self.directory / name).touch()
            self._monkeypatch.setenv(name, str(self.directory / name))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    found = Files(tmp_path, monkeypatch)
    found.expect("VALUES_JSON_PATCH_PATH", "KUBERNETES_PATCH_PATH", "METRICS_PATH")
    return found


def test_a_run_from_files_to_files(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.give("BINDING_CONTEXT_PATH", [{"binding": "beforeHelm", "snapshots": SNAPSHOTS}])
    files.give("VALUES_PATH", {"metallb": {"internal": {"on": False}}})
    files.give("CONFIG_VALUES_PATH", {"metallb": {}})
    secret = {"kind": "Secret", "metadata": {"name": "s", "namespace": "n"}, "data": {"k": "xyz"}}

    def decide(situation: Situation) -> Decision:
        assert situation.snapshots["a"] == [1, None]
        return Decision(
            values={"internal.on": True},
            operations=[CreateOrUpdate(secret), Delete(Target("v1", "Pod", "p", "n"))],
            metrics={"g": [Metric("m", {})]},
        )

    run(CONFIG, decide)
    [patch] = files.wanted("VALUES_JSON_PATCH_PATH")
    assert patch == {"op": "add", "path": "/metallb/internal/on", "value": True}
    operations = files.wanted("KUBERNETES_PATCH_PATH")
    assert [item["operation"] for item in operations] == ["CreateOrUpdate", "DeleteInBackground"]
    assert len(files.wanted("METRICS_PATH")) == 2
    printed = capsys.readouterr().out
    line = json.loads(printed)
    assert line["level"] == "info"
    assert line["values"] == ["/metallb/internal/on"]
    assert line["operations"] == ["CreateOrUpdate Secret n s", "DeleteInBackground Pod n p"]
    assert "xyz" not in printed


def test_a_run_that_changes_nothing_says_nothing(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files.give("BINDING_CONTEXT_PATH", [{"binding": "beforeHelm", "snapshots": SNAPSHOTS}])
    files.give("VALUES_PATH", {"metallb": {"internal": {"on": True}}})
    files.give("CONFIG_VALUES_PATH", {})
    run(CONFIG, lambda _: Decision(values={"internal.on": True}))
    assert capsys.readouterr().out == ""
    assert files.wanted("VALUES_JSON_PATCH_PATH") == []


def test_registration(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["hook.py", "--config"])
    run(CONFIG, lambda _: Decision())
    assert json.loads(capsys.readouterr().out)["beforeHelm"] == 1
