"""The speaker with exactly the capabilities that the chart declares, and with one less.

Its processes run in the lab under `setpriv`, which takes all other capabilities out of the bounding
set for good, as a container runtime does.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from metallb_lab import objects
from metallb_lab.cluster import Cluster, ClusterOptions
from module.templates.rendering import Case, Chart, containers, find

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = [pytest.mark.timeout(180), pytest.mark.netns]

WAIT_SECONDS = 60.0
VIP = "10.10.128.1"
NO_PRIORITY = "no real-time priority"
NO_SOCKET = re.compile("cannot be used.*Operation not permitted")


@pytest.fixture
def declared(tmp_path: Path) -> list[str]:
    """Give the capabilities of the speaker's container."""
    workload = find(Chart(tmp_path).render(Case()), "DaemonSet", "speaker")
    [speaker] = [item for _, item in containers([workload]) if item["name"] == "speaker"]
    context = speaker["securityContext"]
    assert context["capabilities"]["drop"] == ["ALL"]
    assert context["allowPrivilegeEscalation"] is False
    return list(context["capabilities"]["add"])


def only(capabilities: Sequence[str]) -> list[str]:
    """Give the command that runs another with these capabilities and no others."""
    kept = "".join(f",+{name.lower()}" for name in capabilities)
    return ["setpriv", "--no-new-privs", f"--bounding-set=-all{kept}", "--inh-caps=-all", "--"]


async def start(cluster: Cluster, capabilities: Sequence[str]) -> None:
    """Start a class, a Service, and speakers with so many capabilities."""
    for host in cluster.topology.nodes:
        await cluster.start_speaker(host.name, only(capabilities))
    await cluster.add_pod("web", "n1", {"app": "web"})
    await cluster.apply(objects.load_balancer_class("ingress", [VIP], is_default=True))
    await cluster.apply(objects.service("web"))


def logs(cluster: Cluster) -> dict[str, str]:
    """Give what each speaker has logged."""
    return {name: process.log.read_text() for name, process in cluster.speakers.items()}


async def takes_over(cluster: Cluster) -> None:
    """See the address announced, and taken over when its node is cut off."""
    nodes = {host.name for host in cluster.topology.nodes}
    await cluster.until(
        lambda: {item.node for item in cluster.roll if item.is_present} == nodes, WAIT_SECONDS
    )
    await cluster.until(lambda: cluster.announcer(VIP), WAIT_SECONDS)
    first = cluster.announcer(VIP)
    await cluster.cut_off(first)
    await cluster.until(lambda: cluster.announcer(VIP) not in ("", first), WAIT_SECONDS)


def options() -> ClusterOptions:
    return ClusterOptions(nodes=2, controllers=1, speakers=False)


async def test_what_is_declared_is_enough(declared: list[str]) -> None:
    async with Cluster(options()) as cluster:
        await start(cluster, declared)
        await takes_over(cluster)
        for text in logs(cluster).values():
            assert "real-time priority 10" in text
            assert "WARNING" not in text.replace("WARNING metallb_speaker.reflex.process: n", "")


async def test_without_real_time_scheduling_it_works_and_says_so(declared: list[str]) -> None:
    declared.remove("SYS_NICE")
    async with Cluster(options()) as cluster:
        await start(cluster, declared)
        await takes_over(cluster)
        for text in logs(cluster).values():
            assert NO_PRIORITY in text


async def test_without_raw_sockets_no_address_is_announced_and_it_says_so(
    declared: list[str],
) -> None:
    declared.remove("NET_RAW")
    async with Cluster(options()) as cluster:
        await start(cluster, declared)
        async with asyncio.timeout(WAIT_SECONDS):
            while not all(NO_SOCKET.search(text) for text in logs(cluster).values()):
                await asyncio.sleep(0.05)
        await cluster.until(lambda: cluster.addresses("web") == (VIP,), WAIT_SECONDS)
        assert cluster.announcer(VIP) == ""


def test_nothing_else_is_declared(declared: list[str]) -> None:
    """What each is for is shown above."""
    assert sorted(declared) == ["NET_RAW", "SYS_NICE"]
