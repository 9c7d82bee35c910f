"""F1: a node is cut off without warning; how long its address is away for a client.

The port of the node on the bridge goes down: everything on the node lives on, and nobody hears of
it. A client asks by UDP each 2 ms; the outage is the longest gap between replies. Our address and
one of keepalived (VRRPv3, adverts each 100 ms) live in the same cluster, behind the same rules of
the nodes. Each run cuts off the owner of ours, then the owner of keepalived's. Each node has a
backend of its own and serves from it (`externalTrafficPolicy: Local`), so a reply is missing only
when the address is.

After each cut the node comes back, and the next one waits until all nodes are there and the
address has rested with one owner: ours stays where it went, keepalived's returns.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.services import ADDRESSES_ANNOTATION
from metallb_lab import objects
from metallb_lab.bench import keepalived
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.figures import Figure, Goal, Peer, Series
from metallb_lab.bench.report import spread
from metallb_lab.cluster import Cluster, ClusterOptions
from metallb_lab.probes import Prober, neighbour

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metallb_lab.bench.benchmark import Context

CLASS_NAME = "bench"
OURS, THEIRS = "10.10.129.1", "10.10.130.1"
THEIR_CLASS = "keepalived.org/vrrp"
"""Our controller leaves a class of somebody else alone; the rules of the nodes serve it."""
NODES = 3
PORT = 80
PROBE_SECONDS = 0.002
READY_SECONDS = 240.0
STEADY_SECONDS = (0.4, 0.6)
"""Between coming to rest and the cut, by chance, so that no cut is in step with a timer."""
AFTER_SECONDS = 0.5
SETTLED_SECONDS = 1.0
LATE_SECONDS = 0.1
"""How long before the cut, as we saw it, the last reply may have come on a busy machine."""
MEDIAN_GOAL_MS = 300.0
FULL_RUNS = 20
SMALL_RUNS = 1


@dataclass(frozen=True, slots=True)
class Outage:
    """Milliseconds of one cut."""

    ours: float
    theirs: float


class Bench:
    """A cluster in which both addresses are announced, and a client that asks them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._client = cluster.topology.hosts["client"].namespace
        self._nodes = {host.mac(): host.name for host in cluster.topology.nodes}

    async def run(self) -> Outage:
        """Cut off the owner of ours, then the owner of keepalived's."""
        ours = await self._cut(OURS, self._owner_of_ours)
        return Outage(ours, await self._cut(THEIRS, lambda: self._seen_at(THEIRS)))

    async def _cut(self, address: str, owner: Callable[[], str]) -> float:
        """Cut off the owner of an address and bring it back; gives the outage in milliseconds."""
        node = await self._settled(owner, f"an owner of {address}")
        prober = Prober(sys.executable, self._client, [(address, PORT)], PROBE_SECONDS)
        await prober.start()
        await asyncio.sleep(random.uniform(*STEADY_SECONDS))
        cut_at = time.monotonic()
        await self._cluster.cut_off(node)
        try:
            await _until(lambda: self._seen_at(address) not in ("", node), f"{address} off {node}")
            await asyncio.sleep(AFTER_SECONDS)
        finally:
            found = (await prober.stop())[address]
            await self._cluster.plug_in(node)
        if not found.received or found.longest.began_at < cut_at - LATE_SECONDS:
            raise BenchmarkError(f"{address} shows no outage at the cut of {node}: {found}")
        return found.longest.milliseconds

    async def _settled(self, owner: Callable[[], str], what: str) -> str:
        """Wait until an address has had the same owner for a while, and all nodes are there."""
        since, seen = time.monotonic(), ""

        def is_settled() -> bool:
            nonlocal since, seen
            now = owner() if self._is_complete() else ""
            if now != seen or not now:
                since, seen = time.monotonic(), now
            return time.monotonic() - since >= SETTLED_SECONDS

        await _until(is_settled, what)
        return seen

    def _is_complete(self) -> bool:
        return sum(item.is_present for item in self._cluster.roll) == NODES

    def _owner_of_ours(self) -> str:
        """Name the node that announces ours, if the client finds the address there too."""
        node = self._cluster.announcer(OURS)
        return node if node == self._seen_at(OURS) else ""

    def _seen_at(self, address: str) -> str:
        """Name the node at which the client finds an address; empty: nowhere."""
        return self._nodes.get(neighbour(self._client, address), "")


