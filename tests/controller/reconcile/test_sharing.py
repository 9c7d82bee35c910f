"""Services that share an address under one key: one situation a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.objects import class_object, service_object
from support.outcomes import DUAL, REQUEST, settled, words, world_of
from support.world import Leader

if TYPE_CHECKING:
    import pytest

    from metallb.api.meta import ObjectKey
    from metallb_controller.reconcile.agenda import Touched


def test_services_with_one_key_share_an_address_on_different_ports() -> None:
    world, leader = settled(
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
    world, _ = settled(
        class_object(isDefault=True),
        service_object("a", key="k", created="2026-01-01T00:00:00Z"),
        service_object("b", key="k", created="2026-02-01T00:00:00Z"),
    )
    assert world.addresses("a") == ["10.0.0.1"]
    assert world.addresses("b") == ["10.0.0.2"]
    assert world.condition("a", REQUEST) is None
    assert words(world, "b", REQUEST)[1:] == (
        "SharingRefused",
        (
            "10.0.0.1 cannot be shared under key 'k': Service default/a has TCP/80 on it; "
            "change the port or the key"
        ),
    )


def test_local_services_share_only_with_the_same_selector() -> None:
    local: dict[str, Any] = {"externalTrafficPolicy": "Local", "selector": {"app": "x"}}
    other: dict[str, Any] = {"externalTrafficPolicy": "Local", "selector": {"app": "y"}}
    world, _ = settled(
        class_object(isDefault=True),
        service_object("a", key="k", ports=(("TCP", 1),), created="2026-01-01T00:00:00Z", **local),
        service_object("b", key="k", ports=(("TCP", 2),), created="2026-01-02T00:00:00Z", **local),
        service_object("c", key="k", ports=(("TCP", 3),), created="2026-01-03T00:00:00Z", **other),
    )
    assert world.addresses("a") == world.addresses("b") == ["10.0.0.1"]
    assert world.addresses("c") == ["10.0.0.2"]
    assert "externalTrafficPolicy Cluster, or Local with the same" in words(world, "c", REQUEST)[2]


def test_the_younger_leaves_a_shared_address_when_ports_begin_to_clash() -> None:
    world, leader = settled(
        class_object(isDefault=True),
        service_object("a", key="k", ports=(("TCP", 1),), created="2026-01-01T00:00:00Z"),
        service_object("b", key="k", ports=(("TCP", 2),), created="2026-01-02T00:00:00Z"),
    )
    world.put(service_object("a", key="k", ports=(("TCP", 2),), created="2026-01-01T00:00:00Z"))
    leader.settle()
    assert world.addresses("a") == ["10.0.0.1"]
    assert world.addresses("b") == ["10.0.0.2"]
    assert words(world, "b", REQUEST)[1] == "SharingRefused"


def test_several_shared_addresses_align() -> None:
    world, _ = settled(
        class_object(isDefault=True),
        service_object("a", key="k", count="3", ports=(("TCP", 1),)),
        service_object(
            "b", key="k", count="3", ports=(("TCP", 2),), created="2026-02-01T00:00:00Z"
        ),
    )
    assert world.addresses("a") == world.addresses("b") == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_an_address_may_be_shared_by_those_who_request_it() -> None:
    world, _ = settled(
        class_object(isDefault=True),
        service_object("a", key="k", ips="10.0.0.7", ports=(("TCP", 1),)),
        service_object("b", key="k", ips="10.0.0.7", ports=(("TCP", 2),)),
        service_object("c", key="other", ips="10.0.0.7", ports=(("TCP", 3),)),
    )
    assert world.addresses("a") == world.addresses("b") == ["10.0.0.7"]
    assert world.addresses("c") == []
    assert words(world, "c", REQUEST)[1] == "RequestedAddressInUse"


def test_who_stops_to_clash_is_told_so_and_keeps_what_it_has() -> None:
    world, leader = settled(
        class_object(isDefault=True),
        service_object("a", key="k", created="2026-01-01T00:00:00Z"),
        service_object("b", key="k", created="2026-02-01T00:00:00Z"),
    )
    assert words(world, "b", REQUEST)[1] == "SharingRefused"
    world.put(service_object("a", key="k", ports=(("TCP", 81),), created="2026-01-01T00:00:00Z"))
    leader.settle()
    assert world.addresses("b") == ["10.0.0.2"]
    assert words(world, "b", REQUEST) == ("True", "RequestMet", "")


def test_the_port_that_clashes_is_told_as_it_changes() -> None:
    both = (("TCP", 80), ("TCP", 81))
    world, leader = settled(
        class_object(isDefault=True),
        service_object("a", key="k", created="2026-01-01T00:00:00Z"),
        service_object("b", key="k", ports=both, created="2026-02-01T00:00:00Z"),
    )
    assert "has TCP/80 on it" in words(world, "b", REQUEST)[2]
    world.put(service_object("a", key="k", ports=(("TCP", 81),), created="2026-01-01T00:00:00Z"))
    leader.settle()
    assert "has TCP/81 on it" in words(world, "b", REQUEST)[2]


def test_who_waits_shares_as_soon_as_somebody_holds_an_address_under_its_key() -> None:
    world, leader = settled(
        class_object(ranges=("10.0.0.1",), isDefault=True),
        service_object("a", ports=(("TCP", 1),), created="2026-01-01T00:00:00Z"),
        service_object("b", key="k", ports=(("TCP", 2),), created="2026-02-01T00:00:00Z"),
    )
    assert world.addresses("b") == []
    world.put(service_object("a", key="k", ports=(("TCP", 1),), created="2026-01-01T00:00:00Z"))
    leader.settle()
    assert world.addresses("a") == world.addresses("b") == ["10.0.0.1"]


def test_who_waits_shares_an_address_that_the_ledger_turns_out_to_have() -> None:
    """An entry that another replica wrote, and that this one sees late."""
    world, leader = settled(
        class_object(ranges=("10.0.0.1",), isDefault=True),
        service_object("a", created="2026-01-01T00:00:00Z"),
        service_object("b", key="k", ports=(("TCP", 1),), created="2026-02-01T00:00:00Z"),
        service_object("c", key="k", ports=(("TCP", 2),), created="2026-03-01T00:00:00Z"),
    )
    assert world.addresses("b") == world.addresses("c") == []
    world.put(
        {
            "kind": "VirtualIP",
            "metadata": {"name": "10.0.0.2"},
            "spec": {
                "address": "10.0.0.2",
                "pool": "ingress",
                "services": [{"namespace": "default", "name": "b"}],
                "trafficPolicy": "Cluster",
                "layer2": {"nodes": []},
            },
        }
    )
    leader.settle()
    assert world.addresses("b") == world.addresses("c") == ["10.0.0.2"]


def test_services_share_two_families_alike() -> None:
    world, _ = settled(
        class_object(ranges=("10.0.0.1-10.0.0.2", "fd00::1-fd00::2"), isDefault=True),
        service_object("a", key="k", ports=(("TCP", 1),), ips="fd00::2,10.0.0.2", **DUAL),
        service_object("b", key="k", ports=(("TCP", 2),), **DUAL),
    )
    assert world.addresses("a") == world.addresses("b") == ["10.0.0.2", "fd00::2"]


def test_of_those_who_share_the_others_stay_when_one_leaves() -> None:
    services = [
        service_object(name, key="k", ports=(("TCP", port),), created=f"2026-01-0{port}T00:00:00Z")
        for port, name in enumerate("abc", start=1)
    ]
    world, leader = settled(class_object(isDefault=True), *services)
    written = world.writes
    world.put(service_object("b", key="k", ports=(("TCP", 2),), type="ClusterIP"))
    leader.settle()
    assert world.addresses("a") == world.addresses("c") == ["10.0.0.1"]
    assert [key.name for key in world.vips()["10.0.0.1"].spec.services] == ["a", "c"]
    assert world.writes - written == 2  # the status of b, and the entry


def test_many_who_share_are_decided_about_once_each() -> None:
    """The work must not grow with the square of their number."""
    services = [
        service_object(f"s{number:03}", key="k", ports=(("TCP", number + 1),))
        for number in range(150)
    ]
    world = world_of(class_object(isDefault=True), *services)
    leader = Leader(world)
    decided: list[object] = []
    decide = leader.reconciler.assignments.decide

    def counted(key: ObjectKey, leaving: str = "") -> Touched:
        decided.append(key)
        return decide(key, leaving)

    leader.reconciler.assignments.decide = counted  # type: ignore[method-assign]
    leader.settle()
    assert set(world.vips()) == {"10.0.0.1"}
    assert len(decided) <= 2 * len(services)


def test_an_entry_that_gains_a_holder_by_another_hand_is_taken_as_it_is() -> None:
    world, leader = settled(
        class_object(isDefault=True),
        service_object("a", key="k", ports=(("TCP", 1),), created="2026-01-01T00:00:00Z"),
        service_object("b", created="2026-02-01T00:00:00Z", class_annotation="later"),
    )
    entry = world.objects[("VirtualIP", "", "10.0.0.1")]
    holders = [{"namespace": "default", "name": name} for name in "ab"]
    world.put({**entry, "spec": {**entry["spec"], "services": holders}})
    world.put(service_object("b", key="k", ports=(("TCP", 2),), created="2026-02-01T00:00:00Z"))
    leader.settle()
    assert world.addresses("a") == world.addresses("b") == ["10.0.0.1"]


def test_two_leave_a_shared_address_and_one_comes_back() -> None:
    services = [
        service_object(name, key="k", ports=(("TCP", port),), created=f"2026-01-0{port}T00:00:00Z")
        for port, name in enumerate("abc", start=1)
    ]
    world, leader = settled(class_object(isDefault=True), *services)
    for name, port in (("b", 2), ("c", 3)):
        world.put(service_object(name, key="k", ports=(("TCP", port),), type="ClusterIP"))
    while leader.is_late:
        leader.deliver()
    leader.step()
    world.put(services[2])
    leader.settle()
    assert [key.name for key in world.vips()["10.0.0.1"].spec.services] == ["a", "c"]
    assert world.addresses("c") == ["10.0.0.1"]


def test_an_address_that_as_many_share_as_can_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(
        class_object(isDefault=True),
        service_object("a", key="k", ports=(("TCP", 1),), created="2026-01-01T00:00:00Z"),
        service_object("b", key="k", ports=(("TCP", 2),), created="2026-02-01T00:00:00Z"),
        service_object(
            "c", key="k", ips="10.0.0.1", ports=(("TCP", 3),), created="2026-03-01T00:00:00Z"
        ),
        service_object("d", key="k", ports=(("TCP", 4),), created="2026-04-01T00:00:00Z"),
    )
    leader = Leader(world)
    monkeypatch.setattr(leader.reconciler.allocator, "_most_holders", 2)
    leader.settle()
    assert world.addresses("c") == world.addresses("a") == ["10.0.0.1"]  # requests come first
    assert world.addresses("b") == world.addresses("d") == ["10.0.0.2"]
    world.put(
        service_object(
            "b", key="k", ips="10.0.0.1", ports=(("TCP", 2),), created="2026-02-01T00:00:00Z"
        )
    )
    leader.settle()
    assert world.addresses("b") == ["10.0.0.2"]
    assert words(world, "b", REQUEST) == (
        "False",
        "SharedAddressFull",
        "10.0.0.1 is shared by as many Services as can be; use another sharing key",
    )
