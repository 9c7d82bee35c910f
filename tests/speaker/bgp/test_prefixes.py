"""Prefixes in their wire form, and fields of them."""

from ipaddress import ip_network

import pytest

from metallb_speaker.bgp.nlri import NlriError, read_nlri, read_nlri_with_path_ids
from metallb_speaker.bgp.prefixes import Prefix

# RFC 4271 §4.3: length in bits, then as many octets as hold them.
VECTORS = {
    "0.0.0.0/0": "00",
    "10.0.0.0/8": "08 0a",
    "10.128.0.0/9": "09 0a80",
    "192.0.2.0/24": "18 c00002",
    "192.0.2.128/25": "19 c0000280",
    "192.0.2.1/32": "20 c0000201",
    "::/0": "00",
    "2001:db8::/32": "20 20010db8",
    "2001:db8:8000::/33": "21 20010db880",
    "2001:db8::1/128": "80 20010db8000000000000000000000001",
}


@pytest.mark.parametrize(("text", "wire"), VECTORS.items())
def test_a_prefix_is_its_wire_form(text: str, wire: str) -> None:
    prefix = Prefix.of(text)
    assert prefix == (2 if ":" in text else 1, bytes.fromhex(wire))
    assert prefix == Prefix.of(ip_network(text))
    assert (str(prefix), prefix.network) == (text, ip_network(text))
    assert prefix.length == ip_network(text).prefixlen
    assert read_nlri(prefix.nlri, prefix.afi, 128) == [prefix]


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "", "x"])
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Prefix.of(text)


def test_spare_bits_of_a_peer_mean_nothing() -> None:
    assert read_nlri(bytes.fromhex("090aff 17c00003"), 1, 32) == [
        Prefix.of("10.128.0.0/9"),
        Prefix.of("192.0.2.0/23"),
    ]
    assert read_nlri_with_path_ids(bytes.fromhex("00000007 090aff"), 1, 32) == [
        (7, Prefix.of("10.128.0.0/9"))
    ]


def test_path_identifiers_stand_before_prefixes() -> None:
    # RFC 7911 §3
    data = bytes.fromhex("00000001 08 0a  fffffffe 18 c00002 00000000 00")
    assert read_nlri_with_path_ids(data, 1, 32) == [
        (1, Prefix.of("10.0.0.0/8")),
        (0xFFFFFFFE, Prefix.of("192.0.2.0/24")),
        (0, Prefix.of("0.0.0.0/0")),
    ]


@pytest.mark.parametrize("wire", ["21 c000020100", "18 c000", "08 0a 18", "ff"])
def test_a_field_that_is_not_correct_is_refused_as_a_whole(wire: str) -> None:
    with pytest.raises(NlriError, match="prefix"):
        read_nlri(bytes.fromhex(wire), 1, 32)
    with pytest.raises(NlriError, match="prefix"):
        read_nlri_with_path_ids(bytes(4) + bytes.fromhex(wire), 1, 32)


@pytest.mark.parametrize("wire", ["00", "000000", "00000001", "00000001 080a 00000002"])
def test_a_path_identifier_without_a_prefix_is_refused(wire: str) -> None:
    with pytest.raises(NlriError, match="without a prefix"):
        read_nlri_with_path_ids(bytes.fromhex(wire), 1, 32)


def test_the_longest_length_is_the_familys() -> None:
    assert read_nlri(bytes.fromhex("21 c000020180"), 2, 128)
    with pytest.raises(NlriError, match="a prefix of 129 bits"):
        read_nlri(bytes((129,)) + bytes(17), 2, 128)
