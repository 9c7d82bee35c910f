"""Bodies of UPDATE, and what RFC 7606 makes of each malformed attribute.

A body is drawn by RFC 4271 §4.3. The attributes of `GOOD` are those of a route of AS 65010 for
`NLRI`; each case puts its attribute among them.
"""

from __future__ import annotations

from typing import NamedTuple

from metallb_speaker.bgp.attribute_rules import Approach
from metallb_speaker.bgp.iana import IPV4_UNICAST, IPV6_UNICAST
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.bgp.received import UpdateOptions

WITHDRAW = Approach.TREAT_AS_WITHDRAW
DISCARD = Approach.ATTRIBUTE_DISCARD

ORIGIN = "40 01 01 00"
AS_PATH = "40 02 06 02 01 0000fdf2"
NEXT_HOP = "40 03 04 c0000201"
LOCAL_PREF = "40 05 04 00000064"
GOOD = f"{ORIGIN} {AS_PATH} {NEXT_HOP}"
NLRI = "18 c63364"
PREFIX = Prefix.of("198.51.100.0/24")
PREFIX6 = Prefix.of("2001:db8::/32")
GLOBAL = "20010db8000000000000000000000001"
MP_REACH = f"80 0e 1a 0002 01 10 {GLOBAL} 00 20 20010db8"
MP_UNREACH = "80 0f 08 0002 01 20 20010db8"

FAMILIES = frozenset((IPV4_UNICAST, IPV6_UNICAST))
EXTERNAL = UpdateOptions(is_internal=False, four_octet_as=True, families=FAMILIES)
INTERNAL = UpdateOptions(is_internal=True, four_octet_as=True, families=FAMILIES)
OLD = UpdateOptions(is_internal=False, four_octet_as=False, families=FAMILIES)
"""A peer that sends AS numbers of two octets (RFC 6793: an OLD BGP speaker)."""
OLD_PATH = "40 02 04 02 01 fdf2"


def body(attributes: str = "", nlri: str = "", withdrawn: str = "") -> bytes:
    """Build a body whose lengths are right."""
    fields = [bytes.fromhex(text) for text in (withdrawn, attributes, nlri)]
    lengths = [len(item).to_bytes(2, "big") for item in fields]
    return lengths[0] + fields[0] + lengths[1] + fields[1] + fields[2]


class Case(NamedTuple):
    """Attributes beside a good NLRI, and the one problem that they have."""

    attributes: str
    attribute: int
    approach: Approach
    options: UpdateOptions = EXTERNAL


