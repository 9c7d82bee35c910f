"""MetalLB's rules for the addresses of a Service, section by section of its specification.

The first item of each name is the section: the numbers are those of the list of behaviours that
`docs/internal/COMPATIBILITY.md` refers to.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from metallb.net.addresses import Family
from metallb_controller.allocator.model import Supply
from support.pools import DUAL, IPV6, PREFER, PREFER_IPV6, Office, pinned, pool, reserved

ONE = ("10.0.0.1-10.0.0.1",)
KEY = {"metallb.io/allow-shared-ip": "k"}
WEB, DNS, TLS = (("TCP", 80),), (("UDP", 53),), (("TCP", 443),)
ASK = "ask for it with annotation network.deckhouse.io/load-balancer-pool"
POOL = "metallb.io/address-pool"
IPS = "metallb.io/loadBalancerIPs"
LOCAL_A: dict[str, Any] = {"externalTrafficPolicy": "Local", "selector": {"app": "a"}}
LOCAL_B: dict[str, Any] = {"externalTrafficPolicy": "Local", "selector": {"app": "b"}}


def _request(text: str) -> dict[str, str]:
    return {IPS: text}


# -- 1.1 keys, 1.2 sharing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        pytest.param({"notes": KEY, "ports": WEB}, {"notes": KEY, "ports": DNS}, True, id="1.2.4"),
        pytest.param(
            {"notes": KEY, "ports": WEB}, {"notes": KEY, "ports": WEB}, False, id="1.2.5-port"
        ),
        pytest.param({"ports": WEB}, {"ports": DNS}, False, id="1.1-no-key"),
        pytest.param(
            {"notes": {"metallb.io/allow-shared-ip": ""}, "ports": WEB},
            {"notes": {"metallb.io/allow-shared-ip": ""}, "ports": DNS},
            False,
            id="1.1-empty-key",
        ),
        pytest.param(
            {"notes": {"metallb.universe.tf/allow-shared-ip": "k"}, "ports": WEB},
            {"notes": KEY, "ports": DNS},
            True,
            id="1.1-old-prefix",
        ),
        pytest.param(
            {
                "notes": {
                    "metallb.io/allow-shared-ip": "",
                    "metallb.universe.tf/allow-shared-ip": "k",
                },
                "ports": WEB,
            },
            {"notes": KEY, "ports": DNS},
            False,
            id="1.1-new-prefix-wins-though-empty",
        ),
        pytest.param(
            {"key": "k", "notes": {"metallb.io/allow-shared-ip": "x"}, "ports": WEB},
            {"notes": KEY, "ports": DNS},
            True,
            id="1.1-deckhouse-first",
        ),
        pytest.param(
            {"notes": KEY, "ports": WEB, **LOCAL_A},
            {"notes": KEY, "ports": DNS, **LOCAL_A},
            True,
            id="1.1-backend-equal",
        ),
        pytest.param(
            {"notes": KEY, "ports": WEB, **LOCAL_A},
            {"notes": KEY, "ports": DNS, **LOCAL_B},
            False,
            id="1.1-backend-differs",
        ),
        pytest.param(
            {"notes": KEY, "ports": WEB, **LOCAL_A},
            {"notes": KEY, "ports": DNS},
            False,
            id="1.1-backend-of-cluster-is-empty",
        ),
    ],
)
def test_who_shares_an_address(one: dict[str, Any], other: dict[str, Any], shared: bool) -> None:
    office = Office(pool("p", *ONE))
    assert office.put("a", **one) == ["10.0.0.1"]
    assert office.put("b", **other) == (["10.0.0.1"] if shared else [])
    assert bool(office.reasons("b")) is not shared


def test_1_2_4_a_key_may_be_changed_in_place_by_the_only_user() -> None:
    office = Office(pool("p", *ONE))
    office.put("a", notes=KEY)
    assert office.put("a", notes={"metallb.io/allow-shared-ip": "other"}) == ["10.0.0.1"]


def test_1_2_4_of_two_users_the_one_that_changes_leaves() -> None:
    """8.5 (33): to Local and back, one after the other."""
    office = Office(pool("p", *ONE))
    same: dict[str, Any] = {"notes": KEY, "selector": {"app": "x"}}
    local = {**same, "externalTrafficPolicy": "Local"}
    office.put("a", ports=WEB, created="2026-01-01T00:00:00Z", **same)
    office.put("b", ports=DNS, created="2026-01-02T00:00:00Z", **same)
    assert office.put("b", ports=DNS, created="2026-01-02T00:00:00Z", **local) == []
    assert office.reasons("b")[0] == "SharingRefused"
    assert office.addresses("a") == ["10.0.0.1"]
    assert office.put("a", ports=WEB, created="2026-01-01T00:00:00Z", **local) == ["10.0.0.1"]
    assert office.sync("b") == ["10.0.0.1"]


def test_1_2_requested_addresses_of_two_families_come_from_two_pools() -> None:
    """Beyond MetalLB, which wants one pool to have both."""
    office = Office(pool("four", "10.0.0.0/30"), pool("six", "fd00::/126"))
    found = office.put("a", notes=_request("fd00::2,10.0.0.2"), **DUAL)
    assert found == ["10.0.0.2", "fd00::2"]
    assert office.plans["a"].pools == {
        ip_address("10.0.0.2"): "IPAddressPool/four",
        ip_address("fd00::2"): "IPAddressPool/six",
    }


# -- 1.3 the first usable address ------------------------------------------------------------------


def test_1_3_the_ranges_are_walked_as_written_from_the_address_of_the_network() -> None:
    office = Office(pool("p", "10.0.1.0/31", "10.0.0.0/31"))
    found = [office.put(name)[0] for name in "abcd"]
    assert found == ["10.0.1.0", "10.0.1.1", "10.0.0.0", "10.0.0.1"]


def test_1_3_a_shared_address_is_not_preferred_to_a_lower_free_one() -> None:
    office = Office(pool("p", "10.0.0.0/29"))
    office.put("low")
    assert office.put("a", notes=KEY, ports=WEB) == ["10.0.0.1"]
    office.delete("low")
    assert office.put("b", notes=KEY, ports=DNS) == ["10.0.0.0"]
    assert office.put("c", notes=KEY, ports=TLS) == ["10.0.0.0"]
    office.delete("b")
    office.delete("c")
    assert office.put("low") == ["10.0.0.0"]
    assert office.put("d", notes=KEY, ports=DNS) == ["10.0.0.1"]


def test_1_3_an_address_of_a_later_range_is_not_shared_while_an_earlier_one_is_free() -> None:
    office = Office(pool("p", "10.0.9.0/32", "10.0.0.0/30"))
    assert office.put("a", notes={**KEY, **_request("10.0.0.0")}, ports=WEB) == ["10.0.0.0"]
    assert office.put("b", notes=KEY, ports=DNS) == ["10.0.9.0"]


def test_1_3_buggy_addresses_are_passed_over() -> None:
    office = Office(pool("p", "10.0.0.254-10.0.1.1", avoid_buggy_ips=True))
    assert [office.put(name) for name in "abc"] == [["10.0.0.254"], ["10.0.1.1"], []]
    assert office.reasons("c") == ["NoFreeAddress"]


# -- 1.4 automatic allocation ----------------------------------------------------------------------


def test_1_4_1_a_holder_keeps_its_address_though_a_better_pool_comes() -> None:
    office = Office(pool("z", "10.0.9.0/30"))
    office.put("a")
    office.set_pools(pool("a", "10.0.0.0/30", allocation=pinned(1)), pool("z", "10.0.9.0/30"))
    assert office.addresses("a") == ["10.0.9.0"]
    assert office.put("b") == ["10.0.0.0"]


def test_1_4_2_pinned_pools_come_by_priority_and_those_without_last() -> None:
    """8.5 (35): pools of one address, priorities 10 and 20, and a pinned one without."""
    office = Office(
        pool("open", "10.0.3.0/32"),
        pool("weak", "10.0.2.0/32", allocation=pinned()),
        pool("second", "10.0.1.0/32", allocation=pinned(20)),
        pool("first", "10.0.0.0/32", allocation=pinned(10)),
    )
    found = [office.put(name) for name in "abcde"]
    assert found == [["10.0.0.0"], ["10.0.1.0"], ["10.0.2.0"], ["10.0.3.0"], []]


def test_1_4_2_pools_of_equal_rank_come_by_name() -> None:
    office = Office(
        pool("b", "10.0.1.0/32", allocation=pinned(5)),
        pool("a", "10.0.0.0/32", allocation=pinned(5)),
        pool("d", "10.0.3.0/32"),
        pool("c", "10.0.2.0/32"),
    )
    found = [office.put(name)[0] for name in "abcd"]
    assert found == ["10.0.0.0", "10.0.1.0", "10.0.2.0", "10.0.3.0"]


def test_1_4_3_pools_that_do_not_assign_by_themselves_are_not_tried() -> None:
    office = Office(pool("p", "10.0.0.0/30", auto_assign=False))
    assert office.put("a") == []
    assert office.words("a") == [
        (
            "NoPoolServes",
            (
                "no available IPs: no pool is tried; pool p has 4 free: ask for it with annotation "
                "network.deckhouse.io/load-balancer-pool"
            ),
        )
    ]


def test_1_4_4_nothing_is_free_and_the_words_say_where_there_is() -> None:
    office = Office(
        pool("edge", "10.0.0.0/32"),
        pool("spare", "10.0.1.0/28", auto_assign=False),
        pool("spare6", "fd00::/126", auto_assign=False),
    )
    office.put("a")
    assert office.put("b") == []
    assert office.words("b") == [
        (
            "NoFreeAddress",
            (
                "no available IPs: pool edge has no free IPv4 address (1 in its ranges); pool "
                f"spare has 16 free: {ASK}"
            ),
        )
    ]
    assert office.put("c", **IPV6) == []
    assert office.words("c") == [
        (
            "FamilyNotInPools",
            (f"no available IPs: pool edge has no IPv6 addresses; pool spare6 has 4 free: {ASK}"),
        )
    ]


def test_1_4_many_pools_are_told_of_in_few_words() -> None:
    office = Office(*(pool(f"p{number}", f"10.0.{number}.0/32") for number in range(7)))
    for number in range(7):
        office.put(f"s{number}")
    office.put("late")
    (_, message) = office.words("late")[0]
    assert message.endswith("and 2 more pools are no better; add a range to a pool")


@pytest.mark.parametrize(
    ("pools", "spec", "expected"),
    [
        pytest.param(
            [pool("a", "10.0.0.0/30"), pool("b", "10.0.1.0/30", "fd00::/126")],
            DUAL, ["10.0.1.0", "fd00::"], id="one-with-both-wins",
        ),
        pytest.param(
            [pool("a", "10.0.0.0/30"), pool("b", "10.0.1.0/30", "fd00::/126")],
            PREFER, ["10.0.1.0", "fd00::"], id="one-with-both-wins-for-prefer",
        ),
        pytest.param(
            [pool("a", "10.0.0.0/30"), pool("b", "10.0.1.0/30", "fd00::/126")],
            {}, ["10.0.0.0"], id="single-family-takes-the-first",
        ),
        pytest.param(
            [pool("a", "10.0.0.0/30"), pool("b", "10.0.1.0/30", "fd00::/126")],
            IPV6, ["fd00::"], id="single-ipv6",
        ),
        pytest.param(
            [pool("a", "10.0.0.0/30")], PREFER, ["10.0.0.0"], id="prefer-takes-the-primary",
        ),
        pytest.param(
            [pool("a", "10.0.0.0/30")], PREFER_IPV6, ["10.0.0.0"], id="prefer-takes-the-secondary",
        ),
        pytest.param([pool("a", "10.0.0.0/30")], DUAL, [], id="require-does-not-degrade"),
        pytest.param(
            [pool("a", "10.0.0.0/30"), pool("b", "fd00::/126")],
            DUAL, ["10.0.0.0", "fd00::"], id="beyond-two-pools",
        ),
        pytest.param(
            [pool("a", "10.0.0.0/30"), pool("b", "fd00::/126")],
            PREFER_IPV6, ["10.0.0.0", "fd00::"], id="ipv4-comes-first-whatever-ipFamilies-says",
        ),
        pytest.param(
            [
                pool("z", "10.0.0.0/30", allocation=pinned(1)),
                pool("b", "10.0.1.0/30", "fd00::/126"),
            ],
            PREFER, ["10.0.0.0"], id="1.15-a-pinned-single-before-a-dual-that-is-not",
        ),
        pytest.param(
            [
                pool("z", "10.0.0.0/30", allocation=pinned(1)),
                pool("b", "10.0.1.0/30", "fd00::/126"),
            ],
            DUAL, ["10.0.1.0", "fd00::"], id="require-goes-on-to-the-next-group",
        ),
        pytest.param(
            [pool("a", "10.0.0.0/30", "fd00::/126")],
            {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "PreferDualStack"},
            ["10.0.0.0"], id="the-family-of-the-cluster-ip-wins-over-the-policy",
        ),
        pytest.param(
            [pool("a", "10.0.0.0/30", "fd00::/126")],
            {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "RequireDualStack"},
            [], id="1.8.4-not-enough-cluster-ips",
        ),
        pytest.param(
            [pool("a", "10.0.0.0/31"), pool("b", "10.0.1.0/30")],
            {"count": "3"}, ["10.0.1.0", "10.0.1.1", "10.0.1.2"], id="count-from-one-pool",
        ),
        pytest.param(
            [pool("a", "10.0.0.0/31"), pool("b", "10.0.1.0/31")],
            {"count": "3"}, ["10.0.0.0", "10.0.0.1", "10.0.1.0"], id="count-from-two-pools",
        ),
        pytest.param(
            [pool("a", "10.0.0.0/30", "fd00::/126")],
            {"count": "2", **DUAL}, ["10.0.0.0", "10.0.0.1", "fd00::", "fd00::1"],
            id="count-of-both-families",
        ),
    ],
)  # fmt: skip
def test_1_4_best_pool(pools: list[Any], spec: dict[str, Any], expected: list[str]) -> None:
    office = Office(*pools)
    assert office.put("a", **spec) == expected
    assert office.sync("a") == expected
    assert bool(office.reasons("a")) is not bool(expected)


def test_1_4_what_is_missing_of_a_count_is_told_and_waited_for() -> None:
    office = Office(pool("a", "10.0.0.0/31"), pool("b", "10.0.1.0/32"))
    assert len(office.put("a", count="5")) == 3
    plan = office.plans["a"]
    assert plan.total == 5
    assert plan.awaits_any == [
        Supply("IPAddressPool/a", Family.IPV4), Supply("IPAddressPool/b", Family.IPV4),
    ]  # fmt: skip
    office.set_pools(pool("a", "10.0.0.0/29"), pool("b", "10.0.1.0/32"))
    assert len(office.addresses("a")) == 5
    assert office.plans["a"].awaits_any == []


def test_1_4_who_prefers_two_families_is_told_what_is_missing_of_the_one_it_has() -> None:
    office = Office(pool("a", "10.0.0.0/32"))
    assert office.put("a", count="2", **PREFER) == ["10.0.0.0"]
    assert office.plans["a"].total == 2
    assert office.reasons("a") == ["NoFreeAddress"]


def test_1_8_4_the_words_for_too_few_cluster_ips() -> None:
    office = Office(pool("a", "10.0.0.0/30"))
    office.put("a", ipFamilies=["IPv4"], ipFamilyPolicy="RequireDualStack")
    assert office.reasons("a") == ["NotEnoughClusterIPs"]
    assert office.plans["a"].total == 1


# -- 1.5 serviceAllocation -------------------------------------------------------------------------


def test_1_5_a_pool_that_stops_fitting_loses_its_holders() -> None:
    fits = pinned(1, services=({"tier": "front"},))
    office = Office(pool("p", "10.0.0.0/30", allocation=fits), pool("q", "10.0.1.0/30"))
    assert office.put("a", labels={"tier": "front"}) == ["10.0.0.0"]
    assert office.put("a", labels={"tier": "back"}) == ["10.0.1.0"]
    assert office.put("a", labels={"tier": "front"}) == ["10.0.1.0"]


def test_1_5_labels_of_the_namespace_count_at_each_look() -> None:
    fits = pinned(1, selected=({"team": "x"},))
    office = Office(pool("p", "10.0.0.0/30", allocation=fits))
    assert office.put("a") == []
    assert office.words("a") == [
        ("NoPoolServes", "no pool serves the Service: spec.serviceAllocation keeps p for others")
    ]
    office.namespaces["default"] = {"team": "x"}
    assert office.sync("a") == ["10.0.0.0"]
    office.namespaces["default"] = {}
    assert office.sync("a") == []


def test_1_5_selectors_that_match_nothing_serve_nobody() -> None:
    """MetalLB reads an empty set of namespaces as any namespace."""
    nobody = pinned(1, selected=({"team": "x"},), services=({"tier": "front"},))
    office = Office(pool("p", "10.0.0.0/30", allocation=nobody))
    front = {"labels": {"tier": "front"}}
    assert office.put("auto", **front) == []
    assert office.put("named", notes={POOL: "p"}, **front) == []
    assert office.reasons("named") == ["NoPoolServes"]
    assert office.put("asked", notes=_request("10.0.0.1"), **front) == []
    assert "pool p is for others" in office.words("asked")[1][1]


# -- 1.6 named pools -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notes", "spec", "expected", "reasons"),
    [
        pytest.param({POOL: "q"}, {}, ["10.0.1.0"], [], id="named"),
        pytest.param({POOL: "off"}, {}, ["10.0.2.0"], [], id="though-autoAssign-is-false"),
        pytest.param({"metallb.universe.tf/address-pool": "q"}, {}, ["10.0.1.0"], [], id="old"),
        pytest.param(
            {POOL: "p", "network.deckhouse.io/load-balancer-pool": "q"},
            {}, ["10.0.1.0"], [], id="deckhouse-first",
        ),
        pytest.param({POOL: "x"}, {}, [], ["UnknownPool"], id="unknown"),
        pytest.param({POOL: "other"}, {}, [], ["NoPoolServes"], id="not-compatible"),
        pytest.param({POOL: "q"}, PREFER, ["10.0.1.0"], [], id="prefer-may-yield-one"),
        pytest.param({POOL: "q"}, DUAL, [], ["FamilyNotInPools"], id="require-yields-none"),
        pytest.param({POOL: "off"}, DUAL, ["10.0.2.0", "fd00::"], [], id="dual"),
        pytest.param({POOL: "none"}, {}, [], ["FamilyNotInPools"], id="no-ranges"),
    ],
)  # fmt: skip
def test_1_6_named_pools(
    notes: dict[str, str], spec: dict[str, Any], expected: list[str], reasons: list[str]
) -> None:
    office = Office(
        pool("p", "10.0.0.0/30"),
        pool("q", "10.0.1.0/30"),
        pool("off", "10.0.2.0/30", "fd00::/126", auto_assign=False),
        pool("other", "10.0.3.0/30", allocation=pinned(1, "elsewhere")),
        pool("none"),
    )
    assert office.put("a", notes=notes, **spec) == expected
    assert office.reasons("a") == reasons


def test_1_6_exhausted_names_the_pool_and_the_others() -> None:
    office = Office(pool("p", "10.0.0.0/32"), pool("q", "10.0.1.0/30"))
    office.put("a", notes={POOL: "p"})
    assert office.put("b", notes={POOL: "p"}) == []
    assert office.words("b") == [
        (
            "NoFreeAddress",
            (
                "no available IPs: pool p has no free IPv4 address (1 in its ranges); pool q has 4 "
                "free: ask for it with annotation network.deckhouse.io/load-balancer-pool"
            ),
        )
    ]


# -- 1.7 requested addresses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "expected", "reasons"),
    [
        pytest.param({"loadBalancerIP": "10.0.0.2"}, ["10.0.0.2"], [], id="loadBalancerIP"),
        pytest.param({"notes": _request(" 10.0.0.2 ")}, ["10.0.0.2"], [], id="blanks"),
        pytest.param(
            {"notes": {"metallb.universe.tf/loadBalancerIPs": "10.0.0.2"}},
            ["10.0.0.2"], [], id="old-prefix",
        ),
        pytest.param(
            {"ips": "10.0.0.3", "notes": _request("10.0.0.2")},
            ["10.0.0.3"], [], id="deckhouse-first",
        ),
        pytest.param(
            {"loadBalancerIP": "10.0.0.2", "notes": _request("10.0.0.2")},
            [], ["AddressesRequestedTwice"], id="both",
        ),
        pytest.param({"notes": _request("")}, ["10.0.0.0"], [], id="1.15-empty-is-no-request"),
        pytest.param({"notes": _request(" ")}, [], ["InvalidRequestedAddress"], id="1.15-blank"),
        pytest.param(
            {"notes": _request("10.0.0.1,")}, [], ["InvalidRequestedAddress"], id="1.15-comma",
        ),
        pytest.param(
            {"notes": _request("10.0.0.1/32")}, [], ["InvalidRequestedAddress"], id="1.15-prefix",
        ),
        pytest.param(
            {"notes": _request("::ffff:10.0.0.1")}, ["10.0.0.1"], [], id="1.15-mapped",
        ),
        pytest.param(
            {"notes": _request("fd00::1")}, [], ["RequestedFamilyNotUsed"], id="other-family",
        ),
        pytest.param(
            {"notes": _request("10.0.0.1"), **DUAL},
            [], ["RequestLacksFamily"], id="one-for-a-dual-service",
        ),
        pytest.param(
            {"notes": _request("10.0.0.1"), **PREFER},
            [], ["RequestLacksFamily"], id="one-for-a-service-that-prefers-two",
        ),
        pytest.param(
            {"notes": _request("10.0.0.3,fd00::3"), **DUAL},
            ["10.0.0.3", "fd00::3"], [], id="two-families",
        ),
        pytest.param(
            {"notes": _request("10.0.9.9")}, [], ["RequestedAddressOutsidePools"], id="nowhere",
        ),
        pytest.param(
            {"notes": {**_request("10.0.0.1"), POOL: "q"}},
            [], ["RequestedAddressOfOtherPool"], id="of-another-pool-than-named",
        ),
        pytest.param(
            {"notes": {**_request("10.0.1.1"), POOL: "q"}}, ["10.0.1.1"], [], id="of-named-pool",
        ),
        pytest.param(
            {"notes": _request("10.0.1.2")}, ["10.0.1.2"], [], id="1.2.1-autoAssign-plays-no-role",
        ),
        pytest.param(
            {"notes": _request("10.0.0.3,10.0.0.1")},
            ["10.0.0.3", "10.0.0.1"], [], id="two-of-one-family-raise-the-count",
        ),
        pytest.param(
            {"notes": _request("10.0.0.3"), "count": "2"},
            ["10.0.0.3", "10.0.0.0"], [], id="the-rest-of-the-count-is-our-choice",
        ),
        pytest.param(
            {"notes": _request("10.0.0.3,10.0.9.9")},
            [], ["RequestedAddressOutsidePools"], id="no-part-of-a-request",
        ),
    ],
)  # fmt: skip
def test_1_7_requested_addresses(
    service: dict[str, Any], expected: list[str], reasons: list[str]
) -> None:
    office = Office(
        pool("p", "10.0.0.0/30", "fd00::/126"), pool("q", "10.0.1.0/30", auto_assign=False)
    )
    assert office.put("a", **service) == expected
    assert office.reasons("a") == reasons
    assert office.sync("a") == expected


def test_1_7_an_infeasible_request_costs_nothing_that_is_held() -> None:
    """MetalLB takes the old address away before it looks for the new one."""
    office = Office(pool("p", "10.0.0.0/30"))
    office.put("a", notes=_request("10.0.0.1"))
    office.put("b")
    assert office.put("b", notes=_request("10.0.0.1")) == ["10.0.0.0"]
    assert office.reasons("b") == ["RequestedAddressInUse"]
    assert office.plans["b"].awaits == [ip_address("10.0.0.1")]
    office.delete("a")
    assert office.sync("b") == ["10.0.0.1"]


def test_1_7_the_order_in_the_status_does_not_flip() -> None:
    """MetalLB sorts both lists as strings before it compares them."""
    office = Office(pool("p", "10.0.0.0/28"))
    request = _request("10.0.0.9,10.0.0.10")
    assert office.put("a", notes=request) == ["10.0.0.9", "10.0.0.10"]
    assert office.sync("a") == ["10.0.0.9", "10.0.0.10"]


def test_1_7_a_buggy_address_cannot_be_requested() -> None:
    office = Office(pool("p", "10.0.0.0/24", avoid_buggy_ips=True))
    assert office.put("a", notes=_request("10.0.0.0")) == []
    assert office.reasons("a") == ["RequestedAddressOutsidePools"]


def test_1_7_a_request_with_a_key_shares_what_the_key_holds() -> None:
    office = Office(pool("p", "10.0.0.0/29"))
    office.put("a", notes={**KEY, **_request("10.0.0.5")}, ports=WEB)
    assert office.put("b", notes={**KEY, **_request("10.0.0.5")}, ports=DNS) == ["10.0.0.5"]
    assert office.put("c", notes={**KEY, **_request("10.0.0.5")}, ports=WEB) == []
    assert office.reasons("c") == ["SharingRefused"]


# -- 1.8 convergence -------------------------------------------------------------------------------


def test_1_8_1_another_type_gives_everything_back() -> None:
    office = Office(pool("p", *ONE))
    office.put("a")
    assert office.put("a", type="ClusterIP") == []
    assert office.put("b") == ["10.0.0.1"]


def test_1_8_5_another_family_is_another_address() -> None:
    office = Office(pool("p", "10.0.0.0/30", "fd00::/126"))
    office.put("a", **DUAL)
    assert office.put("a", **IPV6) == ["fd00::"]
    assert office.put("a") == ["10.0.0.0"]


def test_1_8_6_naming_another_pool_moves_the_service() -> None:
    office = Office(pool("p", "10.0.0.0/30"), pool("q", "10.0.1.0/30"))
    office.put("a")
    assert office.put("a", notes={POOL: "q"}) == ["10.0.1.0"]
    assert office.put("a") == ["10.0.1.0"]


def test_1_8_6_a_malformed_request_keeps_what_is_held() -> None:
    office = Office(pool("p", "10.0.0.0/30"))
    office.put("a")
    assert office.put("a", notes=_request("nonsense")) == ["10.0.0.0"]
    assert office.reasons("a") == ["InvalidRequestedAddress"]


def test_1_8_7_a_second_family_is_added_when_the_pool_gets_it() -> None:
    """8.5 (36); MetalLB tries at each sync, and says so each time."""
    office = Office(pool("p", "10.0.0.0/30"))
    assert office.put("a", **PREFER) == ["10.0.0.0"]
    plan = office.plans["a"]
    assert (plan.problems, plan.total) == ([], 1)
    office.set_pools(pool("p", "10.0.0.0/30", "fd00::/126"))
    assert office.addresses("a") == ["10.0.0.0", "fd00::"]
    assert office.plans["a"].total == 2


def test_1_8_7_who_prefers_two_waits_for_the_second_of_its_pool() -> None:
    office = Office(pool("p", "10.0.0.0/30", "fd00::/128"))
    office.put("six", **IPV6)
    assert office.put("a", **PREFER) == ["10.0.0.0"]
    assert office.plans["a"].awaits_any == [Supply("IPAddressPool/p", Family.IPV6)]
    office.delete("six")
    assert office.sync("a") == ["10.0.0.0", "fd00::"]


def test_1_8_7_also_of_a_pool_that_does_not_assign_by_itself() -> None:
    off = pool("off", "10.0.1.0/30", auto_assign=False)
    office = Office(pool("p", "10.0.0.0/30"), off)
    office.put("a", notes={POOL: "off"}, **PREFER)
    office.put("a", **PREFER)
    both = pool("off", "10.0.1.0/30", "fd00::/126", auto_assign=False)
    office.set_pools(pool("p", "10.0.0.0/30"), both)
    assert office.addresses("a") == ["10.0.1.0", "fd00::"]


def test_1_8_no_jump_to_a_dual_pool_that_comes_later() -> None:
    office = Office(pool("p", "10.0.0.0/30"))
    office.put("a", **PREFER)
    office.set_pools(pool("p", "10.0.0.0/30"), pool("dual", "10.0.1.0/30", "fd00::/126"))
    assert office.addresses("a") == ["10.0.0.0"]
    assert office.plans["a"].awaits_any == [Supply("IPAddressPool/p", Family.IPV6)]


def test_1_8_from_prefer_to_require_and_back() -> None:
    """8.5 (36): on a single pool the address is lost, and regained."""
    office = Office(pool("p", "10.0.0.0/30"))
    office.put("a", **PREFER)
    assert office.put("a", **DUAL) == []
    assert office.reasons("a") == ["FamilyNotInPools"]
    assert office.plans["a"].awaits_any == [Supply("IPAddressPool/p", Family.IPV6)]
    assert office.put("a", **PREFER) == ["10.0.0.0"]


def test_1_8_who_requires_two_moves_to_a_pool_that_has_both() -> None:
    office = Office(pool("p", "10.0.0.0/30"), pool("q", "10.0.1.0/30", "fd00::/126"))
    office.put("a")
    assert office.put("a", **DUAL) == ["10.0.1.0", "fd00::"]


def test_1_8_who_requires_two_gets_the_second_from_another_pool_if_none_has_both() -> None:
    office = Office(pool("p", "10.0.0.0/30"), pool("q", "fd00::/126"))
    office.put("a")
    assert office.put("a", **DUAL) == ["10.0.0.0", "fd00::"]


# -- 1.9, 1.10 who is served first -----------------------------------------------------------------


def test_1_10_holders_keep_theirs_whatever_the_order_of_looks() -> None:
    """8.5 (32): what the status shows is had again before anything else."""
    office = Office(pool("p", "10.0.0.0/31"))
    for number, name in enumerate("abcd"):
        office.put(name, created=f"2026-01-0{9 - number}T00:00:00Z")
    before = {name: office.addresses(name) for name in "abcd"}
    restarted = Office(pool("p", "10.0.0.0/31"))
    restarted.services = office.services
    restarted.sync_all()
    assert {name: restarted.addresses(name) for name in "abcd"} == before
    assert [len(addresses) for addresses in before.values()] == [1, 1, 0, 0]


# -- 1.11 pools change in use ----------------------------------------------------------------------


def test_1_11_another_pool_that_has_the_address_takes_it_over() -> None:
    office = Office(pool("old", "10.0.0.0/30"))
    office.put("a", notes=KEY, ports=WEB)
    office.put("b", notes=KEY, ports=DNS)
    office.set_pools(pool("new", "10.0.0.0/30"))
    assert office.addresses("a") == office.addresses("b") == ["10.0.0.0"]
    assert office.allocator.pool_of(ip_address("10.0.0.0")) == "IPAddressPool/new"
    assert office.allocator.pools() == ["IPAddressPool/new"]


def test_1_11_who_lost_its_range_gets_another_address_at_once() -> None:
    """8.5 (34)."""
    office = Office(pool("p", "10.0.0.0/30"), pool("q", "10.0.1.0/30"))
    office.put("a")
    office.set_pools(pool("q", "10.0.1.0/30"))
    assert office.addresses("a") == ["10.0.1.0"]
    office.set_pools()
    assert office.addresses("a") == []


def test_1_11_buggy_addresses_are_left_when_they_are_to_be_avoided() -> None:
    office = Office(pool("p", "10.0.0.0/24", "fd00::/126"))
    assert office.put("a", **DUAL) == ["10.0.0.0", "fd00::"]
    office.change_pool("p", avoid_buggy_ips=True)
    assert office.addresses("a") == ["10.0.0.1", "fd00::"]


def test_1_11_who_lost_one_of_two_families_moves_with_both() -> None:
    """8.5 (36): to a pool that has both."""
    office = Office(pool("p", "10.0.0.0/30", "fd00::/126"))
    office.put("a", **PREFER)
    office.set_pools(pool("p", "fd00::/126"), pool("q", "10.0.1.0/30", "fd01::/126"))
    assert office.addresses("a") == ["10.0.1.0", "fd01::"]


def test_1_11_or_keeps_the_other_if_no_pool_has_both() -> None:
    office = Office(pool("p", "10.0.0.0/30", "fd00::/126"))
    office.put("a", **PREFER)
    office.set_pools(pool("p", "fd00::/126"))
    assert office.addresses("a") == ["fd00::"]
    office.set_pools(pool("p", "fd00::/126"), pool("q", "10.0.1.0/30"))
    assert office.addresses("a") == ["10.0.1.0", "fd00::"]


# -- beyond MetalLB --------------------------------------------------------------------------------


def test_a_quota_limits_the_addresses_of_a_namespace() -> None:
    office = Office(pool("p", "10.0.0.0/29", namespace_quota=2))
    office.put("a", notes=KEY, ports=WEB)
    office.put("b")
    assert office.put("c") == []
    assert office.words("c") == [
        (
            "NamespaceQuotaReached",
            (
                "no available IPs: the namespace has all that pool p lets one have "
                "(spec.namespaceQuota is 2); add a range to a pool"
            ),
        )
    ]
    assert office.plans["c"].awaits_any == [Supply("IPAddressPool/p", None, "default")]
    assert office.put("d", notes=KEY, ports=DNS) == ["10.0.0.0"]
    assert office.put("e", notes={**KEY, **_request("10.0.0.0")}, ports=TLS) == ["10.0.0.0"]
    assert office.put("other", namespace="elsewhere") == ["10.0.0.2"]
    assert office.put("f", notes=_request("10.0.0.7")) == []
    assert office.reasons("f") == ["NamespaceQuotaReached"]
    assert office.plans["f"].awaits_any == [Supply("IPAddressPool/p", None, "default")]
    office.delete("b")
    assert office.allocator.available(Supply("IPAddressPool/p", None, "default")) == 1
    assert office.sync("c") == ["10.0.0.1"]
    office.change_pool("p", namespace_quota=1)
    assert office.addresses("c") == ["10.0.0.1"]


def test_a_quota_counts_what_one_service_takes_at_once() -> None:
    office = Office(pool("p", "10.0.0.0/29", "fd00::/126", namespace_quota=3))
    assert office.put("a", count="9") == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]
    assert office.reasons("a") == ["NamespaceQuotaReached"]
    office.delete("a")
    four = _request("10.0.0.0,10.0.0.1,10.0.0.2,10.0.0.3")
    assert office.put("b", notes=four) == []
    assert office.reasons("b") == ["NamespaceQuotaReached"]
    assert office.plans["b"].awaits_any == [Supply("IPAddressPool/p", None, "default", at_least=4)]
    assert len(office.put("c", count="1", **DUAL)) == 2
    assert office.put("d", **DUAL) == []
    assert office.reasons("d") == ["NamespaceQuotaReached"]
    quota = Supply("IPAddressPool/p", None, "default", at_least=2)
    assert office.plans["d"].awaits_any == [quota]
    assert office.allocator.available(quota) == 0
    office.delete("c")
    assert office.allocator.available(quota) == 3


def test_a_quota_is_waited_for_in_the_pools_that_have_one() -> None:
    office = Office(
        pool("full", "10.0.9.0/32"), pool("p", "10.0.0.0/29", "fd00::/126", namespace_quota=1)
    )
    office.put("a", notes={POOL: "full"})
    assert office.put("b", **DUAL) == []
    quota = Supply("IPAddressPool/p", None, "default", at_least=2)
    full = [Supply("IPAddressPool/full", family) for family in Family]
    assert office.plans["b"].awaits_any == [*full, quota]


def test_nobody_new_gets_into_a_disabled_pool() -> None:
    office = Office(pool("p", "10.0.0.0/30"), pool("q", "10.0.1.0/32"))
    office.put("a", notes=KEY, ports=WEB)
    office.change_pool("p", is_disabled=True)
    assert office.addresses("a") == ["10.0.0.0"]
    assert office.put("b", notes=KEY, ports=DNS) == ["10.0.1.0"]
    assert office.put("c", notes={POOL: "p"}) == []
    assert office.words("c") == [
        (
            "PoolDisabled",
            (
                "no available IPs: pool p is disabled (spec.disabled): nobody new gets an address "
                "of it; add a range to a pool"
            ),
        )
    ]
    assert office.put("d", notes=_request("10.0.0.2")) == []
    assert office.reasons("d") == ["PoolDisabled"]
    office.change_pool("p", is_disabled=False)
    assert office.addresses("c") == ["10.0.0.1"]


def test_reserved_addresses_are_kept_for_whom_they_are() -> None:
    kept = (
        reserved("10.0.0.0/31", "team"),
        reserved("10.0.0.3-10.0.0.3", "default", "vip"),
        reserved("10.9.0.0/16", "team"),
    )
    office = Office(pool("p", "10.0.0.0/29", reservations=kept))
    assert office.put("a") == ["10.0.0.2"]
    assert office.put("b") == ["10.0.0.4"]
    assert office.put("vip") == ["10.0.0.3"]
    assert office.put("t", namespace="team") == ["10.0.0.0"]
    assert office.put("thief", notes=_request("10.0.0.1")) == []
    assert office.reasons("thief") == ["RequestedAddressReserved"]
    assert office.put("owner", namespace="team", notes=_request("10.0.0.1")) == ["10.0.0.1"]
    assert office.put("more", namespace="team") == ["10.0.0.5"]


def test_a_reservation_that_comes_later_takes_nothing_from_a_holder() -> None:
    office = Office(pool("p", "10.0.0.0/31"))
    office.put("a")
    office.change_pool("p", reservations=(reserved("10.0.0.0/31", "team"),))
    assert office.addresses("a") == ["10.0.0.0"]
    assert office.put("b") == []
    assert office.words("b")[0][1].startswith(
        "no available IPs: pool p has no free IPv4 address (2 in its ranges, 1 of them reserved"
    )


def test_a_reserved_address_is_not_shared_by_others() -> None:
    office = Office(pool("p", "10.0.0.0/31", reservations=(reserved("10.0.0.0/32", "team"),)))
    office.put("a", namespace="team", notes=KEY, ports=WEB)
    assert office.put("b", notes=KEY, ports=DNS) == ["10.0.0.1"]
    assert office.put("c", namespace="team", notes=KEY, ports=DNS) == ["10.0.0.0"]


def test_an_address_is_kept_for_a_service_that_comes_back() -> None:
    office = Office(pool("p", "10.0.0.0/31"))
    office.put("a")
    key = office.key("a")
    office.delete("a")
    office.allocator.retain(ip_address("10.0.0.0"), key, 60.0)
    assert office.put("b") == ["10.0.0.1"]
    assert office.put("c", notes=_request("10.0.0.0")) == []
    assert office.words("c") == [
        (
            "RequestedAddressRetained",
            (
                "10.0.0.0 is kept for Service default/a, which is gone and may come back; request "
                "another one, or wait"
            ),
        )
    ]
    assert office.put("a") == ["10.0.0.0"]
    assert office.allocator.retained_for(key) == ()


def test_an_address_that_is_kept_long_enough_is_free() -> None:
    office = Office(pool("p", "10.0.0.0/32"))
    office.put("a")
    key = office.key("a")
    office.delete("a")
    office.allocator.retain(ip_address("10.0.0.0"), key, 60.0)
    assert office.put("b") == []
    assert office.allocator.next_expiry() == 60.0
    assert office.allocator.expire(59.0) == []
    assert office.allocator.expire(60.0) == [ip_address("10.0.0.0")]
    assert office.sync("b") == ["10.0.0.0"]


def test_what_the_status_shows_is_had_again_within_the_quota() -> None:
    office = Office(pool("p", "10.0.0.0/29", namespace_quota=1))
    assert office.put("a", ingress=("10.0.0.4", "10.0.0.5", "fd00::1", "x"), count="2") == [
        "10.0.0.4"
    ]
    assert office.reasons("a") == ["NamespaceQuotaReached"]


def test_what_the_status_shows_and_another_holds_is_not_had_again() -> None:
    office = Office(pool("p", "10.0.0.0/29"))
    office.put("a")
    assert office.put("b", ingress=("10.0.0.0",)) == ["10.0.0.1"]


def test_1_4_who_prefers_two_goes_on_to_the_next_group_when_one_is_full() -> None:
    office = Office(
        pool("p", "10.0.0.0/32", allocation=pinned(1)),
        pool("q", "10.0.1.0/32", allocation=pinned(2)),
        pool("r", "10.0.2.0/32"),
    )
    assert [office.put(name, **PREFER) for name in "abc"] == [
        ["10.0.0.0"], ["10.0.1.0"], ["10.0.2.0"],
    ]  # fmt: skip
    assert office.put("d", **PREFER) == []
    assert set(office.reasons("d")) == {"NoFreeAddress", "FamilyNotInPools"}
    assert office.plans["d"].total == 1
