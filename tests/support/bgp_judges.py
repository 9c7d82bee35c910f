"""What two other implementations read in our UPDATEs: ExaBGP, and scapy's dissector.

Both give one form: prefixes by what is done with them, the next hop, and what is said of the route,
each in its own words. Scapy knows no AS4_PATH and only the first of several communities.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from exabgp.bgp.message.action import Action
from exabgp.bgp.message.direction import Direction
from exabgp.bgp.message.open.asn import ASN
from exabgp.bgp.message.open.capability.negotiated import Negotiated
from exabgp.bgp.message.update import Update
from exabgp.bgp.message.update.attribute import ASPath, Attributes, LocalPreference, NextHop, Origin
from exabgp.bgp.message.update.attribute.community.initial.communities import Communities
from exabgp.bgp.message.update.attribute.community.initial.community import Community
from exabgp.bgp.message.update.nlri.cidr import CIDR
from exabgp.bgp.message.update.nlri.inet import INET
from exabgp.logger import log
from exabgp.protocol.family import AFI, SAFI
from exabgp.protocol.ip import IPv4
from scapy.contrib import bgp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network

log.disable()


@dataclass
class Reading:
    """What a judge reads."""

    announced: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    next_hop: str | None = None
    attributes: dict[str, object] = field(default_factory=dict)


def negotiated(*, four_octet_as: bool = True, has_path_ids: bool = False) -> Negotiated:
    """A session of ExaBGP's for both families, with extended next hops."""
    session = Negotiated({"capability": {"aigp": False}})
    session.asn4 = four_octet_as
    session.families = [(AFI.ipv4, SAFI.unicast), (AFI.ipv6, SAFI.unicast)]
    session.nexthop = [(AFI.ipv4, SAFI.unicast, AFI.ipv6)]
    for afi in (AFI.ipv4, AFI.ipv6):
        session.addpath._receive[afi, SAFI.unicast] = has_path_ids
    return session


def exabgp_reads(body: bytes, session: Negotiated) -> Reading:
    """Read the body of an UPDATE by ExaBGP."""
    update = Update.unpack_message(body, Direction.IN, session)
    reading = Reading()
    for nlri in update.nlris:
        is_announced = nlri.action == Action.ANNOUNCE
        (reading.announced if is_announced else reading.withdrawn).add(str(nlri.cidr))
        if is_announced:
            reading.next_hop = str(nlri.nexthop)
    for code, value in update.attributes.items():
        is_list = code in _LISTS
        said = [item.pack() for item in value.communities] if is_list else str(value)
        reading.attributes[_EXABGP_NAMES[int(code)]] = said
    return reading


_LISTS = (8, 16, 32)
_EXABGP_NAMES = {
    1: "origin", 2: "as path", 3: "next hop", 4: "med", 5: "local pref", 8: "communities",
    16: "extended communities", 32: "large communities",
}  # fmt: skip


def scapy_reads(message: bytes, *, four_octet_as: bool = True) -> Reading:
    """Read a whole UPDATE by scapy."""
    bgp.bgp_module_conf.use_2_bytes_asn = not four_octet_as
    packet = bgp.BGPHeader(message)
    assert packet.len == len(message)
    update = packet[bgp.BGPUpdate]
    reading = Reading()
    reading.announced = {nlri.prefix for nlri in update.nlri}
    reading.withdrawn = {nlri.prefix for nlri in update.withdrawn_routes}
    for item in update.path_attr:
        _take(reading, item.type_code, item.attribute)
    return reading


def _take(reading: Reading, code: int, value: Any) -> None:
    if code == 1:
        reading.attributes["origin"] = value.origin
    elif code == 2:
        reading.attributes["as path"] = [
            (part.segment_type, part.segment_value) for part in value.segments
        ]
    elif code == 3:
        reading.next_hop = value.next_hop
    elif code == 4:
        reading.attributes["med"] = value.med
    elif code == 5:
        reading.attributes["local pref"] = value.local_pref
    elif code == 14:
        reading.announced |= {nlri.prefix for nlri in value.nlri}
        reading.next_hop = value.nh_v6_addr
    elif code == 15:
        for part in value.afi_safi_specific.withdrawn_routes:
            reading.withdrawn.add(part.prefix)


def exabgp_builds(networks: Iterable[IPv4Network], communities: Iterable[bytes]) -> list[bytes]:
    """Write UPDATEs by ExaBGP, to an internal peer."""
    session = negotiated()
    session.local_as = session.peer_as = ASN(65001)
    attributes = Attributes()
    for attribute in (Origin(Origin.IGP), ASPath([]), NextHop("192.0.2.1"), LocalPreference(100)):
        attributes.add(attribute)
    attributes.add(Communities(sorted(Community(packed) for packed in communities)))
    return list(Update([_inet(network) for network in networks], attributes).messages(session))


def _inet(network: IPv4Network) -> INET:
    nlri = INET(AFI.ipv4, SAFI.unicast, Action.ANNOUNCE)
    nlri.cidr = CIDR(network.network_address.packed, network.prefixlen)
    nlri.nexthop = IPv4.create("192.0.2.1")
    return nlri


def scapy_builds(
    networks: Iterable[IPv4Network], withdrawn: Iterable[IPv4Network], med: int, path: list[int]
) -> bytes:
    """Write an UPDATE by scapy, with AS numbers of four octets; ORIGIN is INCOMPLETE."""
    bgp.bgp_module_conf.use_2_bytes_asn = False
    segment = bgp.BGPPAAS4BytesPath.ASPathSegment
    segments = [segment(segment_type=2, segment_value=path)] if path else []
    attributes = [
        bgp.BGPPathAttr(type_flags=0x40, type_code=1, attribute=bgp.BGPPAOrigin(origin=2)),
        bgp.BGPPathAttr(
            type_flags=0x40, type_code=2, attribute=bgp.BGPPAAS4BytesPath(segments=segments)
        ),
        bgp.BGPPathAttr(
            type_flags=0x40, type_code=3, attribute=bgp.BGPPANextHop(next_hop="192.0.2.1")
        ),
        bgp.BGPPathAttr(type_flags=0x80, type_code=4, attribute=bgp.BGPPAMultiExitDisc(med=med)),
    ]
    update = bgp.BGPUpdate(
        path_attr=attributes,
        nlri=[bgp.BGPNLRI_IPv4(prefix=str(network)) for network in networks],
        withdrawn_routes=[bgp.BGPNLRI_IPv4(prefix=str(network)) for network in withdrawn],
    )
    return bytes(bgp.BGPHeader(type=2) / update)
