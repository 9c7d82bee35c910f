"""The condition `Valid` of the kinds that are no pools, and what MetalLB's tools are told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.fields import Problem
from metallb.api.meta import ObjectKey
from metallb_controller.reconcile.validity import JUDGED, Validity
from support.everything import READERS, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb.domain.objects import ObjectId
    from metallb_controller.reconcile.validity import StatusPatch

OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
SYSTEM = "metallb-system"
PEER: dict[str, Any] = {"peerAddress": "10.0.0.1", "peerASN": 64501, "myASN": 64500}
NOTHING: Mapping[ObjectId, tuple[Problem, ...]] = {}


def native(name: str) -> ObjectKey:
    return ObjectKey(SYSTEM, name)


class Cluster:
    """Objects, whose statuses become what is written."""

    def __init__(self, *items: tuple[str, Any]) -> None:
        self.validity = Validity()
        self.objects: dict[ObjectId, Any] = {}
        self.statuses: dict[ObjectId, Any] = {}
        for item in items:
            self.put(*item)

    def put(self, kind: str, found: Any, status: Any = None) -> None:
        of = kind, found.meta.key
        self.objects[of] = found
        if kind == "Node":
            self.validity.observe_node(found.meta.key, found)
        else:
            self.statuses[of] = status or {}
            self.validity.observe(kind, found.meta.key, found, self.statuses[of])

    def look(
        self, noted: Mapping[ObjectId, tuple[Problem, ...]] = NOTHING, now: str = NEW
    ) -> list[StatusPatch]:
        for _ in self.validity.review(noted):
            pass
        patches = self.validity.patches(now)
        for patch in patches:
            of = patch.kind, patch.key
            self.put(patch.kind, self.objects[of], patch.body["status"])
        return patches

    def valid(self, kind: str, name: str) -> tuple[str, str, str]:
        key = ObjectKey("" if kind.startswith("Metal") else SYSTEM, name)
        [found] = [
            item for item in self.statuses[kind, key]["conditions"] if item["type"] == "Valid"
        ]
        return found["status"], found["reason"], found["message"]


def test_kinds_that_are_no_pools_are_judged() -> None:
    pools = {"MetalLoadBalancerClass", "MetalLoadBalancerPool", "IPAddressPool"}
    assert set(JUDGED) == READERS.keys() - pools


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("MetalLoadBalancerBGPPeer", PEER),
        ("MetalLoadBalancerConfiguration", {"mode": "BGP"}),
        ("L2Advertisement", {}),
        ("BGPAdvertisement", {}),
        ("BGPPeer", PEER),
        ("BFDProfile", {}),
        ("Community", {}),
    ],
)
def test_what_is_right_is_valid_and_said_once(kind: str, spec: dict[str, Any]) -> None:
    cluster = Cluster(written(kind, "x", **spec))
    [patch] = cluster.look()
    assert patch.body == {
        "metadata": {"uid": "uid-x", "resourceVersion": "1"},
        "status": {
            "observedGeneration": 1,
            "conditions": [
                {
                    "type": "Valid",
                    "status": "True",
                    "reason": "Valid",
                    "message": "",
                    "lastTransitionTime": NEW,
                    "observedGeneration": 1,
                }
            ],
        },
    }
    assert cluster.look() == []


def test_what_the_reader_the_translation_and_the_judge_find_is_said_once_each() -> None:
    cluster = Cluster(
        written("BGPAdvertisement", "wide", aggregationLength=8, localPref="x"),
        written("IPAddressPool", "front", addresses=["10.0.0.0/24"]),
    )
    of = "BGPAdvertisement", native("wide")
    reader = cluster.objects[of].problems
    assert len(reader) == 1
    wide = (
        ".spec.aggregationLength: 8 is wider than 10.0.0.0/24 of pool front; at least 24 is wanted"
    )
    alias = Problem(".spec.communities[0]", "no Community object has the name 'x'")
    path, _, message = wide.partition(": ")
    cluster.look({of: (*reader, Problem(path, message), alias)})
    assert cluster.valid("BGPAdvertisement", "wide") == (
        "False",
        "InvalidSpec",
        f"{reader[0]}; {wide}; {alias}",
    )


@pytest.mark.parametrize(
    ("item", "path"),
    [
        (("L2Advertisement", "x", {"ipAddressPools": ["none"]}), ".spec.ipAddressPools[0]"),
        (("BGPAdvertisement", "x", {"peers": ["none"]}), ".spec.peers[0]"),
        (("BGPPeer", "x", {**PEER, "bfdProfile": "none"}), ".spec.bfdProfile"),
        (
            (
                "MetalLoadBalancerConfiguration",
                "x",
                {"mode": "BGP", "bgp": {"peerNames": ["none"]}},
            ),
            ".spec.bgp.peerNames[0]",
        ),
    ],
)
def test_a_name_of_nothing(item: tuple[str, str, dict[str, Any]], path: str) -> None:
    kind, name, spec = item
    cluster = Cluster(written(kind, name, **spec))
    cluster.look()
    status, reason, message = cluster.valid(kind, name)
    assert (status, reason) == ("False", "UnknownReference")
    assert message.startswith(f"{path}: there is no ")


def test_it_becomes_valid_when_what_it_names_is_made_and_the_time_is_that_of_the_change() -> None:
    cluster = Cluster(written("BGPPeer", "x", **PEER, bfdProfile="fast"))
    cluster.look(now=OLD)
    cluster.put(*written("BFDProfile", "fast"))
    cluster.look(now=NEW)
    assert cluster.valid("BGPPeer", "x") == ("True", "Valid", "")
    [condition] = cluster.statuses["BGPPeer", native("x")]["conditions"]
    assert condition["lastTransitionTime"] == NEW


def test_other_words_do_not_change_the_time() -> None:
    cluster = Cluster(written("BGPPeer", "x", **PEER, bfdProfile="fast"))
    cluster.look(now=OLD)
    cluster.put(*written("BGPPeer", "x", myASN=1), cluster.statuses["BGPPeer", native("x")])
    assert len(cluster.look(now=NEW)) == 1
    [condition] = cluster.statuses["BGPPeer", native("x")]["conditions"]
    assert (condition["reason"], condition["lastTransitionTime"]) == ("InvalidSpec", OLD)


def test_a_new_generation_is_written_down() -> None:
    kind, found = written("BFDProfile", "x")
    cluster = Cluster((kind, found))
    cluster.look()
    newer = replace(found, meta=replace(found.meta, generation=2))
    cluster.put(kind, newer, cluster.statuses[kind, found.meta.key])
    [patch] = cluster.look(now=OLD)
    assert patch.body["status"]["observedGeneration"] == 2
    assert patch.body["status"]["conditions"][0]["lastTransitionTime"] == NEW


def test_conditions_of_others_stay() -> None:
    others = [{"type": "ReferencesResolved", "status": "True", "reason": "AllRight"}]
    cluster = Cluster()
    status = {"conditions": [*others, {"type": "Valid", "status": "False", "reason": "Odd"}]}
    cluster.put(*written("MetalLoadBalancerBGPPeer", "x", **PEER), status)
    [patch] = cluster.look()
    assert patch.body["status"]["conditions"][:-1] == others
    assert len(patch.body["status"]["conditions"]) == 2


def test_of_two_communities_with_one_name_the_one_that_lost_is_told() -> None:
    one = [{"name": "blue", "value": "65000:1"}]
    cluster = Cluster(
        written("Community", "a", communities=one), written("Community", "b", communities=one)
    )
    lost = Problem(".spec.communities[0].name", "'blue' is defined by a already, which is older")
    cluster.look({("Community", native("b")): (lost,)})
    assert cluster.valid("Community", "a")[0] == "True"
    assert cluster.valid("Community", "b") == ("False", "InvalidSpec", str(lost))


def test_a_node_that_comes_to_be_of_two_peers_makes_them_one_session() -> None:
    def peer(name: str, rack: str) -> tuple[str, Any]:
        selectors = [{"matchLabels": {rack: "yes"}}]
        return written("BGPPeer", name, **PEER, nodeSelectors=selectors)

    cluster = Cluster(peer("x", "one"), peer("y", "two"), written("Node", "n", one="yes"))
    cluster.look()
    assert cluster.valid("BGPPeer", "x")[0] == "True"
    cluster.put(*written("Node", "n", one="yes", two="yes"))
    cluster.look()
    assert cluster.valid("BGPPeer", "x")[:2] == ("False", "InvalidSpec")
    cluster.validity.observe_node(ObjectKey("", "n"), None)
    cluster.look()
    assert cluster.valid("BGPPeer", "y")[0] == "True"


def test_what_is_gone_is_judged_no_more_not_even_amid_a_review() -> None:
    cluster = Cluster(written("BGPPeer", "x", myASN=1), written("BGPPeer", "y", myASN=1))
    review = cluster.validity.review({})
    next(review)
    cluster.validity.observe("BGPPeer", native("y"), None, {})
    assert len(list(review)) == 1
    assert list(cluster.validity.verdicts) == [("BGPPeer", native("x"))]
    assert [patch.key.name for patch in cluster.validity.patches(NEW)] == ["x"]


def test_faults_are_errors_and_the_name_of_a_profile_that_is_not_there() -> None:
    cluster = Cluster(
        written("L2Advertisement", "named", ipAddressPools=["none"]),
        written("BGPPeer", "p", **PEER, bfdProfile="none"),
        written("BFDProfile", "b", detectMultiplier=1),
    )
    pool: ObjectId = ("IPAddressPool", native("front"))
    noted = {pool: (Problem(".spec.addresses[0]", "is odd"),)}
    cluster.look(noted)
    other: ObjectId = ("IPAddressPool", native("other"))
    refusals = {pool: (".spec.addresses[1]: overlaps",), other: (".spec.addresses[0]: overlaps",)}
    found = cluster.validity.faults(noted, refusals)
    assert list(found) == [("BFDProfile", native("b")), ("BGPPeer", native("p")), pool, other]
    assert found[pool] == (".spec.addresses[0]: is odd", ".spec.addresses[1]: overlaps")
    assert found["BGPPeer", native("p")] == (".spec.bfdProfile: there is no BFDProfile 'none' yet",)


def resolved(is_true: bool, generation: int = 1) -> dict[str, Any]:
    words = "" if is_true else ".spec.passwordSecret: no Secret d8-metallb/tor"
    condition = {
        "type": "ReferencesResolved",
        "status": "True" if is_true else "False",
        "reason": "AllRight" if is_true else "PasswordSecretNotFound",
        "message": words,
        "observedGeneration": generation,
    }
    return {"conditions": [condition]}


@pytest.mark.parametrize("kind", ["BGPPeer", "MetalLoadBalancerBGPPeer"])
def test_what_a_hook_finds_in_a_secret_is_taken_up(kind: str) -> None:
    of, peer = written(kind, "p", **PEER)
    cluster = Cluster()
    for told, said in (
        (resolved(False), ("False", "UnknownReference")),
        (resolved(True), ("True", "Valid")),
        (resolved(False, generation=7), ("True", "Valid")),  # of another spec than this one
    ):
        cluster.put(of, peer, told)
        cluster.look()
        status, reason, message = cluster.valid(kind, "p")
        assert (status, reason) == said
        assert ("no Secret d8-metallb/tor" in message) is (status == "False")
        faults = cluster.validity.faults(NOTHING, {})
        assert (list(faults) == [(kind, peer.meta.key)]) is (status == "False")


def test_what_a_hook_says_of_other_kinds_is_its_own() -> None:
    of, adv = written("BGPAdvertisement", "a")
    cluster = Cluster()
    cluster.put(of, adv, resolved(False))
    cluster.look()
    assert cluster.valid("BGPAdvertisement", "a")[0] == "True"


RACK = [{"matchLabels": {"rack": "a"}}]


@pytest.mark.parametrize(
    ("item", "nodes"),
    [
        (written("BGPPeer", "x", nodeSelectors=RACK), ["a"]),
        (written("BGPPeer", "x"), ["a", "b", "new"]),
        (written("BGPAdvertisement", "x", nodeSelectors=RACK), ["a"]),
        (written("MetalLoadBalancerConfiguration", "x", nodeSelector={"rack": "a"}), ["a"]),
        (written("MetalLoadBalancerBGPPeer", "used"), ["b"]),
        (written("MetalLoadBalancerBGPPeer", "idle"), []),
        (written("L2Advertisement", "x", nodeSelectors=RACK), ["a", "b", "new"]),
    ],
)
def test_what_is_for_which_node(item: tuple[str, Any], nodes: list[str]) -> None:
    user = {"nodeSelector": {"rack": "b"}, "bgp": {"peerNames": ["used"]}}
    cluster = Cluster(
        written("Node", "a", rack="a"),
        written("Node", "b", rack="b"),
        written("MetalLoadBalancerConfiguration", "user", **user),
        item,
    )
    of = item[0], item[1].meta.key
    concerned = [node for node in ("a", "b", "new") if cluster.validity.concerns(of, node)]
    assert concerned == nodes


def test_what_is_not_known_here_is_for_all() -> None:
    assert Validity().concerns(("IPAddressPool", native("front")), "a")
