from __future__ import annotations

from typing import Any

import pytest

from metallb.domain.legacy_settings import LegacySettings, read_legacy_settings
from support.situations import HOSTILE, situation


def _read(version: Any = 2, **settings: Any) -> LegacySettings:
    config = {"uid": "u", "version": version, "settings": settings}
    found = read_legacy_settings(situation(module_config=[config]))
    assert found is not None
    return found


def _problems(found: LegacySettings) -> list[str]:
    return [problem.path.removeprefix(".spec.settings") for problem in found.problems]


POOL = {"name": "a", "protocol": "bgp", "addresses": ["192.0.2.0/24"]}
PEER = {"peer-address": "192.0.2.1", "peer-asn": 64501, "my-asn": 64500}


@pytest.mark.parametrize("version", [None, 3, 4, "2", 0])
def test_the_current_version_has_no_old_settings(version: Any) -> None:
    config = {"uid": "u", "version": version, "settings": {"addressPools": [POOL]}}
    assert read_legacy_settings(situation(module_config=[config])) is None


def test_without_a_module_config_there_is_nothing() -> None:
    assert read_legacy_settings(situation()) is None
    assert read_legacy_settings(situation(module_config=list(HOSTILE[:4]))) is None


def test_pools() -> None:
    found = _read(
        addressPools=[
            {**POOL, "auto-assign": False, "avoid-buggy-ips": True},
            {"protocol": "layer2", "addresses": [" 192.0.2.1 - 192.0.2.9 "]},
        ]
    )
    first, second = found.pools
    assert (first.auto_assign, first.avoid_buggy_ips, first.is_bgp) == (False, True, True)
    assert (second.name, second.addresses) == ("pool-1", ("192.0.2.1-192.0.2.9",))
    assert (second.auto_assign, second.avoid_buggy_ips) == (True, False)
    assert (found.bgp_pools(), found.layer2_pools()) == ([first], [second])
    assert found.problems == ()


@pytest.mark.parametrize(
    ("pool", "path"),
    [
        ({**POOL, "protocol": "ospf"}, ".protocol"),
        ({**POOL, "addresses": []}, ".addresses"),
        ({**POOL, "addresses": "x"}, ".addresses"),
        ({**POOL, "addresses": ["999.0.0.0/24"]}, ".addresses[0]"),
        ({**POOL, "name": "Not_a_name"}, ".name"),
        ("text", ""),
    ],
)
def test_a_pool_that_cannot_be_used_is_noted_and_the_others_stay(pool: Any, path: str) -> None:
    found = _read(addressPools=[pool, POOL])
    assert [item.name for item in found.pools] == ["a"]
    assert f".addressPools[0]{path}" in _problems(found)


def test_one_bad_range_does_not_take_the_pool_with_it() -> None:
    found = _read(addressPools=[{**POOL, "addresses": ["1.2.3", "192.0.2.7"]}])
    assert found.pools[0].addresses == ("192.0.2.7",)
    assert _problems(found) == [".addressPools[0].addresses[0]"]


def test_advertisements() -> None:
    advertisements = [
        {"aggregation-length": 24, "localpref": 0, "communities": ["a", "b"]},
        {},
        {"aggregation-length": 64},
    ]
    found = _read(addressPools=[{**POOL, "bgp-advertisements": advertisements}])
    read = found.pools[0].advertisements
    assert [
        (item.aggregation_length, item.local_preference, item.communities) for item in read
    ] == [(24, 0, ("a", "b")), (0, None, ()), (0, None, ())]
    assert read[0].path == ".spec.settings.addressPools[0].bgp-advertisements[0]"
    assert _problems(found) == [".addressPools[0].bgp-advertisements[2].aggregation-length"]


def test_peers() -> None:
    selector = {
        "matchLabels": {"role": "front"},
        "matchExpressions": [{"key": "rack", "operator": "Exists"}],
    }
    more = {
        "peer-port": 1179,
        "router-id": "192.0.2.7",
        "source-address": "192.0.2.8",
        "password": "secret",
        "node-selector": selector,
    }
    [peer] = _read(bgpPeers=[{**PEER, **more}]).peers
    assert (peer.name, peer.address, peer.asn, peer.my_asn) == ("peer-0", "192.0.2.1", 64501, 64500)
    assert (peer.port, peer.router_id, peer.source_address) == (1179, "192.0.2.7", "192.0.2.8")
    assert peer.password == "secret"
    assert [(item.key, item.operator, item.values) for item in peer.selector] == [
        ("role", "In", ("front",)),
        ("rack", "Exists", ()),
    ]


@pytest.mark.parametrize("missing", sorted(PEER))
def test_a_peer_without_what_it_needs_is_left_out(missing: str) -> None:
    peer = {key: value for key, value in PEER.items() if key != missing}
    found = _read(bgpPeers=[peer, PEER])
    assert [item.name for item in found.peers] == ["peer-1"]
    assert ".bgpPeers[0].peer-address" in _problems(found)


def test_addresses_that_are_none_are_noted() -> None:
    found = _read(bgpPeers=[{**PEER, "router-id": "x", "source-address": "192.0.2.0/24"}])
    assert (found.peers[0].router_id, found.peers[0].source_address) == ("", "")
    assert _problems(found) == [".bgpPeers[0].router-id", ".bgpPeers[0].source-address"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (90, "90s"),
        ("90", "90s"),
        ("0", "0s"),
        ("1m30s", "90s"),
        ("3500ms", "3500ms"),
        ("1h", "3600s"),
        ("0.5h", None),
        ("1d", None),
        ("1w", None),
        ("1y", None),
        ("2s", None),
        ("90 s", None),
        ("s", None),
        ("", None),
        (True, None),
        ([], None),
    ],
)
def test_hold_times(value: Any, expected: str | None) -> None:
    found = _read(bgpPeers=[{**PEER, "hold-time": value}])
    assert found.peers[0].hold_time == (expected or "")
    assert _problems(found) == ([] if expected is not None else [".bgpPeers[0].hold-time"])


@pytest.mark.parametrize(
    ("operator", "values", "matching"),
    [
        ("In", ["1", "2"], ["1"]),
        ("NotIn", ["1"], ["3", None]),
        ("Exists", [], ["1", "3"]),
        ("DoesNotExist", [], [None]),
    ],
)
def test_requirements_mean_what_kubernetes_means(
    operator: str, values: list[str], matching: list[str | None]
) -> None:
    expression = {"key": "rack", "operator": operator, "values": values}
    peer = {**PEER, "node-selector": {"matchExpressions": [expression]}}
    [requirement] = _read(bgpPeers=[peer]).peers[0].selector
    for rack in ("1", "3", None):
        labels = {} if rack is None else {"rack": rack}
        assert requirement.matches(labels) is (rack in matching)


def test_labels_of_speakers_that_cannot_be_are_left_out() -> None:
    found = _read(speaker={"nodeSelector": {"role": "front", "a b": "c", "x": "y z"}})
    assert found.speaker_selector == {"role": "front"}
    assert [item.path for item in found.findings("speaker")] == [
        ".spec.settings.speaker.nodeSelector"
    ] * 2
    assert list(found.findings("bgp")) == []


def test_the_rest() -> None:
    found = _read(1, loadBalancerClass="x", bgpCommunities={"a": "64500:1"})
    assert (found.version, found.load_balancer_class) == (1, "x")
    assert found.communities == {"a": "64500:1"}
    assert found.of.to_object() == {
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": "ModuleConfig",
        "name": "metallb",
        "uid": "u",
    }
