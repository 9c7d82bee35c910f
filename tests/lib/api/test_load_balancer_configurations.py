"""MetalLoadBalancerConfiguration (deckhouse-metallb.md §1.4)."""

from __future__ import annotations

from typing import Any

import pytest

from metallb.api.bgp_advertisements import RouteAttributes, RouteCommunity
from metallb.api.load_balancer_configurations import (
    MetalLoadBalancerConfiguration,
    PoolAdvertisement,
    read_load_balancer_configuration,
)
from metallb.api.selectors import NodeSelector
from support.objects import metal_object


def read(**spec: Any) -> MetalLoadBalancerConfiguration:
    value = metal_object("MetalLoadBalancerConfiguration", "main", **{"mode": "BGP"} | spec)
    return read_load_balancer_configuration(value)


def test_a_whole_configuration_is_read() -> None:
    found = read(
        nodeSelector={"role": "edge"},
        bgp={"peerNames": ["r1", "r2"]},
        advertisements=[
            {"poolNames": ["one", "two"]},
            {
                "poolNames": ["three"],
                "bgp": {
                    "communities": ["64512:1", "no-export"],
                    "localPref": 4294967295,
                    "aggregationLength": 24,
                    "aggregationLengthV6": 64,
                    "med": 4294967295,
                    "prepend": 1,
                },
            },
        ],
    )
    assert found.problems == ()
    assert (found.name, found.is_bgp) == ("main", True)
    assert found.node_selector == NodeSelector.of({"role": "edge"})
    assert found.peers == ("r1", "r2")
    communities = (
        RouteCommunity("64512:1", "communities[0]"),
        RouteCommunity("no-export", "communities[1]"),
    )
    assert found.advertisements == (
        PoolAdvertisement(("one", "two"), RouteAttributes(), ".spec.advertisements[0]"),
        PoolAdvertisement(
            ("three",),
            RouteAttributes(24, 64, 4294967295, communities, 4294967295, 1),
            ".spec.advertisements[1]",
        ),
    )
    assert found.reference().kind == "MetalLoadBalancerConfiguration"


def test_a_length_of_0_is_not_said() -> None:
    found = read(advertisements=[{"poolNames": [], "bgp": {"aggregationLength": 0}}])
    assert found.advertisements[0].routes == RouteAttributes()
    assert found.problems == ()


@pytest.mark.parametrize(
    ("row", "spec", "problem"),
    [
        ("mode", {"mode": "L2"}, "mode: 'L2' is not one of BGP"),
        ("mode", {"mode": None}, "mode: '' is not one of BGP"),
        ("peerNames", {"bgp": {"peerNames": ["a", "a"]}}, "bgp.peerNames[1]: 'a' is there already"),
        ("poolNames", {"advertisements": [{}]}, "advertisements[0].poolNames: is wanted"),
        (
            "aggregationLength",
            {"advertisements": [{"poolNames": [], "bgp": {"aggregationLength": 64}}]},
            "advertisements[0].bgp.aggregationLength: 64 is not within 0 to 32",
        ),
    ],
)
def test_what_is_wrong_is_named(row: str, spec: dict[str, Any], problem: str) -> None:
    found = read(**spec)
    assert str(found.problems[0]).startswith(f".spec.{problem}"), row
    assert len(found.problems) == 1
