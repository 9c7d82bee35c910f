"""Which addresses Services get, keep and ask for: one situation a test."""

from __future__ import annotations

from support.objects import class_object, service_object
from support.outcomes import ASSIGNED, CLASS, DUAL, REQUEST, settled, words, world_of
from support.world import Leader


def test_a_service_gets_the_first_address_and_says_so() -> None:
    world, _ = settled(class_object(isDefault=True), service_object("web"))
    assert world.addresses("web") == ["10.0.0.1"]
    assert words(world, "web", CLASS) == ("True", "LoadBalancerClassBound", "ingress")
    assert words(world, "web", ASSIGNED) == (
        "True",
        "AllIPsAssigned",
        "1 of 1 public IPs were assigned",
    )
    assert world.condition("web", REQUEST) is None
    assert world.vips()["10.0.0.1"].spec.pool == "ingress"


def test_the_ledger_is_written_before_the_status() -> None:
    world = world_of(class_object(isDefault=True), service_object("web"))
    leader = Leader(world)
    leader.step()
    kinds = [write.target.kind for write in leader.under_way]
    assert "VirtualIP" in kinds
    assert "Service" not in kinds
    leader.settle()
    order = [ref[0] for ref, _, value in world.history if ref[0] in ("VirtualIP", "Service")]
    assert order == ["Service", "VirtualIP", "Service"]


def test_several_addresses_of_both_families_are_given() -> None:
    world, _ = settled(
        class_object(ranges=("10.0.0.0/29", "fd00::/120"), isDefault=True),
        service_object("web", count="2", **DUAL),
    )
    assert world.addresses("web") == ["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"]
    assert words(world, "web", ASSIGNED)[2] == "4 of 4 public IPs were assigned"


def test_the_ends_of_a_prefix_are_given_only_where_a_range_names_them() -> None:
    world, leader = settled(
        class_object(ranges=("10.0.0.0/30", "10.0.1.0-10.0.1.1"), isDefault=True),
        service_object("web", count="4"),
        service_object("net", ips="10.0.0.0"),
        service_object("broadcast", ips="10.0.0.3"),
    )
    assert world.addresses("web") == ["10.0.0.1", "10.0.0.2", "10.0.1.0", "10.0.1.1"]
    for name in ("net", "broadcast"):
        assert world.addresses(name) == []
        assert words(world, name, REQUEST)[1] == "RequestedAddressOutsideClass"
    world.put(class_object(ranges=("10.0.0.0/30", "10.0.0.0", "10.0.0.3"), isDefault=True))
    leader.settle()
    assert world.addresses("net") == ["10.0.0.0"]
    assert world.addresses("broadcast") == ["10.0.0.3"]


def test_requested_addresses_are_given_in_their_order() -> None:
    world, _ = settled(
        class_object(isDefault=True),
        service_object("web", count="3", ips="10.0.0.7, 10.0.0.3"),
    )
    assert world.addresses("web") == ["10.0.0.7", "10.0.0.3", "10.0.0.1"]


def test_who_asks_for_an_address_by_name_is_served_before_who_takes_any() -> None:
    world, _ = settled(
        class_object(ranges=("10.0.0.1-10.0.0.2",), isDefault=True),
        service_object("any", created="2026-01-01T00:00:00Z"),
        service_object("first", ips="10.0.0.1", created="2026-01-02T00:00:00Z"),
    )
    assert world.addresses("first") == ["10.0.0.1"]
    assert world.addresses("any") == ["10.0.0.2"]


def test_older_services_are_served_first_when_addresses_are_few() -> None:
    world, _ = settled(
        class_object(ranges=("10.0.0.1",), isDefault=True),
        service_object("young", created="2026-02-01T00:00:00Z"),
        service_object("old", created="2026-01-01T00:00:00Z"),
    )
    assert world.addresses("old") == ["10.0.0.1"]
    assert world.addresses("young") == []
    assert words(world, "young", ASSIGNED) == (
        "False",
        "NotAllIPsAssigned",
        "0 of 1 public IPs were assigned",
    )
    status, reason, message = words(world, "young", REQUEST)
    assert (status, reason) == ("False", "NoFreeAddress")
    assert "class ingress has no free IPv4 address (1 in its ranges), 1 more wanted" in message


