"""F8: a Service is created on an idle cluster; until the client's first ARP answer.

Ours: two controllers and three speakers on a real API server. The limit: the same chain of writes
and watch events by bare clients (`barechain`) in the same namespaces of the same cluster: half of
our runs come before theirs, half after. The client asks ARP for the address each millisecond, from
before the Service is sent. The Service names its address and has an endpoint already, so nothing
else is waited for; neither kube-proxy nor the controller-manager runs, as an idle cluster's
processors are what the figure is about.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.services import ADDRESSES_ANNOTATION
from metallb_lab import objects
from metallb_lab.bench import bodies
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.conversation import Conversation
from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series
from metallb_lab.bench.report import spread
from metallb_lab.cluster import Cluster, ClusterOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from metallb_lab.bench.benchmark import Context

CLASS_NAME = "bench"
CONTROLLERS = ("ctl1", "ctl2")
VIP_PREFIX = "10.10.129."
NODES = 3
READY_SECONDS = 240.0
ANSWER_SECONDS = 30.0
MEDIAN_GOAL_MS = 20.0
RATIO_GOAL = 1.3
PAUSE_SECONDS = (0.2, 0.3)
"""Between runs, by chance, so that no run falls into step with somebody's timer."""


@dataclass(frozen=True, slots=True)
class Size:
    """Runs of each side, and where they run."""

    runs: int
    control_plane: str


FULL = Size(20, "real")
SMALL = Size(1, "embedded")


@dataclass(frozen=True, slots=True)
class Run:
    """Milliseconds since the Service was sent."""

    created: float
    """The API server has answered."""
    entered: float
    """A watch has shown the VirtualIP."""
    gratuitous: float | None
    answered: float


