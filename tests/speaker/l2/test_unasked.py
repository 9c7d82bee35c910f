"""What a link says unasked, by family."""

from ipaddress import IPv4Address, IPv6Address

from metallb_speaker.l2.gratuitous import ARP_FRAMES_PER_ROUND, NA_FRAMES_PER_ROUND
from metallb_speaker.l2.link import Link
from metallb_speaker.l2.unasked import announcement, question
from vectors.l2.frames import LINK, NODE_LINK_LOCAL, NODE_MAC, VIP4, VIP6, arp, na, ns

NO_IPV6 = Link("eth0", 2, LINK.mac)
V4 = IPv4Address(VIP4).packed
V6 = IPv6Address(VIP6).packed


def test_ipv4_round_is_both_forms_of_gratuitous_arp() -> None:
    expected = (
        arp(1, mac=NODE_MAC, sender=VIP4, target=VIP4),
        arp(2, mac=NODE_MAC, sender=VIP4, target=VIP4, target_mac=NODE_MAC),
    )
    assert announcement(LINK, V4) == announcement(NO_IPV6, V4) == expected
    assert len(expected) == ARP_FRAMES_PER_ROUND


def test_ipv6_round_is_one_unsolicited_advertisement() -> None:
    expected = (na(target=VIP6, source=NODE_LINK_LOCAL, mac=NODE_MAC, option=NODE_MAC),)
    assert announcement(LINK, V6) == expected
    assert len(expected) == NA_FRAMES_PER_ROUND


def test_link_without_link_local_says_nothing_of_ipv6() -> None:
    assert announcement(NO_IPV6, V6) == ()
    assert question(NO_IPV6, V6) is None


def test_question_is_a_probe_or_a_solicitation() -> None:
    assert question(LINK, V4) == arp(1, mac=NODE_MAC, sender="0.0.0.0", target=VIP4)
    assert question(LINK, V6) == ns(source=NODE_LINK_LOCAL, mac=NODE_MAC, option=NODE_MAC)
