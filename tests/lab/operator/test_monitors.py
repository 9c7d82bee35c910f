from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from metallb.kube.client import Resource
from metallb_lab import tools
from metallb_lab.operator.errors import HookError
from metallb_lab.operator.hook_config import read_config
from metallb_lab.operator.jq import Jq
from metallb_lab.operator.kinds import Kinds, UnknownKindError
from metallb_lab.operator.monitors import Mirrors, Monitor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from metallb.kube.client import ApiClient
    from metallb_lab.operator.monitors import WatchEvent

pytestmark = pytest.mark.real
MAPS = Resource("", "v1", "configmaps")
SECONDS = 10.0


class Watching:
    """A monitor, and what it told."""

    def __init__(self, client: ApiClient, mirrors: Mirrors) -> None:
        self.client = client
        self.mirrors = mirrors
        self.events: list[WatchEvent] = []
        self.monitors: list[Monitor] = []

    async def start(self, **binding: Any) -> Monitor:
        config = {"name": "maps", "apiVersion": "v1", "kind": "ConfigMap", **binding}
        text = json.dumps({"configVersion": "v1", "kubernetes": [config]})
        [read] = read_config(text).kubernetes
        monitor = Monitor(read, Jq(tools.find("gojq")), self.events.append)
        self.monitors.append(monitor)
        await monitor.start(self.mirrors, Kinds(self.client))
        return monitor

    async def make(self, name: str, namespace: str = "default", **data: str) -> None:
        await self.client.create(MAPS, {"metadata": {"name": name}, "data": data}, namespace)

    async def patch(self, name: str, **patch: Any) -> None:
        await self.client.patch(MAPS, name, patch, namespace="default")

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not is_so():
                await asyncio.sleep(0.01)

    def told(self) -> list[tuple[str, Any]]:
        return [(event.kind, event.watched.filter_result) for event in self.events]


@pytest.fixture
async def watching(client: ApiClient) -> AsyncIterator[Watching]:
    found = Watching(client, Mirrors(client))
    yield found
    for monitor in found.monitors:
        await monitor.stop()
    await found.mirrors.stop()


async def test_a_snapshot_is_sorted_and_shows_filter_results_only(watching: Watching) -> None:
    for name in ("b", "a"):
        await watching.make(name, x=name)
    await watching.make("c", "kube-system", x="c")
    monitor = await watching.start(jqFilter=".data.x", keepFullObjectsInMemory=False)
    assert monitor.snapshot() == [
        {"filterResult": "a"},
        {"filterResult": "b"},
        {"filterResult": "c"},
    ]


async def test_whole_objects_are_kept_unless_the_binding_says_otherwise(
    watching: Watching,
) -> None:
    await watching.make("a", x="1")
    [found] = (await watching.start()).snapshot()
    assert found["object"]["data"] == {"x": "1"}
    assert "filterResult" not in found


async def test_events_are_held_back_until_the_synchronization_is_done(watching: Watching) -> None:
    monitor = await watching.start(jqFilter=".data.x")
    await watching.make("a", x="1")
    await watching.until(lambda: len(monitor.snapshot()) == 1)
    assert watching.events == []
    monitor.unlock()
    assert watching.told() == [("Added", "1")]


async def test_an_event_is_a_change_of_the_filter_result(watching: Watching) -> None:
    monitor = await watching.start(jqFilter=".data.x")
    monitor.unlock()
    await watching.make("a", x="1", y="1")
    await watching.patch("a", data={"y": "2"})
    await watching.patch("a", data={"x": "2"})
    await watching.client.delete(MAPS, "a", "default")
    await watching.until(lambda: len(watching.events) >= 3)
    assert watching.told() == [("Added", "1"), ("Modified", "2"), ("Deleted", "2")]
    assert monitor.snapshot() == []


async def test_only_the_wanted_events_are_told(watching: Watching) -> None:
    monitor = await watching.start(jqFilter=".data.x", executeHookOnEvent=["Deleted"])
    monitor.unlock()
    await watching.make("a", x="1")
    await watching.client.delete(MAPS, "a", "default")
    await watching.until(lambda: bool(watching.events))
    assert watching.told() == [("Deleted", "1")]


async def test_selections(watching: Watching) -> None:
    label = {"labels": {"app": "x"}}
    for name in ("a", "b", "c"):
        body = {"metadata": {"name": name, **(label if name != "c" else {})}}
        await watching.client.create(MAPS, body, "default")
    await watching.make("a", "kube-system")
    name = ".metadata.name"

    async def found(**binding: Any) -> list[Any]:
        monitor = await watching.start(jqFilter=name, **binding)
        return [item["filterResult"] for item in monitor.snapshot()]

    assert await found() == ["a", "b", "c", "a"]
    assert await found(nameSelector={"matchNames": ["c", "a"]}) == ["a", "c", "a"]
    here = {"nameSelector": {"matchNames": ["default"]}}
    assert await found(namespace=here) == ["a", "b", "c"]
    assert await found(labelSelector={"matchLabels": {"app": "x"}}) == ["a", "b"]
    fields = {"matchExpressions": [{"field": "metadata.name", "operator": "=", "value": "b"}]}
    assert await found(fieldSelector=fields) == ["b"]
    assert await found(fieldSelector=fields, nameSelector={"matchNames": ["a"]}) == []


async def test_a_kind_that_is_not_there_is_an_error(watching: Watching) -> None:
    with pytest.raises(UnknownKindError):
        await watching.start(kind="Unicorn")


async def test_mirrors_tell_whether_they_are_fresh(watching: Watching) -> None:
    monitor = await watching.start(jqFilter=".data.x")
    assert await watching.mirrors.are_fresh()
    await watching.make("a", x="1")
    async with asyncio.timeout(SECONDS):
        while not await watching.mirrors.are_fresh() or not monitor.is_idle:
            await asyncio.sleep(0.01)
    assert monitor.snapshot()[0]["filterResult"] == "1"


async def test_a_filter_that_fails_later_is_not_forgotten(watching: Watching) -> None:
    monitor = await watching.start(jqFilter=".data.x | ascii_downcase")
    await watching.make("a")

    def looks_well() -> bool:
        monitor.check()
        return False

    with pytest.raises(HookError, match="jqFilter"):
        await watching.until(looks_well)
