"""The path attributes that we send.

```
    +---------------+---------------+-----------------------+-----------+
    | flags         | type          | length (1 octet, or 2 | value     |
    | O T P E 0 0 0 0               | with flag E)          |           |
    +---------------+---------------+-----------------------+-----------+
```

A route of ours originates here, so ORIGIN is IGP and AS_PATH is empty towards internal peers and
our AS towards external ones (RFC 4271 §5.1.2). MED goes to both, LOCAL_PREF to internal peers only
(§5.1.5). Attributes are in ascending order of type but for MP_REACH_NLRI, which comes first
(RFC 7606 §5.1).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from metallb_speaker.bgp.iana import (
    AS_TRANS,
    EXTENDED_LINK_BANDWIDTH,
    LINK_BANDWIDTH,
    TWO_OCTET_AS_MAX,
    AsPathSegmentType,
    AttributeCode,
    AttributeFlag,
    Family,
    Origin,
)

WELL_KNOWN: Final = AttributeFlag.TRANSITIVE
OPTIONAL_TRANSITIVE: Final = AttributeFlag.OPTIONAL | AttributeFlag.TRANSITIVE
OPTIONAL_NON_TRANSITIVE: Final = AttributeFlag.OPTIONAL

PREPEND_MAX: Final = 254
"""A segment holds 255 AS numbers; one of them is there without prepending."""


@dataclass(frozen=True, slots=True)
class RouteAttributes:
    """What we say of a route; alike routes share one UPDATE, so this is also a key.

    Without `local_pref`, internal peers hear 100: the attribute "SHALL be included in all UPDATE
    messages that a given BGP speaker sends to other internal peers" (RFC 4271 §5.1.5).
    """

    local_pref: int | None = None
    med: int | None = None
    communities: tuple[int, ...] = ()
    large_communities: tuple[tuple[int, int, int], ...] = ()
    extended_communities: tuple[bytes, ...] = ()
    prepend: int = 0
    """How many times more our AS is in the path that external peers hear."""
    link_bandwidth: float | None = None
    """Octets a second, for draft-ietf-idr-link-bandwidth or draft-li-idr-link-bandwidth-ext."""


DEFAULT_LOCAL_PREF: Final = 100

_OCTET_MAX: Final = 255
_LONG: Final = struct.Struct("!I")
_LARGE_COMMUNITY: Final = struct.Struct("!III")
_LINK_BANDWIDTH: Final = struct.Struct("!HHf")
_EXTENDED_LINK_BANDWIDTH: Final = struct.Struct("!HxxQIxxxx")
_OCTETS_PER_SECOND_MAX: Final = 2**64 - 1


def attribute(flags: int, code: int, value: bytes) -> bytes:
    """One attribute, with a length of two octets when it needs them."""
    if len(value) <= _OCTET_MAX:
        return bytes((flags, code, len(value))) + value
    return (
        bytes((flags | AttributeFlag.EXTENDED_LENGTH, code)) + len(value).to_bytes(2, "big") + value
    )


def attribute_bytes(
    attributes: RouteAttributes,
    *,
    is_internal: bool,
    my_asn: int,
    four_octet_as: bool,
    next_hop: bytes | None,
    extended_link_bandwidth: bool = False,
) -> bytes:
    """All attributes of a route but MP_REACH_NLRI, in ascending order.

    `my_asn` is the AS that the peer knows us by; `next_hop` is an IPv4 address for routes in the
    NLRI field, None for routes in MP_REACH_NLRI. `extended_link_bandwidth`: the link bandwidth is
    told in draft-li-idr-link-bandwidth-ext's form, not in draft-ietf-idr-link-bandwidth's.
    """
    as_path = () if is_internal else (my_asn,) * (1 + min(attributes.prepend, PREPEND_MAX))
    parts = [_ORIGIN_IGP, _as_path(as_path, four_octet_as=four_octet_as)]
    if next_hop is not None:
        parts.append(attribute(WELL_KNOWN, AttributeCode.NEXT_HOP, next_hop))
    if attributes.med is not None:
        med = _LONG.pack(attributes.med)
        parts.append(attribute(OPTIONAL_NON_TRANSITIVE, AttributeCode.MULTI_EXIT_DISC, med))
    if is_internal:
        stated = attributes.local_pref
        local_pref = _LONG.pack(DEFAULT_LOCAL_PREF if stated is None else stated)
        parts.append(attribute(WELL_KNOWN, AttributeCode.LOCAL_PREF, local_pref))
    bandwidth = attributes.link_bandwidth
    parts += _communities(attributes, my_asn, None if extended_link_bandwidth else bandwidth)
    if not four_octet_as and my_asn > TWO_OCTET_AS_MAX and as_path:
        # RFC 6793 §4.2.2: the path with its real numbers goes beside the one with AS_TRANS.
        value = _segment(as_path, octets=4)
        parts.append(attribute(OPTIONAL_TRANSITIVE, AttributeCode.AS4_PATH, value))
    if bandwidth is not None and extended_link_bandwidth:
        value = extended_link_bandwidth_community(my_asn, bandwidth)
        parts.append(attribute(OPTIONAL_TRANSITIVE, AttributeCode.IPV6_EXTENDED_COMMUNITIES, value))
    return b"".join(parts + _large_communities(attributes))


_ORIGIN_IGP: Final = attribute(WELL_KNOWN, AttributeCode.ORIGIN, bytes((Origin.IGP,)))


def _as_path(as_path: tuple[int, ...], *, four_octet_as: bool) -> bytes:
    value = _segment(as_path, octets=4 if four_octet_as else 2)
    return attribute(WELL_KNOWN, AttributeCode.AS_PATH, value)


def _segment(as_path: tuple[int, ...], *, octets: int) -> bytes:
    """One AS_SEQUENCE, or nothing for an empty path (RFC 4271 §5.1.2)."""
    if not as_path:
        return b""
    if octets == 2:
        as_path = tuple(asn if asn <= TWO_OCTET_AS_MAX else AS_TRANS for asn in as_path)
    numbers = b"".join(asn.to_bytes(octets, "big") for asn in as_path)
    return bytes((AsPathSegmentType.AS_SEQUENCE, len(as_path))) + numbers


def _communities(
    attributes: RouteAttributes, my_asn: int, link_bandwidth: float | None
) -> list[bytes]:
    """COMMUNITIES and EXTENDED_COMMUNITIES; each value once, in ascending order."""
    parts = []
    if attributes.communities:
        value = b"".join(map(_LONG.pack, sorted(set(attributes.communities))))
        parts.append(attribute(OPTIONAL_TRANSITIVE, AttributeCode.COMMUNITIES, value))
    extended = set(attributes.extended_communities)
    if link_bandwidth is not None:
        extended.add(link_bandwidth_community(my_asn, link_bandwidth))
    if extended:
        value = b"".join(sorted(extended))
        parts.append(attribute(OPTIONAL_TRANSITIVE, AttributeCode.EXTENDED_COMMUNITIES, value))
    return parts


def _large_communities(attributes: RouteAttributes) -> list[bytes]:
    """LARGE_COMMUNITIES; RFC 8092 §3: "Duplicate ... values MUST NOT be transmitted"."""
    if not attributes.large_communities:
        return []
    distinct = sorted(set(attributes.large_communities))
    value = b"".join(_LARGE_COMMUNITY.pack(*community) for community in distinct)
    return [attribute(OPTIONAL_TRANSITIVE, AttributeCode.LARGE_COMMUNITIES, value)]


def link_bandwidth_community(asn: int, octets_per_second: float) -> bytes:
    """draft-ietf-idr-link-bandwidth §2: the AS in two octets, then an IEEE 754 single float.

    An AS number of four octets is "AS_TRANS" there.
    """
    short = asn if asn <= TWO_OCTET_AS_MAX else AS_TRANS
    return _LINK_BANDWIDTH.pack(LINK_BANDWIDTH, short, octets_per_second)


def extended_link_bandwidth_community(asn: int, octets_per_second: float) -> bytes:
    """draft-li-idr-link-bandwidth-ext: the bandwidth in 64 bits, then the AS in four octets."""
    bandwidth = min(round(octets_per_second), _OCTETS_PER_SECOND_MAX)
    return _EXTENDED_LINK_BANDWIDTH.pack(EXTENDED_LINK_BANDWIDTH, bandwidth, asn)


def mp_reach(family: Family, next_hop: bytes, nlri: bytes) -> bytes:
    """MP_REACH_NLRI; a next hop has 4, 16 or 32 octets (RFC 4760 §3, RFC 2545 §3, RFC 8950 §3)."""
    head = _family(family) + bytes((len(next_hop),)) + next_hop + b"\0"
    return attribute(OPTIONAL_NON_TRANSITIVE, AttributeCode.MP_REACH_NLRI, head + nlri)


def mp_unreach(family: Family, nlri: bytes) -> bytes:
    """MP_UNREACH_NLRI (RFC 4760 §4); without NLRI, an End-of-RIB marker (RFC 4724 §2)."""
    value = _family(family) + nlri
    return attribute(OPTIONAL_NON_TRANSITIVE, AttributeCode.MP_UNREACH_NLRI, value)


def _family(family: Family) -> bytes:
    return family.afi.to_bytes(2, "big") + bytes((family.safi,))
