from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb.net.addresses import (
    Family,
    address_from_name,
    family_of,
    object_name,
    parse_address,
    unmapped,
)

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.168.2.100", IPv4Address("192.168.2.100")),
        (" 10.0.0.1\t", IPv4Address("10.0.0.1")),
        ("FD00::1", IPv6Address("fd00::1")),
        ("fd00:0:0:0:0:0:0:1", IPv6Address("fd00::1")),
        ("::ffff:10.0.0.1", IPv4Address("10.0.0.1")),
    ],
)
def test_an_address_is_read_in_any_notation(text: str, expected: IPv4Address) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("10.0.0.1/32", "prefix length"),
        ("fe80::1%eth0", "zone"),
        ("10.0.0", "not an IPv4 or IPv6 address"),
        ("10.0.0.256", "not an IPv4 or IPv6 address"),
        ("010.0.0.1", "not an IPv4 or IPv6 address"),
        ("host", "not an IPv4 or IPv6 address"),
        ("10.0.0.1,10.0.0.2", "not an IPv4 or IPv6 address"),
        ("1" * 101, "… is not an IPv4 or IPv6 address"),
    ],
)
def test_what_is_no_address_is_named_in_the_complaint(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_address(text)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.168.2.100", "192.168.2.100"),
        ("fd00::1", "fd00--1"),
        ("::1", "0--1"),
        ("fd00::", "fd00--0"),
        ("::", "0--0"),
        ("2001:db8:1:2:3:4:5:6", "2001-db8-1-2-3-4-5-6"),
    ],
)
def test_the_name_of_an_object_is_its_address(address: str, name: str) -> None:
    assert object_name(ip_address(address)) == name
    assert address_from_name(name) == ip_address(address)


@given(ADDRESSES)
def test_every_address_has_a_name_that_kubernetes_takes_and_leads_back(
    address: IPv4Address | IPv6Address,
) -> None:
    name = object_name(address)
    assert set(name) <= set("0123456789abcdef.-")
    assert name[0].isalnum()
    assert name[-1].isalnum()
    assert len(name) <= 63
    assert address_from_name(name) == address


@given(ADDRESSES, ADDRESSES)
def test_two_addresses_never_share_a_name(
    one: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address
) -> None:
    assert (object_name(one) == object_name(other)) == (one == other)


@pytest.mark.parametrize("name", ["", "web", "10.0.0.1.2", "fd00-1", "FD00--1", "fd00--0001"])
def test_a_name_that_no_address_gives_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of"):
        address_from_name(name)


def test_the_family_is_told_and_mapped_addresses_are_ipv4() -> None:
    assert family_of(IPv4Address("10.0.0.1")) is Family.IPV4
    assert family_of(IPv6Address("fd00::1")) is Family.IPV6
    assert unmapped(IPv6Address("::ffff:10.0.0.1")) == IPv4Address("10.0.0.1")
    assert unmapped(IPv6Address("fd00::1")) == IPv6Address("fd00::1")
