"""How both dialects say that addresses are announced by BGP, in the one model."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from metallb.api.bgp_advertisements import BGPAdvertisement as Written
from metallb.api.bgp_advertisements import read_bgp_advertisement
from metallb.api.communities import Community, read_community
from metallb.api.ip_address_pools import IPAddressPool, read_ip_address_pool
from metallb.api.load_balancer_configurations import (
    MetalLoadBalancerConfiguration,
    read_load_balancer_configuration,
)
from metallb.api.load_balancer_pools import MetalLoadBalancerPool, read_load_balancer_pool
from metallb.api.meta import ObjectKey
from metallb.api.selectors import LabelSelector
from metallb.domain.address_pools import BGPAdvertisement, PoolKind
from metallb.domain.translation import Translation, translate
from support.objects import metal_object, native_object

A = {"matchLabels": {"a": "b"}}
OF_A = LabelSelector.of({"a": "b"})


def native(name: str = "edge", *addresses: str, **labels: str) -> IPAddressPool:
    texts = list(addresses or ("10.0.0.0/24",))
    return read_ip_address_pool(
        native_object("IPAddressPool", name, labels=labels, addresses=texts)
    )


def advertised(name: str = "adv", **spec: Any) -> Written:
    return read_bgp_advertisement(native_object("BGPAdvertisement", name, **spec))


def named(object_name: str, created: str = "2026-01-01T00:00:00Z", **names: str) -> Community:
    items = [{"name": name, "value": value} for name, value in names.items()]
    value = native_object("Community", object_name, created=created, communities=items)
    return read_community(value)


def pool(name: str = "edge", *addresses: str, **spec: Any) -> MetalLoadBalancerPool:
    texts = list(addresses or ("10.0.0.0/24",))
    value = metal_object("MetalLoadBalancerPool", name, addresses=texts, **spec)
    return read_load_balancer_pool(value)


def configured(name: str = "main", *pools: str, **spec: Any) -> MetalLoadBalancerConfiguration:
    ordinary = {
        "mode": "BGP",
        "bgp": {"peerNames": ["r1"]},
        "advertisements": [{"poolNames": list(pools)}],
    }
    value = metal_object("MetalLoadBalancerConfiguration", name, **ordinary | spec)
    return read_load_balancer_configuration(value)


def noted(found: Translation) -> list[str]:
    return [f"{of[0]} {problem}" for of, problems in found.problems.items() for problem in problems]


# -- MetalLB ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "spec", "pools"),
    [
        ("§2 neither names nor selectors: all", {}, {"edge", "core"}),
        ("§2 named", {"ipAddressPools": ["edge"]}, {"edge"}),
        ("§2 by label", {"ipAddressPoolSelectors": [A]}, {"core"}),
        ("§2 unknown names are ignored", {"ipAddressPools": ["none"]}, set()),
    ],
)
def test_which_pools_have_an_advertisement(row: str, spec: Any, pools: set[str]) -> None:
    natives = [native("edge"), native("core", "10.1.0.0/24", a="b")]
    found = translate(native_pools=natives, bgp_advertisements=[advertised(**spec)])
    assert {pool.name for pool in found.pools if pool.bgp} == pools, row
    assert not found.problems


def test_all_of_an_advertisement_is_handed_on() -> None:
    written = advertised(
        nodeSelectors=[A],
        aggregationLength=24,
        aggregationLengthV6=64,
        localPref=7,
        med=3,
        prepend=2,
        extendedCommunities=["rt:1:2"],
        communities=["2:1", "large:1:2:3", "1:1"],
        peers=["router"],
        weightByEndpoints=True,
    )
    (found,) = translate(native_pools=[native()], bgp_advertisements=[written]).pools
    assert found.bgp == (
        BGPAdvertisement(
            "adv",
            (OF_A,),
            (),
            24,
            64,
            7,
            ("1:1", "2:1", "large:1:2:3"),
            ("router",),
            3,
            2,
            ("rt:1:2",),
            is_weighted=True,
        ),
    )


def test_service_selectors_are_handed_on() -> None:
    (found,) = translate(
        native_pools=[native()], bgp_advertisements=[advertised(serviceSelectors=[A])]
    ).pools
    assert found.bgp == (BGPAdvertisement("adv", service_selectors=(OF_A,)),)


@pytest.mark.parametrize(
    ("row", "text", "value"),
    [
        ("a value", "1:2", ("1:2",)),
        ("§2 a name", "edge", ("64512:7",)),
        ("a well-known name (looser than MetalLB)", "no-export", ("65535:65281",)),
        ("a name goes before a well-known one", "no-advertise", ("64512:8",)),
        ("no community", "none", ()),
        ("unknown", "other", ()),
    ],
)
def test_names_of_communities_are_resolved(row: str, text: str, value: tuple[str, ...]) -> None:
    aliases = [named("x", edge="64512:7", **{"no-advertise": "64512:8"})]
    found = translate(
        native_pools=[native()],
        bgp_advertisements=[advertised(communities=[text])],
        communities=aliases,
    )
    assert found.pools[0].bgp[0].communities == value, row
    unknown = "BGPAdvertisement .spec.communities[0]: no Community object has the name 'other'"
    assert noted(found) == ([unknown] if text == "other" else [])


def test_a_name_for_none_can_be_given() -> None:
    (found,) = translate(
        native_pools=[native()],
        bgp_advertisements=[advertised(communities=["none"])],
        communities=[named("x", none="1:1")],
    ).pools
    assert found.bgp[0].communities == ("1:1",)


def test_of_two_communities_with_one_name_the_older_holds() -> None:
    """metallb.md §2, Community: names are unique over all objects."""
    items = [named("new", "2026-01-02T00:00:00Z", x="1:2"), named("old", x="1:1")]
    for some in permutations(items):
        found = translate(
            native_pools=[native()],
            bgp_advertisements=[advertised(communities=["x"])],
            communities=some,
        )
        assert found.pools[0].bgp[0].communities == ("1:1",)
        (problem,) = noted(found)
        assert problem.endswith("'x' is defined by metallb-system/old already, which is older")
        assert problem.startswith("Community .spec.communities[0].name:")


@pytest.mark.parametrize(
    ("row", "addresses", "spec", "lengths", "problem"),
    [
        ("§4.3 as wide as the pool", ["10.0.0.0/24"], {"aggregationLength": 24}, (24, 128), ""),
        (
            "§4.3 wider",
            ["10.0.0.0/24"],
            {"aggregationLength": 23},
            (32, 128),
            ".aggregationLength: 23 is wider than 10.0.0.0/24 of pool edge; at least 24 is wanted",
        ),
        ("§4.3 a range", ["3.3.3.2-3.3.3.254"], {"aggregationLength": 26}, (26, 128), ""),
        (
            "§4.3 a range",
            ["3.3.3.2-3.3.3.254"],
            {"aggregationLength": 24},
            (32, 128),
            ".aggregationLength: 24 is wider than 3.3.3.2-3.3.3.254 of pool edge; at least 26",
        ),
        (
            "§4.3 every entry",
            ["10.0.0.0/24", "10.1.0.0/28"],
            {"aggregationLength": 24},
            (32, 128),
            ".aggregationLength: 24 is wider than 10.1.0.0/28 of pool edge; at least 28",
        ),
        (
            "§4.3 IPv6",
            ["10.0.0.0/24", "fd00::/120"],
            {"aggregationLength": 24, "aggregationLengthV6": 112},
            (24, 128),
            ".aggregationLengthV6: 112 is wider than fd00::/120 of pool edge; at least 120",
        ),
        ("§4.3 no IPv6 at all", ["10.0.0.0/24"], {"aggregationLengthV6": 1}, (32, 1), ""),
    ],
)
def test_a_prefix_is_not_wider_than_the_pool(
    row: str, addresses: list[str], spec: Any, lengths: tuple[int, int], problem: str
) -> None:
    found = translate(
        native_pools=[native("edge", *addresses)], bgp_advertisements=[advertised(**spec)]
    )
    (item,) = found.pools[0].bgp
    assert (item.aggregation_length, item.aggregation_length_v6) == lengths, row
    assert problem in "\n".join(noted(found)), row
    assert bool(noted(found)) == bool(problem), row


# -- Deckhouse -------------------------------------------------------------------------------------


def test_a_pool_of_deckhouse() -> None:
    written = pool(
        autoAssign=False,
        avoidBuggyIPs=True,
        disabled=True,
        namespaceQuota=2,
        retentionSeconds=60,
        drainMovesPerMinute=5,
        reservations=[{"addresses": ["10.0.0.1"], "namespace": "web"}],
    )
    (found,) = translate(pools=[written]).pools
    assert (found.kind, found.key, found.name) == (
        PoolKind.POOL,
        "MetalLoadBalancerPool/edge",
        "edge",
    )
    assert (found.auto_assign, found.avoid_buggy_ips, found.is_disabled) == (False, True, True)
    assert (found.namespace_quota, found.retention_seconds) == (2, 60)
    assert found.drain_moves_per_minute == 5
    assert found.reservations == written.options.reservations
    assert found.ranges == written.ranges
    assert (found.allocation, found.layer2, found.bgp) == (None, (), ())


def test_a_pool_has_the_advertisements_of_configurations_that_name_it() -> None:
    """deckhouse-metallb.md §3.4."""
    attributes = {
        "communities": ["no-advertise", "64512:1", "none"],
        "localPref": 9,
        "aggregationLength": 24,
    }
    one = configured(
        "main",
        nodeSelector={"role": "edge"},
        bgp={"peerNames": ["r1", "r2"]},
        advertisements=[
            {"poolNames": ["core"]},
            {"poolNames": ["core", "edge"], "bgp": attributes},
        ],
    )
    found = translate(
        pools=[pool("edge"), pool("core", "10.1.0.0/16")],
        configurations=[one, configured("again", "edge")],
    )
    assert not found.problems
    edge = found.pools[1]
    assert edge.bgp == (
        BGPAdvertisement("again-adv-0", peers=("r1-again",)),
        BGPAdvertisement(
            "main-adv-1",
            (LabelSelector.of({"role": "edge"}),),
            (),
            24,
            128,
            9,
            ("64512:1", "65535:65282"),
            ("r1-main", "r2-main"),
        ),
    )
    assert [item.name for item in found.pools[0].bgp] == ["main-adv-0", "main-adv-1"]


@pytest.mark.parametrize(
    ("row", "spec"),
    [
        ("no peer is named: to nobody, not to all", {"bgp": {}}),
        ("another mode", {"mode": "L2"}),
        ("another pool", {"advertisements": [{"poolNames": ["core"]}]}),
    ],
)
def test_what_announces_nothing(row: str, spec: Any) -> None:
    (found,) = translate(pools=[pool()], configurations=[configured("main", "edge", **spec)]).pools
    assert found.bgp == (), row


def test_names_are_not_for_pools_of_the_other_dialect() -> None:
    found = translate(
        pools=[pool("edge")],
        native_pools=[native("edge", "10.1.0.0/24")],
        configurations=[configured("main", "edge")],
        bgp_advertisements=[advertised("adv", ipAddressPools=["edge"])],
    )
    assert {item.key: [each.name for each in item.bgp] for item in found.pools} == {
        "IPAddressPool/edge": ["adv"],
        "MetalLoadBalancerPool/edge": ["main-adv-0"],
    }


def test_faults_of_a_configuration_have_their_path() -> None:
    items = [
        {"poolNames": []},
        {"poolNames": ["edge"], "bgp": {"aggregationLength": 20, "communities": ["what"]}},
    ]
    found = translate(pools=[pool()], configurations=[configured("main", advertisements=items)])
    of = ("MetalLoadBalancerConfiguration", ObjectKey("", "main"))
    assert [problem.path for problem in found.problems[of]] == [
        ".spec.advertisements[1].bgp.communities[0]",
        ".spec.advertisements[1].bgp.aggregationLength",
    ]


def test_the_order_of_objects_does_not_matter() -> None:
    """metallb.md §8.2.16."""
    natives = [native("a"), native("b", "10.1.0.0/28")]
    items = [
        advertised("z", aggregationLength=24),
        advertised("y", communities=["x", "w"]),
        advertised("x", communities=["v"]),
    ]
    names = [named("n", x="1:1"), named("m", x="1:2", w="1:3")]
    wanted = translate(native_pools=natives, bgp_advertisements=items, communities=names)
    assert wanted.problems
    for some in permutations(items):
        for others in permutations(names):
            found = translate(
                native_pools=natives[::-1], bgp_advertisements=some, communities=others
            )
            assert found == wanted
