"""The reconciler against a world without a network: one situation a test."""

from __future__ import annotations

from typing import Any

import pytest

from metallb.api.conditions import ServiceCondition
from metallb.api.virtual_ips import Suspension
from metallb_controller.reconcile.model import Outcome, ReconcilerSettings
from support.objects import (
    bound_condition,
    class_object,
    lease_of_speaker,
    node_object,
    service_object,
    slice_object,
)
from support.world import Leader, World

CLASS, ASSIGNED, REQUEST = (
    ServiceCondition.CLASS,
    ServiceCondition.ASSIGNED,
    ServiceCondition.REQUEST,
)
DUAL: dict[str, Any] = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}


def _world(*objects: dict[str, Any], nodes: str = "abc") -> World:
    world = World()
    for name in nodes:
        world.put(node_object(name))
        world.put(lease_of_speaker(name))
    for value in objects:
        world.put(value)
    return world


def _settled(*objects: dict[str, Any], nodes: str = "abc") -> tuple[World, Leader]:
    world = _world(*objects, nodes=nodes)
    leader = Leader(world)
    leader.settle()
    return world, leader


def _words(world: World, name: str, kind: str) -> tuple[str, str, str]:
    found = world.condition(name, kind)
    assert found is not None, f"{name} has no condition {kind}"
    return found["status"], found["reason"], found["message"]


# -- addresses
# ---------------------------------------------------------------------------------------


def test_a_service_gets_the_first_address_and_says_so() -> None:
    world, _ = _settled(class_object(isDefault=True), service_object("web"))
    assert world.addresses("web") == ["10.0.0.1"]
    assert _words(world, "web", CLASS) == ("True", "LoadBalancerClassBound", "ingress")
    assert _words(world, "web", ASSIGNED) == (
        "True",
        "AllIPsAssigned",
        "1 of 1 public IPs were assigned",
    )
    assert world.condition("web", REQUEST) is None
    assert world.vips()["10.0.0.1"].spec.pool == "ingress"


def test_the_ledger_is_written_before_the_status() -> None:
    world = _world(class_object(isDefault=True), service_object("web"))
    leader = Leader(world)
    leader.step()
    kinds = [write.target.kind for write in leader.under_way]
    assert "VirtualIP" in kinds
    assert "Service" not in kinds
    leader.settle()
    order = [ref[0] for ref, _, value in world.history if ref[0] in ("VirtualIP", "Service")]
    assert order == ["Service", "VirtualIP", "Service"]


def test_several_addresses_of_both_families_are_given() -> None:
    world, _ = _settled(
        class_object(ranges=("10.0.0.0/29", "fd00::/120"), isDefault=True),
        service_object("web", count="2", **DUAL),
    )
    assert world.addresses("web") == ["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"]
    assert _words(world, "web", ASSIGNED)[2] == "4 of 4 public IPs were assigned"


def test_requested_addresses_are_given_in_their_order() -> None:
    world, _ = _settled(
        class_object(isDefault=True),
        service_object("web", count="3", ips="10.0.0.7, 10.0.0.3"),
    )
    assert world.addresses("web") == ["10.0.0.7", "10.0.0.3", "10.0.0.1"]


def test_who_asks_for_an_address_by_name_is_served_before_who_takes_any() -> None:
    world, _ = _settled(
        class_object(ranges=("10.0.0.1-10.0.0.2",), isDefault=True),
        service_object("any", created="2026-01-01T00:00:00Z"),
        service_object("first", ips="10.0.0.1", created="2026-01-02T00:00:00Z"),
    )
    assert world.addresses("first") == ["10.0.0.1"]
    assert world.addresses("any") == ["10.0.0.2"]


