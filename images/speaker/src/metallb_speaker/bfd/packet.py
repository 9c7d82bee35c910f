"""The control packet (RFC 5880 §4.1), without its authentication section.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
    |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
    +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
    |                       My Discriminator                        |
    +---------------------------------------------------------------+
    |                      Your Discriminator                       |
    +---------------------------------------------------------------+
    |                    Desired Min TX Interval                    |
    +---------------------------------------------------------------+
    |                   Required Min RX Interval                    |
    +---------------------------------------------------------------+
    |                 Required Min Echo RX Interval                 |
    +---------------------------------------------------------------+

`decode` makes those checks of §6.8.6 that need no session, in its order.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from metallb_speaker.bfd.errors import DropReason
from metallb_speaker.bfd.iana import VERSION, State

PACKET_BYTES: Final = 24
AUTHENTICATED_BYTES_LEAST: Final = 26
POLL: Final = 0x20
FINAL: Final = 0x10
CONTROL_PLANE_INDEPENDENT: Final = 0x08
AUTHENTICATION_PRESENT: Final = 0x04
DEMAND: Final = 0x02
MULTIPOINT: Final = 0x01

_PACKET: Final = struct.Struct("!BBBBIIIII")
_STATES: Final = tuple(State)


class ControlPacket(NamedTuple):
    """One control packet; a tuple, since one is made for each that comes."""

    diagnostic: int
    """A number, since peers may use those that have no name yet."""
    state: State
    flags: int
    detect_multiplier: int
    length: int
    my_discriminator: int
    your_discriminator: int
    desired_min_tx_us: int
    required_min_rx_us: int
    required_min_echo_rx_us: int

    @property
    def is_poll(self) -> bool:
        """P: the sender wants a packet with F back."""
        return bool(self.flags & POLL)

    @property
    def is_final(self) -> bool:
        """F: the answer to a packet with P."""
        return bool(self.flags & FINAL)

    @property
    def is_authenticated(self) -> bool:
        """A: there is an authentication section."""
        return bool(self.flags & AUTHENTICATION_PRESENT)

    @property
    def is_demand(self) -> bool:
        """D: the sender wants no periodic packets while both are Up."""
        return bool(self.flags & DEMAND)

    def encode(self) -> bytes:
        """Write it; an authentication section is the caller's to append."""
        diagnostic, state, flags, multiplier, length, *rest = self
        first = VERSION << 5 | diagnostic
        return _PACKET.pack(first, state << 6 | flags, multiplier, length, *rest)


def decode(data: bytes) -> ControlPacket | DropReason:
    """Read a control packet."""
    if len(data) < PACKET_BYTES:
        return DropReason.TOO_SHORT
    first, second, multiplier, length, mine, yours, *intervals = _PACKET.unpack_from(data)
    # "If the version number is not correct (1), the packet MUST be discarded."
    if first >> 5 != VERSION:
        return DropReason.VERSION
    # "If the Length field is less than the minimum correct value (24 if the A bit is clear, or 26
    # if the A bit is set)", or "greater than the payload of the encapsulating protocol"
    is_authenticated = second & AUTHENTICATION_PRESENT
    least = AUTHENTICATED_BYTES_LEAST if is_authenticated else PACKET_BYTES
    if not least <= length <= len(data):
        return DropReason.LENGTH
    if not multiplier:
        return DropReason.DETECT_MULTIPLIER
    if second & MULTIPOINT:
        return DropReason.MULTIPOINT
    if not mine:
        return DropReason.MY_DISCRIMINATOR
    state = _STATES[second >> 6]
    # "If the Your Discriminator field is zero and the State field is not Down or AdminDown"
    if not yours and state > State.DOWN:
        return DropReason.YOUR_DISCRIMINATOR
    return ControlPacket(
        first & 0x1F, state, second & 0x3F, multiplier, length, mine, yours, *intervals
    )
