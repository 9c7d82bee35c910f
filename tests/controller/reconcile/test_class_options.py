"""Our options of pools on a class: quotas, reservations, retention, a class that is disabled."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from metallb.api.services import read_service
from metallb.domain.requests import read_wish
from metallb.domain.selection import Candidates
from metallb.net.addresses import Family
from metallb.net.ranges import parse_range
from metallb_controller.allocator.model import PoolSpace, Supply
from metallb_controller.allocator.state import Allocator
from metallb_controller.reconcile.plans import claim_of
from metallb_controller.reconcile.services import plan_service
from support.objects import service_object
from support.pools import DUAL, reserved

if TYPE_CHECKING:
    from metallb_controller.reconcile.plans import ServicePlan

RANGES = (parse_range("10.0.0.1-10.0.0.4"), parse_range("fd00::1-fd00::4"))
INGRESS = Candidates((("ingress",),))


def _allocator(**options: Any) -> Allocator:
    made = Allocator()
    made.set_pools({"ingress": PoolSpace(RANGES, **options)})
    return made


def _serve(allocator: Allocator, name: str, **spec: Any) -> ServicePlan:
    service = read_service(service_object(name, **spec))
    key, wish = service.meta.key, read_wish(service)
    held = allocator.addresses_of(key)
    plan = plan_service(service, wish, INGRESS, held, allocator)
    for address, pool in plan.pools.items():
        allocator.assign(pool, address, key, claim_of(service, wish))
    for address in plan.dropped:
        allocator.release(address, key)
    allocator.check_invariants()
    return plan


def _words(plan: ServicePlan) -> list[tuple[str, str]]:
    return [(problem.reason.value, problem.message) for problem in plan.problems]


def test_a_quota_of_a_class() -> None:
    allocator = _allocator(namespace_quota=3)
    plan = _serve(allocator, "a", count="2", **DUAL)
    assert list(map(str, plan.wanted)) == ["10.0.0.1", "10.0.0.2", "fd00::1"]
    assert _words(plan) == [
        (
            "NamespaceQuotaReached",
            "the namespace has all that class ingress lets one have (spec.namespaceQuota is 3)",
        )
    ]
    assert plan.awaits_any == [Supply("ingress", None, "default")]
    assert _serve(allocator, "b").wanted == []
    assert len(_serve(allocator, "a", **DUAL).wanted) == 2
    assert allocator.available(Supply("ingress", None, "default")) == 1
    assert list(map(str, _serve(allocator, "b").wanted)) == ["10.0.0.2"]


def test_a_disabled_class_keeps_those_it_has() -> None:
    allocator = _allocator()
    _serve(allocator, "a", key="k")
    allocator.set_pools({"ingress": PoolSpace(RANGES, is_disabled=True)})
    assert _serve(allocator, "a", key="k").problems == []
    plan = _serve(allocator, "b", key="k", ports=(("TCP", 81),))
    assert _words(plan) == [
        (
            "PoolDisabled",
            "class ingress is disabled (spec.disabled): nobody new gets an address of it",
        )
    ]
    assert allocator.available(plan.awaits_any[0]) == 0


def test_reservations_of_a_class() -> None:
    kept = (reserved("10.0.0.1-10.0.0.2", "team"), reserved("10.0.0.4-10.0.0.4", "default", "vip"))
    allocator = _allocator(reservations=kept)
    assert str(_serve(allocator, "a").wanted[0]) == "10.0.0.3"
    plan = _serve(allocator, "b")
    assert _words(plan)[0][1] == (
        "class ingress has no free IPv4 address (4 in its ranges, 3 of them reserved for others), "
        "1 more wanted; add a range to the class"
    )
    assert plan.awaits_any == [Supply("ingress", Family.IPV4)]
    assert str(_serve(allocator, "vip").wanted[0]) == "10.0.0.4"
    requests = _serve(allocator, "c", ips="10.0.0.1")
    assert _words(requests) == [
        (
            "RequestedAddressReserved",
            (
                "10.0.0.1 is reserved for others (spec.reservations of class ingress); "
                "request another one"
            ),
        )
    ]


def test_an_address_of_a_class_is_kept_for_who_comes_back() -> None:
    allocator = _allocator()
    key = read_service(service_object("a")).meta.key
    allocator.retain(ip_address("10.0.0.3"), key, 60.0)
    assert str(_serve(allocator, "a").wanted[0]) == "10.0.0.3"
    assert allocator.retained_for(key) == ()
