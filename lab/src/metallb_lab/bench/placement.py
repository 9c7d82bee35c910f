"""F10: how long it takes to place 10 000 VIPs on 1 000 nodes, and then to take in a lost node.

What is timed is what the controller does, by its own functions (`reconcile.layer2`): choose the
eligible nodes, place each VIP with an order of eight nodes, level, and give the orders that are to
be written; then the same after one node has lost its speaker. Nothing is read or written.

The limit is the least that could give as much: orders handed out in turn, with no thought for
balance of seconds, Services or zones; and for the lost node, taking it out of every order.
"""

from __future__ import annotations

import contextlib
import gc
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from metallb.api.classes import read_class
from metallb.api.meta import ObjectKey
from metallb.api.nodes import ZONE_LABEL, NodeName, read_node
from metallb.domain.translation import translate
from metallb_controller.placement import PREFERENCE_LIMIT
from metallb_controller.reconcile.layer2 import Layer2
from metallb_controller.reconcile.observed import Observed
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series
from metallb_lab.bench.report import spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from metallb_lab.bench.benchmark import Context

CLASS_NAME = "bench"
ZONES = 3
VIPS_OF_A_SERVICE = 4
FIRST_VIP = IPv4Address("10.64.0.1")
PLACE_GOAL_MS = 1000.0
LOSS_GOAL_MS = 20.0
GC_THRESHOLD = (50_000, 20, 50)

