"""What is left of both sides' wishes, and OPENs that are refused for whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from metallb_speaker.bgp.capabilities import (
    AddPath,
    BgpRole,
    Capability,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestart,
    LongLivedGracefulRestart,
    Multiprotocol,
    RouteRefresh,
)
from metallb_speaker.bgp.config import DynamicAsn
from metallb_speaker.bgp.errors import NotificationError
from metallb_speaker.bgp.iana import IPV4_UNICAST, IPV6_UNICAST, Afi, Family, Role
from metallb_speaker.bgp.negotiation import keepalive_seconds, negotiate, open_message
from metallb_speaker.bgp.open import OpenMessage
from support.bgp_pair import OUR_ASN, OUR_ID, THEIR_ASN, THEIR_ID, ours, theirs

BARE = OpenMessage(THEIR_ASN, 90, THEIR_ID)
RESTART = GracefulRestart(False, True, 120, ((IPV4_UNICAST, True),))


def with_capabilities(*capabilities: Capability) -> OpenMessage:
    return OpenMessage(THEIR_ASN, 90, THEIR_ID, capabilities)


def test_two_of_us_agree_on_everything() -> None:
    their_open = open_message(theirs(long_lived_seconds=60), is_restarting=False)
    found = negotiate(ours(long_lived_seconds=60), their_open)
    assert found.families == {Afi.IPV4, Afi.IPV6}
    assert found.four_octet_as
    assert found.extended_next_hop
    assert found.max_message == 65535
    assert found.enhanced_refresh
    assert found.notification_keeps
    assert found.long_lived
    assert not found.is_internal
    assert found.add_path == frozenset()  # both can only send
    assert (found.peer_asn, found.peer_router_id) == (THEIR_ASN, THEIR_ID)
    assert found.update_options.families == {IPV4_UNICAST, IPV6_UNICAST}
    assert found.update_options.extended_next_hop == {IPV4_UNICAST}
    assert found.update_options.add_path == frozenset()


def test_a_peer_without_capabilities_has_ipv4_and_no_more() -> None:
    """RFC 4760 §8, RFC 5492 §3."""
    found = negotiate(ours(), BARE)
    assert found.families == {Afi.IPV4}
    assert not found.four_octet_as
    assert not found.route_refresh
    assert not found.enhanced_refresh
    assert found.max_message == 4096
    assert found.peer_restart is None
    assert not found.notification_keeps
    assert not found.extended_next_hop


def test_our_open_says_all_that_is_offered() -> None:
    message = open_message(ours(long_lived_seconds=3600, role=Role.CUSTOMER), is_restarting=True)
    both = (IPV4_UNICAST, IPV6_UNICAST)
    assert message.capabilities == (
        Multiprotocol(IPV4_UNICAST),
        Multiprotocol(IPV6_UNICAST),
        RouteRefresh(),
        EnhancedRouteRefresh(),
        FourOctetAs(OUR_ASN),
        ExtendedMessage(),
        ExtendedNextHop(((IPV4_UNICAST, Afi.IPV6),)),
        AddPath(tuple((family, 2) for family in both)),
        GracefulRestart(True, True, 120, tuple((family, True) for family in both)),
        LongLivedGracefulRestart(tuple((family, True, 3600) for family in both)),
        BgpRole(Role.CUSTOMER),
    )
    assert (message.my_as, message.hold_seconds, message.router_id) == (OUR_ASN, 90, OUR_ID)


def test_what_is_not_wished_is_not_offered() -> None:
    config = ours(
        families=frozenset({Afi.IPV6}),
        extended_message=False,
        add_path=False,
        graceful_restart_seconds=None,
        long_lived_seconds=60,
    )
    assert open_message(config, is_restarting=True).capabilities == (
        Multiprotocol(IPV6_UNICAST),
        RouteRefresh(),
        EnhancedRouteRefresh(),
        FourOctetAs(OUR_ASN),
    )


def test_a_large_asn_goes_by_as_trans() -> None:
    message = open_message(ours(my_asn=4_200_000_000), is_restarting=False)
    assert OpenMessage.parse(message.encode()).my_as == 23456
    assert OpenMessage.parse(message.encode()).asn == 4_200_000_000


def test_the_local_asn_is_shown_in_place_of_ours() -> None:
    message = open_message(ours(local_asn=65000), is_restarting=False)
    assert message.asn == 65000
    assert negotiate(ours(local_asn=THEIR_ASN), BARE).is_internal


@pytest.mark.parametrize(
    ("here", "there", "agreed"), [(90, 180, 90), (180, 90, 90), (0, 90, 0), (90, 0, 0), (9, 3, 3)]
)
def test_the_shorter_hold_time_holds(here: int, there: int, agreed: int) -> None:
    their_open = OpenMessage(THEIR_ASN, there, THEIR_ID)
    assert negotiate(ours(hold_seconds=here), their_open).hold_seconds == agreed


@pytest.mark.parametrize(
    ("hold", "wished", "found"),
    [(90, None, 30), (90, 10, 10), (9, 30, 3), (90, 0, 1), (0, None, 0)],
)
def test_keepalives_come_three_times_in_a_hold_time_or_oftener(
    hold: int, wished: int | None, found: float
) -> None:
    assert keepalive_seconds(hold, wished) == found


REFUSED: dict[str, tuple[dict[str, Any], OpenMessage, int]] = {
    # RFC 4271 §6.2, RFC 6286 §2.2, RFC 5492 §5, RFC 9234 §4.2
    "another AS": ({}, OpenMessage(64999, 90, THEIR_ID), 2),
    "another AS in the capability": ({}, with_capabilities(FourOctetAs(64999)), 2),
    "external, and it is internal": (
        {"peer_asn": DynamicAsn.EXTERNAL},
        OpenMessage(OUR_ASN, 90, THEIR_ID),
        2,
    ),
    "internal, and it is external": ({"peer_asn": DynamicAsn.INTERNAL}, BARE, 2),
    "our identifier, internally": ({"peer_asn": OUR_ASN}, OpenMessage(OUR_ASN, 90, OUR_ID), 3),
    "no family in common": ({}, with_capabilities(Multiprotocol(Family(25, 70))), 7),
    "roles that do not fit": ({"role": Role.PEER}, with_capabilities(BgpRole(Role.CUSTOMER)), 11),
    "a role of the future": ({"role": Role.PEER}, with_capabilities(BgpRole(9)), 11),
    "two roles": ({}, with_capabilities(BgpRole(0), BgpRole(1)), 11),
    "no role, strictly": ({"role": Role.PEER, "is_role_strict": True}, BARE, 11),
}


@pytest.mark.parametrize("case", REFUSED)
def test_open_is_refused(case: str) -> None:
    changes, message, subcode = REFUSED[case]
    with pytest.raises(NotificationError) as caught:
        negotiate(ours(**changes), message)
    assert (caught.value.code, caught.value.subcode) == (2, subcode)
    assert caught.value.why


def test_a_missing_capability_is_named_in_the_notification() -> None:
    with pytest.raises(NotificationError) as caught:
        negotiate(ours(families=frozenset({Afi.IPV6})), BARE)
    assert caught.value.data == bytes.fromhex("01 04 0002 00 01")


ACCEPTED: dict[str, tuple[dict[str, Any], OpenMessage]] = {
    "external": ({"peer_asn": DynamicAsn.EXTERNAL}, BARE),
    "internal": ({"peer_asn": DynamicAsn.INTERNAL}, OpenMessage(OUR_ASN, 90, THEIR_ID)),
    "our identifier, externally (RFC 6286 §2.1)": ({}, OpenMessage(THEIR_ASN, 90, OUR_ID)),
    "no role, not strictly": ({"role": Role.PEER}, BARE),
    "a role, and we have none": ({}, with_capabilities(BgpRole(Role.PROVIDER))),
    "the same role twice": ({}, with_capabilities(BgpRole(4), BgpRole(4))),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_open_is_accepted(case: str) -> None:
    changes, message = ACCEPTED[case]
    assert negotiate(ours(**changes), message).peer_router_id == message.router_id


@pytest.mark.parametrize(
    ("role", "counterpart"),
    [
        (Role.PROVIDER, Role.CUSTOMER),
        (Role.CUSTOMER, Role.PROVIDER),
        (Role.PEER, Role.PEER),
        (Role.ROUTE_SERVER, Role.ROUTE_SERVER_CLIENT),
        (Role.ROUTE_SERVER_CLIENT, Role.ROUTE_SERVER),
    ],
)
def test_roles_fit(role: Role, counterpart: Role) -> None:
    message = with_capabilities(BgpRole(counterpart))
    assert negotiate(ours(role=role), message).peer_role == counterpart


def test_roles_mean_nothing_on_an_internal_session() -> None:
    """RFC 9234 §4.1: "MUST NOT advertise it to internal peers"."""
    config = ours(peer_asn=OUR_ASN, role=Role.PEER, is_role_strict=True)
    assert BgpRole(Role.PEER) not in open_message(config, is_restarting=False).capabilities
    message = OpenMessage(OUR_ASN, 90, THEIR_ID, (BgpRole(Role.PROVIDER),))
    assert negotiate(config, message).peer_role is None


def test_paths_are_numbered_for_those_who_can_receive_them() -> None:
    """RFC 7911 §4: 1 can receive, 2 can send, 3 both; other numbers are to be ignored."""
    message = with_capabilities(
        Multiprotocol(IPV4_UNICAST),
        Multiprotocol(IPV6_UNICAST),
        AddPath(((IPV4_UNICAST, 1), (IPV6_UNICAST, 2))),
    )
    assert negotiate(ours(), message).add_path == {Afi.IPV4}
    assert negotiate(ours(add_path=False), message).add_path == frozenset()


def test_graceful_restart_is_for_those_who_both_have_it() -> None:
    message = with_capabilities(RESTART, LongLivedGracefulRestart(()))
    assert negotiate(ours(), message).peer_restart == RESTART
    assert not negotiate(ours(), message).long_lived
    assert negotiate(ours(long_lived_seconds=60), message).long_lived
    off = negotiate(ours(graceful_restart_seconds=None, long_lived_seconds=60), message)
    assert off.peer_restart is None
    assert not off.notification_keeps
    assert not off.long_lived


def test_ipv6_next_hops_need_both_sides() -> None:
    message = with_capabilities(ExtendedNextHop(((IPV4_UNICAST, Afi.IPV6),)))
    assert negotiate(ours(), message).extended_next_hop
    off = negotiate(ours(extended_next_hop=False), message)
    assert not off.extended_next_hop
    assert off.update_options.extended_next_hop == frozenset()
    other = with_capabilities(ExtendedNextHop(((IPV6_UNICAST, Afi.IPV4),)))
    assert not negotiate(ours(), other).extended_next_hop


def test_enhanced_refresh_needs_plain_refresh() -> None:
    assert not negotiate(ours(), with_capabilities(EnhancedRouteRefresh())).enhanced_refresh
