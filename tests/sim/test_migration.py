"""Plans of moves come true: random clusters, the plan's entries in the ledger, then a leader.

What the plan says of each Service is what the leader does, and no address that a Service is to
keep is ever missing in its status, from before to the end.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from typing import Any

import pytest

from metallb.api.virtual_ips import to_object
from metallb_controller.migrate.cluster import Origin
from metallb_controller.migrate.move import Move, plan_move
from metallb_controller.migrate.plan import Fate
from support.objects import (
    NAMESPACE,
    advertisement_object,
    bound_condition,
    class_object,
    namespace_object,
    pool_object,
    service_object,
)
from support.situations import NOW
from support.world import Leader, World

SEEDS = range(150)
LEAST = {Fate.KEEPS: 250, Fate.LOSES: 100, Fate.GETS: 100, Fate.WAITS: 50, Fate.FOREIGN: 50}
"""So many Services of each fate there are at least in all clusters."""

JsonObject = dict[str, Any]


def cluster(chance: random.Random) -> list[JsonObject]:
    """Make a cluster that somebody else has served, not always well."""
    objects = [
        namespace_object("a", team="a"),
        namespace_object("b"),
        advertisement_object(),
        pool_object("free", ("10.0.0.0/29", "fd00::8/125"), avoidBuggyIPs=chance.random() < 0.3),
        pool_object("named", ("10.0.1.0/30",), autoAssign=False),
        pool_object("pinned", ("10.0.2.0/30",), serviceAllocation={"namespaces": ["a"]}),
    ]
    if chance.random() < 0.5:
        is_default = chance.random() < 0.3
        objects.append(class_object("front", ("10.0.3.1-10.0.3.3",), isDefault=is_default))
    return objects + [service(chance, number) for number in range(chance.randint(3, 14))]


def service(chance: random.Random, number: int) -> JsonObject:
    """Make a Service that has addresses, or waits."""
    annotations = {}
    if chance.random() < 0.3:
        annotations["metallb.io/allow-shared-ip"] = "key"
    if chance.random() < 0.2:
        annotations["metallb.io/address-pool"] = chance.choice(["free", "named"])
    if chance.random() < 0.15:
        annotations["metallb.io/loadBalancerIPs"] = address(chance)
    spec: JsonObject = {}
    if chance.random() < 0.1:
        spec["loadBalancerClass"] = chance.choice(["theirs", "front"])
    if chance.random() < 0.2:
        spec["externalTrafficPolicy"] = "Local"
    if chance.random() < 0.3:
        spec |= {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}
    shown = [address(chance)] if chance.random() < 0.7 else []
    if "ipFamilies" in spec and chance.random() < 0.5:
        shown.append(f"fd00::{chance.randint(9, 15):x}")
    return service_object(
        f"s{number}",
        namespace=chance.choice("ab"),
        created=f"2026-01-01T00:00:{chance.randint(0, 59):02}Z",
        ports=(("TCP", chance.choice([80, 81, 82])),),
        ingress=tuple(shown),
        conditions=(bound_condition("front"),) if chance.random() < 0.15 else (),
        annotations=annotations,
        **spec,
    )


def address(chance: random.Random) -> str:
    return f"10.0.{chance.randint(0, 3)}.{chance.randint(0, 4)}"


def planned(objects: list[JsonObject]) -> Move:
    found: dict[str, list[JsonObject]] = {}
    for item in objects:
        found.setdefault(item["kind"], []).append(item)
    return plan_move(dict(found), Origin.METALLB, NOW, "", namespace=NAMESPACE)


def carried_out(objects: list[JsonObject], move: Move) -> World:
    """Enter what the plan says, and let a leader come."""
    world = World()
    world.is_checked = False  # who shows what the ledger has for others is about to lose it
    for item in objects:
        world.put(copy.deepcopy(item))
    for vip in move.plan.entries:
        world.put(to_object(vip))
    Leader(world).settle()
    world.check()
    return world


def shown_in(value: JsonObject) -> set[str]:
    return {item["ip"] for item in value["status"]["loadBalancer"].get("ingress", [])}


def history(world: World, namespace: str, name: str) -> list[set[str]]:
    """Give the addresses of a Service in each of its states."""
    ref = ("Service", namespace, name)
    return [shown_in(value) for of, _, value in world.history if of == ref and value is not None]


def test_what_a_plan_says_comes_true() -> None:
    fates: Counter[Fate] = Counter()
    for seed in SEEDS:
        objects = cluster(random.Random(seed))
        move = planned(objects)
        world = carried_out(objects, move)
        for row in move.plan.services:
            fates[row.fate] += 1
            states = history(world, *row.key)
            kept = {str(item) for item in row.kept}
            what = f"seed {seed}: {row.key} {row.fate}: {states}"
            if row.fate is Fate.FOREIGN:
                assert len(states) == 1, what
                continue
            assert all(kept <= state for state in states), what
            assert states[-1] == kept | {str(item) for item in row.new}, what
    assert not {fate: count for fate, count in LEAST.items() if fates[fate] < count}, fates


def test_a_second_plan_has_nothing_to_enter() -> None:
    for seed in SEEDS[::10]:
        objects = cluster(random.Random(seed))
        world = carried_out(objects, planned(objects))
        again = planned(list(world.objects.values()))
        assert again.plan.entries == (), f"seed {seed}"
        assert {row.fate for row in again.plan.services} <= {*Fate} - {Fate.LOSES, Fate.GETS}


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_a_plan_does_not_depend_on_the_order_of_the_objects(seed: int) -> None:
    objects = cluster(random.Random(seed))
    mixed = objects[:]
    random.Random(seed).shuffle(mixed)
    first, second = planned(objects).plan, planned(mixed).plan
    assert first.services == second.services
    assert first.entries == second.entries
