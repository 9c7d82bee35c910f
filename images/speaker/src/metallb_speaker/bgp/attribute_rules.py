"""When an attribute of a peer is malformed, and what that costs: RFC 7606 §7, as a table.

A rule has the Optional and Transitive flags that the attribute must have, the check of its value
and the approach when the check fails. Wrong flags cost treat-as-withdraw whatever the attribute
(RFC 7606 §3 (c)). Attributes that only internal peers may send are discarded from others, unread.

MP_REACH_NLRI and MP_UNREACH_NLRI are not here: `update` reads them, since their errors reset the
session. Attributes that are not in the table are unknown to us: optional ones are ignored,
whatever is in them; that is also what becomes of type 28 (RFC 7447).

Not checked, since no route of a peer is ever used: whether the first AS of the path is the peer's
(RFC 4271 §6.3 makes that a choice), and loops.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from metallb_speaker.bgp.attributes import (
    OPTIONAL_NON_TRANSITIVE,
    OPTIONAL_TRANSITIVE,
    WELL_KNOWN,
)
from metallb_speaker.bgp.iana import AsPathSegmentType, AttributeCode, Origin, UpdateSubcode

if TYPE_CHECKING:
    from collections.abc import Callable


class Approach(Enum):
    """What RFC 7606 §2 does about an error; a session reset is raised as NotificationError."""

    TREAT_AS_WITHDRAW = "treat-as-withdraw"
    ATTRIBUTE_DISCARD = "attribute discard"


class Rule(NamedTuple):
    """One attribute of RFC 7606 §7.

    `check` is given the value, and whether AS numbers have four octets; it tells what is wrong.
    """

    flags: int
    check: Callable[[bytes, bool], str | None]
    approach: Approach = Approach.TREAT_AS_WITHDRAW
    subcode: UpdateSubcode = UpdateSubcode.ATTRIBUTE_LENGTH_ERROR
    is_internal_only: bool = False


def _length(octets: int) -> Callable[[bytes, bool], str | None]:
    def check(value: bytes, four_octet_as: bool) -> str | None:
        return None if len(value) == octets else f"{len(value)} octets, not {octets}"

    return check


def _multiple(octets: int) -> Callable[[bytes, bool], str | None]:
    """RFC 7606 §7.8 and others: "not a non-zero multiple of"."""

    def check(value: bytes, four_octet_as: bool) -> str | None:
        if value and not len(value) % octets:
            return None
        return f"{len(value)} octets, not a non-zero multiple of {octets}"

    return check


def _origin(value: bytes, four_octet_as: bool) -> str | None:
    """RFC 7606 §7.1: "if its length is not 1 or if it has an undefined value"."""
    if len(value) != 1:
        return f"{len(value)} octets, not 1"
    return None if value[0] <= Origin.INCOMPLETE else f"undefined value {value[0]}"


def _next_hop(value: bytes, four_octet_as: bool) -> str | None:
    """RFC 7606 §7.3 the length; RFC 4271 §6.3: "a valid IP host address"."""
    if len(value) != 4:
        return f"{len(value)} octets, not 4"
    return "no address of a host" if value[0] in (0, 127) or value[0] >= 224 else None


_PLAIN_SEGMENTS: Final = (AsPathSegmentType.AS_SET, AsPathSegmentType.AS_SEQUENCE)
_ANY_SEGMENTS: Final = (1, 2, 3, 4)


def _as_path(value: bytes, four_octet_as: bool) -> str | None:
    """RFC 7606 §7.2. Segments of confederations are those of RFC 5065 §5: we are in none."""
    return _segments(value, 4 if four_octet_as else 2, _PLAIN_SEGMENTS)


def _segments(value: bytes, width: int, kinds: tuple[int, ...]) -> str | None:
    at, end = 0, len(value)
    while at < end:
        if end - at < 2:
            return "a segment without its length"
        kind, count = value[at], value[at + 1]
        if kind not in kinds:
            return f"a segment of type {kind}"
        if not count:
            return "an empty segment"
        following = at + 2 + count * width
        if following > end:
            return "a segment overruns the attribute"
        if 0 in struct.unpack_from(f"!{count}{'I' if width == 4 else 'H'}", value, at + 2):
            return "AS 0 (RFC 7607 §2)"
        at = following
    return None


def _aggregator(value: bytes, four_octet_as: bool) -> str | None:
    """RFC 7606 §7.7: 6 octets, or 8 with AS numbers of four octets."""
    octets = 8 if four_octet_as else 6
    if len(value) != octets:
        return f"{len(value)} octets, not {octets}"
    return None if any(value[:-4]) else "AS 0 (RFC 7607 §2)"


def _as4_path(value: bytes, four_octet_as: bool) -> str | None:
    """RFC 6793 §6; from a speaker of four octets it "MUST be discarded" (§4.1)."""
    if four_octet_as:
        return "from a speaker that sends AS numbers of four octets"
    if len(value) < 6:
        return f"{len(value)} octets"
    return _segments(value, 4, _ANY_SEGMENTS)


def _as4_aggregator(value: bytes, four_octet_as: bool) -> str | None:
    if four_octet_as:
        return "from a speaker that sends AS numbers of four octets"
    return _aggregator(value, four_octet_as=True)


_T: Final = UpdateSubcode
_OPTIONAL_ERROR: Final = UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR

RULES: Final[dict[int, Rule]] = {
    AttributeCode.ORIGIN: Rule(WELL_KNOWN, _origin, subcode=_T.INVALID_ORIGIN_ATTRIBUTE),
    AttributeCode.AS_PATH: Rule(WELL_KNOWN, _as_path, subcode=_T.MALFORMED_AS_PATH),
    AttributeCode.NEXT_HOP: Rule(WELL_KNOWN, _next_hop, subcode=_T.INVALID_NEXT_HOP_ATTRIBUTE),
    AttributeCode.MULTI_EXIT_DISC: Rule(OPTIONAL_NON_TRANSITIVE, _length(4)),
    AttributeCode.LOCAL_PREF: Rule(WELL_KNOWN, _length(4), is_internal_only=True),
    AttributeCode.ATOMIC_AGGREGATE: Rule(WELL_KNOWN, _length(0), Approach.ATTRIBUTE_DISCARD),
    AttributeCode.AGGREGATOR: Rule(
        OPTIONAL_TRANSITIVE, _aggregator, Approach.ATTRIBUTE_DISCARD, _OPTIONAL_ERROR
    ),
    AttributeCode.COMMUNITIES: Rule(OPTIONAL_TRANSITIVE, _multiple(4), subcode=_OPTIONAL_ERROR),
    AttributeCode.ORIGINATOR_ID: Rule(OPTIONAL_NON_TRANSITIVE, _length(4), is_internal_only=True),
    AttributeCode.CLUSTER_LIST: Rule(OPTIONAL_NON_TRANSITIVE, _multiple(4), is_internal_only=True),
    AttributeCode.EXTENDED_COMMUNITIES: Rule(
        OPTIONAL_TRANSITIVE, _multiple(8), subcode=_OPTIONAL_ERROR
    ),
    AttributeCode.AS4_PATH: Rule(
        OPTIONAL_TRANSITIVE, _as4_path, Approach.ATTRIBUTE_DISCARD, _OPTIONAL_ERROR
    ),
    AttributeCode.AS4_AGGREGATOR: Rule(
        OPTIONAL_TRANSITIVE, _as4_aggregator, Approach.ATTRIBUTE_DISCARD, _OPTIONAL_ERROR
    ),
    AttributeCode.IPV6_EXTENDED_COMMUNITIES: Rule(
        OPTIONAL_TRANSITIVE, _multiple(20), subcode=_OPTIONAL_ERROR
    ),
    AttributeCode.LARGE_COMMUNITIES: Rule(
        OPTIONAL_TRANSITIVE, _multiple(12), subcode=_OPTIONAL_ERROR
    ),
    AttributeCode.OTC: Rule(OPTIONAL_TRANSITIVE, _length(4), subcode=_OPTIONAL_ERROR),
}
