"""Which nodes may announce addresses of a class, and why not the others.

Readiness is a hint, never the last word: when the API server believes that no selected node is
ready (a cut between it and the nodes looks just so), readiness is not asked, because withdrawing
every address would turn its trouble into an outage. The other reasons are somebody's decision and
always hold.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from metallb.api.nodes import Node, NodeName


class Selector(Protocol):
    """What chooses nodes by their labels."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether a node with these labels is chosen."""


class NodeRefusal(StrEnum):
    """Why a node may not announce."""

    NOT_SELECTED = "NotSelected"
    EXCLUDED = "ExcludedFromLoadBalancers"
    NETWORK_UNAVAILABLE = "NetworkUnavailable"
    NO_SPEAKER = "NoSpeaker"
    NOT_READY = "NotReady"


def why_not(node: Node, selector: Selector, speakers: Container[NodeName]) -> NodeRefusal | None:
    """Tell why a node may not announce; the first reason that holds; None: it may.

    `speakers` are the nodes whose speaker is present.
    """
    if not selector.matches(node.labels):
        return NodeRefusal.NOT_SELECTED
    if node.is_excluded:
        return NodeRefusal.EXCLUDED
    if not node.is_network_available:
        return NodeRefusal.NETWORK_UNAVAILABLE
    if node.name not in speakers:
        return NodeRefusal.NO_SPEAKER
    return None if node.is_ready else NodeRefusal.NOT_READY


def eligible_nodes(
    nodes: Iterable[Node], selector: Selector, speakers: Container[NodeName]
) -> tuple[list[Node], dict[NodeName, NodeRefusal]]:
    """Part the nodes into those that may announce (by name) and those refused, with the reason."""
    eligible: list[Node] = []
    unready: list[Node] = []
    refused: dict[NodeName, NodeRefusal] = {}
    for node in sorted(nodes, key=lambda item: item.name):
        reason = why_not(node, selector, speakers)
        if reason is None:
            eligible.append(node)
        elif reason is NodeRefusal.NOT_READY:
            unready.append(node)
        else:
            refused[node.name] = reason
    if not eligible:
        return unready, refused
    refused.update((node.name, NodeRefusal.NOT_READY) for node in unready)
    return eligible, refused
