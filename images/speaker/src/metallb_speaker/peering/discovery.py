"""Unnumbered peers: found on their interface by Router Advertisements, and finding us so.

A router with an interface peer (FRR: `neighbor eth0 interface`) sends RAs there (RFC 4861 §4.2) and
takes whoever sends some for its peer. So do we: an RA from a link-local address with hop limit 255
says where the peer is; ours has lifetime 0 and no prefix, so no host takes us for its router. One
goes out at once, then each second a few times, then each ten seconds; and in answer to a router's
solicitation. An interface that is not there yet is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

from metallb_speaker.peering.sockets import words

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_ROUTER_SOLICITATION: Final = 133
_ROUTER_ADVERTISEMENT: Final = 134
_ICMP6_FILTER: Final = 1
_HOP_LIMIT: Final = 255
_ALL_NODES: Final = "ff02::1"
_ALL_ROUTERS: Final = "ff02::2"
_ADVERTISEMENT: Final = struct.pack("!BBHBBHII", _ROUTER_ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0)
"""Type, code, checksum (the kernel fills it in), hop limit, flags, lifetime, two more times."""
_ADVERTISEMENT_BYTES: Final = len(_ADVERTISEMENT)
_FAST_COUNT: Final = 5
_FAST_SECONDS: Final = 1.0
_SLOW_SECONDS: Final = 10.0
_READ_BYTES: Final = 1500


class Discovery:
    """One interface."""

    def __init__(self, interface: str, on_found: Callable[[str, IPv6Address], None]) -> None:
        self.interface = interface
        self._on_found = on_found
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._sent = 0
        self._fault: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tick()

    @property
    def is_open(self) -> bool:
        """The interface is there."""
        return self._socket is not None

    def close(self) -> None:
        """Advertise no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._forget()

    def _forget(self) -> None:
        raw, self._socket = self._socket, None
        if raw is not None:
            self._loop.remove_reader(raw)
            raw.close()

    def _tick(self) -> None:
        try:
            if self._socket is None:
                self._socket = _open(self.interface)
                self._loop.add_reader(self._socket, self._readable, self._socket)
            self._advertise()
            self._fault = None
        except OSError as error:
            self._failed(words(error))
        self._sent += 1
        wait = _FAST_SECONDS if self._sent < _FAST_COUNT else _SLOW_SECONDS
        self._timer = self._loop.call_later(wait, self._tick)

    def _failed(self, why: str) -> None:
        if why != self._fault:
            log.warning("interface %s: no peer can be found: %s", self.interface, why)
        self._fault = why
        self._forget()

    def _advertise(self) -> None:
        assert self._socket is not None
        scope = socket.if_nametoindex(self.interface)
        self._socket.sendto(_ADVERTISEMENT, (_ALL_NODES, 0, 0, scope))

    def _readable(self, raw: socket.socket) -> None:
        try:
            data, ancillary, _flags, source = raw.recvmsg(_READ_BYTES, socket.CMSG_SPACE(4))
        except OSError:
            return
        hops = [int.from_bytes(value[:4], "little") for _level, _kind, value in ancillary]
        if hops == [_HOP_LIMIT]:
            self._heard(data, IPv6Address(source[0].split("%")[0]))

    def _heard(self, data: bytes, source: IPv6Address) -> None:
        """Take an RA (RFC 4861 §6.1.2), or answer an RS."""
        if data[:2] == bytes((_ROUTER_SOLICITATION, 0)):
            self._sent = 0
            if self._timer is not None:
                self._timer.cancel()
            self._tick()
        elif len(data) >= _ADVERTISEMENT_BYTES and source.is_link_local:
            self._on_found(self.interface, source)


def _open(interface: str) -> socket.socket:
    raw = socket.socket(
        socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMPV6
    )
    try:
        scope = socket.if_nametoindex(interface)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        level = socket.IPPROTO_IPV6
        raw.setsockopt(level, socket.IPV6_MULTICAST_HOPS, _HOP_LIMIT)
        raw.setsockopt(level, socket.IPV6_MULTICAST_IF, scope)
        raw.setsockopt(level, socket.IPV6_MULTICAST_LOOP, 0)
        raw.setsockopt(level, socket.IPV6_RECVHOPLIMIT, 1)
        group = socket.inet_pton(socket.AF_INET6, _ALL_ROUTERS) + struct.pack("=I", scope)
        raw.setsockopt(level, socket.IPV6_JOIN_GROUP, group)
        raw.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _filter())
    except OSError:
        raw.close()
        raise
    return raw


def _filter() -> bytes:
    """Block all types but two: a bit that is set blocks (RFC 3542 §3.2)."""
    words = [0xFFFFFFFF] * 8
    for kind in (_ROUTER_SOLICITATION, _ROUTER_ADVERTISEMENT):
        words[kind >> 5] &= ~(1 << (kind & 31))
    return struct.pack("=8I", *words)
