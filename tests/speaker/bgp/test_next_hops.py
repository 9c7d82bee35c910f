"""The next hop of each family, over a session of either."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from metallb_speaker.bgp.iana import Afi
from metallb_speaker.bgp.negotiation import negotiate, open_message
from metallb_speaker.bgp.next_hops import Endpoints, next_hop
from support.bgp_pair import ours, theirs

PEER = negotiate(ours(), open_message(theirs(), is_restarting=False))
OLD_PEER = replace(PEER, extended_next_hop=False)
FOUR, FOUR_B = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.9")
SIX, SIX_B = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::9")
LINK = IPv6Address("fe80::1")
OVER_IPV4 = Endpoints(FOUR, FOUR_B)
OVER_IPV6 = Endpoints(SIX, SIX_B)
OVER_LINK = Endpoints(LINK, IPv6Address("fe80::2"))


def test_over_the_same_family_it_is_the_session_s_own_address() -> None:
    assert next_hop(Afi.IPV4, ours(), PEER, OVER_IPV4) == FOUR.packed
    assert next_hop(Afi.IPV6, ours(), PEER, OVER_IPV6) == SIX.packed


def test_ipv6_routes_over_ipv4_take_an_address_of_the_interface() -> None:
    assert next_hop(Afi.IPV6, ours(), PEER, OVER_IPV4) is None
    assert next_hop(Afi.IPV6, ours(), PEER, replace(OVER_IPV4, ipv6=SIX)) == SIX.packed


def test_ipv4_routes_over_ipv6_have_an_ipv6_next_hop_if_the_peer_takes_it() -> None:
    """RFC 8950 §4."""
    ends = replace(OVER_IPV6, ipv4=FOUR)
    assert next_hop(Afi.IPV4, ours(), PEER, ends) == SIX.packed
    assert next_hop(Afi.IPV4, ours(), OLD_PEER, ends) == FOUR.packed
    assert next_hop(Afi.IPV4, ours(), OLD_PEER, OVER_IPV6) is None


def test_over_link_local_addresses_there_is_both_or_that_alone() -> None:
    """RFC 2545 §3."""
    assert next_hop(Afi.IPV6, ours(), PEER, OVER_LINK) == LINK.packed
    assert next_hop(Afi.IPV4, ours(), PEER, OVER_LINK) == LINK.packed
    both = replace(OVER_LINK, ipv6=SIX)
    assert next_hop(Afi.IPV6, ours(), PEER, both) == SIX.packed + LINK.packed


def test_what_is_set_goes_before_all() -> None:
    config = ours(next_hop_ipv4=FOUR_B, next_hop_ipv6=SIX_B)
    for ends in (OVER_IPV4, OVER_IPV6, OVER_LINK):
        assert next_hop(Afi.IPV4, config, PEER, ends) == FOUR_B.packed
        assert next_hop(Afi.IPV6, config, PEER, ends) == SIX_B.packed
