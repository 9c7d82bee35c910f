"""The policy side of BFD, played: it orders sessions of reflex, and lists VirtualIPs again and
again, as a policy process does whose watch breaks all the time.

Each list is read as the policy process reads it: pages of JSON, each object parsed into a value and
kept. So this process is busy without a pause, and reflex has to keep its time beside it. With no
objects there are no lists, and it only watches.

It is a process of its own. It says `{"up": N}` when all sessions are up, and when it is told
anything what it saw since: how often a session was up no more, how many lists it read, and how late
timers of reflex were.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from ipaddress import ip_address
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from metallb.api.fields import Problem
from metallb.api.virtual_ips import VirtualIP, read_virtual_ip
from metallb.runtime.tasks import Supervisor
from metallb_speaker.bfd.config import BFDConfig, Endpoint
from metallb_speaker.control import LATENESS_BOUNDS_SECONDS
from metallb_speaker.policy.bfd import BFDSessions
from metallb_speaker.policy.client import ControlClient

if TYPE_CHECKING:
    from metallb_speaker.control import Line

PAGE_OBJECTS = 500
FIRST_SERVICE = ip_address("10.128.0.0")


def virtual_ip(number: int) -> dict[str, Any]:
    """Make a VirtualIP as the API server lists it."""
    address = str(FIRST_SERVICE + number)
    return {
        "metadata": {"name": address, "uid": f"{number:032}", "resourceVersion": str(number + 1)},
        "spec": {
            "address": address,
            "pool": "pool",
            "poolKind": "IPAddressPool",
            "services": [{"namespace": "default", "name": f"service-{number}"}],
            "bgp": {"advertisements": ["all"]},
        },
    }


def pages(count: int) -> list[bytes]:
    """Make the pages of a list."""
    items = [virtual_ip(number) for number in range(count)]
    starts = range(0, count, PAGE_OBJECTS)
    return [orjson.dumps({"items": items[start : start + PAGE_OBJECTS]}) for start in starts]


class Relister:
    """What the process does; counts what it sees."""

    def __init__(self, socket: Path, configs: dict[str, BFDConfig]) -> None:
        self._configs = configs
        self._client = ControlClient(socket, self._on_reflex, self._on_line, lambda: None)
        self._sessions = BFDSessions(self._client.say, self._on_change)
        self._up: set[str] = set()
        self._all_up = asyncio.Event()
        self._mirror: dict[str, VirtualIP] = {}
        self._late = [0] * (len(LATENESS_BOUNDS_SECONDS) + 1)
        self._downs = self._lists = 0

    def _on_reflex(self) -> None:
        self._sessions.reflex_connected()
        self._sessions.order(self._configs)

    def _on_line(self, line: Line) -> None:
        if line["do"] == "bfd_state":
            self._sessions.take(line)
        elif line["do"] == "counters":
            self._late = [
                one + more for one, more in zip(self._late, line["late_timers"], strict=True)
            ]

    def _on_change(self, name: str, *, is_up: bool) -> None:
        if is_up:
            self._up.add(name)
        else:
            self._up.discard(name)
            self._downs += 1
        if len(self._up) == len(self._configs):
            self._all_up.set()

    async def run(self, listed: list[bytes]) -> None:
        """Serve one conversation over standard input and output."""
        supervisor = Supervisor()
        supervisor.start("reflex", self._client.run())
        await self._all_up.wait()
        say(up=len(self._up))
        if listed:
            supervisor.start("lists", self._list_again(listed))
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        while await reader.readline():
            say(
                downs=self._downs,
                up=len(self._up),
                lists=self._lists,
                objects=len(self._mirror),
                late_99_seconds=self._late_seconds(0.99),
                late_worst_seconds=self._late_seconds(1.0),
            )
            self._downs = self._lists = 0
            self._late = [0] * len(self._late)
        await supervisor.cancel()

    async def _list_again(self, listed: list[bytes]) -> None:
        while True:
            for page in listed:
                for item in orjson.loads(page)["items"]:
                    found = read_virtual_ip(item)
                    assert not isinstance(found, Problem), found
                    self._mirror[found.meta.key.name] = found
                await asyncio.sleep(0)
            self._lists += 1

    def _late_seconds(self, share: float) -> float:
        """Give the bound below which that share of timers were late; infinity: above all bounds."""
        sums = list(accumulate(self._late))
        bounds = (*LATENESS_BOUNDS_SECONDS, float("inf"))
        return next(at for at, found in zip(bounds, sums, strict=True) if found >= share * sums[-1])


def say(**what: Any) -> None:
    """Say something to who started us."""
    print(json.dumps(what), flush=True)


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--objects", type=int, required=True)
    parser.add_argument("--sessions", required=True, help="OURS-THEIRS, with commas between them")
    parser.add_argument("--interval-us", type=int, required=True)
    given = parser.parse_args()
    pairs = [pair.split("-") for pair in given.sessions.split(",")]
    endpoints = [Endpoint(ip_address(theirs), ip_address(ours)) for ours, theirs in pairs]
    interval_us = given.interval_us
    configs = {
        str(endpoint.peer_address): BFDConfig(endpoint, interval_us, interval_us)
        for endpoint in endpoints
    }
    asyncio.run(Relister(given.socket, configs).run(pages(given.objects)))


if __name__ == "__main__":
    main()