def test_older_services_are_served_first_when_addresses_are_few() -> None:
    world, _ = _settled(
        class_object(ranges=("10.0.0.1",), isDefault=True),
        service_object("young", created="2026-02-01T00:00:00Z"),
        service_object("old", created="2026-01-01T00:00:00Z"),
    )
    assert world.addresses("old") == ["10.0.0.1"]
    assert world.addresses("young") == []
    assert _words(world, "young", ASSIGNED) == (
        "False",
        "NotAllIPsAssigned",
        "0 of 1 public IPs were assigned",
    )
    status, reason, message = _words(world, "young", REQUEST)
    assert (status, reason) == ("False", "NoFreeAddress")
    assert "class ingress has no free IPv4 address (1 in its ranges), 1 more wanted" in message


def test_a_waiting_service_gets_an_address_that_comes_free() -> None:
    world, leader = _settled(
        class_object(ranges=("10.0.0.1",), isDefault=True),
        service_object("old"),
        service_object("young", created="2026-02-01T00:00:00Z"),
    )
    world.delete("Service", "old", "default")
    leader.settle()
    assert world.addresses("young") == ["10.0.0.1"]
    assert _words(world, "young", REQUEST) == ("True", "RequestMet", "")


def test_a_waiting_service_gets_an_address_when_a_range_is_added() -> None:
    world, leader = _settled(class_object(ranges=(), isDefault=True), service_object("web"))
    assert _words(world, "web", REQUEST)[1] == "FamilyNotInClass"
    world.put(class_object(ranges=("10.0.0.5",), isDefault=True))
    leader.settle()
    assert world.addresses("web") == ["10.0.0.5"]


def test_who_waits_for_a_certain_address_gets_it_when_it_comes_free() -> None:
    world, leader = _settled(
        class_object(isDefault=True),
        service_object("holder"),
        service_object("wants", ips="10.0.0.1", created="2026-02-01T00:00:00Z"),
    )
    holder, wants = world.addresses("holder"), world.addresses("wants")
    assert {"10.0.0.1"} == set(wants) or _words(world, "wants", REQUEST)[1]
    world.delete("Service", "holder", "default")
    leader.settle()
    assert world.addresses("wants") == ["10.0.0.1"]
    assert holder != world.addresses("wants") or wants == []


def test_an_address_that_cannot_be_had_costs_nothing_that_is_held() -> None:
    world, leader = _settled(class_object(isDefault=True), service_object("a"), service_object("b"))
    assert (world.addresses("a"), world.addresses("b")) == (["10.0.0.1"], ["10.0.0.2"])
    world.put(service_object("b", ips="10.0.0.1"))
    leader.settle()
    assert world.addresses("b") == ["10.0.0.2"]
    assert _words(world, "b", REQUEST)[1:] == (
        "RequestedAddressInUse",
        (
            "10.0.0.1 is held by Service default/a; to share it, both need the same sharing key and "
            "different ports"
        ),
    )
    world.delete("Service", "a", "default")
    leader.settle()
    assert world.addresses("b") == ["10.0.0.1"]
    assert set(world.vips()) == {"10.0.0.1"}


def test_an_address_outside_the_class_is_refused() -> None:
    world, _ = _settled(class_object(isDefault=True), service_object("web", ips="10.9.9.9"))
    assert world.addresses("web") == []
    assert _words(world, "web", REQUEST)[1:] == (
        "RequestedAddressOutsideClass",
        "10.9.9.9 is requested, but not among the addresses of class ingress",
    )


def test_a_wish_that_makes_no_sense_costs_nothing_that_is_held() -> None:
    world, leader = _settled(class_object(isDefault=True), service_object("web", count="3"))
    before = world.addresses("web")
    assert len(before) == 3
    world.put(service_object("web", count="lots"))
    leader.settle()
    assert world.addresses("web") == before
    assert _words(world, "web", REQUEST)[1] == "InvalidAddressCount"
    world.put(service_object("web", count="2"))
    leader.settle()
    assert world.addresses("web") == before[:2]
    assert _words(world, "web", REQUEST)[0] == "True"


