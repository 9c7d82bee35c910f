"""Hears routes and notes when: the receiver of all senders that benchmarks compare.

    python -m metallb_lab.bench.bgp_sink --asn 65002 --sessions 1 --prefixes 10000

Waits on port 179 for that many BGP sessions, takes each OPEN, agrees to IPv4 unicast and four-octet
AS numbers and nothing more, so all senders send the same messages, and counts the prefixes that
each session has announced and not withdrawn. Says {"listening": true}, then {"up": true} once every
session has sent its first KEEPALIVE, then {"sessions": [...]} once each has all prefixes; times are
CLOCK_MONOTONIC. With `--each` it goes on: {"peer": ADDRESS, "prefixes": N, "at": T} whenever a
session has another number of prefixes than before. It agrees to a hold time longer than a run, so
it need not keep sessions alive, and it believes what it is sent: a receiver that judged would be
measured too.

It answers the first KEEPALIVE with another of its own: BIRD 2.0.12 may otherwise sleep for up to
three seconds, until something happens, before it sends what it has.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import time
from functools import lru_cache
from ipaddress import IPv4Address

from metallb_lab.bench.conversation import say
from metallb_speaker.bgp.capabilities import FourOctetAs, Multiprotocol
from metallb_speaker.bgp.iana import IPV4_UNICAST, MessageType
from metallb_speaker.bgp.messages import HEADER_LENGTH, KEEPALIVE, encode_open
from metallb_speaker.bgp.open import OpenMessage

PORT = 179
READ_BYTES = 1 << 20
HOLD_SECONDS = 1800
_LENGTH, _KIND = slice(16, 18), 18


@lru_cache(4096)
def prefixes_in(nlri: bytes) -> tuple[bytes, ...]:
    """Cut a field of prefixes; sessions that are sent the same octets share the work."""
    found: list[bytes] = []
    at = 0
    while at < len(nlri):
        end = at + 1 + (nlri[at] + 7 >> 3)
        found.append(nlri[at:end])
        at = end
    return tuple(found)


class Heard:
    """One session."""

    def __init__(self, tcp: socket.socket, asn: int) -> None:
        self.tcp = tcp
        self._buffer = bytearray()
        self.prefixes: set[bytes] = set()
        self.updates = 0
        self.established_at = 0.0
        """When it was sent the KEEPALIVE after which it may send routes."""
        self.is_up = False
        self.last_at = 0.0
        router_id = int(IPv4Address(tcp.getsockname()[0]))
        capabilities = (Multiprotocol(IPV4_UNICAST), FourOctetAs(asn))
        tcp.sendall(encode_open(OpenMessage(asn, HOLD_SECONDS, router_id, capabilities)))

    @property
    def peer(self) -> str:
        """Address of the other end."""
        return str(self.tcp.getpeername()[0])

    def take(self, data: bytes, now: float) -> None:
        """Take octets."""
        self._buffer += data
        while len(self._buffer) >= HEADER_LENGTH:
            length = int.from_bytes(self._buffer[_LENGTH], "big")
            if len(self._buffer) < length:
                return
            kind, body = self._buffer[_KIND], bytes(self._buffer[HEADER_LENGTH:length])
            del self._buffer[:length]
            self._message(kind, body, now)

    def _message(self, kind: int, body: bytes, now: float) -> None:
        if kind == MessageType.OPEN:
            self.established_at = time.monotonic()
            self.tcp.sendall(KEEPALIVE)
        elif kind == MessageType.KEEPALIVE and not self.is_up:
            self.is_up = True
            self.tcp.sendall(KEEPALIVE)
        elif kind == MessageType.UPDATE:
            self._update(body, now)

    def _update(self, body: bytes, now: float) -> None:
        """Take an UPDATE (RFC 4271 §4.3): withdrawn prefixes, attributes, prefixes."""
        withdrawn_end = 2 + int.from_bytes(body[:2], "big")
        nlri_at = withdrawn_end + 2 + int.from_bytes(body[withdrawn_end : withdrawn_end + 2], "big")
        self.prefixes.difference_update(prefixes_in(body[2:withdrawn_end]))
        self.prefixes.update(prefixes_in(body[nlri_at:]))
        self.updates += 1
        self.last_at = now

    def told(self) -> dict[str, float | str | None]:
        """Give what was noted."""
        return {
            "address": self.tcp.getsockname()[0],
            "established_at": self.established_at,
            "last_at": self.last_at,
            "updates": self.updates,
        }


class Sink:
    """All sessions."""

    def __init__(self, asn: int, sessions: int, prefixes: int, *, says_each: bool = False) -> None:
        self._asn = asn
        self._says_each = says_each
        self._wanted = sessions
        self._prefixes = prefixes
        self._selector = selectors.DefaultSelector()
        self._heard: dict[socket.socket, Heard] = {}
        self._listener = socket.create_server(("", PORT), backlog=sessions)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._is_up = self._is_told = False

    def run(self) -> None:
        """Hear until all is there; then until this process is killed."""
        say(listening=True)
        while True:
            for key, _ in self._selector.select():
                assert isinstance(key.fileobj, socket.socket)
                self._read(key.fileobj)
            if not self._is_told and self._has_all():
                self._is_told = True
                say(sessions=[item.told() for item in self._heard.values()])

    def _read(self, tcp: socket.socket) -> None:
        if tcp is self._listener:
            self._accept()
            return
        try:
            data = tcp.recv(READ_BYTES)
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(tcp)
            del self._heard[tcp]
            tcp.close()
            return
        heard, now = self._heard[tcp], time.monotonic()
        before = len(heard.prefixes)
        heard.take(data, now)
        if self._says_each and self._is_told and len(heard.prefixes) != before:
            say(peer=heard.peer, prefixes=len(heard.prefixes), at=now)

    def _accept(self) -> None:
        tcp, _ = self._listener.accept()
        self._heard[tcp] = Heard(tcp, self._asn)
        self._selector.register(tcp, selectors.EVENT_READ)

    def _has_all(self) -> bool:
        sessions = self._heard.values()
        if len(sessions) < self._wanted or not all(item.is_up for item in sessions):
            return False
        if not self._is_up:
            self._is_up = True
            say(up=True)
        return all(len(item.prefixes) >= self._prefixes for item in sessions)


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--asn", type=int, required=True)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--prefixes", type=int, required=True)
    parser.add_argument("--each", action="store_true", help="go on with what changes")
    given = parser.parse_args()
    Sink(given.asn, given.sessions, given.prefixes, says_each=given.each).run()


if __name__ == "__main__":
    main()
