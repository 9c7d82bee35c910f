"""Raw sockets for ARP and NDP on one interface, with the kernel's filter in front of them.

One packet socket an EtherType: the kernel drops all but ARP requests and replies, NS and NA
(`l2.filters`) before Python is woken. Frames go out as they are, Ethernet header included. Both
need CAP_NET_RAW. Groups for NDP are joined by an IPv6 socket, so that the NIC lets their frames
in and switches that snoop MLD send them here; beyond `GROUP_LIMIT` the interface takes all
multicast instead.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import socket
import struct
from typing import TYPE_CHECKING

from metallb_speaker.l2.filters import PROGRAM
from metallb_speaker.l2.iana import EtherType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metallb_speaker.l2.filters import Instruction
    from metallb_speaker.l2.groups import GroupChange
    from metallb_speaker.l2.link import Link

SO_ATTACH_FILTER = 26
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_MR_ALLMULTI = 2
FRAME_BYTES = 1522
FRAMES_PER_WAKE = 64
"""Frames taken before other work gets its turn."""
GROUP_LIMIT = 512
"""Groups joined one by one; the kernel looks through them in a row for each frame."""

_IPV6 = EtherType.IPV6.to_bytes(2, "big")
_GONE = frozenset((errno.ENETDOWN, errno.ENXIO, errno.ENODEV))

log = logging.getLogger(__name__)


def attach_filter(raw: socket.socket, program: Sequence[Instruction]) -> None:
    """Set a classic BPF program (struct sock_fprog of <linux/filter.h>)."""
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code)
    given = struct.pack("HL", len(program), ctypes.addressof(buffer))
    raw.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, given)


def open_packet_socket(link: Link, ethertype: EtherType) -> socket.socket:
    """Open a packet socket on an interface; raises OSError (no CAP_NET_RAW, no such interface)."""
    # protocol 0: nothing is received before the filter is on and the socket bound
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        attach_filter(raw, PROGRAM)
        raw.bind((link.name, ethertype))
    except OSError:
        raw.close()
        raise
    return raw


class PacketPort:
    """ARP and NDP on one interface."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._arp = open_packet_socket(link, EtherType.ARP)
        self._ipv6 = open_packet_socket(link, EtherType.IPV6)
        self._groups: socket.socket | None = None
        self._joined: set[bytes] = set()
        self.takes_all_multicast = False
        """Whether groups are joined no more, since the interface takes them all."""

    @property
    def sockets(self) -> tuple[socket.socket, socket.socket]:
        """The sockets to wait on."""
        return self._arp, self._ipv6

    def close(self) -> None:
        """Close all sockets."""
        self._arp.close()
        self._ipv6.close()
        self._close_groups()

    @staticmethod
    def frames(raw: socket.socket) -> Iterator[bytes]:
        """Take the frames that have come, at most `FRAMES_PER_WAKE`."""
        for _ in range(FRAMES_PER_WAKE):
            try:
                yield raw.recv(FRAME_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _GONE:
                    raise
                return

    def send(self, frame: bytes) -> bool:
        """Send a frame; tells whether the kernel took it."""
        raw = self._ipv6 if frame[12:14] == _IPV6 else self._arp
        try:
            raw.send(frame)
        except OSError:
            return False
        return True

    # -- groups ------------------------------------------------------------------------------------

    def change_groups(self, change: GroupChange) -> None:
        """Join and leave solicited-node groups."""
        self._joined.difference_update(change.leave)
        self._joined.update(change.join)
        if self.takes_all_multicast:
            return
        for group in change.leave:
            self._set_membership(group, socket.IPV6_LEAVE_GROUP)
        joined = all(self._set_membership(group, socket.IPV6_JOIN_GROUP) for group in change.join)
        if not joined or len(self._joined) > GROUP_LIMIT:
            self._take_all()

    def _set_membership(self, group: bytes, option: int) -> bool:
        """Join or leave a group; tells whether the kernel has done so."""
        request = group + struct.pack("=I", self.link.index)
        try:
            if self._groups is None:
                self._groups = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            self._groups.setsockopt(socket.IPPROTO_IPV6, option, request)
        except OSError as error:
            log.info("%s: a group is not joined or left: %s", self.link.name, error)
            return False
        return True

    def _take_all(self) -> None:
        """Let the interface take all multicast; memberships held so far are given up."""
        request = struct.pack("=iHH8s", self.link.index, PACKET_MR_ALLMULTI, 0, b"")
        try:
            self._ipv6.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
        except OSError as error:  # the interface has just gone
            log.warning("%s cannot take all multicast: %s", self.link.name, error)
            return
        log.info("%s takes all multicast from now on", self.link.name)
        self.takes_all_multicast = True
        self._close_groups()

    def _close_groups(self) -> None:
        if self._groups is not None:
            self._groups.close()
            self._groups = None
