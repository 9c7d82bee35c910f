"""Where peers dial: one listening socket for each address family, for all peers.

Who dials is known by its address, and of link-local ones the interface. A connection of nobody's,
or one that its peer cannot take now, is closed without a word (RFC 4271 §8.2.2: in Idle, "it
refuses all incoming BGP connections for this peer"). The kernel checks MD5 and TCP-AO before it
tells us of a connection. Peers in a VRF are dialled; to be dialled by them the node needs
`net.ipv4.tcp_l3mdev_accept`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from metallb_speaker.peering import sockets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb_speaker.peering.config import PeerConfig, TcpAoKey
    from metallb_speaker.peering.peer import Peer

    Address = IPv4Address | IPv6Address

log = logging.getLogger(__name__)

_OUT_OF_SOCKETS_SECONDS = 1.0


class Listener:
    """Accepts connections and hands them to their peers."""

    def __init__(self, peers: Mapping[str, Peer], port: int, host: str | None = None) -> None:
        self._peers = peers
        self._port = port
        self._host = host
        self._sockets: list[socket.socket] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._keys: dict[Address, bytes] = {}
        self._ao: dict[Address, TcpAoKey] = {}
        self.strangers = 0
        """Connections that nobody wanted."""

    async def start(self) -> None:
        """Listen on the port, if there is one."""
        if not self._port:
            return
        for family in self._families():
            try:
                self._sockets.append(sockets.listening(family, self._port, self._host))
            except OSError as error:
                if family == socket.AF_INET6 and error.errno == errno.EAFNOSUPPORT:
                    continue
                self.close()
                raise
        self._tasks = [asyncio.create_task(self._accept(tcp)) for tcp in self._sockets]

    def _families(self) -> tuple[socket.AddressFamily, ...]:
        if self._host is None:
            return socket.AF_INET, socket.AF_INET6
        return (socket.AF_INET6 if ":" in self._host else socket.AF_INET,)

    def close(self) -> None:
        """Listen no more."""
        for task in self._tasks:
            task.cancel()
        for tcp in self._sockets:
            tcp.close()
        self._sockets, self._tasks = [], []

    def secure(self, configs: Iterable[tuple[Address, PeerConfig]]) -> None:
        """Have the kernel check the keys of the peers at these addresses, and of no others."""
        known = list(configs)
        ao = {address: item.tcp_ao for address, item in known if item.tcp_ao is not None}
        for address, ao_key in list(self._ao.items()):
            if ao.get(address) != ao_key:  # first: no address may have keys of both kinds
                self._delete_ao(address, self._ao.pop(address))
        wanted = {address: item.password for address, item in known if item.password}
        for address in self._keys.keys() - wanted.keys():
            self._set_key(address, None)
        self._keys = {
            address: key
            for address, key in wanted.items()
            if self._keys.get(address) == key or self._set_key(address, key)
        }
        for address, ao_key in ao.items():
            if address not in self._ao and self._add_ao(address, ao_key):
                self._ao[address] = ao_key

    def _of_family(self, address: Address) -> list[socket.socket]:
        return [tcp for tcp in self._sockets if tcp.family == sockets.family_of(address)]

    def _set_key(self, address: Address, key: bytes | None) -> bool:
        """Set a key, or remove it; tells whether the kernel has it now."""
        try:
            for tcp in self._of_family(address):
                sockets.set_md5_key(tcp, address, key)
        except OSError as error:
            log.warning("listener: no MD5 key for %s: %s", address, sockets.words(error))
            return False
        return True

    def _add_ao(self, address: Address, key: TcpAoKey) -> bool:
        """Add a key; tells whether the kernel has it now."""
        try:
            for tcp in self._of_family(address):
                sockets.add_ao_key(tcp, address, key)
        except OSError as error:
            log.warning("listener: no TCP-AO key for %s: %s", address, sockets.words(error))
            return False
        return True

    def _delete_ao(self, address: Address, key: TcpAoKey) -> None:
        try:
            for tcp in self._of_family(address):
                sockets.delete_ao_key(tcp, address, key)
        except OSError as error:
            log.warning("listener: TCP-AO key of %s stays: %s", address, sockets.words(error))

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                tcp, where = await loop.sock_accept(listening)
            except OSError as error:
                log.warning("listener: %s", sockets.words(error))
                await asyncio.sleep(_OUT_OF_SOCKETS_SECONDS)
                continue
            if not self._hand_over(tcp, where):
                self.strangers += 1
                tcp.close()

    def _hand_over(self, tcp: socket.socket, where: tuple[str, int, int, int]) -> bool:
        address, interface = _read(where)
        peer = self._peer_at(address, interface)
        if peer is None:
            return False
        try:
            if self._is_unproved(peer.config, address, tcp):
                return False
            sockets.prepare(tcp, peer.config)
            if peer.config.password is not None:  # it may have come before the listener's key
                sockets.set_md5_key(tcp, address, peer.config.password)
        except OSError as error:
            log.warning("peer %s: %s", peer.name, sockets.words(error))
            return False
        return peer.accept(tcp)

    def _is_unproved(self, config: PeerConfig, address: Address, tcp: socket.socket) -> bool:
        """Tell whether the kernel did not check a key that the peer must have."""
        has_key = config.password is None or address in self._keys
        return not has_key or (config.tcp_ao is not None and not sockets.has_ao_key(tcp))

    def _peer_at(self, address: Address, interface: str | None) -> Peer | None:
        unnumbered = None
        for peer in self._peers.values():
            if peer.address == address and (interface in (None, peer.config.interface)):
                return peer
            is_ours = interface is not None and peer.config.interface == interface
            if peer.config.address is None and is_ours:
                unnumbered = peer
        if unnumbered is not None:
            unnumbered.found_at(address)
        return unnumbered


def _read(where: tuple[str, int, int, int] | tuple[str, int]) -> tuple[Address, str | None]:
    """Read what `accept` says: the address, and of link-local ones the interface."""
    if len(where) == 2:
        return IPv4Address(where[0]), None
    address = IPv6Address(where[0].split("%")[0])
    if not address.is_link_local:
        return address, None
    with contextlib.suppress(OSError):
        return address, socket.if_indextoname(where[3])
    return address, ""
