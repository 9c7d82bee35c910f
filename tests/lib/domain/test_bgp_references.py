from __future__ import annotations

from typing import Any

import pytest

from metallb.domain.bgp_references import bgp_references
from metallb.domain.decisions import CreateIfNotExists, Decision, MergePatch
from metallb.domain.hook_metrics import HookMetric, MetricGroup
from support.situations import HOSTILE, NOW_TEXT, situation

PEER = {"name": "tor", "uid": "u-tor", "generation": 3}
POOL = {"name": "edge", "uid": "u-edge", "generation": 1, "addresses": ["192.0.2.0/24"]}
CONFIGURATION = {
    "name": "main",
    "uid": "u-main",
    "generation": 2,
    "peerNames": ["tor"],
    "advertisements": [{"poolNames": ["edge"]}],
}


def _condition(kind: str, status: str, reason: str, message: str = "", **more: Any) -> Any:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": NOW_TEXT,
        **more,
    }


def _patches(decision: Decision) -> dict[str, Any]:
    found = [item for item in decision.operations if isinstance(item, MergePatch)]
    assert all(item.subresource == "status" for item in found)
    return {
        f"{item.target.kind}/{item.target.name}": item.patch["status"]["conditions"]
        for item in found
    }


def _reasons(decision: Decision) -> list[tuple[str, str, str]]:
    series = decision.metrics[MetricGroup.BGP_OBJECTS]
    assert all(item.name == HookMetric.PROBLEM for item in series)
    events = [item for item in decision.operations if isinstance(item, CreateIfNotExists)]
    said = {(item.object["involvedObject"]["name"], item.object["reason"]) for item in events}
    assert said == {(item.labels["name"], item.labels["reason"]) for item in series}
    return [(item.labels["name"], item.labels["path"], item.labels["reason"]) for item in series]


def test_what_is_whole_says_so() -> None:
    decision = bgp_references(
        situation(configurations=[CONFIGURATION], peers=[PEER], pools=[POOL], secrets=[])
    )
    assert _patches(decision) == {
        "MetalLoadBalancerConfiguration/main": [
            _condition("ReferencesResolved", "True", "AllRight", observedGeneration=2)
        ],
        "MetalLoadBalancerBGPPeer/tor": [
            _condition("ReferencesResolved", "True", "AllRight", observedGeneration=3)
        ],
        "MetalLoadBalancerPool/edge": [
            _condition("AddressesValid", "True", "AllRight", observedGeneration=1)
        ],
    }
    assert _reasons(decision) == []


def test_unknown_peers_and_pools_are_named() -> None:
    configuration = {
        **CONFIGURATION,
        "peerNames": ["tor", "core"],
        "advertisements": [{"poolNames": ["edge", "x"]}, {"poolNames": ["y"]}],
    }
    decision = bgp_references(situation(configurations=[configuration], peers=[PEER], pools=[POOL]))
    [condition] = _patches(decision)["MetalLoadBalancerConfiguration/main"]
    assert (condition["status"], condition["reason"]) == ("False", "UnknownPeer")
    assert condition["message"] == (
        ".spec.bgp.peerNames[1]: no MetalLoadBalancerBGPPeer 'core'; "
        ".spec.advertisements[0].poolNames[1]: no MetalLoadBalancerPool 'x'; "
        ".spec.advertisements[1].poolNames[0]: no MetalLoadBalancerPool 'y'"
    )
    assert len(_reasons(decision)) == 3


def test_a_missing_password_is_told_on_the_peer() -> None:
    def judged(*secrets: Any) -> Any:
        peer = {**PEER, "passwordSecretRef": {"namespace": "net", "name": "tor"}}
        decision = bgp_references(situation(peers=[peer], secrets=list(secrets)))
        [condition] = _patches(decision)["MetalLoadBalancerBGPPeer/tor"]
        return condition["reason"], condition["message"], len(_reasons(decision))

    secret = {"namespace": "net", "name": "tor", "data": {"password": True}}
    assert judged(secret) == ("AllRight", "", 0)
    assert judged() == (
        "PasswordSecretNotFound",
        (
            ".spec.passwordSecretRef: no Secret net/tor with the label "
            'network.deckhouse.io/metallb-bgp-password: "true"'
        ),
        1,
    )
    reason, message, _ = judged({**secret, "data": {}})
    assert (reason, "has no key password" in message) == ("PasswordSecretInvalid", True)


