"""When addresses are released, and who is served at all: one situation a test."""

from __future__ import annotations

import pytest

from support.objects import class_object, service_object
from support.outcomes import CLASS, settled, words, world_of
from support.world import Leader


@pytest.mark.parametrize("how", ["deleted", "type", "class"])
def test_an_address_is_released_when_nobody_wants_it(how: str) -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web"))
    match how:
        case "deleted":
            world.delete("Service", "web", "default")
        case "type":
            world.put(service_object("web", type="ClusterIP"))
        case "class":
            world.delete("MetalLoadBalancerClass", "ingress")
    leader.settle()
    assert world.vips() == {}
    if how == "type":
        assert world.service("web")["status"] == {
            "loadBalancer": {"ingress": []},
            "conditions": [],
        }
    if how == "class":
        assert world.addresses("web") == []
        assert words(world, "web", CLASS) == ("False", "LoadBalancerClassDeleted", "ingress")
        assert "is deleted; 1 addresses are released" in world.events[0].message
        assert "does not exist any more" in world.events[-1].message


def test_the_status_lets_go_before_the_ledger_does() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web", count="2"))
    start = len(world.history)
    world.put(service_object("web", count="1"))
    leader.settle()
    changes = [
        (ref[0], value is None)
        for ref, _, value in world.history[start + 1 :]
        if ref[0] in ("Service", "VirtualIP")
    ]
    assert changes == [("Service", False), ("VirtualIP", True)]


def test_a_service_that_is_being_deleted_keeps_its_address_until_it_is_gone() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web"))
    world.put(service_object("web", deleting=True))
    leader.settle()
    assert set(world.vips()) == {"10.0.0.1"}
    world.delete("Service", "web", "default")
    leader.settle()
    assert world.vips() == {}


def test_a_class_that_comes_back_serves_those_that_were_bound_to_it() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web"))
    world.delete("MetalLoadBalancerClass", "ingress")
    world.put(class_object("other", ranges=("10.1.0.1",), isDefault=True))
    leader.settle()
    assert world.addresses("web") == []
    world.put(class_object())
    leader.settle()
    assert world.addresses("web") == ["10.0.0.1"]


def test_without_its_condition_a_service_is_bound_anew() -> None:
    world, leader = settled(
        class_object(isDefault=True),
        class_object("other", ranges=("10.1.0.1",)),
        service_object("web", class_annotation="ingress"),
    )
    changed = service_object("web", class_annotation="other")
    world.put(changed)
    leader.settle()
    assert world.addresses("web") == ["10.0.0.1"]
    world.objects[("Service", "default", "web")]["status"]["conditions"] = []
    world.put(changed)
    leader.settle()
    assert world.addresses("web") == ["10.1.0.1"]
    assert set(world.vips()) == {"10.1.0.1"}


def test_foreign_services_are_not_touched() -> None:
    foreign = service_object("web", loadBalancerClass="other.vendor/lb", ingress=("9.9.9.9",))
    world = world_of(class_object(isDefault=True))
    world.put(foreign)
    before = world.version
    leader = Leader(world)
    leader.settle()
    assert world.service("web")["metadata"]["resourceVersion"] == str(before)


def test_an_annotation_that_names_no_class_is_refused_with_a_reason() -> None:
    world, leader = settled(
        class_object(isDefault=True), service_object("web", class_annotation="ingres")
    )
    assert words(world, "web", CLASS) == (
        "False",
        "LoadBalancerClassUnknown",
        (
            "there is no class 'ingres', which annotation "
            "network.deckhouse.io/metal-load-balancer-class names; there are ingress"
        ),
    )
    assert world.addresses("web") == []
    world.put(service_object("web", class_annotation="ingress"))
    leader.settle()
    assert world.addresses("web") == ["10.0.0.1"]


def test_addresses_of_others_in_a_refused_service_stay() -> None:
    world = world_of(class_object())
    world.put(service_object("web", class_annotation="x", ingress=()))
    world.objects[("Service", "default", "web")]["status"]["loadBalancer"] = {}
    Leader(world).settle()
    assert world.addresses("web") == []


def test_foreign_conditions_are_kept() -> None:
    foreign = {"type": "Foreign", "status": "True", "reason": "X", "message": ""}
    world, _ = settled(class_object(isDefault=True), service_object("web", conditions=(foreign,)))
    assert world.condition("web", "Foreign") == foreign
