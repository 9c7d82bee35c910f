"""A hundred speakers and routers: whatever breaks, each router ends with what it is to have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.prefixes import Prefix
from support.bgp_world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.bgp_world import Link

SEEDS = int(os.environ.get("METALLB_SIM_SEEDS", "30")) // 10 or 1
SPEAKERS, ROUTERS = 80, 20
PREFIXES = [Prefix.of(f"203.0.113.{number}/32") for number in range(40)]
QUIET_SECONDS = 60.0
"""Longer than a hold time and the longest wait for the next try."""


def same_everywhere(world: World) -> None:
    """Each router has exactly the routes of each of its speakers."""
    for speaker, links in enumerate(world.links):
        wanted = {prefix: item.med for prefix, item in world.wanted[speaker].items()}
        for router, link in links.items():
            assert link.is_up, (speaker, router, link.downs[-1:])
            assert link.table.routes == wanted, (speaker, router)
            assert not link.table.stale


def change_something(world: World) -> None:
    speaker = world.chance.randrange(SPEAKERS)
    chosen = world.chance.sample(PREFIXES, world.chance.randint(1, 8))
    choices = [None, RouteAttributes(), RouteAttributes(med=1), RouteAttributes(med=2)]
    world.change(speaker, {prefix: world.chance.choice(choices) for prefix in chosen})


def break_something(world: World) -> None:
    link: Link = world.chance.choice(world.all_links())
    what: list[Callable[[], None]] = [
        link.cut,
        link.fall_silent,
        link.restart_speaker,
        link.restart_router,
    ]
    world.chance.choice(what)()
    world.clock.at(world.clock.now + world.chance.uniform(0.1, 30.0), link.heal)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_breaks_the_routers_end_with_what_they_are_to_have(seed: int) -> None:
    world = World(SPEAKERS, ROUTERS, seed)
    world.run_for(5.0)
    for _ in range(400):
        change_something(world)
        if world.chance.random() < 0.5:
            break_something(world)
        world.run_for(world.chance.expovariate(4.0))
    world.run_for(QUIET_SECONDS)
    same_everywhere(world)
    ends = {event.cause.name for link in world.all_links() for event in link.downs}
    assert {"HOLD_TIMER_EXPIRES", "TCP_CONNECTION_FAILS"} <= ends


def test_a_graceful_restart_of_all_speakers_leaves_no_moment_without_routes() -> None:
    """RFC 4724: as when a DaemonSet is rolled."""
    world = World(SPEAKERS, ROUTERS, 7)
    for speaker in range(SPEAKERS):
        world.change(speaker, {PREFIXES[speaker % 40]: RouteAttributes()})
    world.run_for(10.0)
    same_everywhere(world)
    for links in world.links:
        for link in links.values():
            link.restart_speaker()
        for _ in range(20):
            world.run_for(0.01)
            assert all(link.table.routes for link in world.all_links())
    world.run_for(QUIET_SECONDS)
    same_everywhere(world)


def test_nothing_is_said_twice_on_a_quiet_network() -> None:
    world = World(SPEAKERS, ROUTERS, 3)
    world.run_for(5.0)
    for speaker in range(SPEAKERS):
        world.change(speaker, {PREFIXES[0]: RouteAttributes()})
    world.run_for(60.0)
    same_everywhere(world)
    for link in world.all_links():
        assert not link.downs
        updates = [n for kind, n in link.speaker.counters.sent.items() if kind.name == "UPDATE"]
        assert updates == [2 + 1]  # the ends of both families, and the route
