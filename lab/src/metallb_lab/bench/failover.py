"""F1: a node is cut off without warning; how long its address is away for a client.

The port of the node on the bridge goes down: everything on the node lives on, and nobody hears of
it. A client asks by UDP each 2 ms; the outage is the longest gap between replies. Our address and
one of keepalived (VRRPv3, adverts each 100 ms) have the same owner, in the same cluster, behind
the same rules of the nodes, and are asked by the same prober: each cut is measured for both at
once. Each node has a backend of its own and serves from it (`externalTrafficPolicy: Local`), so a
reply is missing only when the address is.

After each cut the node comes back, and the next cut waits until it owns both addresses again.
"""

from __future__ import annotations

import asyncio
import functools
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
TAKEN_OVER_SECONDS = 60.0
STEADY_SECONDS = (0.4, 0.6)
"""Between coming to rest and the cut, by chance, so that no cut is in step with a timer."""
AFTER_SECONDS = 0.5
MEDIAN_GOAL_MS = 300.0
FULL_RUNS = 20
SMALL_RUNS = 1


@dataclass(frozen=True, slots=True)
class Outage:
    """Milliseconds of one cut."""

    ours: float
    theirs: float


class Bench:
    """A cluster in which both addresses are owned by one node."""

    def __init__(self, cluster: Cluster, owner: str) -> None:
        self._cluster = cluster
        self._owner = owner
        self._client = cluster.topology.hosts["client"].namespace
        self._mac = cluster.topology.hosts[owner].mac()

    async def cut(self) -> Outage:
        """Cut the owner off, measure, and bring it back."""
        targets = [(OURS, PORT), (THEIRS, PORT)]
        prober = Prober(sys.executable, self._client, targets, PROBE_SECONDS)
        await self.until_owned(is_owner=True)
        await prober.start()
        await asyncio.sleep(random.uniform(*STEADY_SECONDS))
        cut_at = time.monotonic()
        await self._cluster.cut_off(self._owner)
        try:
            await self.until_owned(is_owner=False)
            await asyncio.sleep(AFTER_SECONDS)
        finally:
            found = await prober.stop()
            await self._cluster.plug_in(self._owner)
        for address in (OURS, THEIRS):
            gap = found[address].longest
            if not found[address].received or gap.began_at + gap.milliseconds / 1000 < cut_at:
                raise BenchmarkError(f"{address} shows no gap at the cut: {found[address]}")
        return Outage(found[OURS].longest.milliseconds, found[THEIRS].longest.milliseconds)

    async def until_owned(self, *, is_owner: bool) -> None:
        """Wait until the client finds both addresses at the owner, or both elsewhere."""
        for address in (OURS, THEIRS):
            await _until(
                functools.partial(self._is_so, address, is_owner),
                READY_SECONDS if is_owner else TAKEN_OVER_SECONDS,
                f"{address} {'back at' if is_owner else 'gone from'} {self._owner}",
            )

    def _is_so(self, address: str, is_owner: bool) -> bool:
        """Tell whether the client finds an address at the owner, or else somewhere else."""
        found = neighbour(self._client, address)
        return bool(found) and (found == self._mac) is is_owner


async def _until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    ends_at = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        if time.monotonic() > ends_at:
            raise BenchmarkError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.05)


async def serve(cluster: Cluster) -> str:
    """Set up both Services and their backends; names the node that announces ours."""
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
    return cluster.announcer(OURS)


async def measure(context: Context) -> list[Figure]:
    """Measure the outages."""
    keepalived.program()
    runs = SMALL_RUNS if context.is_small else FULL_RUNS
    outages: list[Outage] = []
    async with Cluster(ClusterOptions(nodes=NODES), context.say) as cluster:
        owner = await serve(cluster)
        others = [host.name for host in cluster.topology.nodes if host.name != owner]
        context.say(f"{owner} owns both addresses and will be cut off")
        async with keepalived.running(cluster, THEIRS, [owner, *others]):
            bench = Bench(cluster, owner)
            await wake_up(cluster)
            for number in range(runs):
                outages.append(await bench.cut())
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
