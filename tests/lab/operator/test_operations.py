from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from metallb.kube.client import Resource
from metallb.kube.errors import AlreadyExistsError, NotFoundError
from metallb_lab import tools
from metallb_lab.operator.errors import PatchRefusedError
from metallb_lab.operator.jq import Jq
from metallb_lab.operator.operations import Operations

if TYPE_CHECKING:
    from metallb.kube.client import ApiClient
    from metallb_lab.operator.kinds import Kinds

MAPS = Resource("", "v1", "configmaps")
SERVICES = Resource("", "v1", "services")
ADDRESS = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "default", "name": "m"}


def _map(**data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "m", "namespace": "default"},
        "data": data,
    }


@pytest.fixture
def operations(client: ApiClient, kinds: Kinds) -> Operations:
    return Operations(client, kinds, Jq(tools.cache_dir() / "not-needed"))


async def _data(client: ApiClient) -> dict[str, str]:
    found: dict[str, str] = (await client.get(MAPS, "m", "default"))["data"]
    return found


async def test_create_wants_a_new_object(client: ApiClient, operations: Operations) -> None:
    await operations.apply([{"operation": "Create", "object": _map(a="1")}])
    assert await _data(client) == {"a": "1"}
    with pytest.raises(AlreadyExistsError):
        await operations.apply([{"operation": "Create", "object": _map(a="2")}])


async def test_create_if_not_exists_leaves_what_is_there(
    client: ApiClient, operations: Operations
) -> None:
    for value in ("1", "2"):
        await operations.apply([{"operation": "CreateIfNotExists", "object": _map(a=value)}])
    assert await _data(client) == {"a": "1"}


async def test_create_or_update_replaces_it(client: ApiClient, operations: Operations) -> None:
    for made in (_map(a="1", b="1"), json.dumps(_map(a="2"))):
        await operations.apply([{"operation": "CreateOrUpdate", "object": made}])
    assert await _data(client) == {"a": "2"}


async def test_delete_in_background(client: ApiClient, operations: Operations) -> None:
    await client.create(MAPS, _map(), "default")
    for _ in range(2):
        await operations.apply([{"operation": "DeleteInBackground", **ADDRESS}])
        with pytest.raises(NotFoundError):
            await client.get(MAPS, "m", "default")


async def test_a_foreground_delete_waits_for_the_end(
    client: ApiClient, operations: Operations
) -> None:
    """The server leaves a finalizer, which the garbage collector takes away; here the test does."""
    await client.create(MAPS, _map(), "default")
    deletion = asyncio.create_task(operations.apply([{"operation": "Delete", **ADDRESS}]))
    async with asyncio.timeout(10):
        while not (found := await client.get(MAPS, "m", "default"))["metadata"].get("finalizers"):
            await asyncio.sleep(0.01)
        assert found["metadata"]["finalizers"] == ["foregroundDeletion"]
        assert not deletion.done()
        await client.patch(MAPS, "m", {"metadata": {"finalizers": None}}, namespace="default")
        await deletion
    with pytest.raises(NotFoundError):
        await client.get(MAPS, "m", "default")


async def test_a_delete_that_does_not_cascade(client: ApiClient, operations: Operations) -> None:
    await client.create(MAPS, _map(), "default")
    await operations.apply([{"operation": "DeleteNonCascading", **ADDRESS}])
    found = await client.get(MAPS, "m", "default")
    assert found["metadata"]["finalizers"] == ["orphan"]


