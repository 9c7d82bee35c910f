"""What others use, as an IPAM says: avoided, worth waiting for, never taken from its holder."""

from __future__ import annotations

from metallb.net.ranges import parse_range
from metallb_controller.allocator.model import ForeignUse
from support.objects import NAMESPACE, advertisement_object, pool_object, service_object
from support.outcomes import REQUEST, settled, words

ADV = advertisement_object()
IPS = "metallb.io/loadBalancerIPs"


def _use(text: str) -> ForeignUse:
    return ForeignUse(parse_range(text), "router-1")


def test_a_used_address_is_avoided_and_given_when_it_is_free_in_the_ipam() -> None:
    world, leader = settled(pool_object("front", ("10.0.0.1-10.0.0.2",)), ADV)
    leader.reconciler.observe_foreign((_use("10.0.0.1"),))
    world.put(service_object("one"))
    world.put(service_object("two"))
    leader.settle()
    assert world.addresses("one") == ["10.0.0.2"]
    assert world.addresses("two") == []
    _, reason, message = words(world, "two", REQUEST)
    assert reason == "NoFreeAddress"
    assert "2 in its ranges, 1 of them reserved in IPAM" in message
    pool = world.objects["IPAddressPool", NAMESPACE, "front"]
    said = {item["type"]: item["message"] for item in pool["status"]["conditions"]}
    assert said["Exhausted"] == "1 of 2 addresses are held, 1 are reserved in IPAM"
    leader.reconciler.observe_foreign(())
    leader.settle()
    assert world.addresses("two") == ["10.0.0.1"]
    leader.reconciler.allocator.check_invariants()


def test_who_requests_a_used_address_waits_and_is_told_by_whom_it_is_used() -> None:
    world, leader = settled(pool_object("front", ("10.0.0.1-10.0.0.9",)), ADV)
    leader.reconciler.observe_foreign((_use("10.0.0.5"),))
    world.put(service_object("one", annotations={IPS: "10.0.0.5"}))
    leader.settle()
    assert world.addresses("one") == []
    assert "10.0.0.5 is reserved in IPAM by router-1" in " ".join(words(world, "one", REQUEST))
    leader.reconciler.observe_foreign((_use("10.0.0.6"),))
    leader.settle()
    assert world.addresses("one") == ["10.0.0.5"]


def test_a_holder_keeps_what_the_ipam_gives_to_another() -> None:
    world, leader = settled(
        pool_object("front", ("10.0.0.1-10.0.0.2",)), ADV, service_object("one")
    )
    assert world.addresses("one") == ["10.0.0.1"]
    uses = (_use("10.0.0.1"),)
    leader.reconciler.observe_foreign(uses)
    assert leader.reconciler.has_work()
    leader.settle()
    assert world.addresses("one") == ["10.0.0.1"]
    leader.reconciler.observe_foreign(uses)
    assert not leader.reconciler.has_work()
    world.put(pool_object("front", ("10.0.0.1-10.0.0.3",)))
    leader.settle()
    assert world.addresses("one") == ["10.0.0.1"]
    assert leader.reconciler.allocator.capacity("IPAddressPool/front").free == 2
