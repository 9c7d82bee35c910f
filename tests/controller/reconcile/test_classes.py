"""What classes say of themselves, and what is wrong in them: one situation a test."""

from __future__ import annotations

from typing import Any

import pytest

from support.objects import class_object, service_object
from support.outcomes import settled


def test_a_class_says_how_it_is() -> None:
    world, _ = settled(class_object(isDefault=True), service_object("web"))
    status = world.objects[("MetalLoadBalancerClass", "", "ingress")]["status"]
    assert status["addresses"] == {"total": 9, "used": 1, "free": 8}
    assert status["eligibleNodes"] == 3
    ready = world.class_condition("ingress", "Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"]) == ("True", "Serving")
    default = world.class_condition("ingress", "Default")
    assert default is not None
    assert default["status"] == "True"


def test_of_two_defaults_the_older_serves_and_the_younger_says_so() -> None:
    world, _ = settled(
        class_object("old", ("10.0.0.1/30",), isDefault=True, created="2025-01-01T00:00:00Z"),
        class_object("new", ("10.1.0.1/30",), isDefault=True, created="2026-01-01T00:00:00Z"),
        service_object("web"),
    )
    assert world.addresses("web") == ["10.0.0.1"]
    found = world.class_condition("new", "Default")
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", "OlderDefault")
    assert [event.reason for event in world.events] == ["OlderDefault"]


def test_overlapping_classes_are_told_and_the_rest_of_both_serves() -> None:
    world, _ = settled(
        class_object("old", ("10.0.0.1-10.0.0.3",), created="2025-01-01T00:00:00Z"),
        class_object("new", ("10.0.0.3-10.0.0.4",), created="2026-01-01T00:00:00Z"),
        service_object("a", class_annotation="old", count="3"),
        service_object("b", class_annotation="new", count="2"),
    )
    assert world.addresses("a") == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert world.addresses("b") == ["10.0.0.4"]
    found = world.class_condition("new", "Conflict")
    assert found is not None
    assert found["message"] == (
        ".spec.addressPool[0]: '10.0.0.3-10.0.0.4' overlaps with '10.0.0.1-10.0.0.3' of class "
        "old, which is older and keeps 10.0.0.3"
    )
    kept = world.class_condition("old", "Conflict")
    assert kept is not None
    assert kept["message"] == (
        ".spec.addressPool[0]: '10.0.0.1-10.0.0.3' overlaps with '10.0.0.3-10.0.0.4' of class "
        "new, which is younger and goes without 10.0.0.3"
    )


def test_a_range_that_repeats_within_a_class_does_no_harm() -> None:
    world, _ = settled(
        class_object(ranges=("10.0.0.1-10.0.0.2", "10.0.0.2-10.0.0.3"), isDefault=True),
        service_object("web", count="3"),
    )
    assert world.addresses("web") == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert world.class_condition("ingress", "Conflict") is None


def test_a_malformed_range_is_told_and_the_others_serve() -> None:
    world, _ = settled(
        class_object(ranges=("10.0.0.x", "10.0.0.1/30"), isDefault=True), service_object("web")
    )
    assert world.addresses("web") == ["10.0.0.1"]
    found = world.class_condition("ingress", "Valid")
    assert found is not None
    assert found["status"] == "False"
    assert ".spec.addressPool[0]" in found["message"]
    assert [event.reason for event in world.events] == ["InvalidSpec"]


def test_a_holder_keeps_its_address_when_the_range_is_narrowed() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web", ips="10.0.0.9"))
    world.put(class_object(ranges=("10.0.0.1-10.0.0.3",), isDefault=True))
    leader.settle()
    assert world.addresses("web") == ["10.0.0.9"]
    found = world.class_condition("ingress", "AddressesOutsideRanges")
    assert found is not None
    assert "10.0.0.9" in found["message"]
    world.delete("Service", "web", "default")
    leader.settle()
    found = world.class_condition("ingress", "AddressesOutsideRanges")
    assert found is not None
    assert found["status"] == "False"


def test_an_exhausted_class_says_so() -> None:
    world, _ = settled(class_object(ranges=("10.0.0.1",), isDefault=True), service_object("web"))
    found = world.class_condition("ingress", "Exhausted")
    assert found is not None
    assert found["message"] == "1 of 1 addresses are held"


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"type": "BGP"}, "UnsupportedType", "only type L2"),
        ({"addressPool": []}, "NoAddresses", "no range"),
        ({"nodeSelector": {"x": "y"}}, "NoEligibleNodes", "NotSelected: a, b, c"),
    ],
)
def test_a_class_that_cannot_serve_says_why(
    change: dict[str, Any], reason: str, words: str
) -> None:
    value = class_object()
    value["spec"] |= change
    world, _ = settled(value)
    found = world.class_condition("ingress", "Ready")
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", reason)
    assert words in found["message"]


def test_a_class_without_any_node_says_so_and_addresses_are_given_all_the_same() -> None:
    world, _ = settled(class_object(isDefault=True), service_object("web"), nodes="")
    found = world.class_condition("ingress", "Ready")
    assert found is not None
    assert "there are no nodes" in found["message"]
    assert world.addresses("web") == ["10.0.0.1"]
    assert world.vips()["10.0.0.1"].spec.layer2.nodes == ()


def test_a_class_that_selects_no_node_says_what_it_looks_for_and_who_is_refused() -> None:
    world, _ = settled(class_object(nodeSelector={"edge": "yes", "rack": "a"}))
    found = world.class_condition("ingress", "Ready")
    assert found is not None
    assert found["message"] == "nodeSelector edge=yes,rack=a: NotSelected: a, b, c"


def test_a_class_status_is_not_written_more_often_than_once_a_second() -> None:
    world, leader = settled(class_object(isDefault=True))
    start = len(world.history)
    for number in range(5):
        world.put(service_object(f"s{number}"))
        while leader.is_late:
            leader.deliver()
        leader.step()
        while leader.under_way:
            leader.execute()
        leader.now += 0.1
    written = [ref for ref, _, _ in world.history[start:] if ref[0] == "MetalLoadBalancerClass"]
    assert len(written) <= 1
