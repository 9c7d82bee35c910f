"""UDP sockets for heartbeats: one an interface and family, bound to the interface.

Bound to the interface a datagram leaves by it whatever the routes say, and is known to have come
in by it, so what a heartbeat proves is that this interface works. Marked as network control (CS6,
RFC 4594 §3.1), so that a congested network drops them last.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address

DATAGRAM_BYTES = 1024
DATAGRAMS_PER_WAKE = 256
_TRAFFIC_CLASS_CS6 = 0xC0
_PRIORITY_CONTROL = 6


def _open(family: socket.AddressFamily, interface: str, port: int) -> socket.socket:
    udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        if family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _TRAFFIC_CLASS_CS6)
        else:
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TRAFFIC_CLASS_CS6)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _PRIORITY_CONTROL)
        udp.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    except OSError:
        udp.close()
        raise
    return udp


class HeartbeatPort:
    """Heartbeats over one interface, by IPv4 and, where the kernel has it, IPv6."""

    def __init__(self, interface: str, port: int) -> None:
        self._by_version = {4: _open(socket.AF_INET, interface, port)}
        try:
            self._by_version[6] = _open(socket.AF_INET6, interface, port)
        except OSError as error:
            if error.errno != errno.EAFNOSUPPORT:
                self.close()
                raise

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The sockets to wait on."""
        return tuple(self._by_version.values())

    def close(self) -> None:
        """Close all sockets."""
        for udp in self._by_version.values():
            udp.close()

    @staticmethod
    def datagrams(udp: socket.socket) -> Iterator[bytes]:
        """Take the datagrams that have come, at most `DATAGRAMS_PER_WAKE`."""
        for _ in range(DATAGRAMS_PER_WAKE):
            try:
                yield udp.recv(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error about an earlier datagram

    def send(self, data: bytes, address: IPv4Address | IPv6Address, port: int) -> bool:
        """Send a datagram; tells whether the kernel took it."""
        udp = self._by_version.get(address.version)
        if udp is None:
            return False
        try:
            udp.sendto(data, (str(address), port))
        except OSError:
            return False
        return True
