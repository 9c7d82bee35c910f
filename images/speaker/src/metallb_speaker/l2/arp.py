"""ARP for IPv4 over Ethernet (RFC 826), and its three unasked uses.

Who says what:
  request       who has <target IP>? tell <sender IP>                     RFC 826
  reply         <sender IP> is at <sender MAC>                            RFC 826
  probe         request with sender IP 0.0.0.0: is <target IP> in use?    RFC 5227 §2.1.1
  announcement  sender IP = target IP: <sender IP> is at <sender MAC>;    RFC 5227 §2.3,
                the gratuitous ARP, in a request form and a reply form    RFC 5944 §4.6

The frame and the packet in it are read together: 42 octets, one fixed layout.

```
  octet 0            6           12    14    16    18   19   20    22
       +------------+------------+-----+-----+-----+----+----+-----+
       | destination|   source   |0806 | hrd | pro |hln |pln | op  |
       |    MAC     |    MAC     |     |  1  |0800 | 6  | 4  | 1,2 |
       +------------+------------+-----+-----+-----+----+----+-----+
       22           28        32            38        42
       +------------+---------+-------------+---------+- - - - - -
       | sender MAC |sender IP| target MAC  |target IP|  padding
       +------------+---------+-------------+---------+- - - - - -
```
"""

import struct
from typing import Final, NamedTuple

from metallb_speaker.l2.errors import DropReason
from metallb_speaker.l2.iana import (
    IPV4_UNSPECIFIED,
    MAC_BROADCAST,
    MAC_ZERO,
    ArpHardware,
    ArpOpcode,
    EtherType,
)

FRAME_LENGTH: Final = 42

_FRAME: Final = struct.Struct("!6s6s8sH6s4s6s4s")
_FIXED: Final = struct.pack("!HHHBB", EtherType.ARP, ArpHardware.ETHERNET, EtherType.IPV4, 6, 4)
_OPCODES: Final = {opcode.value: opcode for opcode in ArpOpcode}


class ArpPacket(NamedTuple):
    """One ARP packet and the header of its frame; a tuple, since one is made for each frame."""

    destination: bytes
    source: bytes
    opcode: ArpOpcode
    sender_mac: bytes
    sender_ip: bytes
    target_mac: bytes
    target_ip: bytes

    @property
    def is_probe(self) -> bool:
        """RFC 5227 §2.1.1: "The 'sender IP address' field MUST be set to all zeroes"."""
        return self.opcode is ArpOpcode.REQUEST and self.sender_ip == IPV4_UNSPECIFIED

    @property
    def is_announcement(self) -> bool:
        """RFC 5944 §4.6: both IPs are that "of the cache entry to be updated"."""
        return self.sender_ip == self.target_ip

    def encode(self) -> bytes:
        """Build the frame."""
        destination, source, opcode, *addresses = self
        return _FRAME.pack(destination, source, _FIXED, opcode, *addresses)


def decode(frame: bytes) -> ArpPacket | DropReason:
    """Read a frame whose EtherType is ARP; what follows the packet is padding."""
    if len(frame) < FRAME_LENGTH:
        return DropReason.FRAME_TOO_SHORT
    destination, source, fixed, opcode, *addresses = _FRAME.unpack_from(frame)
    if fixed != _FIXED:
        return _foreign(fixed)
    known = _OPCODES.get(opcode)
    if known is None:
        return DropReason.ARP_OPCODE
    return ArpPacket(destination, source, known, *addresses)


def _foreign(fixed: bytes) -> DropReason:
    """Tell which field is not IPv4 over Ethernet, in RFC 826's order of questions."""
    if fixed[:2] != _FIXED[:2]:
        return DropReason.OTHER_ETHERTYPE
    # RFC 826: "?Do I have the hardware type in ar$hrd?"
    if fixed[2:4] != _FIXED[2:4]:
        return DropReason.ARP_HARDWARE_TYPE
    # "?Do I speak the protocol in ar$pro?"
    if fixed[4:6] != _FIXED[4:6]:
        return DropReason.ARP_PROTOCOL_TYPE
    # "[optionally check the hardware length ar$hln] ... [optionally check the protocol length]"
    return DropReason.ARP_ADDRESS_LENGTH


def encode_reply(request: ArpPacket, mac: bytes) -> bytes:
    """Answer a request or a probe for an address that is at `mac`.

    RFC 826: "Swap hardware and protocol fields, putting the local hardware and protocol addresses
    in the sender fields. Set the ar$op field to ares_op$REPLY. Send the packet to the (new) target
    hardware address". So the answer goes to the sender MAC inside the packet, and that of a probe
    is for 0.0.0.0, as Linux sends it.
    """
    asker = request.sender_mac
    return _FRAME.pack(
        asker, mac, _FIXED, ArpOpcode.REPLY, mac, request.target_ip, asker, request.sender_ip
    )


def encode_announcements(mac: bytes, address: bytes) -> tuple[bytes, bytes]:
    """Build a gratuitous ARP in request form and in reply form, both broadcast.

    Both, because some stacks update a cache by one of them only. The target MAC:

    - request form: zero. RFC 5227 §2.3 makes it "identical to the ARP Probe" but for the IPs, and
      §2.1.1 says of the probe: "The 'target hardware address' field is ignored and SHOULD be set
      to all zeroes". (RFC 826 allows the broadcast address; upstream sends that.)
    - reply form: our own. RFC 5944 §4.6 (as RFC 2002 §4.6 before it): "When using an ARP Reply
      packet, the Target Hardware Address is also set to the link-layer address to which this cache
      entry should be updated". Linux obeys: to it a reply form with another target MAC is no
      gratuitous ARP, and it ignores it when its entry is younger than `locktime` (1 s; seen on
      6.18 with upstream's broadcast address, while this form moves the entry at once).
    """
    return (
        ArpPacket(MAC_BROADCAST, mac, ArpOpcode.REQUEST, mac, address, MAC_ZERO, address).encode(),
        ArpPacket(MAC_BROADCAST, mac, ArpOpcode.REPLY, mac, address, mac, address).encode(),
    )


def encode_probe(mac: bytes, address: bytes) -> bytes:
    """Ask whether anybody has an address, without leaving a trace in caches.

    RFC 5227 §2.1.1: the sender IP is zero "to avoid polluting ARP caches in other hosts on the same
    link in the case where the address turns out to be already in use by another host".
    """
    return ArpPacket(
        MAC_BROADCAST, mac, ArpOpcode.REQUEST, mac, IPV4_UNSPECIFIED, MAC_ZERO, address
    ).encode()