async def test_a_foreground_delete_that_does_not_end_fails(
    client: ApiClient, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metallb_lab.operator.operations.GONE_SECONDS", 0.2)
    made = _map()
    made["metadata"]["finalizers"] = ["example.com/hold"]
    await client.create(MAPS, made, "default")
    with pytest.raises(PatchRefusedError, match="still there"):
        await operations.apply([{"operation": "Delete", **ADDRESS}])


async def test_merge_patches(client: ApiClient, operations: Operations) -> None:
    await client.create(MAPS, _map(a="1", b="1"), "default")
    patch = {"data": {"a": "2", "b": None}}
    await operations.apply([{"operation": "MergePatch", **ADDRESS, "mergePatch": patch}])
    assert await _data(client) == {"a": "2"}
    text = "data: {c: '3'}"
    await operations.apply([{"operation": "MergePatch", **ADDRESS, "mergePatch": text}])
    assert await _data(client) == {"a": "2", "c": "3"}


async def test_json_patches(client: ApiClient, operations: Operations) -> None:
    await client.create(MAPS, _map(a="1"), "default")
    patch: list[Any] = [
        {"op": "add", "path": "/data/b", "value": "2"},
        {"op": "remove", "path": "/data/a"},
    ]
    await operations.apply([{"operation": "JSONPatch", **ADDRESS, "jsonPatch": patch}])
    assert await _data(client) == {"b": "2"}
    text = json.dumps([{"op": "remove", "path": "/data/b"}])
    await operations.apply([{"operation": "JSONPatch", **ADDRESS, "jsonPatch": text}])
    assert not (await client.get(MAPS, "m", "default")).get("data")


@pytest.mark.real
async def test_jq_patches(client: ApiClient, kinds: Kinds) -> None:
    operations = Operations(client, kinds, Jq(tools.find("gojq")))
    await client.create(MAPS, _map(a="1"), "default")
    program = '.data.b = .data.a + "!"'
    await operations.apply([{"operation": "JQPatch", **ADDRESS, "jqFilter": program}])
    assert await _data(client) == {"a": "1", "b": "1!"}


async def test_a_status_is_patched_by_its_subresource(
    client: ApiClient, operations: Operations
) -> None:
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    await client.create(SERVICES, {"metadata": {"name": "s"}, "spec": spec}, "default")
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    patch = {
        "operation": "MergePatch",
        "kind": "Service",
        "namespace": "default",
        "name": "s",
        "subresource": "/status",
        "mergePatch": {"status": status},
    }
    await operations.apply([patch])
    found = await client.get(SERVICES, "s", "default")
    assert found["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1"


async def test_an_object_that_is_gone(operations: Operations) -> None:
    patch = {"operation": "MergePatch", **ADDRESS, "mergePatch": {"data": {"a": "1"}}}
    await operations.apply([patch | {"ignoreMissingObject": True}])
    with pytest.raises(NotFoundError):
        await operations.apply([patch])


@pytest.mark.parametrize(
    "operation",
    [
        {"operation": "Replace", **ADDRESS},
        {"kind": "ConfigMap", "name": "m"},
        {"operation": "MergePatch", **ADDRESS, "mergePatch": {}},
        {"operation": "MergePatch", **ADDRESS},
        {"operation": "MergePatch", **ADDRESS, "mergePatch": [1]},
        {
            "operation": "MergePatch",
            **ADDRESS,
            "mergePatch": {"a": 1},
            "ignoreMissingObjects": True,
        },
        {"operation": "JSONPatch", **ADDRESS, "jsonPatch": []},
        {"operation": "JSONPatch", **ADDRESS, "jsonPatch": [{"op": "remove", "path": "/data/a"}]},
        {"operation": "JQPatch", **ADDRESS},
        {"operation": "Create"},
        {"operation": "Create", "object": {"metadata": {}}},
        {"operation": "Create", "object": "text"},
        {"operation": "Create", "object": {"kind": "Pod"}, "subresource": "status"},
        {"operation": "Delete", "kind": "ConfigMap"},
        {"operation": "Delete", "name": "m"},
    ],
)
async def test_what_is_refused_changes_nothing(
    client: ApiClient, operations: Operations, operation: dict[str, Any]
) -> None:
    with pytest.raises(PatchRefusedError):
        await operations.apply([{"operation": "Create", "object": _map()}, operation])
    with pytest.raises(NotFoundError):
        await client.get(MAPS, "m", "default")
