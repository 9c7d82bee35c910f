"""Watches: where they begin, what they tell, how they end."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from contract.api import brief, config_map, service

if TYPE_CHECKING:
    from contract.api import Api


async def test_from_a_version_on(api: Api) -> None:
    path = f"{api.core}/configmaps"
    first = (await api.post(path, config_map("a"))).ok(201)
    (await api.post(path, config_map("b"))).ok(201)
    (await api.delete(f"{path}/a")).ok()
    version = first["metadata"]["resourceVersion"]
    async with api.watch(path, resourceVersion=version) as watch:
        assert await watch.some(2) == [("ADDED", "b"), ("DELETED", "a")]
        (await api.post(path, config_map("c"))).ok(201)
        assert await watch.some(1) == [("ADDED", "c")]


@pytest.mark.parametrize("version", [None, "0"])
async def test_from_now_with_what_there_is(api: Api, version: str | None) -> None:
    path = f"{api.core}/configmaps"
    (await api.post(path, config_map("a"))).ok(201)
    made = (await api.post(path, config_map("b"))).ok(201)
    query = {} if version is None else {"resourceVersion": version}
    if version == "0":  # any state will do, so wait until it is the present one

        async def current() -> bool:
            body = (await api.get(path, resourceVersion="0")).ok()
            return int(body["metadata"]["resourceVersion"]) >= int(
                made["metadata"]["resourceVersion"]
            )

        async with asyncio.timeout(20):
            while not await current():
                await asyncio.sleep(0.01)
    async with api.watch(path, **query) as watch:
        assert sorted(await watch.some(2)) == [("ADDED", "a"), ("ADDED", "b")]
        (await api.patch(f"{path}/a", {"data": {"k": "v"}})).ok()
        assert await watch.some(1) == [("MODIFIED", "a")]


async def test_all_namespaces_and_one(api: Api) -> None:
    made = (await api.post(f"{api.core}/configmaps", config_map("a"))).ok(201)
    version = made["metadata"]["resourceVersion"]
    label = {"only": api.namespace}
    async with (
        api.watch(
            "/api/v1/configmaps", resourceVersion=version, labelSelector=f"only={api.namespace}"
        ) as everywhere,
        api.watch("/api/v1/namespaces/default/configmaps", resourceVersion=version) as elsewhere,
    ):
        (await api.post(f"{api.core}/configmaps", config_map("b", labels=label))).ok(201)
        assert await everywhere.some(1) == [("ADDED", "b")]
        name = f"mark-{api.namespace}"
        path = "/api/v1/namespaces/default/configmaps"
        (await api.post(path, config_map(name))).ok(201)
        assert await elsewhere.some(1) == [("ADDED", name)]
        (await api.delete(f"{path}/{name}")).ok()


async def test_entering_and_leaving_a_selection(api: Api) -> None:
    path = f"{api.core}/configmaps"

    async def label(name: str, value: str | None) -> str:
        body = {"metadata": {"labels": {"in": value}}}
        return str((await api.patch(f"{path}/{name}", body)).ok()["metadata"]["resourceVersion"])

    made = (await api.post(path, config_map("a", {"k": "1"}))).ok(201)
    version = made["metadata"]["resourceVersion"]
    async with api.watch(path, resourceVersion=version, labelSelector="in=yes") as watch:
        (await api.post(path, config_map("other"))).ok(201)
        await label("a", "yes")
        assert await watch.some(1) == [("ADDED", "a")]
        (await api.patch(f"{path}/a", {"data": {"k": "2"}})).ok()
        assert await watch.some(1) == [("MODIFIED", "a")]
        left = await label("a", "no")
        event = await watch.next()
        assert brief(event) == ("DELETED", "a")
        assert event["object"]["metadata"]["labels"] == {"in": "yes"}
        assert event["object"]["metadata"]["resourceVersion"] == left
        (await api.patch(f"{path}/a", {"data": {"k": "3"}})).ok()
        await label("a", "yes")
        assert await watch.some(1) == [("ADDED", "a")]
        (await api.delete(f"{path}/a")).ok()
        assert await watch.some(1) == [("DELETED", "a")]
        (await api.delete(f"{path}/other")).ok()
        (await api.post(path, config_map("last", labels={"in": "yes"}))).ok(201)
        assert await watch.some(1) == [("ADDED", "last")]


async def test_a_field_selector(api: Api) -> None:
    path = f"{api.core}/services"
    made = (await api.post(path, service("a"))).ok(201)
    version = made["metadata"]["resourceVersion"]
    selector = "spec.type=LoadBalancer"
    async with api.watch(path, resourceVersion=version, fieldSelector=selector) as watch:
        (await api.patch(f"{path}/a", {"spec": {"type": "LoadBalancer"}})).ok()
        (await api.post(path, service("b"))).ok(201)
        (await api.patch(f"{path}/a", {"spec": {"type": "ClusterIP"}})).ok()
        assert await watch.some(2) == [("ADDED", "a"), ("DELETED", "a")]
        assert watch.seen[1]["object"]["spec"]["type"] == "LoadBalancer"


async def test_one_object_by_its_name(api: Api) -> None:
    path = f"{api.core}/configmaps"
    made = (await api.post(path, config_map("a"))).ok(201)
    version = made["metadata"]["resourceVersion"]
    async with api.watch(path, resourceVersion=version, fieldSelector="metadata.name=b") as watch:
        (await api.patch(f"{path}/a", {"data": {"k": "1"}})).ok()
        (await api.post(path, config_map("b"))).ok(201)
        assert await watch.some(1) == [("ADDED", "b")]


async def test_a_selector_that_is_refused(api: Api) -> None:
    answer = await api.get(f"{api.core}/configmaps", watch="true", labelSelector="a b")
    answer.failed(400, "BadRequest")


async def test_timeout_ends_a_watch_in_good_order(api: Api) -> None:
    started = time.monotonic()
    async with api.watch(f"{api.core}/configmaps", timeoutSeconds=1) as watch:
        assert await watch.ended()
    assert 0.8 <= time.monotonic() - started < 3


async def test_a_bookmark_before_the_timeout(api: Api) -> None:
    path = f"{api.core}/configmaps"
    made = (await api.post(path, config_map("a"))).ok(201)
    version = made["metadata"]["resourceVersion"]
    body = config_map(f"mark-{api.namespace}")
    started = time.monotonic()
    async with (
        api.watch(
            path, resourceVersion=version, allowWatchBookmarks="true", timeoutSeconds=4
        ) as watch,
        api.watch(path, resourceVersion=version, timeoutSeconds=4) as quiet,
    ):
        other = (await api.post("/api/v1/namespaces/default/configmaps", body)).ok(201)
        event = await watch.next()
        assert event["type"] == "BOOKMARK"
        assert 1.0 < time.monotonic() - started < 3.8
        assert event["object"]["kind"] == "ConfigMap"
        assert event["object"]["apiVersion"] == "v1"
        known = int(event["object"]["metadata"]["resourceVersion"])
        assert known >= int(other["metadata"]["resourceVersion"])
        assert await quiet.ended()  # without a bookmark: nobody asked for one


async def test_initial_events_end_with_a_bookmark(api: Api) -> None:
    path = f"{api.core}/configmaps"
    for name in ("a", "b"):
        (await api.post(path, config_map(name))).ok(201)
    async with api.watch(
        path,
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    ) as watch:
        assert sorted(await watch.some(2)) == [("ADDED", "a"), ("ADDED", "b")]
        event = await watch.until(lambda e: e["type"] == "BOOKMARK")
        annotations = event["object"]["metadata"]["annotations"]
        assert annotations == {"k8s.io/initial-events-end": "true"}
        assert event["object"]["metadata"]["resourceVersion"].isdigit()
        (await api.post(path, config_map("c"))).ok(201)
        assert await watch.some(1) == [("ADDED", "c")]


@pytest.mark.parametrize(
    "query",
    [
        {"sendInitialEvents": "true"},
        {"sendInitialEvents": "true", "resourceVersionMatch": "Exact"},
        {"resourceVersionMatch": "NotOlderThan"},
    ],
)
async def test_options_that_do_not_go_together(api: Api, query: dict[str, str]) -> None:
    answer = await api.get(f"{api.core}/configmaps", watch="true", **query)
    assert "resourceVersionMatch" in {name for _, name in answer.causes()}


async def test_several_watches_see_the_same(api: Api) -> None:
    path = f"{api.core}/configmaps"
    made = (await api.post(path, config_map("a"))).ok(201)
    version = made["metadata"]["resourceVersion"]
    async with (
        api.watch(path, resourceVersion=version) as one,
        api.watch(path, resourceVersion=version) as two,
    ):
        for index in range(20):
            (await api.post(path, config_map(f"c{index}"))).ok(201)
        await one.some(20)
        await two.some(20)
        assert one.seen == two.seen
        versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in one.seen]
        assert versions == sorted(set(versions))


async def test_a_version_from_the_future_waits(api: Api) -> None:
    path = f"{api.core}/configmaps"
    made = (await api.post(path, config_map("a"))).ok(201)
    version = str(int(made["metadata"]["resourceVersion"]) + 1_000_000)
    async with api.watch(path, resourceVersion=version, timeoutSeconds=2) as watch:
        (await api.post(path, config_map("b"))).ok(201)
        assert await watch.ended()
