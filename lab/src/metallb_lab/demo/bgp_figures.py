"""What the demo of BGP mode measured, as values and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb_lab.demo.figures import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metallb_lab.probes import FlowResult, ProbeResult


@dataclass(frozen=True, slots=True)
class SessionShown:
    """A session as the router sees it."""

    router: str
    node: str
    address: str
    bgp: str
    bfd: str


@dataclass(frozen=True, slots=True)
class RouteShown:
    """What a router has for a prefix: the nodes behind its next hops, and what came with it."""

    router: str
    prefix: str
    nodes: tuple[str, ...]
    as_paths: tuple[tuple[int, ...], ...]
    """Those of its ways, each once."""
    communities: tuple[str, ...]
    """All that come with every one of its ways."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How many connections of a client each node answered."""

    client: str
    """The router that it is behind."""
    address: str
    answers: dict[str, int]


@dataclass(frozen=True, slots=True)
class FlowsMeasured:
    """What a client's flows to one address saw while something happened to a node."""

    client: str
    address: str
    flows: int
    """Those that went through the node before."""
    requests: int
    lost: int
    longest_gap_milliseconds: float
    other_flows: int
    other_requests: int
    other_lost: int
    other_longest_gap_milliseconds: float


@dataclass(slots=True)
class BgpFigures(Outcome):
    """All of the demo of BGP mode."""

    sessions: list[SessionShown] = field(default_factory=list)
    routes: list[RouteShown] = field(default_factory=list)
    spread: list[Spread] = field(default_factory=list)
    drain: list[FlowsMeasured] = field(default_factory=list)
    drain_end: list[FlowsMeasured] = field(default_factory=list)
    node_loss: list[FlowsMeasured] = field(default_factory=list)
    node_return: list[FlowsMeasured] = field(default_factory=list)

    def busiest(self) -> str:
        """Name the node that answered most."""
        counts: Counter[str] = Counter()
        for item in self.spread:
            counts.update(item.answers)
        return max(counts, key=lambda node: counts[node])


def flows_measured(
    client: str, address: str, seen: ProbeResult, node: str, node_of: Mapping[str, str]
) -> FlowsMeasured:
    """Tell the flows apart by whose pod answered them first: with the policy Local, by node."""
    mine = [flow for flow in seen.flows if flow.pods and node_of[flow.pods[0]] == node]
    others = [flow for flow in seen.flows if flow not in mine]
    return FlowsMeasured(
        client=client,
        address=address,
        flows=len(mine),
        requests=_sent(mine),
        lost=_lost(mine),
        longest_gap_milliseconds=_longest(mine),
        other_flows=len(others),
        other_requests=_sent(others),
        other_lost=_lost(others),
        other_longest_gap_milliseconds=_longest(others),
    )


def _sent(flows: Sequence[FlowResult]) -> int:
    return sum(flow.sent for flow in flows)


def _lost(flows: Sequence[FlowResult]) -> int:
    return sum(flow.sent - flow.received for flow in flows)


def _longest(flows: Sequence[FlowResult]) -> float:
    return round(max((flow.longest.milliseconds for flow in flows), default=0.0), 1)