OUT_OF_REACH = "Secret net/tor must be in namespace d8-metallb or metallb-system"
OURS, ELSEWHERE = "d8-metallb", "metallb-system"
SECRET = {
    "namespace": OURS,
    "name": "tor",
    "type": "kubernetes.io/basic-auth",
    "data": {"password": True},
}


@pytest.mark.parametrize(
    ("ref", "secret", "reason", "words"),
    [
        (None, None, "AllRight", ""),
        ({"name": "tor"}, SECRET, "AllRight", ""),
        ({"name": "tor", "namespace": OURS}, SECRET, "AllRight", ""),
        ({"name": "tor"}, None, "PasswordSecretNotFound", "no Secret d8-metallb/tor"),
        (
            {"name": "tor"}, {**SECRET, "type": "Opaque"}, "PasswordSecretWrongType",
            "Secret d8-metallb/tor is of type Opaque, not kubernetes.io/basic-auth",
        ),
        (
            {"name": "tor"}, {**SECRET, "data": {"password": False}}, "PasswordSecretInvalid",
            "Secret d8-metallb/tor has no key password",
        ),
        (
            {"name": "tor", "namespace": "net"}, {**SECRET, "namespace": "net"},
            "PasswordSecretWrongNamespace", OUT_OF_REACH,
        ),
        (
            {"name": "tor", "namespace": ELSEWHERE}, SECRET, "PasswordSecretNotFound",
            "no Secret metallb-system/tor",
        ),
    ],
)  # fmt: skip
def test_the_secret_of_a_peer_of_metallb_is_judged(
    ref: Any, secret: Any, reason: str, words: str
) -> None:
    peer = {**PEER, "namespace": OURS, "passwordSecret": ref}
    secrets = [] if secret is None else [secret]
    decision = bgp_references(situation(native_peers=[peer], own_secrets=secrets))
    [condition] = _patches(decision)["BGPPeer/tor"]
    message = f".spec.passwordSecret: {words}" if words else ""
    assert (condition["reason"], condition["message"]) == (reason, message)
    assert condition["observedGeneration"] == 3
    patch = next(item for item in decision.operations if isinstance(item, MergePatch))
    assert (patch.target.api_version, patch.target.namespace) == ("metallb.io/v1beta2", OURS)
    assert _reasons(decision) == ([("tor", ".spec.passwordSecret", reason)] if words else [])
    for series in decision.metrics[MetricGroup.BGP_OBJECTS]:
        assert (series.labels["kind"], series.labels["namespace"]) == ("BGPPeer", OURS)


def test_a_secret_of_a_peer_without_a_namespace_is_in_that_of_the_peer() -> None:
    peer = {**PEER, "namespace": ELSEWHERE, "passwordSecret": {"name": "tor"}}
    reasons = []
    for secrets in ([], [{**SECRET, "namespace": ELSEWHERE}]):
        given = situation(native_peers=[peer], own_secrets=[SECRET], native_secrets=secrets)
        [condition] = _patches(bgp_references(given))["BGPPeer/tor"]
        reasons.append(condition["reason"])
    assert reasons == ["PasswordSecretNotFound", "AllRight"]


def test_the_secrets_with_keys_of_tcp_ao_are_judged_too() -> None:
    ref = {"secretRef": {"name": "key", "namespace": "metallb-system"}}
    peer = {**PEER, "namespace": ELSEWHERE, "tcpAuthentication": ref}
    given = situation(peers=[{**PEER, "tcpAuthentication": ref}], native_peers=[peer])
    assert _reasons(bgp_references(given)) == [
        ("tor", ".spec.tcpAuthentication.secretRef", "PasswordSecretNotFound"),
        ("tor", ".spec.tcpAuthentication.secretRef", "PasswordSecretNotFound"),
    ]


