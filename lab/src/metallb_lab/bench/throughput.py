"""F7 and POOL: 10 000 Services are there, then their class or pool is created; until all have
addresses.

Ours: two replicas of the controller on a real API server that holds the Services; the clock runs
from the creation of the class (F7) or the IPAddressPool (POOL) until a watch has shown the last
address. The limit: the same writes (a VirtualIP and a status patch for each Service) by a bare
client, on another copy of the same server, seen by the same watch. They take turns, and each goes
first as often as the other, so that both see the same machine: one that gets slower under load
would favour whoever always goes first.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from metallb_lab.bench import dataset, machine, rig
from metallb_lab.bench.arrivals import DONE_SECONDS, Arrivals
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.conversation import Conversation
from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series
from metallb_lab.bench.replicas import READY_SECONDS, controllers, leader
from metallb_lab.bench.report import shown
from metallb_lab.bench.supply import FIRST, Supply

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from metallb_lab.bench.benchmark import Context
    from metallb_lab.bench.rig import Rig

CONNECTIONS = (16, 32, 64)
RATE_GOAL = 0.8


@dataclass(frozen=True, slots=True)
class Plan:
    """What a benchmark gives addresses from, and how much memory it may take."""

    id: str
    supply: Supply
    memory_goal_mib: float


F7 = Plan("F7", Supply.CLASS, 200.0)
POOL = Plan("POOL", Supply.POOL, 150.0)


@dataclass(frozen=True, slots=True)
class Size:
    """How many Services, how often, and how many for each number of connections tried."""

    services: int
    runs: int
    pilot: int


FULL = Size(10_000, 4, 600)
SMALL = Size(50, 1, 10)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took; processor times in seconds, until the last address."""

    seconds: float
    first: float
    """When the first Service had its address."""
    client_cpu: float
    server_cpu: float
    peak_mib: float


async def run_ours(context: Context, data: Path, count: int, supply: Supply) -> Run:
    """Let the controller do it."""
    async with rig.running(data) as running:
        await running.set_up()
        await supply.prepare(running.client)
        async with controllers(running) as replicas:
            leading = await leader(running, replicas)
            pids = [item.pid for item in replicas.values()]
            arrivals = Arrivals(running.client, count)
            async with arrivals.watching():
                await running.come_to_rest(pids)
                cpu = machine.cpu_seconds([leading]), machine.cpu_seconds(running.server.pids)
                began_at = time.monotonic()
                await supply.create(running.client, count)
                await arrivals.wait(context.say)
                after = machine.cpu_seconds([leading]), machine.cpu_seconds(running.server.pids)
                arrivals.check()
            await running.come_to_rest(pids)
            return Run(
                seconds=arrivals.complete_at - began_at,
                first=arrivals.first_at - began_at,
                client_cpu=after[0] - cpu[0],
                server_cpu=after[1] - cpu[1],
                peak_mib=machine.peak_mebibytes(leading),
            )


def bare_client(running: Rig, pool: str) -> Conversation:
    """Make the bare client for a pool."""
    return Conversation(
        "metallb_lab.bench.bare",
        *("--kubeconfig", str(running.kubeconfig), "--pool", pool),
        *("--first", str(FIRST), "--nodes", ",".join(rig.NODES)),
    )


async def choose_connections(
    context: Context, data: Path, size: Size, pool: str, work: str = "assign"
) -> int:
    """Find the number of connections with which the bare client is fastest."""
    rates: dict[int, float] = {}
    async with rig.running(data) as running:
        await running.set_up()
        async with bare_client(running, pool) as bare:
            await bare.hear(READY_SECONDS)
            # the first ones warm the server up
            for place, connections in enumerate((CONNECTIONS[0], *CONNECTIONS)):
                done = await bare.ask(
                    DONE_SECONDS, do=work,
                    first=place * size.pilot, count=size.pilot, connections=connections,
                )  # fmt: skip
                rates[connections] = size.pilot / done["seconds"]
    told = ", ".join(f"{item}: {shown(rate)}/s" for item, rate in rates.items())
    context.say(f"bare client by connections: {told}")
    return max(rates, key=lambda item: rates[item])


