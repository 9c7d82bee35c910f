"""WITHDRAW: a node has no ready endpoint any more; until its router is sent the withdrawal.

A Service with the policy Local has an endpoint on each of three nodes. One becomes not ready, by a
write to the EndpointSlice; the leading controller takes the node out of the VirtualIP, and the
speaker of that node withdraws. Measured is the time from before the write is sent to the UPDATE
that withdraws the prefix, at the far end of the session (`bgp_sink`), which is more than the time
from the event that it is a goal for. On the way are two writes and two watches.

The limit is the time from the same write until a bare client that watches EndpointSlices beside
ours has the event: one write and one watch, and nothing decided. As for F8, neither kube-proxy nor
the controller-manager runs, so nobody else writes the slice.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb.api.services import NATIVE_ADDRESSES_ANNOTATION
from metallb_lab import objects
from metallb_lab.bench import bodies
from metallb_lab.bench.benchmark import Benchmark
from metallb_lab.bench.conversation import Conversation
from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series
from metallb_lab.bench.latency import FULL, PAUSE_SECONDS, READY_SECONDS, SMALL, Size
from metallb_lab.bench.report import spread
from metallb_lab.cluster import Cluster, ClusterOptions
from metallb_lab.fabric import BIRD_ADDRESS, BIRD_ASN, NODE_ASN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from metallb.kube.client import JsonObject
    from metallb_lab.bench.benchmark import Context

NODES = 3
ADDRESS = "198.51.100.1"
SERVICE = "bench"
HEARD_SECONDS = 30.0
GOAL_MS = 50.0


@dataclass(frozen=True, slots=True)
class Run:
    """Milliseconds since the write was sent."""

    seen: float
    """The bare watcher has the event."""
    withdrawn: float


class Bench:
    """A cluster, the far end of its sessions, and a watcher beside it."""

    def __init__(self, cluster: Cluster, sink: Conversation, watcher: Conversation) -> None:
        self._cluster = cluster
        self._sink = sink
        self._watcher = watcher
        self._hosts = cluster.topology.nodes

    async def set_up(self) -> None:
        """Let each node announce the address."""
        patience = {"holdTime": "1800s", "keepaliveTime": "600s"}
        for body in (
            objects.bgp_peer("sink", BIRD_ADDRESS, NODE_ASN, BIRD_ASN, **patience),
            objects.ip_address_pool(SERVICE, [f"{ADDRESS}/32"]),
            objects.bgp_advertisement(SERVICE),
            self._slice(unready=None),
            objects.service(
                SERVICE,
                annotations={NATIVE_ADDRESSES_ANNOTATION: ADDRESS},
                externalTrafficPolicy="Local",
            ),
        ):
            await self._cluster.apply(body)
        await self._sink.hear(READY_SECONDS)
        await self._sink.hear(READY_SECONDS)

    def _slice(self, unready: str | None) -> JsonObject:
        """Make the EndpointSlice, with an endpoint on each node."""
        found = [
            bodies.endpoint_slice(SERVICE, host.name, f"10.244.{number}.1")
            for number, host in enumerate(self._hosts, 1)
        ]
        endpoints = [item["endpoints"][0] for item in found]
        for item in endpoints:
            item["conditions"] = {"ready": item["nodeName"] != unready}
        return {**found[0], "endpoints": endpoints}

    async def run(self, number: int) -> Run:
        """Let a node lose its endpoint and have it again."""
        host = self._hosts[number % len(self._hosts)]
        await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
        written_at = time.monotonic()
        seen_at, withdrawn_at = await self._write(host.ipv4, unready=host.name)
        await self._write(host.ipv4, unready=None)
        return Run((seen_at - written_at) * 1000, (withdrawn_at - written_at) * 1000)

    async def _write(self, address: str, unready: str | None) -> tuple[float, float]:
        """Write the slice; gives when the watcher and when the far end of a node had it."""
        body = self._slice(unready)
        written = asyncio.create_task(
            self._cluster.patch("EndpointSlice", body["metadata"]["name"], body, "default")
        )
        seen = await self._watcher.hear(HEARD_SECONDS)
        heard: dict[str, Any] = {}
        while (heard.get("peer"), heard.get("prefixes")) != (address, int(unready is None)):
            heard = await self._sink.hear(HEARD_SECONDS)
        await written
        return seen["at"], heard["at"]


@contextlib.asynccontextmanager
async def running(context: Context, size: Size) -> AsyncIterator[Bench]:
    """Run the cluster and what is beside it."""
    options = ClusterOptions(nodes=NODES, control_plane=size.control_plane, data_path=False)
    async with Cluster(options, context.say) as cluster:
        hosts = cluster.topology.hosts
        arguments = ("--asn", str(BIRD_ASN), "--sessions", str(NODES), "--prefixes", "1", "--each")
        config = ("--kubeconfig", str(cluster.plane.inside_kubeconfig))
        async with (
            Conversation(
                "metallb_lab.bench.bgp_sink", *arguments, namespace=hosts["router"].namespace
            ) as sink,
            Conversation(
                "metallb_lab.bench.slice_watcher", *config, namespace=hosts["client"].namespace
            ) as watcher,
        ):
            await sink.hear(READY_SECONDS)
            await watcher.hear(READY_SECONDS)
            bench = Bench(cluster, sink, watcher)
            await bench.set_up()
            await watcher.hear(READY_SECONDS)
            yield bench


async def measure(context: Context) -> list[Figure]:
    """Measure WITHDRAW."""
    size = SMALL if context.is_small else FULL
    found: list[Run] = []
    async with running(context, size) as bench:
        for number in range(size.runs):
            found.append(await bench.run(number))
            context.say(
                f"run {number + 1}: event seen after {found[-1].seen:.1f} ms, "
                f"withdrawn after {found[-1].withdrawn:.1f} ms"
            )
    return [figure(size.control_plane, found)]


def figure(control_plane: str, found: Sequence[Run]) -> Figure:
    """Make the figure."""
    withdrawn = [item.withdrawn for item in found]
    seen = [item.seen for item in found]
    return Figure(
        id="WITHDRAW",
        work="a node's last endpoint is not ready, by a write to the EndpointSlice: until the "
        f"router is sent the withdrawal; {control_plane} API server",
        unit="ms",
        ours=Series(tuple(withdrawn)),
        peer=Peer(
            "the write until a bare watcher has the event", Series(tuple(seen)), PeerKind.LIMIT
        ),
        goal=Goal(worst_at_most=GOAL_MS),
        notes=(
            f"ours: {spread(withdrawn)}",
            f"bare watcher: {spread(seen)}",
            f"ours, from the watcher's event: {spread([it.withdrawn - it.seen for it in found])}",
        ),
    )


BENCHMARK = Benchmark("WITHDRAW", "a node withdraws that has no endpoint any more", measure)