def test_a_secret_of_metallb_whose_copy_has_no_name_is_told() -> None:
    ours = {**PEER, "passwordSecretRef": {"namespace": "metallb", "name": "system-tor"}}
    peer = {**PEER, "namespace": ELSEWHERE, "passwordSecret": {"name": "tor"}}
    given = situation(
        peers=[ours],
        secrets=[{"namespace": "metallb", "name": "system-tor", "data": {"password": True}}],
        native_peers=[peer],
        native_secrets=[{**SECRET, "namespace": ELSEWHERE}],
    )
    patches = _patches(bgp_references(given))
    [condition] = patches["BGPPeer/tor"]
    assert condition["reason"] == "PasswordSecretNameTaken"
    assert patches["MetalLoadBalancerBGPPeer/tor"][0]["reason"] == "AllRight"


def test_copies_of_one_name_are_told_apart() -> None:
    def peer(namespace: str, name: str) -> Any:
        ref = {"namespace": namespace, "name": name}
        return {"name": f"{namespace}.{name}", "uid": name, "passwordSecretRef": ref}

    def secret(namespace: str, name: str) -> Any:
        return {"namespace": namespace, "name": name, "data": {"password": True}}

    pairs = [("a", "b-c"), ("a-b", "c"), ("x", "X")]
    decision = bgp_references(
        situation(peers=[peer(*pair) for pair in pairs], secrets=[secret(*pair) for pair in pairs])
    )
    messages = {
        name: conditions[0]["message"].partition(": ")[2]
        for name, conditions in _patches(decision).items()
    }
    assert messages == {
        "MetalLoadBalancerBGPPeer/a.b-c": "",
        "MetalLoadBalancerBGPPeer/a-b.c": (
            "the copy of Secret a-b/c would have the name of the copy of a/b-c"
        ),
        "MetalLoadBalancerBGPPeer/x.X": (
            "the copy of Secret x/X would have a name that no object can have"
        ),
    }


def test_pools_that_overlap_or_are_malformed() -> None:
    pools = [
        {"name": "b", "uid": "b", "addresses": ["192.0.2.128-192.0.2.130", "198.51.100.0/24"]},
        {"name": "a", "uid": "a", "addresses": ["192.0.2.0/24", "nonsense", "192.0.2.7"]},
    ]
    decision = bgp_references(situation(pools=pools))
    assert _reasons(decision) == [
        ("a", ".spec.addresses[1]", "InvalidRange"),
        ("b", ".spec.addresses[0]", "OverlappingPools"),
    ]
    [condition] = _patches(decision)["MetalLoadBalancerPool/b"]
    assert condition["message"] == (
        ".spec.addresses[0]: 192.0.2.128-192.0.2.130 has addresses of pool a"
    )


def test_a_condition_that_says_it_already_is_left_alone() -> None:
    said = _condition("ReferencesResolved", "True", "AllRight", observedGeneration=3)
    peer = {**PEER, "conditions": [said]}
    assert _patches(bgp_references(situation(peers=[peer]))) == {}


def test_conditions_of_others_and_times_of_no_change_stay() -> None:
    foreign = {"type": "Established", "status": "True"}
    since = "2026-01-01T00:00:00Z"
    before = {**_condition("ReferencesResolved", "True", "AllRight"), "lastTransitionTime": since}
    peer = {**PEER, "conditions": [before, foreign]}
    conditions = _patches(bgp_references(situation(peers=[peer])))["MetalLoadBalancerBGPPeer/tor"]
    assert conditions[0] == foreign
    assert (conditions[1]["lastTransitionTime"], conditions[1]["observedGeneration"]) == (since, 3)


def test_an_empty_cluster_needs_nothing() -> None:
    empty = Decision(metrics={MetricGroup.BGP_OBJECTS: []})
    assert bgp_references(situation()) == empty


def test_what_is_no_object_stops_nothing() -> None:
    hostile = list(HOSTILE)
    decision = bgp_references(
        situation(
            configurations=[*hostile, CONFIGURATION],
            peers=[*hostile, PEER],
            pools=[*hostile, POOL],
            secrets=hostile,
        )
    )
    patches = _patches(decision)
    assert patches["MetalLoadBalancerConfiguration/main"][0]["status"] == "True"
    assert patches["MetalLoadBalancerPool/edge"][0]["status"] == "True"
