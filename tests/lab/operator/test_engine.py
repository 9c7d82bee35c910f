"""Modules without a chart on the embedded API server: hooks, values, queues, settings, the end."""

from __future__ import annotations

import asyncio
import json
import textwrap
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from metallb.kube.client import Resource
from metallb_lab.operator import (
    ModuleConfig,
    ModuleOperator,
    NotConvergedError,
    Patience,
    SettingsRefusedError,
)
from metallb_lab.operator.clock import ManualClock
from metallb_lab.operator.settings import write_module_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lab.operator.modules import ModuleTree
    from metallb.kube.client import ApiClient

pytestmark = pytest.mark.real
MAPS = Resource("", "v1", "configmaps")
QUICK = Patience(0.05, 0.1)
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
WATCH = {
    "name": "maps",
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "namespace": {"nameSelector": {"matchNames": ["default"]}},
    "jqFilter": ".metadata.name",
    "keepFullObjectsInMemory": False,
    "group": "g",
    "queue": "/maps",
}
RECORD = """
with open({path!r}, "a") as file:
    file.write(json.dumps([os.path.basename(__file__), contexts]) + chr(10))
"""
PUBLISH = """
names = [item["filterResult"] for item in contexts[-1]["snapshots"]["maps"]]
path = "/helloWorld/internal/names"
write("VALUES_JSON_PATCH_PATH", {"op": "add", "path": path, "value": names})
"""


class Runs:
    """What the hooks of a module were told, in order."""

    def __init__(self, tree: ModuleTree) -> None:
        self._tree = tree
        self._path = tree.path.parent / "runs"

    def hook(self, name: str, body: str = "", **config: Any) -> None:
        record = RECORD.format(path=str(self._path))
        self._tree.hook(name, {"configVersion": "v1", **config}, record + textwrap.dedent(body))

    def all(self) -> list[tuple[str, list[dict[str, Any]]]]:
        if not self._path.exists():
            return []
        return [tuple(json.loads(line)) for line in self._path.read_text().splitlines()]

    def said(self) -> list[str]:
        return [
            f"{name}:{'+'.join(context['binding'] for context in contexts)}"
            for name, contexts in self.all()
        ]

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)


@pytest.fixture
def runs(tree: ModuleTree) -> Runs:
    return Runs(tree)


class Place:
    """Where operators are started."""

    def __init__(self, kubeconfig: Path, client: ApiClient, tree: ModuleTree) -> None:
        self.kubeconfig = kubeconfig
        self.client = client
        self.tree = tree

    @asynccontextmanager
    async def operator(
        self, config: ModuleConfig | None = None, **options: Any
    ) -> AsyncIterator[ModuleOperator]:
        options = {"patience": QUICK, **options}
        wanted = ModuleConfig() if config is None else config
        async with ModuleOperator(self.kubeconfig, self.tree.path, wanted, **options) as found:
            yield found

    async def make(self, name: str) -> None:
        await self.client.create(MAPS, {"metadata": {"name": name}}, "default")


@pytest.fixture
def place(kubeconfig: Path, client: ApiClient, tree: ModuleTree) -> Place:
    return Place(kubeconfig, client, tree)


async def test_the_order_of_a_first_run(place: Place, runs: Runs) -> None:
    runs.hook("z.py", onStartup=1, beforeHelm=20, afterHelm=1)
    runs.hook("b.py", onStartup=2, beforeHelm=10)
    runs.hook("a.py", beforeHelm=20, kubernetes=[{**WATCH, "queue": "main"}])
    async with place.operator() as operator:
        await operator.converged()
        assert operator.is_on
        assert runs.said() == [
            "z.py:onStartup",
            "b.py:onStartup",
            "a.py:g",
            "b.py:beforeHelm",
            "a.py:beforeHelm",
            "z.py:beforeHelm",
            "z.py:afterHelm",
        ]
        assert [item.hook.rsplit("/")[-1] for item in operator.history] == [
            item.split(":")[0] for item in runs.said()
        ]


async def test_a_module_that_is_not_enabled_does_nothing(place: Place, runs: Runs) -> None:
    runs.hook("a.py", onStartup=1)
    async with place.operator(ModuleConfig(enabled=False)) as operator:
        await operator.converged()
        assert (operator.is_on, runs.said()) == (False, [])


