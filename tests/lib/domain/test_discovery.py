from __future__ import annotations

from typing import Any

import pytest

from metallb.domain.discovery import discovery
from support.situations import HOSTILE, situation

MEMBERS = {
    "matchExpressions": [
        {"key": "l2-load-balancer.network.deckhouse.io/member", "operator": "Exists"}
    ]
}


def _in(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}


def _term(*requirements: dict[str, Any]) -> dict[str, Any]:
    return {"matchExpressions": list(requirements)}


def _found(**snapshots: Any) -> tuple[bool, bool, list[Any]]:
    values = discovery(situation(**snapshots)).values
    assert sorted(values) == [
        "internal.bgpEnabled",
        "internal.l2Enabled",
        "internal.speakerNodeSelectorTerms",
    ]
    return (
        values["internal.l2Enabled"],
        values["internal.bgpEnabled"],
        values["internal.speakerNodeSelectorTerms"],
    )


NAMED = [{"name": "x"}]
RACK = {"nodeSelectors": [{"matchLabels": {"rack": "1"}}]}
FRONT = {"mode": "BGP", "nodeSelector": {"role": "front"}, "peerNames": ["tor"]}


@pytest.mark.parametrize(
    ("snapshots", "expected"),
    [
        ({}, (False, False, [])),
        ({"classes": NAMED}, (True, False, [MEMBERS])),
        ({"pools": NAMED}, (False, True, [])),
        ({"advertisements": NAMED}, (False, True, [])),
        ({"native_peers": [{}]}, (False, True, [])),
        ({"layer2_advertisements": [{}]}, (True, False, [])),
        ({"layer2_advertisements": [RACK], "classes": NAMED},
         (True, False, [MEMBERS, _term(_in("rack", "1"))])),
        # a configuration alone is nothing to announce
        ({"configurations": [FRONT]}, (False, False, [])),
        ({"pools": NAMED, "configurations": [FRONT]}, (False, True, [_term(_in("role", "front"))])),
        # somebody wants every node, so every node it is
        ({"pools": NAMED, "configurations": [FRONT, {}]}, (False, True, [])),
        ({"pools": NAMED, "configurations": [FRONT], "native_peers": [{}]}, (False, True, [])),
        ({"pools": NAMED, "classes": NAMED}, (True, True, [])),
        # another mode than BGP does not count
        ({"pools": NAMED, "configurations": [FRONT, {"mode": "L2"}]},
         (False, True, [_term(_in("role", "front"))])),
    ],
)  # fmt: skip
def test_what_runs_where(snapshots: dict[str, Any], expected: Any) -> None:
    assert _found(**snapshots) == expected


def test_terms_are_ored_each_once_and_sorted() -> None:
    zones = {"nodeSelector": {"zone": "b", "role": "front"}}
    _, _, terms = _found(
        classes=NAMED, pools=NAMED, configurations=[FRONT, zones, FRONT], peers=[], native_peers=[]
    )
    assert terms == [MEMBERS, _term(_in("role", "front"), _in("zone", "b")),
                     _term(_in("role", "front"))]  # fmt: skip


def test_nodes_with_a_source_address_are_selected_too() -> None:
    peers = [
        {"name": "tor", "sourceAddresses": [{"nodeName": "n2"}, {"nodeName": "n1"}, {}]},
        {"name": "unused", "sourceAddresses": [{"nodeName": "n9"}]},
    ]
    _, _, terms = _found(pools=NAMED, configurations=[FRONT], peers=peers)
    hostname = "kubernetes.io/hostname"
    assert terms == [_term(_in(hostname, "n1")), _term(_in(hostname, "n2")),
                     _term(_in("role", "front"))]  # fmt: skip


def test_selectors_of_native_peers() -> None:
    selectors = [
        {"matchLabels": {"rack": "1"}},
        {
            "matchExpressions": [
                {"key": "rack", "operator": "In", "values": ["3", "2", "3"]},
                {"key": "spare", "operator": "DoesNotExist"},
            ]
        },
    ]
    _, _, terms = _found(native_peers=[{"nodeSelectors": selectors}])
    assert terms == [
        _term(_in("rack", "1")),
        _term(_in("rack", "2", "3"), {"key": "spare", "operator": "DoesNotExist"}),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "", "operator": "Exists"},
        {"key": "a b", "operator": "Exists"},
        {"key": "rack", "operator": "Exists", "values": ["1"]},
        {"key": "rack", "operator": "In"},
        {"key": "rack", "operator": "Gt", "values": ["1"]},
        {"key": "rack", "operator": "In", "values": ["not a value"]},
        {"key": 7, "operator": None},
    ],
)
def test_a_selector_that_no_api_server_takes_selects_every_node(expression: Any) -> None:
    selectors = [{"matchExpressions": [expression]}]
    assert _found(native_peers=[{"nodeSelectors": selectors}]) == (False, True, [])


def test_what_is_no_object_changes_nothing() -> None:
    _, _, terms = _found(pools=NAMED, configurations=[FRONT, None, "x", 7, []], peers=list(HOSTILE))
    assert terms == [_term(_in("role", "front"))]
