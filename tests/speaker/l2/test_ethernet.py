"""MAC addresses and the Ethernet header."""

from ipaddress import IPv6Address

import pytest
from scapy.layers.inet6 import in6_getnsmac
from scapy.layers.l2 import Ether

from metallb_speaker.l2.ethernet import (
    SOLICITED_NODE_MAC_PREFIX,
    MacAddress,
    encode_header,
    is_station,
    multicast_mac,
)
from metallb_speaker.l2.iana import EtherType


@pytest.mark.parametrize("text", ["02:00:5e:10:00:0a", "02-00-5E-10-00-0A", "02:00:5E:10:00:0a"])
def test_mac_text_is_read(text: str) -> None:
    mac = MacAddress.parse(text)
    assert mac.packed == b"\x02\x00\x5e\x10\x00\x0a"
    assert str(mac) == "02:00:5e:10:00:0a"
    assert MacAddress(mac.packed) == mac


@pytest.mark.parametrize(
    "text",
    [
        "",
        "02:00:5e:10:00",
        "02:00:5e:10:00:0a:0b",
        "02:00:5e-10:00:0a",
        "02005e10000a",
        "0200.5e10.000a",
        "2:0:5e:10:0:a",
        "02:00:5e:10:00:0g",
        " 02:00:5e:10:00:0a",
        "02:00:5e:10:00:0a\n",
        "02:00:5e:10:00:\u0660\u0660",
    ],
)
def test_text_that_is_no_mac_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a MAC address"):
        MacAddress.parse(text)


@pytest.mark.parametrize("length", [0, 5, 7, 8])
def test_mac_of_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="6 octets"):
        MacAddress(bytes(length))


@pytest.mark.parametrize(
    ("text", "is_multicast", "is_stations"),
    [
        ("02:00:00:00:00:0a", False, True),
        ("fe:ff:ff:ff:ff:ff", False, True),
        ("01:00:5e:00:00:01", True, False),
        ("33:33:00:00:00:01", True, False),
        ("ff:ff:ff:ff:ff:ff", True, False),
        ("00:00:00:00:00:00", False, False),
        ("00:00:00:00:00:01", False, True),
    ],
)
def test_group_bit_tells_stations_from_groups(
    text: str, is_multicast: bool, is_stations: bool
) -> None:
    mac = MacAddress.parse(text)
    assert mac.is_multicast is is_multicast
    assert is_station(mac.packed) is is_stations


def test_macs_sort_by_their_octets() -> None:
    low, high = MacAddress.parse("02:00:00:00:00:0a"), MacAddress.parse("02:00:00:00:01:00")
    assert sorted([high, low]) == [low, high]
    assert len({low, MacAddress(low.packed)}) == 1


@pytest.mark.parametrize(
    ("group", "mac"),
    [
        ("ff02::1", "33:33:00:00:00:01"),
        ("ff02::16", "33:33:00:00:00:16"),
        ("ff02::1:ff28:9c5a", "33:33:ff:28:9c:5a"),
        ("ff05::dead:beef", "33:33:de:ad:be:ef"),
    ],
)
def test_multicast_group_maps_to_its_mac(group: str, mac: str) -> None:
    packed = IPv6Address(group).packed
    assert str(MacAddress(multicast_mac(packed))) == mac == in6_getnsmac(packed)


def test_solicited_node_groups_share_a_mac_prefix() -> None:
    assert SOLICITED_NODE_MAC_PREFIX == b"\x33\x33\xff"


def test_header_reads_back_in_scapy() -> None:
    header = encode_header(b"\xff" * 6, b"\x02\0\0\0\0\x0b", EtherType.ARP)
    assert len(header) == 14
    packet = Ether(header)
    assert (packet.dst, packet.src, packet.type) == (
        "ff:ff:ff:ff:ff:ff",
        "02:00:00:00:00:0b",
        0x0806,
    )
