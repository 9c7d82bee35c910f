"""What is compared at rest: a reconciler that is told everything anew, ledger and statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.api.classes import Rebalancing
from metallb.api.conditions import ServiceCondition
from metallb.api.speakers import COMPONENT, COMPONENT_LABEL
from metallb_controller.app import resources
from metallb_lab.churn.agreement import KINDS, disagreements, informed, wanted
from support.objects import (
    class_object,
    lease_of_speaker,
    namespace_object,
    node_object,
    service_object,
    slice_object,
)
from support.world import WALL, Leader, World

if TYPE_CHECKING:
    from metallb.kube.client import JsonObject, Resource

PLURALS = {
    "Service": resources.SERVICES, "VirtualIP": resources.VIRTUAL_IPS,
    "MetalLoadBalancerClass": resources.CLASSES, "Node": resources.NODES,
    "Namespace": resources.NAMESPACES, "EndpointSlice": resources.ENDPOINT_SLICES,
    "Lease": resources.LEASES,
}  # fmt: skip


def at_rest() -> dict[Resource, list[JsonObject]]:
    """Give the objects of a cluster in which one Service has its address."""
    world = World()
    world.put(node_object("a"))
    lease = lease_of_speaker("a")
    lease["metadata"]["labels"] = {COMPONENT_LABEL: COMPONENT}
    world.put(lease)
    world.put(namespace_object("default"))
    world.put(class_object("p", ("10.0.0.1-10.0.0.3",), isDefault=True))
    world.put(service_object("web"))
    world.put(slice_object("web"))
    Leader(world).settle()
    return everything_in(world)


def everything_in(world: World) -> dict[Resource, list[JsonObject]]:
    """Give the objects of a world by kind."""
    found: dict[Resource, list[JsonObject]] = {kind: [] for kind in KINDS}
    for value in world.objects.values():
        found[PLURALS[value["kind"]]].append(value)
    return found


def judged(found: dict[Resource, list[JsonObject]]) -> tuple[tuple[str, ...], list[str]]:
    made = informed(found, Rebalancing())
    return wanted(made, WALL), disagreements(made, found)


def test_at_rest_nothing_is_wanted_and_all_agree() -> None:
    found = at_rest()
    assert [item["spec"]["address"] for item in found[resources.VIRTUAL_IPS]] == ["10.0.0.1"]
    assert judged(found) == ((), [])


def test_a_service_without_its_address_is_seen() -> None:
    found = at_rest()
    found[resources.SERVICES].append(service_object("late"))
    (want, _) = judged(found)
    assert want[0].startswith("CreateVirtualIP 10.0.0.2")


def test_a_status_that_the_ledger_does_not_bear_out_is_seen() -> None:
    found = at_rest()
    found[resources.VIRTUAL_IPS].clear()
    want, wrong = judged(found)
    assert want
    assert wrong == ["default/web shows 10.0.0.1, holds 10.0.0.1, and the ledger has nothing"]


def test_an_entry_for_nobody_is_seen() -> None:
    found = at_rest()
    found[resources.SERVICES].clear()
    want, wrong = judged(found)
    assert want[0].startswith("DeleteVirtualIP 10.0.0.1")
    assert wrong == ["default/web is not there, and holds ['10.0.0.1']"]


def test_an_entry_that_cannot_be_read_is_seen() -> None:
    found = at_rest()
    found[resources.VIRTUAL_IPS][0]["spec"]["address"] = "10.0.0.9"
    (_, (wrong,)) = judged(found)
    assert wrong.startswith("10.0.0.1 is no VirtualIP")


def test_nodes_of_which_no_speaker_is_on_the_roll_are_not_counted() -> None:
    found = at_rest()
    del found[resources.LEASES][0]["metadata"]["labels"]
    (want, _) = judged(found)
    assert any(item.startswith("UpdateVirtualIP 10.0.0.1") for item in want)


def test_a_refusal_that_a_new_leader_would_put_differently_is_seen() -> None:
    world = World()
    world.put(class_object("p", ("10.0.0.1",), isDefault=True))
    world.put(service_object("web"))
    world.put(service_object("late", created="2026-02-01T00:00:00Z"))
    Leader(world).settle()
    (refusal,) = (
        item
        for item in world.service("late")["status"]["conditions"]
        if item["type"] == ServiceCondition.REQUEST
    )
    assert judged(everything_in(world)) == ((), [])
    refusal["message"] = "as it was put once"
    ((want,), _) = judged(everything_in(world))
    assert want.startswith("PatchServiceStatus default/late")
    assert "as it was put once" in want
