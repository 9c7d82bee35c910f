"""The attributes that we send, octet by octet."""

from __future__ import annotations

import pytest

from metallb_speaker.bgp.attributes import (
    RouteAttributes,
    attribute,
    attribute_bytes,
    extended_link_bandwidth_community,
    link_bandwidth_community,
    mp_reach,
    mp_unreach,
)
from metallb_speaker.bgp.iana import IPV4_UNICAST, IPV6_UNICAST, WellKnownCommunity
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.bgp.update import end_of_rib, update_message

MARKER = "ff" * 16
NEXT_HOP = bytes((192, 0, 2, 1))
GLOBAL = "20010db8000000000000000000000001"
LINK_LOCAL = "fe800000000000000000000000000001"

# RFC 4271 §4.3: flags, type, length, value.
ORIGIN = "40 01 01 00"
NEXT_HOP_WIRE = "40 03 04 c0000201"

EXTERNAL: dict[str, tuple[RouteAttributes, str]] = {
    "RFC 4271 §5.1": (RouteAttributes(), f"{ORIGIN} 40 02 06 02 01 0000fde9 {NEXT_HOP_WIRE}"),
    "RFC 4271 §5.1.5: LOCAL_PREF is not for external peers": (
        RouteAttributes(local_pref=200),
        f"{ORIGIN} 40 02 06 02 01 0000fde9 {NEXT_HOP_WIRE}",
    ),
    "RFC 4271 §5.1.4 MED": (
        RouteAttributes(med=5),
        f"{ORIGIN} 40 02 06 02 01 0000fde9 {NEXT_HOP_WIRE} 80 04 04 00000005",
    ),
    "prepending": (
        RouteAttributes(prepend=2),
        f"{ORIGIN} 40 02 0e 02 03 0000fde9 0000fde9 0000fde9 {NEXT_HOP_WIRE}",
    ),
    "RFC 1997, RFC 8326: in order, each once": (
        RouteAttributes(communities=(WellKnownCommunity.GRACEFUL_SHUTDOWN, 0xFDE90001, 0xFDE90001)),
        f"{ORIGIN} 40 02 06 02 01 0000fde9 {NEXT_HOP_WIRE} c0 08 08 fde90001 ffff0000",
    ),
    "RFC 8092 §3": (
        RouteAttributes(large_communities=((4227923967, 2, 3), (1, 2, 3), (1, 2, 3))),
        (
            f"{ORIGIN} 40 02 06 02 01 0000fde9 {NEXT_HOP_WIRE}"
            " c0 20 18 00000001 00000002 00000003 fc00ffff 00000002 00000003"
        ),
    ),
    "RFC 4360 §3": (
        RouteAttributes(extended_communities=(bytes.fromhex("0002fde900000001"),)),
        f"{ORIGIN} 40 02 06 02 01 0000fde9 {NEXT_HOP_WIRE} c0 10 08 0002fde900000001",
    ),
    "draft-ietf-idr-link-bandwidth §2": (
        # 125 000 000 octets a second as an IEEE 754 single float.
        RouteAttributes(
            link_bandwidth=125e6, extended_communities=(bytes.fromhex("0002fde900000001"),)
        ),
        (
            f"{ORIGIN} 40 02 06 02 01 0000fde9 {NEXT_HOP_WIRE}"
            " c0 10 10 0002fde900000001 4004fde94cee6b28"
        ),
    ),
    "all, in ascending order of type": (
        RouteAttributes(100, 5, (1,), ((1, 2, 3),), (bytes(8),), 1, None),
        (
            f"{ORIGIN} 40 02 0a 02 02 0000fde9 0000fde9 {NEXT_HOP_WIRE} 80 04 04 00000005"
            " c0 08 04 00000001 c0 10 08 0000000000000000 c0 20 0c 00000001 00000002 00000003"
        ),
    ),
}