class Bench:
    """A cluster, a client that asks, and one Service after another."""

    def __init__(self, cluster: Cluster, asker: Conversation, say: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._asker = asker
        self._say = say
        self._number = 0

    async def runs(self, count: int, *, bare: bool) -> list[Run]:
        """Do a number of runs, after one that warms everything up."""
        who = "bare chain" if bare else "ours"
        found: list[Run] = []
        for number in range(count + 1):
            run = await self._run(bare=bare)
            self._say(
                f"{who}: created {run.created:.1f} ms, VirtualIP seen {run.entered:.1f} ms, "
                f"answered {run.answered:.1f} ms"
            )
            found += [run] if number else []
        return found

    async def _run(self, *, bare: bool) -> Run:
        """Create one Service, take the times, and take everything away again."""
        self._number += 1
        name, address = f"bench-{self._number}", f"{VIP_PREFIX}{self._number}"
        node, endpoint = "n1", f"10.244.1.{self._number}"
        client = self._cluster.client
        await client.create(
            objects.ENDPOINT_SLICES, bodies.endpoint_slice(name, node, endpoint), "default"
        )
        await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
        await self._asker.ask(ANSWER_SECONDS, address=address, seconds=ANSWER_SECONDS)
        entered = asyncio.create_task(self._entered_at(address))
        wanted = objects.service(name, annotations={ADDRESSES_ANNOTATION: address})
        sent_at = time.monotonic()
        await client.create(objects.SERVICES, wanted, "default")
        created_at = time.monotonic()
        heard = await self._asker.hear(ANSWER_SECONDS + 5)
        if heard["answered_at"] is None:
            raise BenchmarkError(f"no ARP answer for {address}\n{self._cluster.picture()}")
        entered_at = await entered
        await self._clean_up(name, address, bare=bare)
        gratuitous_at = heard["gratuitous_at"]
        return Run(
            created=(created_at - sent_at) * 1000,
            entered=(entered_at - sent_at) * 1000,
            gratuitous=None if gratuitous_at is None else (gratuitous_at - sent_at) * 1000,
            answered=(heard["answered_at"] - sent_at) * 1000,
        )

    async def _entered_at(self, address: str) -> float:
        """Wait for the VirtualIP; gives the time."""
        cluster = self._cluster
        await cluster.until(lambda: cluster.vip(address), ANSWER_SECONDS, f"VirtualIP {address}")
        return time.monotonic()

    async def _clean_up(self, name: str, address: str, *, bare: bool) -> None:
        cluster = self._cluster
        await cluster.until(lambda: cluster.addresses(name) == (address,), ANSWER_SECONDS)
        await cluster.delete("Service", name)
        if bare:
            await cluster.delete("VirtualIP", address)
        await cluster.until(
            lambda: cluster.service(name) is None and cluster.vip(address) is None, ANSWER_SECONDS
        )


async def start_ours(cluster: Cluster) -> None:
    """Start the controllers and the speakers."""
    await asyncio.gather(
        *(cluster.start_controller(name) for name in CONTROLLERS),
        *(cluster.start_speaker(host.name) for host in cluster.topology.nodes),
    )


async def stop_ours(cluster: Cluster) -> None:
    """Stop them."""
    running = [*cluster.controllers.values(), *cluster.speakers.values()]
    await asyncio.gather(*(process.stop() for process in running))


async def until_present(cluster: Cluster) -> None:
    """Wait until every speaker is on the roll."""
    await cluster.until(
        lambda: sum(item.is_present for item in cluster.roll) == NODES,
        READY_SECONDS,
        "every speaker on the roll",
    )


@contextlib.asynccontextmanager
async def bare_running(cluster: Cluster) -> AsyncIterator[None]:
    """Run the bare chain where ours runs else."""
    names = [host.name for host in cluster.topology.nodes]
    config = ("--kubeconfig", str(cluster.plane.inside_kubeconfig))
    module = "metallb_lab.bench.barechain"
    async with contextlib.AsyncExitStack() as stack:
        parts = [
            Conversation(
                module, "allocate", *config, "--class", CLASS_NAME, "--nodes", ",".join(names),
                namespace=cluster.instance.namespace("ctl1"),
            )
        ]  # fmt: skip
        parts += [
            Conversation(
                module, "answer", *config, "--node", host.name, namespace=host.namespace
            )
            for host in cluster.topology.nodes
        ]  # fmt: skip
        for part in parts:
            await stack.enter_async_context(part)
        for part in parts:
            await part.hear(READY_SECONDS)
        yield


async def measure(context: Context) -> list[Figure]:
    """Measure the latency of both."""
    size = SMALL if context.is_small else FULL
    options = ClusterOptions(
        nodes=NODES,
        control_plane=size.control_plane,
        controllers=len(CONTROLLERS),
        data_path=False,
    )
    async with Cluster(options, context.say) as cluster:
        await cluster.apply(
            objects.load_balancer_class(CLASS_NAME, [f"{VIP_PREFIX}0/24"], is_default=True)
        )
        client = cluster.topology.hosts["client"]
        async with Conversation(
            "metallb_lab.bench.asker", "--source", client.ipv4, namespace=client.namespace
        ) as asker:
            bench = Bench(cluster, asker, context.say)
            before = (size.runs + 1) // 2
            await until_present(cluster)
            ours = await bench.runs(before, bare=False)
            await stop_ours(cluster)
            async with bare_running(cluster):
                limit = await bench.runs(size.runs, bare=True)
            if before < size.runs:
                await start_ours(cluster)
                await until_present(cluster)
                ours += await bench.runs(size.runs - before, bare=False)
    return [figure(size.control_plane, ours, limit)]


def figure(control_plane: str, ours: Sequence[Run], limit: Sequence[Run]) -> Figure:
    """Make the figure of all runs."""
    notes = []
    for name, runs in (("ours", ours), ("bare chain", limit)):
        notes += [
            f"{name}, Service created: {spread([item.created for item in runs])}",
            f"{name}, VirtualIP seen: {spread([item.entered for item in runs])}",
            f"{name}, answered: {spread([item.answered for item in runs])}",
        ]
    gratuitous = [item.gratuitous for item in ours if item.gratuitous is not None]
    if gratuitous:
        notes.append(f"ours, gratuitous frame if before the answer: {spread(gratuitous)}")
    return Figure(
        id="F8",
        work=f"Service created -> first ARP answer; idle, {NODES} speakers, "
        f"{control_plane} API server",
        unit="ms",
        ours=Series(tuple(item.answered for item in ours)),
        peer=Peer(
            "the same writes and watches by bare clients",
            Series(tuple(item.answered for item in limit)),
            PeerKind.LIMIT,
        ),
        goal=Goal(median_at_most=MEDIAN_GOAL_MS, ratio_at_most=RATIO_GOAL),
        notes=tuple(notes),
    )


BENCHMARK = Benchmark("F8", "latency of a new Service", measure)
