"""Sockets of BFD with a real kernel: TTL, addresses, source ports, and what is not there."""

from __future__ import annotations

import errno
import select
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab import netns
from metallb_speaker.bfd.config import Endpoint
from metallb_speaker.bfd.iana import CONTROL_PORT, ECHO_PORT, MULTIHOP_PORT, SOURCE_PORTS
from metallb_speaker.io import bfd
from metallb_speaker.io.bfd import PortKey, ReceivePort, SendPort
from support.cable import (
    DEADLINE_SECONDS,
    FAR_IPV4,
    FAR_IPV6,
    NEAR_IPV4,
    NEAR_IPV6,
    NEAR_LINK_LOCAL,
)
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cable import Cable

pytestmark = pytest.mark.netns

FAR_LINK_LOCAL = "fe80::ff:fe00:2"


def hear(port: ReceivePort) -> tuple[bytes, bfd.Ancillary, Any]:
    ready, _, _ = select.select([port.socket], [], [], DEADLINE_SECONDS)
    assert ready
    return next(port.datagrams())


@pytest.fixture
def listener(near: Cable) -> Iterator[Any]:
    """Open ports at the far end."""
    opened: list[ReceivePort] = []

    def listen(key: PortKey) -> ReceivePort:
        with netns.inside(near.far.namespace):
            opened.append(ReceivePort(key))
        return opened[-1]

    yield listen
    for port in opened:
        port.close()


@pytest.mark.parametrize(
    ("endpoint", "source"),
    [
        (Endpoint(ip_address(FAR_IPV4)), (NEAR_IPV4, "")),
        (Endpoint(ip_address(FAR_IPV4), ip_address(NEAR_IPV4), "eth0"), (NEAR_IPV4, "")),
        (Endpoint(ip_address(FAR_IPV6)), (NEAR_IPV6, "")),
        (
            Endpoint(ip_address(FAR_LINK_LOCAL), ip_address(NEAR_LINK_LOCAL), "eth0"),
            (NEAR_LINK_LOCAL, "eth0"),
        ),
        (Endpoint(ip_address(FAR_IPV4), is_multihop=True), (NEAR_IPV4, "")),
    ],
)
async def test_a_packet_is_sent_as_the_rfc_wants_it(
    listener: Any, endpoint: Endpoint, source: tuple[str, str]
) -> None:
    key = PortKey.of(endpoint)
    assert key.port == (MULTIHOP_PORT if endpoint.is_multihop else CONTROL_PORT)
    port = listener(key)
    sender = SendPort(endpoint, lambda: 0.5)
    await until(lambda: sender.send(b"hello"), "the link-local address to be there")
    data, ancillary, where = hear(port)
    assert (data, bfd.ttl_of(ancillary)) == (b"hello", 255)
    assert bfd.local_address_of(ancillary) == endpoint.peer_address
    assert where[1] in SOURCE_PORTS
    address, interface = bfd.source_of(where)
    assert (str(address), interface) == source
    assert list(port.datagrams()) == []
    sender.close()


def test_each_session_has_a_source_port_of_its_own(near: Cable, listener: Any) -> None:
    port = listener(PortKey(CONTROL_PORT, 4))
    endpoint = Endpoint(ip_address(FAR_IPV4))
    senders = [SendPort(endpoint, lambda: 0.999_999) for _ in range(3)]
    for sender in senders:
        assert sender.send(b"hello")
    found = [hear(port)[2][1] for _ in senders]
    assert found == [65_535, 49_152, 49_153]  # the next free ones, beginning anew at the end
    for sender in senders:
        sender.close()


def test_nobody_who_listens_is_for_bfd_to_find(near: Cable) -> None:
    sender = SendPort(Endpoint(ip_address(FAR_IPV4)), lambda: 0.1)
    for _ in range(5):
        assert sender.send(b"hello")
    assert sender.fault == ""
    sender.close()


@pytest.mark.parametrize(
    ("endpoint", "fault"),
    [
        (Endpoint(ip_address("10.99.0.1")), "Network is unreachable"),
        (Endpoint(ip_address(FAR_IPV4), ip_address("10.99.0.2")), "Cannot assign requested"),
    ],
)
def test_what_cannot_be_sent_is_told_and_works_when_it_can(
    near: Cable, endpoint: Endpoint, fault: str
) -> None:
    sender = SendPort(endpoint, lambda: 0.1)
    assert not sender.send(b"hello")
    assert fault in sender.fault
    near.ip("addr", "add", "10.99.0.2/24", "dev", "eth0")
    assert sender.send(b"hello")
    assert sender.fault == ""
    sender.close()


def test_an_interface_that_is_not_there_is_told(near: Cable) -> None:
    sender = SendPort(Endpoint(ip_address(FAR_LINK_LOCAL), None, "eth7"), lambda: 0.1)
    assert not sender.send(b"hello")
    assert "No such device" in sender.fault


@pytest.mark.parametrize(("version", "far"), [(4, FAR_IPV4), (6, FAR_IPV6)])
def test_echoes_go_out_with_the_ttl_and_from_the_address_that_is_wanted(
    near: Cable, listener: Any, version: int, far: str
) -> None:
    local = ip_address(NEAR_IPV4 if version == 4 else NEAR_IPV6)
    there = listener(PortKey(ECHO_PORT, version))
    here = ReceivePort(PortKey(ECHO_PORT, version))
    target = bfd.target_of(Endpoint(ip_address(far)), ECHO_PORT)
    for ttl, wanted in ((255, local), (254, None)):
        assert here.send(b"echo", ttl, target, wanted)
        data, ancillary, source = hear(there)
        assert (data, bfd.ttl_of(ancillary)) == (b"echo", ttl)
        assert bfd.source_of(source)[0] == local
        assert source[1] == ECHO_PORT
    unreachable = "10.99.0.1" if version == 4 else "fd99::1"
    assert not here.send(b"echo", 255, (unreachable, ECHO_PORT), None)
    here.close()


def test_a_port_that_somebody_has_is_refused(near: Cable) -> None:
    first = ReceivePort(PortKey(CONTROL_PORT, 4))
    with pytest.raises(OSError, match="in use") as refused:
        ReceivePort(PortKey(CONTROL_PORT, 4))
    assert refused.value.errno == errno.EADDRINUSE
    ReceivePort(PortKey(CONTROL_PORT, 6)).close()
    first.close()
    ReceivePort(PortKey(CONTROL_PORT, 4)).close()


def test_a_vrf_that_is_not_there_is_refused(near: Cable) -> None:
    with pytest.raises(OSError, match="No such device"):
        ReceivePort(PortKey(CONTROL_PORT, 4, "red"))


def test_what_the_kernel_does_not_tell_is_nothing() -> None:
    assert bfd.ttl_of([]) == 0
    assert bfd.local_address_of([(socket.SOL_SOCKET, 1, b"1234")]) is None
    assert bfd.source_of(("fe80::1%eth9", 1, 0, 999_999)) == (ip_address("fe80::1"), "")
