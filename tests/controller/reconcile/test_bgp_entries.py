"""Entries of the ledger that BGP announces: L2 neither touches them nor gives their addresses."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from metallb.api.meta import ObjectKey
from metallb.api.virtual_ips import BGPOrders, VirtualIPSpec, new_virtual_ip, to_object
from support.objects import class_object, service_object
from support.outcomes import REQUEST, settled, words, world_of
from support.world import Leader


def entry(address: str, *services: str) -> dict[str, Any]:
    keys = tuple(ObjectKey("default", name) for name in services)
    spec = VirtualIPSpec(ip_address(address), "edge", keys, bgp=BGPOrders())
    return to_object(new_virtual_ip(spec))


def test_the_entry_and_its_service_are_left_as_they_are() -> None:
    world = world_of(
        class_object(isDefault=False),
        service_object("web", ingress=("192.0.2.1",)),
        entry("192.0.2.1", "web"),
    )
    before = len(world.history)
    for _ in range(2):  # a restarted one finds the same
        leader = Leader(world)
        leader.settle()
    touched = [ref for ref, _, _ in world.history[before:] if ref[0] in ("Service", "VirtualIP")]
    assert touched == []
    world.put(service_object("web", type="ClusterIP"))
    leader.settle()
    assert set(world.vips()) == {"192.0.2.1"}


@pytest.mark.parametrize("comes", ["first", "while it is given", "after a restart"])
def test_an_address_that_bgp_announces_is_given_to_nobody(comes: str) -> None:
    world, leader = settled(class_object(isDefault=True))
    if comes != "while it is given":
        world.put(entry("10.0.0.1"))
    if comes == "after a restart":
        leader = Leader(world)
    world.put(service_object("web"))
    while leader.is_late:
        leader.deliver()
    leader.step()
    if comes == "while it is given":
        assert [write.target.key.name for write in leader.under_way] == ["10.0.0.1"]
        world.put(entry("10.0.0.1"))
    leader.settle()
    assert set(world.vips()) == {"10.0.0.1", "10.0.0.2"}
    assert world.addresses("web") == ["10.0.0.2"]
    leader.reconciler.allocator.check_invariants()


def test_who_requests_such_an_address_is_told_why_not() -> None:
    world, leader = settled(
        class_object(isDefault=True), entry("10.0.0.1"), service_object("web", ips="10.0.0.1")
    )
    said = "10.0.0.1 is announced by BGP (VirtualIP 10.0.0.1); request another one"
    assert words(world, "web", REQUEST) == ("False", "RequestedAddressInUse", said)
    world.delete("VirtualIP", "10.0.0.1")
    leader.settle()
    assert world.addresses("web") == ["10.0.0.1"]


def test_an_entry_that_changes_is_still_nobodys() -> None:
    world, leader = settled(class_object(isDefault=True), entry("10.0.0.1"))
    world.put(entry("10.0.0.1", "other"))
    world.put(service_object("web"))
    leader.settle()
    assert world.addresses("web") == ["10.0.0.2"]
    leader.reconciler.allocator.check_invariants()
