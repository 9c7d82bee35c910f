"""A lab's cluster from start to end: it serves, it can be hurt, and it leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from metallb.kube.errors import NotFoundError
from metallb_lab import netns, objects, probes
from metallb_lab.cluster import Cluster, ClusterOptions
from metallb_lab.controlplane import EmbeddedControlPlane
from metallb_lab.instance import HOME, Instance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400), pytest.mark.netns,
]  # fmt: skip

WAIT_SECONDS, START_SECONDS = 60.0, 180.0
RANGE = "10.10.128.1-10.10.128.9"
PATIENCE = ("--heartbeat-multiplier", "10")
AT_ONCE = {"delaySeconds": 0, "movesPerMinute": 60_000}

LAB = """
import asyncio
from metallb_lab.cluster import Cluster, ClusterOptions
async def main():
    async with Cluster(ClusterOptions(nodes=2)) as cluster:
        await cluster.add_pod("web-1", "n1", {"app": "web"})
        print(cluster.instance.name, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


def options(nodes: int = 2) -> ClusterOptions:
    return ClusterOptions(nodes=nodes, speaker_arguments=PATIENCE)


async def serve(cluster: Cluster) -> str:
    """Make a pod on each node, a class, and a Service; gives its address."""
    nodes = [host.name for host in cluster.topology.nodes]
    await cluster.until(
        lambda: {item.node for item in cluster.roll if item.is_present} == set(nodes),
        START_SECONDS, "all speakers are present",
    )  # fmt: skip
    for node in nodes:
        await cluster.add_pod(f"{cluster.instance.name}-{node}", node, {"app": "web"})
    await cluster.apply(objects.load_balancer_class("pool", [RANGE], rebalancing=AT_ONCE))
    await cluster.apply(objects.service("web", loadBalancerClass="pool"))
    await cluster.until(lambda: cluster.addresses("web") and cluster.all_announced(), WAIT_SECONDS)
    return cluster.addresses("web")[0]


async def http(cluster: Cluster, address: str) -> probes.HttpAnswer:
    client = cluster.topology.hosts["client"].namespace
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                return await asyncio.to_thread(probes.http_get, client, address, 80, 1.0)
            except OSError:
                await asyncio.sleep(0.02)


def left_of(name: str) -> list[str]:
    """Name what there is of a lab: namespaces, directory, processes."""
    found = netns.with_prefix(f"{name}-")
    found += [str(path) for path in (HOME / name,) if path.exists()]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"/{name}/".encode() in path.read_bytes():
                found.append(str(path))
        except OSError:
            continue
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(options(nodes=3)) as cluster:
        yield cluster


async def test_a_service_is_served_and_survives_its_node(cluster: Cluster) -> None:
    address = await serve(cluster)
    node = cluster.announcer(address)
    assert (await http(cluster, address)).pod.startswith(cluster.instance.name)
    client = cluster.topology.hosts["client"].namespace
    assert probes.neighbour(client, address) == cluster.topology.hosts[node].mac()

    await cluster.power_off(node)
    assert not cluster.speakers[node].is_running
    await cluster.until(lambda: cluster.announcer(address) not in ("", node), WAIT_SECONDS)
    await cluster.power_on(node)
    assert cluster.speakers[node].is_running
    await cluster.until(
        lambda: node in {item.node for item in cluster.roll if item.is_present}, WAIT_SECONDS
    )
    running = cluster.speakers[node].pid
    await cluster.power_on(node)  # again is no matter
    assert cluster.speakers[node].pid == running


async def test_objects_are_applied_patched_labelled_and_deleted(cluster: Cluster) -> None:
    await cluster.apply(objects.service("some", annotations={"one": "1"}))
    merged = await cluster.apply(objects.service("some", annotations={"two": "2"}))
    assert merged["metadata"]["annotations"] == {"one": "1", "two": "2"}
    await cluster.label("n2", **{"example.com/x": "y"})
    assert (await cluster.get("Node", "n2"))["metadata"]["labels"]["example.com/x"] == "y"
    await cluster.label("n2", **{"example.com/x": None})
    assert "example.com/x" not in (await cluster.get("Node", "n2"))["metadata"]["labels"]
    await cluster.delete("Service", "some", "default")
    with pytest.raises(NotFoundError):
        await cluster.get("Service", "some")
    assert await cluster.events("nobody") == []


async def test_the_picture_shows_what_there_is(cluster: Cluster) -> None:
    await cluster.apply(objects.service("pictured", loadBalancerClass="none-such"))
    await cluster.until(lambda: cluster.service("pictured"), WAIT_SECONDS)
    picture = cluster.picture()
    assert "default/pictured []" in picture
    assert "--- ctl1.log" in picture
    assert "--- speaker-n3.log" in picture
    await cluster.delete("Service", "pictured", "default")


async def test_kubeconfigs_are_written_once_and_for_the_owner(cluster: Cluster) -> None:
    inside, outside = cluster.plane.inside_kubeconfig, cluster.plane.outside_kubeconfig
    assert f"127.0.0.1:{cluster.plane.relay.port}" in outside.read_text()
    assert cluster.plane.url in inside.read_text()
    assert {path.stat().st_mode & 0o777 for path in (inside, outside)} == {0o600}
    before = inside.stat()
    assert cluster.plane.inside_kubeconfig.stat() == before


@pytest.mark.slow
async def test_two_labs_run_side_by_side(cluster: Cluster) -> None:
    async with Cluster(options()) as one, Cluster(options()) as two:
        addresses = [await serve(lab) for lab in (one, two)]
        assert addresses[0] == addresses[1]  # the very same, each in its own world
        for lab in (one, two):
            assert (await http(lab, addresses[0])).pod.startswith(lab.instance.name)
        await one.power_off(one.announcer(addresses[0]))
        await one.until(lambda: one.announcer(addresses[0]), WAIT_SECONDS)
        assert all(process.is_running for process in two.speakers.values())
        assert (await http(two, addresses[1])).pod.startswith(two.instance.name)
    assert left_of(one.instance.name) == left_of(two.instance.name) == []
    assert all(process.is_running for process in cluster.controllers.values())


async def test_a_start_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: EmbeddedControlPlane) -> None:
        raise RuntimeError("no API server today")

    monkeypatch.setattr(EmbeddedControlPlane, "start", fail)
    lab = Cluster(options())
    with pytest.raises(RuntimeError, match="no API server today"):
        await lab.__aenter__()
    assert left_of(lab.instance.name) == []


async def lab_of_another() -> tuple[asyncio.subprocess.Process, str]:
    """Start a lab in a process of its own; gives the process and the lab's name.

    Its Ctrl-C is as a terminal's, though we may be run by something that ignores it.
    """
    process = await asyncio.create_subprocess_exec(
        *("env", "--default-signal=INT", sys.executable, "-c", LAB), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    name = (await process.stdout.readline()).decode().strip()
    assert len(left_of(name)) > 10
    return process, name


async def test_interrupted_lab_leaves_nothing() -> None:
    process, name = await lab_of_another()
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(WAIT_SECONDS):
        assert await process.wait() != 0
    assert left_of(name) == []


async def test_what_a_killed_lab_leaves_is_cleared_by_the_next() -> None:
    process, name = await lab_of_another()
    process.kill()
    async with asyncio.timeout(WAIT_SECONDS):
        assert await process.wait() == -signal.SIGKILL
    async with asyncio.timeout(WAIT_SECONDS):  # its processes die with it
        while any(item.startswith("/proc") for item in left_of(name)):
            await asyncio.sleep(0.02)
    assert netns.exists(f"{name}-n1")
    with Instance():
        assert left_of(name) == []