async def test_without_a_module_config_it_is_off(kubeconfig: Path, tree: ModuleTree) -> None:
    async with ModuleOperator(kubeconfig, tree.path) as operator:
        await operator.converged()
        assert not operator.is_on


async def test_events_change_values_and_run_the_module_again(place: Place, runs: Runs) -> None:
    runs.hook("names.py", PUBLISH, kubernetes=[WATCH])
    runs.hook("helm.py", beforeHelm=1)
    async with place.operator() as operator:
        await operator.converged()
        assert runs.said() == ["names.py:g", "helm.py:beforeHelm"]
        runs.clear()
        await place.make("a")
        await operator.converged()
        assert operator.values["internal"]["names"] == ["a"]
        assert runs.said() == ["names.py:g", "helm.py:beforeHelm"]
        runs.clear()
        await place.client.patch(MAPS, "a", {"data": {"x": "1"}}, namespace="default")
        await operator.converged()
        assert runs.said() == [], "the filter result is the same"


async def test_a_run_that_changes_nothing_is_the_end_of_it(place: Place, runs: Runs) -> None:
    runs.hook("names.py", kubernetes=[WATCH])
    runs.hook("helm.py", beforeHelm=1)
    async with place.operator() as operator:
        await operator.converged()
        runs.clear()
        await place.make("a")
        await operator.converged()
        assert runs.said() == ["names.py:g"]


async def test_values_changed_after_helm_start_the_run_again(place: Place, runs: Runs) -> None:
    body = """
    now = read("VALUES_PATH")["helloWorld"]["internal"]["count"]
    if now < 2:
        path = "/helloWorld/internal/count"
        write("VALUES_JSON_PATCH_PATH", {"op": "add", "path": path, "value": now + 1})
    """
    runs.hook("late.py", body, afterHelm=1)
    runs.hook("early.py", beforeHelm=1)
    async with place.operator() as operator:
        await operator.converged()
        assert operator.values["internal"]["count"] == 2
        assert runs.said() == ["early.py:beforeHelm", "late.py:afterHelm"] * 3


async def test_hooks_that_never_rest_are_stopped(place: Place, runs: Runs) -> None:
    body = """
    now = read("VALUES_PATH")["helloWorld"]["internal"]["count"]
    path = "/helloWorld/internal/count"
    write("VALUES_JSON_PATCH_PATH", {"op": "add", "path": path, "value": now + 1})
    """
    runs.hook("late.py", body, afterHelm=1)
    async with place.operator() as operator:
        with pytest.raises(NotConvergedError, match="still change"):
            await operator.converged()


async def test_waiting_runs_of_a_hook_are_put_together(place: Place, runs: Runs) -> None:
    gate = place.tree.path.parent / "gate"
    body = f"""
    import time
    while contexts[0]["binding"] == "g" and not os.path.exists({str(gate)!r}):
        time.sleep(0.01)
    """
    runs.hook("slow.py", body, kubernetes=[{**WATCH, "executeHookOnSynchronization": False}])
    async with place.operator() as operator:
        await operator.converged()
        await place.make("first")
        async with asyncio.timeout(20):
            while not runs.said():
                await asyncio.sleep(0.01)
        for index in range(5):
            await place.make(f"more-{index}")
        async with asyncio.timeout(20):
            while operator.waiting_tasks() < 5:
                await asyncio.sleep(0.01)
        gate.touch()
        await operator.converged()
        assert runs.said() == ["slow.py:g", "slow.py:g"]
        [_, (_, contexts)] = runs.all()
        assert len(contexts[0]["snapshots"]["maps"]) == 6
        assert operator.history[-1].reasons == ("maps/Event",) * 5


async def test_schedules_run_when_time_passes(place: Place, runs: Runs) -> None:
    clock = ManualClock(NOON)
    blind = {"name": "blind", "crontab": "*/10 * * * *"}
    seeing = {"name": "seeing", "crontab": "*/30 * * * *", "includeSnapshotsFrom": ["maps"]}
    watch = {**WATCH, "executeHookOnSynchronization": False}
    runs.hook("tick.py", schedule=[blind, seeing], kubernetes=[watch])
    async with place.operator(clock=clock) as operator:
        await operator.converged()
        assert runs.said() == []
        await clock.turn(timedelta(minutes=9, seconds=59))
        await operator.converged()
        assert runs.said() == []
        await clock.turn(timedelta(seconds=1))
        await operator.converged()
        assert runs.all() == [("tick.py", [{"binding": "blind", "type": "Schedule"}])]
        runs.clear()
        await clock.turn(timedelta(minutes=20))
        await operator.converged()
        [contexts] = [item for _, item in runs.all()]
        assert {"binding": "seeing", "type": "Schedule", "snapshots": {"maps": []}} in contexts


