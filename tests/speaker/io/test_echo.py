"""Echoes that go out and come in by a packet socket: their bytes, and what is let in."""

from __future__ import annotations

import select
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether

from metallb_speaker.io.echo import EchoLink, Neighbour, headers, read_neighbours
from metallb_speaker.l2.ethernet import MacAddress
from support.cable import DEADLINE_SECONDS, FAR_IPV4, FAR_MAC, NEAR_IPV4, NEAR_MAC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cable import Cable

ECHO = b"e" * 24
TABLE = """\
IP address       HW type     Flags       HW address            Mask     Device
10.10.0.100      0x1         0x2         02:00:00:00:00:02     *        eth0
10.10.0.101      0x1         0x0         00:00:00:00:00:00     *        eth0
10.10.0.102      0x1         0x6         02:00:00:00:00:03     *        eth1
10.10.0.103      0x20        0x2         80:00:00:48:fe:80     *        ib0
"""


def test_neighbours_are_those_on_ethernet_that_are_resolved() -> None:
    assert read_neighbours(TABLE) == {
        "10.10.0.100": Neighbour(MacAddress.parse(FAR_MAC), "eth0"),
        "10.10.0.102": Neighbour(MacAddress.parse("02:00:00:00:00:03"), "eth1"),
    }
    assert read_neighbours("") == {}


@pytest.mark.parametrize("address", [NEAR_IPV4, "255.255.255.254", "0.0.0.1", "127.255.128.7"])
def test_what_is_before_an_echo_is_what_scapy_writes(address: str) -> None:
    found = headers(
        MacAddress.parse(FAR_MAC), MacAddress.parse(NEAR_MAC), IPv4Address(address), len(ECHO)
    )
    wanted = (
        Ether(dst=FAR_MAC, src=NEAR_MAC)
        / IP(src=address, dst=address, ttl=255, tos=0xC0, id=0)
        / UDP(sport=3785, dport=3785, chksum=0)
        / ECHO
    )
    assert found + ECHO == bytes(wanted)


@pytest.fixture
def link(near: Cable) -> Iterator[EchoLink]:
    made = EchoLink("eth0")
    yield made
    made.close()


def returned(ttl: int = 254, source: str = NEAR_IPV4, port: int = 3785) -> Ether:
    ip = IP(src=source, dst=NEAR_IPV4, ttl=ttl)
    return Ether(dst=NEAR_MAC, src=FAR_MAC) / ip / UDP(sport=3785, dport=port) / ECHO


@pytest.mark.netns
def test_an_echo_goes_out_to_the_peer(near: Cable, link: EchoLink) -> None:
    ours = IPv4Address(NEAR_IPV4)
    assert link.mac == MacAddress.parse(NEAR_MAC)
    assert link.send(headers(MacAddress.parse(FAR_MAC), link.mac, ours, len(ECHO)) + ECHO)
    frame = near.hear(UDP)
    assert (frame.dst, frame[IP].src, frame[IP].dst) == (FAR_MAC, NEAR_IPV4, NEAR_IPV4)
    assert (frame[IP].ttl, frame[UDP].dport) == (255, 3785)
    near.ip("link", "set", "eth0", "down")
    assert not link.send(b"frame")


@pytest.mark.netns
def test_only_our_own_that_were_forwarded_are_let_in(near: Cable, link: EchoLink) -> None:
    tagged = Ether(dst=NEAR_MAC, src=FAR_MAC) / Dot1Q(vlan=7) / returned().payload
    fragment = returned()
    fragment[IP].frag = 1
    options = Ether(dst=NEAR_MAC, src=FAR_MAC) / IP(
        src=NEAR_IPV4, dst=NEAR_IPV4, ttl=253, options=b"\x01\x01\x01\x01"
    )
    near.send(
        returned(ttl=255),
        returned(source=FAR_IPV4),
        returned(port=3784),
        tagged,
        fragment,
        options / UDP(sport=3785, dport=3785) / ECHO,
        returned(),
        returned(ttl=3),
    )
    found: list[tuple[bytes, int]] = []
    while len(found) < 2:
        ready, _, _ = select.select([link.socket], [], [], DEADLINE_SECONDS)
        assert ready
        found += link.echoes()
    assert found == [(ECHO, 254), (ECHO, 3)]
    assert list(link.echoes()) == []


@pytest.mark.netns
def test_an_interface_that_is_not_there_is_refused(near: Cable) -> None:
    with pytest.raises(OSError, match="No such device"):
        EchoLink("eth7")
