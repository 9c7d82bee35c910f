"""The value that names a link."""

from ipaddress import IPv6Address

import pytest

from metallb_speaker.l2.ethernet import MacAddress
from metallb_speaker.l2.link import Link
from vectors.l2.frames import LINK


def test_link_without_ipv6_is_allowed() -> None:
    link = Link("eth0", 2, LINK.mac)
    assert link.link_local is None
    assert link != LINK


def test_group_mac_is_refused() -> None:
    with pytest.raises(ValueError, match="MAC of eth0 is a group address: 01:00:5e:00:00:01"):
        Link("eth0", 2, MacAddress.parse("01:00:5e:00:00:01"))


def test_global_address_as_link_local_is_refused() -> None:
    with pytest.raises(ValueError, match="not a link-local address of eth0: fd09::2"):
        Link("eth0", 2, LINK.mac, IPv6Address("fd09::2"))
