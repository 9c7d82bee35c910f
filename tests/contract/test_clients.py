"""The Python clients that people use: kubernetes and lightkube, with watches and errors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import kubernetes
import lightkube
import pytest
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Service

from contract.api import config_map
from contract.crds import group_of, widget, with_crd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.api import Api


@pytest.fixture
def official(api: Api) -> Iterator[Any]:
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(
        config_file=str(api.server.kubeconfig), client_configuration=configuration
    )
    with kubernetes.client.ApiClient(configuration) as client:
        yield client
        client.rest_client.pool_manager.clear()


async def test_the_official_client(api: Api, official: Any) -> None:
    def work() -> None:
        core = kubernetes.client.CoreV1Api(official)
        body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
        made = core.create_namespaced_service(api.namespace, body)
        assert made.spec.type == "ClusterIP"
        assert made.metadata.creation_timestamp.year >= 2020
        patched = core.patch_namespaced_service(
            "s", api.namespace, {"spec": {"selector": {"a": "b"}}}
        )
        assert patched.spec.selector == {"a": "b"}
        made.spec.selector = {"c": "d"}
        with pytest.raises(kubernetes.client.ApiException) as stale:
            core.replace_namespaced_service("s", api.namespace, made)
        assert stale.value.status == 409
        (event,) = kubernetes.watch.Watch().stream(
            core.list_namespaced_service, api.namespace, timeout_seconds=1
        )
        assert (event["type"], event["object"].metadata.name) == ("ADDED", "s")
        core.delete_namespaced_service("s", api.namespace)
        assert core.list_namespaced_service(api.namespace).items == []

    await asyncio.to_thread(work)


@with_crd()
async def test_the_official_client_with_custom_objects(api: Api, path: str, official: Any) -> None:
    def work() -> None:
        custom = kubernetes.client.CustomObjectsApi(official)
        where = (group_of(api), "v1", api.namespace, "widgets")
        custom.create_namespaced_custom_object(*where, widget(api, "w", {"a": 1}))
        custom.patch_namespaced_custom_object_status(*where, "w", {"status": {"b": 2}})
        found = custom.get_namespaced_custom_object(*where, "w")
        assert (found["spec"], found["status"]) == ({"a": 1}, {"b": 2})

    await asyncio.to_thread(work)


async def test_leader_election_of_the_official_client(api: Api, official: Any) -> None:
    def work() -> None:
        leases = kubernetes.client.CoordinationV1Api(official)
        spec = {"holderIdentity": "me", "leaseDurationSeconds": 5}
        made = leases.create_namespaced_lease(
            api.namespace, {"metadata": {"name": "l"}, "spec": spec}
        )
        made.spec.holder_identity = "you"
        changed = leases.replace_namespaced_lease("l", api.namespace, made)
        assert changed.spec.holder_identity == "you"
        with pytest.raises(kubernetes.client.ApiException) as stale:
            leases.replace_namespaced_lease("l", api.namespace, made)
        assert stale.value.status == 409

    await asyncio.to_thread(work)


@with_crd()
async def test_lightkube(api: Api, path: str) -> None:
    def work() -> None:
        config = lightkube.KubeConfig.from_file(str(api.server.kubeconfig))
        client = lightkube.Client(config=config, namespace=api.namespace)
        spec = ServiceSpec(ports=[ServicePort(port=80)], type="LoadBalancer")
        made = client.create(Service(metadata=ObjectMeta(name="s"), spec=spec))
        assert made.spec is not None
        assert made.spec.clusterIP
        patch = {"metadata": {"labels": {"a": "b"}}}
        assert client.patch(Service, "s", patch).metadata.labels == {"a": "b"}  # type: ignore[union-attr]
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
        shown = client.patch(Service.Status, "s", status)
        assert shown.status.loadBalancer.ingress[0].ip == "192.0.2.1"  # type: ignore[index,union-attr]
        with pytest.raises(ApiError) as missing:
            client.get(ConfigMap, "nope")
        assert missing.value.status.code == 404
        kind = create_namespaced_resource(group_of(api), "v1", "Widget", "widgets")
        client.create(kind(**widget(api, "w", {"a": 1})))
        assert [w.metadata.name for w in client.list(kind)] == ["w"]  # type: ignore[union-attr]
        client.delete(Service, "s")
        client.close()

    await asyncio.to_thread(work)


async def test_an_informer_loop(api: Api) -> None:
    """What every client does: list, watch from there, list again when told that it is too late."""
    path = f"{api.core}/configmaps"
    for index in range(3):
        (await api.post(path, config_map(f"c{index}"))).ok(201)
    listed = (await api.get(path, resourceVersion="0", limit=500)).ok()
    known = {i["metadata"]["name"] for i in listed["items"]}
    version = listed["metadata"]["resourceVersion"]
    async with api.watch(
        path, resourceVersion=version, allowWatchBookmarks="true", timeoutSeconds=300
    ) as watch:
        (await api.post(path, config_map("new"))).ok(201)
        event = await watch.until(lambda e: e["object"]["metadata"].get("name") == "new")
        known |= {e["object"]["metadata"]["name"] for e in watch.seen if e["type"] == "ADDED"}
    assert known == {"c0", "c1", "c2", "new"}
    again = event["object"]["metadata"]["resourceVersion"]
    async with api.watch(path, resourceVersion=again) as watch:
        (await api.delete(f"{path}/new")).ok()
        assert await watch.some(1) == [("DELETED", "new")]
