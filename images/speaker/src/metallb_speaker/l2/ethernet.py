"""Ethernet II: MAC addresses, the frame header, and where IPv6 multicast goes.

Frames are built without padding or FCS: the kernel and the NIC pad to 60 octets and add the FCS.
Received ones may carry padding, which the decoders of ARP and NDP ignore, since both formats tell
their own length. There is no header decoder here: those two read header and body in one go.
"""

import re
import struct
from dataclasses import dataclass
from typing import Final, Self

from metallb_speaker.l2.iana import (
    MAC_ZERO,
    MULTICAST_MAC_PREFIX,
    SOLICITED_NODE_PREFIX,
    EtherType,
)

MAC_LENGTH: Final = 6
HEADER_LENGTH: Final = 14

_HEADER: Final = struct.Struct("!6s6sH")
_MAC_TEXT: Final = re.compile(r"[0-9a-fA-F]{2}(?:([:-])[0-9a-fA-F]{2}(?:\1[0-9a-fA-F]{2}){4})")


@dataclass(frozen=True, slots=True, order=True)
class MacAddress:
    """A 48-bit MAC address; as text `02:00:00:00:00:0a`."""

    packed: bytes

    def __post_init__(self) -> None:
        if len(self.packed) != MAC_LENGTH:
            raise ValueError(f"a MAC address has {MAC_LENGTH} octets, not {len(self.packed)}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read six pairs of hexadecimal digits parted by `:` or by `-`, as Linux and IEEE write."""
        if _MAC_TEXT.fullmatch(text) is None:
            raise ValueError(f"not a MAC address: {text!r}")
        return cls(bytes.fromhex(text.replace(text[2], "")))

    @property
    def is_multicast(self) -> bool:
        """Whether it names a group; broadcast is one (IEEE 802-2014 §8.2.2, the I/G bit)."""
        return bool(self.packed[0] & 1)

    def __str__(self) -> str:
        return self.packed.hex(":")


def is_station(mac: bytes) -> bool:
    """Whether one station can have this address: not a group, not broadcast, not zero."""
    return not mac[0] & 1 and mac != MAC_ZERO


def multicast_mac(group: bytes) -> bytes:
    """Map an IPv6 multicast address to the MAC that carries it.

    RFC 2464 §7: "An IPv6 packet with a multicast destination address DST, consisting of the
    sixteen octets DST[1] through DST[16], is transmitted to the Ethernet multicast address whose
    first two octets are the value 3333 hexadecimal and whose last four octets are the last four
    octets of DST."
    """
    return MULTICAST_MAC_PREFIX + group[12:]


SOLICITED_NODE_MAC_PREFIX: Final = multicast_mac(SOLICITED_NODE_PREFIX)
"""33:33:ff; the last three octets of a target follow."""


def encode_header(destination: bytes, source: bytes, ethertype: EtherType) -> bytes:
    """Build the 14 octets before the payload.

    ```
     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                         destination MAC                       |
    +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+               +
    |                               |           source MAC          |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
    |                                                               |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |           EtherType           |           payload ...
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    ```
    """
    return _HEADER.pack(destination, source, ethertype)
