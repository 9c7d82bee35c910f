"""Bad input: a condition and an Event on the object that is wrong, which name the value and what
would be right; and the valid rest goes on.
"""

from __future__ import annotations

from typing import Any

import pytest

from support.objects import class_object, service_object
from support.outcomes import ASSIGNED, CLASS, REQUEST, settled, told, words
from support.world import Leader

OLD, NEW = "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"


def _class_words(world: Any, name: str, kind: str) -> tuple[str, str, str]:
    found = world.class_condition(name, kind)
    assert found is not None
    return found["status"], found["reason"], found["message"]


# -- classes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            "10.0.0.x",
            ("'10.0.0.x' is not a range of addresses ('10.0.0.x' is not an IPv4 or IPv6 address); "
            "write 192.0.2.0/24, 192.0.2.10-192.0.2.20 or 192.0.2.10"),
        ),
        (
            "10.0.0.0/33",
            ("'10.0.0.0/33' is not a prefix; write an address, a slash and a length, like "
            "192.0.2.0/24"),
        ),
        ("10.0.0.9-10.0.0.1", ("'10.0.0.9-10.0.0.1' ends before it begins; "
         "did you mean 10.0.0.1-10.0.0.9?")),
        (7, "a string is wanted, not 7"),
    ],
)  # fmt: skip
def test_a_malformed_range(item: object, message: str) -> None:
    ranges: Any = (item, "10.0.1.1-10.0.1.9")
    world, _ = settled(class_object(ranges=ranges, isDefault=True), service_object("web"))
    assert world.addresses("web") == ["10.0.1.1"]
    assert _class_words(world, "ingress", "Valid") == (
        "False",
        "InvalidSpec",
        f".spec.addressPool[0]: {message}",
    )
    assert told(world) == [("MetalLoadBalancerClass", "ingress", "InvalidSpec")]
    assert message in world.events[0].message


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"addressPool": "10.0.0.1"}, ".spec.addressPool"),
        ({"isDefault": "yes"}, ".spec.isDefault"),
        ({"nodeSelector": ["a"]}, ".spec.nodeSelector"),
        ({"nodeSelector": {"a": 1}}, ".spec.nodeSelector['a']"),
        ({"l2": "eth0"}, ".spec.l2"),
        ({"l2": {"interfaces": ["eth0", "a/b"]}}, ".spec.l2.interfaces[1]"),
        ({"l2": {"rebalancing": {"policy": "Often"}}}, ".spec.l2.rebalancing.policy"),
        ({"l2": {"rebalancing": {"movesPerMinute": 0}}}, ".spec.l2.rebalancing.movesPerMinute"),
        ({"type": "BGP"}, ".spec.type"),
    ],
)
def test_a_field_that_makes_no_sense(spec: dict[str, Any], path: str) -> None:
    """The schema refuses most of these; a class from before the schema must not stop anything."""
    bad = class_object("bad", ("10.0.0.1",))
    bad["spec"] |= spec
    world, _ = settled(
        bad, class_object("good", ("10.1.0.1",)), service_object("web", class_annotation="good")
    )
    status, reason, message = _class_words(world, "bad", "Valid")
    assert (status, reason) == ("False", "InvalidSpec")
    assert message.startswith(f"{path}: ")
    assert ("MetalLoadBalancerClass", "bad", "InvalidSpec") in told(world)
    assert world.addresses("web") == ["10.1.0.1"]


def test_a_class_that_is_mended_says_so_without_an_event() -> None:
    world, leader = settled(class_object(ranges=("x", "10.0.0.1"), isDefault=True))
    world.put(class_object(ranges=("10.0.0.1",), isDefault=True))
    leader.settle()
    assert _class_words(world, "ingress", "Valid") == ("True", "Valid", "")
    assert len(world.events) == 1


def test_overlapping_classes() -> None:
    world, _ = settled(
        class_object("old", ("10.0.0.1-10.0.0.3",), created=OLD),
        class_object("new", ("10.0.0.3-10.0.0.4",), created=NEW),
        service_object("a", class_annotation="old", count="3"),
        service_object("b", class_annotation="new"),
    )
    assert world.addresses("b") == ["10.0.0.4"]
    message = (
        ".spec.addressPool[0]: '10.0.0.3-10.0.0.4' overlaps with '10.0.0.1-10.0.0.3' of class "
        "old, which is older and keeps 10.0.0.3"
    )
    assert _class_words(world, "new", "Conflict") == ("True", "OverlappingRanges", message)
    assert ("MetalLoadBalancerClass", "new", "OverlappingRanges") in told(world)
    kept = (
        ".spec.addressPool[0]: '10.0.0.1-10.0.0.3' overlaps with '10.0.0.3-10.0.0.4' of class "
        "new, which is younger and goes without 10.0.0.3"
    )
    assert _class_words(world, "old", "Conflict") == ("True", "OverlappingRanges", kept)
    assert message in [event.message for event in world.events]


def test_several_defaults() -> None:
    world, _ = settled(
        class_object("new", ("10.1.0.1",), isDefault=True, created=NEW),
        class_object("old", ("10.0.0.1",), isDefault=True, created=OLD),
        service_object("web"),
    )
    assert world.addresses("web") == ["10.0.0.1"]
    message = "class old is the default too, is older, and wins"
    assert _class_words(world, "new", "Default") == ("False", "OlderDefault", message)
    assert told(world)[0] == ("MetalLoadBalancerClass", "new", "OlderDefault")
    assert world.events[0].message == message


