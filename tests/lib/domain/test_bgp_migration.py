from __future__ import annotations

import base64
from typing import Any

import pytest

from metallb.domain.bgp_migration import bgp_migration
from metallb.domain.decisions import CreateIfNotExists, Decision
from metallb.domain.hook_metrics import MetricGroup
from support.situations import HOSTILE, node, situation

POOL = {"name": "edge", "protocol": "bgp", "addresses": ["192.0.2.0/24"]}
PEER = {"peer-address": "192.0.2.1", "peer-asn": 64501, "my-asn": 64500}
NODES = [
    node("n1", role="front", rack="1"),
    node("n2", role="front", rack="2"),
    node("n3", role="back", rack="1"),
]
FRONT = {"nodeSelector": {"role": "front"}}


def _decide(version: int = 2, present: dict[str, Any] | None = None, **settings: Any) -> Decision:
    config = {"uid": "u", "version": version, "settings": settings}
    given = {"nodes": NODES, **(present or {})}
    return bgp_migration(situation(module_config=[config], **given))


def _made(decision: Decision) -> dict[str, Any]:
    found = {}
    for item in decision.operations:
        assert isinstance(item, CreateIfNotExists)
        kind = item.object["kind"].removeprefix("MetalLoadBalancer")
        found[f"{kind}/{item.object['metadata']['name']}"] = item.object
    return {key: value for key, value in found.items() if not key.startswith("Event/")}


def _specs(decision: Decision, kind: str) -> dict[str, Any]:
    return {
        key.removeprefix(f"{kind}/"): made["spec"]
        for key, made in _made(decision).items()
        if key.startswith(f"{kind}/")
    }


def _reasons(decision: Decision) -> list[tuple[str, str]]:
    series = decision.metrics[MetricGroup.MIGRATION_BGP]
    assert bool(series) == any(
        item.to_object()["object"]["kind"] == "Event" for item in decision.operations
    )
    paths = [(item.labels["path"], item.labels["reason"]) for item in series]
    return [(path.removeprefix(".spec.settings"), reason) for path, reason in paths]


def test_the_ordinary_case() -> None:
    decision = _decide(
        addressPools=[POOL, {"name": "l2", "protocol": "layer2", "addresses": ["192.0.2.0/24"]}],
        bgpPeers=[PEER],
        speaker=FRONT,
    )
    assert _specs(decision, "Pool") == {"edge": {"addresses": ["192.0.2.0/24"]}}
    assert _specs(decision, "BGPPeer") == {
        "peer-0": {"peerAddress": "192.0.2.1", "peerASN": 64501, "myASN": 64500}
    }
    assert _specs(decision, "Configuration") == {
        "migrated-bgp": {
            "mode": "BGP",
            "nodeSelector": {"role": "front"},
            "bgp": {"peerNames": ["peer-0"]},
            "advertisements": [{"poolNames": ["edge"]}],
        }
    }
    for made in _made(decision).values():
        assert made["apiVersion"] == "network.deckhouse.io/v1alpha1"
        assert made["metadata"]["labels"] == {
            "heritage": "deckhouse",
            "module": "metallb",
            "auto-generated-by": "d8-migration-hook",
        }
    assert _reasons(decision) == []


@pytest.mark.parametrize("version", [1, 2])
def test_both_old_versions_are_migrated(version: int) -> None:
    assert _specs(_decide(version, addressPools=[POOL]), "Pool")


def test_the_current_version_and_settings_without_bgp_are_not() -> None:
    nothing = Decision(metrics={MetricGroup.MIGRATION_BGP: []})
    assert _decide(3, addressPools=[POOL], bgpPeers=[PEER]) == nothing
    assert _decide(2) == nothing
    assert _decide(2, addressPools=[{**POOL, "protocol": "layer2"}]) == nothing
    assert bgp_migration(situation()) == nothing


def test_what_is_there_is_never_touched() -> None:
    settings: dict[str, Any] = {
        "addressPools": [POOL],
        "bgpPeers": [{**PEER, "password": "p"}],
    }
    present = {
        "pools": [{"name": "edge"}],
        "peers": [{"name": "peer-0"}],
        "configurations": [{"name": "migrated-bgp"}],
        "secrets": [{"name": "metallb-bgp-peer-0"}],
    }
    assert _decide(2, present, **settings).operations == []
    assert sorted(_made(_decide(2, {"pools": present["pools"]}, **settings))) == [
        "BGPPeer/peer-0",
        "Configuration/migrated-bgp",
        "Secret/metallb-bgp-peer-0",
    ]


