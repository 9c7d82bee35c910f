"""BFD: 100 sessions at 50 ms x 3 in one reflex process, beside a policy process that lists 10 000
objects without a pause; no session may go down.

The other end of all sessions is one BIRD, in a namespace behind one cable. Both ends have an
address for each session, since BIRD knows sessions by their peer's; and both have real-time
priority, since a router is not short of processors because this machine is. A flap counts whichever
end saw it: ours from what reflex tells its policy, BIRD's from its log. What each end costs is the
processor time of the reflex process (all that it does, timers and control socket included) and of
BIRD, as shares of one processor. The played policy process is `relister`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb_lab import netns
from metallb_lab.bench import machine
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.conversation import Conversation
from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series
from metallb_lab.instance import Instance
from metallb_lab.processes import Process
from metallb_lab.routers.bird import Bird

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb_lab.bench.benchmark import Context

INTERVAL_US = 50_000
MULTIPLIER = 3
READY_SECONDS = 60.0
STEP_SECONDS = 15.0
SETTLED_SECONDS = 2.0
"""Until all sessions have the fast interval."""
PRIORITY = 10
"""Reflex's own by default."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many sessions and objects, and for how long."""

    sessions: int
    objects: int
    seconds: float


FULL = Size(100, 10_000, 60.0)
SMALL = Size(10, 1000, 3.0)


@dataclass(frozen=True, slots=True)
class Found:
    """What was seen."""

    seconds: float
    downs: int
    router_downs: int
    lists: int
    late_99_ms: float
    late_worst_ms: float
    ours_percent: float
    router_percent: float


def pairs(count: int) -> list[tuple[str, str]]:
    """Name our address and the router's of each session."""
    return [(f"10.77.0.{number + 1}", f"10.77.1.{number + 1}") for number in range(count)]


def configuration(addresses: list[tuple[str, str]]) -> str:
    """Write BIRD's configuration."""
    neighbors = "\n".join(
        f'  neighbor {ours} dev "eth0" local {theirs};' for ours, theirs in addresses
    )
    return f"""
log stderr all;
router id {addresses[0][1]};
protocol device {{}}
protocol bfd bfd1 {{
  debug {{ events }};
  interface "eth0" {{ interval {INTERVAL_US} us; multiplier {MULTIPLIER}; }};
{neighbors}
}}
"""


def join(instance: Instance, addresses: list[tuple[str, str]]) -> tuple[str, str]:
    """Make both namespaces and the cable; gives their names."""
    near, far = instance.namespace("near"), instance.namespace("far")
    for name in (near, far):
        netns.run("ip", "netns", "add", name)
    netns.run("ip", "-n", near, "link", "add", "eth0", *f"type veth peer eth0 netns {far}".split())
    for name in (near, far):
        netns.ip_batch(["link set lo up", "link set eth0 up"], name)
    add_addresses(near, far, addresses)
    return near, far


def add_addresses(near: str, far: str, addresses: list[tuple[str, str]]) -> None:
    """Give the namespaces at both ends of a cable the addresses of the sessions."""
    for name, found in zip((near, far), zip(*addresses, strict=True), strict=True):
        netns.ip_batch([f"addr add {item}/16 dev eth0" for item in found], name)


def reflex(instance: Instance, namespace: str) -> Process:
    """Make the reflex process of a speaker."""
    keys = instance.directory / "keys"
    keys.write_text(secrets.token_hex(16))
    arguments = (
        *("--node-name", "near", "--key-file", str(keys)),
        *("--control-socket", str(instance.directory / "reflex.sock")),
    )
    command = [sys.executable, "-m", "metallb_speaker", "reflex", *arguments]
    return Process(instance, "reflex", command, namespace=namespace)


