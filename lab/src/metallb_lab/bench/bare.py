"""The bare client: the writes that Services need, and nothing else.

    assign   for each Service that is there, create its VirtualIP and then patch its status
    create   create Services
    follow   watch Services, and for each new one do as `assign` does

Each by as many workers as there are connections. There is no deciding, and no looking at the
answers beyond their code; bodies are encoded ahead of time where they are known. aiohttp and
uvloop, as the controller itself uses.

    python -m metallb_lab.bench.bare --kubeconfig FILE --pool KEY --first ADDRESS --nodes n1,n2

Says {"ready": SERVICES}; then, for each {"do": WORK, "first": I, "count": N, "connections": C},
{"seconds": S}. `follow` says {"watching": true} first, and takes the addresses in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

import aiohttp
import orjson
import uvloop

from metallb.api.meta import ObjectKey
from metallb.kube.client import ApiClient, PatchType
from metallb_lab import objects
from metallb_lab.bench import bodies
from metallb_lab.bench.access import events, read_connection
from metallb_lab.bench.conversation import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metallb.kube.client import JsonObject
    from metallb.kube.config import Connection


@dataclass(frozen=True, slots=True)
class Write:
    """One request, ready to be sent."""

    method: str
    path: str
    content_type: str
    body: bytes


Job = tuple[Write, ...]
"""The writes for one Service, in their order."""


def assignment(service: JsonObject, address: str, pool: str, nodes: Sequence[str]) -> Job:
    """Make the writes that give an address to a Service as it was read."""
    meta = service["metadata"]
    key = ObjectKey(meta["namespace"], meta["name"])
    entry = bodies.virtual_ip(address, pool, key, nodes)
    status = bodies.service_status(
        meta["uid"], meta["resourceVersion"], address, pool, bodies.now()
    )
    path = objects.SERVICES.path(key.namespace, key.name, "status")
    return (
        Write("POST", objects.VIRTUAL_IPS.path(), "application/json", orjson.dumps(entry)),
        Write("PATCH", path, PatchType.STRATEGIC.value, orjson.dumps(status)),
    )


def creation(number: int) -> Job:
    """Make the write that creates a Service."""
    body = orjson.dumps(bodies.service(number))
    return (Write("POST", objects.SERVICES.path("default"), "application/json", body),)


class Sender:
    """Sends jobs over a number of connections."""

    def __init__(self, connection: Connection, connections: int) -> None:
        self._base = connection.base_url
        self._workers = connections
        self._headers = {"Authorization": connection.authorization() or ""}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=connection.tls or True)
        )

    async def send_all(self, jobs: Iterable[Job]) -> float:
        """Carry out jobs; gives the seconds that it took."""
        queue = iter(jobs)
        began_at = time.monotonic()
        async with self._session, asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work(queue))
        return time.monotonic() - began_at

    async def send_as_they_come(self, jobs: asyncio.Queue[Job], count: int) -> None:
        """Carry out so many jobs that come by and by."""
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                for write in await jobs.get():
                    await self._send(write)

        async with self._session, asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(work())

    async def _work(self, queue: Iterator[Job]) -> None:
        for job in queue:
            for write in job:
                await self._send(write)

    async def _send(self, write: Write) -> None:
        async with self._session.request(
            write.method,
            self._base + write.path,
            data=write.body,
            headers={**self._headers, "Content-Type": write.content_type},
        ) as response:
            answer = await response.read()
            if response.status >= 400:
                raise RuntimeError(f"{write.method} {write.path}: {answer[:500]!r}")


class Bare:
    """What the process does when it is told to."""

    def __init__(self, connection: Connection, given: argparse.Namespace) -> None:
        self._connection = connection
        self._first = ip_address(given.first)
        self._pool: str = given.pool
        self._nodes: list[str] = given.nodes.split(",")
        self._jobs: list[Job] = []

    def _job(self, service: JsonObject, place: int) -> Job:
        return assignment(service, str(self._first + place), self._pool, self._nodes)

    async def read(self) -> int:
        """Read the Services that are there; gives how many."""
        async with ApiClient(self._connection) as client:
            async for page in client.list_pages(objects.SERVICES):
                for service in page.items:
                    if service["spec"]["type"] == "LoadBalancer":
                        self._jobs.append(self._job(service, len(self._jobs)))
        return len(self._jobs)

    async def do(self, work: str, first: int, count: int, connections: int) -> float:
        """Carry out an order; gives the seconds that it took."""
        sender = Sender(self._connection, connections)
        if work == "follow":
            return await self._follow(sender, count)
        if work == "create":
            return await sender.send_all([creation(first + number) for number in range(count)])
        return await sender.send_all(self._jobs[first : first + count])

    async def _follow(self, sender: Sender, count: int) -> float:
        began_at = time.monotonic()
        jobs: asyncio.Queue[Job] = asyncio.Queue()
        async with ApiClient(self._connection) as client:
            watching = asyncio.create_task(self._watch(client, jobs))
            await sender.send_as_they_come(jobs, count)
            watching.cancel()
        return time.monotonic() - began_at

    async def _watch(self, client: ApiClient, jobs: asyncio.Queue[Job]) -> None:
        place = 0
        async for kind, service in events(client, objects.SERVICES):
            if kind == "ADDED":
                jobs.put_nowait(self._job(service, place))
                place += 1


async def _run(given: argparse.Namespace) -> None:
    bare = Bare(read_connection(given.kubeconfig), given)
    say(ready=await bare.read())
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = orjson.loads(line)
        work, first, count = order["do"], order["first"], order["count"]
        say(seconds=await bare.do(work, first, count, order["connections"]))


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--pool", required=True, help="key of the pool that VirtualIPs name")
    parser.add_argument("--first", required=True, help="the first address")
    parser.add_argument("--nodes", required=True, help="names, parted by commas")
    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