CASES = {
    "§3 (c) ORIGIN, optional": Case(f"c0 01 01 00 {AS_PATH} {NEXT_HOP}", 1, WITHDRAW),
    "§3 (c) ORIGIN, not transitive": Case(f"00 01 01 00 {AS_PATH} {NEXT_HOP}", 1, WITHDRAW),
    "§3 (c) AS_PATH": Case(f"{ORIGIN} 80 02 06 02 01 0000fdf2 {NEXT_HOP}", 2, WITHDRAW),
    "§3 (c) NEXT_HOP": Case(f"{ORIGIN} {AS_PATH} c0 03 04 c0000201", 3, WITHDRAW),
    "§3 (c) MED, transitive": Case(f"{GOOD} c0 04 04 00000001", 4, WITHDRAW),
    "§3 (c) ATOMIC_AGGREGATE": Case(f"{GOOD} c0 06 00", 6, WITHDRAW),
    "§3 (c) COMMUNITIES, not transitive": Case(f"{GOOD} 80 08 04 00000001", 8, WITHDRAW),
    "§3 (c) MP_REACH_NLRI": Case(f"c0 0e {MP_REACH[6:]} {GOOD}", 14, WITHDRAW),
    "§3 (c) MP_UNREACH_NLRI": Case(f"00 0f {MP_UNREACH[6:]} {GOOD}", 15, WITHDRAW),
    "§3 (d) no ORIGIN": Case(f"{AS_PATH} {NEXT_HOP}", 1, WITHDRAW),
    "§3 (d) no AS_PATH": Case(f"{ORIGIN} {NEXT_HOP}", 2, WITHDRAW),
    "§3 (d) no NEXT_HOP": Case(f"{ORIGIN} {AS_PATH}", 3, WITHDRAW),
    "§3 (d) no LOCAL_PREF from an internal peer": Case(GOOD, 5, WITHDRAW, INTERNAL),
    "§3 (g) ORIGIN twice": Case(f"{GOOD} 40 01 01 02", 1, DISCARD),
    "§3 (g) an unknown one twice": Case(f"{GOOD} c0 63 00 c0 63 01 00", 99, DISCARD),
    "§4 overrun": Case(f"{GOOD} c0 08 05 00000001", 8, WITHDRAW),
    "§4 two octets left": Case(f"{GOOD} c0 08", 0, WITHDRAW),
    "§4 three octets left, long length": Case(f"{GOOD} d0 08 00", 0, WITHDRAW),
    "§7.1 ORIGIN, no octet": Case(f"40 01 00 {AS_PATH} {NEXT_HOP}", 1, WITHDRAW),
    "§7.1 ORIGIN, two octets": Case(f"40 01 02 0000 {AS_PATH} {NEXT_HOP}", 1, WITHDRAW),
    "§7.1 ORIGIN, undefined": Case(f"40 01 01 03 {AS_PATH} {NEXT_HOP}", 1, WITHDRAW),
    "§7.2 AS_PATH, type 0": Case(f"{ORIGIN} 40 02 06 00 01 0000fdf2 {NEXT_HOP}", 2, WITHDRAW),
    "§7.2 AS_PATH, type 5": Case(f"{ORIGIN} 40 02 06 05 01 0000fdf2 {NEXT_HOP}", 2, WITHDRAW),
    "§7.2 AS_PATH, overrun": Case(f"{ORIGIN} 40 02 06 02 02 0000fdf2 {NEXT_HOP}", 2, WITHDRAW),
    "§7.2 AS_PATH, underrun": Case(f"{ORIGIN} 40 02 07 02 01 0000fdf2 02 {NEXT_HOP}", 2, WITHDRAW),
    "§7.2 AS_PATH, no AS in a segment": Case(f"{ORIGIN} 40 02 02 02 00 {NEXT_HOP}", 2, WITHDRAW),
    "§7.2 AS_PATH of two octets": Case(f"{ORIGIN} {OLD_PATH} {NEXT_HOP}", 2, WITHDRAW),
    "RFC 5065 §5 AS_CONFED_SEQUENCE": Case(
        f"{ORIGIN} 40 02 06 03 01 0000fdf2 {NEXT_HOP}", 2, WITHDRAW
    ),
    "RFC 5065 §5 AS_CONFED_SET": Case(f"{ORIGIN} 40 02 06 04 01 0000fdf2 {NEXT_HOP}", 2, WITHDRAW),
    "RFC 7607 §2 AS 0 in AS_PATH": Case(
        f"{ORIGIN} 40 02 0a 02 02 0000fdf2 00000000 {NEXT_HOP}", 2, WITHDRAW
    ),
    "§7.3 NEXT_HOP, three octets": Case(f"{ORIGIN} {AS_PATH} 40 03 03 c00002", 3, WITHDRAW),
    "§7.3 NEXT_HOP, 16 octets": Case(f"{ORIGIN} {AS_PATH} 40 03 10 {GLOBAL}", 3, WITHDRAW),
    "RFC 4271 §6.3 NEXT_HOP 0.0.0.0": Case(f"{ORIGIN} {AS_PATH} 40 03 04 00000000", 3, WITHDRAW),
    "RFC 4271 §6.3 NEXT_HOP 127.0.0.1": Case(f"{ORIGIN} {AS_PATH} 40 03 04 7f000001", 3, WITHDRAW),
    "RFC 4271 §6.3 NEXT_HOP 224.0.0.1": Case(f"{ORIGIN} {AS_PATH} 40 03 04 e0000001", 3, WITHDRAW),
    "§7.4 MED, three octets": Case(f"{GOOD} 80 04 03 000000", 4, WITHDRAW),
    "§7.5 LOCAL_PREF from an external peer": Case(f"{GOOD} {LOCAL_PREF}", 5, DISCARD),
    "§7.5 LOCAL_PREF, malformed, from an external peer": Case(f"{GOOD} c0 05 01 00", 5, DISCARD),
    "§7.5 LOCAL_PREF, five octets": Case(f"{GOOD} 40 05 05 0000000064", 5, WITHDRAW, INTERNAL),
    "§7.6 ATOMIC_AGGREGATE, an octet": Case(f"{GOOD} 40 06 01 00", 6, DISCARD),
    "§7.7 AGGREGATOR, six octets": Case(f"{GOOD} c0 07 06 fdf2c0000201", 7, DISCARD),
    "§7.7 AGGREGATOR, eight octets": Case(
        f"{ORIGIN} {OLD_PATH} {NEXT_HOP} c0 07 08 0000fdf2c0000201", 7, DISCARD, OLD
    ),
    "RFC 7607 §2 AS 0 in AGGREGATOR": Case(f"{GOOD} c0 07 08 00000000c0000201", 7, DISCARD),
    "§7.8 COMMUNITIES, empty": Case(f"{GOOD} c0 08 00", 8, WITHDRAW),
    "§7.8 COMMUNITIES, five octets": Case(f"{GOOD} c0 08 05 0000000100", 8, WITHDRAW),
    "§7.9 ORIGINATOR_ID from an external peer": Case(f"{GOOD} 80 09 04 c0000201", 9, DISCARD),
    "§7.9 ORIGINATOR_ID, three octets": Case(
        f"{GOOD} {LOCAL_PREF} 80 09 03 c00002", 9, WITHDRAW, INTERNAL
    ),
    "§7.10 CLUSTER_LIST from an external peer": Case(f"{GOOD} 80 0a 04 c0000201", 10, DISCARD),
    "§7.10 CLUSTER_LIST, empty": Case(f"{GOOD} {LOCAL_PREF} 80 0a 00", 10, WITHDRAW, INTERNAL),
    "§7.14 EXTENDED_COMMUNITIES, empty": Case(f"{GOOD} c0 10 00", 16, WITHDRAW),
    "§7.14 EXTENDED_COMMUNITIES, seven octets": Case(f"{GOOD} c0 10 07 {'00' * 7}", 16, WITHDRAW),
    "§7.15 IPV6_EXTENDED_COMMUNITIES": Case(f"{GOOD} c0 19 08 {'00' * 8}", 25, WITHDRAW),
    "RFC 8092 §5 LARGE_COMMUNITIES, empty": Case(f"{GOOD} c0 20 00", 32, WITHDRAW),
    "RFC 8092 §5 LARGE_COMMUNITIES": Case(f"{GOOD} c0 20 0b {'00' * 11}", 32, WITHDRAW),
    "RFC 9234 §5 OTC": Case(f"{GOOD} c0 23 02 fdf2", 35, WITHDRAW),
    "RFC 6793 §4.1 AS4_PATH from a NEW speaker": Case(
        f"{GOOD} c0 11 06 02 01 fc00ffff", 17, DISCARD
    ),
    "RFC 6793 §4.1 AS4_AGGREGATOR from a NEW speaker": Case(
        f"{GOOD} c0 12 08 fc00ffff c0000201", 18, DISCARD
    ),
    "RFC 6793 §6 AS4_PATH, five octets": Case(
        f"{ORIGIN} {OLD_PATH} {NEXT_HOP} c0 11 05 02 01 fc00ff", 17, DISCARD, OLD
    ),
    "RFC 6793 §6 AS4_PATH, type 9": Case(
        f"{ORIGIN} {OLD_PATH} {NEXT_HOP} c0 11 06 09 01 fc00ffff", 17, DISCARD, OLD
    ),
    "RFC 6793 §6 AS4_AGGREGATOR, six octets": Case(
        f"{ORIGIN} {OLD_PATH} {NEXT_HOP} c0 12 06 fdf2c0000201", 18, DISCARD, OLD
    ),
    "a family that was not negotiated": Case(
        f"80 0e 0d 0001 80 08 0000000000000000 00 {GOOD}", 14, DISCARD
    ),
    "a family that was not negotiated, as short as can be": Case(
        f"80 0e 05 4004 47 00 00 {GOOD}", 14, DISCARD
    ),
    "withdrawn of a family that was not negotiated": Case(f"80 0f 03 4004 47 {GOOD}", 15, DISCARD),
}


