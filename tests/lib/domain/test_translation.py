"""Both dialects become one model: who has which advertisement, in whatever order it comes."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from metallb.api.classes import Rebalancing, RebalancingPolicy, read_class
from metallb.api.ip_address_pools import ServiceAllocation, read_ip_address_pool
from metallb.api.layer2_advertisements import L2Advertisement, read_l2_advertisement
from metallb.api.meta import ObjectKey
from metallb.api.selectors import LabelSelector
from metallb.domain.address_pools import Layer2Advertisement, PoolKind, pool_key
from metallb.domain.translation import translate
from support.objects import class_object, native_object

A = {"matchLabels": {"a": "b"}}
OF_A = LabelSelector.of({"a": "b"})
FIXED = Rebalancing(RebalancingPolicy.NEVER, 1, 2)


def native(name: str = "edge", address: str = "10.0.0.0/30", **spec: Any) -> Any:
    more = {key: spec.pop(key) for key in ("labels", "namespace", "created") if key in spec}
    return read_ip_address_pool(
        native_object("IPAddressPool", name, **more, addresses=[address], **spec)
    )


def layer2(name: str = "adv", **spec: Any) -> L2Advertisement:
    return read_l2_advertisement(native_object("L2Advertisement", name, **spec))


# -- classes ---------------------------------------------------------------------------------------


def test_a_class_is_a_pool_with_one_advertisement() -> None:
    read = read_class(
        class_object(
            "front",
            isDefault=True,
            nodeSelector={"role": "front"},
            l2={"interfaces": ["eth1"], "rebalancing": {"policy": "Never"}},
            disabled=True,
            namespaceQuota=2,
            retentionSeconds=60,
            reservations=[{"addresses": ["10.0.0.1"], "namespace": "web"}],
        )
    )
    (pool,) = translate(classes=[read]).pools
    assert pool.key == pool.name == "front"
    assert pool.kind is PoolKind.CLASS
    assert not pool.auto_assign
    assert pool.is_default
    assert pool.is_served
    assert pool.is_disabled
    assert (pool.namespace_quota, pool.retention_seconds) == (2, 60)
    assert pool.reservations == read.options.reservations
    assert pool.ranges == read.ranges
    assert pool.rebalancing == read.rebalancing
    assert pool.layer2 == (
        Layer2Advertisement("front", (LabelSelector.of({"role": "front"}),), (), ("eth1",)),
    )
    assert pool.bgp == ()


def test_a_class_without_a_selector_is_for_every_node() -> None:
    (pool,) = translate(classes=[read_class(class_object())]).pools
    assert pool.layer2 == (Layer2Advertisement("ingress"),)


def test_a_class_of_another_type_is_not_served() -> None:
    found = translate(classes=[read_class(class_object(type="BGP"))])
    (pool,) = found.pools
    assert not pool.is_served
    assert pool.layer2 == ()
    key = ("MetalLoadBalancerClass", ObjectKey("", "ingress"))
    assert found.problems == {key: pool.problems}


# -- pools of MetalLB ------------------------------------------------------------------------------


def test_a_pool_of_metallb() -> None:
    pool = native(
        autoAssign=False,
        avoidBuggyIPs=True,
        serviceAllocation={"priority": 3},
        disabled=True,
        namespaceQuota=2,
        retentionSeconds=60,
        drainMovesPerMinute=5,
        reservations=[{"addresses": ["10.0.0.1"], "namespace": "web"}],
    )
    (found,) = translate(native_pools=[pool], rebalancing=FIXED).pools
    assert found.key == "IPAddressPool/edge" == pool_key(PoolKind.NATIVE, "edge")
    assert found.name == "edge"
    assert not found.auto_assign
    assert found.avoid_buggy_ips
    assert found.allocation == ServiceAllocation(3)
    assert found.is_disabled
    assert (found.namespace_quota, found.retention_seconds) == (2, 60)
    assert found.drain_moves_per_minute == 5
    assert found.reservations == pool.options.reservations
    assert found.rebalancing == FIXED
    assert (found.layer2, found.bgp) == ((), ())


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
    natives = [native("edge"), native("core", "10.1.0.0/30", labels={"a": "b"})]
    found = translate(native_pools=natives, layer2_advertisements=[layer2(**spec)])
    assert {pool.name for pool in found.pools if pool.layer2} == pools, row


def test_all_of_an_advertisement_is_handed_on() -> None:
    written = layer2(
        nodeSelectors=[A],
        serviceSelectors=[A],
        interfaces=["eth0"],
        preferredNodeSelectors=[{"weight": 7, "preference": A}],
    )
    (pool,) = translate(native_pools=[native()], layer2_advertisements=[written]).pools
    assert pool.layer2 == (
        Layer2Advertisement("adv", (OF_A,), (OF_A,), ("eth0",), written.preferences),
    )


def test_an_advertisement_is_not_for_classes() -> None:
    one = [read_class(class_object("edge"))]
    (pool,) = translate(classes=one, layer2_advertisements=[layer2()]).pools
    assert [item.name for item in pool.layer2] == ["edge"]


PREFERRED = [{"weight": 7, "preference": A}]


@pytest.mark.parametrize(
    ("row", "one", "other", "count"),
    [
        ("equal", {}, {}, 1),
        ("other nodes", {}, {"nodeSelectors": [A]}, 2),
        ("other Services", {}, {"serviceSelectors": [A]}, 2),
        ("other interfaces", {}, {"interfaces": ["a"]}, 2),
        ("interfaces as a set", {"interfaces": ["a", "b"]}, {"interfaces": ["b", "a"]}, 1),
        ("preferences add up", {"preferredNodeSelectors": PREFERRED}, {}, 2),
        (
            "both prefer",
            {"preferredNodeSelectors": PREFERRED},
            {"preferredNodeSelectors": PREFERRED},
            2,
        ),
    ],
)
def test_what_says_the_same_is_there_once(row: str, one: Any, other: Any, count: int) -> None:
    """metallb.md §3.2, duplicates of L2 advertisements."""
    for items in permutations([layer2("a", **one), layer2("b", **other)]):
        (pool,) = translate(native_pools=[native()], layer2_advertisements=items).pools
        assert len(pool.layer2) == count, row


# -- all together ----------------------------------------------------------------------------------


def test_the_order_of_objects_does_not_matter() -> None:
    """metallb.md §8.2.16."""
    natives = [native("b"), native("a", "10.1.0.0/30"), native("c", "x")]
    items = [layer2("z"), layer2("y", nodeSelectors=[A]), layer2("x", interfaces=["a/b"])]
    classes = [read_class(class_object("b")), read_class(class_object("a"))]
    wanted = translate(classes=classes, native_pools=natives, layer2_advertisements=items)
    keys = ["IPAddressPool/a", "IPAddressPool/b", "IPAddressPool/c", "a", "b"]
    assert [pool.key for pool in wanted.pools] == keys
    assert [item.name for item in wanted.pools[0].layer2] == ["x", "y", "z"]
    for some in permutations(natives):
        for others in permutations(items):
            found = translate(
                classes=reversed(classes), native_pools=some, layer2_advertisements=others
            )
            assert found == wanted


def test_problems_are_by_object() -> None:
    found = translate(
        native_pools=[native("c", "x")], layer2_advertisements=[layer2(interfaces=[""])]
    )
    assert {of: [problem.path for problem in noted] for of, noted in found.problems.items()} == {
        ("IPAddressPool", ObjectKey("metallb-system", "c")): [".spec.addresses[0]"],
        ("L2Advertisement", ObjectKey("metallb-system", "adv")): [".spec.interfaces[0]"],
    }


def test_of_two_pools_with_one_name_the_older_is_used() -> None:
    old = native("edge", created="2026-01-01T00:00:00Z")
    new = native("edge", "10.1.0.0/30", namespace="a", created="2026-01-02T00:00:00Z")
    for some in permutations([old, new]):
        found = translate(native_pools=some)
        assert [pool.meta for pool in found.pools] == [old.meta]
        (problem,) = found.problems["IPAddressPool", new.meta.key]
        assert str(problem).startswith(".metadata.name: metallb-system/edge has this name")


def test_how_people_are_told_of_a_pool() -> None:
    found = translate(classes=[read_class(class_object("front"))], native_pools=[native("edge")])
    assert [pool.title for pool in found.pools] == ["pool edge", "class front"]
