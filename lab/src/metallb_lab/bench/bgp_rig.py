"""Nodes that announce an address to BIRD: by our speakers, or by BIRDs in their place.

One cluster, one router, one client behind it. Both addresses belong to Services of the same pods
with the policy Local: a node answers what it gets, so an answer tells which way the router took.
While BIRDs announce theirs, the speakers are stopped; the rules of the nodes serve both. BIRDs run
at real-time priority, as what does BFD in a speaker does.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import sys
from typing import TYPE_CHECKING, Any

from metallb.api.services import NATIVE_ADDRESSES_ANNOTATION
from metallb_lab import netns, objects
from metallb_lab.bench.benchmark import BenchmarkError
from metallb_lab.cluster import Cluster, ClusterOptions
from metallb_lab.fabric import BIRD_ADDRESS, BIRD_ASN, NODE_ASN, Fabric, FabricOptions, prefer
from metallb_lab.flows import Pace
from metallb_lab.probes import Prober, wait_for_http
from metallb_lab.routers.bird import Bird

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from metallb.kube.client import JsonObject
    from metallb_lab.probes import ProbeResult
    from metallb_lab.topology import Host

NODES = 3
OURS, THEIRS = "198.51.100.1", "198.51.100.2"
THEIR_CLASS = "bird.example/bgp"
"""Our controller leaves a class of somebody else alone; the rules of the nodes serve it."""
READY_SECONDS = 180.0
_VIA = re.compile(r"\bvia (\S+)")
PORTS = (20_000, 30_000)
"""Source ports of flows, by chance; below those that the kernel gives out."""


def node_configuration(host: Host, bfd_milliseconds: int, multiplier: int = 3) -> str:
    """Give the configuration of a BIRD that does a speaker's work on a node."""
    timers = f"interval {bfd_milliseconds or 100} ms; multiplier {multiplier};"
    return f"""
log stderr all;
router id {host.ipv4};
protocol device {{ scan time 1; }}
protocol static vips {{ ipv4; route {THEIRS}/32 blackhole; }}
protocol bfd {{ interface "eth0" {{ {timers} }}; }}
protocol bgp tor {{
  local {host.ipv4} as {NODE_ASN};
  neighbor {BIRD_ADDRESS} as {BIRD_ASN};
  connect delay time 1;
  error wait time 1, 2;
  {"bfd on;" if bfd_milliseconds else ""}
  ipv4 {{ import none; export all; }};
}}
"""


