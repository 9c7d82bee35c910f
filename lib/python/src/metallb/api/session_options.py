"""What a peer of either dialect can say beyond what MetalLB has: how its session is protected,
opened and survives a restart.

All of it is optional and has the same names in BGPPeer and MetalLoadBalancerBGPPeer. Options that
contradict another field of the peer are noted; which one holds then is said at each note.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from metallb.api.durations import read_duration
from metallb.api.meta import ObjectKey

if TYPE_CHECKING:
    from metallb.api.fields import Fields

ROLES = ("Provider", "RouteServer", "RouteServerClient", "Customer", "Peer")
"""RFC 9234 §4.1: what we are to the peer."""

ALGORITHMS = ("HMACSHA1", "AES128CMAC")
"""Of TCP-AO: HMAC-SHA-1-96 and AES-128-CMAC-96 (RFC 5926 §3.1)."""

_SECOND = 1_000_000_000
_LONG_LIVED_SECONDS_MAX = 2**24 - 1
_SEND_HOLD_SECONDS_MAX = 65_535
_HOPS_MAX = 254


@dataclass(frozen=True, slots=True)
class TCPAuthentication:
    """TCP-AO (RFC 5925): ids of the key in what we send and receive; the Secret that it is in."""

    secret: ObjectKey
    key_id: int
    receive_key_id: int
    algorithm: str = ALGORITHMS[0]


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Options of a session; numbers that are 0 and texts that are empty are not said."""

    ttl_security_hops: int = 0
    """RFC 5082: the peer is at most so many hops away."""
    is_passive: bool = False
    role: str = ""
    is_role_strict: bool = False
    long_lived_restart_seconds: int = 0
    """RFC 9494."""
    send_hold_seconds: int = 0
    """RFC 9687."""
    is_bfd_strict: bool = False
    is_extended_link_bandwidth: bool = False
    """draft-li-idr-link-bandwidth-ext: weights in 64 bits, with an AS of four octets."""
    tcp_authentication: TCPAuthentication | None = field(default=None)


@dataclass(frozen=True, slots=True)
class Around:
    """What else a peer says, that its options may contradict."""

    is_internal: bool
    is_multi_hop: bool
    is_graceful_restart: bool
    has_bfd: bool
    has_password: bool
    namespace: str | None
    """Where a Secret of no namespace is; None: the namespace is to be said."""


def read_session_options(spec: Fields, around: Around) -> SessionOptions:
    """Read the options of a peer; never raises, what is wrong is noted."""
    options = SessionOptions(
        ttl_security_hops=spec.integer("ttlSecurityHops", 0, 1, _HOPS_MAX),
        is_passive=spec.boolean("passive"),
        role=spec.choice("role", ("", *ROLES), ""),
        is_role_strict=spec.boolean("strictRole"),
        long_lived_restart_seconds=_seconds(spec, "longLivedRestartTime", _LONG_LIVED_SECONDS_MAX),
        send_hold_seconds=_seconds(spec, "sendHoldTime", _SEND_HOLD_SECONDS_MAX),
        is_bfd_strict=spec.boolean("bfdStrict"),
        is_extended_link_bandwidth=spec.boolean("extendedLinkBandwidth"),
        tcp_authentication=_read_tcp_authentication(spec, around.namespace),
    )
    return _agreeing(options, spec, around)


def _seconds(spec: Fields, name: str, most: int) -> int:
    found = read_duration(spec, name)
    if found is None:
        return 0
    seconds, rest = divmod(found, _SECOND)
    if rest or not 1 <= seconds <= most:
        spec.note(name, f"whole seconds from 1s to {most}s are wanted")
        return 0
    return seconds


def _read_tcp_authentication(spec: Fields, namespace: str | None) -> TCPAuthentication | None:
    if spec.value.get("tcpAuthentication") is None:
        return None
    fields = spec.child("tcpAuthentication")
    ref = fields.child("secretRef")
    key = ObjectKey(ref.text("namespace") or namespace or "", ref.text("name"))
    for name, value in (("name", key.name), ("namespace", key.namespace)):
        if not value:
            ref.note(name, "is wanted")
    key_id = fields.integer("keyID", 0, 0, 255)
    return TCPAuthentication(
        secret=key,
        key_id=key_id,
        receive_key_id=fields.integer("receiveKeyID", key_id, 0, 255),
        algorithm=fields.choice("algorithm", ALGORITHMS, ALGORITHMS[0]),
    )


def _agreeing(options: SessionOptions, spec: Fields, around: Around) -> SessionOptions:
    """Note what contradicts the rest of the peer, and leave it out.

    TCP-AO is never left out: without it the session would be open to whom it is to keep out.
    """
    if options.ttl_security_hops and around.is_multi_hop:
        spec.note("ttlSecurityHops", "it says how far the peer is; ebgpMultiHop does too")
        options = replace(options, ttl_security_hops=0)
    if options.role and around.is_internal:
        spec.note("role", "roles are between ASes; the peer is of our own")
        options = replace(options, role="", is_role_strict=False)
    elif options.is_role_strict and not options.role:
        spec.note("strictRole", "a role is wanted with it")
        options = replace(options, is_role_strict=False)
    if options.long_lived_restart_seconds and not around.is_graceful_restart:
        spec.note("longLivedRestartTime", "enableGracefulRestart is wanted with it")
        options = replace(options, long_lived_restart_seconds=0)
    if options.is_bfd_strict and not around.has_bfd:
        spec.note("bfdStrict", "the peer is not watched by BFD")
        options = replace(options, is_bfd_strict=False)
    if options.tcp_authentication is not None and around.has_password:
        spec.note("tcpAuthentication", "a session has either this or a password")
    return options
