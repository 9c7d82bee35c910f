"""Which nodes are to announce, as nodes come and go: one situation a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb.api.virtual_ips import Suspension
from support.objects import (
    class_object,
    lease_of_speaker,
    node_object,
    service_object,
    slice_object,
)
from support.outcomes import settled

if TYPE_CHECKING:
    from support.world import World


def test_vips_are_spread_evenly_and_orders_name_every_eligible_node() -> None:
    world, _ = settled(class_object(isDefault=True), service_object("web", count="6"))
    orders = [vip.spec.layer2.nodes for vip in world.vips().values()]
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)
    firsts = [order[0] for order in orders]
    assert sorted(firsts.count(name) for name in "abc") == [2, 2, 2]


def test_nothing_moves_when_a_service_gains_a_label() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web"))
    before = {name: vip.spec for name, vip in world.vips().items()}
    changed = service_object("web")
    changed["metadata"]["labels"] = {"x": "y"}
    world.put(changed)
    leader.settle()
    assert {name: vip.spec for name, vip in world.vips().items()} == before


@pytest.mark.parametrize("how", ["gone", "excluded", "unready", "speaker", "network", "renewal"])
def test_a_node_that_may_not_announce_is_taken_from_all_orders(how: str) -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web", count="3"))
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
    world, leader = settled(
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
    world, leader = settled(
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
    world, leader = settled(
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
    world, leader = settled(
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
    world, leader = settled(
        class_object(isDefault=True, l2={"interfaces": ["eth1"]}), service_object("web")
    )
    assert world.vips()["10.0.0.1"].spec.layer2.interfaces == ("eth1",)
    world.put(class_object(isDefault=True, l2={"interfaces": ["eth2"]}))
    leader.settle()
    assert world.vips()["10.0.0.1"].spec.layer2.interfaces == ("eth2",)