class Ends:
    """Both ends of sessions that are up, watched between `begin` and `end`."""

    def __init__(self, ours: Process, router: Process, policy: Conversation, count: int) -> None:
        self._ours, self._router, self._policy = ours, router, policy
        self._count = count
        self._logged = 0
        self._spent: list[float] = []
        self._began_at = 0.0

    @property
    def ours(self) -> Process:
        """The reflex process."""
        return self._ours

    def _cpu_seconds(self) -> list[float]:
        return [machine.cpu_seconds([item.pid]) for item in (self._ours, self._router)]

    async def begin(self) -> None:
        """Begin to watch."""
        await self._policy.ask(READY_SECONDS, do="begin")
        self._logged = downs_in(self._router.log.read_text())
        self._spent = self._cpu_seconds()
        self._began_at = time.monotonic()

    async def end(self) -> Found:
        """Tell what was seen since."""
        seconds = time.monotonic() - self._began_at
        spent = [after - was for after, was in zip(self._cpu_seconds(), self._spent, strict=True)]
        said = await self._policy.ask(READY_SECONDS, do="end")
        return Found(
            seconds=seconds,
            downs=said["downs"] + self._count - said["up"],
            router_downs=downs_in(self._router.log.read_text()) - self._logged,
            lists=said["lists"],
            late_99_ms=said["late_99_seconds"] * 1000,
            late_worst_ms=said["late_worst_seconds"] * 1000,
            ours_percent=100 * spent[0] / seconds,
            router_percent=100 * spent[1] / seconds,
        )


@contextlib.asynccontextmanager
async def running(
    instance: Instance, near: str, far: str, addresses: list[tuple[str, str]], objects: int = 0
) -> AsyncIterator[Ends]:
    """Run sessions between two namespaces that have these addresses, and wait until all are up.

    `objects`: how many are in the list that the policy process reads without a pause; none: it
    reads no list.
    """
    arguments = (
        *("--socket", str(instance.directory / "reflex.sock")),
        *("--objects", str(objects), "--interval-us", str(INTERVAL_US)),
        *("--sessions", ",".join("-".join(pair) for pair in addresses)),
    )
    async with Bird(instance, far, configuration(addresses), "bird-bfd") as bird:

        async def are_up() -> bool:
            said = await bird.birdc("show bfd sessions")
            return said.count(" Up ") == len(addresses)

        ours = reflex(instance, near)
        await ours.start()
        try:
            async with Conversation(
                "metallb_lab.bench.relister", *arguments, namespace=near
            ) as policy:
                await policy.hear(READY_SECONDS)
                await bird.until(are_up, lambda: "not all are up")
                [router] = bird.processes
                router.prefer(PRIORITY)
                await asyncio.sleep(SETTLED_SECONDS)
                yield Ends(ours, router, policy, len(addresses))
        finally:
            await ours.stop()


async def watch(context: Context, size: Size) -> Found:
    """Bring all sessions up, and watch them beside lists."""
    addresses = pairs(size.sessions)
    with Instance() as instance:
        near, far = join(instance, addresses)
        async with running(instance, near, far, addresses, size.objects) as ends:
            await ends.begin()
            began_at = time.monotonic()
            ends_at = began_at + size.seconds
            while (left := ends_at - time.monotonic()) > 0:
                await asyncio.sleep(min(left, STEP_SECONDS))
                context.say(f"{time.monotonic() - began_at:.0f} s")
            found = await ends.end()
    if not found.lists:
        raise BenchmarkError("the policy process read no list")
    return found


def downs_in(log: str) -> int:
    """Count the sessions that left Up, in what BIRD logged."""
    return log.count("changed state from Up to")


async def measure(context: Context) -> list[Figure]:
    """Watch the sessions."""
    size = SMALL if context.is_small else FULL
    if context.seconds is not None:
        size = Size(size.sessions, size.objects, context.seconds)
    found = await watch(context, size)
    work = (
        f"{size.sessions} sessions, {INTERVAL_US // 1000} ms x {MULTIPLIER}, "
        f"beside lists of {size.objects} objects, {found.seconds:.0f} s"
    )
    late = f"timers late: 99 % below {found.late_99_ms:g} ms, all below {found.late_worst_ms:g} ms"
    return [
        Figure(
            id="BFD",
            work=f"{work}: sessions that went down",
            unit="flaps",
            ours=Series((float(found.downs),)),
            peer=Peer("BIRD, the other end", Series((float(found.router_downs),))),
            goal=Goal(worst_at_most=0.0),
            notes=(late, f"lists of the policy process: {found.lists}"),
        ),
        Figure(
            id="BFD-cpu",
            work=f"{work}: processor time",
            unit="% of a processor",
            ours=Series((found.ours_percent,)),
            peer=Peer("BIRD, the other end", Series((found.router_percent,)), PeerKind.LIMIT),
            goal=Goal(),
        ),
    ]


BENCHMARK = Benchmark("BFD", "BFD sessions beside a busy policy process", measure)
