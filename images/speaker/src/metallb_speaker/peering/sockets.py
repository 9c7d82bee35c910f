"""TCP sockets for BGP, and the options that sessions want of them.

| wish | option |
| --- | --- |
| RFC 2385 (MD5) | `TCP_MD5SIG`, by the peer's address, on the listener too |
| RFC 5925 (TCP-AO) | `TCP_AO_ADD_KEY`; a kernel without it refuses, and so do we |
| RFC 5082 (GTSM) | `IP_TTL` 255 and `IP_MINTTL`, or those of IPv6 |
| a neighbour on the link (no multihop) | `IP_TTL` 1 on external sessions |
| VRF, or an interface | `SO_BINDTODEVICE` |

The listener answers with TTL 255, so that a peer with GTSM hears its SYN-ACK; what an accepted
socket is to have is set on it at once. Everything is marked as network control (CS6).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

from metallb_speaker.bgp.config import DynamicAsn

if TYPE_CHECKING:
    from metallb_speaker.peering.config import PeerConfig, TcpAoKey

    Address = IPv4Address | IPv6Address

_TCP_MD5SIG: Final = 14
_TCP_AO_ADD_KEY: Final = 38
_TCP_AO_DEL_KEY: Final = 39
_TCP_AO_INFO: Final = 40
_IP_MINTTL: Final = 21
_IPV6_MINHOPCOUNT: Final = 73
_MAX_TTL: Final = 255
_CS6: Final = 0xC0
_BACKLOG: Final = 128
_UNSENT_BYTES: Final = 131_072
"""So much may wait in the kernel for a slow peer; the rest waits where changes still merge."""
_KEY_BYTES: Final = 80

MD5_KEY: Final = struct.Struct("=128sBBHi80s")
"""`struct tcp_md5sig`: address, flags, prefix length, key length, interface, key."""
AO_KEY: Final = struct.Struct("=128s64siIHBBBBBB80s")
"""`struct tcp_ao_add`: address, algorithm, interface, flags, reserved, prefix length, SendID,
RecvID, length of the code, flags, length of the key, key."""
AO_KEY_GONE: Final = struct.Struct("=128siIHBBBBBB")
"""`struct tcp_ao_del`: address, interface, flags, reserved, prefix length, SendID, RecvID, two ids
of keys to go on with, flags."""
_AO_SET_BOTH: Final = 3
"""`set_current` and `set_rnext`."""
_AO_DELETE_ASYNC: Final = 4
"""`del_async`: a listener has no current key that would hold it up."""


class NotOfferedError(OSError):
    """The kernel cannot do what a peer's settings ask for."""


def scoped(
    address: Address, port: int, interface: str | None
) -> tuple[str, int, int, int] | tuple[str, int]:
    """Make the address tuple of the socket module; raises OSError without the interface."""
    if isinstance(address, IPv4Address):
        return str(address), port
    scope = 0
    if address.is_link_local and interface is not None:
        scope = socket.if_nametoindex(interface)
    return str(IPv6Address(address.packed)), port, 0, scope


def family_of(address: Address) -> socket.AddressFamily:
    """Give the family of an address."""
    return socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6


def dialling(config: PeerConfig, address: Address) -> socket.socket:
    """Make a socket that is ready to connect to a peer."""
    tcp = _open(family_of(address))
    try:
        if config.bind_interface is not None:
            device = config.bind_interface.encode() + b"\0"
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
        secure(tcp, config, address)
        prepare(tcp, config)
        if config.source_address is not None:
            tcp.bind(scoped(config.source_address, 0, config.interface))
    except OSError:
        tcp.close()
        raise
    return tcp


def listening(family: socket.AddressFamily, port: int, host: str | None = None) -> socket.socket:
    """Make a socket that listens for peers of a family."""
    tcp = _open(family)
    try:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _set_ttl(tcp, _MAX_TTL)
        tcp.bind((host or ("0.0.0.0" if family == socket.AF_INET else "::"), port))
        tcp.listen(_BACKLOG)
    except OSError:
        tcp.close()
        raise
    return tcp


def _open(family: socket.AddressFamily) -> socket.socket:
    tcp = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        if family == socket.AF_INET6:
            tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _CS6)
        else:
            tcp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _CS6)
    except OSError:
        tcp.close()
        raise
    return tcp


