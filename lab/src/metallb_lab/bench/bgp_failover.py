"""F4: a node is cut off without warning; how long a flow that went through it is without answers.

A client behind BIRD asks by one flow each 2 ms; the node that the router sends it through is cut
off: everything on it lives on, and nobody hears of it. The outage is the longest gap between
replies. BFD watches each session, at 50, 100 and 300 ms with a multiplier of 3, so most of an
outage is what was agreed upon. In the same run, on the same nodes, BIRDs do our speakers' work.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from metallb_lab.bench import bgp_rig
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.bgp_rig import OURS, THEIRS
from metallb_lab.bench.figures import Figure, Goal, Peer, Series
from metallb_lab.bench.report import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb_lab.bench.benchmark import Context
    from metallb_lab.bench.bgp_rig import Rig

PROBE_SECONDS = 0.002
STEADY_SECONDS = (0.4, 0.6)
"""Between coming to rest and the cut, by chance, so that no cut is in step with a timer."""
AFTER_SECONDS = 0.5
LATE_SECONDS = 0.1
"""How long before the cut, as we saw it, the last reply may have come on a busy machine."""
ATTEMPTS = 5
RATIO_GOAL = 1.1
FULL = ((50, 100, 300), 10)
SMALL = ((100,), 1)


async def cut(rig: Rig, address: str) -> float:
    """Cut off the node that a flow goes through, and bring it back; gives milliseconds.

    What does not show that outage is tried again: a router may order its ways anew just when a node
    has been chosen, and a busy machine may stop the client for longer than the cut does.
    """
    for _ in range(ATTEMPTS):
        outage = await _try_to_cut(rig, address)
        if outage is not None:
            return outage
    raise BenchmarkError(
        f"no flow to {address} showed the outage of its node\n{rig.cluster.picture()}"
    )


async def _try_to_cut(rig: Rig, address: str) -> float | None:
    """Give the outage; None: the flow did not go through the node that was cut off, or had a longer
    gap before.
    """
    await rig.until_ways(address, rig.nodes)
    await rig.until_watched()
    pace, node = await rig.flow_through(address, PROBE_SECONDS)
    prober = rig.prober(address, pace)
    await prober.start()
    await asyncio.sleep(random.uniform(*STEADY_SECONDS))
    cut_at = time.monotonic()
    await rig.cluster.cut_off(node)
    try:
        await rig.until_ways(address, set(rig.nodes) - {node})
        await asyncio.sleep(AFTER_SECONDS)
    finally:
        found = await prober.stop()
        await rig.cluster.plug_in(node)
    flow = found[address].flows[0]
    if not flow.pods or rig.cluster.topology.pods[flow.pods[0]].node != node:
        return None
    if rig.answering(found, address) == node:
        raise BenchmarkError(f"{address} is answered by {node}, which was cut off: {found}")
    is_of_the_cut = flow.longest.began_at >= cut_at - LATE_SECONDS
    return flow.longest.milliseconds if is_of_the_cut else None


async def measure(context: Context) -> list[Figure]:
    """Measure the outages at each interval of BFD."""
    intervals, runs = SMALL if context.is_small else FULL
    figures: list[Figure] = []
    for milliseconds in intervals:
        async with bgp_rig.running(context.say, milliseconds) as rig:
            ours = await _cuts(context, rig, OURS, f"BFD {milliseconds} ms, ours", runs)
            async with rig.birds_in_place_of_speakers():
                theirs = await _cuts(context, rig, THEIRS, f"BFD {milliseconds} ms, BIRD", runs)
        figures.append(figure(milliseconds, ours, theirs))
    return figures


async def _cuts(context: Context, rig: Rig, address: str, whose: str, runs: int) -> list[float]:
    found: list[float] = []
    for number in range(runs):
        found.append(await cut(rig, address))
        context.say(f"{whose}: run {number + 1}: {found[-1]:.0f} ms")
    return found


def figure(milliseconds: int, ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """Make the figure of one interval."""
    return Figure(
        id=f"F4-{milliseconds}",
        work=f"a node is cut off: outage of a routed flow, BFD {milliseconds} ms x 3",
        unit="ms",
        ours=Series(tuple(ours)),
        peer=Peer("BIRD in our speaker's place", Series(tuple(theirs))),
        goal=Goal(ratio_at_most=RATIO_GOAL),
        notes=(f"ours: {spread(ours)}", f"BIRD: {spread(theirs)}"),
    )


BENCHMARK = Benchmark("F4", "outage of a routed flow of a dead node", measure)
