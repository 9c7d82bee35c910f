"""A real API server on loopback, as F7 needs it: our CRDs, three nodes, their speakers on the roll.

No speaker runs: ten thousand addresses would make each write ten thousand reports, and the figure
would be theirs as well. Their entries on the roll (Leases) make the nodes eligible.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from metallb.api.meta import Metadata, ObjectKey
from metallb.api.nodes import NodeName
from metallb.api.speakers import Speaker, lease_name, lease_object
from metallb.kube.client import ApiClient
from metallb.kube.config import Connection
from metallb.kube.errors import (
    TRANSPORT_ERRORS,
    AlreadyExistsError,
    NotFoundError,
    TooManyRequestsError,
)
from metallb_lab import objects
from metallb_lab.bench import bodies, machine
from metallb_lab.bench.benchmark import BenchmarkError
from metallb_lab.cluster import CRDS
from metallb_lab.instance import Instance
from metallb_lab.realserver import RealServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from metallb.kube.client import JsonObject, Resource

NODES = ("n1", "n2", "n3")
SERVED_SECONDS = 30.0
QUIET_CPU_SECONDS = 0.15
"""Less than this in a second, and the processes count as having come to rest."""
QUIET_LIMIT_SECONDS = 30.0
CONNECTIONS = 16
ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Rig:
    """A running server and a client of it."""

    instance: Instance
    server: RealServer
    client: ApiClient

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of the administrator."""
        return self.server.write_kubeconfig()

    async def set_up(self) -> None:
        """Make our kinds, the nodes, and the roll."""
        for path in sorted(CRDS.rglob("*.yaml")):
            if not path.name.startswith("doc-"):
                definition = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
                await self.client.create(objects.CUSTOM_RESOURCES, definition)
        name = {"metadata": {"name": objects.NAMESPACE}}
        await self.client.create(
            objects.NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", **name}
        )
        for number, node in enumerate(NODES, start=11):
            await self.client.create(objects.NODES, objects.node(node))
            status = objects.node_status(node, (f"10.10.0.{number}",), bodies.now(), is_ready=True)
            await self.client.patch(objects.NODES, node, status, subresource="status")
            await self.client.create(objects.LEASES, _entry(node), objects.NAMESPACE)
        await self._until_served()

    async def _until_served(self) -> None:
        async with asyncio.timeout(SERVED_SECONDS):
            for resource in (objects.CLASSES, objects.VIRTUAL_IPS):
                while not await self._is_served(resource.path()):
                    await asyncio.sleep(0.05)

    async def _is_served(self, path: str) -> bool:
        try:
            await self.client.request("GET", path)
        except (NotFoundError, TooManyRequestsError):
            return False
        return True

    async def come_to_rest(self, pids: Iterable[int]) -> None:
        """Wait until the server and other processes do next to nothing."""
        watched = [*self.server.pids, *pids]
        ends_at = time.monotonic() + QUIET_LIMIT_SECONDS
        before = machine.cpu_seconds(watched)
        while time.monotonic() < ends_at:
            await asyncio.sleep(1)
            after = machine.cpu_seconds(watched)
            if after - before < QUIET_CPU_SECONDS:
                return
            before = after
        raise BenchmarkError(f"no rest within {QUIET_LIMIT_SECONDS} s")


@contextlib.asynccontextmanager
async def running(from_copy: Path | None = None) -> AsyncIterator[Rig]:
    """Run a server, on a copy of saved data if given."""
    with Instance() as instance:
        server = RealServer(directory=instance.directory / "api")
        await server.start(from_copy=from_copy)
        try:
            for pid in server.pids:
                instance.note_process(pid)
            await server.wait_ready()
            token = server.admin.secret
            connection = Connection(server.url, server.ssl_context(), lambda: f"Bearer {token}")
            async with ApiClient(
                connection, user_agent="metallb-bench", max_connections=CONNECTIONS + 4
            ) as client:
                yield Rig(instance, server, client)
        finally:
            await server.stop()


def _entry(node: str) -> dict[str, object]:
    key = ObjectKey(objects.NAMESPACE, lease_name(node))
    speaker = Speaker(Metadata(key, "", "", 0, "", False), NodeName(node), f"{node}-1", 7946, ())
    wall = bodies.now().replace("Z", ".000000Z")
    return lease_object(speaker, objects.NAMESPACE, wall)


async def create_all(
    client: ApiClient, wanted: Iterable[tuple[Resource, JsonObject]]
) -> AsyncIterator[int]:
    """Create many objects of the namespace `default`; gives the count after each hundred or so."""
    queue = iter(wanted)
    made = 0

    async def work() -> None:
        nonlocal made
        for resource, body in queue:
            await _create(client, resource, body)
            made += 1

    async with asyncio.TaskGroup() as group:
        workers = {group.create_task(work()) for _ in range(CONNECTIONS)}
        while workers:
            _, workers = await asyncio.wait(workers, timeout=5)
            yield made


async def _create(client: ApiClient, resource: Resource, body: JsonObject) -> None:
    """Create an object, however slow the server is; one that is there already is enough."""
    for left in reversed(range(ATTEMPTS)):
        try:
            await client.create(resource, body, "default")
            return
        except AlreadyExistsError:
            return
        except (TooManyRequestsError, *TRANSPORT_ERRORS):
            if not left:
                raise
            await asyncio.sleep(1)