def prepare(tcp: socket.socket, config: PeerConfig) -> None:
    """Set how far the packets of a session may go, and have come (RFC 5082 §3)."""
    hops = config.ttl_security_hops
    if hops is not None:
        _set_ttl(tcp, _MAX_TTL)
        _set_min_ttl(tcp, _MAX_TTL - hops + 1)
    elif config.multihop or _is_internal(config):
        _set_ttl(tcp, _MAX_TTL)
    else:
        _set_ttl(tcp, 1)


def _is_internal(config: PeerConfig) -> bool:
    return config.session.peer_asn in (config.session.shown_asn, DynamicAsn.INTERNAL)


def _set_ttl(tcp: socket.socket, ttl: int) -> None:
    if tcp.family == socket.AF_INET6:
        tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    else:
        tcp.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)


def _set_min_ttl(tcp: socket.socket, ttl: int) -> None:
    if tcp.family == socket.AF_INET6:
        tcp.setsockopt(socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT, ttl)
    else:
        tcp.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, ttl)


def secure(tcp: socket.socket, config: PeerConfig, address: Address) -> None:
    """Give a socket the keys of a peer."""
    if config.password is not None:
        set_md5_key(tcp, address, config.password)
    if config.tcp_ao is not None:
        add_ao_key(tcp, address, config.tcp_ao)


def set_md5_key(tcp: socket.socket, address: Address, key: bytes | None) -> None:
    """Set the key for a peer's address, or (`None`) remove it if there is one."""
    storage = _storage(address)
    value = MD5_KEY.pack(storage, 0, 0, len(key or b""), 0, key or b"")
    try:
        tcp.setsockopt(socket.IPPROTO_TCP, _TCP_MD5SIG, value)
    except OSError as error:
        if key is None and error.errno == errno.ENOENT:
            return
        if error.errno in (errno.ENOPROTOOPT, errno.EOPNOTSUPP):
            raise NotOfferedError(error.errno, "this kernel has no TCP MD5 (RFC 2385)") from error
        raise


def set_user_timeout(tcp: socket.socket, seconds: float) -> None:
    """Say for how long the peer may leave octets unacknowledged (RFC 5482 §3.1); 0: as usual."""
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))


def add_ao_key(tcp: socket.socket, address: Address, key: TcpAoKey) -> None:
    """Add a master key tuple for a peer's address."""
    value = AO_KEY.pack(
        _storage(address),
        key.algorithm.encode(),
        0,
        0 if _is_listening(tcp) else _AO_SET_BOTH,
        0,
        address.max_prefixlen,
        key.send_id,
        key.receive_id,
        0,
        0,
        len(key.key),
        key.key,
    )
    try:
        tcp.setsockopt(socket.IPPROTO_TCP, _TCP_AO_ADD_KEY, value)
    except OSError as error:
        if error.errno == errno.ENOPROTOOPT:
            raise NotOfferedError(error.errno, "this kernel has no TCP-AO (RFC 5925)") from error
        raise


def delete_ao_key(listening: socket.socket, address: Address, key: TcpAoKey) -> None:
    """Take a master key tuple from a listener; connections that it has accepted keep theirs."""
    value = AO_KEY_GONE.pack(
        _storage(address),
        0,
        _AO_DELETE_ASYNC,
        0,
        address.max_prefixlen,
        key.send_id,
        key.receive_id,
        0,
        0,
        0,
    )
    listening.setsockopt(socket.IPPROTO_TCP, _TCP_AO_DEL_KEY, value)


def has_ao_key(tcp: socket.socket) -> bool:
    """Tell whether the kernel checks a connection by TCP-AO; false where it has none."""
    try:
        # as one integer: a buffer of ours could hold reserved bits, which the kernel refuses
        tcp.getsockopt(socket.IPPROTO_TCP, _TCP_AO_INFO)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOPROTOOPT):
            return False
        raise
    return True


def _is_listening(tcp: socket.socket) -> bool:
    return tcp.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0


def _storage(address: Address) -> bytes:
    """Write a `struct sockaddr_storage`; family in the host's order."""
    if isinstance(address, IPv4Address):
        return struct.pack("=HH4s", socket.AF_INET, 0, address.packed)
    return struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, address.packed, 0)


def words(error: OSError) -> str:
    """Say what the kernel said; asyncio puts words of its own in their place."""
    if isinstance(error, NotOfferedError) or not error.errno:
        return str(error.strerror or error)
    return os.strerror(error.errno)
