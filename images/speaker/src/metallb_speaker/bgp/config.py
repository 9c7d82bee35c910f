"""What a session is to be like, as its owner wishes it: ours alone, before anything is negotiated.

A `SessionConfig` holds nothing of sockets (that is `peering.config.PeerConfig`) and nothing of
Kubernetes. `check` tells what is wrong with one; a session takes only one with nothing wrong.
Delay-open (RFC 4271 §8.1.1) is not offered: we speak first, always.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from metallb_speaker.bgp.iana import FOUR_OCTET_AS_MAX, Afi, Role

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

MAX_ASN: Final = FOUR_OCTET_AS_MAX
DEFAULT_HOLD_SECONDS: Final = 90
DEFAULT_CONNECT_SECONDS: Final = 120.0
MIN_HOLD_SECONDS: Final = 3
MAX_HOLD_SECONDS: Final = 0xFFFF
MAX_RESTART_SECONDS: Final = 0xFFF
"""Twelve bits, RFC 4724 §3."""
MAX_LONG_LIVED_SECONDS: Final = 0xFFFFFF
"""24 bits, RFC 9494 §3."""


class DynamicAsn(StrEnum):
    """Any ASN will do, as long as it is ours, or is not."""

    INTERNAL = "internal"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """One session. Times in seconds; `None` means that it is left to the default or not wished."""

    name: str
    my_asn: int
    peer_asn: int | DynamicAsn
    router_id: int
    local_asn: int | None = None
    """What we show to this peer in place of `my_asn` (`local-as no-prepend replace-as`)."""
    families: frozenset[Afi] = frozenset({Afi.IPV4, Afi.IPV6})
    hold_seconds: int = DEFAULT_HOLD_SECONDS
    """0: neither keepalives nor a hold timer."""
    keepalive_seconds: int | None = None
    """At most; a third of the negotiated hold time if that is less, or if not given."""
    connect_seconds: float = DEFAULT_CONNECT_SECONDS
    """ConnectRetryTime, and the longest back-off."""
    send_hold_seconds: float | None = None
    """RFC 9687; not given: eight minutes, or twice the hold time if that is more."""
    graceful_restart_seconds: int | None = 120
    """Restart time that we ask of the peer (RFC 4724), 0 to 4095; `None`: not offered."""
    long_lived_seconds: int | None = None
    """Stale time that we ask of the peer (RFC 9494), on top of a graceful restart."""
    role: Role | None = None
    """Ours on an external session (RFC 9234)."""
    is_role_strict: bool = False
    """Refuse a peer that tells no role."""
    add_path: bool = True
    """Send path identifiers where the peer asks for them (RFC 7911)."""
    extended_message: bool = True
    extended_next_hop: bool = True
    extended_link_bandwidth: bool = False
    """Tell link bandwidths in draft-li-idr-link-bandwidth-ext's form."""
    next_hop_ipv4: IPv4Address | None = None
    """In place of the session's own address."""
    next_hop_ipv6: IPv6Address | None = None

    @property
    def shown_asn(self) -> int:
        """The ASN that this peer knows us by."""
        return self.my_asn if self.local_asn is None else self.local_asn

    def check(self) -> str | None:
        """Say what is wrong with it, if anything is."""
        return (
            self._check_numbers()
            or _outside("holdTime", self.hold_seconds, 0, MAX_HOLD_SECONDS)
            or self._check_times()
            or (None if self.families else "a session needs an address family")
        )

    def _check_numbers(self) -> str | None:
        if not isinstance(self.peer_asn, DynamicAsn):
            problem = _outside("peerASN", self.peer_asn, 1, MAX_ASN)
            if problem is not None:
                return problem
        return (
            _outside("myASN", self.my_asn, 1, MAX_ASN)
            or _outside("localASN", self.shown_asn, 1, MAX_ASN)
            or _outside("routerID", self.router_id, 1, 0xFFFFFFFF)
        )

    def _check_times(self) -> str | None:
        if 0 < self.hold_seconds < MIN_HOLD_SECONDS:
            return f"holdTime {self.hold_seconds} is neither 0 nor at least {MIN_HOLD_SECONDS}"
        if self.keepalive_seconds is not None and self.keepalive_seconds > self.hold_seconds:
            return f"keepaliveTime {self.keepalive_seconds} exceeds holdTime {self.hold_seconds}"
        if self.connect_seconds <= 0:
            return f"connectTime {self.connect_seconds} is not above 0"
        return _outside(
            "restart time", self.graceful_restart_seconds or 0, 0, MAX_RESTART_SECONDS
        ) or _outside("stale time", self.long_lived_seconds or 0, 0, MAX_LONG_LIVED_SECONDS)


def _outside(what: str, value: int, low: int, high: int) -> str | None:
    return None if low <= value <= high else f"{what} {value} is not from {low} to {high}"


LIVE: Final = frozenset(
    {
        "name",
        "connect_seconds",
        "keepalive_seconds",
        "send_hold_seconds",
        "next_hop_ipv4",
        "next_hop_ipv6",
        "extended_link_bandwidth",
    }
)
"""What a session takes over while it runs. All else is said in OPEN."""


def needs_reset(before: SessionConfig, after: SessionConfig) -> tuple[str, ...]:
    """Name what changed that a running session cannot take over."""
    return tuple(
        item.name
        for item in fields(SessionConfig)
        if item.name not in LIVE and getattr(before, item.name) != getattr(after, item.name)
    )