def test_a_secret_is_for_a_peer_that_names_it_or_is_yet_to_be_made() -> None:
    """A peer that somebody made or mended without the password is left without it."""
    settings: dict[str, Any] = {"bgpPeers": [{**PEER, "password": "p"}]}

    def made(*peers: dict[str, Any]) -> bool:
        return "Secret/metallb-bgp-peer-0" in _made(_decide(2, {"peers": list(peers)}, **settings))

    reference = {"name": "metallb-bgp-peer-0", "namespace": "d8-system"}
    assert made()
    assert made({"name": "peer-7"})
    assert made({"name": "peer-0", "passwordSecretRef": reference})
    assert not made({"name": "peer-0"})
    assert not made({"name": "peer-0", "passwordSecretRef": {"name": "x", "namespace": "y"}})


def test_flags_of_pools_are_kept() -> None:
    pool = {**POOL, "auto-assign": False, "avoid-buggy-ips": True}
    assert _specs(_decide(addressPools=[pool]), "Pool")["edge"] == {
        "addresses": ["192.0.2.0/24"],
        "autoAssign": False,
        "avoidBuggyIPs": True,
    }


def test_a_password_becomes_a_secret_that_the_peer_names() -> None:
    decision = _decide(bgpPeers=[{**PEER, "password": "s3cr:t"}, PEER])
    secret = _made(decision)["Secret/metallb-bgp-peer-0"]
    assert secret["metadata"]["namespace"] == "d8-system"
    assert secret["metadata"]["labels"]["network.deckhouse.io/metallb-bgp-password"] == "true"
    assert base64.b64decode(secret["data"]["password"]) == b"s3cr:t"
    peers = _specs(decision, "BGPPeer")
    reference = {"name": "metallb-bgp-peer-0", "namespace": "d8-system"}
    assert peers["peer-0"]["passwordSecretRef"] == reference
    assert "passwordSecretRef" not in peers["peer-1"]
    assert "s3cr:t" not in str(decision.metrics)


def test_all_of_a_peer_is_carried_over() -> None:
    more = {
        "peer-port": 1179,
        "router-id": "192.0.2.7",
        "hold-time": "1m30s",
        "source-address": "192.0.2.8",
    }
    peer = _specs(_decide(bgpPeers=[{**PEER, **more}], speaker=FRONT), "BGPPeer")["peer-0"]
    assert peer == {
        "peerAddress": "192.0.2.1",
        "peerASN": 64501,
        "myASN": 64500,
        "peerPort": 1179,
        "routerID": "192.0.2.7",
        "holdTime": "90s",
        "sourceAddresses": [
            {"nodeName": "n1", "address": "192.0.2.8"},
            {"nodeName": "n2", "address": "192.0.2.8"},
        ],
    }


def test_a_source_address_that_no_node_has_is_reported() -> None:
    selector = {"matchLabels": {"role": "nowhere"}}
    peer = {**PEER, "source-address": "192.0.2.8", "node-selector": selector}
    decision = _decide(bgpPeers=[peer])
    assert "sourceAddresses" not in _specs(decision, "BGPPeer")["peer-0"]
    assert _reasons(decision) == [(".bgpPeers[0].source-address", "NoNodeForSourceAddress")]


def _configurations(*selectors: Any, speaker: Any = None) -> tuple[Any, Decision]:
    peers = [{**PEER, **({"node-selector": item} if item else {})} for item in selectors]
    decision = _decide(bgpPeers=peers, addressPools=[POOL], speaker=speaker or {})
    found = _specs(decision, "Configuration")
    assert all(item["advertisements"] == [{"poolNames": ["edge"]}] for item in found.values())
    selected = {
        name: (item["nodeSelector"], item["bgp"]["peerNames"]) for name, item in found.items()
    }
    return selected, decision


def test_a_peer_with_a_selector_of_its_own_gets_its_own_configuration() -> None:
    rack = {"matchLabels": {"rack": "1"}}
    same = {"matchExpressions": [{"key": "rack", "operator": "In", "values": ["1"]}]}
    found, decision = _configurations(None, rack, same, speaker=FRONT)
    assert found == {
        "migrated-bgp": ({"role": "front"}, ["peer-0"]),
        "migrated-bgp-1": ({"rack": "1", "role": "front"}, ["peer-1", "peer-2"]),
    }
    assert _reasons(decision) == []


