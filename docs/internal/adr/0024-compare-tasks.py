"""The measurement behind ADR 0024: octets of many connections, taken by callbacks or by tasks.

    .venv/bin/python docs/internal/adr/0024-compare-tasks.py [--peers 100] [--messages 400]

Each of the connections (socket pairs) is sent KEEPALIVEs one by one. They are taken by a callback
of the connection, by a task for each connection that reads a stream, or by a task that a callback
wakes through an Event. Printed are the medians of seven runs in turn: processor time for each
message, the sender's included, and the ratio to the callback's, on both event loops.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import time
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    Way: TypeAlias = Callable[[list[socket.socket], "Counted"], Awaitable[list[asyncio.Task[None]]]]

MESSAGE = b"\xff" * 16 + b"\x00\x13\x04"
ROUNDS = 7


class Counted:
    """Octets that have come on all connections."""

    def __init__(self, expected: int) -> None:
        self.is_all = asyncio.Event()
        self._left = expected

    def take(self, data: bytes) -> None:
        """Count them."""
        self._left -= len(data)
        if not self._left:
            self.is_all.set()


class Callback(asyncio.Protocol):
    """The session is told from within the callback."""

    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    def data_received(self, data: bytes) -> None:
        """Octets have come."""
        self._counted.take(data)


class Woken(asyncio.Protocol):
    """The callback only wakes a task, which tells the session."""

    def __init__(self, counted: Counted) -> None:
        self._counted = counted
        self._held: list[bytes] = []
        self._has_some = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._run())

    def data_received(self, data: bytes) -> None:
        """Octets have come."""
        self._held.append(data)
        self._has_some.set()

    async def _run(self) -> None:
        while True:
            await self._has_some.wait()
            self._has_some.clear()
            held, self._held = self._held, []
            for data in held:
                self._counted.take(data)


async def by_callbacks(ends: list[socket.socket], counted: Counted) -> list[asyncio.Task[None]]:
    """Take what comes in callbacks."""
    for end in ends:
        await asyncio.get_running_loop().create_connection(lambda: Callback(counted), sock=end)
    return []


async def by_streams(ends: list[socket.socket], counted: Counted) -> list[asyncio.Task[None]]:
    """Take what comes in a task that reads a stream."""

    async def read(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        """Read; a writer that nobody holds closes its connection."""
        while data := await reader.read(65_536):
            counted.take(data)

    streams = [await asyncio.open_connection(sock=end) for end in ends]
    return [asyncio.create_task(read(*stream)) for stream in streams]


async def by_woken_tasks(ends: list[socket.socket], counted: Counted) -> list[asyncio.Task[None]]:
    """Take what comes in a task that a callback wakes."""
    loop = asyncio.get_running_loop()
    return [
        (await loop.create_connection(lambda: Woken(counted), sock=end))[1].task for end in ends
    ]


async def measure(way: Way, peers: int, messages: int) -> float:
    """Give the processor time for one message, in microseconds."""
    pairs = [socket.socketpair() for _ in range(peers)]
    for pair in pairs:
        for end in pair:
            end.setblocking(False)
    counted = Counted(peers * messages * len(MESSAGE))
    tasks = await way([theirs for _, theirs in pairs], counted)
    loop = asyncio.get_running_loop()
    began_at = time.process_time()
    for _ in range(messages):
        for ours, _ in pairs:
            await loop.sock_sendall(ours, MESSAGE)
    await counted.is_all.wait()
    spent = time.process_time() - began_at
    for task in tasks:
        task.cancel()
    return spent / (peers * messages) * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=int, default=100)
    parser.add_argument("--messages", type=int, default=400)
    options = parser.parse_args()
    ways = (by_callbacks, by_streams, by_woken_tasks)
    for name, run in (("asyncio", asyncio.run), ("uvloop", uvloop.run)):
        found: dict[str, list[float]] = {way.__name__: [] for way in ways}
        for _ in range(ROUNDS):
            for way in ways:
                found[way.__name__].append(run(measure(way, options.peers, options.messages)))
        base = statistics.median(found[by_callbacks.__name__])
        for way_name, runs in found.items():
            middle = statistics.median(runs)
            print(f"{name:8} {way_name:15} {middle:5.2f} us a message, ratio {middle / base:.2f}")


if __name__ == "__main__":
    main()
