"""F7: 10 000 Services are there, then their class is created; until all have addresses.

Ours: two replicas of the controller on a real API server that holds the Services; the clock runs
from the creation of the class until a watch has shown the last address. The limit: the same writes
(a VirtualIP and a status patch for each Service) by a bare client, on another copy of the same
server, seen by the same watch. They take turns, so that both see the same machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from metallb.kube.reflector import Reflector
from metallb_lab import objects
from metallb_lab.bench import dataset, machine, rig
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.conversation import Conversation
from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series
from metallb_lab.bench.report import shown
from metallb_lab.processes import Process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from metallb.kube.client import ApiClient, JsonObject
    from metallb.kube.reflector import Key
    from metallb_lab.bench.benchmark import Context
    from metallb_lab.bench.rig import Rig

CLASS_NAME = "bench"
OTHER_CLASS = "other"
FIRST = IPv4Address("10.64.0.1")
LEASE_NAME = "metallb-controller"
REPLICAS = ("ctl1", "ctl2")
CONNECTIONS = (16, 32, 64)
READY_SECONDS = 300.0
DONE_SECONDS = 900.0
RATE_GOAL = 0.8
MEMORY_GOAL_MIB = 200.0


@dataclass(frozen=True, slots=True)
class Size:
    """How many Services, how often, and how many for each number of connections tried."""

    services: int
    runs: int
    pilot: int


FULL = Size(10_000, 3, 600)
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


class Arrivals:
    """Watches Services until each has an address."""

    def __init__(self, client: ApiClient, wanted: int) -> None:
        self._wanted = wanted
        self._with_address = 0
        self._mirror: Reflector[str] = Reflector(
            client, objects.SERVICES, _address, self._on_change, chance=random.random
        )
        self.first_at = 0.0
        self.complete_at = 0.0
        self.complete = asyncio.Event()

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch for the time of the context; Services that are there already are seen first."""
        task = asyncio.create_task(self._mirror.run())
        try:
            await self._mirror.synced.wait()
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _on_change(self, key: Key, old: str | None, new: str | None) -> None:
        self._with_address += bool(new) - bool(old)
        if new and not self.first_at:
            self.first_at = time.monotonic()
        if self._with_address == self._wanted and not self.complete.is_set():
            self.complete_at = time.monotonic()
            self.complete.set()

    async def wait(self, say: Any) -> None:
        """Wait until all have one; raises BenchmarkError."""
        ends_at = time.monotonic() + DONE_SECONDS
        while not self.complete.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self.complete.wait()
            if not self.complete.is_set():
                say(f"{self._with_address} of {self._wanted} have an address")
                if time.monotonic() > ends_at:
                    raise BenchmarkError(f"not all have an address after {DONE_SECONDS} s")

    def check(self) -> None:
        """See that no address was given twice; raises BenchmarkError."""
        found = [address for address in self._mirror if address]
        if len(set(found)) != len(found):
            raise BenchmarkError("an address was given twice")


def _address(service: JsonObject) -> str:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress")
    return ingress[0]["ip"] if ingress else ""


async def run_ours(context: Context, data: Path, count: int) -> Run:
    """Let the controller do it."""
    async with rig.running(data) as running:
        await running.set_up()
        async with controllers(running) as replicas:
            leader = await _leader(running, replicas)
            pids = [item.pid for item in replicas.values()]
            arrivals = Arrivals(running.client, count)
            async with arrivals.watching():
                await running.come_to_rest(pids)
                cpu = machine.cpu_seconds([leader]), machine.cpu_seconds(running.server.pids)
                began_at = time.monotonic()
                await running.client.create(objects.CLASSES, _class(count))
                await arrivals.wait(context.say)
                after = machine.cpu_seconds([leader]), machine.cpu_seconds(running.server.pids)
                arrivals.check()
            await running.come_to_rest(pids)
            return Run(
                seconds=arrivals.complete_at - began_at,
                first=arrivals.first_at - began_at,
                client_cpu=after[0] - cpu[0],
                server_cpu=after[1] - cpu[1],
                peak_mib=machine.peak_mebibytes(leader),
            )


def _class(count: int) -> JsonObject:
    return objects.load_balancer_class(
        CLASS_NAME, [f"{FIRST}-{FIRST + count - 1}"], is_default=True
    )


@contextlib.asynccontextmanager
async def controllers(running: Rig) -> AsyncIterator[dict[str, Process]]:
    """Run the replicas."""
    replicas = {
        name: Process(
            running.instance,
            name,
            [
                *(sys.executable, "-m", "metallb_controller"),
                *("--kubeconfig", str(running.kubeconfig), "--metrics-port", "0"),
                *("--namespace", objects.NAMESPACE, "--identity", name),
                *("--log-level", "warning"),
            ],
        )
        for name in REPLICAS
    }
    try:
        for process in replicas.values():
            await process.start()
        yield replicas
    finally:
        for process in replicas.values():
            await process.kill()


