"""Which of two connections with one peer is kept (RFC 4271 §6.8, RFC 6286 §2.3, RFC 4724 §5).

Pure: a function of what is known of both. Each has its machine (`fsm`); the one that is to go gets
event 23, OpenCollisionDump, and says Cease/Connection Collision Resolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from metallb_speaker.bgp.fsm import State

if TYPE_CHECKING:
    from metallb_speaker.bgp.negotiation import Negotiated


class Verdict(Enum):
    """Which connection is to go."""

    NEITHER = auto()
    """Not to be told yet, or no collision."""
    FIRST = auto()
    SECOND = auto()


@dataclass(frozen=True, slots=True)
class Contestant:
    """One connection: `second` of two is the younger."""

    state: State
    is_dialled: bool
    """We initiated it."""
    negotiated: Negotiated | None
    """From its OPEN."""


def decide(first: Contestant, second: Contestant, *, router_id: int, asn: int) -> Verdict:
    """Tell which is to go, once OPEN has come on both, or one of them is Established."""
    if first.state is State.ESTABLISHED:
        return Verdict.SECOND
    if second.state is State.ESTABLISHED:
        return Verdict.FIRST
    if first.state is not State.OPEN_CONFIRM or second.state is not State.OPEN_CONFIRM:
        return Verdict.NEITHER
    if first.is_dialled == second.is_dialled or second.negotiated is None:
        return Verdict.FIRST  # one side alone made both: it has given up the older
    theirs = (second.negotiated.peer_router_id, second.negotiated.peer_asn)
    is_ours_kept = (router_id, asn) > theirs
    return Verdict.SECOND if second.is_dialled != is_ours_kept else Verdict.FIRST


def replaces_established(negotiated: Negotiated) -> bool:
    """Tell whether a new connection ends an Established one at once (RFC 4724 §5).

    A peer that restarts and comes back before we noticed has no use for the old one.
    """
    return negotiated.peer_restart is not None
