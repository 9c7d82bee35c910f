"""The lab's own EndpointSlices and service rules, on a cluster without controller and speakers.

The test plays our part: it writes addresses into statuses, and routes them to a node by hand.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from metallb.kube.client import PatchType, Resource
from metallb.kube.errors import NotFoundError
from metallb_lab import netns, objects, probes
from metallb_lab.cluster import Cluster, ClusterOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from metallb.kube.client import JsonObject

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180), pytest.mark.netns,
]  # fmt: skip

SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
WAIT_SECONDS = 40.0
CLIENT, CLIENT6 = "10.10.0.100", "fd10::100"
DUAL: dict[str, Any] = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(ClusterOptions(nodes=2, controllers=0, speakers=False)) as cluster:
        for number in (1, 2):
            await cluster.add_pod(f"web-{number}", f"n{number}", {"app": "web"})
        yield cluster


async def endpoints(cluster: Cluster, service: str) -> dict[str, dict[str, bool]]:
    """Give family -> address -> ready, of the slices of a Service."""
    found: dict[str, dict[str, bool]] = {}
    async for page in cluster.client.list_pages(SLICES):
        for item in page.items:
            if item["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service:
                found[item["addressType"]] = {
                    one["addresses"][0]: one["conditions"]["ready"] for one in item["endpoints"]
                }
    return found


async def until(condition: Callable[[], Any], wanted: object) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while (found := await condition()) != wanted:
            print(found)
            await asyncio.sleep(0.02)


async def expose(cluster: Cluster, name: str, *addresses: str, **spec: Any) -> JsonObject:
    """Make a Service and give it addresses, as the controller would."""
    await cluster.apply(objects.service(name, **spec))
    ingress = [{"ip": item, "ipMode": "VIP"} for item in addresses]
    status = {"status": {"loadBalancer": {"ingress": ingress}}}
    return await cluster.patch("Service", name, status, "default", "status")


def lead(cluster: Cluster, address: str, node: str) -> None:
    """Lead an address to a node, as the speaker's answer would."""
    host = cluster.topology.hosts[node]
    family, prefix, via = ("-6", 128, host.ipv6) if ":" in address else ("-4", 32, host.ipv4)
    client = cluster.topology.hosts["client"].namespace
    netns.run("ip", "-n", client, family, "route", "replace", f"{address}/{prefix}", "via", via)


async def answers(cluster: Cluster, address: str) -> probes.HttpAnswer:
    """Ask over HTTP until there is an answer: the rules take their time."""
    client = cluster.topology.hosts["client"].namespace
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                return await asyncio.to_thread(probes.http_get, client, address, 80, 1.0)
            except OSError:
                await asyncio.sleep(0.02)


async def test_slices_follow_services_and_pods(cluster: Cluster) -> None:
    pods = cluster.topology.pods
    await cluster.apply(objects.service("follow", **DUAL))

    def wanted(*ready: bool) -> dict[str, dict[str, bool]]:
        both = list(zip((pods["web-1"], pods["web-2"]), ready, strict=True))
        return {
            "IPv4": {pod.ipv4: item for pod, item in both},
            "IPv6": {pod.ipv6: item for pod, item in both},
        }

    await until(lambda: endpoints(cluster, "follow"), wanted(True, True))
    await cluster.set_pod_ready("web-2", is_ready=False)
    await until(lambda: endpoints(cluster, "follow"), wanted(True, False))
    await cluster.set_pod_ready("web-2", is_ready=True)
    await until(lambda: endpoints(cluster, "follow"), wanted(True, True))
    await cluster.delete("Service", "follow", "default")
    await until(lambda: endpoints(cluster, "follow"), {})


async def test_slices_of_others_are_left_alone(cluster: Cluster) -> None:
    body = {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "by-hand", "labels": {"kubernetes.io/service-name": "by-hand"}},
        "endpoints": [{"addresses": ["10.244.9.9"], "conditions": {"ready": True}}],
        "ports": [],
    }  # fmt: skip
    await cluster.client.create(SLICES, body, "default")
    await cluster.apply(objects.service("by-hand", selector=None))
    await cluster.apply(objects.service("later"))
    await until(lambda: _families(cluster, "later"), ["IPv4"])
    assert await endpoints(cluster, "by-hand") == {"IPv4": {"10.244.9.9": True}}
    for name in ("by-hand", "later"):
        await cluster.delete("Service", name, "default")
    await cluster.client.delete(SLICES, "by-hand", "default")


async def _families(cluster: Cluster, service: str) -> list[str]:
    return sorted(await endpoints(cluster, service))


async def test_cluster_policy_reaches_pods_of_all_nodes(cluster: Cluster) -> None:
    addresses = ("10.10.128.1", "fd10::1:0:1")
    await expose(cluster, "everywhere", *addresses, **DUAL)
    for address in addresses:
        lead(cluster, address, "n1")
        seen = [await answers(cluster, address) for _ in range(30)]
        assert {item.pod for item in seen} == {"web-1", "web-2"}
        assert not {item.client for item in seen} & {CLIENT, CLIENT6}
    await cluster.delete("Service", "everywhere", "default")