def test_when_every_peer_has_one_there_is_no_empty_configuration() -> None:
    found, _ = _configurations({"matchLabels": {"rack": "2"}}, {"matchLabels": {"rack": "1"}})
    assert found == {
        "migrated-bgp": ({"rack": "2"}, ["peer-0"]),
        "migrated-bgp-1": ({"rack": "1"}, ["peer-1"]),
    }


@pytest.mark.parametrize(
    ("selector", "nodes"),
    [
        ({"matchExpressions": [{"key": "rack", "operator": "Exists"}]}, ["n1", "n2"]),
        ({"matchExpressions": [{"key": "rack", "operator": "NotIn", "values": ["1"]}]}, ["n2"]),
        (
            {"matchExpressions": [{"key": "rack", "operator": "In", "values": ["1", "2"]}]},
            ["n1", "n2"],
        ),
        ({"matchExpressions": [{"key": "role", "operator": "In", "values": ["back"]}]}, []),
    ],
)
def test_nodes_of_a_selector_that_says_more_are_named(selector: Any, nodes: list[str]) -> None:
    found, decision = _configurations(None, selector, speaker=FRONT)
    assert found == {
        "migrated-bgp": ({"role": "front"}, ["peer-0"]),
        **{
            f"migrated-bgp-{index}": ({"kubernetes.io/hostname": name}, ["peer-1"])
            for index, name in enumerate(nodes, 1)
        },
    }
    assert _reasons(decision) == [(".bgpPeers[1].node-selector", "NodesNamedOneByOne")]


def test_advertisements_with_their_attributes() -> None:
    pool = {
        **POOL,
        "bgp-advertisements": [
            {"aggregation-length": 24, "localpref": 100, "communities": ["vpn", "no-export"]},
            {"aggregation-length": 32},
            {"communities": ["64500:1", "unknown", "big"], "localpref": 0},
        ],
    }
    aliases = {"vpn": "64500:100", "big": "64500:70000"}
    decision = _decide(addressPools=[pool], bgpCommunities=aliases)
    assert _specs(decision, "Configuration")["migrated-bgp"]["advertisements"] == [
        {
            "poolNames": ["edge"],
            "bgp": {
                "aggregationLength": 24,
                "localPref": 100,
                "communities": ["64500:100", "no-export"],
            },
        },
        {"poolNames": ["edge"]},
        {"poolNames": ["edge"], "bgp": {"localPref": 0, "communities": ["64500:1"]}},
    ]
    path = ".addressPools[0].bgp-advertisements[2].communities"
    assert _reasons(decision) == [
        (f"{path}[1]", "UnknownCommunity"),
        (f"{path}[2]", "UnknownCommunity"),
    ]


def test_eighty_pools_are_eighty_advertisements_of_one_configuration() -> None:
    pools = [{**POOL, "name": f"p{index}"} for index in range(80)]
    decision = _decide(addressPools=pools, bgpPeers=[PEER])
    [configuration] = _specs(decision, "Configuration").values()
    assert len(configuration["advertisements"]) == len(_specs(decision, "Pool")) == 80


def test_lists_longer_than_an_object_takes_are_spread() -> None:
    pools = [{**POOL, "name": f"p{index}"} for index in range(300)]
    decision = _decide(addressPools=pools, bgpPeers=[PEER] * 257)
    found = _specs(decision, "Configuration").values()
    pairs = {
        (peer, name)
        for item in found
        for peer in item["bgp"]["peerNames"]
        for advertisement in item["advertisements"]
        for name in advertisement["poolNames"]
    }
    assert len(pairs) == 300 * 257
    for item in found:
        assert len(item["advertisements"]) <= 256
        assert len(item["bgp"]["peerNames"]) <= 256


def test_what_cannot_be_read_is_reported_and_the_rest_migrated() -> None:
    decision = _decide(
        addressPools=[POOL, {**POOL, "addresses": []}],
        bgpPeers=[PEER, {"peer-address": "x"}],
        speaker={"nodeSelector": {"a b": "c"}},
    )
    assert sorted(_made(decision)) == [
        "BGPPeer/peer-0",
        "Configuration/migrated-bgp",
        "Pool/edge",
    ]
    assert [path for path, _ in _reasons(decision)] == [
        ".addressPools[1].addresses",
        ".bgpPeers[1].peer-address",
        ".speaker.nodeSelector",
    ]


def test_what_is_no_object_stops_nothing() -> None:
    hostile = {name: list(HOSTILE) for name in ("nodes", "pools", "peers", "secrets")}
    decision = _decide(2, hostile, addressPools=[*list(HOSTILE), POOL], bgpPeers=list(HOSTILE))
    assert "Pool/edge" in _made(decision)
