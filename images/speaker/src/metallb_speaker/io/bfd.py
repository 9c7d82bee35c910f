"""UDP sockets of BFD (RFC 5881 §4, §5; RFC 5883 §5).

One socket a port, family and VRF receives, and tells the TTL and where to a datagram came. Each
session sends from a socket of its own, connected to the peer, with a source port of its own. All
is sent with TTL 255 and as network control (CS6, RFC 4594 §3.1). Echoes go in and out by the echo
port, so that who loops them back need only swap addresses; looped back, they have TTL 254.
"""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from metallb_speaker.bfd.iana import CONTROL_PORT, ECHO_PORT, MULTIHOP_PORT, SOURCE_PORTS, TTL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from metallb.net.addresses import IPAddress
    from metallb_speaker.bfd.config import Endpoint

DATAGRAM_BYTES: Final = 512
DATAGRAMS_PER_WAKE: Final = 512
BUFFER_BYTES: Final = 4 * 1024 * 1024
"""What the kernel may hold while we are stalled: all that was sent to us is read before any session
is found silent.
"""

_IP_PKTINFO: Final = 8
_IP_RECVTTL: Final = 12
_SO_RCVBUFFORCE: Final = 33
_TRAFFIC_CLASS_CS6: Final = 0xC0
_PRIORITY_CONTROL: Final = 6
_ANCILLARY_BYTES: Final = 128
_INT: Final = struct.Struct("=i")
_PKTINFO4: Final = struct.Struct("=i4s4s")
_PKTINFO6: Final = struct.Struct("=16si")

Ancillary = list[tuple[int, int, bytes]]


class PortKey(NamedTuple):
    """Which socket: of which UDP port, family and VRF."""

    port: int
    version: int
    vrf: str = ""

    @classmethod
    def of(cls, endpoint: Endpoint) -> PortKey:
        """Name the socket by which the peer of a session is heard."""
        port = MULTIHOP_PORT if endpoint.is_multihop else CONTROL_PORT
        return cls(port, endpoint.peer_address.version, endpoint.vrf)


def _open(version: int, device: str) -> socket.socket:
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if device:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
        if version == 6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _TRAFFIC_CLASS_CS6)
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, TTL)
        else:
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TRAFFIC_CLASS_CS6)
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _PRIORITY_CONTROL)
    except OSError:
        udp.close()
        raise
    return udp