class Rig:
    """A cluster, a router beside it, and what is asked of them."""

    def __init__(self, cluster: Cluster, fabric: Fabric) -> None:
        self.cluster = cluster
        self.router = fabric.bird
        self.client = fabric.clients["bird"]
        self.bfd_milliseconds = fabric.options.bfd_milliseconds
        self.nodes = [host.name for host in cluster.topology.nodes]
        self.birds: dict[str, Bird] = {}
        self._node_of = {host.ipv4: host.name for host in cluster.topology.nodes}

    async def until_ways(self, address: str, nodes: Iterable[str]) -> None:
        """Wait until the router has ways to an address through these nodes and no other.

        In its own table, and in the kernel's, where they come a moment later.
        """
        wanted = {host for host, node in self._node_of.items() if node in set(nodes)}

        heard: set[str] = set()

        async def is_so() -> bool:
            nonlocal heard
            routes = await self.router.routes()
            heard = {item.next_hop for item in routes if item.prefix == f"{address}/32"}
            return heard == wanted and set(_VIA.findall(self._kernel_route(address))) == wanted

        def says() -> str:
            kernel = self._kernel_route(address)
            return f"ways to {address}: {wanted}, not {heard}; {kernel}\n{self.cluster.picture()}"

        await self.router.until(is_so, says, READY_SECONDS)

    def _kernel_route(self, address: str) -> str:
        return netns.run("ip", "-n", self.router.namespace, "route", "show", f"{address}/32")

    async def until_watched(self) -> None:
        """Wait until BFD is up with all nodes, if it is on."""

        async def is_so() -> bool:
            found = await self.router.bfd()
            return all(address in found and found[address].is_up for address in self._node_of)

        if self.bfd_milliseconds:
            await self.router.until(is_so, lambda: "BFD with all nodes", READY_SECONDS)

    async def serve(self) -> None:
        """Set up both Services and their pods, and let the speakers announce ours."""
        cluster = self.cluster
        for node in self.nodes:
            await cluster.add_pod(f"web-{node}", node, {"app": "web"})
        for body in _configuration(self.bfd_milliseconds):
            await cluster.apply(body)
        notes = {NATIVE_ADDRESSES_ANNOTATION: OURS}
        local: dict[str, Any] = {"externalTrafficPolicy": "Local"}
        await cluster.apply(objects.service("ours", annotations=notes, **local))
        await cluster.apply(objects.service("theirs", loadBalancerClass=THEIR_CLASS, **local))
        ingress = {"loadBalancer": {"ingress": [{"ip": THEIRS, "ipMode": "VIP"}]}}
        await cluster.patch("Service", "theirs", {"status": ingress}, subresource="status")
        await self.until_ways(OURS, self.nodes)
        await self.until_watched()
        await asyncio.to_thread(wait_for_http, self.client, OURS, 80)

    @contextlib.asynccontextmanager
    async def birds_in_place_of_speakers(self) -> AsyncIterator[None]:
        """Stop the speakers, and let a BIRD on each node announce theirs."""
        cluster = self.cluster
        await asyncio.gather(*(item.stop() for item in cluster.speakers.values()))
        async with contextlib.AsyncExitStack() as stack:
            for host in cluster.topology.nodes:
                text = node_configuration(host, self.bfd_milliseconds)
                bird = Bird(cluster.instance, host.namespace, text)
                self.birds[host.name] = await stack.enter_async_context(bird)
                prefer(bird)
            await self.until_ways(THEIRS, self.nodes)
            await self.until_watched()
            await asyncio.to_thread(wait_for_http, self.client, THEIRS, 80)
            yield

    async def order_bird(self, node: str, command: str) -> None:
        """Order a node's BIRD, with no program in between."""
        path = self.birds[node].directory / "bird.sock"
        reader, writer = await asyncio.open_unix_connection(str(path))
        await reader.readline()
        writer.write(command.encode() + b"\n")
        await reader.readline()
        writer.close()

    def prober(self, address: str, pace: Pace) -> Prober:
        """Make a prober of the client's."""
        return Prober(sys.executable, self.client, [(address, 80)], pace)

    async def flow_through(self, address: str, interval: float) -> tuple[Pace, str]:
        """Choose a flow by chance; gives it, and the node that the router sends it through."""
        pace = Pace(interval, flows=1, first_port=random.randrange(*PORTS))
        prober = self.prober(address, pace)
        await prober.start()
        await asyncio.sleep(0.2)
        return pace, self.answering(await prober.stop(), address)

    def answering(self, found: dict[str, ProbeResult], address: str) -> str:
        """Name the node that answered a flow last; raises BenchmarkError when none did."""
        pods = found[address].flows[0].pods
        if not pods:
            raise BenchmarkError(f"{address} does not answer\n{self.cluster.picture()}")
        return self.cluster.topology.pods[pods[-1]].node


def _configuration(bfd_milliseconds: int) -> list[JsonObject]:
    timers = {"receiveInterval": bfd_milliseconds, "transmitInterval": bfd_milliseconds}
    watched = {"bfdProfile": "bench"} if bfd_milliseconds else {}
    profile = [objects.bfd_profile("bench", detectMultiplier=3, **timers)] if watched else []
    return [
        *profile,
        objects.bgp_peer("bird", BIRD_ADDRESS, NODE_ASN, BIRD_ASN, **watched),
        objects.ip_address_pool("bench", [f"{OURS}/32"]),
        objects.bgp_advertisement("bench"),
    ]


@contextlib.asynccontextmanager
async def running(say: Callable[[str], None], bfd_milliseconds: int = 0) -> AsyncIterator[Rig]:
    """Run a cluster and a router, with our speakers announcing."""
    options = FabricOptions(bfd_milliseconds=bfd_milliseconds, with_frr=False)
    async with (
        Cluster(ClusterOptions(nodes=NODES), say) as cluster,
        Fabric(cluster, options) as fabric,
    ):
        rig = Rig(cluster, fabric)
        await rig.serve()
        yield rig
