"""Raw sockets with the kernel's filter, between two namespaces; scapy is at the other end."""

from __future__ import annotations

import select
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether

from metallb_speaker.io import packet
from metallb_speaker.io.packet import PacketPort, open_packet_socket
from metallb_speaker.l2.ethernet import MacAddress
from metallb_speaker.l2.groups import GroupChange
from metallb_speaker.l2.iana import EtherType
from metallb_speaker.l2.link import Link
from metallb_speaker.l2.ndp import solicited_node
from metallb_speaker.l2.unasked import announcement
from support.cable import (
    DEADLINE_SECONDS,
    FAR_IPV4,
    FAR_IPV6,
    FAR_MAC,
    NEAR_LINK_LOCAL,
    NEAR_MAC,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from support.cable import Cable

pytestmark = pytest.mark.netns

VIP4, VIP6 = "10.9.0.50", "fd09::50"
BROADCAST = "ff:ff:ff:ff:ff:ff"
OTHER_MAC = "02:00:00:00:00:77"
GROUP = solicited_node(ip_address(VIP6).packed)
OTHER_GROUP = solicited_node(ip_address("fd09::51").packed)


@pytest.fixture
def port(near: Cable) -> Iterator[PacketPort]:
    made = PacketPort(near.link())
    yield made
    made.close()


def who_has(to: str = BROADCAST, op: int = 1) -> Any:
    return Ether(src=FAR_MAC, dst=to) / ARP(op=op, hwsrc=FAR_MAC, psrc=FAR_IPV4, pdst=VIP4)


def solicitation(hop_limit: int = 255) -> Any:
    return (
        Ether(src=FAR_MAC, dst="33:33:ff:00:00:50")
        / IPv6(src=FAR_IPV6, dst=str(IPv6Address(GROUP)), hlim=hop_limit)
        / ICMPv6ND_NS(tgt=VIP6)
        / ICMPv6NDOptSrcLLAddr(lladdr=FAR_MAC)
    )


def to_all_nodes(layer: Any) -> Any:
    frame = Ether(src=FAR_MAC, dst="33:33:00:00:00:01")
    return frame / IPv6(src=FAR_IPV6, dst="ff02::1", hlim=255) / layer


def heard(raw: socket.socket, last: Any) -> list[bytes]:
    """Give the frames that a socket hears, up to the last one that the far end sent."""
    found: list[bytes] = []
    while bytes(last) not in found:
        ready, _, _ = select.select([raw], (), (), DEADLINE_SECONDS)
        assert ready, f"the last frame did not come: {last!r}"
        found += PacketPort.frames(raw)
    return found


NOISE: dict[str, Any] = {
    "IPv4": Ether(src=FAR_MAC, dst=BROADCAST) / IP(src=FAR_IPV4, dst="10.9.0.255") / UDP(),
    "RARP": who_has(op=3),
    "half an ARP packet": bytes(who_has())[:40],
    "ARP to another host": who_has(to=OTHER_MAC),
    "ARP of another VLAN": Ether(src=FAR_MAC, dst=BROADCAST) / Dot1Q(vlan=5) / who_has()[ARP],
    "echo reply": to_all_nodes(ICMPv6EchoReply()),
    "router advertisement": to_all_nodes(ICMPv6ND_RA()),
    "NS that was routed": solicitation(hop_limit=254),
}


@pytest.mark.parametrize("name", NOISE)
def test_the_kernel_wakes_us_for_arp_and_ndp_only(near: Cable, port: PacketPort, name: str) -> None:
    near.send(NOISE[name], who_has(), solicitation())
    arp, ipv6 = port.sockets
    assert heard(arp, who_has()) == [bytes(who_has())]
    assert heard(ipv6, solicitation()) == [bytes(solicitation())]


def test_a_priority_tag_is_no_vlan(near: Cable, port: PacketPort) -> None:
    near.send(Ether(src=FAR_MAC, dst=BROADCAST) / Dot1Q(vlan=0, prio=5) / who_has()[ARP])
    assert heard(port.sockets[0], who_has()) == [bytes(who_has())]


def test_gratuitous_arp_and_unsolicited_na_arrive_as_scapy_reads_them(
    near: Cable, port: PacketPort
) -> None:
    for vip in (VIP4, VIP6):
        for frame in announcement(near.link(), ip_address(vip).packed):
            assert port.send(frame)
    request, reply = near.hear(ARP), near.hear(ARP)
    for frame, op in ((request, 1), (reply, 2)):
        assert (frame.dst, frame.src, frame[ARP].op) == (BROADCAST, NEAR_MAC, op)
        assert (frame[ARP].hwsrc, frame[ARP].psrc, frame[ARP].pdst) == (NEAR_MAC, VIP4, VIP4)
    advertisement = near.hear(ICMPv6ND_NA)
    assert (advertisement.dst, advertisement[IPv6].src) == ("33:33:00:00:00:01", NEAR_LINK_LOCAL)
    said = advertisement[ICMPv6ND_NA]
    assert (said.tgt, said.R, said.S, said.O) == (VIP6, 0, 0, 1)
    assert said[ICMPv6NDOptDstLLAddr].lladdr == NEAR_MAC
    checksum = said.cksum
    del advertisement[ICMPv6ND_NA].cksum
    assert Ether(bytes(advertisement))[ICMPv6ND_NA].cksum == checksum


def test_what_we_send_ourselves_is_not_heard(near: Cable, port: PacketPort) -> None:
    for vip in (VIP4, VIP6):
        for frame in announcement(near.link(), ip_address(vip).packed):
            port.send(frame)
    near.send(who_has(), solicitation())
    arp, ipv6 = port.sockets
    assert heard(arp, who_has()) == [bytes(who_has())]
    assert heard(ipv6, solicitation()) == [bytes(solicitation())]


def test_frames_are_taken_in_portions(
    near: Cable, port: PacketPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet, "FRAMES_PER_WAKE", 2)
    frames = [who_has(), who_has(to=NEAR_MAC), who_has(op=2)]
    near.send(*frames)
    raw = port.sockets[0]
    select.select([raw], (), (), DEADLINE_SECONDS)
    first = list(port.frames(raw))
    assert len(first) <= 2
    assert first + heard(raw, frames[-1]) == [bytes(frame) for frame in frames]


# -- groups ----------------------------------------------------------------------------------------


def memberships(cable: Cable) -> set[str]:
    lines = cable.ip("maddr", "show", "dev", "eth0").splitlines()
    return {line.split()[1] for line in lines if "ff02::1:ff" in line}


def test_groups_are_joined_and_left(near: Cable, port: PacketPort) -> None:
    before = memberships(near)
    port.change_groups(GroupChange(join=(GROUP, OTHER_GROUP)))
    assert memberships(near) - before == {"ff02::1:ff00:50", "ff02::1:ff00:51"}
    port.change_groups(GroupChange(leave=(GROUP,)))
    assert memberships(near) - before == {"ff02::1:ff00:51"}
    port.close()
    assert memberships(near) == before


def takes_all(port: PacketPort) -> bool:
    return port.takes_all_multicast


def test_beyond_the_limit_the_interface_takes_all(
    near: Cable, port: PacketPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet, "GROUP_LIMIT", 1)
    before = memberships(near)
    port.change_groups(GroupChange(join=(GROUP,)))
    assert not takes_all(port)
    port.change_groups(GroupChange(join=(OTHER_GROUP,)))
    assert takes_all(port)
    assert memberships(near) == before
    port.change_groups(GroupChange(join=(solicited_node(ip_address("fd09::52").packed),)))
    assert memberships(near) == before


def test_a_group_that_cannot_be_joined_makes_the_interface_take_all(
    near: Cable, port: PacketPort
) -> None:
    port.change_groups(GroupChange(join=(ip_address("fd09::1").packed,)))  # no group at all
    assert takes_all(port)


# -- interfaces that are not there -----------------------------------------------------------------


def test_no_socket_is_left_open_for_an_interface_that_is_not_there(near: Cable) -> None:
    gone = Link("eth9", 99, MacAddress.parse(NEAR_MAC))
    with pytest.raises(OSError, match="No such device"):
        open_packet_socket(gone, EtherType.ARP)


def test_an_interface_that_goes_down_or_away_is_silence(near: Cable, port: PacketPort) -> None:
    frame, _ = announcement(near.link(), ip_address(VIP4).packed)
    near.ip("link", "set", "eth0", "down")
    assert not port.send(frame)
    assert list(port.frames(port.sockets[0])) == []
    near.ip("link", "del", "eth0")
    assert not port.send(frame)
    assert [list(port.frames(raw)) for raw in port.sockets] == [[], []]
    port.change_groups(GroupChange(join=(GROUP,)))
    assert not takes_all(port)


def test_errors_that_no_interface_explains_are_not_hidden(port: PacketPort) -> None:
    port.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        list(port.frames(port.sockets[0]))