INTERNAL: dict[str, tuple[RouteAttributes, str]] = {
    "RFC 4271 §5.1.2 an empty path, §5.1.5 LOCAL_PREF": (
        RouteAttributes(local_pref=200, prepend=3),
        f"{ORIGIN} 40 02 00 {NEXT_HOP_WIRE} 40 05 04 000000c8",
    ),
    "LOCAL_PREF when nobody stated one": (
        RouteAttributes(),
        f"{ORIGIN} 40 02 00 {NEXT_HOP_WIRE} 40 05 04 00000064",
    ),
    "LOCAL_PREF 0 is one": (
        RouteAttributes(local_pref=0, med=0),
        f"{ORIGIN} 40 02 00 {NEXT_HOP_WIRE} 80 04 04 00000000 40 05 04 00000000",
    ),
}


def written(
    attributes: RouteAttributes,
    *,
    is_internal: bool = False,
    my_asn: int = 65001,
    four_octet_as: bool = True,
    next_hop: bytes | None = NEXT_HOP,
    extended_link_bandwidth: bool = False,
) -> str:
    return attribute_bytes(
        attributes,
        is_internal=is_internal,
        my_asn=my_asn,
        four_octet_as=four_octet_as,
        next_hop=next_hop,
        extended_link_bandwidth=extended_link_bandwidth,
    ).hex()


@pytest.mark.parametrize(("attributes", "wire"), EXTERNAL.values(), ids=EXTERNAL)
def test_external_peers_hear(attributes: RouteAttributes, wire: str) -> None:
    assert written(attributes) == wire.replace(" ", "")


@pytest.mark.parametrize(("attributes", "wire"), INTERNAL.values(), ids=INTERNAL)
def test_internal_peers_hear(attributes: RouteAttributes, wire: str) -> None:
    assert written(attributes, is_internal=True) == wire.replace(" ", "")


def test_routes_in_mp_reach_have_no_next_hop_attribute() -> None:
    expected = f"{ORIGIN} 40 02 06 02 01 0000fde9".replace(" ", "")
    assert written(RouteAttributes(), next_hop=None) == expected


def test_peers_with_as_numbers_of_two_octets_hear_those() -> None:
    """RFC 6793 §4.2.2."""
    expected = f"{ORIGIN} 40 02 06 02 02 fde9 fde9 {NEXT_HOP_WIRE}".replace(" ", "")
    assert written(RouteAttributes(prepend=1), four_octet_as=False) == expected


def test_a_number_of_four_octets_goes_beside_its_stand_in() -> None:
    """RFC 6793 §4.2.2: AS_TRANS in AS_PATH, the number itself in AS4_PATH."""
    expected = (
        f"{ORIGIN} 40 02 06 02 02 5ba0 5ba0 {NEXT_HOP_WIRE} c0 08 04 00000001"
        " c0 11 0a 02 02 fc00ffff fc00ffff c0 20 0c 00000001 00000002 00000003"
    ).replace(" ", "")
    attributes = RouteAttributes(communities=(1,), large_communities=((1, 2, 3),), prepend=1)
    assert written(attributes, four_octet_as=False, my_asn=4227923967) == expected
    internal = written(attributes, four_octet_as=False, my_asn=4227923967, is_internal=True)
    assert "c011" not in internal


def test_a_path_has_one_segment_at_most() -> None:
    path = bytes.fromhex(written(RouteAttributes(prepend=10_000)))[4:]
    assert path[:6].hex() == "500203fe02ff"
    assert len(path) == 4 + 2 + 255 * 4 + 7


def test_link_bandwidth_of_an_as_of_four_octets() -> None:
    assert link_bandwidth_community(4227923967, 1.0).hex() == "40045ba03f800000"
    assert link_bandwidth_community(65535, 0.0).hex() == "4004ffff00000000"