def test_a_count_of_a_million_gets_one_address_and_a_reason() -> None:
    world, _ = _settled(class_object(isDefault=True), service_object("web", count="1000000"))
    assert world.addresses("web") == ["10.0.0.1"]
    assert "'1000000'; a whole number from 1 to 256 is wanted" in _words(world, "web", REQUEST)[2]
    assert [(e.reason, e.is_warning) for e in world.events] == [("InvalidAddressCount", True)]


def test_prefer_dual_stack_is_content_with_the_family_that_the_class_has() -> None:
    world, _ = _settled(
        class_object(isDefault=True),
        service_object("web", **{**DUAL, "ipFamilyPolicy": "PreferDualStack"}),
    )
    assert world.addresses("web") == ["10.0.0.1"]
    assert _words(world, "web", ASSIGNED)[2] == "1 of 1 public IPs were assigned"


def test_require_dual_stack_is_not() -> None:
    world, _ = _settled(class_object(isDefault=True), service_object("web", **DUAL))
    assert world.addresses("web") == ["10.0.0.1"]
    assert _words(world, "web", ASSIGNED)[2] == "1 of 2 public IPs were assigned"
    assert "class ingress has no IPv6 addresses" in _words(world, "web", REQUEST)[2]


# -- release
# -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["deleted", "type", "class"])
def test_an_address_is_released_when_nobody_wants_it(how: str) -> None:
    world, leader = _settled(class_object(isDefault=True), service_object("web"))
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
        assert _words(world, "web", CLASS) == ("False", "LoadBalancerClassDeleted", "ingress")
        assert "is deleted; 1 addresses are released" in world.events[0].message
        assert "does not exist any more" in world.events[-1].message


def test_the_status_lets_go_before_the_ledger_does() -> None:
    world, leader = _settled(class_object(isDefault=True), service_object("web", count="2"))
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
    world, leader = _settled(class_object(isDefault=True), service_object("web"))
    world.put(service_object("web", deleting=True))
    leader.settle()
    assert set(world.vips()) == {"10.0.0.1"}
    world.delete("Service", "web", "default")
    leader.settle()
    assert world.vips() == {}


def test_a_class_that_comes_back_serves_those_that_were_bound_to_it() -> None:
    world, leader = _settled(class_object(isDefault=True), service_object("web"))
    world.delete("MetalLoadBalancerClass", "ingress")
    world.put(class_object("other", ranges=("10.1.0.1",), isDefault=True))
    leader.settle()
    assert world.addresses("web") == []
    world.put(class_object())
    leader.settle()
    assert world.addresses("web") == ["10.0.0.1"]


