"""How a session is to work. Intervals are in microseconds, as on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from metallb_speaker.bfd.iana import AuthenticationType

if TYPE_CHECKING:
    from metallb.net.addresses import IPAddress

SECRET_BYTES_LIMIT = {
    AuthenticationType.SIMPLE_PASSWORD: 16,
    AuthenticationType.KEYED_MD5: 16,
    AuthenticationType.METICULOUS_KEYED_MD5: 16,
    AuthenticationType.KEYED_SHA1: 20,
    AuthenticationType.METICULOUS_KEYED_SHA1: 20,
}
"""RFC 5880 §4.2, §6.7.3, §6.7.4; shorter keys are filled up with zeros."""

_UINT32 = 0xFFFF_FFFF


class Endpoint(NamedTuple):
    """What tells one session from another; a session cannot change it."""

    peer_address: IPAddress
    local_address: IPAddress | None = None
    """None: the kernel chooses."""
    interface: str = ""
    """Bound to this interface; link-local addresses need it."""
    vrf: str = ""
    is_multihop: bool = False


@dataclass(frozen=True, slots=True)
class AuthenticationKey:
    """One key; its secret is in no text that we write."""

    id: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authentication:
    """RFC 5880 §6.7. The first key signs, any is accepted, so that keys can be changed."""

    type: AuthenticationType
    keys: tuple[AuthenticationKey, ...]

    def __post_init__(self) -> None:
        limit = SECRET_BYTES_LIMIT[self.type]
        if not self.keys:
            raise ValueError("authentication needs a key")
        for key in self.keys:
            if not 0 <= key.id <= 255:
                raise ValueError(f"ids of keys are from 0 to 255, not {key.id}")
            if not 1 <= len(key.secret) <= limit:
                raise ValueError(f"key {key.id} must have from 1 to {limit} bytes")


@dataclass(frozen=True, slots=True)
class BFDConfig:
    """One session. Defaults are MetalLB's, which are FRR's."""

    endpoint: Endpoint
    receive_us: int = 300_000
    """Required min RX interval."""
    transmit_us: int = 300_000
    """Desired min TX interval."""
    multiplier: int = 3
    is_echo: bool = False
    """Send echo packets, and loop back those of the peer; on a single hop only."""
    echo_us: int = 50_000
    is_passive: bool = False
    """Say nothing before the peer does (RFC 5880 §6.1)."""
    minimum_ttl: int = 254
    """Of datagrams received on a multihop session."""
    authentication: Authentication | None = None

    def __post_init__(self) -> None:
        for name in ("receive_us", "transmit_us", "echo_us"):
            if not 1 <= getattr(self, name) <= _UINT32:
                raise ValueError(f"{name} must be from 1 to {_UINT32}")
        if not 1 <= self.multiplier <= 255:
            raise ValueError("the multiplier must be from 1 to 255")
        if not 1 <= self.minimum_ttl <= 255:
            raise ValueError("the minimum TTL must be from 1 to 255")