async def test_a_failing_hook_blocks_the_module_until_it_succeeds(place: Place, runs: Runs) -> None:
    gate = place.tree.path.parent / "gate"
    runs.hook("first.py", f"sys.exit(not os.path.exists({str(gate)!r}))", beforeHelm=1)
    runs.hook("second.py", beforeHelm=2)
    async with place.operator() as operator:
        with pytest.raises(NotConvergedError, match=r"first\.py: exit status 1"):
            await operator.converged()
        assert "second.py:beforeHelm" not in runs.said()
        gate.touch()
        async with asyncio.timeout(20):
            while "second.py:beforeHelm" not in runs.said():
                await asyncio.sleep(0.01)
        await operator.converged()


async def test_a_hook_that_may_fail_blocks_nothing(place: Place, runs: Runs) -> None:
    watch = {**WATCH, "allowFailure": True}
    runs.hook("weak.py", "sys.exit(1)", kubernetes=[watch])
    runs.hook("helm.py", beforeHelm=1)
    async with place.operator() as operator:
        await operator.converged()
        assert "helm.py:beforeHelm" in runs.said()


async def test_hooks_write_to_the_cluster_and_give_metrics(place: Place, runs: Runs) -> None:
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "made", "namespace": "default"},
    }
    body = f"""
    write("KUBERNETES_PATCH_PATH", {{"operation": "CreateOrUpdate", "object": {made!r}}})
    write("METRICS_PATH", {{"name": "made", "set": 1, "labels": {{"a": "b"}}, "group": "g"}})
    """
    runs.hook("maker.py", body, beforeHelm=1)
    runs.hook("watcher.py", PUBLISH, kubernetes=[WATCH])
    async with place.operator() as operator:
        await operator.converged()
        assert operator.values["internal"]["names"] == ["made"]
        assert [item.label("hook") for item in operator.metrics.find("made", a="b")] == [
            "hello-world/hooks/maker.py"
        ]


async def test_settings_that_are_wrong_change_nothing(place: Place, runs: Runs) -> None:
    runs.hook("helm.py", beforeHelm=1)
    async with place.operator(ModuleConfig(settings={"replicas": 2}, version=1)) as operator:
        await operator.converged()
        with pytest.raises(SettingsRefusedError, match="less than or equal to 5"):
            await operator.configure({"replicas": 9}, 1)
        assert operator.values["replicas"] == 2
        # somebody goes past the admission
        bad = ModuleConfig(settings={"replicas": "$(reboot)"}, version=1)
        await write_module_config(place.client, "hello-world", bad)
        async with asyncio.timeout(20):
            while operator.settings_error is None:
                await asyncio.sleep(0.01)
        await operator.converged()
        assert operator.values["replicas"] == 2
        refusal = operator.settings_error
        assert refusal.faults == ['helloWorld.replicas in body must be of type integer: "string"']
        runs.clear()
        await operator.configure({"replicas": 3}, 1)
        await operator.converged()
        assert vars(operator)["settings_error"] is None
        assert operator.values["replicas"] == 3
        assert runs.said() == ["helm.py:beforeHelm"]


async def test_settings_reach_a_module_that_fails(place: Place, runs: Runs) -> None:
    body = 'sys.exit(read("VALUES_PATH")["helloWorld"]["replicas"] == 1)'
    runs.hook("picky.py", body, beforeHelm=1)
    async with place.operator(patience=Patience(0.05, 1000)) as operator:
        with pytest.raises(NotConvergedError):
            await operator.converged()
        await operator.configure({"replicas": 2}, 1)
        await operator.converged()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('write("VALUES_JSON_PATCH_PATH", {"op": "replace", "path": "/helloWorld/mood"})', "add"),
        (
            'write("VALUES_JSON_PATCH_PATH", {"op": "add", "path": "/other/x", "value": 1})',
            "only 'helloWorld' accepted",
        ),
        (
            'write("CONFIG_VALUES_JSON_PATCH_PATH", {"op": "remove", "path": "/helloWorld/mood"})',
            "lets no hook change settings",
        ),
        ('write("METRICS_PATH", {"name": "x", "set": 1, "labels": {"a": 1}})', "must be texts"),
        ('write("KUBERNETES_PATCH_PATH", {"operation": "Explode"})', "is not one of"),
        ('open(os.environ["METRICS_PATH"], "w").write("{")', "METRICS_PATH"),
    ],
)
async def test_what_a_hook_must_not_write_fails_it(
    place: Place, runs: Runs, body: str, message: str
) -> None:
    runs.hook("bad.py", body, beforeHelm=1)
    async with place.operator() as operator:
        with pytest.raises(NotConvergedError, match=message):
            await operator.converged()