def test_the_extended_link_bandwidth_has_64_bits_and_an_as_of_four_octets() -> None:
    """FRR writes it so: type, two octets of nothing, the value, the AS, four octets of nothing."""
    found = extended_link_bandwidth_community(4227923967, 375e6)
    assert found.hex(" ", 4) == "42060000 00000000 165a0bc0 fc00ffff 00000000"
    most = extended_link_bandwidth_community(1, 2.0**65)
    assert most.hex(" ", 4) == "42060000 ffffffff ffffffff 00000001 00000000"


def test_a_peer_hears_one_form_of_link_bandwidth_in_its_place() -> None:
    attributes = RouteAttributes(
        link_bandwidth=125e6,
        extended_communities=(bytes.fromhex("0002fde900000001"),),
        large_communities=((1, 2, 3),),
    )
    wire = (
        f"{ORIGIN} 40 02 06 02 01 0000fde9 {NEXT_HOP_WIRE} c0 10 08 0002fde900000001"
        " c0 19 14 42060000 00000000 07735940 0000fde9 00000000"
        " c0 20 0c 00000001 00000002 00000003"
    )
    assert written(attributes, extended_link_bandwidth=True) == wire.replace(" ", "")
    plain = RouteAttributes()
    assert written(plain, extended_link_bandwidth=True) == written(plain)


@pytest.mark.parametrize(("length", "head"), [(255, "c008ff"), (256, "d0080100")])
def test_a_long_value_has_a_long_length(length: int, head: str) -> None:
    """RFC 4271 §4.3, the Extended Length bit."""
    assert attribute(0xC0, 8, bytes(length)) == bytes.fromhex(head) + bytes(length)


# ------------------------------------------------------------------ whole UPDATEs

UPDATES = {
    "RFC 4760 §3, RFC 2545 §3": (
        mp_reach(IPV6_UNICAST, bytes.fromhex(GLOBAL), Prefix.of("2001:db8::/32").nlri),
        f"80 0e 1a 0002 01 10 {GLOBAL} 00 20 20010db8",
    ),
    "RFC 2545 §3, with a link-local next hop": (
        mp_reach(IPV6_UNICAST, bytes.fromhex(GLOBAL + LINK_LOCAL), b"\0"),
        f"80 0e 26 0002 01 20 {GLOBAL} {LINK_LOCAL} 00 00",
    ),
    "RFC 8950 §3, IPv4 over an IPv6 next hop": (
        mp_reach(IPV4_UNICAST, bytes.fromhex(GLOBAL), Prefix.of("192.0.2.1/32").nlri),
        f"80 0e 1a 0001 01 10 {GLOBAL} 00 20 c0000201",
    ),
    "RFC 4760 §3, IPv4": (
        mp_reach(IPV4_UNICAST, NEXT_HOP, Prefix.of("192.0.2.1/32").nlri),
        "80 0e 0e 0001 01 04 c0000201 00 20 c0000201",
    ),
    "RFC 4760 §4": (
        mp_unreach(IPV6_UNICAST, Prefix.of("2001:db8::/32").nlri),
        "80 0f 08 0002 01 20 20010db8",
    ),
    "RFC 4271 §4.3, nothing": (update_message(), f"{MARKER} 0017 02 0000 0000"),
    "RFC 4271 §4.3": (
        update_message(b"\0", b"\x40\x01\x01\0", b"\x08\x0a"),
        f"{MARKER} 001e 02 0001 00 0004 40010100 080a",
    ),
    "RFC 4724 §2, End-of-RIB, IPv4": (end_of_rib(IPV4_UNICAST), f"{MARKER} 0017 02 0000 0000"),
    "RFC 4724 §2, End-of-RIB, IPv6": (
        end_of_rib(IPV6_UNICAST),
        f"{MARKER} 001d 02 0000 0006 80 0f 03 0002 01",
    ),
}


@pytest.mark.parametrize(("octets", "wire"), UPDATES.values(), ids=UPDATES)
def test_updates_are_written_as_drawn(octets: bytes, wire: str) -> None:
    assert octets == bytes.fromhex(wire)
