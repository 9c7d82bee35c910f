"""ARP frames, against scapy in both directions."""

from ipaddress import IPv4Address

import pytest
from scapy.layers.l2 import ARP, Ether

from metallb_speaker.l2 import arp
from metallb_speaker.l2.errors import DropReason
from metallb_speaker.l2.ethernet import MacAddress
from metallb_speaker.l2.iana import ArpOpcode
from vectors.l2 import frames
from vectors.l2.frames import ASKER_MAC, BROADCAST, NODE_MAC, VIP4

MAC = frames.LINK.mac.packed
VIP = IPv4Address(VIP4).packed
ZERO = "00:00:00:00:00:00"


def fields(frame: bytes) -> dict[str, object]:
    """All fields of a frame, by scapy."""
    ether = Ether(frame)
    assert bytes(ether) == frame
    packet = ether[ARP]
    assert (ether.type, packet.hwtype, packet.ptype, packet.hwlen, packet.plen) == (
        0x0806,
        1,
        0x0800,
        6,
        4,
    )
    assert len(frame) == 42
    return {
        "to": ether.dst,
        "from": ether.src,
        "op": packet.op,
        "sender": (packet.hwsrc, packet.psrc),
        "target": (packet.hwdst, packet.pdst),
    }


def decoded(frame: bytes) -> arp.ArpPacket:
    packet = arp.decode(frame)
    assert isinstance(packet, arp.ArpPacket)
    return packet


def test_request_is_decoded() -> None:
    assert decoded(frames.arp(1, target_mac="02:00:00:00:00:77")) == arp.ArpPacket(
        destination=b"\xff" * 6,
        source=MacAddress.parse(ASKER_MAC).packed,
        opcode=ArpOpcode.REQUEST,
        sender_mac=MacAddress.parse(ASKER_MAC).packed,
        sender_ip=IPv4Address(frames.ASKER_IPV4).packed,
        target_mac=MacAddress.parse("02:00:00:00:00:77").packed,
        target_ip=VIP,
    )


@pytest.mark.parametrize(
    ("situation", "frame", "is_probe", "is_announcement"),
    [
        ("request", frames.arp(1), False, False),
        ("reply", frames.arp(2), False, False),
        ("probe", frames.arp(1, sender="0.0.0.0"), True, False),
        ("reply to a probe", frames.arp(2, target="0.0.0.0"), False, False),
        ("reply from nowhere", frames.arp(2, sender="0.0.0.0"), False, False),
        ("announcement, request form", frames.arp(1, sender=VIP4), False, True),
        ("announcement, reply form", frames.arp(2, sender=VIP4), False, True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_probes_and_announcements_are_told_apart(
    situation: str, frame: bytes, is_probe: bool, is_announcement: bool
) -> None:
    packet = decoded(frame)
    assert (packet.is_probe, packet.is_announcement) == (is_probe, is_announcement), situation


@pytest.mark.parametrize("padding", [0, 1, 18, 200])
def test_padding_is_ignored_and_packet_encodes_to_the_frame(padding: int) -> None:
    frame = frames.arp(2)
    assert decoded(frame + b"\xaa" * padding).encode() == frame


@pytest.mark.parametrize("length", range(42))
def test_truncated_frame_is_dropped(length: int) -> None:
    assert arp.decode(frames.arp()[:length]) is DropReason.FRAME_TOO_SHORT


@pytest.mark.parametrize(
    ("situation", "frame", "reason"),
    [
        ("no ARP", frames.ns(), DropReason.OTHER_ETHERTYPE),
        ("IEEE 802", frames.arp(hwtype=6), DropReason.ARP_HARDWARE_TYPE),
        ("InfiniBand", frames.arp(hwtype=32), DropReason.ARP_HARDWARE_TYPE),
        ("hrd 0x0101", frames.arp(hwtype=0x0101), DropReason.ARP_HARDWARE_TYPE),
        ("pro IPv6", frames.arp(ptype=0x86DD), DropReason.ARP_PROTOCOL_TYPE),
        ("pro 0x0801", frames.arp(ptype=0x0801), DropReason.ARP_PROTOCOL_TYPE),
        ("long MAC", frames.arp(hwlen=8), DropReason.ARP_ADDRESS_LENGTH),
        ("no MAC", frames.arp(hwlen=0), DropReason.ARP_ADDRESS_LENGTH),
        ("long IP", frames.arp(plen=16), DropReason.ARP_ADDRESS_LENGTH),
        ("op 0", frames.arp(0), DropReason.ARP_OPCODE),
        ("RARP", frames.arp(3), DropReason.ARP_OPCODE),
        ("InARP", frames.arp(8), DropReason.ARP_OPCODE),
        ("op with high octet", frames.arp(0x0101), DropReason.ARP_OPCODE),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_kind_of_arp_is_dropped(situation: str, frame: bytes, reason: DropReason) -> None:
    # scapy lets address fields grow with hwlen and plen, so cut or pad to a full frame
    assert arp.decode(frame.ljust(60, b"\0")) is reason, situation


def test_reply_swaps_the_fields_of_the_request() -> None:
    request = decoded(frames.arp(1, target_mac=BROADCAST, source="02:00:00:00:00:99"))
    assert fields(arp.encode_reply(request, MAC)) == {
        "to": ASKER_MAC,  # the sender in the packet, not the source of the frame
        "from": NODE_MAC,
        "op": 2,
        "sender": (NODE_MAC, VIP4),
        "target": (ASKER_MAC, frames.ASKER_IPV4),
    }


def test_reply_to_a_probe_is_for_the_unspecified_address() -> None:
    request = decoded(frames.arp(1, sender="0.0.0.0"))
    assert fields(arp.encode_reply(request, MAC))["target"] == (ASKER_MAC, "0.0.0.0")


def test_announcement_in_request_form_has_a_zero_target_mac() -> None:
    request_form, _ = arp.encode_announcements(MAC, VIP)
    assert fields(request_form) == {
        "to": BROADCAST,
        "from": NODE_MAC,
        "op": 1,
        "sender": (NODE_MAC, VIP4),
        "target": (ZERO, VIP4),
    }


def test_announcement_in_reply_form_has_our_target_mac() -> None:
    _, reply_form = arp.encode_announcements(MAC, VIP)
    assert fields(reply_form) == {
        "to": BROADCAST,
        "from": NODE_MAC,
        "op": 2,
        "sender": (NODE_MAC, VIP4),
        "target": (NODE_MAC, VIP4),
    }


def test_our_announcements_are_recognised() -> None:
    for frame in arp.encode_announcements(MAC, VIP):
        assert decoded(frame).is_announcement


def test_our_probe_names_no_sender() -> None:
    frame = arp.encode_probe(MAC, VIP)
    assert fields(frame) == {
        "to": BROADCAST,
        "from": NODE_MAC,
        "op": 1,
        "sender": (NODE_MAC, "0.0.0.0"),
        "target": (ZERO, VIP4),
    }
    assert decoded(frame).is_probe
