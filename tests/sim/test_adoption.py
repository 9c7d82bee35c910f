"""Taking over from another module: what the hooks enter in the ledger, the controller keeps.

The hooks' decision is carried out in a world, and then a leader comes that has never seen it. The
cases are those in which the status of the Services alone would not be enough.
"""

from __future__ import annotations

from typing import Any

import pytest

from metallb.domain.adoption import adoption
from metallb.domain.layer2_migration import layer2_migration
from support.objects import (
    bound_condition,
    class_object,
    lease_of_speaker,
    node_object,
    service_object,
)
from support.situations import situation
from support.world import Leader, World

OLD_KIND = [{"name": "sdninternall2lbservices.internal.network.deckhouse.io"}]


def _world(*objects: dict[str, Any]) -> World:
    world = World()
    for name in "abc":
        world.put(node_object(name))
        world.put(lease_of_speaker(name))
    for item in objects:
        world.put(item)
    return world


def _apply(world: World, decision: Any) -> None:
    """Do what the module operator does with a decision."""
    for item in decision.operations:
        operation = item.to_object()
        if operation["operation"] == "CreateIfNotExists":
            made = operation["object"]
            ref = (made["kind"], made["metadata"].get("namespace", ""), made["metadata"]["name"])
            if ref not in world.objects:
                world.put(made)
        else:
            name, namespace = operation["name"], operation.get("namespace", "")
            found = {**world.objects[operation["kind"], namespace, name]}
            found["status"] = {**found["status"], **operation["mergePatch"]["status"]}
            world.delete(operation["kind"], name, namespace)
            world.put(found)


def _service(name: str, *addresses: str, bound: str = "front", **more: Any) -> dict[str, Any]:
    conditions = (bound_condition(bound),) if bound else ()
    return service_object(name, ingress=addresses, conditions=conditions, **more)


def _run(*objects: dict[str, Any], with_ledger: bool = True) -> World:
    world = _world(*objects)
    world.is_checked = with_ledger  # it demands that the ledger has what a status shows
    if with_ledger:
        services = [item for item in objects if item["kind"] == "Service"]
        classes = [
            {"name": item["metadata"]["name"]}
            for item in objects
            if item["kind"] == "MetalLoadBalancerClass"
        ]
        _apply(world, adoption(situation(old_kind=OLD_KIND, services=services, classes=classes)))
    Leader(world).settle()
    return world


@pytest.mark.parametrize("with_ledger", [True, False])
def test_addresses_within_the_ranges_stay_in_any_case(with_ledger: bool) -> None:
    world = _run(
        class_object("front", ("10.0.0.1-10.0.0.9",)),
        _service("waiting", created="2025-01-01T00:00:00Z"),
        _service("web", "10.0.0.1", "10.0.0.9", count="2", created="2026-01-01T00:00:00Z"),
        with_ledger=with_ledger,
    )
    assert world.addresses("web") == ["10.0.0.1", "10.0.0.9"]
    assert world.addresses("waiting") == ["10.0.0.2"], "an older Service takes nothing away"


def test_an_address_that_no_range_has_any_more_stays_because_of_the_ledger() -> None:
    objects = (class_object("front", ("10.0.0.1-10.0.0.9",)), _service("web", "10.0.7.7"))
    assert _run(*objects).addresses("web") == ["10.0.7.7"]
    assert _run(*objects, with_ledger=False).addresses("web") != ["10.0.7.7"]


def test_an_address_whose_range_two_classes_have_stays_because_of_the_ledger() -> None:
    objects = (
        class_object("back", ("10.0.0.0/24",), created="2025-01-01T00:00:00Z"),
        class_object("front", ("10.0.0.0/24",), created="2026-01-01T00:00:00Z"),
        _service("web", "10.0.0.7"),
    )
    assert _run(*objects).addresses("web") == ["10.0.0.7"]


def test_a_shared_address_stays_shared() -> None:
    objects = (
        class_object("front", ("10.0.0.1-10.0.0.9",)),
        _service("tcp", "10.0.0.5", key="dns", ports=(("TCP", 53),)),
        _service("udp", "10.0.0.5", key="dns", ports=(("UDP", 53),)),
    )
    world = _run(*objects)
    assert world.addresses("tcp") == world.addresses("udp") == ["10.0.0.5"]
    assert [str(key) for key in world.vips()["10.0.0.5"].spec.services] == [
        "default/tcp",
        "default/udp",
    ]


def test_services_of_old_settings_are_bound_and_keep_their_addresses() -> None:
    services = [
        _service("web", "10.0.0.7", bound=""),
        _service("named", "10.0.0.8", bound="", loadBalancerClass="mine"),
        _service("theirs", "10.0.0.9", bound="", loadBalancerClass="example.com/other"),
    ]
    settings = {
        "loadBalancerClass": "mine",
        "addressPools": [{"name": "a", "protocol": "layer2", "addresses": ["10.0.0.0/24"]}],
    }
    config = {"uid": "u", "version": 1, "settings": settings}
    world = _world(*services)
    _apply(world, layer2_migration(situation(module_config=[config], services=services)))
    Leader(world).settle()
    assert world.addresses("web") == ["10.0.0.7"]
    assert world.addresses("named") == ["10.0.0.8"], "though no class has the name of its field"
    assert world.addresses("theirs") == ["10.0.0.9"]
    assert sorted(world.vips()) == ["10.0.0.7", "10.0.0.8"]
