"""What a client sees of a VIP: replies and gaps, answers over HTTP, the MAC in its neighbour table.

`Prober` asks each VIP by UDP every few milliseconds, from a process of its own, so that nothing
else in the lab disturbs its clock. Source ports take turns, so that each question is a new flow
and goes to any backend: the longest gap between replies is then the outage of the *address*, not
of one backend. What each flow saw is told too: with a way for each of several nodes (ECMP), a dead
node is an outage of the flows that went through it and of no others.

    python -m metallb_lab.probes --interval MS ADDRESS@PORT…     prints a JSON object on SIGTERM
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
from typing import TYPE_CHECKING, Any

from metallb_lab import netns
from metallb_lab.flows import FLOWS, Pace, Target

if TYPE_CHECKING:
    from types import FrameType

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
class FlowResult:
    """What one flow of a VIP's probing saw."""

    sent: int
    received: int
    longest: Gap
    pods: tuple[str, ...]
    """Pods that answered, in order; one that answered many times in a row is there once."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one VIP's probing saw."""

    sent: int
    received: int
    longest: Gap
    flows: tuple[FlowResult, ...] = ()


def probe(targets: list[tuple[str, int]], pace: Pace) -> dict[str, dict[str, Any]]:
    """Ask until SIGTERM; gives what was seen of each address."""
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)

    signal.signal(signal.SIGTERM, stop)
    asked = [Target(address, port, pace) for address, port in targets]
    by_descriptor = {
        flow.socket.fileno(): (target, flow) for target in asked for flow in target.flows
    }
    poll = select.poll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)

    def take_until(at: float) -> None:
        for descriptor, _ in poll.poll(max(0.0, (at - time.monotonic()) * 1000)):
            target, flow = by_descriptor[descriptor]
            target.take(flow, time.monotonic())

    next_at = time.monotonic()
    print("ready", flush=True)
    while not stopped:
        now = time.monotonic()
        if now >= next_at:
            for target in asked:
                for _ in range(pace.burst):
                    target.ask()
            next_at = max(next_at + pace.interval, now)
        take_until(next_at)
    stopped_at = time.monotonic()
    end_at = stopped_at + LAST_REPLIES_SECONDS
    while time.monotonic() < end_at and not all(target.is_answered for target in asked):
        take_until(end_at)
    return {target.address[0]: target.result(stopped_at) for target in asked}


class Prober:
    """A prober in a namespace; results come when it is stopped."""

    def __init__(
        self, python: str, namespace: str, targets: list[tuple[str, int]], pace: float | Pace
    ) -> None:
        given = pace if isinstance(pace, Pace) else Pace(pace)
        self._command = [
            *("ip", "netns", "exec", namespace, "setpriv", "--pdeathsig", "KILL", "--"),
            *(python, "-m", "metallb_lab.probes", "--interval", str(given.interval * 1000)),
            *("--flows", str(given.flows), "--burst", str(given.burst)),
            *("--first-port", str(given.first_port)),
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
                item["sent"],
                item["received"],
                _gap(item),
                tuple(
                    FlowResult(flow["sent"], flow["received"], _gap(flow), tuple(flow["pods"]))
                    for flow in item["flows"]
                ),
            )
            for address, item in json.loads(output).items()
        }


def _gap(item: dict[str, Any]) -> Gap:
    return Gap(item["milliseconds"], item["began_at"])


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
    parser.add_argument("--flows", type=int, default=FLOWS, help="source ports")
    parser.add_argument("--burst", type=int, default=1, help="questions at once")
    parser.add_argument("--first-port", type=int, default=0, help="of the sources; 0: any")
    parser.add_argument("targets", nargs="+", help="ADDRESS@PORT")
    given = parser.parse_args()
    targets = [(item.partition("@")[0], int(item.partition("@")[2])) for item in given.targets]
    pace = Pace(given.interval / 1000, given.flows, given.burst, given.first_port)
    print(json.dumps(probe(targets, pace)), flush=True)


if __name__ == "__main__":
    main()
