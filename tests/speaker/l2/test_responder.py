"""The decision: answer, sighting or drop."""

from ipaddress import IPv6Address, ip_address

import pytest
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether

from metallb_speaker.l2.errors import FILTERED, DropReason
from metallb_speaker.l2.ethernet import MacAddress
from metallb_speaker.l2.link import Link
from metallb_speaker.l2.responder import Answer, Outcome, Sighting, SightingKind, respond
from metallb_speaker.l2.unasked import announcement, question
from vectors.l2.frames import (
    ALL_NODES_MAC,
    ASKER_IPV4,
    ASKER_IPV6,
    ASKER_MAC,
    BROADCAST,
    LINK,
    NODE_LINK_LOCAL,
    NODE_MAC,
    OWNED,
    VIP4,
    VIP6,
    WATCHED,
    arp,
    na,
    ns,
)

OTHER_MAC = "02:00:00:00:00:77"
ASKER_GROUP_MAC = "01:00:5e:00:00:0a"
NO_IPV6 = Link("eth0", 2, LINK.mac)


def judged(frame: bytes, *, owned: frozenset[bytes] = OWNED, link: Link = LINK) -> Outcome:
    return respond(frame, link, owned, WATCHED)


def sighting(address: str, kind: SightingKind, mac: str = ASKER_MAC) -> Sighting:
    return Sighting(ip_address(address).packed, MacAddress.parse(mac), kind)


def answer_to(frame: bytes, *, link: Link = LINK) -> Answer:
    outcome = judged(frame, link=link)
    assert isinstance(outcome, Answer)
    return outcome