# -- Services --------------------------------------------------------------------------------------


def _service_case(
    service: dict[str, Any], *others: dict[str, Any]
) -> tuple[list[str], tuple[str, str, str]]:
    """Serve a Service; gives its addresses, and its refusal, of which an Event has told too."""
    world, _ = settled(
        class_object(ranges=("10.0.0.1-10.0.0.4",), isDefault=True), *others, service
    )
    refusal = words(world, service["metadata"]["name"], REQUEST)
    assert told(world) == [("Service", service["metadata"]["name"], refusal[1])]
    assert world.events[0].message == refusal[2]
    return world.addresses(service["metadata"]["name"]), refusal


@pytest.mark.parametrize("count", ["1000000", "0", "-1", "two", "1.5", "", "9" * 400])
def test_a_count_that_makes_no_sense(count: str) -> None:
    addresses, (status, reason, message) = _service_case(service_object("web", count=count))
    assert addresses == ["10.0.0.1"]
    assert (status, reason) == ("False", "InvalidAddressCount")
    assert repr(count)[:40] in message
    assert "a whole number from 1 to 256 is wanted" in message
    assert len(message) < 300


def test_a_requested_address_outside_the_class() -> None:
    addresses, refusal = _service_case(service_object("web", count="2", ips="192.0.2.9, 10.0.0.3"))
    assert addresses == ["10.0.0.3"]
    assert refusal == (
        "False",
        "RequestedAddressOutsideClass",
        "192.0.2.9 is requested, but class ingress has only 10.0.0.1-10.0.0.4",
    )


def test_a_requested_address_that_is_none() -> None:
    addresses, (_, reason, message) = _service_case(
        service_object("web", count="2", ips="10.0.0.3;10.0.0.4,10.0.0.2")
    )
    assert addresses == ["10.0.0.2", "10.0.0.1"]
    assert reason == "InvalidRequestedAddress"
    assert "'10.0.0.3;10.0.0.4' is not an IPv4 or IPv6 address" in message
    assert "write addresses with commas between them" in message


def test_more_requested_addresses_than_the_count_raise_it() -> None:
    world, _ = settled(
        class_object(isDefault=True), service_object("web", ips="10.0.0.3,10.0.0.4", count="1")
    )
    assert world.addresses("web") == ["10.0.0.3", "10.0.0.4"]
    assert words(world, "web", ASSIGNED)[2] == "2 of 2 public IPs were assigned"
    assert world.condition("web", REQUEST) is None


def test_a_sharing_key_with_clashing_ports() -> None:
    holder = service_object("a", key="k", created=OLD, ports=(("TCP", 80), ("TCP", 443)))
    addresses, refusal = _service_case(
        service_object("b", key="k", created=NEW, ports=(("TCP", 443), ("UDP", 80))), holder
    )
    assert addresses == ["10.0.0.2"]
    assert refusal == (
        "False",
        "SharingRefused",
        (
            "10.0.0.1 cannot be shared under key 'k': Service default/a has TCP/443 on it; "
            "change the port or the key"
        ),
    )


def test_a_sharing_key_that_is_too_long() -> None:
    addresses, (_, reason, message) = _service_case(service_object("web", key="k" * 300))
    assert addresses == ["10.0.0.1"]
    assert reason == "InvalidSharingKey"
    assert "has 300 characters; at most 253 are taken" in message


@pytest.mark.parametrize(
    ("classes", "others"),
    [
        (("ingress", "internal"), "there are ingress, internal"),
        ((), "there is none at all"),
        (tuple("abcdefgh"), "there are a, b, c, d, e and 3 more"),
    ],
)
def test_an_annotation_that_names_no_class(classes: tuple[str, ...], others: str) -> None:
    world, leader = settled(
        *(class_object(name, (f"10.{i}.0.1",), isDefault=not i) for i, name in enumerate(classes)),
        service_object("web", class_annotation="ingres"),
        service_object("good"),
    )
    assert words(world, "web", CLASS) == (
        "False",
        "LoadBalancerClassUnknown",
        (
            "there is no class 'ingres', which annotation "
            f"network.deckhouse.io/metal-load-balancer-class names; {others}"
        ),
    )
    assert ("Service", "web", "LoadBalancerClassUnknown") in told(world)
    assert world.addresses("good") == (["10.0.0.1"] if classes else [])
    before = world.version
    Leader(world, leader.now).settle()
    assert world.version == before


def test_spaces_in_lists_and_names_do_not_matter() -> None:
    world, _ = settled(
        class_object(ranges=(" 10.0.0.1 - 10.0.0.4 ", " 10.0.1.0/30")),
        service_object(
            "web", class_annotation=" ingress ", count=" 3 ", ips=" 10.0.1.2 ,10.0.0.2", key=" k "
        ),
    )
    assert world.addresses("web") == ["10.0.1.2", "10.0.0.2", "10.0.0.1"]
    assert world.condition("web", REQUEST) is None
    assert world.events == []
