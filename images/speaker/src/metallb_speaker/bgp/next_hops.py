"""Which next hop the routes of each family get (RFC 4271 §5.1.3, RFC 2545 §3, RFC 8950 §3)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from metallb_speaker.bgp.iana import Afi

if TYPE_CHECKING:
    from metallb_speaker.bgp.config import SessionConfig
    from metallb_speaker.bgp.negotiation import Negotiated


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The two ends of a TCP connection, and the other addresses of our interface there."""

    local: IPv4Address | IPv6Address
    peer: IPv4Address | IPv6Address
    ipv4: IPv4Address | None = None
    """An address of the interface, for IPv4 routes over an IPv6 session."""
    ipv6: IPv6Address | None = None
    """A global one, for IPv6 routes over an IPv4 or link-local session."""


def next_hop(
    afi: Afi, config: SessionConfig, negotiated: Negotiated, ends: Endpoints
) -> bytes | None:
    """Give the next hop for a family: 4, 16 or 32 octets; `None` when there is none."""
    if afi is Afi.IPV6:
        return _for_ipv6(config, ends)
    if config.next_hop_ipv4 is not None:
        return config.next_hop_ipv4.packed
    if isinstance(ends.local, IPv4Address):
        return ends.local.packed
    if negotiated.extended_next_hop:
        return _for_ipv6(config, ends)
    return None if ends.ipv4 is None else ends.ipv4.packed


def _for_ipv6(config: SessionConfig, ends: Endpoints) -> bytes | None:
    if config.next_hop_ipv6 is not None:
        return config.next_hop_ipv6.packed
    if isinstance(ends.local, IPv4Address):
        return None if ends.ipv6 is None else ends.ipv6.packed
    if not ends.local.is_link_local:
        return ends.local.packed
    # RFC 2545 §3: the global address, then the link-local one when it is on the shared link.
    return (b"" if ends.ipv6 is None else ends.ipv6.packed) + ends.local.packed