Orders = dict[IPv4Address, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is placed, and how often."""

    vips: int
    nodes: int
    runs: int


FULL = Size(10_000, 1_000, 9)
SMALL = Size(200, 20, 2)


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of one step: by the clock, and of the processor."""

    clock: float
    processor: float


@dataclass(frozen=True, slots=True)
class Run:
    """The two steps of one run."""

    place: Times
    loss: Times


class Stopwatch:
    """Times what comes between two looks at it."""

    def __init__(self) -> None:
        self._started_at = time.perf_counter(), time.process_time()

    def read(self) -> Times:
        """Give the time since the last look."""
        now = time.perf_counter(), time.process_time()
        clock, processor = (1000 * (b - a) for a, b in zip(self._started_at, now, strict=True))
        self._started_at = time.perf_counter(), time.process_time()
        return Times(clock, processor)


class Cluster:
    """The controller's view of a cluster: nodes with speakers, one class, its VIPs."""

    def __init__(self, vips: int, nodes: Sequence[str]) -> None:
        self.vips = [FIRST_VIP + number for number in range(vips)]
        self.observed = Observed()
        found = read_class(
            {"metadata": {"name": CLASS_NAME, "uid": "1", "resourceVersion": "1"}, "spec": {}}
        )
        (self.observed.pools[CLASS_NAME],) = translate(classes=[found]).pools
        for number, name in enumerate(nodes):
            self.observed.nodes[NodeName(name)] = read_node(_node(name, f"z{number % ZONES}"))
        self.layer2 = Layer2(self.observed)
        self.set_speakers(nodes)

    def set_speakers(self, nodes: Iterable[str]) -> None:
        """Say on which nodes a speaker is present."""
        self.observed.roll.present = frozenset(NodeName(name) for name in nodes)

    def place_all(self) -> Orders:
        """Place every VIP; gives their orders."""
        self.layer2.refresh_pool(CLASS_NAME, 0.0)
        for number, vip in enumerate(self.vips):
            holder = ObjectKey("default", f"service-{number // VIPS_OF_A_SERVICE}")
            self.layer2.place(vip, CLASS_NAME, (holder,))
        return self._changes(0.0)

    def take_in_nodes(self, now: float) -> Orders:
        """Take in that nodes came or went; gives the orders that changed."""
        self.layer2.refresh_pool(CLASS_NAME, now)
        return self._changes(now)

    def _changes(self, now: float) -> Orders:
        self.layer2.rebalance(now)
        changed = self.layer2.take_changes()
        return {
            vip: self.layer2.orders(vip).nodes for vip in changed if isinstance(vip, IPv4Address)
        }


def _node(name: str, zone: str) -> dict[str, object]:
    return {
        "metadata": {"name": name, "uid": name, "labels": {ZONE_LABEL: zone}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def node_names(count: int) -> list[str]:
    """Name the nodes."""
    return [f"node-{number:04d}" for number in range(1, count + 1)]


def unevenness(orders: Mapping[IPv4Address, Sequence[str]], nodes: Sequence[str]) -> int:
    """Give the difference between the most and the fewest first choices of a node."""
    load = dict.fromkeys(nodes, 0)
    for order in orders.values():
        load[order[0]] += 1
    return max(load.values()) - min(load.values())


def check(before: Orders, changed: Orders, nodes: Sequence[str], lost: str) -> None:
    """See that what was timed was the real thing; raises BenchmarkError."""
    if unevenness(before, nodes) > 1:
        raise BenchmarkError("the first placement is not balanced")
    if any(len(order) != min(PREFERENCE_LIMIT, len(nodes)) for order in before.values()):
        raise BenchmarkError("an order is too short")
    after = {**before, **changed}
    if any(lost in order for order in after.values()):
        raise BenchmarkError(f"the lost node {lost} is still in an order")
    moved = {vip for vip in before if before[vip][0] != after[vip][0]}
    if moved != {vip for vip in before if before[vip][0] == lost}:
        raise BenchmarkError("others than the VIPs of the lost node were moved")


def run_ours(size: Size, number: int) -> Run:
    """Place all VIPs, then lose a node: another one in each run."""
    nodes = node_names(size.nodes)
    lost = nodes[number * 7 % size.nodes]
    cluster = Cluster(size.vips, nodes)
    watch = Stopwatch()
    before = cluster.place_all()
    place = watch.read()
    cluster.set_speakers(name for name in nodes if name != lost)
    watch = Stopwatch()
    changed = cluster.take_in_nodes(1.0)
    loss = watch.read()
    check(before, changed, nodes, lost)
    return Run(place, loss)


def run_limit(size: Size, number: int) -> Run:
    """Do the least that gives as many orders, in turn."""
    nodes = node_names(size.nodes)
    lost = nodes[number * 7 % size.nodes]
    vips = [FIRST_VIP + item for item in range(size.vips)]
    watch = Stopwatch()
    ring = nodes + nodes
    orders = {
        vip: tuple(ring[item % size.nodes :][:PREFERENCE_LIMIT]) for item, vip in enumerate(vips)
    }
    place = watch.read()
    for vip, order in orders.items():
        if lost in order:
            orders[vip] = tuple(name for name in order if name != lost)
    return Run(place, watch.read())


@contextlib.contextmanager
def collector_of_the_controller() -> Iterator[None]:
    """Let Python's garbage collector run as seldom as in the controller's process."""
    before = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def measure(context: Context) -> list[Figure]:
    """Measure both figures."""
    size = SMALL if context.is_small else FULL
    ours: list[Run] = []
    limit: list[Run] = []
    with collector_of_the_controller():
        for number in range(size.runs):
            gc.collect()  # what earlier work left behind is not to be paid for here
            ours.append(run_ours(size, number))
            limit.append(run_limit(size, number))
            place, loss = ours[-1].place, ours[-1].loss
            context.say(f"run {number + 1}: {place.clock:.0f} ms, then {loss.clock:.2f} ms")
    many = f"{size.vips} VIPs on {size.nodes} nodes, {VIPS_OF_A_SERVICE} a Service, {ZONES} zones"
    return [
        figure(
            "F10", f"placement of {many}", PLACE_GOAL_MS,
            [item.place for item in ours],
            "orders handed out in turn", [item.place for item in limit],
        ),
        figure(
            "F10-loss", f"then one node is lost ({many})", LOSS_GOAL_MS,
            [item.loss for item in ours],
            "taking the node out of every order", [item.loss for item in limit],
        ),
    ]  # fmt: skip


def figure(
    identity: str, work: str, goal: float, ours: list[Times], name: str, limit: list[Times]
) -> Figure:
    """Make one of the two figures."""
    return Figure(
        id=identity,
        work=work,
        unit="ms",
        ours=Series(tuple(item.clock for item in ours)),
        peer=Peer(name, Series(tuple(item.clock for item in limit)), PeerKind.LIMIT),
        goal=Goal(median_at_most=goal),
        notes=(f"processor time, ms: {spread([item.processor for item in ours])}",),
    )


BENCHMARK = Benchmark("F10", "placement", measure, needs_lab=False)