async def test_local_policy_keeps_the_client_and_its_node(cluster: Cluster) -> None:
    addresses = ("10.10.128.2", "fd10::1:0:2")
    await expose(cluster, "local", *addresses, externalTrafficPolicy="Local", **DUAL)
    for address, client in zip(addresses, (CLIENT, CLIENT6), strict=True):
        for node, pod in (("n1", "web-1"), ("n2", "web-2")):
            lead(cluster, address, node)
            seen = {await answers(cluster, address) for _ in range(5)}
            assert seen == {probes.HttpAnswer(pod, node, client)}
    await cluster.delete("Service", "local", "default")


async def test_without_a_local_endpoint_it_is_dropped(cluster: Cluster) -> None:
    address = "10.10.128.3"
    await expose(cluster, "dropped", address, externalTrafficPolicy="Local")
    lead(cluster, address, "n1")
    await answers(cluster, address)
    await cluster.set_pod_ready("web-1", is_ready=False)
    client = cluster.topology.hosts["client"].namespace

    async def outcome() -> str:
        try:
            await asyncio.to_thread(probes.http_get, client, address, 80, 0.5)
        except TimeoutError:
            return "dropped"
        return "answered"

    await until(outcome, "dropped")
    lead(cluster, address, "n2")
    assert (await answers(cluster, address)).pod == "web-2"
    await cluster.set_pod_ready("web-1", is_ready=True)
    await cluster.delete("Service", "dropped", "default")


async def test_a_node_says_at_the_health_check_port_whether_it_has_local_endpoints(
    cluster: Cluster,
) -> None:
    made = await cluster.apply(objects.service("checked", externalTrafficPolicy="Local"))
    port = made["spec"]["healthCheckNodePort"]

    async def said(node: str, address: str = "127.0.0.1") -> str:
        host = cluster.topology.hosts[node]
        url = f"http://{address}:{port}/healthz"
        asked = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", url)
        return await asyncio.to_thread(host.run, "sh", "-c", '"$@" || true', "sh", *asked)

    await until(lambda: said("n1"), "200")
    await cluster.set_pod_ready("web-1", is_ready=False)
    await until(lambda: said("n1"), "503")
    assert await said("n2") == "200"
    assert await said("n2", "[::1]") == "503", "the Service has no IPv6 endpoints"
    await cluster.set_pod_ready("web-1", is_ready=True)
    await until(lambda: said("n1"), "200")
    await cluster.delete("Service", "checked", "default")
    await until(lambda: said("n1"), "000")


async def test_rules_forget_a_pod_that_is_not_ready(cluster: Cluster) -> None:
    addresses = ("10.10.128.4", "fd10::1:0:4")
    await expose(cluster, "forgetful", *addresses, **DUAL)
    for address in addresses:
        lead(cluster, address, "n1")
        await answers(cluster, address)
    await cluster.set_pod_ready("web-2", is_ready=False)
    await cluster.until_rules_forget("web-2", ["n1", "n2"])
    for address in addresses:
        assert {(await answers(cluster, address)).pod for _ in range(20)} == {"web-1"}
    await cluster.set_pod_ready("web-2", is_ready=True)
    await cluster.delete("Service", "forgetful", "default")


async def test_cluster_address_is_reached_from_a_node(cluster: Cluster) -> None:
    made = await cluster.apply(objects.service("inside"))
    node = cluster.topology.hosts["n2"].namespace
    address = made["spec"]["clusterIP"]
    netns.run("ip", "-n", node, "route", "replace", f"{address}/32", "dev", "lo")
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                seen = await asyncio.to_thread(probes.http_get, node, address, 80, 1.0)
                break
            except OSError:
                await asyncio.sleep(0.02)
    assert seen.pod in ("web-1", "web-2")
    await cluster.delete("Service", "inside", "default")


async def test_a_namespace_goes_with_all_that_is_in_it(cluster: Cluster) -> None:
    client = cluster.client
    names = Resource("", "v1", "namespaces", is_namespaced=False)
    maps = Resource("", "v1", "configmaps")
    await client.create(names, _named("Namespace", "passing"))
    await client.create(maps, _named("ConfigMap", "plain"), "passing")
    held = _named("ConfigMap", "held", finalizers=["example.com/hold"])
    await client.create(maps, held, "passing")
    await client.create(maps, _named("ConfigMap", "elsewhere"), "default")
    await client.delete(names, "passing")

    async def left() -> list[str]:
        page = await client.request("GET", maps.path("passing"))
        return [item["metadata"]["name"] for item in page["items"]]

    await until(left, ["held"])
    assert (await client.get(names, "passing"))["status"]["phase"] == "Terminating"
    free = {"metadata": {"finalizers": None}}
    await client.patch(maps, "held", free, namespace="passing", kind=PatchType.MERGE)

    async def is_gone() -> bool:
        try:
            await client.get(names, "passing")
        except NotFoundError:
            return True
        return False

    await until(is_gone, True)
    assert await client.get(maps, "elsewhere", "default")
    await client.delete(maps, "elsewhere", "default")


def _named(kind: str, name: str, **meta: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **meta}}