def test_without_its_condition_a_service_is_bound_anew() -> None:
    world, leader = _settled(
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
    world = _world(class_object(isDefault=True))
    world.put(foreign)
    before = world.version
    leader = Leader(world)
    leader.settle()
    assert world.service("web")["metadata"]["resourceVersion"] == str(before)


def test_an_annotation_that_names_no_class_is_refused_with_a_reason() -> None:
    world, leader = _settled(
        class_object(isDefault=True), service_object("web", class_annotation="ingres")
    )
    assert _words(world, "web", CLASS) == (
        "False",
        "LoadBalancerClassUnknown",
        "there is no class 'ingres', which the annotation names",
    )
    assert world.addresses("web") == []
    world.put(service_object("web", class_annotation="ingress"))
    leader.settle()
    assert world.addresses("web") == ["10.0.0.1"]


def test_addresses_of_others_in_a_refused_service_stay() -> None:
    world = _world(class_object())
    world.put(service_object("web", class_annotation="x", ingress=()))
    world.objects[("Service", "default", "web")]["status"]["loadBalancer"] = {}
    Leader(world).settle()
    assert world.addresses("web") == []


def test_foreign_conditions_are_kept() -> None:
    foreign = {"type": "Foreign", "status": "True", "reason": "X", "message": ""}
    world, _ = _settled(class_object(isDefault=True), service_object("web", conditions=(foreign,)))
    assert world.condition("web", "Foreign") == foreign


# -- sharing
# -----------------------------------------------------------------------------------------


def test_services_with_one_key_share_an_address_on_different_ports() -> None:
    world, leader = _settled(
        class_object(isDefault=True),
        service_object("tcp", key="dns", ports=(("TCP", 53),)),
        service_object("udp", key="dns", ports=(("UDP", 53),), created="2026-02-01T00:00:00Z"),
    )
    assert world.addresses("tcp") == world.addresses("udp") == ["10.0.0.1"]
    services = world.vips()["10.0.0.1"].spec.services
    assert [key.name for key in services] == ["tcp", "udp"]
    world.delete("Service", "tcp", "default")
    leader.settle()
    assert [key.name for key in world.vips()["10.0.0.1"].spec.services] == ["udp"]
    assert world.addresses("udp") == ["10.0.0.1"]


def test_clashing_ports_get_another_address_and_a_reason() -> None:
    world, _ = _settled(
        class_object(isDefault=True),
        service_object("a", key="k", created="2026-01-01T00:00:00Z"),
        service_object("b", key="k", created="2026-02-01T00:00:00Z"),
    )
    assert world.addresses("a") == ["10.0.0.1"]
    assert world.addresses("b") == ["10.0.0.2"]
    assert world.condition("a", REQUEST) is None
    assert _words(world, "b", REQUEST)[1:] == (
        "SharingRefused",
        (
            "10.0.0.1 cannot be shared under key 'k': Service default/a has TCP/80 on it; "
            "change the port or the key"
        ),
    )


def test_local_services_share_only_with_the_same_selector() -> None:
    local: dict[str, Any] = {"externalTrafficPolicy": "Local", "selector": {"app": "x"}}
    other: dict[str, Any] = {"externalTrafficPolicy": "Local", "selector": {"app": "y"}}
    world, _ = _settled(
        class_object(isDefault=True),
        service_object("a", key="k", ports=(("TCP", 1),), created="2026-01-01T00:00:00Z", **local),
        service_object("b", key="k", ports=(("TCP", 2),), created="2026-01-02T00:00:00Z", **local),
        service_object("c", key="k", ports=(("TCP", 3),), created="2026-01-03T00:00:00Z", **other),
    )
    assert world.addresses("a") == world.addresses("b") == ["10.0.0.1"]
    assert world.addresses("c") == ["10.0.0.2"]
    assert "externalTrafficPolicy Cluster, or Local with the same" in _words(world, "c", REQUEST)[2]


def test_the_younger_leaves_a_shared_address_when_ports_begin_to_clash() -> None:
    world, leader = _settled(
        class_object(isDefault=True),
        service_object("a", key="k", ports=(("TCP", 1),), created="2026-01-01T00:00:00Z"),
        service_object("b", key="k", ports=(("TCP", 2),), created="2026-01-02T00:00:00Z"),
    )
    world.put(service_object("a", key="k", ports=(("TCP", 2),), created="2026-01-01T00:00:00Z"))
    leader.settle()
    assert world.addresses("a") == ["10.0.0.1"]
    assert world.addresses("b") == ["10.0.0.2"]
    assert _words(world, "b", REQUEST)[1] == "SharingRefused"


def test_several_shared_addresses_align() -> None:
    world, _ = _settled(
        class_object(isDefault=True),
        service_object("a", key="k", count="3", ports=(("TCP", 1),)),
        service_object(
            "b", key="k", count="3", ports=(("TCP", 2),), created="2026-02-01T00:00:00Z"
        ),
    )
    assert world.addresses("a") == world.addresses("b") == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


# -- classes
# -----------------------------------------------------------------------------------------


def test_a_class_says_how_it_is() -> None:
    world, _ = _settled(class_object(isDefault=True), service_object("web"))
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
    world, _ = _settled(
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
    world, _ = _settled(
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
    assert world.class_condition("old", "Conflict") is None


def test_a_range_that_repeats_within_a_class_does_no_harm() -> None:
    world, _ = _settled(
        class_object(ranges=("10.0.0.1-10.0.0.2", "10.0.0.2-10.0.0.3"), isDefault=True),
        service_object("web", count="3"),
    )
    assert world.addresses("web") == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert world.class_condition("ingress", "Conflict") is None


def test_a_malformed_range_is_told_and_the_others_serve() -> None:
    world, _ = _settled(
        class_object(ranges=("10.0.0.x", "10.0.0.1/30"), isDefault=True), service_object("web")
    )
    assert world.addresses("web") == ["10.0.0.1"]
    found = world.class_condition("ingress", "Valid")
    assert found is not None
    assert found["status"] == "False"
    assert ".spec.addressPool[0]" in found["message"]
    assert [event.reason for event in world.events] == ["InvalidSpec"]


def test_a_holder_keeps_its_address_when_the_range_is_narrowed() -> None:
    world, leader = _settled(class_object(isDefault=True), service_object("web", ips="10.0.0.9"))
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
    world, _ = _settled(class_object(ranges=("10.0.0.1",), isDefault=True), service_object("web"))
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
    world, _ = _settled(value)
    found = world.class_condition("ingress", "Ready")
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", reason)
    assert words in found["message"]


def test_a_class_without_any_node_says_so_and_addresses_are_given_all_the_same() -> None:
    world, _ = _settled(class_object(isDefault=True), service_object("web"), nodes="")
    found = world.class_condition("ingress", "Ready")
    assert found is not None
    assert "there are no nodes" in found["message"]
    assert world.addresses("web") == ["10.0.0.1"]
    assert world.vips()["10.0.0.1"].spec.layer2.nodes == ()


def test_a_class_status_is_not_written_more_often_than_once_a_second() -> None:
    world, leader = _settled(class_object(isDefault=True))
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


# -- nodes
# -------------------------------------------------------------------------------------------


def test_vips_are_spread_evenly_and_orders_name_every_eligible_node() -> None:
    world, _ = _settled(class_object(isDefault=True), service_object("web", count="6"))
    orders = [vip.spec.layer2.nodes for vip in world.vips().values()]
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)
    firsts = [order[0] for order in orders]
    assert sorted(firsts.count(name) for name in "abc") == [2, 2, 2]


def test_nothing_moves_when_a_service_gains_a_label() -> None:
    world, leader = _settled(class_object(isDefault=True), service_object("web"))
    before = {name: vip.spec for name, vip in world.vips().items()}
    changed = service_object("web")
    changed["metadata"]["labels"] = {"x": "y"}
    world.put(changed)
    leader.settle()
    assert {name: vip.spec for name, vip in world.vips().items()} == before


@pytest.mark.parametrize("how", ["gone", "excluded", "unready", "speaker", "network", "renewal"])
def test_a_node_that_may_not_announce_is_taken_from_all_orders(how: str) -> None:
    world, leader = _settled(class_object(isDefault=True), service_object("web", count="3"))
    before = {name: vip.spec.layer2.nodes for name, vip in world.vips().items()}
    exclude = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}
    match how:
        case "gone":
            world.delete("Node", "a")
        case "excluded":
            world.put(node_object("a", labels=exclude))
        case "unready":
            world.put(node_object("a", ready=False))
        case "network":
            world.put(node_object("a", network_unavailable=True))
        case "speaker":
            world.put(lease_of_speaker("a", holder=""))
        case "renewal":
            leader.now += 399
            world.put(lease_of_speaker("b", renewed="t2"))
            world.put(lease_of_speaker("c", renewed="t2"))
            leader.settle()
            leader.now += 2
    leader.settle()
    after = {name: vip.spec.layer2.nodes for name, vip in world.vips().items()}
    assert all(sorted(order) == ["b", "c"] for order in after.values())
    stayed = {name for name, order in before.items() if order[0] != "a"}
    assert all(after[name][0] == before[name][0] for name in stayed)


def _forbid(world: World, name: str) -> None:
    exclude = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}
    world.put(node_object(name, labels=exclude))


