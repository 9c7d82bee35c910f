"""Lists: shape, pages, versions."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from contract.api import config_map, service
from contract.crds import widget, with_crd

if TYPE_CHECKING:
    from contract.api import Api


async def fill(api: Api, count: int, **metadata: Any) -> str:
    """Makes ConfigMaps c000... and tells the version of the last."""
    version = ""
    for index in range(count):
        body = config_map(f"c{index:03}", {"n": str(index)}, **metadata)
        made = (await api.post(f"{api.core}/configmaps", body)).ok(201)
        version = made["metadata"]["resourceVersion"]
    return version


async def compact(api: Api) -> None:
    """Makes the server forget history: etcd's compaction, or the embedded one's own."""
    if api.server.kind == "embedded":
        (await api.post("/lab/compact", {})).ok()
        return
    version = (await api.get(f"{api.core}/configmaps")).ok()["metadata"]["resourceVersion"]
    connector = aiohttp.UnixConnector(str(api.server.directory / "client:0"))
    async with aiohttp.ClientSession(connector=connector) as etcd:
        body = {"revision": version, "physical": True}
        async with etcd.post("http://etcd/v3/kv/compaction", json=body) as answer:
            assert answer.status == 200, await answer.text()


def names(body: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


async def test_the_shape_of_a_list(api: Api) -> None:
    last = await fill(api, 3)
    body = (await api.get(f"{api.core}/configmaps")).ok()
    assert (body["apiVersion"], body["kind"]) == ("v1", "ConfigMapList")
    assert int(body["metadata"]["resourceVersion"]) >= int(last)
    assert names(body) == ["c000", "c001", "c002"]
    assert "kind" not in body["items"][0]
    assert "apiVersion" not in body["items"][0]


async def test_an_empty_list(api: Api) -> None:
    body = (await api.get(f"{api.core}/configmaps")).ok()
    assert body["items"] == []
    assert body["metadata"]["resourceVersion"].isdigit()


async def test_all_namespaces(api: Api) -> None:
    await fill(api, 1, labels={"only": api.namespace})
    body = (await api.get("/api/v1/configmaps", labelSelector=f"only={api.namespace}")).ok()
    assert [(i["metadata"]["namespace"], i["metadata"]["name"]) for i in body["items"]] == [
        (api.namespace, "c000")
    ]


async def test_pages(api: Api) -> None:
    await fill(api, 7)
    path = f"{api.core}/configmaps"
    first = (await api.get(path, limit=3)).ok()
    assert names(first) == ["c000", "c001", "c002"]
    assert first["metadata"]["remainingItemCount"] == 4
    second = (await api.get(path, limit=3, continue_=first["metadata"]["continue"])).ok()
    assert names(second) == ["c003", "c004", "c005"]
    assert second["metadata"]["remainingItemCount"] == 1
    third = (await api.get(path, limit=3, continue_=second["metadata"]["continue"])).ok()
    assert names(third) == ["c006"]
    assert not third["metadata"].get("continue")
    assert "remainingItemCount" not in third["metadata"]
    versions = {page["metadata"]["resourceVersion"] for page in (first, second, third)}
    assert len(versions) == 1


async def test_pages_see_one_moment(api: Api) -> None:
    await fill(api, 4)
    path = f"{api.core}/configmaps"
    first = (await api.get(path, limit=2)).ok()
    (await api.delete(f"{path}/c003")).ok()
    (await api.patch(f"{path}/c002", {"data": {"n": "changed"}})).ok()
    (await api.post(path, config_map("c0025"))).ok(201)
    rest = (await api.get(path, limit=5, continue_=first["metadata"]["continue"])).ok()
    assert names(rest) == ["c002", "c003"]
    assert rest["items"][0]["data"] == {"n": "2"}
    assert names((await api.get(path)).ok()) == ["c000", "c001", "c002", "c0025"]


async def test_pages_with_a_selector(api: Api) -> None:
    for index in range(6):
        labels = {"odd": "yes"} if index % 2 else {}
        (await api.post(f"{api.core}/configmaps", config_map(f"c{index}", labels=labels))).ok(201)
    path = f"{api.core}/configmaps"
    first = (await api.get(path, limit=2, labelSelector="odd=yes")).ok()
    assert names(first) == ["c1", "c3"]
    assert "remainingItemCount" not in first["metadata"]
    token = first["metadata"]["continue"]
    rest = (await api.get(path, limit=2, labelSelector="odd=yes", continue_=token)).ok()
    assert names(rest) == ["c5"]


@with_crd()
async def test_a_page_token_of_a_forgotten_version(api: Api, path: str) -> None:
    for name in ("c001", "c002", "c003"):
        (await api.post(path, widget(api, name))).ok(201)
    await compact(api)
    old = json.dumps({"v": "meta.k8s.io/v1", "rv": 1, "start": "c001\0"}).encode()
    forged = base64.urlsafe_b64encode(old).decode().rstrip("=")
    gone = (await api.get(path, limit=2, continue_=forged)).failed(410, "Expired")
    token = gone["metadata"]["continue"]
    rest = (await api.get(path, limit=9, continue_=token)).ok()
    assert names(rest) == ["c002", "c003"]
    raw = json.loads(base64.urlsafe_b64decode(token + "=="))
    assert raw["rv"] == -1


async def test_a_page_token_that_is_none(api: Api) -> None:
    answer = await api.get(f"{api.core}/configmaps", limit=2, continue_="nonsense")
    answer.failed(400, "BadRequest")


async def test_lists_at_a_version(api: Api) -> None:
    path = f"{api.core}/configmaps"
    early = await fill(api, 2)
    (await api.post(path, config_map("later"))).ok(201)
    exact = await api.get(path, resourceVersion=early, resourceVersionMatch="Exact")
    assert names(exact.ok()) == ["c000", "c001"]
    assert exact.body["metadata"]["resourceVersion"] == early
    newer = await api.get(path, resourceVersion=early, resourceVersionMatch="NotOlderThan")
    assert names(newer.ok()) == ["c000", "c001", "later"]
    plain = await api.get(path, resourceVersion=early)
    assert names(plain.ok()) == ["c000", "c001", "later"]


async def test_any_version_will_do(api: Api) -> None:
    await fill(api, 2)

    async def seen() -> bool:
        body = (await api.get(f"{api.core}/configmaps", resourceVersion="0")).ok()
        return names(body) == ["c000", "c001"]

    async with asyncio.timeout(20):
        while not await seen():
            await asyncio.sleep(0.01)


async def test_a_limit_at_version_zero_is_ignored_by_neither(api: Api) -> None:
    """With resourceVersion=0 the answer comes whole from the cache on the real server."""
    await fill(api, 3)
    body = (await api.get(f"{api.core}/configmaps", resourceVersion="0", limit="2")).ok()
    assert names(body)[:2] == ["c000", "c001"]


async def test_a_version_from_the_future(api: Api) -> None:
    far = int(await fill(api, 1)) + 100_000
    path = f"{api.core}/configmaps"
    answers = await asyncio.gather(
        *(
            api.get(path, resourceVersion=far, resourceVersionMatch=match)
            for match in ("Exact", "NotOlderThan")
        )
    )
    for answer in answers:
        body = answer.failed(504, "Timeout")
        assert body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
        assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"resourceVersionMatch": "Exact"}, "resourceVersionMatch"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, "resourceVersionMatch"),
        ({"resourceVersionMatch": "Foo", "resourceVersion": "5"}, "resourceVersionMatch"),
        ({"sendInitialEvents": "true"}, "sendInitialEvents"),
    ],
)
async def test_options_that_do_not_go_together(api: Api, query: dict[str, str], field: str) -> None:
    answer = await api.get(f"{api.core}/configmaps", **query)
    assert field in {name for _, name in answer.causes()}


@pytest.mark.parametrize("wrong", ["abc", "-1", "1.5"])
async def test_versions_that_are_no_numbers(api: Api, wrong: str) -> None:
    path = f"{api.core}/configmaps"
    (await api.get(path, resourceVersion=wrong)).failed(400, "BadRequest")
    for answer in (
        await api.get(path, watch="true", resourceVersion=wrong),
        await api.get(f"{path}/a", resourceVersion=wrong),
    ):
        assert "invalid syntax" in answer.ok(500)["message"]


@pytest.mark.parametrize("wrong", ["abc", "1.5", "99999999999999999999"])
@pytest.mark.parametrize("name", ["limit", "timeoutSeconds"])
async def test_options_that_are_no_numbers(api: Api, name: str, wrong: str) -> None:
    for watch in ("false", "true"):
        query = {name: wrong, "watch": watch}
        answer = await api.get(f"{api.core}/configmaps", **query)
        answer.failed(400, "BadRequest")


@with_crd()
async def test_a_version_that_was_forgotten(api: Api, path: str) -> None:
    (await api.post(path, widget(api, "w"))).ok(201)
    await compact(api)
    answer = await api.get(path, resourceVersion="1", resourceVersionMatch="Exact")
    answer.failed(410, "Expired")


async def test_a_large_list_is_compressed_when_that_is_accepted(api: Api) -> None:
    for index in range(20):
        body = config_map(f"c{index}", {"fill": "x" * 10_000})
        (await api.post(f"{api.core}/configmaps", body)).ok(201)
    url = f"{api.server.url}{api.core}/configmaps"
    for accepted, encoding in (("gzip", "gzip"), ("identity", None)):
        async with api.session.get(url, headers={"Accept-Encoding": accepted}) as answer:
            assert answer.headers.get("Content-Encoding") == encoding
            assert len((await answer.json())["items"]) == 20


async def test_get_at_a_version(api: Api) -> None:
    made = (await api.post(f"{api.core}/services", service("s"))).ok(201)
    version = made["metadata"]["resourceVersion"]
    assert (await api.get(f"{api.core}/services/s", resourceVersion=version)).ok()
    assert (await api.get(f"{api.core}/services/s", resourceVersion="0")).status in (200, 404)
