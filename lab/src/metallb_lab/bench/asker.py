"""Asks ARP for an address again and again, from a client's namespace, until it is answered.

A raw socket, so that neither the kernel's neighbour table nor its back-off is in the way. An
answer is an ARP reply for the address that was sent to us alone; a gratuitous one, which is for
everybody, is told apart.

    python -m metallb_lab.bench.asker --interface eth0 --source ADDRESS [--interval MS]

For each {"address": A, "seconds": S} says {"asking": true} once the first question is out, then
{"asked": N, "answered_at": T, "gratuitous_at": T}; times are CLOCK_MONOTONIC, null for never.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import sys
import time
from dataclasses import dataclass
from ipaddress import IPv4Address

from metallb_lab.bench.conversation import say
from metallb_speaker.l2.arp import ArpPacket, decode
from metallb_speaker.l2.iana import MAC_BROADCAST, MAC_ZERO, ArpOpcode, EtherType

FRAME_BYTES = 1522


def question(mac: bytes, source: IPv4Address, target: IPv4Address) -> bytes:
    """Make the frame of an ARP request."""
    return ArpPacket(
        MAC_BROADCAST, mac, ArpOpcode.REQUEST, mac, source.packed, MAC_ZERO, target.packed
    ).encode()


@dataclass(slots=True)
class Answers:
    """What was heard about an address so far."""

    mac: bytes
    address: IPv4Address
    answered_at: float | None = None
    gratuitous_at: float | None = None

    def take(self, frame: bytes, now: float) -> None:
        """Judge a frame."""
        packet = decode(frame)
        if not isinstance(packet, ArpPacket) or packet.sender_ip != self.address.packed:
            return
        if packet.opcode is ArpOpcode.REPLY and packet.destination == self.mac:
            if self.answered_at is None:
                self.answered_at = now
        elif packet.is_announcement and self.gratuitous_at is None:
            self.gratuitous_at = now


class Asker:
    """Asks on one interface."""

    def __init__(self, interface: str, source: IPv4Address, interval: float) -> None:
        self._raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._raw.bind((interface, EtherType.ARP))
        self._mac: bytes = self._raw.getsockname()[4]
        self._source = source
        self._interval = interval
        self._poll = select.poll()
        self._poll.register(self._raw, select.POLLIN)

    def ask(self, address: IPv4Address, seconds: float) -> None:
        """Ask until answered, or until the time is up."""
        frame = question(self._mac, self._source, address)
        answers = Answers(self._mac, address)
        next_at = time.monotonic()
        ends_at = next_at + seconds
        asked = 0
        while answers.answered_at is None and (now := time.monotonic()) < ends_at:
            if now >= next_at:
                self._raw.send(frame)
                next_at = max(next_at + self._interval, now)
                asked += 1
                if asked == 1:
                    say(asking=True)
            if self._poll.poll(max(0.0, (next_at - time.monotonic()) * 1000)):
                self._take(answers)
        say(asked=asked, answered_at=answers.answered_at, gratuitous_at=answers.gratuitous_at)

    def _take(self, answers: Answers) -> None:
        try:
            while True:
                answers.take(self._raw.recv(FRAME_BYTES), time.monotonic())
        except BlockingIOError:
            return


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interface", default="eth0")
    parser.add_argument("--source", type=IPv4Address, required=True)
    parser.add_argument("--interval", type=float, default=1.0, help="milliseconds")
    given = parser.parse_args()
    asker = Asker(given.interface, given.source, given.interval / 1000)
    for line in sys.stdin:
        order = json.loads(line)
        asker.ask(IPv4Address(order["address"]), order["seconds"])


if __name__ == "__main__":
    main()