@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_a_vip_that_is_forbidden_everywhere_is_suspended_until_a_node_is_allowed(
    policy: str,
) -> None:
    world, leader = _settled(
        class_object(isDefault=True),
        service_object("web", externalTrafficPolicy=policy),
        slice_object("web", ("a", "b")),
        nodes="ab",
    )
    for name in "ab":
        _forbid(world, name)
    leader.settle()
    orders = world.vips()["10.0.0.1"].spec.layer2
    assert (orders.nodes, orders.suspended) == ((), Suspension.NO_ELIGIBLE_NODES)

    world.put(node_object("b"))
    leader.settle()
    orders = world.vips()["10.0.0.1"].spec.layer2
    assert (orders.nodes, orders.suspended) == (("b",), None)


@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_a_roll_that_names_nobody_silences_nobody(policy: str) -> None:
    """Whoever announces goes on: the roll may be wrong, and nobody has decided anything."""
    world, leader = _settled(
        class_object(isDefault=True),
        service_object("web", externalTrafficPolicy=policy),
        slice_object("web", ("a", "b")),
        nodes="ab",
    )
    for name in "ab":
        world.put(lease_of_speaker(name, holder=""))
    leader.settle()
    orders = world.vips()["10.0.0.1"].spec.layer2
    assert (orders.nodes, orders.suspended) == ((), None)

    for name in "ab":
        _forbid(world, name)
    leader.settle()
    orders = world.vips()["10.0.0.1"].spec.layer2
    assert (orders.nodes, orders.suspended) == ((), Suspension.NO_ELIGIBLE_NODES)