class TestArpQuestion:
    @pytest.mark.parametrize("padding", [0, 18])
    @pytest.mark.parametrize("to", [BROADCAST, NODE_MAC])
    def test_request_for_an_owned_address_is_answered(self, to: str, padding: int) -> None:
        answer = answer_to(arp(to=to) + bytes(padding))
        assert answer.address == ip_address(VIP4).packed
        assert answer.frame == bytes(
            Ether(dst=ASKER_MAC, src=NODE_MAC)
            / ARP(op=2, hwsrc=NODE_MAC, psrc=VIP4, hwdst=ASKER_MAC, pdst=ASKER_IPV4)
        )

    def test_probe_of_an_owned_address_is_answered(self) -> None:
        answer = Ether(answer_to(arp(sender="0.0.0.0")).frame)
        assert (answer[ARP].psrc, answer[ARP].pdst) == (VIP4, "0.0.0.0")

    def test_link_without_ipv6_answers_arp(self) -> None:
        assert answer_to(arp(), link=NO_IPV6).frame == answer_to(arp()).frame

    def test_nothing_watched_is_the_default(self) -> None:
        assert respond(arp(), LINK, OWNED) == judged(arp())
        assert respond(arp(2), LINK, OWNED) is DropReason.NOT_WATCHED

    @pytest.mark.parametrize(
        ("situation", "frame", "reason"),
        [
            ("not ours", arp(target="10.9.0.99", sender="10.9.0.7"), DropReason.NOT_OWNED),
            ("to another node", arp(to=OTHER_MAC), DropReason.NOT_TO_US),
            ("to a group", arp(to="01:00:5e:00:00:01"), DropReason.NOT_TO_US),
            ("to IPv6's all nodes", arp(to=ALL_NODES_MAC), DropReason.NOT_TO_US),
            ("from us", arp(mac=NODE_MAC), DropReason.OWN_FRAME),
            ("from us, said otherwise", arp(source=NODE_MAC), DropReason.OWN_FRAME),
            ("from us, bridged", arp(mac=NODE_MAC, source=OTHER_MAC), DropReason.OWN_FRAME),
            ("from a group", arp(mac=ASKER_GROUP_MAC), DropReason.SENDER_MAC),
            ("from broadcast", arp(mac=BROADCAST, source=ASKER_MAC), DropReason.SENDER_MAC),
            ("from zero", arp(mac="00:00:00:00:00:00"), DropReason.SENDER_MAC),
            ("a reply", arp(2, sender="10.9.0.7", target=VIP4), DropReason.NOT_WATCHED),
            ("announcement of an owned one", arp(sender=VIP4), DropReason.NOT_WATCHED),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_other_request_is_dropped(
        self, situation: str, frame: bytes, reason: DropReason
    ) -> None:
        assert judged(frame) is reason, situation


class TestArpClaim:
    @pytest.mark.parametrize(
        ("situation", "frame", "kind"),
        [
            (
                "announcement, request form",
                arp(1, sender="10.9.0.51", target="10.9.0.51"),
                SightingKind.ARP_ANNOUNCEMENT,
            ),
            (
                "announcement, reply form",
                arp(2, sender="10.9.0.51", target="10.9.0.51"),
                SightingKind.ARP_ANNOUNCEMENT,
            ),
            (
                "reply to us",
                arp(2, sender="10.9.0.51", target="10.9.0.2", to=NODE_MAC),
                SightingKind.ARP_REPLY,
            ),
            (
                "reply to a probe",
                arp(2, sender="10.9.0.51", target="0.0.0.0", to=NODE_MAC),
                SightingKind.ARP_REPLY,
            ),
            (
                "reply to everybody",
                arp(2, sender="10.9.0.51", target="10.9.0.2"),
                SightingKind.ARP_REPLY,
            ),
            (
                "request for another",
                arp(1, sender="10.9.0.51", target="10.9.0.9"),
                SightingKind.ARP_REQUEST,
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_watched_sender_is_a_sighting(
        self, situation: str, frame: bytes, kind: SightingKind
    ) -> None:
        assert judged(frame) == sighting("10.9.0.51", kind), situation

    def test_mac_of_a_sighting_is_the_one_in_the_packet(self) -> None:
        frame = arp(2, sender="10.9.0.51", source=OTHER_MAC)
        assert judged(frame) == sighting("10.9.0.51", SightingKind.ARP_REPLY, ASKER_MAC)

    def test_claimant_who_asks_for_another_owned_address_is_answered(self) -> None:
        assert answer_to(arp(sender="10.9.0.51", target=VIP4)).address == ip_address(VIP4).packed

    def test_announcement_of_an_owned_and_watched_address_is_a_sighting_only(self) -> None:
        outcome = respond(arp(sender=VIP4, target=VIP4), LINK, OWNED, OWNED)
        assert outcome == sighting(VIP4, SightingKind.ARP_ANNOUNCEMENT)

    def test_probe_of_a_watched_address_is_no_claim(self) -> None:
        assert judged(arp(sender="0.0.0.0", target="10.9.0.51")) is DropReason.NOT_OWNED

    @pytest.mark.parametrize("mac", [NODE_MAC, BROADCAST, ASKER_GROUP_MAC, "00:00:00:00:00:00"])
    def test_claim_from_us_or_from_no_station_is_dropped(self, mac: str) -> None:
        frame = arp(2, sender="10.9.0.51", mac=mac, source=ASKER_MAC)
        expected = DropReason.OWN_FRAME if mac == NODE_MAC else DropReason.SENDER_MAC
        assert judged(frame) is expected


class TestSolicitation:
    @pytest.mark.parametrize("padding", [0, 40])
    @pytest.mark.parametrize("to", ["33:33:ff:00:00:50", NODE_MAC, ALL_NODES_MAC])
    def test_for_an_owned_address_is_answered(self, to: str, padding: int) -> None:
        answer = answer_to(ns(to=to) + bytes(padding))
        assert answer.address == ip_address(VIP6).packed
        assert answer.frame == na(
            target=VIP6,
            destination=ASKER_IPV6,
            mac=NODE_MAC,
            to=ASKER_MAC,
            option=NODE_MAC,
            solicited=1,
        )

    def test_without_source_option_is_answered_to_the_source_of_the_frame(self) -> None:
        frame = ns(destination=VIP6, to=NODE_MAC, option=None, mac=OTHER_MAC)
        assert Ether(answer_to(frame).frame).dst == OTHER_MAC

    def test_of_dad_is_answered_to_all_nodes(self) -> None:
        answer = answer_to(ns(source="::", option=None))
        assert answer.frame == na(target=VIP6, mac=NODE_MAC, option=NODE_MAC)

    @pytest.mark.parametrize(
        ("situation", "frame", "reason"),
        [
            ("not ours", ns(target="fd09::99", source="fd09::7"), DropReason.NOT_OWNED),
            ("shares the group", ns(target="fd0a::50", source="fd09::7"), DropReason.NOT_OWNED),
            ("from the target itself", ns(source=VIP6), DropReason.NOT_OWNED),
            ("to another node", ns(to=OTHER_MAC), DropReason.NOT_TO_US),
            ("to another group", ns(to="33:33:ff:00:00:51"), DropReason.NOT_TO_US),
            ("to broadcast", ns(to=BROADCAST), DropReason.NOT_TO_US),
            ("from us", ns(mac=NODE_MAC), DropReason.OWN_FRAME),
            ("from us, bridged", ns(option=NODE_MAC), DropReason.OWN_FRAME),
            ("option is a group", ns(option=ASKER_GROUP_MAC), DropReason.SENDER_MAC),
            ("option is zero", ns(option="00:00:00:00:00:00"), DropReason.SENDER_MAC),
            ("frame from a group", ns(option=None, mac=ASKER_GROUP_MAC), DropReason.SENDER_MAC),
            ("through a router", ns(hop_limit=254), DropReason.IPV6_HOP_LIMIT),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_other_is_dropped(self, situation: str, frame: bytes, reason: DropReason) -> None:
        assert judged(frame) is reason, situation

    def test_on_a_link_without_link_local_is_dropped(self) -> None:
        assert judged(ns(), link=NO_IPV6) is DropReason.NO_LINK_LOCAL


class TestNdpClaim:
    @pytest.mark.parametrize(
        ("frame", "kind"),
        [
            (na(), SightingKind.UNSOLICITED_ADVERTISEMENT),
            (
                na(destination=NODE_LINK_LOCAL, to=NODE_MAC, solicited=1),
                SightingKind.SOLICITED_ADVERTISEMENT,
            ),
            (na(source="fe80::7"), SightingKind.UNSOLICITED_ADVERTISEMENT),
            (na(option=None), SightingKind.UNSOLICITED_ADVERTISEMENT),
            (ns(target="fd09::9", source="fd09::51"), SightingKind.NEIGHBOR_SOLICITATION),
        ],
    )
    def test_watched_address_is_a_sighting(self, frame: bytes, kind: SightingKind) -> None:
        assert judged(frame) == sighting("fd09::51", kind)

    def test_mac_of_a_sighting_is_the_one_in_the_option(self) -> None:
        outcome = judged(na(mac=OTHER_MAC))
        assert outcome == sighting("fd09::51", SightingKind.UNSOLICITED_ADVERTISEMENT, ASKER_MAC)

    def test_claimant_who_asks_for_another_owned_address_is_answered(self) -> None:
        assert answer_to(ns(source="fd09::51")).address == ip_address(VIP6).packed

    def test_solicitation_by_the_claimant_of_its_own_address_is_a_sighting_only(self) -> None:
        outcome = respond(ns(source=VIP6), LINK, OWNED, OWNED)
        assert outcome == sighting(VIP6, SightingKind.NEIGHBOR_SOLICITATION)

    def test_link_without_link_local_still_sees(self) -> None:
        outcome = judged(na(), link=NO_IPV6)
        assert outcome == sighting("fd09::51", SightingKind.UNSOLICITED_ADVERTISEMENT)

    @pytest.mark.parametrize(
        ("frame", "reason"),
        [
            (na(target="fd09::99"), DropReason.NOT_WATCHED),
            (na(option=NODE_MAC), DropReason.OWN_FRAME),
            (na(option=BROADCAST), DropReason.SENDER_MAC),
            (na(to=OTHER_MAC), DropReason.NOT_TO_US),
            (ns(source="::", option=None, target="fd09::51"), DropReason.NOT_OWNED),
        ],
    )
    def test_other_is_dropped(self, frame: bytes, reason: DropReason) -> None:
        assert judged(frame) is reason


class TestTwoNodes:
    """Our own frames, heard by another node of ours."""

    OTHER = Link("eth0", 2, MacAddress.parse(ASKER_MAC))

    @pytest.mark.parametrize("vip", [VIP4, VIP6])
    def test_announcement_is_a_sighting_to_the_old_owner(self, vip: str) -> None:
        address = ip_address(vip).packed
        frames_sent = announcement(LINK, address)
        assert frames_sent
        for frame in frames_sent:
            outcome = respond(frame, self.OTHER, OWNED, OWNED)
            assert isinstance(outcome, Sighting)
            assert (outcome.address, outcome.mac) == (address, LINK.mac)

    @pytest.mark.parametrize("vip", [VIP4, VIP6])
    def test_question_is_answered_by_the_old_owner_and_the_answer_seen(self, vip: str) -> None:
        other = Link("eth0", 2, self.OTHER.mac, IPv6Address("fe80::a"))
        address = ip_address(vip).packed
        asked = question(LINK, address)
        assert asked is not None
        answer = respond(asked, other, OWNED, OWNED)
        assert isinstance(answer, Answer)
        seen = respond(answer.frame, LINK, frozenset(), OWNED)
        assert isinstance(seen, Sighting)
        assert (seen.address, seen.mac) == (address, other.mac)

    @pytest.mark.parametrize("vip", [VIP4, VIP6])
    def test_frame_that_comes_back_is_dropped(self, vip: str) -> None:
        for frame in announcement(LINK, ip_address(vip).packed):
            assert respond(frame, LINK, OWNED, OWNED) is DropReason.OWN_FRAME


GOOD = {
    "ARP request": arp(),
    "ARP request, unicast": arp(to=NODE_MAC),
    "ARP reply": arp(2, sender="10.9.0.51"),
    "NS": ns(),
    "NS, DAD": ns(source="::", option=None),
    "NS, NUD": ns(destination=VIP6, to=NODE_MAC, option=None),
    "NA": na(),
    "NA, solicited": na(destination=NODE_LINK_LOCAL, to=NODE_MAC, solicited=1),
}
"""Frames that each give an answer or a sighting."""


class TestSweeps:
    """Every truncation and every flipped bit of every good frame; the floors keep them whole."""

    def test_every_truncation_is_dropped(self) -> None:
        cases = [(name, frame[:cut]) for name, frame in GOOD.items() for cut in range(len(frame))]
        assert len(cases) == 3 * 42 + 3 * 86 + 2 * 78 == 540
        for name, frame in cases:
            assert isinstance(judged(frame), DropReason), (name, len(frame))

    @pytest.mark.parametrize("tag", ["81000007", "81000000", "88a80007", "88a8000781000008"])
    def test_tagged_frame_is_dropped(self, tag: str) -> None:
        assert len(GOOD) == 8
        for name, frame in GOOD.items():
            tagged = frame[:12] + bytes.fromhex(tag) + frame[12:]
            assert isinstance(Ether(tagged).payload, (Dot1Q, Dot1AD))
            assert judged(tagged) is DropReason.OTHER_ETHERTYPE, name

    def test_flipped_bit_in_an_arp_request_is_dropped_where_it_matters(self) -> None:
        source, sender, target_mac = range(6, 12), range(22, 32), range(32, 38)
        assert bits_that_do_not_matter(arp(mac=FAR_MAC)) == {
            **dict.fromkeys((*source, *sender, *target_mac), ALL_BITS),
            22: ALL_BITS[1:],  # the group bit of the sender MAC
        }

    def test_flipped_bit_in_a_solicitation_is_dropped_where_it_matters(self) -> None:
        source, class_and_flow = range(6, 12), range(15, 18)
        assert bits_that_do_not_matter(ns(mac=FAR_MAC, option=FAR_MAC)) == {
            **dict.fromkeys((*source, *class_and_flow), ALL_BITS),
            14: ALL_BITS[:4],  # the other half is the version
        }


ALL_BITS = (0, 1, 2, 3, 4, 5, 6, 7)
FAR_MAC = "0a:50:50:50:50:50"
"""More than one bit away from ours."""


def bits_that_do_not_matter(frame: bytes) -> dict[int, tuple[int, ...]]:
    """Octets with bits (0 is the low one) that can flip while the frame is still answered."""
    assert len(frame) in (42, 86)
    answered = {
        at: tuple(bit for bit in ALL_BITS if isinstance(judged(flipped(frame, at, bit)), Answer))
        for at in range(len(frame))
    }
    return {at: bits for at, bits in answered.items() if bits}


def flipped(frame: bytes, at: int, bit: int) -> bytes:
    return frame[:at] + bytes([frame[at] ^ 1 << bit]) + frame[at + 1 :]


def test_frame_without_a_header_is_dropped() -> None:
    for length in range(14):
        assert respond(bytes(length), LINK, OWNED, WATCHED) is DropReason.FRAME_TOO_SHORT
    assert respond(bytes(14), LINK, OWNED, WATCHED) is DropReason.OTHER_ETHERTYPE


def test_reasons_fall_into_filtered_and_ours() -> None:
    assert len(FILTERED) == 10
    assert len(DropReason) == 25
    assert len(set(DropReason)) == len({reason.value for reason in DropReason})