async def test_values_that_helm_needs_are_asked_for_before_it(place: Place) -> None:
    schema = {
        "x-extend": {"schema": "config-values.yaml"},
        "type": "object",
        "x-required-for-helm": ["needed"],
        "properties": {"needed": {"type": "string"}},
    }
    place.tree.write("openapi/values.yaml", schema)
    async with place.operator() as operator:
        with pytest.raises(NotConvergedError, match=r"before Helm: helloWorld\.needed"):
            await operator.converged()


async def test_a_hook_that_cannot_be_registered_fails_the_module(place: Place) -> None:
    place.tree.hook("bad.py", {"configVersion": "v1", "colour": "red"})
    async with place.operator() as operator:
        with pytest.raises(NotConvergedError, match=r"bad\.py: .*'colour' was unexpected"):
            await operator.converged()


async def test_a_kind_that_is_not_there_fails_the_module(place: Place, runs: Runs) -> None:
    runs.hook("a.py", kubernetes=[{"kind": "Unicorn"}])
    async with place.operator() as operator:
        with pytest.raises(NotConvergedError, match="no kind Unicorn"):
            await operator.converged()


async def test_disabling_forgets_and_enabling_begins_anew(place: Place, runs: Runs) -> None:
    runs.hook("names.py", PUBLISH, beforeHelm=1, afterDeleteHelm=1, kubernetes=[WATCH])
    await place.make("a")
    async with place.operator() as operator:
        await operator.converged()
        assert operator.values["internal"]["names"] == ["a"]
        runs.clear()
        await operator.disable()
        assert not operator.is_on
        assert operator.values["internal"]["names"] == []
        assert runs.said() == [], "the pair of moments is for a release that exists"
        await place.make("b")
        await operator.converged()
        assert runs.said() == []
        await operator.configure({}, None)
        await operator.converged()
        assert operator.values["internal"]["names"] == ["a", "b"]
        assert operator.is_on


async def test_a_module_that_fails_can_be_disabled(place: Place, runs: Runs) -> None:
    runs.hook("bad.py", "sys.exit(1)", beforeHelm=1)
    async with place.operator() as operator:
        with pytest.raises(NotConvergedError):
            await operator.converged()
        await operator.disable()
        assert not operator.is_on


@pytest.mark.parametrize("way", ["settings", "disable"])
async def test_a_synchronization_that_fails_leaves_ways_out(
    place: Place, runs: Runs, way: str
) -> None:
    body = 'sys.exit(read("VALUES_PATH")["helloWorld"]["replicas"] == 1)'
    runs.hook("sync.py", body, kubernetes=[WATCH])
    runs.hook("helm.py", beforeHelm=1)
    async with place.operator() as operator:
        with pytest.raises(NotConvergedError, match=r"sync\.py"):
            await operator.converged()
        assert "helm.py:beforeHelm" not in runs.said(), "it is waited for"
        if way == "disable":
            await operator.disable()
            assert not operator.is_on
        else:
            await operator.configure({"replicas": 2}, 1)
            await operator.converged()
            assert runs.said()[-1] == "helm.py:beforeHelm"


async def test_a_synchronization_that_need_not_be_waited_for(place: Place, runs: Runs) -> None:
    runs.hook("sync.py", "sys.exit(1)", kubernetes=[{**WATCH, "waitForSynchronization": False}])
    runs.hook("helm.py", beforeHelm=1)
    async with place.operator() as operator:
        async with asyncio.timeout(30):
            while "helm.py:beforeHelm" not in runs.said():
                await asyncio.sleep(0.01)
        assert operator.is_on
