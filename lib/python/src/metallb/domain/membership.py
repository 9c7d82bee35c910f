"""Which nodes carry the label by which speakers of L2 mode find their place.

A node is a member when some class selects it; readiness and taints are not asked, because a node
that comes back must find its speaker there. Only the difference is patched. The key of the label
is Deckhouse's, its value is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.api.selectors import NodeSelector
from metallb.domain.decisions import Decision, MergePatch, Target

if TYPE_CHECKING:
    from metallb.domain.decisions import Situation

MEMBER_LABEL = "l2-load-balancer.network.deckhouse.io/member"


def node_membership(situation: Situation) -> Decision:
    """Label the nodes that classes select, and no others.

    Snapshots: `classes` with `nodeSelector`, `nodes` with `name` and `labels`.
    """
    selectors = [
        NodeSelector.of(item.mapping("nodeSelector")) for item in situation.snapshot("classes")
    ]
    decision = Decision()
    for name, labels in _nodes(situation):
        is_member = any(selector.matches(labels) for selector in selectors)
        if is_member and labels.get(MEMBER_LABEL) != "":
            decision.operations.append(_labelled(name, ""))
        elif not is_member and MEMBER_LABEL in labels:
            decision.operations.append(_labelled(name, None))
    return decision


def no_membership(situation: Situation) -> Decision:
    """Take the label off every node. Snapshot: `nodes` with `name` and `labels`."""
    nodes = [name for name, labels in _nodes(situation) if MEMBER_LABEL in labels]
    return Decision(operations=[_labelled(name, None) for name in nodes])


def _nodes(situation: Situation) -> list[tuple[str, dict[str, str]]]:
    nodes = ((item.text("name"), item.mapping("labels")) for item in situation.snapshot("nodes"))
    return sorted((name, labels) for name, labels in nodes if name)


def _labelled(node: str, value: str | None) -> MergePatch:
    return MergePatch(Target("v1", "Node", node), {"metadata": {"labels": {MEMBER_LABEL: value}}})
