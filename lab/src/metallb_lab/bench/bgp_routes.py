"""ROUTE: a node begins to announce; until a client gets an answer. DRAIN: nodes are drained.

ROUTE is the time from the PATCH of a VirtualIP that names the node, as the controller does when a
node gets its first endpoint, over watch, speaker, UPDATE, BIRD and the kernel of the router, to the
first HTTP 200; a client tries each millisecond from before. The controllers are stopped meanwhile:
they would correct the object. DRAIN labels a node (exclude-from-external-load-balancers) and takes
the label away again, while a client asks by 16 flows, one question each 2 ms; it counts what was
lost. DRAIN-stop ends the speaker of a node as a roll-out does (SIGTERM), and starts it again; the
peers know nothing of graceful restart, so its routes go and come.

In the same run, on the same nodes, BIRDs do our speakers' work. They are ordered by their control
socket, with no API server and no watch in between, so ROUTE's ratio is what these cost.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from metallb_lab.bench import bgp_rig
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.bgp_rig import OURS, THEIRS
from metallb_lab.bench.conversation import Conversation
from metallb_lab.bench.figures import Figure, Goal, Peer, Series
from metallb_lab.bench.report import spread
from metallb_lab.demo.play import EXCLUDE_LABEL
from metallb_lab.fabric import prefer
from metallb_lab.flows import Pace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from metallb_lab.bench.benchmark import Context
    from metallb_lab.bench.bgp_rig import Rig

    Turn = Callable[[str, bool], Awaitable[None]]
    """Lets a node announce, or not."""
    Only = Callable[[str | None], Awaitable[None]]
    """Lets one node announce, or none."""

PACE = Pace(0.002)
ANSWER_SECONDS = 30.0
PAUSE_SECONDS = (0.2, 0.3)
"""By chance, so that nothing falls into step with a timer."""
ROUTE_GOAL_MS = 20.0
ROUTE_RUNS, DRAIN_RUNS, SMALL_RUNS = 20, 50, 1


def turns_ours(rig: Rig) -> Turn:
    """Let our speaker on a node announce, or not."""

    async def turn(node: str, is_on: bool) -> None:
        await rig.cluster.label(node, **{EXCLUDE_LABEL: None if is_on else ""})

    return turn


def turns_theirs(rig: Rig) -> Turn:
    """Let the BIRD on a node announce, or not."""

    async def turn(node: str, is_on: bool) -> None:
        await rig.order_bird(node, f"{'enable' if is_on else 'disable'} vips")

    return turn


def stops_ours(rig: Rig) -> Turn:
    """Stop our speaker on a node, or start it."""

    async def turn(node: str, is_on: bool) -> None:
        if is_on:
            await rig.cluster.start_speaker(node)
        else:
            await rig.cluster.speakers[node].stop()

    return turn


def stops_theirs(rig: Rig) -> Turn:
    """Stop the BIRD on a node, or start it."""

    async def turn(node: str, is_on: bool) -> None:
        if is_on:
            await rig.birds[node].start()
            prefer(rig.birds[node])
        else:
            await rig.birds[node].stop()

    return turn


def only_ours(rig: Rig) -> Only:
    """Order by the VirtualIP which of our speakers is to announce."""

    async def only(node: str | None) -> None:
        orders = {"bgp": {"nodes": [] if node is None else [node]}}
        await rig.cluster.patch("VirtualIP", OURS, {"spec": orders})

    return only


def only_theirs(rig: Rig) -> Only:
    """Order the BIRD of the first node; the others are silent from the first order on."""
    turn = turns_theirs(rig)

    async def only(node: str | None) -> None:
        if node is None:
            for each in rig.nodes:
                await turn(each, False)
        else:
            await turn(node, True)

    return only


async def route_runs(rig: Rig, address: str, only: Only, runs: int) -> list[float]:
    """Let one node announce, again and again; gives milliseconds."""
    found: list[float] = []
    async with Conversation("metallb_lab.bench.http_asker", namespace=rig.client) as asker:
        for _ in range(runs):
            await only(None)
            await rig.until_ways(address, ())
            await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
            await asker.ask(ANSWER_SECONDS, address=address, seconds=ANSWER_SECONDS)
            ordered_at = time.monotonic()
            await only(rig.nodes[0])
            heard = await asker.hear(ANSWER_SECONDS + 5)
            if heard["answered_at"] is None:
                raise BenchmarkError(f"no answer from {address}\n{rig.cluster.picture()}")
            found.append((heard["answered_at"] - ordered_at) * 1000)
    return found


async def drain_run(rig: Rig, address: str, turn: Turn, node: str) -> int:
    """Drain a node and bring it back; gives how many questions were lost."""
    prober = rig.prober(address, PACE)
    await prober.start()
    await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
    await turn(node, False)
    await rig.until_ways(address, set(rig.nodes) - {node})
    await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
    await turn(node, True)
    await rig.until_ways(address, rig.nodes)
    await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
    found = (await prober.stop())[address]
    if not found.received:
        raise BenchmarkError(f"{address} does not answer\n{rig.cluster.picture()}")
    return found.sent - found.received


async def drain_runs(rig: Rig, address: str, turn: Turn, runs: int) -> list[int]:
    """Drain nodes in turn."""
    return [
        await drain_run(rig, address, turn, rig.nodes[number % len(rig.nodes)])
        for number in range(runs)
    ]


async def measure_route(context: Context) -> list[Figure]:
    """Measure ROUTE."""
    runs = SMALL_RUNS if context.is_small else ROUTE_RUNS
    async with bgp_rig.running(context.say) as rig:
        await asyncio.gather(*(item.stop() for item in rig.cluster.controllers.values()))
        ours = await route_runs(rig, OURS, only_ours(rig), runs)
        context.say(f"ours: {spread(ours)} ms")
        async with rig.birds_in_place_of_speakers():
            theirs = await route_runs(rig, THEIRS, only_theirs(rig), runs)
            context.say(f"BIRD: {spread(theirs)} ms")
    return [
        Figure(
            id="ROUTE",
            work="a node is to announce: until the first HTTP 200 through the router",
            unit="ms",
            ours=Series(tuple(ours)),
            peer=Peer("BIRD on the node, ordered directly", Series(tuple(theirs))),
            goal=Goal(median_at_most=ROUTE_GOAL_MS),
            notes=(f"ours: {spread(ours)}", f"BIRD: {spread(theirs)}"),
        )
    ]


async def measure_drain(context: Context) -> list[Figure]:
    """Measure DRAIN."""
    runs = SMALL_RUNS if context.is_small else DRAIN_RUNS
    async with bgp_rig.running(context.say) as rig:
        ours = [await drain_runs(rig, OURS, turns(rig), runs) for turns in (turns_ours, stops_ours)]
        context.say(f"ours: {sum(ours[0])} lost in {runs} drains, {sum(ours[1])} in {runs} stops")
        async with rig.birds_in_place_of_speakers():
            theirs = [
                await drain_runs(rig, THEIRS, turns(rig), runs)
                for turns in (turns_theirs, stops_theirs)
            ]
            context.say(
                f"BIRD: {sum(theirs[0])} lost in {runs} drains, {sum(theirs[1])} in {runs} stops"
            )
    works = {
        "DRAIN": "a node is drained and comes back: questions lost, asked each 2 ms",
        "DRAIN-stop": "a speaker is stopped and started again: questions lost, asked each 2 ms",
    }
    return [
        Figure(
            id=identity,
            work=work,
            unit="questions",
            ours=Series(tuple(map(float, lost))),
            peer=Peer("BIRD on the nodes", Series(tuple(map(float, lost_by_bird)))),
            goal=Goal(worst_at_most=0.0),
        )
        for (identity, work), lost, lost_by_bird in zip(works.items(), ours, theirs, strict=True)
    ]


ROUTE_BENCHMARK = Benchmark("ROUTE", "first answer after an announcement", measure_route)
DRAIN_BENCHMARK = Benchmark("DRAIN", "nodes are drained", measure_drain)
