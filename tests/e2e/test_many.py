"""Ten thousand addresses on the real API server: all given, evenly placed, answered, kept."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from metallb.kube.client import Resource
from metallb_lab import objects
from metallb_lab.cluster import Cluster, ClusterOptions
from metallb_lab.objects import SERVICES
from support.site import all_present
from support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable

    from metallb.kube.client import JsonObject

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(900),
    pytest.mark.netns,
    pytest.mark.real,
    pytest.mark.slow,
]

SERVICE_COUNT, EACH, NODES = 500, 20, 3
RANGE = "10.10.160.1-10.10.200.255"
SAMPLE = 200
AT_ONCE = 32
LONG_SECONDS = 400.0
SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")


def slice_of(name: str) -> JsonObject:
    """Make an EndpointSlice, so that the Service's addresses are announced."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": ["10.244.1.2"], "conditions": {"ready": True}, "nodeName": "n1"}
        ],
        "ports": [{"name": "tcp-80", "port": 80, "protocol": "TCP"}],
    }


async def in_parallel(work: Iterable[Coroutine[object, object, object]]) -> None:
    """Do many things, some at a time."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def do(item: Coroutine[object, object, object]) -> None:
        async with turns:
            await item

    await asyncio.gather(*map(do, work))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    """A cluster in which five hundred Services have twenty addresses each."""
    options = ClusterOptions(
        nodes=NODES, control_plane="real", data_path=False,
        speaker_arguments=("--heartbeat-multiplier", "10"),
    )  # fmt: skip
    async with Cluster(options) as cluster:
        await all_present(cluster)
        names = [f"many-{number:03}" for number in range(SERVICE_COUNT)]
        await in_parallel(
            cluster.client.create(SLICES, slice_of(name), "default") for name in names
        )
        await in_parallel(
            cluster.apply(objects.service(name, count=EACH, loadBalancerClass="many"))
            for name in names
        )
        await cluster.apply(objects.load_balancer_class("many", [RANGE]))
        await cluster.until(
            lambda: all(len(cluster.addresses(name)) == EACH for name in names), LONG_SECONDS,
            "all Services have all their addresses",
        )  # fmt: skip
        await cluster.until(
            lambda: len(list(cluster.vips)) == SERVICE_COUNT * EACH, LONG_SECONDS,
            "each address has its entry, as our mirror of them shows too",
        )  # fmt: skip
        yield cluster


def shown(cluster: Cluster) -> dict[str, tuple[str, ...]]:
    """Give Service -> addresses in its status."""
    return {
        service.meta.key.name: tuple(item.ip for item in service.ingress)
        for service in cluster.services
        if service.ingress
    }


def first_choices(cluster: Cluster) -> dict[str, str]:
    """Give address -> node that is to announce it."""
    return {str(vip.spec.address): vip.spec.layer2.nodes[0] for vip in cluster.vips}


async def test_each_address_is_given_once(cluster: Cluster) -> None:
    given = [address for addresses in shown(cluster).values() for address in addresses]
    assert len(given) == len(set(given)) == SERVICE_COUNT * EACH
    holders = {
        str(vip.spec.address): [key.name for key in vip.spec.services] for vip in cluster.vips
    }
    assert holders == {
        address: [name] for name, addresses in shown(cluster).items() for address in addresses
    }


async def test_nodes_have_equal_shares(cluster: Cluster) -> None:
    loads = Counter(first_choices(cluster).values())
    assert len(loads) == NODES
    assert max(loads.values()) - min(loads.values()) <= 1
    seconds = Counter(vip.spec.layer2.nodes[:2] for vip in cluster.vips)
    assert len(seconds) == NODES * (NODES - 1)  # each pair of first and second choice
    assert max(seconds.values()) - min(seconds.values()) <= 1 + max(seconds.values()) // 10
    choice = first_choices(cluster)
    for addresses in shown(cluster).values():
        assert {choice[address] for address in addresses} == {"n1", "n2", "n3"}


async def test_a_sample_is_answered_by_the_node_that_is_to(cluster: Cluster) -> None:
    node_of = {host.mac(): host.name for host in cluster.topology.nodes}
    choices = first_choices(cluster)
    async with Wire(cluster.topology.hosts["client"]) as wire:
        for address in random.Random(10_000).sample(sorted(choices), SAMPLE):
            async with asyncio.timeout(LONG_SECONDS):
                answered: set[str] = set()
                while answered != {choices[address]}:
                    answered = {node_of[item.mac] for item in await wire.answers(address, 30)}


async def test_a_new_leader_changes_nothing(cluster: Cluster) -> None:
    before = {item["metadata"]["uid"]: item async for item in services(cluster)}
    for name in ("ctl1", "ctl2"):  # whoever leads; the other one gets it by itself
        await cluster.controllers[name].kill()
        await cluster.start_controller(name)
    known = f"the ledger has {SERVICE_COUNT * EACH} addresses, {SERVICE_COUNT + 1} Services"
    async with asyncio.timeout(LONG_SECONDS):
        while sum(log.read_text().count(known) for log in cluster.logs()) == 0:
            await asyncio.sleep(0.1)
    # the new leader decides about everybody and, at last, about one who was not there
    await cluster.apply(objects.service("late", loadBalancerClass="many"))
    await cluster.until(lambda: len(cluster.addresses("late")) == 1, LONG_SECONDS)
    await cluster.delete("Service", "late", "default")
    await cluster.until(lambda: not cluster.vips_of("late"), LONG_SECONDS)
    after = {item["metadata"]["uid"]: item async for item in services(cluster)}
    changed = [item["metadata"]["name"] for uid, item in before.items() if after[uid] != item]
    assert changed == []
    assert len(cluster.vips) == SERVICE_COUNT * EACH


async def services(cluster: Cluster) -> AsyncIterator[JsonObject]:
    async for page in cluster.client.list_pages(SERVICES):
        for item in page.items:
            yield item
