"""What liveness has to tell: who lives, who does no more, and what we say of ourselves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metallb_speaker.liveness.messages import NodeState


class DownReason(StrEnum):
    """Why a peer is alive no more."""

    SILENT = "Silent"
    RESTARTED = "Restarted"
    UNREACHABLE = "Unreachable"
    """Our link that led to it is gone."""
    FORGOTTEN = "Forgotten"
    """The roll names it no more, or no way to it."""


@dataclass(frozen=True, slots=True)
class Member:
    """A living peer: what it says of itself, and its interfaces that we reach."""

    state: NodeState
    links: frozenset[str]


@dataclass(frozen=True, slots=True)
class MemberUp:
    """A peer is alive; `was_lost` tells that it is the run of it which had fallen silent."""

    node: str
    was_lost: bool = False


@dataclass(frozen=True, slots=True)
class MemberDown:
    """A peer is alive no more; `silent_seconds` is how long ago it was last heard."""

    node: str
    reason: DownReason
    silent_seconds: float


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A living peer says something else of itself, or can be reached on other interfaces."""

    node: str


@dataclass(frozen=True, slots=True)
class SelfChanged:
    """We say something else of ourselves."""

    state: NodeState


Event = MemberUp | MemberDown | MemberChanged | SelfChanged
