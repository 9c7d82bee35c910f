"""The addresses of this node's interfaces, as far as next hops need them; asked once a connection.

IPv4 from `SIOCGIFCONF`, IPv6 from `/proc/net/if_inet6`: both are of the network namespace that we
are in, and neither needs a netlink socket.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from metallb_speaker.bgp.next_hops import Endpoints

_SIOCGIFCONF: Final = 0x8912
_REQUEST: Final = struct.Struct("16sH2x4s16x")
"""`struct ifreq` on 64 bits: name, family, port, address."""
_MOST: Final = 1024
_IF_INET6: Final = Path("/proc/net/if_inet6")
_SCOPE_GLOBAL: Final = 0x00
_UNUSABLE: Final = 0x08 | 0x20 | 0x40
"""IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE."""


def ipv4_addresses() -> list[tuple[str, IPv4Address]]:
    """List interfaces with their IPv4 addresses, in the kernel's order."""
    buffer = array.array("B", bytes(_REQUEST.size * _MOST))
    at, length = buffer.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        answer = fcntl.ioctl(udp.fileno(), _SIOCGIFCONF, struct.pack("iL", length, at))
    used = struct.unpack("iL", answer)[0]
    return [
        (name.split(b"\0")[0].decode().split(":")[0], IPv4Address(packed))
        for name, _family, packed in _REQUEST.iter_unpack(buffer.tobytes()[:used])
    ]


def ipv6_addresses() -> list[tuple[str, IPv6Address]]:
    """List interfaces with their global IPv6 addresses that can be used, in the kernel's order."""
    try:
        lines = _IF_INET6.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        packed, _index, _length, scope, flags, name = line.split()
        if int(scope, 16) == _SCOPE_GLOBAL and not int(flags, 16) & _UNUSABLE:
            found.append((name, IPv6Address(bytes.fromhex(packed))))
    return found


def endpoints_of(tcp: socket.socket) -> Endpoints:
    """Tell the ends of a connection, and what else its interface here is called."""
    local, peer = tcp.getsockname(), tcp.getpeername()
    if tcp.family == socket.AF_INET:
        ours = IPv4Address(local[0])
        interface = next((name for name, address in ipv4_addresses() if address == ours), None)
        ipv6 = [address for name, address in ipv6_addresses() if name == interface]
        return Endpoints(ours, IPv4Address(peer[0]), ipv6=ipv6[0] if ipv6 else None)
    own = IPv6Address(local[0].split("%")[0])
    other = IPv6Address(peer[0].split("%")[0])
    interface = _interface_of(own, local[3])
    ipv4 = [address for name, address in ipv4_addresses() if name == interface]
    ipv6 = [address for name, address in ipv6_addresses() if name == interface]
    return Endpoints(own, other, ipv4=ipv4[0] if ipv4 else None, ipv6=ipv6[0] if ipv6 else None)


def _interface_of(address: IPv6Address, scope: int) -> str | None:
    if scope:
        try:
            return socket.if_indextoname(scope)
        except OSError:
            return None
    return next((name for name, known in ipv6_addresses() if known == address), None)
