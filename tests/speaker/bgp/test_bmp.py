"""BMP as RFC 7854 §4 draws it; the octets are written by hand from the drawings."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from metallb_speaker.bgp.bmp import (
    MonitoredPeer,
    OpenedSession,
    PeerDownReason,
    down_reason,
    initiation,
    messages_in,
    peer_down,
    peer_up,
    route_monitoring,
    termination,
)
from metallb_speaker.bgp.messages import (
    KEEPALIVE,
    Notification,
    encode_notification,
    encode_open,
)
from metallb_speaker.bgp.open import OpenMessage

AT = 1_700_000_000.25
STAMP = "6553f100 0003d090"
"""1 700 000 000 seconds, 250 000 microseconds."""
TOR = MonitoredPeer(ip_address("10.0.0.1"), 65002, 0x0A000001)
SIX = MonitoredPeer(ip_address("fd00::1"), 4_200_000_000, 0x0A000001, four_octet_as=False)
HEAD = f"00 %s 0000000000000000 0000000000000000000000000a000001 0000fdea 0a000001 {STAMP}"
SIX_HEAD = f"00 %s 0000000000000000 fd000000000000000000000000000001 fa56ea00 0a000001 {STAMP}"
OPEN = encode_open(OpenMessage(65001, 90, 1))


def octets(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def test_an_initiation_says_who_we_are() -> None:
    assert (
        initiation("n1", "metallb")
        == octets("03 00000017 04 0001 0007") + b"metallb" + octets("0002 0002") + b"n1"
    )


def test_a_termination_says_that_it_is_meant() -> None:
    assert termination() == octets("03 0000000c 05 0001 0002 0000")


def test_a_peer_up_has_both_ends_and_both_opens() -> None:
    session = OpenedSession(ip_address("10.0.0.11"), 40000, 179, OPEN, OPEN)
    found = peer_up(TOR, session, AT)
    length = 6 + 42 + 20 + 2 * len(OPEN)
    ends = "0000000000000000000000000a00000b 9c40 00b3"
    assert found == octets(f"03 {length:08x} 03 {HEAD % '00'} {ends}") + OPEN + OPEN


@pytest.mark.parametrize(
    ("peer", "head"), [(TOR, HEAD % "50"), (SIX, SIX_HEAD % "f0")], ids=["IPv4", "IPv6, 2-octet AS"]
)
def test_a_route_is_told_as_one_of_adj_rib_out(peer: MonitoredPeer, head: str) -> None:
    """RFC 8671 §4: O is set, and L: what is told is after policy."""
    found = route_monitoring(peer, b"update", AT)
    assert found == octets(f"03 {6 + 42 + 6:08x} 00 {head}") + b"update"


@pytest.mark.parametrize(
    ("sent", "received", "is_ours", "reason"),
    [
        (Notification(6, 2), None, True, PeerDownReason.LOCAL_NOTIFICATION),
        (None, None, True, PeerDownReason.LOCAL_NO_NOTIFICATION),
        (None, Notification(6, 4), False, PeerDownReason.REMOTE_NOTIFICATION),
        (None, None, False, PeerDownReason.REMOTE_NO_NOTIFICATION),
    ],
)
def test_the_reason_is_who_ended_it_and_how(
    sent: Notification | None, received: Notification | None, *, is_ours: bool,
    reason: PeerDownReason,
) -> None:  # fmt: skip
    assert down_reason(sent, received, is_ours=is_ours) is reason


def test_a_peer_down_carries_the_notification() -> None:
    cease = encode_notification(Notification(6, 2))
    found = peer_down(TOR, PeerDownReason.LOCAL_NOTIFICATION, cease, AT)
    assert found == octets(f"03 {6 + 42 + 1 + len(cease):08x} 02 {HEAD % '00'} 01") + cease


def test_octets_are_parted_into_messages() -> None:
    cease = encode_notification(Notification(6, 2))
    assert list(messages_in(KEEPALIVE + cease + OPEN)) == [(4, KEEPALIVE), (3, cease), (1, OPEN)]
    assert list(messages_in(b"")) == []
