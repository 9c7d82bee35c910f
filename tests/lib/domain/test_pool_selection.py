"""Which pools serve a Service: sections 1.4 to 1.6 and 1.14 of MetalLB, beside classes."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from metallb.api.services import read_service
from metallb.domain.address_pools import PoolKind
from metallb.domain.requests import Dialect
from metallb.domain.selection import (
    Binding,
    BindingReason,
    Candidates,
    Choice,
    PoolIndex,
    choose_pools,
    is_class,
    pool_words,
    serves,
)
from support.objects import bound_condition, service_object
from support.pools import pinned, pool

NAMESPACES: dict[str, dict[str, str]] = {"default": {"team": "x"}, "other": {}}
POOLS = PoolIndex(
    [
        pool("front", "10.0.0.0/24", allocation=pinned(2, "default")),
        pool("strong", "10.0.1.0/24", allocation=pinned(1)),
        pool("rest", "10.0.2.0/24", allocation=pinned()),
        pool("kept", "10.0.3.0/24", allocation=pinned(1, "elsewhere")),
        pool("b", "10.0.4.0/24"),
        pool("a", "10.0.5.0/24", "fd00::/64", kind=PoolKind.POOL),
        pool("asked", "10.0.6.0/24", auto_assign=False),
        pool("ingress", "10.0.7.0/24", kind=PoolKind.CLASS),
    ]
)
NATIVE = "metallb.io/address-pool"
N, D = "IPAddressPool/", "MetalLoadBalancerPool/"
ALL = Candidates(
    ((f"{N}strong", f"{N}front", f"{N}rest"), (f"{D}a", f"{N}b")),
    (f"{N}asked",),
    (f"{N}asked",),
)


def _choose(
    default: str | None = None,
    settings_class: str = "",
    pools: PoolIndex = POOLS,
    notes: dict[str, str] | None = None,
    **service: Any,
) -> Choice | None:
    value = service_object(**service)
    value["metadata"]["annotations"].update(notes or {})
    found = read_service(value)
    return choose_pools(found, pools, NAMESPACES, ("ingress",), default, settings_class)


def _class(name: str = "ingress", reason: BindingReason = BindingReason.BOUND) -> Choice:
    groups = ((name,),) if reason is BindingReason.BOUND else ()
    return Choice(Binding(name, reason), Candidates(groups))


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param({}, Choice(None, ALL), id="1.4-no-default-class"),
        pytest.param({"default": "ingress"}, _class(), id="the-default-class"),
        pytest.param({"type": "ClusterIP"}, None, id="another-type"),
        pytest.param({"deleting": True}, None, id="is-being-deleted"),
        pytest.param({"class_annotation": "ingress"}, _class(), id="class-by-annotation"),
        pytest.param(
            {"class_annotation": "gone"},
            _class("gone", BindingReason.UNKNOWN), id="class-by-annotation-that-is-not-there",
        ),
        pytest.param(
            {"conditions": (bound_condition("ingress"),), "notes": {NATIVE: "b"}},
            _class(), id="bound-to-a-class-whatever-is-named",
        ),
        pytest.param({"loadBalancerClass": "ingress"}, _class(), id="class-by-field"),
        pytest.param({"loadBalancerClass": "cilium"}, None, id="1.14-class-of-another"),
        pytest.param(
            {"loadBalancerClass": "cilium", "default": "ingress"}, None, id="1.14-and-a-default",
        ),
        pytest.param(
            {"loadBalancerClass": "bgp", "settings_class": "bgp"}, Choice(None, ALL), id="1.14-set",
        ),
        pytest.param(
            {"loadBalancerClass": "bgp", "settings_class": "bgp", "default": "ingress"},
            Choice(None, ALL), id="1.14-set-is-stronger-than-a-default",
        ),
        pytest.param({"settings_class": "bgp"}, None, id="1.14-set-and-not-named"),
        pytest.param(
            {"settings_class": "bgp", "default": "ingress"}, _class(), id="1.14-else-the-default",
        ),
        pytest.param(
            {"notes": {"metallb.io/loadBalancerIPs": "10.0.4.9"}, "default": "ingress"},
            Choice(None, ALL), id="requests-an-address-that-a-pool-has",
        ),
        pytest.param(
            {"notes": {"metallb.io/loadBalancerIPs": "10.0.99.9"}, "default": "ingress"},
            _class(), id="requests-an-address-that-none-has",
        ),
        pytest.param(
            {"ips": "10.0.7.7", "default": "ingress"}, _class(), id="requests-one-of-a-class",
        ),
    ],
)  # fmt: skip
def test_who_serves(case: dict[str, Any], expected: Choice | None) -> None:
    assert _choose(**case) == expected


def test_without_any_pool_nobody_serves_who_names_none() -> None:
    assert _choose(pools=PoolIndex()) is None
    assert not PoolIndex()
    named = _choose(pools=PoolIndex(), notes={"metallb.io/address-pool": "x"})
    assert named is not None
    assert named.problems[0].message == (
        "unknown pool 'x', which annotation metallb.io/address-pool names; "
        "there is no pool for it"
    )  # fmt: skip
    asked = _choose(pools=PoolIndex(), loadBalancerClass="bgp", settings_class="bgp")
    assert asked is not None
    assert asked.problems[0].message == "no pool serves the Service: there is none at all"


def test_the_dialect_is_that_of_who_serves() -> None:
    assert _class().dialect is Dialect.CLASS
    assert Choice(None, ALL).dialect is Dialect.POOL


def test_1_6_a_named_pool_is_the_only_one() -> None:
    found = _choose(notes={"metallb.io/address-pool": "asked"}, default="ingress")
    assert found is not None
    assert found.candidates.groups == ((f"{N}asked",),)
    assert found.candidates.others == ()
    assert found.candidates.alternatives == (
        f"{D}a", f"{N}b", f"{N}front", f"{N}rest", f"{N}strong",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("x", "UnknownPool", "unknown pool 'x', which annotation metallb.io/address-pool names; "),
        ("kept", "NoPoolServes", "pool kept not compatible for ip assignment: "),
    ],
)
def test_1_6_a_pool_that_cannot_be_named(name: str, reason: str, words: str) -> None:
    found = _choose(notes={"metallb.io/address-pool": name})
    assert found is not None
    assert found.candidates == Candidates()
    (problem,) = found.problems
    assert problem.reason == reason
    assert problem.message.startswith(words)
    assert problem.message.endswith("it may name a, asked, b, front, rest and 1 more")


def test_1_5_nobody_serves() -> None:
    many = [pool(f"p{number}", allocation=pinned(1, "elsewhere")) for number in range(7)]
    found = _choose(pools=PoolIndex(many))
    assert found is not None
    assert found.problems[0].message == (
        "no pool serves the Service: spec.serviceAllocation keeps p0, p1, p2, p3, p4 and 2 more "
        "for others"
    )


@pytest.mark.parametrize(
    ("allocation", "expected"),
    [
        pytest.param(None, True, id="1.5-not-pinned"),
        pytest.param(pinned(), True, id="1.5-for-all"),
        pytest.param(pinned(3), True, id="1.5-only-a-priority"),
        pytest.param(pinned(0, "default"), True, id="1.5-named"),
        pytest.param(pinned(0, "other"), False, id="1.5-another-is-named"),
        pytest.param(pinned(0, selected=({"team": "x"},)), True, id="1.5-selected"),
        pytest.param(pinned(0, selected=({"team": "y"},)), False, id="1.5-none-is-selected"),
        pytest.param(
            pinned(0, selected=({"team": "y"}, {"team": "x"})), True, id="1.5-selectors-are-ORed",
        ),
        pytest.param(
            pinned(0, "other", selected=({"team": "x"},)), True, id="1.5-named-or-selected",
        ),
        pytest.param(pinned(0, selected=({},)), True, id="1.5-a-selector-of-everything"),
        pytest.param(pinned(0, services=({"app": "a"},)), True, id="1.5-service"),
        pytest.param(pinned(0, services=({"app": "b"},)), False, id="1.5-another-service"),
        pytest.param(
            pinned(0, services=({"app": "b"}, {"tier": "1"})), True, id="1.5-services-are-ORed",
        ),
        pytest.param(
            pinned(0, "other", services=({"app": "a"},)), False, id="1.5-namespace-and-service",
        ),
        pytest.param(
            pinned(0, selected=({"team": "y"},), services=({"app": "a"},)),
            False, id="1.5-fails-closed",
        ),
    ],
)  # fmt: skip
def test_1_5_whom_a_pool_serves(allocation: Any, expected: bool) -> None:
    value = service_object()
    value["metadata"]["labels"] = {"app": "a", "tier": "1"}
    found = pool("p", allocation=allocation)
    assert serves(found, read_service(value), NAMESPACES) is expected


def test_1_5_a_namespace_that_is_not_known_is_selected_by_nothing() -> None:
    found = pool("p", allocation=pinned(0, selected=({},)))
    assert not serves(found, read_service(service_object(namespace="new")), NAMESPACES)


def test_two_pools_of_one_name_are_told_apart_by_the_dialect() -> None:
    both = PoolIndex([pool("p"), pool("p", kind=PoolKind.POOL)])
    assert both.named("p", PoolKind.NATIVE) == f"{N}p"
    assert both.named("p", PoolKind.POOL) == f"{D}p"
    assert PoolIndex([pool("p")]).named("p", PoolKind.POOL) == f"{N}p"
    assert both.named("q", PoolKind.POOL) is None
    deckhouse = _choose(pools=both, notes={"network.deckhouse.io/load-balancer-pool": "p"})
    native = _choose(pools=both, notes={"metallb.io/address-pool": "p"})
    assert deckhouse is not None
    assert native is not None
    assert deckhouse.candidates.groups == ((f"{D}p",),)
    assert native.candidates.groups == ((f"{N}p",),)


def test_the_owner_of_an_address_is_the_oldest_pool_that_has_it() -> None:
    index = PoolIndex(
        [
            pool("young", "10.0.0.0/24", "10.0.9.0/24", created="2026-02-01T00:00:00Z"),
            pool("old", "10.0.0.128/25", "fd00::/64"),
        ]
    )
    for text, owner in (
        ("10.0.0.1", "young"), ("10.0.0.200", "old"), ("10.0.9.1", "young"), ("fd00::1", "old"),
    ):  # fmt: skip
        assert index.owner_of(ip_address(text)) == f"{N}{owner}"
    for text in ("9.0.0.1", "10.0.1.1", "fd01::", "11.0.0.0"):
        assert index.owner_of(ip_address(text)) is None


def test_pools_are_named_as_people_know_them() -> None:
    assert pool_words("ingress") == "class ingress"
    assert pool_words("IPAddressPool/p") == "pool p"
    assert is_class("ingress")
    assert not is_class("IPAddressPool/p")