async def run_bare(context: Context, data: Path, count: int, pool: str, connections: int) -> Run:
    """Let the bare client do it."""
    async with rig.running(data) as running:
        await running.set_up()
        async with bare_client(running, pool) as bare:
            ready = await bare.hear(READY_SECONDS)
            if ready["ready"] != count:
                raise BenchmarkError(f"the data have {ready['ready']} Services, not {count}")
            arrivals = Arrivals(running.client, count)
            async with arrivals.watching():
                await running.come_to_rest([bare.pid])
                cpu = machine.cpu_seconds([bare.pid]), machine.cpu_seconds(running.server.pids)
                began_at = time.monotonic()
                bare.tell(do="assign", first=0, count=count, connections=connections)
                await arrivals.wait(context.say)
                after = machine.cpu_seconds([bare.pid]), machine.cpu_seconds(running.server.pids)
                arrivals.check()
            return Run(
                seconds=arrivals.complete_at - began_at,
                first=arrivals.first_at - began_at,
                client_cpu=after[0] - cpu[0],
                server_cpu=after[1] - cpu[1],
                peak_mib=machine.peak_mebibytes(bare.pid),
            )


async def measure(plan: Plan, context: Context) -> list[Figure]:
    """Measure the rate and the leader's memory."""
    size = SMALL if context.is_small else FULL
    data = await dataset.ensure(context, size.services)
    pool = plan.supply.pool
    connections = await choose_connections(context, data, size, pool)
    ours: list[Run] = []
    limit: list[Run] = []

    async def measure_limit() -> None:
        limit.append(await run_bare(context, data, size.services, pool, connections))
        context.say(f"run {len(limit)}: bare client {_told(limit[-1])}")

    async def measure_ours() -> None:
        ours.append(await run_ours(context, data, size.services, plan.supply))
        context.say(f"run {len(ours)}: ours {_told(ours[-1])}")

    for number in range(size.runs):
        turns = (measure_limit, measure_ours)
        for turn in turns if number % 2 == 0 else reversed(turns):
            await turn()
    return figures(plan, size.services, connections, ours, limit)


def _told(run: Run) -> str:
    return (
        f"{run.seconds:.2f} s (the first {run.first:.2f} s), CPU {run.client_cpu:.1f} s, "
        f"server's CPU {run.server_cpu:.1f} s, memory at most {run.peak_mib:.0f} MiB"
    )


def figures(
    plan: Plan, services: int, connections: int, ours: Sequence[Run], limit: Sequence[Run]
) -> list[Figure]:
    """Make the figures of all runs."""
    name = f"bare client, {connections} connections"
    return [
        Figure(
            id=plan.id,
            work=f"{services} Services present, then the {plan.supply} is created: "
            "all have addresses",
            unit="Services/s",
            ours=_rates(services, ours),
            peer=Peer(name, _rates(services, limit), PeerKind.LIMIT),
            goal=Goal(ratio_at_least=RATE_GOAL),
            notes=(
                *(f"ours {_told(run)}" for run in ours),
                *(f"bare client {_told(run)}" for run in limit),
            ),
        ),
        Figure(
            id=f"{plan.id}-memory",
            work=f"the leader's most resident memory with {services} Services",
            unit="MiB",
            ours=Series(tuple(run.peak_mib for run in ours)),
            peer=Peer(name, Series(tuple(run.peak_mib for run in limit)), PeerKind.LIMIT),
            goal=Goal(median_at_most=plan.memory_goal_mib),
        ),
    ]


def _rates(services: int, runs: Sequence[Run]) -> Series:
    return Series(tuple(services / run.seconds for run in runs), more_is_better=True)


BENCHMARK = Benchmark("F7", "rate of assignment", partial(measure, F7))
POOL_BENCHMARK = Benchmark("POOL", "rate of assignment from a pool", partial(measure, POOL))