class Reset(NamedTuple):
    """A body that resets the session: subcode and data of the NOTIFICATION."""

    body: bytes
    subcode: int
    data: str = ""
    options: UpdateOptions = EXTERNAL


RESETS = {
    "§3 (b) withdrawn routes beyond the message": Reset(bytes.fromhex("0003 0000"), 1),
    "§3 (b) attributes beyond the message": Reset(bytes.fromhex("0000 0005 40010100"), 1),
    "§3 (b) no length of the attributes": Reset(bytes.fromhex("0002 080a 00"), 1),
    "§3 (g) MP_REACH_NLRI twice": Reset(body(f"{MP_REACH} {MP_REACH} {GOOD}"), 1),
    "§3 (g) MP_UNREACH_NLRI twice": Reset(body(f"{MP_UNREACH} {MP_UNREACH}"), 1),
    "§3 (i) a withdrawn prefix of 33 bits": Reset(body(withdrawn="21 c000020100"), 10),
    "§5.3 a prefix of 33 bits": Reset(body(GOOD, "21 c000020100"), 10),
    "§5.3 a prefix overruns": Reset(body(GOOD, "18 c000"), 10),
    "§5.3 MP_REACH_NLRI, a prefix of 129 bits": Reset(
        body(f"80 0e 16 0002 01 10 {GLOBAL} 00 81 {GOOD}"), 9, f"800e1600020110{GLOBAL}0081"
    ),
    "§5.3 MP_UNREACH_NLRI, a prefix overruns": Reset(
        body("80 0f 05 0002 01 20 20"), 9, "800f050002012020"
    ),
    "§5.3 MP_REACH_NLRI, four octets": Reset(body("80 0e 04 0002 01 00"), 9, "800e0400020100"),
    "§5.3 MP_UNREACH_NLRI, two octets": Reset(body("80 0f 02 0002"), 9, "800f020002"),
    "§7.11 a next hop of four octets for IPv6": Reset(
        body("80 0e 09 0002 01 04 c0000201 00"), 9, "800e0900020104c000020100"
    ),
    "§7.11 a next hop of 16 octets for IPv4, not negotiated": Reset(
        body(f"80 0e 15 0001 01 10 {GLOBAL} 00"), 9, f"800e1500010110{GLOBAL}00"
    ),
    "§7.11 a next hop overruns": Reset(
        body("80 0e 05 0002 01 10 20"), 9, "800e05000201 10 20".replace(" ", "")
    ),
    "§4, §3 (j) MP_REACH_NLRI overruns": Reset(body("80 0e ff 0002 01", NLRI), 9, "800eff000201"),
    "§4, §3 (j) MP_UNREACH_NLRI overruns": Reset(body("80 0f ff 0002", NLRI), 9, "800fff0002"),
    "§5.2 an error and no NLRI": Reset(body(f"{ORIGIN} {AS_PATH} c0 08 00"), 9, "c00800"),
    "§5.2 an error and an MP_REACH_NLRI without NLRI": Reset(
        body(f"80 0e 15 0002 01 10 {GLOBAL} 00 40 01 01 03"), 6, "40010103"
    ),
    "§5.2 what is left is no attribute, and no NLRI": Reset(body("40 01"), 1, "4001"),
    "§5.2 only withdrawn routes, and an error": Reset(
        body("80 04 01 00", withdrawn="08 0a"), 5, "80040100"
    ),
    "§5.2 flags of MP_UNREACH_NLRI": Reset(body("c0 0f 03 0002 01"), 4, "c00f03000201"),
    "RFC 4271 §6.3 an unknown well-known attribute": Reset(
        body(f"{GOOD} 40 63 01 00", NLRI), 2, "40630100"
    ),
    "RFC 7911 §3 a path identifier without a prefix": Reset(
        body(GOOD, "00000001"),
        10,
        "",
        UpdateOptions(is_internal=False, four_octet_as=True, add_path=frozenset((IPV4_UNICAST,))),
    ),
}
"""RFC 7606's sections, but where another is named."""
