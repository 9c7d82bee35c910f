"""How many messages of each kind a peer and we have sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from metallb_speaker.bgp.iana import MessageType


def _none() -> dict[MessageType, int]:
    return dict.fromkeys(MessageType, 0)


@dataclass(slots=True)
class Counters:
    """Messages since the session was made."""

    sent: dict[MessageType, int] = field(default_factory=_none)
    received: dict[MessageType, int] = field(default_factory=_none)
    malformed: int = 0
    """UPDATEs with faults that did not end the session."""