def test_a_waiting_service_gets_an_address_that_comes_free() -> None:
    world, leader = settled(
        class_object(ranges=("10.0.0.1",), isDefault=True),
        service_object("old"),
        service_object("young", created="2026-02-01T00:00:00Z"),
    )
    world.delete("Service", "old", "default")
    leader.settle()
    assert world.addresses("young") == ["10.0.0.1"]
    assert words(world, "young", REQUEST) == ("True", "RequestMet", "")


def test_a_waiting_service_gets_an_address_when_a_range_is_added() -> None:
    world, leader = settled(class_object(ranges=(), isDefault=True), service_object("web"))
    assert words(world, "web", REQUEST)[1] == "FamilyNotInClass"
    world.put(class_object(ranges=("10.0.0.5",), isDefault=True))
    leader.settle()
    assert world.addresses("web") == ["10.0.0.5"]


def test_who_waits_for_a_certain_address_gets_it_when_it_comes_free() -> None:
    world, leader = settled(
        class_object(isDefault=True),
        service_object("holder"),
        service_object("wants", ips="10.0.0.1", created="2026-02-01T00:00:00Z"),
    )
    holder, wants = world.addresses("holder"), world.addresses("wants")
    assert {"10.0.0.1"} == set(wants) or words(world, "wants", REQUEST)[1]
    world.delete("Service", "holder", "default")
    leader.settle()
    assert world.addresses("wants") == ["10.0.0.1"]
    assert holder != world.addresses("wants") or wants == []


def test_an_address_that_cannot_be_had_costs_nothing_that_is_held() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("a"), service_object("b"))
    assert (world.addresses("a"), world.addresses("b")) == (["10.0.0.1"], ["10.0.0.2"])
    world.put(service_object("b", ips="10.0.0.1"))
    leader.settle()
    assert world.addresses("b") == ["10.0.0.2"]
    assert words(world, "b", REQUEST)[1:] == (
        "RequestedAddressInUse",
        (
            "10.0.0.1 is held by Service default/a; to share it, both need the same sharing key "
            "and different ports"
        ),
    )
    world.delete("Service", "a", "default")
    leader.settle()
    assert world.addresses("b") == ["10.0.0.1"]
    assert set(world.vips()) == {"10.0.0.1"}


def test_an_address_outside_the_class_is_refused() -> None:
    world, _ = settled(class_object(isDefault=True), service_object("web", ips="10.9.9.9"))
    assert world.addresses("web") == []
    assert words(world, "web", REQUEST)[1:] == (
        "RequestedAddressOutsideClass",
        "10.9.9.9 is requested, but class ingress has only 10.0.0.1-10.0.0.9",
    )


def test_a_wish_that_makes_no_sense_costs_nothing_that_is_held() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web", count="3"))
    before = world.addresses("web")
    assert len(before) == 3
    world.put(service_object("web", count="lots"))
    leader.settle()
    assert world.addresses("web") == before
    assert words(world, "web", REQUEST)[1] == "InvalidAddressCount"
    world.put(service_object("web", count="2"))
    leader.settle()
    assert world.addresses("web") == before[:2]
    assert words(world, "web", REQUEST)[0] == "True"


def test_a_count_of_a_million_gets_one_address_and_a_reason() -> None:
    world, _ = settled(class_object(isDefault=True), service_object("web", count="1000000"))
    assert world.addresses("web") == ["10.0.0.1"]
    assert "'1000000'; a whole number from 1 to 256 is wanted" in words(world, "web", REQUEST)[2]
    assert [(e.reason, e.is_warning) for e in world.events] == [("InvalidAddressCount", True)]


def test_prefer_dual_stack_is_content_with_the_family_that_the_class_has() -> None:
    world, _ = settled(
        class_object(isDefault=True),
        service_object("web", **{**DUAL, "ipFamilyPolicy": "PreferDualStack"}),
    )
    assert world.addresses("web") == ["10.0.0.1"]
    assert words(world, "web", ASSIGNED)[2] == "1 of 1 public IPs were assigned"


def test_require_dual_stack_is_not() -> None:
    world, _ = settled(class_object(isDefault=True), service_object("web", **DUAL))
    assert world.addresses("web") == ["10.0.0.1"]
    assert words(world, "web", ASSIGNED)[2] == "1 of 2 public IPs were assigned"
    assert "class ingress has no IPv6 addresses" in words(world, "web", REQUEST)[2]
