"""Pools that are disabled and drained: Services move to others, one after another."""

from __future__ import annotations

from typing import Any

from support.objects import advertisement_object, class_object, pool_object, service_object
from support.outcomes import settled

ADV = advertisement_object()
NAMES = "abcd"


def drained(**spec: Any) -> dict[str, Any]:
    return pool_object("old", disabled=True, drainMovesPerMinute=1, **spec)


def test_services_move_one_after_another_when_others_have_room() -> None:
    world, leader = settled(pool_object("old"), ADV, *(service_object(name) for name in NAMES))
    world.put(pool_object("new", ("10.0.1.1-10.0.1.3",)))
    leader.settle()
    world.put(drained())
    seen: list[int] = []
    while leader.is_late or leader.reconciler.has_work() or len(seen) < 8:
        while leader.is_late:
            leader.deliver()
        leader.step()
        while leader.under_way:
            leader.execute()
        seen.append(sum(world.addresses(name)[0].startswith("10.0.1.") for name in NAMES))
        leader.now += 30
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2, 3}  # the fourth finds nothing, and keeps what it has
    leader.settle()
    assert [world.addresses(name) for name in NAMES] == [
        ["10.0.1.1"], ["10.0.1.2"], ["10.0.1.3"], ["10.0.0.4"],
    ]  # fmt: skip
    world.put(pool_object("new", ("10.0.1.1-10.0.1.9",)))
    leader.now += 300
    leader.settle()
    assert world.addresses("d") == ["10.0.1.4"]
    assert set(world.vips()) == {f"10.0.1.{number}" for number in range(1, 5)}
    leader.reconciler.allocator.check_invariants()


def test_an_address_is_given_up_only_when_there_is_another() -> None:
    """At no moment has a Service fewer addresses than it asks for."""
    world, leader = settled(
        pool_object("old", ("10.0.0.1-10.0.0.9", "fd00::1-fd00::9")), ADV,
        service_object(ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="RequireDualStack"),
    )  # fmt: skip
    world.put(pool_object("new", ("10.0.1.1-10.0.1.9",)))
    world.put(drained(addresses=["10.0.0.1-10.0.0.9", "fd00::1-fd00::9"]))
    leader.settle()
    assert world.addresses("web") == ["10.0.0.1", "fd00::1"]
    began = len(world.history)
    world.put(pool_object("six", ("fd01::1-fd01::9",)))
    leader.now += 300
    leader.settle()
    assert world.addresses("web") == ["10.0.1.1", "fd01::1"]
    for (kind, _, name), _, value in world.history[began:]:
        if (kind, name) == ("Service", "web"):
            assert value is not None
            assert len(value["status"]["loadBalancer"]["ingress"]) == 2


def test_a_pool_that_is_not_disabled_and_a_class_are_not_drained() -> None:
    world, leader = settled(
        pool_object("old", drainMovesPerMinute=60),
        pool_object("pool", ("10.0.1.1-10.0.1.9",)),
        ADV,
        class_object("front", ("10.0.2.1-10.0.2.9",), disabled=True, drainMovesPerMinute=60),
        service_object("a"),
        service_object("b", class_annotation="front"),
    )
    assert world.addresses("b") == []
    assert world.addresses("a") == ["10.0.0.1"]
    leader.now += 100
    leader.settle()
    assert world.addresses("a") == ["10.0.0.1"]
