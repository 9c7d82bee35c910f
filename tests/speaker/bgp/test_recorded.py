"""What real routers said is read as what they were configured to say."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

import pytest

from metallb_speaker.bgp.capabilities import (
    AddPath,
    Capability,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestart,
    LongLivedGracefulRestart,
    Multiprotocol,
    UnknownCapability,
)
from metallb_speaker.bgp.capabilities import RouteRefresh as RouteRefreshCapability
from metallb_speaker.bgp.iana import IPV4_UNICAST, IPV6_UNICAST, Afi, Family
from metallb_speaker.bgp.messages import (
    KEEPALIVE,
    MARKER,
    Keepalive,
    Message,
    MessageReader,
    RawUpdate,
    RouteRefresh,
    encode_open,
    encode_route_refresh,
)
from metallb_speaker.bgp.open import OpenMessage
from metallb_speaker.bgp.update import Update, end_of_rib, parse_update
from vectors.bgp.recorded import RECORDED
from vectors.bgp.updates import EXTERNAL

BOTH = (Multiprotocol(IPV4_UNICAST), Multiprotocol(IPV6_UNICAST))
REFRESH, ENHANCED = RouteRefreshCapability(), EnhancedRouteRefresh()
ASN = FourOctetAs(65002)


def restart(*families: tuple[Family, bool], restarting: bool, seconds: int) -> GracefulRestart:
    return GracefulRestart(restarting, False, seconds, families)


CAPABILITIES: dict[str, tuple[int, set[Capability]]] = {
    "BIRD 2.0.12": (
        240,
        {
            *BOTH, REFRESH, ENHANCED, ASN, ExtendedMessage(),
            restart(restarting=False, seconds=120), LongLivedGracefulRestart(()),
        },
    ),
    "FRR 8.4.4": (
        180,
        {
            *BOTH, REFRESH, ENHANCED, ASN, ExtendedMessage(),
            UnknownCapability(128, b""), UnknownCapability(73, b"\2vm\0"),
            AddPath(((IPV4_UNICAST, 1), (IPV6_UNICAST, 1))), GracefulRestart(True, True, 120, ()),
            LongLivedGracefulRestart(((IPV4_UNICAST, True, 0), (IPV6_UNICAST, True, 0))),
        },
    ),
    "GoBGP 3.10.0": (
        90,
        {
            *BOTH, REFRESH, ASN, UnknownCapability(73, b"\2vm\0"),
            ExtendedNextHop(((IPV4_UNICAST, Afi.IPV6),)),
            restart((IPV4_UNICAST, False), restarting=False, seconds=120),
        },
    ),
    "OpenBGPD 7.7": (90, {*BOTH, REFRESH, ENHANCED, ASN, restart(restarting=True, seconds=0)}),
    "ExaBGP 5.0.15": (
        180,
        {
            *BOTH, REFRESH, ENHANCED, ASN, ExtendedMessage(),
            restart((IPV4_UNICAST, True), (IPV6_UNICAST, True), restarting=True, seconds=120),
        },
    ),
}  # fmt: skip
"""By router: hold time and capabilities of its OPEN."""


def messages(name: str) -> list[Message]:
    reader, found = MessageReader(), []
    reader.feed(b"".join(MARKER + bytes.fromhex(text) for text in RECORDED[name]))
    while (message := reader.next_message()) is not None:
        found.append(message)
    assert len(found) == len(RECORDED[name])
    return found


def updates(name: str) -> list[Update]:
    return [parse_update(m.body, EXTERNAL) for m in messages(name) if isinstance(m, RawUpdate)]


@pytest.mark.parametrize("name", RECORDED)
def test_its_open_is_read(name: str) -> None:
    first, second, *_ = messages(name)
    assert isinstance(first, OpenMessage)
    assert (first.my_as, first.asn, first.router_id) == (65002, 65002, 0x0A090002)
    assert (first.hold_seconds, set(first.capabilities)) == CAPABILITIES[name]
    assert second == Keepalive()
    assert OpenMessage.parse(first.encode()) == first


@pytest.mark.parametrize("name", RECORDED)
def test_its_routes_are_read(name: str) -> None:
    found = {str(prefix): update for update in updates(name) for prefix in update.announced}
    assert set(found) == {"198.51.100.0/24", "10.128.0.0/9", "2001:db8:7::/48"}
    assert [update.problems for update in updates(name)] == [()] * len(updates(name))
    attributes = found["198.51.100.0/24"].attributes
    assert attributes[2] == struct.pack("!BBI", 2, 1, 65002)
    assert attributes[3] == bytes((10, 9, 0, 2))
    assert attributes[4] == struct.pack("!I", 7)
    assert attributes[8] == struct.pack("!HH", 65002, 7)
    assert attributes[32] == struct.pack("!III", 65002, 1, 2)
    if name in ("BIRD 2.0.12", "FRR 8.4.4", "ExaBGP 5.0.15"):
        assert attributes[16] == struct.pack("!BBHI", 0, 2, 65002, 9)
    reach = found["2001:db8:7::/48"].attributes[14]
    assert (reach[:3], reach[3]) == (b"\0\2\1", 32 if name in WITH_LINK_LOCAL else 16)
    if name != "OpenBGPD 7.7":
        assert IPv6Address(reach[4:20]) == IPv6Address("fd09::2")


WITH_LINK_LOCAL = ("BIRD 2.0.12", "FRR 8.4.4")


@pytest.mark.parametrize("name", RECORDED)
def test_its_end_of_rib_is_read_for_both_families(name: str) -> None:
    ends = {update.end_of_rib for update in updates(name)} - {None}
    assert ends == {IPV4_UNICAST, IPV6_UNICAST}


@pytest.mark.parametrize("name", ["FRR 8.4.4", "ExaBGP 5.0.15"])
def test_its_marks_around_a_refresh_are_read(name: str) -> None:
    marks = [message for message in messages(name) if isinstance(message, RouteRefresh)]
    assert marks == [RouteRefresh(IPV6_UNICAST, 1), RouteRefresh(IPV6_UNICAST, 2)]


def test_what_we_write_is_what_they_write() -> None:
    said = {MARKER + bytes.fromhex(text) for texts in RECORDED.values() for text in texts}
    ours = {
        KEEPALIVE,
        end_of_rib(IPV4_UNICAST),
        end_of_rib(IPV6_UNICAST),
        encode_route_refresh(RouteRefresh(IPV6_UNICAST, 1)),
    }
    assert ours <= said
    for name in ("BIRD 2.0.12", "OpenBGPD 7.7"):  # these have all capabilities in one parameter
        first = messages(name)[0]
        assert isinstance(first, OpenMessage)
        assert encode_open(first) in said
