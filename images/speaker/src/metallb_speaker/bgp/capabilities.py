"""Capabilities of OPEN (RFC 5492 §4), each as the RFC that defines it draws it.

```
    +------------------------------+
    | Capability Code (1 octet)    |
    +------------------------------+
    | Capability Length (1 octet)  |
    +------------------------------+
    | Capability Value (variable)  |
    +------------------------------+
```

Unknown codes are kept as they are and mean nothing. A value that its RFC does not allow makes the
Capabilities parameter malformed: RFC 4271 §6.2 wants "the Error Subcode MUST be set to 0
(Unspecific)". Numbers inside a value (families, modes, roles) may be any: what we do not know there
is the negotiation's business, not an error of form.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from metallb_speaker.bgp.errors import NotificationError
from metallb_speaker.bgp.iana import UNSPECIFIC, CapabilityCode, ErrorCode, Family, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CAPABILITY_VALUE_MAX: Final = 255

_MULTIPROTOCOL: Final = struct.Struct("!HxB")
_EXTENDED_NEXT_HOP: Final = struct.Struct("!HHH")
_FAMILY_AND_OCTET: Final = struct.Struct("!HBB")

_RESTART_STATE: Final = 0x8000
_NOTIFICATION: Final = 0x4000
_RESTART_SECONDS: Final = 0x0FFF
_FORWARDING_STATE: Final = 0x80
STALE_SECONDS_MAX: Final = 0xFFFFFF


@dataclass(frozen=True, slots=True)
class Multiprotocol:
    """RFC 4760 §8: AFI (2 octets), reserved (1), SAFI (1)."""

    family: Family


@dataclass(frozen=True, slots=True)
class RouteRefresh:
    """RFC 2918 §2: no value."""


@dataclass(frozen=True, slots=True)
class EnhancedRouteRefresh:
    """RFC 7313 §3.1: no value."""


@dataclass(frozen=True, slots=True)
class FourOctetAs:
    """RFC 6793 §3: the AS number (4 octets)."""

    asn: int


@dataclass(frozen=True, slots=True)
class ExtendedMessage:
    """RFC 8654 §3: no value."""


@dataclass(frozen=True, slots=True)
class ExtendedNextHop:
    """RFC 8950 §4: entries of NLRI AFI (2), NLRI SAFI (2), next hop AFI (2)."""

    entries: tuple[tuple[Family, int], ...]


@dataclass(frozen=True, slots=True)
class AddPath:
    """RFC 7911 §4: entries of AFI (2), SAFI (1), Send/Receive (1)."""

    entries: tuple[tuple[Family, int], ...]


@dataclass(frozen=True, slots=True)
class GracefulRestart:
    """RFC 4724 §3: flags and time (2 octets), then entries of AFI (2), SAFI (1), flags (1).

    `restarting` is the R bit, `notification` the N bit of RFC 8538 §2; the bool of an entry is
    its F bit, "Forwarding State".
    """

    restarting: bool
    notification: bool
    restart_seconds: int
    families: tuple[tuple[Family, bool], ...]


@dataclass(frozen=True, slots=True)
class LongLivedGracefulRestart:
    """RFC 9494 §3.1: entries of AFI (2), SAFI (1), flags (1: F bit), stale time (3, seconds)."""

    families: tuple[tuple[Family, bool, int], ...]


@dataclass(frozen=True, slots=True)
class BgpRole:
    """RFC 9234 §4.1: the role (1 octet), one of `iana.Role` or a number of the future."""

    role: int


@dataclass(frozen=True, slots=True)
class UnknownCapability:
    """A capability that is not ours to read."""

    code: int
    value: bytes


Capability = (
    Multiprotocol
    | RouteRefresh
    | EnhancedRouteRefresh
    | FourOctetAs
    | ExtendedMessage
    | ExtendedNextHop
    | AddPath
    | GracefulRestart
    | LongLivedGracefulRestart
    | BgpRole
    | UnknownCapability
)


def parse_capabilities(data: bytes) -> Iterator[Capability]:
    """Read the value of a Capabilities parameter."""
    at, end = 0, len(data)
    while at < end:
        if end - at < 2 or end - at - 2 < data[at + 1]:
            raise malformed("a capability overruns its parameter")
        code, length = data[at], data[at + 1]
        yield _parse(code, data[at + 2 : at + 2 + length])
        at += 2 + length


def encode_capabilities(capabilities: Iterable[Capability]) -> bytes:
    """Write the value of a Capabilities parameter; raises ValueError when one is too long."""
    parts = []
    for capability in capabilities:
        code, value = _encode(capability)
        if len(value) > CAPABILITY_VALUE_MAX:
            raise ValueError(f"a capability holds {CAPABILITY_VALUE_MAX} octets: {capability}")
        parts.append(bytes((code, len(value))) + value)
    return b"".join(parts)


def malformed(why: str) -> NotificationError:
    """RFC 4271 §6.2: an optional parameter that is recognised, but malformed."""
    return NotificationError(ErrorCode.OPEN_MESSAGE_ERROR, UNSPECIFIC, why=why)


def _parse(code: int, value: bytes) -> Capability:
    parser = _PARSERS.get(code)
    if parser is None:
        return UnknownCapability(code, value)
    capability = parser(value)
    if capability is None:
        raise malformed(f"{name_of(CapabilityCode, code)} with a value of {len(value)} octets")
    return capability


def _parse_multiprotocol(value: bytes) -> Multiprotocol | None:
    if len(value) != _MULTIPROTOCOL.size:
        return None
    return Multiprotocol(Family(*_MULTIPROTOCOL.unpack(value)))


def _parse_four_octet_as(value: bytes) -> FourOctetAs | None:
    return FourOctetAs(int.from_bytes(value, "big")) if len(value) == 4 else None


def _parse_extended_next_hop(value: bytes) -> ExtendedNextHop | None:
    if len(value) % _EXTENDED_NEXT_HOP.size:
        return None
    entries = _EXTENDED_NEXT_HOP.iter_unpack(value)
    return ExtendedNextHop(tuple((Family(afi, safi), hop) for afi, safi, hop in entries))


def _parse_add_path(value: bytes) -> AddPath | None:
    if len(value) % _FAMILY_AND_OCTET.size:
        return None
    entries = _FAMILY_AND_OCTET.iter_unpack(value)
    return AddPath(tuple((Family(afi, safi), mode) for afi, safi, mode in entries))


def _parse_graceful_restart(value: bytes) -> GracefulRestart | None:
    if len(value) % _FAMILY_AND_OCTET.size != 2:
        return None
    head = int.from_bytes(value[:2], "big")
    entries = _FAMILY_AND_OCTET.iter_unpack(value[2:])
    return GracefulRestart(
        restarting=bool(head & _RESTART_STATE),
        notification=bool(head & _NOTIFICATION),
        restart_seconds=head & _RESTART_SECONDS,
        families=tuple(
            (Family(afi, safi), bool(flags & _FORWARDING_STATE)) for afi, safi, flags in entries
        ),
    )


def _parse_long_lived(value: bytes) -> LongLivedGracefulRestart | None:
    if len(value) % 7:
        return None
    return LongLivedGracefulRestart(
        tuple(
            (
                Family(int.from_bytes(value[at : at + 2], "big"), value[at + 2]),
                bool(value[at + 3] & _FORWARDING_STATE),
                int.from_bytes(value[at + 4 : at + 7], "big"),
            )
            for at in range(0, len(value), 7)
        )
    )


def _parse_role(value: bytes) -> BgpRole | None:
    return BgpRole(value[0]) if len(value) == 1 else None


_PARSERS: Final[dict[int, Callable[[bytes], Capability | None]]] = {
    CapabilityCode.MULTIPROTOCOL: _parse_multiprotocol,
    CapabilityCode.ROUTE_REFRESH: lambda value: None if value else RouteRefresh(),
    CapabilityCode.EXTENDED_NEXT_HOP: _parse_extended_next_hop,
    CapabilityCode.EXTENDED_MESSAGE: lambda value: None if value else ExtendedMessage(),
    CapabilityCode.BGP_ROLE: _parse_role,
    CapabilityCode.GRACEFUL_RESTART: _parse_graceful_restart,
    CapabilityCode.FOUR_OCTET_AS: _parse_four_octet_as,
    CapabilityCode.ADD_PATH: _parse_add_path,
    CapabilityCode.ENHANCED_ROUTE_REFRESH: lambda value: None if value else EnhancedRouteRefresh(),
    CapabilityCode.LONG_LIVED_GRACEFUL_RESTART: _parse_long_lived,
}


def _encode(capability: Capability) -> tuple[int, bytes]:
    match capability:
        case Multiprotocol(family):
            return CapabilityCode.MULTIPROTOCOL, _MULTIPROTOCOL.pack(*family)
        case RouteRefresh():
            return CapabilityCode.ROUTE_REFRESH, b""
        case EnhancedRouteRefresh():
            return CapabilityCode.ENHANCED_ROUTE_REFRESH, b""
        case FourOctetAs(asn):
            return CapabilityCode.FOUR_OCTET_AS, asn.to_bytes(4, "big")
        case ExtendedMessage():
            return CapabilityCode.EXTENDED_MESSAGE, b""
        case ExtendedNextHop(entries):
            packed = (_EXTENDED_NEXT_HOP.pack(*family, hop) for family, hop in entries)
            return CapabilityCode.EXTENDED_NEXT_HOP, b"".join(packed)
        case AddPath(entries):
            packed = (_FAMILY_AND_OCTET.pack(*family, mode) for family, mode in entries)
            return CapabilityCode.ADD_PATH, b"".join(packed)
        case GracefulRestart():
            return CapabilityCode.GRACEFUL_RESTART, _encode_graceful_restart(capability)
        case LongLivedGracefulRestart(families):
            return CapabilityCode.LONG_LIVED_GRACEFUL_RESTART, _encode_long_lived(families)
        case BgpRole(role):
            return CapabilityCode.BGP_ROLE, bytes((role,))
        case UnknownCapability(code, value):
            return code, value
        case _:
            assert_never(capability)


def _encode_graceful_restart(capability: GracefulRestart) -> bytes:
    head = min(capability.restart_seconds, _RESTART_SECONDS)
    head |= _RESTART_STATE if capability.restarting else 0
    head |= _NOTIFICATION if capability.notification else 0
    entries = (
        _FAMILY_AND_OCTET.pack(*family, _FORWARDING_STATE if forwarding else 0)
        for family, forwarding in capability.families
    )
    return head.to_bytes(2, "big") + b"".join(entries)


def _encode_long_lived(families: tuple[tuple[Family, bool, int], ...]) -> bytes:
    return b"".join(
        _FAMILY_AND_OCTET.pack(*family, _FORWARDING_STATE if forwarding else 0)
        + min(seconds, STALE_SECONDS_MAX).to_bytes(3, "big")
        for family, forwarding, seconds in families
    )
