from __future__ import annotations

from typing import Any

from metallb.domain.decisions import Decision
from metallb.domain.membership import MEMBER_LABEL, no_membership, node_membership
from support.situations import HOSTILE, situation

FRONT = {"nodeSelector": {"role": "front"}}


def _node(name: str, member: str | None = None, **labels: str) -> dict[str, Any]:
    found: dict[str, Any] = dict(labels)
    if member is not None:
        found[MEMBER_LABEL] = member
    return {"name": name, "labels": found}


def _patched(decision: Decision) -> dict[str, Any]:
    patches = [item.to_object() for item in decision.operations]
    assert all(
        (item["operation"], item["apiVersion"], item["kind"], item["ignoreMissingObject"])
        == ("MergePatch", "v1", "Node", True)
        and "namespace" not in item
        for item in patches
    )
    return {
        item["name"]: item["mergePatch"]["metadata"]["labels"][MEMBER_LABEL] for item in patches
    }


def test_only_the_difference_is_patched() -> None:
    nodes = [
        _node("b-selected", role="front"),
        _node("a-selected", role="front"),
        _node("right", "", role="front"),
        _node("odd-value", "true", role="front"),
        _node("left", "", role="back"),
        _node("never", role="back"),
    ]
    decision = node_membership(situation(classes=[FRONT], nodes=nodes))
    assert _patched(decision) == {"a-selected": "", "b-selected": "", "odd-value": "", "left": None}
    assert list(_patched(decision)) == sorted(_patched(decision))
    again = [_node(name, "", role="front") for name in ("a-selected", "b-selected", "odd-value")]
    settled = [*again, _node("left", role="back"), *nodes[2:3], *nodes[5:]]
    assert node_membership(situation(classes=[FRONT], nodes=settled)) == Decision()


def test_a_class_without_a_selector_selects_every_node() -> None:
    nodes = [_node("a"), _node("b", role="back")]
    decision = node_membership(situation(classes=[FRONT, {}], nodes=nodes))
    assert _patched(decision) == {"a": "", "b": ""}


def test_every_pair_of_a_selector_must_hold() -> None:
    both = {"nodeSelector": {"role": "front", "zone": "a"}}
    nodes = [_node("half", role="front"), _node("whole", role="front", zone="a")]
    assert _patched(node_membership(situation(classes=[both], nodes=nodes))) == {"whole": ""}


def test_without_classes_nobody_is_a_member() -> None:
    nodes = [_node("a", ""), _node("b")]
    assert _patched(node_membership(situation(classes=[], nodes=nodes))) == {"a": None}


def test_an_empty_cluster_needs_nothing() -> None:
    assert node_membership(situation(classes=[], nodes=[])) == Decision()
    assert node_membership(situation()) == Decision()


def test_removal_takes_the_label_off_all_nodes() -> None:
    nodes = [_node("b", ""), _node("a", "true"), _node("c")]
    assert _patched(no_membership(situation(nodes=nodes))) == {"a": None, "b": None}
    assert no_membership(situation(nodes=[])) == Decision()


def test_what_is_no_object_changes_nothing() -> None:
    nodes = [_node("a", role="front"), *HOSTILE]
    decision = node_membership(situation(classes=[FRONT], nodes=nodes))
    assert _patched(decision) == {"a": ""}
