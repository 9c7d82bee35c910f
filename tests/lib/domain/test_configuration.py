from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from metallb.domain.configuration import closed, configuration
from metallb.domain.hook_metrics import HookMetric, MetricGroup
from support.situations import HOSTILE, situation

if TYPE_CHECKING:
    from metallb.domain.decisions import Decision

SCHEMA: dict[str, Any] = {
    "type": "object",
    "x-config-version": 3,
    "properties": {
        "loadBalancerClass": {"type": "string", "pattern": "^[a-z]*$"},
        "nodeSelector": {"type": "object", "additionalProperties": {"type": "string"}},
        "highAvailability": {"type": "boolean"},
        "addressPools": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "protocol": {"type": "string"}},
            },
        },
        "bgpPeers": {"type": "array"},
        "bgpCommunities": {"type": "object"},
        "l2": {
            "type": "object",
            "properties": {
                "livenessIntervalMilliseconds": {"type": "integer", "maximum": 1000},
                "livenessMultiplier": {"type": "integer"},
            },
        },
        "bgp": {"type": "object"},
        "speaker": {
            "type": "object",
            "properties": {
                "nodeSelector": {"type": "object"},
                "realtimePriority": {"type": "integer"},
                "tolerations": {"type": "array"},
            },
        },
    },
}
FRONT = {"name": "front", "nodeSelector": {"role": "front"}}


def _node(name: str, *taints: Any, role: str = "front") -> dict[str, Any]:
    return {"name": name, "labels": {"role": role}, "taints": list(taints) or None}


def _decide(settings: Any, version: Any = 3, **more: Any) -> Decision:
    config = {"uid": "u", "version": version, "settings": settings}
    return configuration(situation(module_config=[config], **more), SCHEMA)


def _faults(decision: Decision) -> list[tuple[str, str]]:
    series = decision.metrics[MetricGroup.CONFIGURATION]
    events = [item.to_object()["object"] for item in decision.operations]
    assert {item["reason"] for item in events} == {item.labels["reason"] for item in series}
    assert {item.labels["kind"] for item in series} <= {"ModuleConfig"}
    return [
        (item.labels["path"].removeprefix(".spec.settings"), item.labels["reason"])
        for item in series
    ]


@pytest.mark.parametrize("settings", [{}, {"loadBalancerClass": "x", "l2": {}, "speaker": {}}])
def test_settings_that_are_right(settings: Any) -> None:
    decision = _decide(settings, classes=[FRONT], nodes=[_node("n1")])
    assert _faults(decision) == []
    assert all(series == [] for series in decision.metrics.values())


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"loadBalancerClass": 7}, ".loadBalancerClass"),
        ({"loadBalancerClass": "$(rm -rf /)"}, ".loadBalancerClass"),
        ({"unknown": 1}, ""),
        ({"l2": {"unknown": 1}}, ".l2"),
        ({"l2": {"livenessIntervalMilliseconds": 5000}}, ".l2.livenessIntervalMilliseconds"),
        ({"addressPools": [{}, {"unknown": 1}]}, ".addressPools[1]"),
    ],
)
def test_settings_that_break_the_schema(settings: Any, path: str) -> None:
    decision = _decide(settings)
    assert _faults(decision) == [(path, "InvalidSetting")]
    [event] = [item.to_object()["object"] for item in decision.operations]
    assert event["message"].startswith(f".spec.settings{path}: ")
    assert "breaks the rule" in event["message"]


def test_objects_are_closed_unless_they_say_otherwise() -> None:
    assert closed({"type": "object"}) == {"type": "object"}
    assert closed({"properties": {"a": {"properties": {}}}}) == {
        "properties": {"a": {"properties": {}, "additionalProperties": False}},
        "additionalProperties": False,
    }
    kept = {"properties": {}, "additionalProperties": {"type": "string"}}
    assert closed(kept) == kept
    assert closed({"items": {"properties": {}}})["items"]["additionalProperties"] is False


def test_a_class_of_both_modes() -> None:
    settings = {"loadBalancerClass": "front"}
    assert _faults(_decide(settings, classes=[FRONT])) == [
        (".loadBalancerClass", "LoadBalancerClassTaken")
    ]
    assert _faults(_decide(settings, classes=[])) == []


@pytest.mark.parametrize(
    ("settings", "roles", "is_fault"),
    [
        ({"nodeSelector": {"role": "front"}}, ["front"], False),
        ({"nodeSelector": {"role": "front"}}, ["back"], True),
        ({"nodeSelector": {"role": "front"}, "highAvailability": True}, ["front"], True),
        ({"nodeSelector": {"role": "front"}, "highAvailability": True}, ["front"] * 2, False),
        ({"nodeSelector": {}}, ["back"], False),
        # nothing is known of the nodes
        ({"nodeSelector": {"role": "front"}}, [], False),
    ],
)
def test_a_selector_of_too_few_nodes(settings: Any, roles: list[str], is_fault: bool) -> None:
    nodes = [_node(f"n{index}", role=role) for index, role in enumerate(roles)]
    expected = [(".nodeSelector", "TooFewNodes")] if is_fault else []
    assert _faults(_decide(settings, nodes=nodes)) == expected


