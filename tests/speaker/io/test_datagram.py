"""Heartbeats between two namespaces, over one interface and no other."""

from __future__ import annotations

import errno
import select
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from metallb_lab import netns
from metallb_speaker.io import datagram
from metallb_speaker.io.datagram import HeartbeatPort
from support.cable import DEADLINE_SECONDS, FAR_IPV4, FAR_IPV6, NEAR_IPV4, NEAR_IPV6

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cable import Cable

pytestmark = pytest.mark.netns

PORT = 4225
IP_RECVERR = 11  # <linux/in.h>


@pytest.fixture
def port(near: Cable) -> Iterator[HeartbeatPort]:
    made = HeartbeatPort("eth0", PORT)
    yield made
    made.close()


@pytest.fixture
def peer(cable: Cable) -> Iterator[HeartbeatPort]:
    with netns.inside(cable.far.namespace):
        made = HeartbeatPort("eth0", PORT)
    yield made
    made.close()


def received(port: HeartbeatPort) -> list[bytes]:
    ready, _, _ = select.select(port.sockets, (), (), DEADLINE_SECONDS)
    assert ready, "nothing came"
    return [data for udp in ready for data in port.datagrams(udp)]


@pytest.mark.parametrize(
    ("near_address", "far_address"), [(NEAR_IPV4, FAR_IPV4), (NEAR_IPV6, FAR_IPV6)]
)
def test_heartbeats_go_both_ways(
    port: HeartbeatPort, peer: HeartbeatPort, near_address: str, far_address: str
) -> None:
    assert port.send(b"to far", ip_address(far_address), PORT)
    assert received(peer) == [b"to far"]
    assert peer.send(b"to near", ip_address(near_address), PORT)
    assert received(port) == [b"to near"]


def test_they_are_marked_as_network_control(port: HeartbeatPort) -> None:
    ipv4, ipv6 = port.sockets
    assert ipv4.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xC0
    assert ipv6.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == 0xC0
    assert {udp.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY) for udp in port.sockets} == {6}


def test_each_interface_has_a_port_of_its_own_and_hears_only_its_own(
    near: Cable, port: HeartbeatPort, peer: HeartbeatPort
) -> None:
    near.ip("link", "add", "eth1", "type", "veth", "peer", "name", "p1")
    other = HeartbeatPort("eth1", PORT)
    assert peer.send(b"over eth0", ip_address(NEAR_IPV4), PORT)
    assert received(port) == [b"over eth0"]
    assert [list(other.datagrams(udp)) for udp in other.sockets] == [[], []]
    other.close()


def test_datagrams_are_taken_in_portions(
    port: HeartbeatPort, peer: HeartbeatPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datagram, "DATAGRAMS_PER_WAKE", 2)
    for number in range(3):
        peer.send(b"%d" % number, ip_address(NEAR_IPV4), PORT)
    found: list[bytes] = []
    while len(found) < 3:
        portion = received(port)
        assert len(portion) <= 2
        found += portion
    assert found == [b"0", b"1", b"2"]


def test_one_that_cannot_be_sent_is_lost_and_a_refusal_is_overheard(
    near: Cable, port: HeartbeatPort, peer: HeartbeatPort
) -> None:
    """The far end refuses a datagram by ICMP, which the kernel tells by the next call."""
    udp = port.sockets[0]
    udp.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    assert port.send(b"refused", ip_address(FAR_IPV4), 9)
    ready, _, _ = select.select([udp], (), (), DEADLINE_SECONDS)
    assert ready
    assert list(port.datagrams(udp)) == []
    near.ip("link", "set", "eth0", "down")
    assert not port.send(b"nowhere", ip_address(FAR_IPV4), PORT)


def test_an_interface_that_is_not_there_has_no_port(near: Cable) -> None:
    with pytest.raises(OSError, match="No such device"):
        HeartbeatPort("eth9", PORT)


def test_ipv4_alone_will_do_where_the_kernel_has_no_ipv6(
    near: Cable, peer: HeartbeatPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = socket.socket

    def without_ipv6(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return make(family, kind)

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", without_ipv6)
        port = HeartbeatPort("eth0", PORT)
    assert len(port.sockets) == 1
    assert port.send(b"over IPv4", ip_address(FAR_IPV4), PORT)
    assert received(peer) == [b"over IPv4"]
    assert not port.send(b"over IPv6", ip_address(FAR_IPV6), PORT)
    port.close()


def test_other_failures_of_ipv6_are_told_and_leave_no_socket_open(
    near: Cable, port: HeartbeatPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(family: socket.AddressFamily, interface: str, number: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        opened.append(make(family, interface, number))
        return opened[0]

    make, opened = datagram._open, list[socket.socket]()
    monkeypatch.setattr(datagram, "_open", refuse)
    with pytest.raises(OSError, match="already in use"):
        HeartbeatPort("eth0", PORT + 1)
    assert opened[0].fileno() == -1
