"""What a client sees of a VIP: replies and gaps, answers over HTTP, the MAC in its neighbour table.

`Prober` asks each VIP by UDP every few milliseconds, from a process of its own, so that nothing
else in the lab disturbs its clock. Source ports take turns, so that each question is a new flow
and goes to any backend: the longest gap between replies is then the outage of the *address*, not
of one backend.

    python -m metallb_lab.probes --interval MS ADDRESS:PORT…     prints a JSON object on SIGTERM
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import select
import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb_lab import netns

if TYPE_CHECKING:
    from types import FrameType

SOURCE_PORTS = 16
LAST_REPLIES_SECONDS = 0.3
"""How long replies to the last questions are waited for."""

HTTP_SECONDS = 20.0
HTTP_AGAIN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest time without a reply; `began_at` is on the clock that all processes share."""

    milliseconds: float
    began_at: float


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one VIP's probing saw."""

    sent: int
    received: int
    longest: Gap


class _Target:
    """One VIP being asked."""

    def __init__(self, address: str, port: int) -> None:
        self.address = (address, port)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(SOURCE_PORTS)]
        for item in self.sockets:
            item.setblocking(False)
            item.connect(self.address)
        self.sent = 0
        self.received = 0
        self.last_at: float | None = None
        self.longest = (0.0, 0.0)

    def ask(self) -> None:
        with contextlib.suppress(OSError):
            self.sockets[self.sent % SOURCE_PORTS].send(b"%d" % self.sent)
        self.sent += 1

    def take(self, item: socket.socket, now: float) -> None:
        try:
            while True:
                item.recv(64)
                self.received += 1
                if self.last_at is not None and now - self.last_at > self.longest[0]:
                    self.longest = (now - self.last_at, self.last_at)
                self.last_at = now
        except OSError:
            return

    def result(self, now: float) -> dict[str, float]:
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


def probe(targets: list[tuple[str, int]], interval: float) -> dict[str, dict[str, float]]:
    """Ask until SIGTERM; gives what was seen of each address."""
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)

    signal.signal(signal.SIGTERM, stop)
    asked = [_Target(address, port) for address, port in targets]
    by_descriptor = {item.fileno(): (target, item) for target in asked for item in target.sockets}
    poll = select.poll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)

    def take_until(at: float) -> None:
        for descriptor, _ in poll.poll(max(0.0, (at - time.monotonic()) * 1000)):
            target, item = by_descriptor[descriptor]
            target.take(item, time.monotonic())

    next_at = time.monotonic()
    print("ready", flush=True)
    while not stopped:
        now = time.monotonic()
        if now >= next_at:
            for target in asked:
                target.ask()
            next_at = max(next_at + interval, now)
        take_until(next_at)
    stopped_at = time.monotonic()
    end_at = stopped_at + LAST_REPLIES_SECONDS
    while time.monotonic() < end_at and any(target.sent > target.received for target in asked):
        take_until(end_at)
    return {target.address[0]: target.result(stopped_at) for target in asked}


class Prober:
    """A prober in a namespace; results come when it is stopped."""

    def __init__(
        self, python: str, namespace: str, targets: list[tuple[str, int]], interval: float
    ) -> None:
        self._command = [
            *("ip", "netns", "exec", namespace, "setpriv", "--pdeathsig", "KILL", "--"),
            *(python, "-m", "metallb_lab.probes", "--interval", str(interval * 1000)),
            *(f"{address}@{port}" for address, port in targets),
        ]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Begin to ask; returns when the first questions go out."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if line != b"ready\n":
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            raise RuntimeError(f"the prober did not start: {line!r}")

    async def stop(self) -> dict[str, ProbeResult]:
        """Stop asking; gives what was seen of each address."""
        assert self._process is not None
        self._process.terminate()
        output, _ = await self._process.communicate()
        return {
            address: ProbeResult(
                int(item["sent"]),
                int(item["received"]),
                Gap(item["milliseconds"], item["began_at"]),
            )
            for address, item in json.loads(output).items()
        }


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a backend said of itself."""

    pod: str
    node: str
    client: str


def http_get(namespace: str, address: str, port: int, timeout: float = 2.0) -> HttpAnswer:
    """Ask a VIP over HTTP, from a namespace; raises OSError or ValueError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with netns.make_socket(namespace, family, socket.SOCK_STREAM) as tcp:
        tcp.settimeout(timeout)
        tcp.connect((address, port))
        tcp.sendall(b"GET / HTTP/1.0\r\n\r\n")
        data = b""
        while chunk := tcp.recv(4096):
            data += chunk
    found = json.loads(data.partition(b"\r\n\r\n")[2])
    return HttpAnswer(found["pod"], found["node"], found["client"])


def wait_for_http(namespace: str, address: str, port: int) -> HttpAnswer:
    """Ask a VIP over HTTP until it answers; raises TimeoutError with the last error.

    The rules in the nodes come a moment after the address, as with any proxy.
    """
    deadline = time.monotonic() + HTTP_SECONDS
    while True:
        try:
            return http_get(namespace, address, port)
        except (OSError, ValueError) as error:
            if time.monotonic() >= deadline:
                raise TimeoutError(f"no HTTP answer from {address}:{port}: {error}") from error
            time.sleep(HTTP_AGAIN_SECONDS)


def neighbour(namespace: str, address: str) -> str:
    """Give the MAC that a host has for an address; empty when it has none."""
    for line in netns.run("ip", "-n", namespace, "neigh", "show", address).splitlines():
        words = line.split()
        if "lladdr" in words:
            return words[words.index("lladdr") + 1]
    return ""


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interval", type=float, default=2.0, help="milliseconds")
    parser.add_argument("targets", nargs="+", help="ADDRESS@PORT")
    given = parser.parse_args()
    targets = [(item.partition("@")[0], int(item.partition("@")[2])) for item in given.targets]
    print(json.dumps(probe(targets, given.interval / 1000)), flush=True)


if __name__ == "__main__":
    main()
