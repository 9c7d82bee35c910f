"""BFD echoes that the peer's forwarding plane sends back, over IPv4 (RFC 5881 §4).

Such an echo is addressed to its own sender, and sent to the link-layer address of the peer: whoever
forwards packets returns it, be it hardware or a kernel, and no daemon needs to know of it. Sockets
of the kernel's IP would deliver it at home, and drop what comes back from its own address, so it
goes out and comes in by a packet socket on the interface. The link-layer address is that of the
kernel's neighbour table, which control packets keep fresh.

     Ethernet: peer, us, 0x0800 | IPv4: us, us, TTL 255 | UDP: 3785, 3785 | echo
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from metallb_speaker.bfd.iana import ECHO_PORT, TTL
from metallb_speaker.io.packet import attach_filter
from metallb_speaker.l2.ethernet import MacAddress
from metallb_speaker.l2.filters import (
    AD_PACKET_TYPE,
    JEQ_K,
    JGE_K,
    LD_B,
    LD_H,
    LD_W,
    PACKET_OTHERHOST,
    PASS_LENGTH,
    RET_K,
    Instruction,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address

NEIGHBOURS: Final = Path("/proc/self/net/arp")
FRAME_BYTES: Final = 512
FRAMES_PER_WAKE: Final = 256

_ETHERNET: Final = struct.Struct("!6s6sH")
_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_UDP: Final = struct.Struct("!HHHH")
_ETHERTYPE_IPV4: Final = 0x0800
_UDP_PROTOCOL: Final = 17
_CLASS_CS6: Final = 0xC0
_ETHERNET_HARDWARE: Final = "0x1"
_COMPLETE: Final = 0x2
_TTL_AT: Final = _ETHERNET.size + 8
_HEADER_BYTES: Final = _ETHERNET.size + _IPV4.size + _UDP.size

# <linux/bpf_common.h>, as in `metallb_speaker.l2.filters`
_TAX: Final = 0x07  # X = A
_JEQ_X: Final = 0x1D  # A == X ? jt : jf
_JSET_K: Final = 0x45  # A & k ? jt : jf
_LDX_MSH: Final = 0xB1  # X = length of the IP header at k
_LD_H_X: Final = 0x48  # A = 16 bits at X + k

# The number is the instruction's own; 15 passes the frame, 16 drops it.
PROGRAM: Final = (
    Instruction(LD_B, 0, 0, AD_PACKET_TYPE),  # 0  for others, or with another network's tag?
    Instruction(JGE_K, 14, 0, PACKET_OTHERHOST),  # 1
    Instruction(LD_W, 0, 0, 26),  # 2  source
    Instruction(_TAX, 0, 0, 0),  # 3
    Instruction(LD_W, 0, 0, 30),  # 4  and destination
    Instruction(_JEQ_X, 0, 10, 0),  # 5  must be one
    Instruction(LD_B, 0, 0, 22),  # 6  TTL: those of the peer have all of theirs,
    Instruction(JEQ_K, 8, 0, TTL),  # 7  and are the kernel's to forward
    Instruction(LD_B, 0, 0, 23),  # 8
    Instruction(JEQ_K, 0, 6, _UDP_PROTOCOL),  # 9
    Instruction(LD_H, 0, 0, 20),  # 10 fragment offset
    Instruction(_JSET_K, 4, 0, 0x1FFF),  # 11
    Instruction(_LDX_MSH, 0, 0, 14),  # 12
    Instruction(_LD_H_X, 0, 0, 16),  # 13 destination port
    Instruction(JEQ_K, 0, 1, ECHO_PORT),  # 14
    Instruction(RET_K, 0, 0, PASS_LENGTH),  # 15
    Instruction(RET_K, 0, 0, 0),  # 16
)


class Neighbour(NamedTuple):
    """Where an address is on the link."""

    mac: MacAddress
    interface: str


def read_neighbours(text: str) -> dict[str, Neighbour]:
    """Read the kernel's table of IPv4 neighbours: those on Ethernet that are resolved."""
    found = {}
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) == 6 and words[1] == _ETHERNET_HARDWARE and int(words[2], 16) & _COMPLETE:
            found[words[0]] = Neighbour(MacAddress.parse(words[3]), words[5])
    return found


def headers(peer: MacAddress, ours: MacAddress, address: IPv4Address, echo_bytes: int) -> bytes:
    """Write all that is before an echo; it is the same for all echoes of a session."""
    length = _IPV4.size + _UDP.size + echo_bytes
    fields = (0x45, _CLASS_CS6, length, 0, 0, TTL, _UDP_PROTOCOL)
    without = _IPV4.pack(*fields, 0, address.packed, address.packed)
    ip = _IPV4.pack(*fields, _checksum(without), address.packed, address.packed)
    udp = _UDP.pack(ECHO_PORT, ECHO_PORT, _UDP.size + echo_bytes, 0)  # 0: no checksum, RFC 768
    return _ETHERNET.pack(peer.packed, ours.packed, _ETHERTYPE_IPV4) + ip + udp


def _checksum(header: bytes) -> int:
    total = sum(word for (word,) in struct.iter_unpack("!H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return int(~(total + (total >> 16)) & 0xFFFF)


class EchoLink:
    """Echoes on one interface."""

    def __init__(self, interface: str) -> None:
        # protocol 0: nothing is received before the filter is on and the socket bound
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            attach_filter(self.socket, PROGRAM)
            self.socket.bind((interface, _ETHERTYPE_IPV4))
        except OSError:
            self.socket.close()
            raise
        self.mac = MacAddress(self.socket.getsockname()[4])

    def send(self, frame: bytes) -> bool:
        """Send a frame; tells whether the kernel took it."""
        try:
            self.socket.send(frame)
        except OSError:
            return False
        return True

    def echoes(self) -> Iterator[tuple[bytes, int]]:
        """Take the echoes that have come, and their TTL; at most `FRAMES_PER_WAKE`."""
        for _ in range(FRAMES_PER_WAKE):
            try:
                frame = self.socket.recv(FRAME_BYTES)
            except OSError:
                return
            if len(frame) >= _HEADER_BYTES and frame[_ETHERNET.size] == 0x45:
                length = int.from_bytes(frame[_HEADER_BYTES - 4 : _HEADER_BYTES - 2], "big")
                yield frame[_HEADER_BYTES : _HEADER_BYTES + length - _UDP.size], frame[_TTL_AT]

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
