"""One port for each usable interface: its sockets, what is announced there and when.

Ports open and close as interfaces come and go, change MAC or lose carrier. One that cannot be
opened is tried again until it can, or is not wanted; the others work on.
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
    from collections.abc import Callable, Iterator

    from metallb_speaker.io.links import UsableLink
    from metallb_speaker.l2.link import Link
    from metallb_speaker.liveness.members import Datagram
    from metallb_speaker.reflex.counters import Counters

ADDRESSES_PER_TURN = 64
"""Addresses announced before other work gets its turn."""

RETRY_SECONDS = 1.0
"""When an interface that could not be opened is tried again."""

log = logging.getLogger(__name__)


class Port:
    """One interface."""

    def __init__(self, usable: UsableLink, heartbeat_port: int, counters: Counters) -> None:
        self.usable = usable
        self.packet = PacketPort(usable.link)
        try:
            self._heartbeat = HeartbeatPort(usable.name, heartbeat_port)
        except OSError:
            self.packet.close()
            raise
        self.schedule = Schedule()
        self._counters = counters
        self._groups = SolicitedNodeGroups()
        self._rounds: dict[bytes, tuple[bytes, ...]] = {}

    @property
    def link(self) -> Link:
        """The interface as ARP and NDP see it."""
        return self.usable.link

    def is_for(self, usable: UsableLink) -> bool:
        """Tell whether the sockets still are of this interface, under the MAC that it has."""
        mine, other = self.link, usable.link
        return (mine.index, mine.mac) == (other.index, other.mac)

    def change(self, usable: UsableLink) -> None:
        """Take in that the interface has other addresses."""
        if usable.link != self.link:
            self._rounds.clear()
        self.usable = usable

    def announce(self, address: bytes, now: float) -> None:
        """Begin to announce an address."""
        self.packet.change_groups(self._groups.update(added=(address,)))
        self.schedule.add(address, now)

    def withdraw(self, address: bytes) -> None:
        """Say nothing more about an address."""
        self.schedule.cancel(address)
        self._rounds.pop(address, None)
        self.packet.change_groups(self._groups.update(removed=(address,)))

    def ask(self, address: bytes) -> None:
        """Ask who has an address."""
        frame = question(self.link, address)
        if frame is not None:
            self.send(frame)

    def send_due(self, now: float) -> None:
        """Send the announcements that are due."""
        for address in self.schedule.due(now, ADDRESSES_PER_TURN):
            frames = self._rounds.get(address)
            if frames is None:
                frames = self._rounds[address] = announcement(self.link, address)
            self._counters.gratuitous[address] += sum(self.send(frame) for frame in frames)

    def send(self, frame: bytes) -> bool:
        """Send a frame; tells whether it went out, and counts it when not."""
        if self.packet.send(frame):
            return True
        self._counters.lost["frames"] += 1
        return False

    def datagrams(self, udp: socket.socket) -> Iterator[bytes]:
        """Take the heartbeats that have come."""
        return self._heartbeat.datagrams(udp)

    def send_heartbeat(self, datagram: Datagram) -> None:
        """Send a heartbeat; counts it when it does not go out."""
        path = datagram.path
        if self._heartbeat.send(datagram.data, path.address, path.port):
            self._counters.heartbeats["sent"] += 1
        else:
            self._counters.lost["heartbeats"] += 1

    def listen(
        self,
        loop: asyncio.AbstractEventLoop,
        on_frame: Callable[[Port, socket.socket], None],
        on_datagram: Callable[[Port, socket.socket], None],
    ) -> None:
        """Have the two told when there is something to read."""
        for item in self.packet.sockets:
            loop.add_reader(item, on_frame, self, item)
        for item in self._heartbeat.sockets:
            loop.add_reader(item, on_datagram, self, item)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close all sockets."""
        for item in (*self.packet.sockets, *self._heartbeat.sockets):
            loop.remove_reader(item)
        self.packet.close()
        self._heartbeat.close()


class Ports:
    """All ports; `on_frame(port, socket)` and `on_datagram(port, socket)` are told of readiness."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        heartbeat_port: int,
        counters: Counters,
        on_frame: Callable[[Port, socket.socket], None],
        on_datagram: Callable[[Port, socket.socket], None],
    ) -> None:
        self._loop = loop
        self._heartbeat_port = heartbeat_port
        self._counters = counters
        self._on_frame = on_frame
        self._on_datagram = on_datagram
        self._failures: dict[str, str] = {}
        self.by_name: dict[str, Port] = {}

    def __iter__(self) -> Iterator[Port]:
        return iter(self.by_name.values())

    def change(self, usable: dict[str, UsableLink]) -> bool:
        """Open and close ports as the interfaces want it; tells whether all could be opened."""
        for name, port in list(self.by_name.items()):
            found = usable.get(name)
            if found is None or not port.is_for(found):
                self._close(name)
            else:
                port.change(found)
        for name in [name for name in self._failures if name not in usable]:
            del self._failures[name]
        for name, item in usable.items():
            if name not in self.by_name:
                self._open(name, item)
        return not self._failures

    def _open(self, name: str, usable: UsableLink) -> None:
        try:
            port = Port(usable, self._heartbeat_port, self._counters)
        except OSError as error:
            if self._failures.get(name) != str(error):
                log.error("interface %s cannot be used: %s", name, error)
            self._failures[name] = str(error)
            return
        self._failures.pop(name, None)
        self.by_name[name] = port
        port.listen(self._loop, self._on_frame, self._on_datagram)
        log.info("interface %s is used, MAC %s", name, usable.link.mac)

    def _close(self, name: str) -> None:
        self.by_name.pop(name).close(self._loop)
        log.info("interface %s is not used any more", name)

    def close(self) -> None:
        """Close all ports."""
        for name in list(self.by_name):
            self._close(name)
