"""What to do with one received frame: answer it, tell the caller of a claim, or drop it.

A frame is judged on its own; nothing is remembered. Two containers say what the node cares for:
`owned` holds the addresses that this node announces on this link, `watched` those of which it wants
to hear that somebody else claims them (its own, to find conflicts; those that it hands over, to see
that the new owner has announced). Addresses are packed: 4 octets or 16.

- A *question* is an ARP request or probe, or an NS, for an owned address. It gets an `Answer`.
- A *claim* says that a watched address is at a MAC that is not ours: any ARP packet by its sender
  IP, an NS by its source, an NA by its target. It gives a `Sighting`.
- An announcement asks nothing, though its request form looks so: sender and target are one address
  (RFC 5227 §1.1: to update caches). It is never answered, only a claim.
- A frame that is both, from a claimant of one VIP who asks for another of ours, is answered: the
  asker waits for it, and a claimant is heard again with his next frame.
- A probe for an address (sender IP 0.0.0.0, or an NS from `::`) claims nothing yet. If we own the
  address it is answered, which tells the prober that it is taken.

Frames of our own MAC come back by loops and hairpins; they are neither.
"""

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from metallb_speaker.l2 import arp, ndp
from metallb_speaker.l2.errors import DropReason
from metallb_speaker.l2.ethernet import (
    HEADER_LENGTH,
    SOLICITED_NODE_MAC_PREFIX,
    MacAddress,
    is_station,
    multicast_mac,
)
from metallb_speaker.l2.iana import ALL_NODES, MAC_BROADCAST, ArpOpcode, EtherType, Icmpv6Type
from metallb_speaker.l2.link import Link

_ARP: Final = EtherType.ARP.to_bytes(2, "big")
_IPV6: Final = EtherType.IPV6.to_bytes(2, "big")
_ALL_NODES_MAC: Final = multicast_mac(ALL_NODES)


class SightingKind(StrEnum):
    """By what kind of frame an address was claimed.

    The two questions are weak evidence: a node that has the VIP on some interface (kube-proxy in
    IPVS mode puts it there) may ask with it as its source, without answering for it.
    """

    ARP_ANNOUNCEMENT = "ArpAnnouncement"
    ARP_REPLY = "ArpReply"
    ARP_REQUEST = "ArpRequest"
    UNSOLICITED_ADVERTISEMENT = "UnsolicitedAdvertisement"
    SOLICITED_ADVERTISEMENT = "SolicitedAdvertisement"
    NEIGHBOR_SOLICITATION = "NeighborSolicitation"


@dataclass(frozen=True, slots=True)
class Answer:
    """A frame to send on the link that the question came from."""

    frame: bytes
    address: bytes


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody else says that a watched address is his."""

    address: bytes
    mac: MacAddress
    kind: SightingKind


Outcome = Answer | Sighting | DropReason


def respond(
    frame: bytes, link: Link, owned: Container[bytes], watched: Container[bytes] = frozenset()
) -> Outcome:
    """Judge one frame, from its destination MAC on. Never raises, whatever the bytes."""
    ethertype = frame[12:14]
    if ethertype == _ARP:
        return _respond_to_arp(frame, link, owned, watched)
    if ethertype == _IPV6:
        return _respond_to_ndp(frame, link, owned, watched)
    if len(frame) < HEADER_LENGTH:
        return DropReason.FRAME_TOO_SHORT
    return DropReason.OTHER_ETHERTYPE


def _respond_to_arp(
    frame: bytes, link: Link, owned: Container[bytes], watched: Container[bytes]
) -> Outcome:
    packet = arp.decode(frame)
    if isinstance(packet, DropReason):
        return packet
    mac = link.mac.packed
    if mac in (packet.source, packet.sender_mac):
        return DropReason.OWN_FRAME
    if packet.destination not in (MAC_BROADCAST, mac):
        return DropReason.NOT_TO_US
    # RFC 1812 §3.3.2: "A router MUST not believe any ARP reply that claims that the Link Layer
    # address of another host or router is a broadcast or multicast address." Nor answer to one.
    if not is_station(packet.sender_mac):
        return DropReason.SENDER_MAC
    asks = packet.opcode is ArpOpcode.REQUEST and not packet.is_announcement
    if asks and packet.target_ip in owned:
        return Answer(arp.encode_reply(packet, mac), packet.target_ip)
    if packet.sender_ip in watched:
        return Sighting(packet.sender_ip, MacAddress(packet.sender_mac), _kind_of_arp(packet))
    return DropReason.NOT_OWNED if asks else DropReason.NOT_WATCHED


def _kind_of_arp(packet: arp.ArpPacket) -> SightingKind:
    if packet.is_announcement:
        return SightingKind.ARP_ANNOUNCEMENT
    if packet.opcode is ArpOpcode.REPLY:
        return SightingKind.ARP_REPLY
    return SightingKind.ARP_REQUEST


def _respond_to_ndp(
    frame: bytes, link: Link, owned: Container[bytes], watched: Container[bytes]
) -> Outcome:
    message = ndp.decode(frame)
    if isinstance(message, DropReason):
        return message
    mac = link.mac.packed
    if mac in (message.source_mac, message.stated_mac):
        return DropReason.OWN_FRAME
    destination = message.destination_mac
    if (
        destination != SOLICITED_NODE_MAC_PREFIX + message.target[13:]
        and destination != mac
        and destination != _ALL_NODES_MAC
    ):
        return DropReason.NOT_TO_US
    if not is_station(message.stated_mac):
        return DropReason.SENDER_MAC
    if message.type is Icmpv6Type.NEIGHBOR_SOLICITATION:
        return _respond_to_solicitation(message, link, owned, watched)
    if message.target in watched:
        return _sighting(message, message.target, _kind_of_advertisement(message))
    return DropReason.NOT_WATCHED


def _respond_to_solicitation(
    message: ndp.NdpMessage, link: Link, owned: Container[bytes], watched: Container[bytes]
) -> Outcome:
    if message.target in owned and message.source != message.target:
        if link.link_local is None:
            return DropReason.NO_LINK_LOCAL
        return Answer(ndp.encode_answer(message, link.mac.packed), message.target)
    if message.source in watched:
        return _sighting(message, message.source, SightingKind.NEIGHBOR_SOLICITATION)
    return DropReason.NOT_OWNED


def _kind_of_advertisement(message: ndp.NdpMessage) -> SightingKind:
    if message.is_solicited:
        return SightingKind.SOLICITED_ADVERTISEMENT
    return SightingKind.UNSOLICITED_ADVERTISEMENT


def _sighting(message: ndp.NdpMessage, address: bytes, kind: SightingKind) -> Sighting:
    return Sighting(address, MacAddress(message.stated_mac), kind)