class ReceivePort:
    """Where datagrams of one kind come in; by the echo port they go out too."""

    def __init__(self, key: PortKey) -> None:
        self.key = key
        self.socket = _open(key.version, key.vrf)
        try:
            self._set_up()
        except OSError:
            self.socket.close()
            raise

    def _set_up(self) -> None:
        udp = self.socket
        if self.key.version == 6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            udp.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
            udp.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        try:
            udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_BYTES)
        except PermissionError:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(bool(self.key.vrf)))
        udp.bind(("::" if self.key.version == 6 else "0.0.0.0", self.key.port))

    def datagrams(self) -> Iterator[tuple[bytes, Ancillary, Any]]:
        """Take what has come, at most `DATAGRAMS_PER_WAKE`: data, ancillary data, from where."""
        receive = self.socket.recvmsg
        for _ in range(DATAGRAMS_PER_WAKE):
            try:
                data, ancillary, _, source = receive(DATAGRAM_BYTES, _ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error about an earlier datagram
            yield data, ancillary, source

    def send(self, data: bytes, ttl: int, target: Any, local: IPAddress | None) -> bool:
        """Send with a TTL, from an address of ours; tells whether the kernel took it."""
        if self.key.version == 6:
            level, ttl_kind, info_kind = (
                socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, socket.IPV6_PKTINFO,
            )  # fmt: skip
            info = _PKTINFO6.pack(local.packed, 0) if local else b""
        else:
            level, ttl_kind, info_kind = socket.IPPROTO_IP, socket.IP_TTL, _IP_PKTINFO
            info = _PKTINFO4.pack(0, local.packed, bytes(4)) if local else b""
        ancillary = [(level, ttl_kind, _INT.pack(ttl))]
        if info:
            ancillary.append((level, info_kind, info))
        try:
            self.socket.sendmsg([data], ancillary, 0, target)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def ttl_of(ancillary: Ancillary) -> int:
    """Read the TTL or hop limit; 0 when the kernel told none."""
    for level, kind, data in ancillary:
        if kind == (socket.IP_TTL if level == socket.IPPROTO_IP else socket.IPV6_HOPLIMIT):
            return int(_INT.unpack_from(data)[0])
    return 0


def local_address_of(ancillary: Ancillary) -> IPAddress | None:
    """Read which of our addresses a datagram was for."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            return ip_address(_PKTINFO4.unpack_from(data)[2])
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return ip_address(_PKTINFO6.unpack_from(data)[0])
    return None


def source_of(source: Any) -> tuple[IPAddress, str]:
    """Read where a datagram came from: the address, and the interface if it is link-local."""
    address = ip_address(source[0].partition("%")[0])
    scope = source[3] if len(source) == 4 else 0
    try:
        return address, socket.if_indextoname(scope) if scope else ""
    except OSError:
        return address, ""  # the interface has just gone


def target_of(endpoint: Endpoint, port: int) -> tuple[Any, ...]:
    """Write where to send; raises OSError when the interface is not there."""
    address = str(endpoint.peer_address)
    if endpoint.peer_address.version == 4:
        return address, port
    scope = 0
    if endpoint.peer_address.is_link_local and endpoint.interface:
        scope = socket.if_nametoindex(endpoint.interface)
    return address, port, 0, scope


class SendPort:
    """From where one session sends; opened when it is wanted, and anew when the kernel refuses."""

    def __init__(self, endpoint: Endpoint, chance: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._chance = chance
        self._socket: socket.socket | None = None
        self.fault = ""
        """Why nothing can be sent, if so."""

    def send(self, data: bytes) -> bool:
        """Send a control packet; tells whether the kernel took it."""
        for _ in range(2):  # the first may only tell of an ICMP error about an earlier datagram
            try:
                if self._socket is None:
                    self._socket = self._connect()
                self._socket.send(data)
            except ConnectionRefusedError:
                continue
            except OSError as error:
                self.fault = error.strerror or str(error)
                if not isinstance(error, BlockingIOError):
                    self.close()  # addresses and routes may be others when it is opened anew
                return False
            self.fault = ""
            return True
        return True  # nobody listens there, which is for BFD to find

    @property
    def local_address(self) -> IPAddress | None:
        """Which of our addresses is sent from; None: nothing could be sent yet."""
        if self._socket is None:
            return None
        return source_of(self._socket.getsockname())[0]

    def _connect(self) -> socket.socket:
        endpoint = self._endpoint
        udp = _open(endpoint.peer_address.version, endpoint.interface or endpoint.vrf)
        try:
            self._bind(udp)
            port = MULTIHOP_PORT if endpoint.is_multihop else CONTROL_PORT
            udp.connect(target_of(endpoint, port))
        except OSError:
            udp.close()
            raise
        return udp

    def _bind(self, udp: socket.socket) -> None:
        """Take a free source port by chance; raises OSError when the address is not ours."""
        wildcard = "::" if self._endpoint.peer_address.version == 6 else "0.0.0.0"
        local = self._endpoint.local_address
        address: tuple[Any, ...] = (str(local or wildcard),)
        scope = target_of(self._endpoint, 0)[2:]
        first = int(self._chance() * len(SOURCE_PORTS))
        for step in range(len(SOURCE_PORTS)):
            port = SOURCE_PORTS[(first + step) % len(SOURCE_PORTS)]
            try:
                udp.bind((*address, port, *scope))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return
        raise OSError(errno.EADDRINUSE, "no source port is free")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def echo_key(endpoint: Endpoint) -> PortKey:
    """Name the socket by which echoes of a session go and come."""
    return PortKey(ECHO_PORT, endpoint.peer_address.version, endpoint.vrf)
