"""Section 1.15: who waits for an address of a pool gets it, however it came free."""

from __future__ import annotations

from typing import Any

import pytest

from metallb_controller.reconcile.queues import REVIEW_SECONDS
from support.objects import advertisement_object, pool_object, service_object
from support.outcomes import REQUEST, settled, words

ADV = advertisement_object()
OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
KEY = {"metallb.io/allow-shared-ip": "k"}
DUAL: dict[str, Any] = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}
POOL, IPS = "metallb.io/address-pool", "metallb.io/loadBalancerIPs"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({}, {"annotations": {POOL: "side"}}, id="names-another-pool"),
        pytest.param({}, {"annotations": {IPS: "10.0.1.1"}}, id="requests-another-address"),
        pytest.param(DUAL, {"ipFamilies": ["IPv6"]}, id="from-dual-to-single"),
        pytest.param({}, {"type": "ClusterIP"}, id="is-no-load-balancer-any-more"),
    ],
)
def test_1_15_a_holder_that_moves_leaves_its_address_to_who_waits(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    world, leader = settled(
        pool_object("front", ("10.0.0.1", "fd00::1")),
        pool_object("side", ("10.0.1.1",), autoAssign=False),
        ADV,
        service_object("holder", created=OLD, **before),
        service_object("waiter", created=NEW),
    )
    assert world.addresses("waiter") == []
    assert words(world, "waiter", REQUEST)[1] == "NoFreeAddress"
    world.put(service_object("holder", created=OLD, **after))
    leader.settle()
    assert world.addresses("waiter") == ["10.0.0.1"]
    leader.reconciler.allocator.check_invariants()


@pytest.mark.parametrize(
    "after",
    [
        pytest.param({"annotations": KEY, "ports": (("TCP", 81),)}, id="a-port-is-freed"),
        pytest.param({"annotations": {}, "type": "ClusterIP"}, id="the-holder-goes"),
    ],
)
def test_1_15_a_freed_port_of_a_shared_address_goes_to_who_waits(after: dict[str, Any]) -> None:
    world, leader = settled(
        pool_object("front", ("10.0.0.1",)),
        ADV,
        service_object("holder", created=OLD, annotations=KEY),
        service_object("waiter", created=NEW, annotations=KEY),
    )
    assert world.addresses("waiter") == []
    world.put(service_object("holder", created=OLD, **after))
    leader.settle()
    assert world.addresses("waiter") == ["10.0.0.1"]


def test_a_quota_that_is_freed_or_raised_goes_to_who_waits() -> None:
    front = pool_object("front", ("10.0.0.1-10.0.0.9",), namespaceQuota=1)
    world, leader = settled(
        front,
        ADV,
        service_object("first", created=OLD),
        service_object("second", created=NEW),
        service_object("third", created=NEW),
    )
    assert world.addresses("second") == world.addresses("third") == []
    assert words(world, "third", REQUEST)[1] == "NamespaceQuotaReached"
    world.delete("Service", "first", "default")
    leader.settle()
    assert world.addresses("second") == ["10.0.0.1"]
    assert world.addresses("third") == []
    raised = pool_object("front", ("10.0.0.1-10.0.0.9",), namespaceQuota=2)
    world.put(raised)
    leader.settle()
    assert world.addresses("third") == ["10.0.0.2"]


def test_a_reserved_address_that_comes_free_goes_to_those_it_is_for() -> None:
    kept = [{"addresses": ["10.0.0.1"], "namespace": "team"}]
    world, leader = settled(
        pool_object("front", ("10.0.0.1",), reservations=kept),
        ADV,
        service_object("holder", namespace="team", created=OLD),
        service_object("waiter", namespace="team", created=NEW),
        service_object("other", created=OLD),
    )
    assert world.addresses("holder", "team") == ["10.0.0.1"]
    world.delete("Service", "holder", "team")
    leader.settle()
    assert world.addresses("waiter", "team") == ["10.0.0.1"]
    assert world.addresses("other") == []


def test_a_refusal_counts_what_other_pools_have_now() -> None:
    """Nobody is woken for it, yet the words of who waits do not stay behind for ever."""
    world, leader = settled(
        pool_object("front", ("10.0.0.1",)),
        pool_object("side", ("10.0.1.1-10.0.1.9",), autoAssign=False),
        ADV,
        service_object("holder", created=OLD),
        service_object("waiter", created=NEW),
    )
    assert "side has 9 free" in words(world, "waiter", REQUEST)[2]
    world.put(service_object("aside", created=NEW, annotations={POOL: "side"}))
    leader.settle()
    assert "side has 8 free" in words(world, "waiter", REQUEST)[2]
    world.delete("Service", "aside", "default")
    leader.settle()
    assert "side has 9 free" in words(world, "waiter", REQUEST)[2]


def test_reviews_of_refusals_are_few_at_a_time_and_end() -> None:
    """However many wait: what is done between two changes is bounded, and then it is quiet."""
    waiting = [service_object(f"w{number:03d}", created=NEW) for number in range(250)]
    world, leader = settled(
        pool_object("front", ("10.0.0.1",)),
        pool_object("side", ("10.0.1.1-10.0.1.9",), autoAssign=False),
        ADV,
        service_object("holder", created=OLD),
        *waiting,
    )
    world.put(service_object("aside", created=NEW, annotations={POOL: "side"}))
    before = leader.now
    leader.settle()
    assert leader.now - before >= 2 * REVIEW_SECONDS
    told = [words(world, item["metadata"]["name"], REQUEST)[2] for item in waiting]
    assert all("side has 8 free" in item for item in told)
    writes = world.writes
    leader.settle()
    assert world.writes == writes
    reconciler = leader.reconciler
    assert reconciler.assignments.reviews.next_at(reconciler.allocator.changes) is None
