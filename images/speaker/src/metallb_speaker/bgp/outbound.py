"""What an Established session has to say of routes: changes, repetitions on request, and markers.

After the first of all routes comes End-of-RIB for each family (RFC 4724 §2), if the peer knows of
graceful restart, and not before our owner has said that the routes are complete. A ROUTE-REFRESH is
answered by all routes of the family, between BoRR and EoRR if both sides have RFC 7313.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from metallb_speaker.bgp.iana import Afi, MessageType, Role, RouteRefreshSubtype
from metallb_speaker.bgp.messages import RouteRefresh, encode_route_refresh
from metallb_speaker.bgp.negotiation import FAMILIES
from metallb_speaker.bgp.next_hops import next_hop
from metallb_speaker.bgp.packing import Encoding
from metallb_speaker.bgp.update import end_of_rib

if TYPE_CHECKING:
    from metallb_speaker.bgp.config import SessionConfig
    from metallb_speaker.bgp.counters import Counters
    from metallb_speaker.bgp.negotiation import Negotiated
    from metallb_speaker.bgp.next_hops import Endpoints
    from metallb_speaker.bgp.packing import Encoder
    from metallb_speaker.bgp.rib_out import RibOut

PREFIXES_AT_ONCE: Final = 4096
"""So much is packed at once; what follows waits until that is written."""


class Outbound:
    """The routes' way out of one connection."""

    def __init__(self, rib: RibOut, encoder: Encoder, counters: Counters) -> None:
        self.rib = rib
        self.is_complete = True
        """The routes are all there: End-of-RIB may be said."""
        self._encoder = encoder
        self._counters = counters
        self._encoding: Encoding | None = None
        self._is_enhanced = False
        self._owed_ends: list[Afi] = []
        self._unannounced: tuple[Afi, ...] = ()
        self._to_refresh: set[Afi] = set()
        self._refreshing: list[Afi] = []

    @property
    def unannounced(self) -> tuple[Afi, ...]:
        """Families that were negotiated and have no next hop."""
        return self._unannounced

    def begin(self, config: SessionConfig, negotiated: Negotiated, ends: Endpoints) -> None:
        """Begin with a peer that has nothing of ours."""
        self._encode_for(config, negotiated, ends)
        self._is_enhanced = negotiated.enhanced_refresh
        self._owed_ends = [] if negotiated.peer_restart is None else sorted(negotiated.families)
        self.rib.begin()

    def _encode_for(self, config: SessionConfig, negotiated: Negotiated, ends: Endpoints) -> None:
        found = [
            (afi, next_hop(afi, config, negotiated, ends)) for afi in sorted(negotiated.families)
        ]
        self._unannounced = tuple(afi for afi, hop in found if hop is None)
        self._encoding = Encoding(
            is_internal=negotiated.is_internal,
            my_asn=config.shown_asn,
            four_octet_as=negotiated.four_octet_as,
            max_message=negotiated.max_message,
            next_hops=tuple((afi, hop) for afi, hop in found if hop is not None),
            add_path=negotiated.add_path,
            otc=_only_to_customer(config, negotiated),
            extended_link_bandwidth=config.extended_link_bandwidth,
        )

    def change(self, config: SessionConfig, negotiated: Negotiated, ends: Endpoints) -> bool:
        """Tell all in another form, if it is another; tells whether no family lost its next hop."""
        before, encoding = self._unannounced, self._encoding
        self._encode_for(config, negotiated, ends)
        if self._encoding != encoding:
            self.rib.repeat(negotiated.families)
        return set(self._unannounced) <= set(before)

    def end(self) -> None:
        """The connection is gone; the routes may be another connection's by now."""
        if self._encoding is None:
            return
        self._encoding = None
        self._owed_ends = []
        self._to_refresh.clear()
        self._refreshing = []
        self.rib.end()

    def refresh(self, afi: Afi) -> None:
        """Tell all routes of a family again, after what is being told again now."""
        self._to_refresh.add(afi)

    def take(self) -> bytes:
        """Give what is to be written next; nothing when all is said."""
        assert self._encoding is not None, "begin comes first"
        parts = [self._begin_refresh()]
        while self.rib.unsent and not any(parts):
            packed = self._encoder.encode(self._encoding, self.rib.take(PREFIXES_AT_ONCE))
            parts.append(packed.data)
            self._counters.sent[MessageType.UPDATE] += packed.updates
        if not self.rib.unsent:
            parts += self._ends()
        return b"".join(parts)

    def said(self) -> bytes:
        """Give the UPDATEs that say all again that the peer was told, for somebody else to hear."""
        if self._encoding is None:
            return b""
        return self._encoder.encode(self._encoding, self.rib.said()).data

    def _begin_refresh(self) -> bytes:
        if self._refreshing or not self._to_refresh:
            return b""
        afis = sorted(self._to_refresh)
        self._to_refresh.clear()
        self._refreshing = afis
        self.rib.repeat(afis)
        return self._marks(afis, RouteRefreshSubtype.BEGINNING)

    def _ends(self) -> list[bytes]:
        """Say that all is said."""
        parts = []
        if self.is_complete and self._owed_ends:
            parts += [end_of_rib(FAMILIES[afi]) for afi in self._owed_ends]
            self._counters.sent[MessageType.UPDATE] += len(self._owed_ends)
            self._owed_ends = []
        if self._refreshing:
            parts.append(self._marks(self._refreshing, RouteRefreshSubtype.ENDING))
            self._refreshing = []
        return parts

    def _marks(self, afis: list[Afi], subtype: RouteRefreshSubtype) -> bytes:
        if not self._is_enhanced:
            return b""
        self._counters.sent[MessageType.ROUTE_REFRESH] += len(afis)
        return b"".join(encode_route_refresh(RouteRefresh(FAMILIES[afi], subtype)) for afi in afis)


def _only_to_customer(config: SessionConfig, negotiated: Negotiated) -> int | None:
    """RFC 9234 §5: a route towards a Customer, a Peer or an RS-Client carries our AS."""
    if negotiated.is_internal or config.role not in _MARKING_ROLES:
        return None
    return config.shown_asn


_MARKING_ROLES: Final = (Role.PROVIDER, Role.PEER, Role.ROUTE_SERVER)