def test_a_node_that_comes_gets_its_share_after_the_delay_at_the_pace() -> None:
    rebalancing = {"policy": "Automatic", "delaySeconds": 10, "movesPerMinute": 60}
    world, leader = _settled(
        class_object(isDefault=True, l2={"rebalancing": rebalancing}),
        service_object("web", count="6"),
        nodes="ab",
    )

    def firsts() -> list[str]:
        return sorted(vip.spec.layer2.nodes[0] for vip in world.vips().values())

    assert firsts() == ["a", "a", "a", "b", "b", "b"]
    world.put(node_object("c"))
    world.put(lease_of_speaker("c"))
    times: list[float] = []
    began_at = leader.now
    while firsts() != ["a", "a", "b", "b", "c", "c"]:
        before = firsts()
        while leader.is_late:
            leader.deliver()
        leader.step()
        while leader.under_way:
            leader.execute()
        if firsts() != before:
            times.append(leader.now - began_at)
        leader.now += 0.25
        assert leader.now - began_at < 60
    assert len(times) == 2
    assert times[0] >= 10
    assert times[1] - times[0] >= 1


def test_with_policy_never_nothing_moves_for_balance() -> None:
    world, leader = _settled(
        class_object(isDefault=True, l2={"rebalancing": {"policy": "Never"}}),
        service_object("web", count="6"),
        nodes="ab",
    )
    before = {name: vip.spec.layer2.nodes[0] for name, vip in world.vips().items()}
    world.put(node_object("c"))
    world.put(lease_of_speaker("c"))
    leader.settle()
    after = {name: vip.spec.layer2.nodes for name, vip in world.vips().items()}
    assert {name: order[0] for name, order in after.items()} == before
    assert all("c" in order for order in after.values())


def test_interfaces_of_the_class_are_passed_on() -> None:
    world, leader = _settled(
        class_object(isDefault=True, l2={"interfaces": ["eth1"]}), service_object("web")
    )
    assert world.vips()["10.0.0.1"].spec.layer2.interfaces == ("eth1",)
    world.put(class_object(isDefault=True, l2={"interfaces": ["eth2"]}))
    leader.settle()
    assert world.vips()["10.0.0.1"].spec.layer2.interfaces == ("eth2",)


