"""What a person, a metric or a status object may want to know of a peer. No secrets in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Address, IPv6Address

    from metallb_speaker.bgp.fsm import State
    from metallb_speaker.bgp.iana import MessageType
    from metallb_speaker.bgp.negotiation import Negotiated


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One peer, now. Times are of the event loop's clock, in seconds."""

    name: str
    state: State
    state_since: float
    address: IPv4Address | IPv6Address | None
    local_address: IPv4Address | IPv6Address | None
    is_dialled: bool
    negotiated: Negotiated | None
    keepalive_seconds: float
    retry_at: float | None
    """When the next try is made, while there is no connection."""
    last_error: str | None
    """Why the last connection, or the last try, ended."""
    routes: int
    """How many it is to have."""
    unsent_routes: int
    """How many of them, or of those withdrawn, it was not told yet."""
    established_count: int
    sent: Mapping[MessageType, int]
    received: Mapping[MessageType, int]
    malformed_updates: int
    waits_for_bfd: bool

    @property
    def is_up(self) -> bool:
        """The session is Established."""
        return self.negotiated is not None and self.state.value == "Established"
