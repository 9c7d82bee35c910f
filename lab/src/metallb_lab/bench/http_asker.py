"""Asks an address over HTTP again and again, from a client's namespace, until it is answered.

Each millisecond another connection is begun, whatever became of those before: a first SYN that
nobody routed would be sent again only after a second. The first `200` counts.

    python -m metallb_lab.bench.http_asker

For each {"address": A, "seconds": S} says {"asking": true} once the first SYN is out, then
{"asked": N, "answered_at": T}; times are CLOCK_MONOTONIC, null for never.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sys
import time

from metallb_lab.bench.conversation import say

PORT = 80
INTERVAL_SECONDS = 0.001
MOST_OPEN = 256
"""Older connections than the last so many are given up."""
REQUEST = b"GET / HTTP/1.0\r\n\r\n"
STATUS = b" 200 "


class Asker:
    """Connections to one address."""

    def __init__(self, address: str) -> None:
        self._to = (address, PORT)
        self._poll = select.poll()
        self._open: dict[int, socket.socket] = {}
        self.asked = 0

    @property
    def open_count(self) -> int:
        """Connections that may still be answered."""
        return len(self._open)

    def begin(self) -> None:
        """Begin another connection."""
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._open[tcp.fileno()] = tcp
        with contextlib.suppress(OSError):
            tcp.connect(self._to)
        self._poll.register(tcp, select.POLLOUT)
        self.asked += 1
        if len(self._open) > MOST_OPEN:
            self._drop(next(iter(self._open)))

    def wait(self, until: float) -> float | None:
        """Go on with those that can until then; tells when the first was answered."""
        for descriptor, _ in self._poll.poll(max(0.0, (until - time.monotonic()) * 1000)):
            if self._go_on(descriptor):
                return time.monotonic()
        return None

    def _go_on(self, descriptor: int) -> bool:
        tcp = self._open[descriptor]
        try:
            if tcp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._drop(descriptor)
                return False
            try:
                data = tcp.recv(4096)
            except BlockingIOError:  # connected, and not asked yet
                tcp.sendall(REQUEST)
                self._poll.modify(descriptor, select.POLLIN)
                return False
        except OSError:
            data = b""
        if STATUS in data[:16]:
            return True
        self._drop(descriptor)
        return False

    def _drop(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._open.pop(descriptor).close()

    def close(self) -> None:
        """Give up all connections."""
        for descriptor in list(self._open):
            self._drop(descriptor)


def ask(address: str, seconds: float) -> None:
    """Ask until answered, or until the time is up."""
    asker = Asker(address)
    next_at = time.monotonic()
    ends_at = next_at + seconds
    answered_at: float | None = None
    while answered_at is None and (now := time.monotonic()) < ends_at:
        if now >= next_at:
            asker.begin()
            next_at = max(next_at + INTERVAL_SECONDS, now)
            if asker.asked == 1:
                say(asking=True)
        answered_at = asker.wait(next_at)
    asker.close()
    say(asked=asker.asked, answered_at=answered_at)


def main() -> None:
    """Run the process."""
    for line in sys.stdin:
        order = json.loads(line)
        ask(order["address"], order["seconds"])


if __name__ == "__main__":
    main()
