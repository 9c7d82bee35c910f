"""One port for each usable interface: its sockets, what is announced there and when.

Opens and closes ports as interfaces come and go, change MAC or lose carrier. A port that cannot be
opened is tried again with the next change; the others work on.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from metallb_speaker.io.datagram import HeartbeatPort
from metallb_speaker.io.packet import PacketPort
from metallb_speaker.l2.gratuitous import Schedule
from metallb_speaker.l2.groups import SolicitedNodeGroups
from metallb_speaker.l2.unasked import announcement, question

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable, Iterable

    from metallb_speaker.io.links import UsableLink
    from metallb_speaker.l2.link import Link

ADDRESSES_PER_TURN = 64
"""Addresses announced before other work gets its turn."""

log = logging.getLogger(__name__)


class Port:
    """One interface."""

    def __init__(self, usable: UsableLink, heartbeat_port: int) -> None:
        self.usable = usable
        self.packet = PacketPort(usable.link)
        try:
            self.heartbeat = HeartbeatPort(usable.name, heartbeat_port)
        except OSError:
            self.packet.close()
            raise
        self.schedule = Schedule()
        self.groups = SolicitedNodeGroups()
        self._rounds: dict[bytes, tuple[bytes, ...]] = {}

    @property
    def link(self) -> Link:
        """The interface as ARP and NDP see it."""
        return self.usable.link

    def announce(self, address: bytes, now: float) -> None:
        """Begin to announce an address."""
        self.packet.change_groups(self.groups.update(added=(address,)))
        self.schedule.add(address, now)

    def withdraw(self, address: bytes) -> None:
        """Say nothing more about an address."""
        self.schedule.cancel(address)
        self._rounds.pop(address, None)
        self.packet.change_groups(self.groups.update(removed=(address,)))

    def ask(self, address: bytes) -> None:
        """Ask who has an address."""
        frame = question(self.link, address)
        if frame is not None:
            self.packet.send(frame)

    def send_due(self, now: float) -> int:
        """Send the announcements that are due; tells how many frames went out."""
        count = 0
        for address in self.schedule.due(now, ADDRESSES_PER_TURN):
            frames = self._rounds.get(address)
            if frames is None:
                frames = self._rounds[address] = announcement(self.link, address)
            for frame in frames:
                self.packet.send(frame)
                count += 1
        return count

    def sockets(self) -> Iterable[socket.socket]:
        """All sockets to wait on."""
        return (*self.packet.sockets, *self.heartbeat.sockets)

    def close(self) -> None:
        """Close all sockets."""
        self.packet.close()
        self.heartbeat.close()


class Ports:
    """All ports; `on_frame(port, socket)` and `on_datagram(port, socket)` are told of readiness."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        heartbeat_port: int,
        on_frame: Callable[[Port, socket.socket], None],
        on_datagram: Callable[[Port, socket.socket], None],
    ) -> None:
        self._loop = loop
        self._heartbeat_port = heartbeat_port
        self._on_frame = on_frame
        self._on_datagram = on_datagram
        self.by_name: dict[str, Port] = {}

    def change(self, usable: dict[str, UsableLink]) -> None:
        """Open and close ports as the interfaces want it; those with other addresses stay open."""
        for name in list(self.by_name):
            found = usable.get(name)
            port = self.by_name[name]
            if found is None or found.link != port.link:
                self._close(name)
            else:
                port.usable = found
        for name, item in usable.items():
            if name not in self.by_name:
                self._open(name, item)

    def _open(self, name: str, usable: UsableLink) -> None:
        try:
            port = Port(usable, self._heartbeat_port)
        except OSError as error:
            log.error("interface %s cannot be used: %s", name, error)
            return
        self.by_name[name] = port
        for item in port.packet.sockets:
            self._loop.add_reader(item, self._on_frame, port, item)
        for item in port.heartbeat.sockets:
            self._loop.add_reader(item, self._on_datagram, port, item)
        log.info("interface %s is used, MAC %s", name, usable.link.mac)

    def _close(self, name: str) -> None:
        port = self.by_name.pop(name)
        for item in port.sockets():
            self._loop.remove_reader(item)
        port.close()
        log.info("interface %s is not used any more", name)

    def close(self) -> None:
        """Close all ports."""
        for name in list(self.by_name):
            self._close(name)
