"""A lab's cluster made ready for many tests: pods, fences, and healing.

Pods `web-1`… serve on each node under the label `app: web`. *Fences* are addresses of which each
node announces one, in both families: when a node has answered for its fence, it has dealt with
everything that was asked before (`support.wire`).
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Self

from metallb_lab import netns, objects
from metallb_lab.instance import began_at
from metallb_lab.probes import Prober
from support.scene import AT_ONCE, POLL_SECONDS, WAIT_SECONDS
from support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from metallb_lab.cluster import Cluster
    from metallb_lab.probes import ProbeResult
    from support.wire import Claim

START_SECONDS = 180.0
"""Deadline of the start: many programs begin at once, on two cores."""

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
PROBE_SECONDS = 0.01
_FENCES = {"IPv4": ("fences4", "10.10.254.1-10.10.254.30"), "IPv6": ("fences6", "fd10::1:ff:0/120")}


class Site:
    """A cluster with pods and fences; use as an async context manager."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.nodes = [host.name for host in cluster.topology.nodes]

    async def __aenter__(self) -> Self:
        await all_present(self.cluster)
        for number, node in enumerate(self.nodes, 1):
            await self.cluster.add_pod(f"web-{number}", node, {"app": "web"})
        for family, (name, addresses) in _FENCES.items():
            await self.cluster.apply(
                objects.load_balancer_class(name, [addresses], rebalancing=dict(AT_ONCE))
            )
            await self.cluster.apply(
                objects.service(
                    name, count=len(self.nodes), loadBalancerClass=name, ipFamilies=[family]
                )
            )
        await self.cluster.until(self.is_fenced, START_SECONDS, "each node announces its fences")
        self.wire = await Wire(self.cluster.topology.hosts["client"]).__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.wire.__aexit__()

    # -- looking -----------------------------------------------------------------------------------

    def is_fenced(self) -> bool:
        """Tell whether each node announces one fence of each family."""
        return all(
            sorted(self.cluster.announcer(item) for item in self.cluster.addresses(name))
            == sorted(self.nodes)
            for name, _ in _FENCES.values()
        )

    def fences(self, address: str) -> tuple[str, ...]:
        """Give the fences of the family of an address."""
        return self.cluster.addresses(_FENCES["IPv6" if ":" in address else "IPv4"][0])

    def node_of(self, mac: str) -> str:
        """Name the node that has a MAC."""
        return {host.mac(): host.name for host in self.cluster.topology.nodes}.get(mac, mac)

    async def claims(self, address: str) -> list[Claim]:
        """Ask the link for an address; gives all who claimed it by the time the fences answered."""
        return await self.wire.who_answers(address, self.fences(address), WAIT_SECONDS)

    async def nodes_answering(self, address: str) -> list[str]:
        """Name the nodes that answer for an address, on the wire."""
        return sorted({self.node_of(item.mac) for item in await self.claims(address)})

    async def answered_by(self, address: str, *nodes: str) -> None:
        """Wait until these nodes, and no others, answer for an address on the wire."""
        found: list[str] | None = None
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while found != sorted(nodes):
                    found = await self.nodes_answering(address)
        except TimeoutError:
            told = f"{address} is to be answered by {nodes or 'nobody'}, not by {found}"
            raise AssertionError(told) from None

    async def unanswered(self, address: str) -> None:
        """Wait until nobody answers for an address: speakers may hear of it a little later."""
        await self.answered_by(address)

    async def has_rules(self, address: str) -> None:
        """Wait until kube-proxy on every node sends what comes for an address to endpoints."""
        family = "ip6" if ":" in address else "ip"
        wanted = f"{address} . udp . 80 : goto "
        async with asyncio.timeout(WAIT_SECONDS):
            for host in self.cluster.topology.nodes:
                command = ("nft", "list", "map", family, "kube-proxy", "service-ips")
                while wanted not in await asyncio.to_thread(host.run, *command):
                    await asyncio.sleep(POLL_SECONDS)

    @contextlib.asynccontextmanager
    async def probing(self, addresses: Sequence[str]) -> AsyncIterator[dict[str, ProbeResult]]:
        """Ask addresses over and over from the client; the results are there at the end."""
        for address in addresses:
            await self.has_rules(address)
        prober = Prober(
            sys.executable,
            self.cluster.topology.hosts["client"].namespace,
            [(address, 80) for address in addresses],
            PROBE_SECONDS,
        )
        results: dict[str, ProbeResult] = {}
        await prober.start()
        try:
            yield results
        finally:
            results.update(await prober.stop())

    # -- healing -----------------------------------------------------------------------------------

    async def heal(self) -> None:
        """Bring back what a test has cut off, stopped, or taken away."""
        for node in self.nodes:
            await self.cluster.power_on(node)
            await self.cluster.label(node, **{EXCLUDE_LABEL: None})
            await self.cluster.set_node_ready(node, is_ready=True)
        for name, process in list(self.cluster.controllers.items()):
            if not process.is_running:
                await self.cluster.start_controller(name)
        await all_present(self.cluster)
        await self.cluster.until(self.is_fenced, WAIT_SECONDS, "the fences are back in place")


async def revive_controllers(cluster: Cluster) -> None:
    """Start the controllers that a test has killed."""
    for name, process in list(cluster.controllers.items()):
        if not process.is_running:
            await cluster.start_controller(name)


async def all_present(cluster: Cluster) -> None:
    """Wait until the speaker of each node is in the roll."""
    nodes = {host.name for host in cluster.topology.nodes}
    await cluster.until(
        lambda: {item.node for item in cluster.roll if item.is_present} == nodes,
        START_SECONDS,
        "all speakers are present",
    )


def lost(result: ProbeResult) -> int:
    """Give the number of questions that were not answered."""
    return result.sent - result.received


def children_of(pid: int, word: str) -> list[int]:
    """Find the children of a process whose command line has a word."""
    found = netns.run("ps", "-o", "pid=,args=", "--ppid", str(pid)).splitlines()
    split = (line.split() for line in found)
    return [int(words[0]) for words in split if word in words[1:]]


async def gone(pids: list[int]) -> None:
    """Wait until processes have ended."""
    async with asyncio.timeout(WAIT_SECONDS):
        while any(began_at(pid) is not None for pid in pids):
            await asyncio.sleep(0.01)
