"""STREAM: the pool is there, then 10 000 Services are created as fast as a client can.

Ours: how long after the answer to the last creation a watch has shown the last address. The
controller shares the API server with the client that creates, which is a process of its own, with
the number of connections at which it is fastest. The limit: a bare client in the controller's
place, that watches Services and makes the same two writes for each, by as many workers.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb_lab.bench import dataset, rig
from metallb_lab.bench.arrivals import DONE_SECONDS, Arrivals
from metallb_lab.bench.benchmark import Benchmark
from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series
from metallb_lab.bench.replicas import READY_SECONDS, controllers, leader
from metallb_lab.bench.report import shown
from metallb_lab.bench.supply import Supply
from metallb_lab.bench.throughput import FULL, SMALL, bare_client, choose_connections

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from metallb_lab.bench.benchmark import Context
    from metallb_lab.bench.rig import Rig

WRITERS = 32
"""Workers of the bare client in the controller's place; the controller has as many."""
GOAL = Goal(median_at_most=1.0)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took."""

    creating: float
    """Seconds until all were created."""
    lag: float
    """Seconds from the last creation to the last address; none when that came first."""


@contextlib.asynccontextmanager
async def ours(running: Rig, count: int) -> AsyncIterator[list[int]]:
    """Serve Services by the controller; gives the processes."""
    await Supply.POOL.prepare(running.client)
    await Supply.POOL.create(running.client, count)
    async with controllers(running) as replicas:
        await leader(running, replicas)
        yield [item.pid for item in replicas.values()]


@contextlib.asynccontextmanager
async def bare(running: Rig, count: int) -> AsyncIterator[list[int]]:
    """Serve Services by the bare client; gives its process."""
    async with bare_client(running, Supply.POOL.pool) as follower:
        await follower.hear(READY_SECONDS)
        follower.tell(do="follow", first=0, count=count, connections=WRITERS)
        await follower.hear(READY_SECONDS)  # its watch is open
        yield [follower.pid]


async def run(context: Context, data: Path, count: int, connections: int, *, is_ours: bool) -> Run:
    """Create all Services while somebody serves them."""
    async with rig.running(data) as running:
        await running.set_up()
        async with (
            (ours if is_ours else bare)(running, count) as pids,
            bare_client(running, Supply.POOL.pool) as creator,
        ):
            await creator.hear(READY_SECONDS)
            arrivals = Arrivals(running.client, count)
            async with arrivals.watching():
                await running.come_to_rest([*pids, creator.pid])
                done = await creator.ask(
                    DONE_SECONDS, do="create", first=0, count=count, connections=connections
                )
                created_at = time.monotonic()
                await arrivals.wait(context.say)
                arrivals.check()
        return Run(done["seconds"], max(0.0, arrivals.complete_at - created_at))


async def measure(context: Context) -> list[Figure]:
    """Measure the lag behind the last creation."""
    size = SMALL if context.is_small else FULL
    data = await dataset.ensure(context, size.services, has_services=False)
    connections = await choose_connections(context, data, size, Supply.POOL.pool, "create")
    mine: list[Run] = []
    limit: list[Run] = []
    for number in range(size.runs):
        for name, runs, is_ours in (("bare client", limit, False), ("ours", mine, True)):
            runs.append(await run(context, data, size.services, connections, is_ours=is_ours))
            context.say(f"run {number + 1}: {name} {_told(size.services, runs[-1])}")
    return [figure(size.services, connections, mine, limit)]


def _told(services: int, run: Run) -> str:
    return f"{run.lag:.3f} s behind, created at {shown(services / run.creating)}/s"


def figure(services: int, connections: int, mine: Sequence[Run], limit: Sequence[Run]) -> Figure:
    """Make the figure of all runs."""
    return Figure(
        id="STREAM",
        work=f"{services} Services created over {connections} connections: "
        "from the last creation to the last address",
        unit="s",
        ours=_lags(mine),
        peer=Peer(f"bare client, {WRITERS} connections", _lags(limit), PeerKind.LIMIT),
        goal=GOAL,
        notes=(
            *(f"ours {_told(services, run)}" for run in mine),
            *(f"bare client {_told(services, run)}" for run in limit),
        ),
    )


def _lags(runs: Sequence[Run]) -> Series:
    return Series(tuple(run.lag for run in runs))


BENCHMARK = Benchmark("STREAM", "Services as fast as they are created", measure)