async def _until(condition: Callable[[], bool], what: str) -> None:
    ends_at = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > ends_at:
            raise BenchmarkError(f"not within {READY_SECONDS} s: {what}")
        await asyncio.sleep(0.05)


async def serve(cluster: Cluster) -> None:
    """Set up both Services and their backends, and wait until ours is announced."""
    for host in cluster.topology.nodes:
        await cluster.add_pod(f"web-{host.name}", host.name, {"app": "web"})
    await cluster.apply(
        objects.load_balancer_class(CLASS_NAME, [f"{OURS}-{OURS}"], is_default=True)
    )
    notes = {ADDRESSES_ANNOTATION: OURS}
    await cluster.apply(objects.service("ours", annotations=notes, externalTrafficPolicy="Local"))
    await cluster.apply(
        objects.service("theirs", loadBalancerClass=THEIR_CLASS, externalTrafficPolicy="Local")
    )
    ingress = {"loadBalancer": {"ingress": [{"ip": THEIRS, "ipMode": "VIP"}]}}
    await cluster.patch("Service", "theirs", {"status": ingress}, subresource="status")
    await cluster.until(lambda: cluster.announcer(OURS), READY_SECONDS, f"{OURS} is announced")


async def measure(context: Context) -> list[Figure]:
    """Measure the outages."""
    keepalived.program()
    runs = SMALL_RUNS if context.is_small else FULL_RUNS
    outages: list[Outage] = []
    async with Cluster(ClusterOptions(nodes=NODES), context.say) as cluster:
        await serve(cluster)
        nodes = [host.name for host in cluster.topology.nodes]
        async with keepalived.running(cluster, THEIRS, nodes):
            bench = Bench(cluster)
            await wake_up(cluster)
            for number in range(runs):
                outages.append(await bench.run())
                context.say(
                    f"run {number + 1}: ours {outages[-1].ours:.0f} ms, "
                    f"keepalived {outages[-1].theirs:.0f} ms"
                )
    return [figure(outages)]


async def wake_up(cluster: Cluster) -> None:
    """Ask both addresses until they answer, so that the client has them in its neighbour table."""
    client = cluster.topology.hosts["client"].namespace
    ends_at = time.monotonic() + READY_SECONDS
    missing = {OURS, THEIRS}
    while missing:
        targets = [(address, PORT) for address in sorted(missing)]
        prober = Prober(sys.executable, client, targets, PROBE_SECONDS)
        await prober.start()
        await asyncio.sleep(0.3)
        found = await prober.stop()
        missing -= {address for address, seen in found.items() if seen.received}
        if missing and time.monotonic() > ends_at:
            raise BenchmarkError(f"no answer from {', '.join(missing)}\n{cluster.picture()}")


def figure(outages: Sequence[Outage]) -> Figure:
    """Make the figure of all runs."""
    ours = tuple(item.ours for item in outages)
    theirs = tuple(item.theirs for item in outages)
    return Figure(
        id="F1",
        work=f"a node is cut off without warning: outage of its address, asked each "
        f"{PROBE_SECONDS * 1000:g} ms",
        unit="ms",
        ours=Series(ours),
        peer=Peer("keepalived, VRRPv3, adverts each 100 ms", Series(theirs)),
        goal=Goal(median_at_most=MEDIAN_GOAL_MS),
        notes=(f"ours: {spread(ours)}", f"keepalived: {spread(theirs)}"),
    )


BENCHMARK = Benchmark("F1", "outage of a dead node", measure)
