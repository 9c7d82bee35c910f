"""Situations for the reconciler: a world with some objects in it, and what came of them."""

from __future__ import annotations

from typing import Any

from metallb.api.conditions import ServiceCondition
from support.objects import lease_of_speaker, node_object
from support.world import Leader, World

CLASS, ASSIGNED, REQUEST = (
    ServiceCondition.CLASS,
    ServiceCondition.ASSIGNED,
    ServiceCondition.REQUEST,
)
DUAL: dict[str, Any] = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}


def world_of(*objects: dict[str, Any], nodes: str = "abc") -> World:
    """Make a world with some nodes, each with its speaker, and some objects."""
    world = World()
    for name in nodes:
        world.put(node_object(name))
        world.put(lease_of_speaker(name))
    for value in objects:
        world.put(value)
    return world


def settled(*objects: dict[str, Any], nodes: str = "abc") -> tuple[World, Leader]:
    """Make such a world, and let a leader do all that there is to do."""
    world = world_of(*objects, nodes=nodes)
    leader = Leader(world)
    leader.settle()
    return world, leader


def words(world: World, name: str, kind: str) -> tuple[str, str, str]:
    """Give status, reason and message of a condition of a Service."""
    found = world.condition(name, kind)
    assert found is not None, f"{name} has no condition {kind}"
    return found["status"], found["reason"], found["message"]


def told(world: World) -> list[tuple[str, str, str]]:
    """Give kind, name and reason of the Events, each of which is a warning."""
    assert all(event.is_warning for event in world.events)
    return [(e.about.kind, e.about.key.name, e.reason) for e in world.events]
