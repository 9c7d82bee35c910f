"""An address that is kept for a Service which is deleted and created again."""

from __future__ import annotations

from typing import Any

import pytest

from metallb.api.meta import ObjectKey
from metallb.api.virtual_ips import to_object
from support.objects import advertisement_object, class_object, pool_object, service_object
from support.outcomes import REQUEST, settled, words
from support.world import Leader, World

ADV = advertisement_object()
WEB = ObjectKey("default", "web")


def pool_of(kind: str, **spec: Any) -> list[dict[str, Any]]:
    if kind == "class":
        return [class_object(ranges=("10.0.0.1",), isDefault=True, **spec)]
    return [pool_object(ranges=("10.0.0.1",), **spec), ADV]


def kept(world: World) -> tuple[ObjectKey, ...]:
    (entry,) = world.vips().values()
    return () if entry.spec.retained is None else entry.spec.retained.services


@pytest.mark.parametrize("kind", ["class", "pool"])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_it_comes_back_to_the_same_service_and_to_nobody_else(
    kind: str, is_restarted: bool
) -> None:
    world, leader = settled(*pool_of(kind, retentionSeconds=3600), service_object())
    world.delete("Service", "web", "default")
    leader.settle()
    assert kept(world) == (WEB,)
    assert world.vips()["10.0.0.1"].spec.layer2.nodes == ()
    if is_restarted:
        leader = Leader(world, now=leader.now)
    world.put(service_object("other"))
    leader.settle()
    assert world.addresses("other") == []
    assert words(world, "other", REQUEST)[0] == "False"
    world.put(service_object())
    leader.settle()
    assert world.addresses("web") == ["10.0.0.1"]
    assert world.vips()["10.0.0.1"].spec.retained is None
    leader.reconciler.allocator.check_invariants()


def test_after_its_time_it_is_anybodys() -> None:
    world, leader = settled(*pool_of("pool", retentionSeconds=3600), service_object())
    world.delete("Service", "web", "default")
    leader.settle()
    world.put(service_object("other"))
    leader.settle()
    assert world.addresses("other") == []
    leader.now += 3601
    leader.settle()
    assert world.addresses("other") == ["10.0.0.1"]
    assert kept(world) == ()


def test_the_entry_goes_in_the_end_and_a_timer_tells_when() -> None:
    world, leader = settled(*pool_of("class", retentionSeconds=3600), service_object())
    world.delete("Service", "web", "default")
    leader.settle()
    began_at = leader.now
    while world.vips():
        timer = leader.reconciler.get_timer()
        assert timer is not None
        leader.now = max(timer, leader.now)
        leader.settle()
    assert 3590 < leader.now - began_at < 3610


@pytest.mark.parametrize(("seconds", "is_kept"), [("3600", True), ("0", False)])
def test_the_services_own_wish_goes_before_the_pools(seconds: str, is_kept: bool) -> None:
    wish = {"network.deckhouse.io/load-balancer-retention-seconds": seconds}
    spec = {} if is_kept else {"retentionSeconds": 3600}
    world, leader = settled(*pool_of("pool", **spec), service_object(annotations=wish))
    world.delete("Service", "web", "default")
    leader.settle()
    assert bool(world.vips()) is is_kept


def test_what_others_still_hold_is_not_kept() -> None:
    key = {"metallb.io/allow-shared-ip": "k"}
    world, leader = settled(
        *pool_of("pool", retentionSeconds=3600),
        service_object(annotations=key),
        service_object("other", annotations=key, ports=(("TCP", 81),)),
    )
    world.delete("Service", "web", "default")
    leader.settle()
    assert kept(world) == ()
    assert world.addresses("other") == ["10.0.0.1"]


def test_a_service_that_changes_its_type_keeps_nothing() -> None:
    world, leader = settled(*pool_of("pool", retentionSeconds=3600), service_object())
    world.put({**world.service("web"), "spec": {"type": "ClusterIP"}})
    leader.settle()
    assert world.vips() == {}


def test_who_comes_back_while_nobody_leads_finds_it_kept() -> None:
    world, leader = settled(*pool_of("pool", retentionSeconds=3600), service_object())
    world.delete("Service", "web", "default")
    leader.settle()
    world.put(service_object("other", created="2025-01-01T00:00:00Z"))
    world.put(service_object())
    Leader(world, now=leader.now).settle()
    assert world.addresses("web") == ["10.0.0.1"]
    assert world.addresses("other") == []


def test_who_is_back_elsewhere_has_it_kept_whoever_leads() -> None:
    world, leader = settled(*pool_of("pool", retentionSeconds=3600), service_object())
    world.delete("Service", "web", "default")
    leader.settle()
    world.put(service_object(annotations={"metallb.io/address-pool": "nowhere"}))
    leader.settle()
    assert kept(world) == (WEB,)
    before = world.version
    Leader(world, now=leader.now).settle()
    assert world.version == before
    assert kept(world) == (WEB,)


def test_an_entry_that_comes_later_keeps_nothing_for_who_is_there() -> None:
    world, leader = settled(*pool_of("pool", retentionSeconds=3600), service_object())
    world.delete("Service", "web", "default")
    leader.settle()
    (entry,) = world.vips().values()
    leader.now += 3601
    leader.settle()
    assert world.vips() == {}
    world.put(service_object(annotations={"metallb.io/address-pool": "nowhere"}))
    leader.settle()
    world.put(to_object(entry))
    leader.settle()
    assert world.vips() == {}
    assert leader.reconciler.allocator.kept_for(entry.spec.address) == {}