@pytest.mark.parametrize(
    ("l2", "priority", "is_fault"),
    [
        ({}, 0, False),
        ({"livenessIntervalMilliseconds": 40}, 0, True),
        ({"livenessIntervalMilliseconds": 40}, 10, False),
        ({"livenessIntervalMilliseconds": 40, "livenessMultiplier": 4}, 0, False),
    ],
)
def test_fast_detection_needs_real_time(l2: Any, priority: int, is_fault: bool) -> None:
    settings = {"l2": l2, "speaker": {"realtimePriority": priority}}
    expected = [(".speaker.realtimePriority", "DetectionNeedsRealtime")] if is_fault else []
    assert _faults(_decide(settings)) == expected


@pytest.mark.parametrize(
    ("bgp", "is_fault"),
    [
        ({"holdTimeSeconds": 3, "bfd": {"receiveIntervalMilliseconds": 1000}}, True),
        ({"holdTimeSeconds": 4, "bfd": {"receiveIntervalMilliseconds": 1000}}, False),
        ({"holdTimeSeconds": 0, "bfd": {"receiveIntervalMilliseconds": 60000}}, False),
        ({"holdTimeSeconds": 9, "bfd": {"detectMultiplier": 50}}, True),
    ],
)
def test_bfd_slower_than_the_hold_time(bgp: Any, is_fault: bool) -> None:
    expected = [(".bgp.bfd", "BFDSlowerThanHoldTime")] if is_fault else []
    assert _faults(_decide({"bgp": bgp})) == expected


GPU = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


def test_a_taint_that_keeps_the_speaker_away() -> None:
    nodes = [_node("n1", GPU), _node("n2", GPU, role="back"), _node("n3")]
    decision = _decide({}, classes=[FRONT], nodes=nodes)
    assert _faults(decision) == [(".speaker.tolerations", "TaintNotTolerated")]
    [event] = [item.to_object()["object"] for item in decision.operations]
    assert "node n1 of class front: gpu=yes:NoSchedule" in event["message"]
    tolerated = {"speaker": {"tolerations": [{"key": "gpu", "operator": "Exists"}]}}
    assert _faults(_decide(tolerated, classes=[FRONT], nodes=nodes)) == []
    shared = {"modules": {"placement": {"customTolerationKeys": ["gpu"]}}}
    assert _faults(_decide({}, classes=[FRONT], nodes=nodes, shared=shared)) == []


def _series(decision: Decision, group: MetricGroup) -> list[dict[str, str]]:
    return [dict(item.labels) for item in decision.metrics[group]]


OLD: dict[str, Any] = {
    "addressPools": [
        {"name": "b", "protocol": "layer2"},
        {"name": "a", "protocol": "layer2"},
        {"name": "c", "protocol": "bgp"},
    ],
    "bgpPeers": [{}],
    "bgpCommunities": {},
    "speaker": {"nodeSelector": {"role": "front"}},
}


@pytest.mark.parametrize(
    ("version", "asks", "pools", "settings"),
    [
        (1, [{}], [], []),
        (2, [{}], ["a", "b"], []),
        (3, [], ["a", "b"], ["addressPools", "bgpPeers", "speaker.nodeSelector"]),
        (None, [], ["a", "b"], ["addressPools", "bgpPeers", "speaker.nodeSelector"]),
    ],
)
def test_settings_of_old_versions(
    version: Any, asks: list[Any], pools: list[str], settings: list[str]
) -> None:
    decision = _decide(OLD, version)
    assert _series(decision, MetricGroup.VERSION_REQUIRED) == asks
    assert _series(decision, MetricGroup.OBSOLETE_POOLS) == [{"name": name} for name in pools]
    assert _series(decision, MetricGroup.OBSOLETE_SETTINGS) == [
        {"setting": name} for name in settings
    ]


def test_names_of_deckhouse() -> None:
    assert [HookMetric.VERSION_REQUIRED, HookMetric.OBSOLETE_POOL] == [
        "d8_metallb_update_mc_version_required",
        "d8_metallb_obsolete_layer2_pools_are_used",
    ]


def test_without_a_module_config_all_groups_are_emptied() -> None:
    for given in (situation(), situation(module_config=list(HOSTILE[:4]))):
        decision = configuration(given, SCHEMA)
        assert decision.operations == []
        assert len(decision.metrics) == 4
        assert not any(decision.metrics.values())


def test_what_is_no_object_stops_nothing() -> None:
    decision = _decide({}, classes=list(HOSTILE), nodes=[*HOSTILE, _node("n", "x", 7)])
    assert _faults(decision) == []
