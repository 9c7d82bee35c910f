"""F11: how evenly the VIPs of a class are spread over its nodes, whatever their number.

First 100 VIPs on 10 nodes, then random cases (seeded, so everybody gets the same): Services come
and go, nodes are added, lost and come back. After each change and its rebalancing the nodes' loads
are counted: most minus fewest first choices.

The peer is the rule by which upstream MetalLB chooses a node, on the same VIPs and nodes: the one
with the smallest SHA-256 of `NODE#ADDRESS`.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from metallb_controller.placement import Demand, Node, Placement
from metallb_lab.bench.benchmark import Benchmark
from metallb_lab.bench.figures import Figure, Goal, Peer, Series

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metallb_lab.bench.benchmark import Context

SEED = 11
CHANGES_OF_A_CASE = 12
MOST_NODES = 40
MOST_VIPS = 600
MOST_VIPS_OF_A_SERVICE = 6
FIRST_VIP = IPv4Address("10.64.0.1")
GOAL = Goal(worst_at_most=1)
PEER_NAME = "MetalLB's rule"


@dataclass(frozen=True, slots=True)
class Size:
    """How many cases are tried."""

    seeds: int
    cases: int


FULL = Size(20, 60)
SMALL = Size(2, 3)


@dataclass(frozen=True, slots=True)
class Spreads:
    """Most minus fewest, once by our placement and once by the peer's rule."""

    ours: int
    theirs: int


def spread(load: Iterable[int]) -> int:
    """Give the difference between the largest and the smallest load."""
    counts = list(load)
    return max(counts) - min(counts)


def hashed_node(address: str, nodes: Iterable[str]) -> str:
    """Choose a node as MetalLB's layer 2 mode does."""
    return min(nodes, key=lambda node: hashlib.sha256(f"{node}#{address}".encode()).digest())


def hashed_spread(addresses: Iterable[str], nodes: Sequence[str]) -> int:
    """Give the spread of MetalLB's choices."""
    load = dict.fromkeys(nodes, 0)
    for address in addresses:
        load[hashed_node(address, nodes)] += 1
    return spread(load.values())


@dataclass(slots=True)
class Case:
    """A class with changing nodes and VIPs."""

    chance: random.Random
    placement: Placement = field(default_factory=lambda: Placement("bench"))
    nodes: list[str] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    services: dict[str, list[str]] = field(default_factory=dict)
    numbers: int = 0
    vips: int = 0

    def add_node(self) -> None:
        """A new node joins."""
        self.numbers += 1
        self.nodes.append(f"node-{self.numbers}")

    def lose_nodes(self) -> None:
        """Up to a third of the nodes fail at once."""
        for _ in range(self.chance.randint(1, max(1, len(self.nodes) // 3))):
            if len(self.nodes) > 1:
                self.away.append(self.nodes.pop(self.chance.randrange(len(self.nodes))))

    def return_nodes(self) -> None:
        """All that failed come back."""
        self.nodes += self.away
        self.away.clear()

    def add_service(self, vips: int) -> None:
        """A Service comes."""
        name = f"default/service-{self.vips}"
        self.services[name] = [str(FIRST_VIP + self.vips + number) for number in range(vips)]
        self.vips += vips
        for vip in self.services[name]:
            self.placement.put(Demand(vip, name))

    def drop_services(self) -> None:
        """Up to a third of the Services go."""
        for _ in range(len(self.services) // 3):
            for vip in self.services.pop(self.chance.choice(list(self.services))):
                self.placement.discard(vip)

    def measured(self) -> Spreads:
        """Let the placement come to rest, and count."""
        self.placement.set_nodes([Node(name) for name in self.nodes])
        self.placement.rebalance()
        addresses = [vip for vips in self.services.values() for vip in vips]
        return Spreads(spread(self.placement.load().values()), hashed_spread(addresses, self.nodes))


def hundred_on_ten(seed: int) -> list[Spreads]:
    """Place 100 VIPs on 10 nodes; then one node is lost, it returns, and one more joins."""
    case = Case(random.Random(seed))
    for _ in range(10):
        case.add_node()
    case.vips = seed * 1000  # other addresses in each run
    for _ in range(100):
        case.add_service(1)
    found = [case.measured()]
    case.away.append(case.nodes.pop(seed % 10))
    found.append(case.measured())
    case.return_nodes()
    found.append(case.measured())
    case.add_node()
    found.append(case.measured())
    return found


def random_case(seed: int) -> list[Spreads]:
    """Make a cluster by chance and change it by chance; counts after each change."""
    chance = random.Random(seed)
    case = Case(chance)
    for _ in range(chance.randint(1, MOST_NODES)):
        case.add_node()
    target = chance.randint(1, MOST_VIPS)
    while case.vips < target:
        case.add_service(chance.randint(1, MOST_VIPS_OF_A_SERVICE))
    found = [case.measured()]
    changes = (
        case.add_node,
        case.lose_nodes,
        case.return_nodes,
        case.drop_services,
        lambda: case.add_service(chance.randint(1, MOST_VIPS_OF_A_SERVICE)),
    )
    for _ in range(CHANGES_OF_A_CASE):
        chance.choice(changes)()
        found.append(case.measured())
    return found


def figure(identity: str, work: str, found: Sequence[Spreads]) -> Figure:
    """Make the figure of many states."""
    even = sum(item.ours <= 1 for item in found)
    theirs = sum(item.theirs <= 1 for item in found)
    return Figure(
        id=identity,
        work=work,
        unit="VIPs",
        ours=Series(tuple(float(item.ours) for item in found)),
        peer=Peer(PEER_NAME, Series(tuple(float(item.theirs) for item in found))),
        goal=GOAL,
        notes=(f"even within one: ours {even} of {len(found)} states, {PEER_NAME} {theirs}",),
    )


async def measure(context: Context) -> list[Figure]:
    """Measure both figures."""
    size = SMALL if context.is_small else FULL
    fixed = [item for seed in range(size.seeds) for item in hundred_on_ten(seed)]
    context.say(f"100 VIPs on 10 nodes: {len(fixed)} states")
    cases: list[Spreads] = []
    for number in range(size.cases):
        cases += random_case(SEED * 1000 + number)
        if (number + 1) % 20 == 0:
            context.say(f"{number + 1} random cases: {len(cases)} states")
    return [
        figure(
            "F11",
            "100 VIPs on 10 nodes, then a node lost, back, one more: most minus fewest on a node",
            fixed,
        ),
        figure(
            "F11-random",
            f"{size.cases} random cases of up to {MOST_VIPS} VIPs on up to {MOST_NODES} nodes, "
            f"{CHANGES_OF_A_CASE} changes each: most minus fewest on a node",
            cases,
        ),
    ]


BENCHMARK = Benchmark("F11", "balance", measure, needs_lab=False)
