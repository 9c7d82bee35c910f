"""What Linux, arping and ndisc6 really send, and what Linux answers in our place."""

from collections import Counter
from ipaddress import ip_address

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import Ether

from metallb_speaker.l2 import arp, ndp
from metallb_speaker.l2.errors import DropReason
from metallb_speaker.l2.responder import Answer, Sighting, respond
from vectors.l2.frames import LINK, OWNED, RECORDED, RECORDED_FLOOR, WATCHED

LEAVES_OUT_THE_OPTION = "ns-unicast"
"""RFC 4861 §7.2.4 lets an answer to unicast do so, and then wants Override clear. Ours has both."""


def named(vector: dict[str, str]) -> str:
    return vector["name"]


def test_there_are_as_many_as_recorded() -> None:
    assert len(RECORDED) >= RECORDED_FLOOR
    kinds = Counter(vector["outcome"] for vector in RECORDED)
    assert kinds["Answer"] >= 8
    assert kinds["Sighting"] >= 6
    assert len(kinds) >= 8
    assert set(kinds) - {"Answer", "Sighting"} <= set(DropReason)


@pytest.mark.parametrize("vector", RECORDED, ids=named)
def test_recorded_frame_has_its_outcome(vector: dict[str, str]) -> None:
    outcome = respond(bytes.fromhex(vector["frame"]), LINK, OWNED, WATCHED)
    if isinstance(outcome, DropReason):
        assert outcome == vector["outcome"]
        return
    assert type(outcome).__name__ == vector["outcome"]
    if isinstance(outcome, Sighting):
        assert (outcome.kind, str(ip_address(outcome.address)), str(outcome.mac)) == (
            vector["kind"],
            vector["address"],
            vector["mac"],
        )


@pytest.mark.parametrize("vector", [v for v in RECORDED if "linux_answer" in v], ids=named)
def test_answer_is_the_one_that_linux_gave(vector: dict[str, str]) -> None:
    outcome = respond(bytes.fromhex(vector["frame"]), LINK, OWNED, WATCHED)
    assert isinstance(outcome, Answer)
    if vector["name"] != LEAVES_OUT_THE_OPTION:
        assert outcome.frame.hex() == vector["linux_answer"]
        return
    ours, theirs = Ether(outcome.frame), Ether(bytes.fromhex(vector["linux_answer"]))
    assert ICMPv6NDOptDstLLAddr in ours
    assert (ours[ICMPv6ND_NA].O, theirs[ICMPv6ND_NA].O) == (1, 0)
    ours[ICMPv6ND_NA].remove_payload()
    ours[ICMPv6ND_NA].O = 0
    for packet in (ours, theirs):
        del packet[IPv6].plen, packet[ICMPv6ND_NA].cksum
    assert bytes(ours) == bytes(theirs)


def test_recorded_arp_encodes_to_itself() -> None:
    packets = [(v["name"], bytes.fromhex(v["frame"])) for v in RECORDED if v["name"][:3] == "arp"]
    assert len(packets) == 9
    for name, frame in packets:
        packet = arp.decode(frame)
        assert isinstance(packet, arp.ArpPacket), name
        assert packet.encode() == frame, name


def test_recorded_unsolicited_advertisement_encodes_to_itself() -> None:
    frame = next(bytes.fromhex(v["frame"]) for v in RECORDED if v["name"] == "na-unsolicited")
    message = ndp.decode(frame)
    assert isinstance(message, ndp.NdpMessage)
    again = ndp.encode_unsolicited(message.stated_mac, message.source, message.target)
    assert again == frame


def test_recorded_solicitation_encodes_to_itself() -> None:
    frame = next(bytes.fromhex(v["frame"]) for v in RECORDED if v["name"] == "ns")
    message = ndp.decode(frame)
    assert isinstance(message, ndp.NdpMessage)
    assert ndp.encode_solicitation(message.stated_mac, message.source, message.target) == frame
