"""The speaker with exactly the capabilities that the chart declares, and with one less.

Its processes run in the lab under `setpriv`, which takes all other capabilities out of the bounding
set for good, as a container runtime does.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

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
REFUSED_PORT = "peers cannot dial us on port 179"
NO_PRIORITY = "no real-time priority"
NO_SOCKET = re.compile("cannot be used.*Operation not permitted")


def capabilities_of(work: Path, **settings: Any) -> list[str]:
    """Give the capabilities of the speaker's container."""
    workload = find(Chart(work).render_with(Case(), **settings), "DaemonSet", "speaker")
    [speaker] = [item for _, item in containers([workload]) if item["name"] == "speaker"]
    context = speaker["securityContext"]
    assert context["capabilities"]["drop"] == ["ALL"]
    assert context["allowPrivilegeEscalation"] is False
    return list(context["capabilities"]["add"])


@pytest.fixture
def declared(tmp_path: Path) -> list[str]:
    return capabilities_of(tmp_path)


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


def options(*arguments: str) -> ClusterOptions:
    return ClusterOptions(nodes=2, controllers=1, speakers=False, speaker_arguments=arguments)


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


@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_port_for_bgp_peers_is_had_with_its_capability_and_not_without(
    tmp_path: Path, is_declared: bool
) -> None:
    """The speakers are each other's peers: one dials, one waits; both watch by BFD."""
    settings = {"bgp": {"listenPort": 179}} if is_declared else {}
    runner = only(capabilities_of(tmp_path, **settings))
    async with Cluster(options("--bgp-listen-port=179")) as cluster:
        await cluster.apply(objects.bfd_profile("usual"))
        for name, there, asn, of, waits in (("n1", 1, 64500, 64501, False),
                                            ("n2", 0, 64501, 64500, True)):  # fmt: skip
            selector = {"matchLabels": {"kubernetes.io/hostname": name}}
            await cluster.apply(
                objects.bgp_peer(
                    f"of-{name}", cluster.topology.nodes[there].ipv4, asn, of, passive=waits,
                    bfdProfile="usual", nodeSelectors=[selector],
                )
            )  # fmt: skip
        for host in cluster.topology.nodes:
            await cluster.start_speaker(host.name, runner)
        async with asyncio.timeout(WAIT_SECONDS):
            while not (states := await sessions(cluster)) or not is_right(states, is_declared):
                await asyncio.sleep(0.05)
        refused = [REFUSED_PORT in text for text in logs(cluster).values()]
        assert refused == [not is_declared] * 2


def is_right(states: dict[str, str], is_declared: bool) -> bool:
    if is_declared:
        return states == {"of-n1": "Established/Up", "of-n2": "Established/Up"}
    return states.keys() == {"of-n1", "of-n2"} and all("/Up" in item for item in states.values())


async def sessions(cluster: Cluster) -> dict[str, str]:
    """Give the state of each session, and of its BFD."""
    found = {}
    async for page in cluster.client.list_pages(objects.BGP_SESSIONS):
        for item in page.items:
            status = item.get("status") or {}
            found[item["spec"]["peer"]] = f"{status.get('state')}/{status.get('bfd')}"
    return found


def test_nothing_else_is_declared(declared: list[str]) -> None:
    """What each is for is shown above."""
    assert sorted(declared) == ["NET_RAW", "SYS_NICE"]
