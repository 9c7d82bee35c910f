"""ALLOC: how long the allocator takes for one address, from an empty /12 to 1 000 000 held.

What is timed is what the controller does for a Service that asks for any address of a pool: find
the first usable one, and assign it (`allocator.state`). Nothing else of a decision, and nothing is
read or written. The second figure holds the last tenth against the first: nothing is scanned, so it
must not be much slower. The curve shows what one allocation costs when so many are held; beside it
stand two cases in which others scan: a /8 whose buggy addresses are avoided, and Services that
share addresses under one key.

The limit is the least that could give as much: the next address, put into a map with its holder.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from metallb.api.meta import ObjectKey
from metallb.api.services import ServicePort
from metallb.net.addresses import Family
from metallb.net.ranges import parse_whole_range
from metallb_controller.allocator.model import Claim, PoolSpace
from metallb_controller.allocator.state import Allocator
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series
from metallb_lab.bench.placement import Stopwatch, collector_of_the_controller
from metallb_lab.bench.report import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb_lab.bench.benchmark import Context

POOL = "IPAddressPool/bench"
PREFIX, WIDE_PREFIX = "10.0.0.0/12", "10.0.0.0/8"
HOLDERS_OF_AN_ADDRESS = 50
US = 1000.0
"""Microseconds of a millisecond."""
GOAL_US = 10.0
SLOWDOWN_GOAL = 2.0


@dataclass(frozen=True, slots=True)
class Size:
    """How many addresses are given, at which numbers the curve is taken, and how often."""

    allocations: int
    points: tuple[int, ...]
    others: int
    runs: int


FULL = Size(1_000_000, (100, 1_000, 10_000, 100_000, 1_000_000), 50_000, 3)
SMALL = Size(2_000, (100, 1_000, 2_000), 500, 2)
LEAST_WINDOW = 50


@dataclass(frozen=True, slots=True)
class Run:
    """Microseconds of one allocation: of all, of the tenths, and at the points of the curve.

    The curve is in microseconds of the processor, as its windows are short.
    """

    mean: float
    processor: float
    tenths: tuple[float, ...]
    curve: tuple[float, ...]


def services(count: int) -> list[ObjectKey]:
    """Name the Services."""
    return [ObjectKey("default", f"service-{number}") for number in range(count)]


def claim_of(number: int, *, shares: bool) -> Claim:
    """Make the claim of a Service; those that share have one of so many ports each."""
    if not shares:
        return Claim("", frozenset({ServicePort("TCP", 80)}))
    return Claim("key", frozenset({ServicePort("TCP", 1 + number % HOLDERS_OF_AN_ADDRESS)}))


def new_allocator(prefix: str = PREFIX, *, avoids: bool = False) -> Allocator:
    """Make an allocator with one empty pool."""
    made = Allocator()
    made.set_pools({POOL: PoolSpace((parse_whole_range(prefix),), avoid_buggy_ips=avoids)})
    return made


def allocate(allocator: Allocator, keys: Sequence[ObjectKey], claims: Sequence[Claim]) -> None:
    """Give each Service an address; what is timed."""
    for key, claim in zip(keys, claims, strict=True):
        address = allocator.first_usable(POOL, Family.IPV4, key, claim, ())
        if address is None:
            raise BenchmarkError(f"there is no address left for {key}")
        allocator.assign(POOL, address, key, claim)


def window(point: int) -> int:
    """Tell over how many allocations a point of the curve is the mean."""
    return max(LEAST_WINDOW, point // 10)


def run_ours(size: Size) -> Run:
    """Fill the pool in steps that end where a window of the curve or a tenth does."""
    allocator, keys = new_allocator(), services(size.allocations)
    claim = claim_of(0, shares=False)
    tenth = size.allocations // 10
    begins = {point - window(point): point for point in size.points}
    stops = {*begins, *size.points, *range(tenth, size.allocations + 1, tenth)}
    clock, curve = [0.0] * 10, dict.fromkeys(size.points, 0.0)
    processor, before = 0.0, 0
    for stop in sorted(stops - {0}):
        part = keys[before:stop]
        claims = [claim] * len(part)
        watch = Stopwatch()
        allocate(allocator, part, claims)
        took = watch.read()
        clock[before // tenth] += took.clock
        processor += took.processor
        for begin, point in begins.items():
            if begin <= before and stop <= point:
                curve[point] += took.processor
        before = stop
    check(allocator, size.allocations, size.allocations)
    return Run(
        US * sum(clock) / size.allocations,
        US * processor / size.allocations,
        tuple(US * item / tenth for item in clock),
        tuple(US * took / window(point) for point, took in curve.items()),
    )


def run_limit(size: Size) -> float:
    """Put the addresses into a map, one after another; gives microseconds of one."""
    keys = services(size.allocations)
    held: dict[IPv4Address, ObjectKey] = {}
    first = int(IPv4Address(PREFIX.partition("/")[0]))

    watch = Stopwatch()
    for number, key in enumerate(keys, first):
        held[IPv4Address(number)] = key
    return US * watch.read().clock / size.allocations


def check(allocator: Allocator, held: int, services_held: int) -> None:
    """See that what was timed was the real thing; raises BenchmarkError."""
    capacity = allocator.capacity(POOL)
    if capacity.used != held or capacity.free != capacity.total - held:
        raise BenchmarkError(f"{capacity.used} addresses are held and {held} should be")
    last = ObjectKey("default", f"service-{services_held - 1}")
    if len(allocator.addresses_of(last)) != 1:
        raise BenchmarkError(f"{last} got nothing")


def run_other(size: Size, *, shares: bool) -> tuple[float, float]:
    """Allocate where others scan; gives processor time of the first tenth and of the last."""
    allocator = new_allocator(WIDE_PREFIX, avoids=True)
    keys = services(size.others)
    claims = [claim_of(number, shares=shares) for number in range(size.others)]
    tenth = size.others // 10
    times: list[float] = []
    for at in range(0, size.others, tenth):
        part = slice(at, at + tenth)
        watch = Stopwatch()
        allocate(allocator, keys[part], claims[part])
        times.append(US * watch.read().processor / tenth)
    held = size.others // HOLDERS_OF_AN_ADDRESS if shares else size.others
    check(allocator, held, size.others)
    return times[0], times[-1]


async def measure(context: Context) -> list[Figure]:
    """Measure both figures."""
    size = SMALL if context.is_small else FULL
    ours: list[Run] = []
    limit: list[float] = []
    with collector_of_the_controller():
        for number in range(size.runs):
            gc.collect()
            ours.append(run_ours(size))
            limit.append(run_limit(size))
            found = ours[-1]
            context.say(f"run {number + 1}: {1e6 / found.mean:.0f} allocations/s")
        notes = (
            f"processor time, us: {spread([item.processor for item in ours])}",
            curve_note(size, ours),
            *other_notes(size),
        )
    work = f"one allocation, from an empty {PREFIX} to {size.allocations} held"
    return [
        Figure(
            id="ALLOC", work=work, unit="us",
            ours=Series(tuple(item.mean for item in ours)),
            peer=Peer("an address put into a map", Series(tuple(limit)), PeerKind.LIMIT),
            goal=Goal(median_at_most=GOAL_US),
            notes=notes,
        ),
        Figure(
            id="ALLOC-last", work="the same, the last tenth", unit="us",
            ours=Series(tuple(item.tenths[-1] for item in ours)),
            peer=Peer(
                "the first tenth", Series(tuple(item.tenths[0] for item in ours)), PeerKind.LIMIT
            ),
            goal=Goal(ratio_at_most=SLOWDOWN_GOAL),
        ),
    ]  # fmt: skip


def curve_note(size: Size, runs: Sequence[Run]) -> str:
    """Tell what one allocation costs when so many are held; the best of the runs."""
    best = [min(run.curve[index] for run in runs) for index in range(len(size.points))]
    points = ", ".join(
        f"{point}: {cost:.1f}" for point, cost in zip(size.points, best, strict=True)
    )
    return f"processor time of one allocation when so many are held, us: {points}"


def other_notes(size: Size) -> list[str]:
    """Measure the cases in which others scan."""
    notes: list[str] = []
    for words, shares in (
        (f"{WIDE_PREFIX} with avoidBuggyIPs", False),
        (f"the same, {HOLDERS_OF_AN_ADDRESS} on an address under one sharing key", True),
    ):
        first, last = run_other(size, shares=shares)
        notes.append(
            f"{words}, {size.others} Services, processor time: {first:.1f} us in the first tenth, "
            f"{last:.1f} us in the last"
        )
    return notes


BENCHMARK = Benchmark("ALLOC", "allocation", measure, needs_lab=False)
