"""What endpoints have to do with it: one situation a test."""

from __future__ import annotations

from support.objects import class_object, service_object, slice_object
from support.outcomes import settled


def test_a_service_without_endpoints_is_suspended_and_keeps_its_place() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web"))
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
    world, leader = settled(
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
    world, leader = settled(
        class_object(isDefault=True), service_object("web"), slice_object("web", ("b",))
    )
    assert len(world.vips()["10.0.0.1"].spec.layer2.nodes) == 3
    world.put(service_object("web", externalTrafficPolicy="Local"))
    leader.settle()
    assert world.vips()["10.0.0.1"].spec.layer2.nodes == ("b",)
