"""BGPAdvertisement (metallb.md §2)."""

from __future__ import annotations

from typing import Any

import pytest

from metallb.api.advertisements import PoolChoice
from metallb.api.bgp_advertisements import (
    BGPAdvertisement,
    RouteAttributes,
    RouteCommunity,
    read_bgp_advertisement,
)
from metallb.api.selectors import LabelSelector
from support.objects import native_object

A = {"matchLabels": {"a": "b"}}
OF_A = LabelSelector.of({"a": "b"})


def read(**spec: Any) -> BGPAdvertisement:
    return read_bgp_advertisement(native_object("BGPAdvertisement", "edge", **spec))


def test_a_whole_advertisement_is_read() -> None:
    found = read(
        ipAddressPools=["one"],
        ipAddressPoolSelectors=[A],
        nodeSelectors=[A],
        aggregationLength=24,
        aggregationLengthV6=64,
        localPref=4294967295,
        med=0,
        prepend=10,
        extendedCommunities=["rt:64500:100", "rt:064500:100", "ro:192.0.2.1:7"],
        communities=["64512:1", "edge", "large:1:2:3"],
        peers=["router"],
        weightByEndpoints=True,
    )
    assert found.name == "edge"
    assert found.pools == PoolChoice(("one",), (OF_A,))
    assert found.node_selectors == (OF_A,)
    assert found.routes == RouteAttributes(
        24,
        64,
        4294967295,
        (
            RouteCommunity("64512:1", "communities[0]"),
            RouteCommunity("edge", "communities[1]"),
            RouteCommunity("large:1:2:3", "communities[2]"),
        ),
        med=0,
        prepend=10,
        extended_communities=("rt:64500:100", "ro:192.0.2.1:7"),
        is_weighted=True,
    )
    assert found.peers == ("router",)
    assert found.problems == ()
    assert found.reference().kind == "BGPAdvertisement"


def test_defaults() -> None:
    found = read()
    assert found.routes == RouteAttributes(32, 128, 0, ())
    assert found.pools == PoolChoice()
    assert (found.peers, found.service_selectors, found.problems) == ((), (), ())


@pytest.mark.parametrize(
    ("row", "spec", "complaint"),
    [
        ("aggregationLength", {"aggregationLength": 33}, ".aggregationLength: 33 is not within 1 "),
        ("aggregationLength", {"aggregationLength": 0}, ".aggregationLength: 0 is not within 1 to"),
        ("aggregationLengthV6", {"aggregationLengthV6": 129}, "V6: 129 is not within 1 to 128"),
        ("localPref", {"localPref": 2**32}, ".spec.localPref: 4294967296 is not within 0 to"),
        ("localPref", {"localPref": -1}, ".spec.localPref: -1 is not within"),
        ("communities", {"communities": ["65536:1"]}, ".communities[0]: '65536:1' has a number"),
        (
            "communities",
            {"communities": ["a", "1:1", "a"]},
            ".communities[2]: 'a' is there already",
        ),
        ("peers", {"peers": ["a", "a"]}, ".spec.peers[1]: 'a' is there already"),
        ("selectors", {"nodeSelectors": [A, A]}, ".spec.nodeSelectors[1]: the same selector"),
        (
            "§4.5 more than 63 communities",
            {"communities": [f"1:{number}" for number in range(64)]},
            ".spec.communities: 64 are too many; 63 is the most",
        ),
        (
            "serviceSelectors",
            {"serviceSelectors": [A], "aggregationLength": 24},
            ".aggregationLength: 24 cannot be used with serviceSelectors; only 32 can",
        ),
        (
            "serviceSelectors",
            {"serviceSelectors": [A], "aggregationLengthV6": 64},
            ".aggregationLengthV6: 64 cannot be used with serviceSelectors; only 128 can",
        ),
    ],
)
def test_what_is_wrong_is_named(row: str, spec: dict[str, Any], complaint: str) -> None:
    assert complaint in str(read(**spec).problems[0]), row


def test_with_service_selectors_addresses_themselves_are_announced() -> None:
    found = read(serviceSelectors=[A], aggregationLength=24, aggregationLengthV6=64)
    assert found.routes == RouteAttributes()
    assert found.service_selectors == (OF_A,)


def test_two_spellings_of_a_community_are_one() -> None:
    found = read(communities=["1:1", "1:01", "1:65536"])
    assert found.routes.communities == (RouteCommunity("1:1", "communities[0]"),)


def test_peers_that_are_no_names_are_not_all_peers() -> None:
    assert read(peers=[7]).peers == ("",)


def test_extended_communities_that_are_none_or_too_many_are_noted_and_left_out() -> None:
    found = read(extendedCommunities=["rt:1:1", "rt:x"])
    assert found.routes.extended_communities == ("rt:1:1",)
    assert ".spec.extendedCommunities[1]: 'rt:x' is no extended" in str(found.problems[0])
    many = read(extendedCommunities=[f"rt:1:{number}" for number in range(32)])
    assert len(many.routes.extended_communities) == 31
    assert "32 are too many" in str(many.problems[0])


@pytest.mark.parametrize("spec", [{"med": -1}, {"med": 2**32}, {"prepend": 11}])
def test_numbers_that_cannot_be_are_noted_and_not_said(spec: dict[str, Any]) -> None:
    found = read(**spec)
    assert len(found.problems) == 1
    assert found.routes == RouteAttributes()