# -- endpoints
# ---------------------------------------------------------------------------------------


def test_a_service_without_endpoints_is_suspended_and_keeps_its_place() -> None:
    world, leader = _settled(class_object(isDefault=True), service_object("web"))
    before = world.vips()["10.0.0.1"].spec.layer2
    assert before.suspended is not None
    assert len(before.nodes) == 3
    world.put(slice_object("web", ("a",)))
    leader.settle()
    after = world.vips()["10.0.0.1"].spec.layer2
    assert after.suspended is None
    assert after.nodes == before.nodes
    world.delete("EndpointSlice", "web-1", "default")
    leader.settle()
    assert world.vips()["10.0.0.1"].spec.layer2 == before


def test_under_local_only_nodes_with_an_endpoint_are_named() -> None:
    world, leader = _settled(
        class_object(isDefault=True),
        service_object("web", externalTrafficPolicy="Local"),
        slice_object("web", ("b", "c")),
    )
    found = world.vips()["10.0.0.1"].spec
    assert sorted(found.layer2.nodes) == ["b", "c"]
    assert found.traffic_policy == "Local"
    first, second = found.layer2.nodes
    world.put(slice_object("web", (second,)))
    leader.settle()
    assert world.vips()["10.0.0.1"].spec.layer2.nodes == (second,)
    world.put(slice_object("web", ()))
    leader.settle()
    suspended = world.vips()["10.0.0.1"].spec.layer2
    assert suspended.suspended is not None
    assert suspended.nodes[0] == second
    world.put(slice_object("web", (first, second)))
    leader.settle()
    assert world.vips()["10.0.0.1"].spec.layer2.nodes[0] == second


def test_a_change_of_policy_changes_the_orders() -> None:
    world, leader = _settled(
        class_object(isDefault=True), service_object("web"), slice_object("web", ("b",))
    )
    assert len(world.vips()["10.0.0.1"].spec.layer2.nodes) == 3
    world.put(service_object("web", externalTrafficPolicy="Local"))
    leader.settle()
    assert world.vips()["10.0.0.1"].spec.layer2.nodes == ("b",)


# -- restarts, conflicts, failures
# -------------------------------------------------------------------


def test_a_new_leader_writes_nothing_when_all_is_right() -> None:
    world, _ = _settled(
        class_object(isDefault=True),
        service_object("web", count="5"),
        service_object("api", key="k"),
        slice_object("web"),
    )
    before = world.version
    Leader(world, now=1000.0).settle()
    assert world.version == before


def test_an_entry_that_somebody_deleted_is_written_again() -> None:
    world, leader = _settled(class_object(isDefault=True), service_object("web", ips="10.0.0.4"))
    del world.objects[("Service", "default", "web")]["metadata"]["annotations"]
    world.delete("VirtualIP", "10.0.0.4")
    leader.settle()
    assert set(world.vips()) == {"10.0.0.4"}
    assert world.addresses("web") == ["10.0.0.4"]


def test_a_status_that_shows_what_the_ledger_lost_gets_the_same_address_from_a_new_leader() -> None:
    world, _ = _settled(class_object(isDefault=True), service_object("a"), service_object("b"))
    shown = world.addresses("b")
    world.delete("VirtualIP", shown[0])
    world.put(service_object("c", created="2025-01-01T00:00:00Z"))
    Leader(world).settle()
    assert world.addresses("b") == shown
    assert world.addresses("c") == ["10.0.0.3"]


def test_an_entry_of_nobody_is_struck() -> None:
    world, _ = _settled(class_object(isDefault=True), service_object("web"))
    del world.objects[("Service", "default", "web")]
    Leader(world).settle()
    assert world.vips() == {}


