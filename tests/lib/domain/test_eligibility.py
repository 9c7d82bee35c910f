from __future__ import annotations

import pytest

from metallb.api.nodes import EXCLUDE_LABEL, Node, read_node
from metallb.api.selectors import NodeSelector
from metallb.domain.eligibility import NodeRefusal, eligible_nodes, why_not
from support.objects import node_object

FRONT = NodeSelector.of({"role": "front"})


def _node(name: str = "a", *, front: bool = True, excluded: bool = False, **rest: bool) -> Node:
    labels = {"role": "front"} if front else {}
    if excluded:
        labels[EXCLUDE_LABEL] = "false"
    return read_node(node_object(name, labels=labels, **rest))


@pytest.mark.parametrize(
    ("node", "has_speaker", "expected"),
    [
        (_node(), True, None),
        (_node(front=False), True, NodeRefusal.NOT_SELECTED),
        (_node(excluded=True), True, NodeRefusal.EXCLUDED),
        (_node(network_unavailable=True), True, NodeRefusal.NETWORK_UNAVAILABLE),
        (_node(), False, NodeRefusal.NO_SPEAKER),
        (_node(ready=False), True, NodeRefusal.NOT_READY),
        (_node(front=False, excluded=True), False, NodeRefusal.NOT_SELECTED),
    ],
)
def test_why_a_node_may_not_announce(
    node: Node, has_speaker: bool, expected: NodeRefusal | None
) -> None:
    assert why_not(node, FRONT, {node.name} if has_speaker else ()) is expected


def test_nodes_are_parted_and_sorted() -> None:
    nodes = [_node("c"), _node("a"), _node("b", ready=False), _node("d", front=False)]
    eligible, refused = eligible_nodes(nodes, FRONT, {item.name for item in nodes})
    assert [item.name for item in eligible] == ["a", "c"]
    assert refused == {"b": NodeRefusal.NOT_READY, "d": NodeRefusal.NOT_SELECTED}


def test_readiness_is_not_asked_when_no_node_has_it() -> None:
    nodes = [_node("a", ready=False), _node("b", ready=False), _node("c", excluded=True)]
    eligible, refused = eligible_nodes(nodes, FRONT, {item.name for item in nodes})
    assert [item.name for item in eligible] == ["a", "b"]
    assert refused == {"c": NodeRefusal.EXCLUDED}
