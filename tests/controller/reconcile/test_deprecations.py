"""metallb.md §1.7: who writes annotations of the old prefix is told, once."""

from __future__ import annotations

from typing import Any

import pytest

from metallb_controller.reconcile.deprecations import REASON
from support.objects import advertisement_object, pool_object, service_object
from support.outcomes import settled
from support.world import Leader, World

OLD, NEW = "metallb.universe.tf", "metallb.io"
POOL: list[dict[str, Any]] = [pool_object("front", ("10.0.0.1-10.0.0.9",)), advertisement_object()]


def told(world: World) -> list[str]:
    return [event.message for event in world.events if event.reason == REASON]


def test_1_7_it_is_said_at_creation_and_when_another_is_written() -> None:
    world, leader = settled(*POOL)
    world.put(service_object(annotations={f"{OLD}/address-pool": "front"}))
    leader.settle()
    assert told(world) == [f"{OLD}/address-pool is deprecated, write {NEW}/address-pool"]
    assert all(event.is_warning for event in world.events if event.reason == REASON)
    world.put(service_object(annotations={f"{OLD}/address-pool": "other"}))
    leader.settle()
    assert len(told(world)) == 1  # the same annotation as before
    both = {f"{OLD}/address-pool": "front", f"{OLD}/allow-shared-ip": "k"}
    world.put(service_object(annotations=both))
    leader.settle()
    [later] = told(world)[1:]
    assert later == (
        f"{OLD}/address-pool is deprecated, write {NEW}/address-pool, "
        f"{OLD}/allow-shared-ip is deprecated, write {NEW}/allow-shared-ip"
    )


def test_another_prefix_for_the_same_text_is_enough() -> None:
    world, leader = settled(*POOL)
    world.put(service_object(annotations={f"{NEW}/loadBalancerIPs": "10.0.0.5"}))
    leader.settle()
    assert told(world) == []
    world.put(service_object(annotations={f"{OLD}/loadBalancerIPs": "10.0.0.5"}))
    leader.settle()
    assert len(told(world)) == 1


def test_the_next_leader_does_not_say_it_again() -> None:
    world, leader = settled(*POOL)
    world.put(service_object(annotations={f"{OLD}/address-pool": "front"}))
    leader.settle()
    Leader(world, leader.now).settle()
    assert len(told(world)) == 1


@pytest.mark.parametrize("spec", [{"loadBalancerClass": "other"}, {"type": "ClusterIP"}])
def test_services_of_others_are_not_told(spec: dict[str, Any]) -> None:
    world, leader = settled(*POOL)
    world.put(service_object(annotations={f"{OLD}/address-pool": "front"}, **spec))
    leader.settle()
    assert told(world) == []
    world.put(service_object(annotations={f"{OLD}/address-pool": "front"}))
    leader.settle()
    assert len(told(world)) == 1  # now it is ours


def test_who_does_without_it_before_the_decision_is_not_told() -> None:
    world, leader = settled(*POOL)
    world.put(service_object(annotations={f"{OLD}/address-pool": "front"}))
    leader.deliver()
    world.put(service_object())
    leader.settle()
    assert told(world) == []
    world.delete("Service", "web", "default")
    leader.settle()
    assert told(world) == []
