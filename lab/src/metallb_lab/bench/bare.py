"""The bare client of F7: the writes that 10 000 Services need, and nothing else.

For each Service one VirtualIP is created and then the Service's status patched, by as many workers
as there are connections. There is no watching, no deciding, no looking at the answers beyond their
code; bodies are encoded ahead of time. aiohttp and uvloop, as the controller itself uses.

    python -m metallb_lab.bench.bare --kubeconfig FILE --class NAME --first ADDRESS --nodes n1,n2

Says {"ready": SERVICES}; then, for each {"first": I, "count": N, "connections": C}, {"seconds": S}.
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
from metallb_lab.bench.access import read_connection
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


@dataclass(frozen=True, slots=True)
class Job:
    """The writes of one Service, in their order."""

    entry: Write
    status: Write


def job(service: JsonObject, address: str, class_name: str, nodes: Sequence[str]) -> Job:
    """Make the writes for a Service as it was read."""
    meta = service["metadata"]
    key = ObjectKey(meta["namespace"], meta["name"])
    entry = bodies.virtual_ip(address, class_name, key, nodes)
    status = bodies.service_status(
        meta["uid"], meta["resourceVersion"], address, class_name, bodies.now()
    )
    path = objects.SERVICES.path(key.namespace, key.name, "status")
    return Job(
        Write("POST", objects.VIRTUAL_IPS.path(), "application/json", orjson.dumps(entry)),
        Write("PATCH", path, PatchType.STRATEGIC.value, orjson.dumps(status)),
    )


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

    async def _work(self, queue: Iterator[Job]) -> None:
        for item in queue:
            await self._send(item.entry)
            await self._send(item.status)

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


async def _read_jobs(connection: Connection, given: argparse.Namespace) -> list[Job]:
    first, nodes = ip_address(given.first), given.nodes.split(",")
    jobs: list[Job] = []
    async with ApiClient(connection) as client:
        async for page in client.list_pages(objects.SERVICES):
            jobs += [
                job(service, str(first + len(jobs) + number), given.class_name, nodes)
                for number, service in enumerate(
                    item for item in page.items if item["spec"]["type"] == "LoadBalancer"
                )
            ]
    return jobs


async def _run(given: argparse.Namespace) -> None:
    connection = read_connection(given.kubeconfig)
    jobs = await _read_jobs(connection, given)
    say(ready=len(jobs))
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = orjson.loads(line)
        chosen = jobs[order["first"] : order["first"] + order["count"]]
        seconds = await Sender(connection, order["connections"]).send_all(chosen)
        say(seconds=seconds)


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--class", dest="class_name", required=True)
    parser.add_argument("--first", required=True, help="the first address")
    parser.add_argument("--nodes", required=True, help="names, parted by commas")
    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
