"""Flows by which a prober asks a VIP, and what each of them saw."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import Any

FLOWS = 16


@dataclass(frozen=True, slots=True)
class Pace:
    """How a prober asks: every `interval` seconds `burst` flows of each VIP, in turn.

    With `first_port` the flows have the source ports from there on, so another prober can have the
    same.
    """

    interval: float
    flows: int = FLOWS
    burst: int = 1
    first_port: int = 0


class Replies:
    """Replies as they come in."""

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.last_at: float | None = None
        self.longest = (0.0, 0.0)

    def take(self, now: float) -> None:
        """Count a reply."""
        self.received += 1
        if self.last_at is not None and now - self.last_at > self.longest[0]:
            self.longest = (now - self.last_at, self.last_at)
        self.last_at = now

    def result(self, now: float) -> dict[str, Any]:
        """Give what was seen till `now`, when asking ended; a gap that lasts till then counts."""
        gap, began_at = self.longest
        if self.last_at is not None and now - self.last_at > gap:
            gap, began_at = now - self.last_at, self.last_at
        return {
            "sent": self.sent,
            "received": self.received,
            "milliseconds": gap * 1000,
            "began_at": began_at,
        }


class Flow:
    """One source port, from which a VIP is asked."""

    def __init__(self, address: tuple[str, int], source_port: int) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        if source_port:
            self.socket.bind(("", source_port))
        self.socket.connect(address)
        self.replies = Replies()
        self.pods: list[str] = []

    def answered_by(self, pod: str) -> None:
        """Note which pod it was; those of other servers have no name."""
        if not self.pods or self.pods[-1] != pod:
            self.pods.append(pod)


class Target:
    """One VIP being asked."""

    def __init__(self, address: str, port: int, pace: Pace) -> None:
        self.address = (address, port)
        ports = range(pace.first_port, pace.first_port + pace.flows)
        self.flows = [Flow(self.address, item if pace.first_port else 0) for item in ports]
        self.replies = Replies()

    def ask(self) -> None:
        """Ask by the flow whose turn it is."""
        number = self.replies.sent
        flow = self.flows[number % len(self.flows)]
        with contextlib.suppress(OSError):
            flow.socket.send(b"%d" % number)
        self.replies.sent += 1
        flow.replies.sent += 1

    def take(self, flow: Flow, now: float) -> None:
        """Take all replies to a flow."""
        try:
            while True:
                _, _, pod = flow.socket.recv(256).partition(b" ")
                self.replies.take(now)
                flow.replies.take(now)
                flow.answered_by(pod.decode())
        except OSError:
            return

    @property
    def is_answered(self) -> bool:
        """Whether each question has been answered."""
        return self.replies.received >= self.replies.sent

    def result(self, now: float) -> dict[str, Any]:
        """Give what was seen till `now`, when asking ended."""
        flows = [{**flow.replies.result(now), "pods": flow.pods} for flow in self.flows]
        return {**self.replies.result(now), "flows": flows}