async def _leader(running: Rig, replicas: dict[str, Process]) -> int:
    """Wait until a leader has seen everything, by its report on a class that nobody uses."""
    await running.client.create(
        objects.CLASSES, objects.load_balancer_class(OTHER_CLASS, [str(FIRST - 1)])
    )
    async with asyncio.timeout(READY_SECONDS):
        while True:
            for process in replicas.values():
                _ = process.pid  # raises when it has ended
            found = await running.client.get(objects.CLASSES, OTHER_CLASS)
            if found.get("status", {}).get("conditions"):
                break
            await asyncio.sleep(0.1)
    lease = await running.client.get(objects.LEASES, LEASE_NAME, objects.NAMESPACE)
    return replicas[lease["spec"]["holderIdentity"]].pid


def _bare(running: Rig) -> Conversation:
    return Conversation(
        "metallb_lab.bench.bare",
        *("--kubeconfig", str(running.kubeconfig), "--class", CLASS_NAME),
        *("--first", str(FIRST), "--nodes", ",".join(rig.NODES)),
    )


async def choose_connections(context: Context, data: Path, size: Size) -> int:
    """Find the number of connections with which the bare client is fastest."""
    rates: dict[int, float] = {}
    async with rig.running(data) as running:
        await running.set_up()
        async with _bare(running) as bare:
            await bare.hear(READY_SECONDS)
            # the first ones warm the server up
            for place, connections in enumerate((CONNECTIONS[0], *CONNECTIONS)):
                done = await bare.ask(
                    DONE_SECONDS,
                    first=place * size.pilot, count=size.pilot, connections=connections,
                )  # fmt: skip
                rates[connections] = size.pilot / done["seconds"]
    told = ", ".join(f"{item}: {shown(rate)}/s" for item, rate in rates.items())
    context.say(f"bare client by connections: {told}")
    return max(rates, key=lambda item: rates[item])


async def run_bare(context: Context, data: Path, count: int, connections: int) -> Run:
    """Let the bare client do it."""
    async with rig.running(data) as running:
        await running.set_up()
        async with _bare(running) as bare:
            ready = await bare.hear(READY_SECONDS)
            if ready["ready"] != count:
                raise BenchmarkError(f"the data have {ready['ready']} Services, not {count}")
            arrivals = Arrivals(running.client, count)
            async with arrivals.watching():
                await running.come_to_rest([bare.pid])
                cpu = machine.cpu_seconds([bare.pid]), machine.cpu_seconds(running.server.pids)
                began_at = time.monotonic()
                bare.tell(first=0, count=count, connections=connections)
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


async def measure(context: Context) -> list[Figure]:
    """Measure the rate and the leader's memory."""
    size = SMALL if context.is_small else FULL
    data = await dataset.ensure(context, size.services)
    connections = await choose_connections(context, data, size)
    ours: list[Run] = []
    limit: list[Run] = []
    for number in range(size.runs):
        limit.append(await run_bare(context, data, size.services, connections))
        context.say(f"run {number + 1}: bare client {_told(limit[-1])}")
        ours.append(await run_ours(context, data, size.services))
        context.say(f"run {number + 1}: ours {_told(ours[-1])}")
    return figures(size.services, connections, ours, limit)


def _told(run: Run) -> str:
    return (
        f"{run.seconds:.2f} s (the first {run.first:.2f} s), CPU {run.client_cpu:.1f} s, "
        f"server's CPU {run.server_cpu:.1f} s, memory at most {run.peak_mib:.0f} MiB"
    )


def figures(
    services: int, connections: int, ours: Sequence[Run], limit: Sequence[Run]
) -> list[Figure]:
    """Make the figures of all runs."""
    name = f"bare client, {connections} connections"
    return [
        Figure(
            id="F7",
            work=f"{services} Services present, then the class is created: all have addresses",
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
            id="F7-memory",
            work=f"the leader's most resident memory with {services} Services",
            unit="MiB",
            ours=Series(tuple(run.peak_mib for run in ours)),
            peer=Peer(name, Series(tuple(run.peak_mib for run in limit)), PeerKind.LIMIT),
            goal=Goal(median_at_most=MEMORY_GOAL_MIB),
        ),
    ]


def _rates(services: int, runs: Sequence[Run]) -> Series:
    return Series(tuple(services / run.seconds for run in runs), more_is_better=True)


BENCHMARK = Benchmark("F7", "rate of assignment", measure)
