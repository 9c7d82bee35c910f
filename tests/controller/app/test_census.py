"""What the leader knows of the cluster, as series: by pool and reason."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from metallb.api.classes import read_class
from metallb.api.meta import ObjectKey
from metallb.kube.reflector import ReflectorCounts
from metallb_controller.app.census import UNKNOWN_CLASS, Census
from metallb_controller.reconcile.catalogue import ConfigKind
from metallb_controller.reconcile.engine import Reconciler
from support.objects import (
    advertisement_object,
    class_object,
    pool_object,
    service_object,
    slice_object,
)
from support.outcomes import DUAL, settled

if TYPE_CHECKING:
    from support.world import Leader, World


@dataclass
class ShownTerm:
    """A term with mirrors that are played."""

    reconciler: Reconciler
    is_loaded: bool = True
    mirrors: Any = ()
    queued_writes: int = 0
    ipam: Any = None


def mirror(*, is_failing: bool = False, events: int = 0, unreadable: int = 0) -> SimpleNamespace:
    counts = ReflectorCounts(events=events, unreadable=unreadable)
    return SimpleNamespace(counts=counts, is_failing=is_failing)


def sample(leader: Leader | ShownTerm, name: str, **labels: str) -> float | None:
    term = leader if isinstance(leader, ShownTerm) else ShownTerm(leader.reconciler)
    registry = CollectorRegistry()
    registry.register(Census(lambda: term))
    return registry.get_sample_value(name, labels)


def waiting(leader: Leader, reason: str, pool: str = "ingress") -> float | None:
    return sample(leader, "metallb_controller_services_waiting", pool=pool, reason=reason)


def silent(leader: Leader, reason: str) -> float | None:
    name = "metallb_controller_addresses_not_announced"
    return sample(leader, name, pool="ingress", reason=reason)


def report(world: World, address: str, node: str) -> None:
    """Write what a speaker would: who announces an address."""
    value = copy.deepcopy(world.objects["VirtualIP", "", address])
    value["status"] = {"announcers": [{"node": node, "since": "", "reason": "Preferred"}]}
    world.put(value)


# ---------------------------------------------------------------- addresses


def test_addresses_are_counted_by_class() -> None:
    _, leader = settled(
        class_object("one", ("10.0.0.1-10.0.0.9",)),
        class_object("two", ("10.1.0.1",)),
        class_object("empty", ()),
        service_object("web", class_annotation="one", count="2"),
    )
    names = [
        f"metallb_allocator_{name}"
        for name in ("addresses_total", "addresses_in_use_total", "services_allocated_total")
    ]
    values = [[sample(leader, name, pool=pool) for name in names] for pool in ("one", "two")]
    assert values == [[9, 2, 1], [1, 0, 0]]
    assert [sample(leader, name, pool="empty") for name in names] == [0, 0, 0]


def test_addresses_are_counted_by_family() -> None:
    _, leader = settled(
        class_object(ranges=("10.0.0.1-10.0.0.3", "fd00::1-fd00::9"), isDefault=True),
        service_object("web", **DUAL),
        service_object("api"),
    )

    def of(family: str) -> list[float | None]:
        names = (f"{family}_addresses_total", f"{family}_addresses_in_use_total")
        return [sample(leader, f"metallb_allocator_{name}", pool="ingress") for name in names]

    assert of("ipv4") == [3, 2]
    assert of("ipv6") == [9, 1]
    free = "metallb_controller_addresses_free"
    assert sample(leader, free, pool="ingress", family="IPv4") == 1
    assert sample(leader, free, pool="ingress", family="IPv6") == 8


def test_a_family_without_ranges_has_nothing_to_run_out_of() -> None:
    _, leader = settled(class_object())
    free = "metallb_controller_addresses_free"
    assert sample(leader, free, pool="ingress", family="IPv4") == 9
    assert sample(leader, free, pool="ingress", family="IPv6") is None


def test_what_is_held_outside_the_ranges_does_not_hide_what_is_free() -> None:
    services = [service_object(f"s{number}") for number in range(5)]
    world, leader = settled(class_object(isDefault=True), *services)
    world.put(class_object(ranges=("10.0.0.5-10.0.0.7",), generation=2, isDefault=True))
    leader.settle()
    assert sample(leader, "metallb_allocator_addresses_in_use_total", pool="ingress") == 5
    assert sample(leader, "metallb_controller_addresses_free", pool="ingress", family="IPv4") == 2


# ---------------------------------------------------------------- Services


def test_services_that_wait_are_counted_by_reason() -> None:
    _, leader = settled(
        class_object(ranges=("10.0.0.1",), isDefault=True),
        service_object("a"),
        service_object("b", created="2026-01-02T00:00:00Z"),
        service_object("c", created="2026-01-03T00:00:00Z"),
        service_object("d", count="many", created="2026-01-04T00:00:00Z"),
    )
    assert waiting(leader, "NoFreeAddress") == 2
    assert waiting(leader, "InvalidAddressCount") == 1


def test_one_that_has_all_it_wants_does_not_wait() -> None:
    _, leader = settled(class_object(isDefault=True), service_object("a", count="3"))
    assert waiting(leader, "NoFreeAddress") is None


def test_a_class_that_does_not_exist_is_no_label() -> None:
    _, leader = settled(class_object(), service_object("a", class_annotation="none-such"))
    assert waiting(leader, "LoadBalancerClassUnknown", UNKNOWN_CLASS) == 1
    assert waiting(leader, "LoadBalancerClassUnknown", "none-such") is None


# ---------------------------------------------------------------- announcing


def test_addresses_that_nobody_announces() -> None:
    world, leader = settled(
        class_object(isDefault=True), service_object("a", count="3"), slice_object("a")
    )
    assert silent(leader, "NotAnnounced") == 3
    report(world, "10.0.0.1", "a")
    report(world, "10.0.0.2", "b")
    leader.settle()
    assert silent(leader, "NotAnnounced") == 1


def test_an_announcer_that_is_gone_announces_nothing() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("a"), slice_object("a"))
    report(world, "10.0.0.1", "a")
    leader.settle()
    assert silent(leader, "NotAnnounced") is None
    report(world, "10.0.0.1", "z")
    leader.settle()
    assert silent(leader, "NotAnnounced") == 1


@pytest.mark.parametrize(
    ("nodes", "is_ready", "reason"),
    [("", True, "NoEligibleNodes"), ("abc", False, "NoReadyEndpoints")],
)
def test_addresses_that_are_not_to_be_announced(nodes: str, is_ready: bool, reason: str) -> None:
    endpoints = slice_object("a", ready=is_ready)
    _, leader = settled(class_object(isDefault=True), service_object("a"), endpoints, nodes=nodes)
    assert silent(leader, reason) == 1
    assert silent(leader, "NotAnnounced") is None


def test_nodes_are_counted_by_what_they_may() -> None:
    _, leader = settled(class_object(nodeSelector={"edge": "yes"}), class_object("all"))
    assert sample(leader, "metallb_controller_nodes_eligible", pool="all") == 3
    assert sample(leader, "metallb_controller_nodes_eligible", pool="ingress") == 0
    refused = "metallb_controller_nodes_refused"
    assert sample(leader, refused, pool="ingress", reason="NotSelected") == 3
    assert sample(leader, "metallb_controller_speakers_present") == 3


def test_a_pool_that_arp_does_not_announce_has_no_nodes_to_count() -> None:
    _, leader = settled(pool_object("front"), advertisement_object(kind="BGPAdvertisement"))
    assert sample(leader, "metallb_controller_nodes_eligible", pool="front") is None


# ---------------------------------------------------------------- pools


def problem(leader: Leader, pool: str, reason: str) -> float | None:
    return sample(leader, "metallb_controller_pool_problem", pool=pool, reason=reason)


def test_a_pool_that_nobody_advertises_has_a_problem_until_somebody_does() -> None:
    world, leader = settled(pool_object("front"))
    assert problem(leader, "front", "NotAdvertised") == 1
    world.put(advertisement_object())
    leader.settle()
    assert problem(leader, "front", "NotAdvertised") is None


def test_pools_whose_ranges_overlap_and_what_is_malformed() -> None:
    _, leader = settled(
        pool_object("first", ("10.9.0.0/24",)),
        pool_object("second", ("10.9.0.5", "10.9.1.0/24", "odd"), created="2026-01-02T00:00:00Z"),
        advertisement_object(),
    )
    assert problem(leader, "second", "OverlappingRanges") == 1
    assert problem(leader, "second", "InvalidSpec") == 1
    assert problem(leader, "first", "InvalidSpec") is None


def test_a_pool_that_is_closed_on_purpose_has_no_problem() -> None:
    _, leader = settled(pool_object("front", disabled=True), advertisement_object())
    assert problem(leader, "front", "Disabled") is None


# ---------------------------------------------------------------- the term


def test_what_the_mirrors_count() -> None:
    _, leader = settled()
    mirrors = (mirror(events=3), mirror(events=4, unreadable=1))
    term = ShownTerm(leader.reconciler, mirrors=mirrors, queued_writes=7)
    assert sample(term, "metallb_k8s_client_updates_total") == 7
    assert sample(term, "metallb_k8s_client_update_errors_total") == 1
    assert sample(term, "metallb_controller_queued_writes") == 7


def test_services_that_wait_to_be_decided_are_counted() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("a"))
    assert sample(leader, "metallb_controller_services_undecided") == 0
    for name in ("b", "c"):
        world.put(service_object(name))
        leader.deliver()
    assert sample(leader, "metallb_controller_services_undecided") == 2


def test_a_class_that_is_wrong_counts_before_its_status_says_so() -> None:
    reconciler = Reconciler()
    reconciler.observe_config(
        ConfigKind.CLASSES, ObjectKey("", "bad"), read_class(class_object("bad", ("10.0.0.x",)))
    )
    term = ShownTerm(reconciler)
    assert sample(term, "metallb_k8s_client_config_stale_bool") == 1


@pytest.mark.parametrize("is_loaded", [True, False])
def test_it_says_whether_it_has_read_everything(is_loaded: bool) -> None:
    _, leader = settled()
    term = ShownTerm(leader.reconciler, is_loaded=is_loaded)
    assert sample(term, "metallb_k8s_client_config_loaded_bool") == int(is_loaded)


@pytest.mark.parametrize(
    ("ranges", "is_failing", "expected"),
    [
        (("10.0.0.1",), False, 0),
        (("10.0.0.1",), True, 1),
        (("10.0.0.1", "10.0.0.x"), False, 1),
        (("10.9.0.5",), False, 1),
    ],
    ids=["right", "cut off", "malformed", "overlapping"],
)
def test_what_it_works_with_may_be_stale(
    ranges: tuple[str, ...], is_failing: bool, expected: int
) -> None:
    _, leader = settled(class_object("first", ("10.9.0.0/24",)), class_object("second", ranges))
    term = ShownTerm(leader.reconciler, mirrors=(mirror(is_failing=is_failing),))
    assert sample(term, "metallb_k8s_client_config_stale_bool") == expected
