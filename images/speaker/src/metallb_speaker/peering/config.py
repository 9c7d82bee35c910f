"""How a peer is reached: what of it matters to sockets, around its `SessionConfig`.

Passwords are in no `repr`, so in no log: `PeerConfig` can be printed as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from metallb_speaker.bgp.config import SessionConfig

BGP_PORT: Final = 179
MAX_PASSWORD_BYTES: Final = 80
"""`TCP_MD5SIG_MAXKEYLEN`, and of TCP-AO alike."""


class BfdMode(StrEnum):
    """What BFD has to say about this peer."""

    OFF = "off"
    ON = "on"
    """BFD going down ends the session."""
    STRICT = "strict"
    """And there is none before BFD is up."""


@dataclass(frozen=True, slots=True)
class TcpAoKey:
    """A master key tuple of RFC 5925 §3.1."""

    send_id: int
    receive_id: int
    key: bytes = field(repr=False)
    algorithm: str = "hmac(sha1)"
    """The kernel's name of it: also `cmac(aes128)`."""


@dataclass(frozen=True, slots=True)
class Collector:
    """Where a BMP collector is (RFC 7854), and what we call ourselves there."""

    host: str
    port: int
    name: str


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """A peer. Its name is `session.name`, the key of every mapping of peers.

    `address` is `None` for an unnumbered peer: then it is found on `interface` by its router
    advertisements, or dials us. A link-local `address` needs `interface` too.
    """

    session: SessionConfig
    address: IPv4Address | IPv6Address | None
    port: int = BGP_PORT
    interface: str | None = None
    """Where a link-local or unnumbered peer is."""
    source_address: IPv4Address | IPv6Address | None = None
    bind_interface: str | None = None
    """`SO_BINDTODEVICE`: a VRF's device, or an interface."""
    multihop: bool = False
    ttl_security_hops: int | None = None
    """RFC 5082: the peer is at most so many hops away; `None`: off."""
    password: bytes | None = field(default=None, repr=False)
    """RFC 2385."""
    tcp_ao: TcpAoKey | None = None
    passive: bool = False
    """Never dial."""
    bfd: BfdMode = BfdMode.OFF

    @property
    def name(self) -> str:
        """The peer's name."""
        return self.session.name

    def check(self) -> str | None:
        """Say what is wrong with it, if anything is."""
        return self.session.check() or self._check_address() or self._check_security()

    def _check_address(self) -> str | None:
        if not 1 <= self.port <= 0xFFFF:
            return f"port {self.port} is not from 1 to 65535"
        if self.address is None or self.address.is_link_local:
            if self.interface is None and not isinstance(self.address, IPv4Address):
                return "a link-local or unnumbered peer needs its interface"
        elif self.address.is_unspecified or self.address.is_multicast:
            return f"{self.address} is no address of a peer"
        source = self.source_address
        if source and self.address and source.version != self.address.version:
            return f"source address {source} is of another family than {self.address}"
        return None

    def _check_security(self) -> str | None:
        if self.multihop and self.ttl_security_hops is not None:
            return "multihop and TTL security exclude each other"
        if self.ttl_security_hops is not None and not 1 <= self.ttl_security_hops <= 254:
            return f"TTL security for {self.ttl_security_hops} hops is not from 1 to 254"
        if self.password is not None and self.tcp_ao is not None:
            return "a TCP MD5 password and a TCP-AO key exclude each other"
        for key in (self.password, None if self.tcp_ao is None else self.tcp_ao.key):
            if key is not None and not 1 <= len(key) <= MAX_PASSWORD_BYTES:
                return f"a password has 1 to {MAX_PASSWORD_BYTES} bytes, not {len(key)}"
        return None