def test_an_entry_that_is_there_already_is_respected() -> None:
    world = _world(class_object(isDefault=True), service_object("web"), service_object("other"))
    leader = Leader(world)
    leader.step()
    create = next(w for w in leader.under_way if w.target.key.name == "10.0.0.1")
    theirs = "other" if "web" in str(create) else "web"
    mine = "web" if theirs == "other" else "other"
    world.put(
        {
            "kind": "VirtualIP",
            "metadata": {"name": "10.0.0.1"},
            "spec": {
                "address": "10.0.0.1",
                "pool": "ingress",
                "services": [{"namespace": "default", "name": theirs}],
                "trafficPolicy": "Cluster",
                "layer2": {"nodes": []},
            },
        }
    )
    leader.settle()
    assert "10.0.0.1" in world.addresses(theirs)
    assert "10.0.0.1" not in world.addresses(mine)
    assert len(world.addresses(mine)) == 1


@pytest.mark.parametrize("lose", ["request", "answer"])
def test_writes_that_fail_are_tried_again(lose: str) -> None:
    world = _world(class_object(isDefault=True), service_object("web", count="2"))
    leader = Leader(world)
    for _ in range(3):
        leader.step()
        while leader.under_way:
            leader.execute(lose=lose)
        leader.now += 40
        while leader.is_late:
            leader.deliver()
    leader.settle()
    assert len(world.addresses("web")) == 2
    leader.reconciler.allocator.check_invariants()


def test_a_refused_write_is_not_repeated_soon_and_the_rest_goes_on() -> None:
    world = _world(class_object(isDefault=True), service_object("web", count="2"))
    leader = Leader(world)
    leader.step()
    creates = [w for w in leader.under_way if w.target.kind == "VirtualIP"]
    refused = creates[0]
    leader.under_way.remove(refused)
    leader.reconciler.done(refused, Outcome.REFUSED, leader.now)
    while leader.under_way:
        leader.execute()
    leader.step()
    while leader.under_way:
        leader.execute()
    assert _words(world, "web", ASSIGNED)[2] == "1 of 2 public IPs were assigned"
    assert leader.reconciler.get_timer() is not None
    leader.now += 31
    leader.settle()
    assert _words(world, "web", ASSIGNED)[2] == "2 of 2 public IPs were assigned"


def test_an_old_view_of_what_was_deleted_brings_nothing_back() -> None:
    world, leader = _settled(class_object(isDefault=True), service_object("web"))
    vip = world.vips()["10.0.0.1"]
    world.delete("Service", "web", "default")
    leader.settle()
    leader.reconciler.observe_vip(vip.spec.address, vip)
    leader.settle()
    assert leader.reconciler.allocator.holders(vip.spec.address) == ()


def test_many_services_are_served_in_steps() -> None:
    world = _world(class_object(ranges=("10.0.0.0/16",), isDefault=True))
    for number in range(250):
        world.put(service_object(f"s{number:03}"))
    leader = Leader(world, settings=ReconcilerSettings(services_per_step=100))
    leader.step()
    assert sum(w.target.kind == "VirtualIP" for w in leader.under_way) == 100
    assert leader.reconciler.has_work()
    leader.settle()
    shown = [world.addresses(f"s{number:03}") for number in range(250)]
    assert len({item for addresses in shown for item in addresses}) == 250


def test_nothing_is_decided_before_the_start() -> None:
    from metallb_controller.reconcile.engine import Reconciler

    reconciler = Reconciler()
    assert reconciler.step(0.0, "t") == []
    assert not reconciler.has_work()


def test_a_service_of_another_type_that_is_not_ours_is_not_even_remembered() -> None:
    world, leader = _settled(service_object("web", type="ClusterIP"))
    assert leader.reconciler.observed.services == {}
    world.put(service_object("web", type="ClusterIP", selector={}))
    leader.settle()
    assert leader.reconciler.observed.services == {}


def test_a_service_that_was_ours_in_an_earlier_life_is_tidied_up() -> None:
    world, _ = _settled(
        service_object(
            "web", type="ClusterIP", ingress=(), conditions=(bound_condition("ingress"),)
        )
    )
    assert world.condition("web", CLASS) is None
