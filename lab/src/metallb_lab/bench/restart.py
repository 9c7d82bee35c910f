"""RESTART: a controller starts where 10 000 Services have their addresses, and one waits for its.

The controllers that gave the addresses have been stopped, as at a rollout: who is asked to end
gives its Lease back. Then one Service is created, a controller is started, and the clock runs from
there until a watch has shown that Service's address. When all is at rest again, the versions of all
other Services and VirtualIPs are compared with those before: each that differs was written to, and
there was no reason to. The limit: a bare program that reads the same kinds and makes the same two
writes (`barestart`).

A leader that was killed leaves its Lease behind, and whoever follows waits for it to run out; that
is a setting (`--lease-seconds`), and not measured here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb_lab import objects
from metallb_lab.bench import bodies, dataset, machine, rig
from metallb_lab.bench.arrivals import Arrivals
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.conversation import Conversation
from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series
from metallb_lab.bench.replicas import READY_SECONDS, controller, controllers, leader
from metallb_lab.bench.supply import FIRST, Supply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb_lab.bench.benchmark import Context
    from metallb_lab.bench.rig import Rig

SPARE = 20
"""Addresses for the Services that are created at a start."""
SECONDS_GOAL = 5.0
MEMORY_GOAL_MIB = 150.0

Versions = dict[tuple[str, str], str]
"""Kind and name of an object -> its version."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many Services, and how many starts of each side."""

    services: int
    runs: int


FULL = Size(10_000, 5)
SMALL = Size(50, 1)


@dataclass(frozen=True, slots=True)
class Run:
    """One start: seconds to the new Service's address, needless writes, most memory."""

    seconds: float
    needless: int
    peak_mib: float


async def versions(running: Rig) -> Versions:
    """Read the versions of all Services and VirtualIPs."""
    return {
        (resource.plural, item["metadata"]["name"]): item["metadata"]["resourceVersion"]
        for resource in (objects.SERVICES, objects.VIRTUAL_IPS)
        async for page in running.client.list_pages(resource)
        for item in page.items
    }


def changed(before: Versions, after: Versions) -> list[tuple[str, str]]:
    """Name the objects that were there before, and are another version now or gone."""
    return sorted(key for key, version in before.items() if after.get(key) != version)


class Starts:
    """A server on which all Services but the last one have their addresses."""

    def __init__(self, context: Context, running: Rig, services: int) -> None:
        self._context = context
        self._running = running
        self._services = services
        self._next = services

    async def prepare(self) -> None:
        """Let controllers give the addresses, and stop them."""
        running, supply = self._running, Supply.POOL
        await supply.prepare(running.client)
        await supply.create(running.client, self._services + SPARE)
        async with controllers(running) as replicas:
            await leader(running, replicas)
            arrivals = Arrivals(running.client, self._services)
            async with arrivals.watching():
                await arrivals.wait(self._context.say)
            await running.come_to_rest([item.pid for item in replicas.values()])
            for process in replicas.values():
                await process.stop()

    async def _one_more(self) -> Arrivals:
        """Create a Service that waits for its address."""
        service = bodies.service(self._next)
        await self._running.client.create(objects.SERVICES, service, "default")
        self._next += 1
        return Arrivals(self._running.client, self._next)

    async def ours(self) -> Run:
        """Start the controller."""
        before = await versions(self._running)
        arrivals = await self._one_more()
        process = controller(self._running, f"start{self._next}")
        async with arrivals.watching():
            await self._running.come_to_rest([])
            began_at = time.monotonic()
            await process.start()
            await arrivals.wait(self._context.say)
        await self._running.come_to_rest([process.pid])
        needless = changed(before, await versions(self._running))
        for kind, name in needless[:5]:
            self._context.say(f"written to without need: {kind} {name}")
        found = Run(
            arrivals.complete_at - began_at, len(needless), machine.peak_mebibytes(process.pid)
        )
        await process.stop()
        return found

    async def bare(self) -> Run:
        """Start the bare program."""
        before = await versions(self._running)
        arrivals = await self._one_more()
        async with arrivals.watching():
            await self._running.come_to_rest([])
            began_at = time.monotonic()
            async with Conversation(
                "metallb_lab.bench.barestart",
                *("--kubeconfig", str(self._running.kubeconfig), "--pool", Supply.POOL.pool),
                *("--first", str(FIRST), "--nodes", ",".join(rig.NODES)),
            ) as bare:
                said = await bare.hear(READY_SECONDS)
                if said["served"] != 1:
                    raise BenchmarkError(f"the bare program should serve one Service: {said}")
                await arrivals.wait(self._context.say)
        needless = changed(before, await versions(self._running))
        return Run(arrivals.complete_at - began_at, len(needless), said["peak_mib"])


async def measure(context: Context) -> list[Figure]:
    """Measure starts, the needless writes after them, and the memory."""
    size = SMALL if context.is_small else FULL
    data = await dataset.ensure(context, size.services)
    ours: list[Run] = []
    limit: list[Run] = []
    async with rig.running(data) as running:
        await running.set_up()
        starts = Starts(context, running, size.services)
        await starts.prepare()
        # ours first: the bare program places nothing, so the controller would mend what it wrote
        for name, runs, start in (
            ("ours", ours, starts.ours),
            ("bare program", limit, starts.bare),
        ):
            for number in range(size.runs):
                runs.append(await start())
                context.say(f"start {number + 1}: {name} {_told(runs[-1])}")
    return figures(size.services, ours, limit)


def _told(run: Run) -> str:
    memory = f"memory at most {run.peak_mib:.0f} MiB"
    return f"{run.seconds:.2f} s, {run.needless} needless writes, {memory}"


def figures(services: int, ours: Sequence[Run], limit: Sequence[Run]) -> list[Figure]:
    """Make the figures of all starts."""
    where = f"a controller starts at {services} Services"

    def peer(values: tuple[float, ...]) -> Peer:
        return Peer("bare program that reads the same kinds", Series(values), PeerKind.LIMIT)

    return [
        Figure(
            id="RESTART",
            work=f"{where}: the first new Service has its address",
            unit="s",
            ours=Series(tuple(run.seconds for run in ours)),
            peer=peer(tuple(run.seconds for run in limit)),
            goal=Goal(worst_at_most=SECONDS_GOAL),
            notes=(
                *(f"ours {_told(run)}" for run in ours),
                *(f"bare program {_told(run)}" for run in limit),
            ),
        ),
        Figure(
            id="RESTART-writes",
            work=f"{where}: writes to Services and VirtualIPs that are right",
            unit="objects",
            ours=Series(tuple(float(run.needless) for run in ours)),
            peer=peer(tuple(float(run.needless) for run in limit)),
            goal=Goal(worst_at_most=0.0),
        ),
        Figure(
            id="RESTART-memory",
            work=f"{where}: its most resident memory",
            unit="MiB",
            ours=Series(tuple(run.peak_mib for run in ours)),
            peer=peer(tuple(run.peak_mib for run in limit)),
            goal=Goal(median_at_most=MEMORY_GOAL_MIB),
        ),
    ]


BENCHMARK = Benchmark("RESTART", "a controller starts", measure)
