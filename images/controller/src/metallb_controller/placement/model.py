"""The words of placement: what is told to it, and what it answers.

All values are frozen and compare by content. Names of nodes, VIPs and groups are plain non-empty
strings that nobody interprets here; a VIP is usually the text of its address, a group the
`namespace/name` of its Service.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Order = tuple[str, ...]
"""Names of nodes, the preferred one first, without repetition; empty when no node is eligible."""

PREFERENCE_LIMIT = 8
"""The longest order. Eight nodes must die within one reaction of the controller to exhaust it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node that may announce VIPs of the class. An empty zone is a zone like any other."""

    name: str
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """One VIP that wants a node.

    `group` names the Service: VIPs of one group keep away from each other.
    `eligible` restricts the nodes that may announce it (for example those with a ready endpoint).
    `None`, or a set that covers every node, means no restriction; names of unknown nodes wait
    without effect until such a node appears.
    """

    vip: str
    group: str
    eligible: frozenset[str] | None = None


class MoveReason(StrEnum):
    """Why a rebalancing takes a VIP from a node that could have kept it."""

    BALANCE = "Balance"
    SEPARATION = "Separation"


@dataclass(frozen=True, slots=True)
class Move:
    """One change of a first choice made by rebalancing."""

    vip: str
    source: str
    target: str
    reason: MoveReason
