from __future__ import annotations

from typing import Any

import pytest

from metallb.api.advertisements import PoolChoice
from metallb.api.layer2_advertisements import (
    L2Advertisement,
    NodePreference,
    read_l2_advertisement,
)
from metallb.api.selectors import NOTHING, LabelSelector
from support.objects import native_object

A = {"matchLabels": {"a": "b"}}
OF_A = LabelSelector.of({"a": "b"})


def read(**spec: Any) -> L2Advertisement:
    return read_l2_advertisement(native_object("L2Advertisement", "edge", **spec))


def test_a_whole_advertisement_is_read() -> None:
    """metallb.md §2, L2Advertisement."""
    found = read(
        ipAddressPools=["one", "two"],
        ipAddressPoolSelectors=[A],
        nodeSelectors=[A],
        serviceSelectors=[A],
        interfaces=["eth0"],
        preferredNodeSelectors=[{"weight": 60, "preference": A}, {"weight": 1, "preference": {}}],
    )
    assert found.name == "edge"
    assert found.pools == PoolChoice(("one", "two"), (OF_A,))
    assert found.node_selectors == found.service_selectors == (OF_A,)
    assert found.interfaces == ("eth0",)
    assert found.preferences == (NodePreference(60, OF_A), NodePreference(1, LabelSelector()))
    assert found.problems == ()
    assert found.reference().kind == "L2Advertisement"


def test_an_empty_one_is_for_all() -> None:
    found = read()
    assert found.pools.covers("any", {})
    assert (found.node_selectors, found.interfaces, found.problems) == ((), (), ())


@pytest.mark.parametrize(
    ("row", "spec", "covered"),
    [
        ("named", {"ipAddressPools": ["one"]}, {"one"}),
        ("§2 unknown names are ignored", {"ipAddressPools": ["one", "none"]}, {"one"}),
        ("selected", {"ipAddressPoolSelectors": [A]}, {"two"}),
        (
            "named or selected",
            {"ipAddressPools": ["one"], "ipAddressPoolSelectors": [A]},
            {"one", "two"},
        ),
        ("neither", {}, {"one", "two", "three"}),
        ("none of the names is one", {"ipAddressPools": [7]}, set()),
        ("the selector is malformed", {"ipAddressPoolSelectors": [{"matchLabels": 7}]}, set()),
    ],
)
def test_which_pools_it_covers(row: str, spec: dict[str, Any], covered: set[str]) -> None:
    pools: dict[str, dict[str, str]] = {"one": {}, "two": {"a": "b"}, "three": {"a": "c"}}
    choice = read(**spec).pools
    assert {name for name, labels in pools.items() if choice.covers(name, labels)} == covered, row


@pytest.mark.parametrize(
    ("row", "spec", "complaint"),
    [
        ("§2 names twice", {"ipAddressPools": ["a", "a"]}, ".spec.ipAddressPools[1]: 'a' is there"),
        (
            "§2 selectors twice",
            {"nodeSelectors": [A, A]},
            ".spec.nodeSelectors[1]: the same selector",
        ),
        ("§2 selectors twice", {"serviceSelectors": [A, A]}, ".spec.serviceSelectors[1]: the same"),
        (
            "§2 selectors twice",
            {"ipAddressPoolSelectors": [A, A]},
            "Selectors[1]: the same selector",
        ),
        ("Linux", {"interfaces": ["a/b"]}, ".spec.interfaces[0]: 'a/b' cannot be"),
    ],
)
def test_what_is_wrong_is_named(row: str, spec: dict[str, Any], complaint: str) -> None:
    assert complaint in str(read(**spec).problems[0]), row


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        ({"preference": A}, "[0].weight: is wanted"),
        ({"weight": 5}, "[0].preference: is wanted"),
        ({"weight": 101, "preference": A}, "[0].weight: 101 is not within 1 to 100"),
        ({"weight": 0, "preference": A}, "[0].weight: 0 is not within 1 to 100"),
        ({"weight": 5, "preference": "a"}, "[0].preference: an object is wanted"),
        ({"weight": 5, "preference": {"matchLabels": 7}}, "[0].preference.matchLabels: a map"),
    ],
)
def test_a_malformed_preference_prefers_nobody(item: Any, complaint: str) -> None:
    """metallb.md §2, L2Advertisement.preferredNodeSelectors."""
    found = read(preferredNodeSelectors=[item])
    assert found.preferences == ()
    assert complaint in str(found.problems[0])


@pytest.mark.parametrize("value", ["eth0", [7], {"eth0": True}])
def test_interfaces_that_are_no_names_are_not_all_interfaces(value: Any) -> None:
    assert read(interfaces=value).interfaces == ("",)


def test_a_malformed_selector_covers_nothing() -> None:
    found = read(nodeSelectors=[{"matchExpressions": [{"key": "a", "operator": "Is"}]}])
    assert found.node_selectors == (NOTHING,)
