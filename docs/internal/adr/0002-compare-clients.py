"""The measurement behind ADR 0002: Kubernetes clients for Python on one real API server.

    .venv/bin/python docs/internal/adr/0002-compare-clients.py [--objects 3000] [--writes 2000]

Starts a kube-apiserver and etcd (`make tools` builds them), makes ConfigMaps of about 1.2 KB, and
lets each client, in a process of its own, merge-patch some of them with 32 requests in flight, then
list all of them in pages of 500, keeping one field of each. Clients take turns, three rounds;
printed are the medians: requests a second, processor time of the client for each request and each
object listed, memory after the imports and at most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

IN_FLIGHT = 32
PAGE = 500
NAMESPACE = "default"
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
MERGE = "application/merge-patch+json"


def name_of(number: int) -> str:
    """Name of an object."""
    return f"object-{number:05}"


def patch_of(number: int) -> dict[str, Any]:
    """Body of a patch."""
    return {"data": {"touched": f"{time.time_ns()}-{number}"}}


# -- the clients: patch some objects, list all of them ---------------------------------------------


class Threads:
    """`kubernetes.client`: urllib3, typed models, a thread for each request in flight."""

    def __init__(self, kubeconfig: str) -> None:
        from kubernetes import client, config

        configuration = client.Configuration()
        config.load_kube_config(kubeconfig, client_configuration=configuration)
        configuration.connection_pool_maxsize = IN_FLIGHT
        self.api = client.CoreV1Api(client.ApiClient(configuration))

    def patch(self, count: int) -> None:
        """Patch."""
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            list(pool.map(self._patch_one, range(count)))

    def _patch_one(self, number: int) -> None:
        self.api.patch_namespaced_config_map(name_of(number), NAMESPACE, patch_of(number))

    def list_all(self) -> int:
        """List."""
        kept: list[str] = []
        token: str | None = None
        while True:
            page = self.api.list_namespaced_config_map(
                NAMESPACE, limit=PAGE, **({"_continue": token} if token else {})
            )
            kept += [item.metadata.name for item in page.items]
            token = page.metadata._continue
            if not token:
                return len(kept)


class Aio:
    """`kubernetes.aio`: aiohttp, typed models."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig

    def patch(self, count: int) -> None:
        """Patch."""
        asyncio.run(self._patch(count))

    def list_all(self) -> int:
        """List."""
        return asyncio.run(self._list())

    async def _client(self) -> Any:
        from kubernetes.aio import client, config

        configuration = client.Configuration()
        await config.load_kube_config(self.kubeconfig, client_configuration=configuration)
        configuration.connection_pool_maxsize = IN_FLIGHT
        return client.ApiClient(configuration)

    async def _patch(self, count: int) -> None:
        from kubernetes.aio import client

        numbers = iter(range(count))
        async with await self._client() as connection:
            api = client.CoreV1Api(connection)

            async def work() -> None:
                for number in numbers:
                    await api.patch_namespaced_config_map(
                        name_of(number), NAMESPACE, patch_of(number), _content_type=MERGE
                    )

            await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))

    async def _list(self) -> int:
        from kubernetes.aio import client

        kept: list[str] = []
        token: str | None = None
        async with await self._client() as connection:
            api = client.CoreV1Api(connection)
            while True:
                page = await api.list_namespaced_config_map(
                    NAMESPACE, limit=PAGE, **({"_continue": token} if token else {})
                )
                kept += [item.metadata.name for item in page.items]
                token = page.metadata._continue
                if not token:
                    return len(kept)


class Lightkube:
    """`lightkube`: httpx, dataclasses."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig

    def patch(self, count: int) -> None:
        """Patch."""
        asyncio.run(self._patch(count))

    def list_all(self) -> int:
        """List."""
        return asyncio.run(self._list())

    def _client(self) -> Any:
        from lightkube import AsyncClient, KubeConfig

        return AsyncClient(KubeConfig.from_file(self.kubeconfig))

    async def _patch(self, count: int) -> None:
        from lightkube.resources.core_v1 import ConfigMap
        from lightkube.types import PatchType

        numbers = iter(range(count))
        client = self._client()

        async def work() -> None:
            for number in numbers:
                await client.patch(
                    ConfigMap, name_of(number), patch_of(number),
                    namespace=NAMESPACE, patch_type=PatchType.MERGE,
                )  # fmt: skip

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))

    async def _list(self) -> int:
        from lightkube.resources.core_v1 import ConfigMap

        found = self._client().list(ConfigMap, namespace=NAMESPACE, chunk_size=PAGE)
        return len([item.metadata.name async for item in found])


class Ours:
    """`metallb.kube`: the package's configuration, aiohttp, orjson, no models."""

    def __init__(self, kubeconfig: str) -> None:
        from metallb.kube.config import load_connection

        self.connection = load_connection(kubeconfig)

    def patch(self, count: int) -> None:
        """Patch."""
        import uvloop

        uvloop.run(self._patch(count))

    def list_all(self) -> int:
        """List."""
        import uvloop

        return int(uvloop.run(self._list()))

    async def _patch(self, count: int) -> None:
        from metallb.kube.client import ApiClient, PatchType, Resource

        config_maps = Resource("", "v1", "configmaps")
        numbers = iter(range(count))
        async with ApiClient(self.connection) as client:

            async def work() -> None:
                for number in numbers:
                    await client.patch(
                        config_maps, name_of(number), patch_of(number),
                        namespace=NAMESPACE, kind=PatchType.MERGE,
                    )  # fmt: skip

            await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))

    async def _list(self) -> int:
        from metallb.kube.client import ApiClient, Resource

        kept: list[str] = []
        async with ApiClient(self.connection) as client:
            async for page in client.list_pages(
                Resource("", "v1", "configmaps"), NAMESPACE, page_size=PAGE
            ):
                kept += [item["metadata"]["name"] for item in page.items]
        return len(kept)


CLIENTS: dict[str, Any] = {
    "kubernetes, threads": Threads,
    "kubernetes.aio": Aio,
    "lightkube": Lightkube,
    "metallb.kube": Ours,
}


# -- one client in a process of its own ------------------------------------------------------------


def memory_mib(line: str) -> float:
    """What /proc says of this process: VmRSS now, VmHWM at most."""
    for text in Path("/proc/self/status").read_text().splitlines():
        if text.startswith(line):
            return int(text.split()[1]) / 1024
    raise RuntimeError(f"there is no {line}")


def measure(client: str, kubeconfig: str, writes: int, objects: int) -> dict[str, float]:
    """Measure one client in this process."""
    made = CLIENTS[client](kubeconfig)
    made.patch(IN_FLIGHT)  # imports, connections
    imported = memory_mib("VmRSS")
    began_at, cpu = time.monotonic(), time.process_time()
    made.patch(writes)
    wrote_at, wrote_cpu = time.monotonic(), time.process_time()
    listed = made.list_all()
    list_cpu = time.process_time() - wrote_cpu
    if listed < objects:
        raise RuntimeError(f"{client} has listed {listed} of {objects} objects")
    return {
        "writes/s": writes / (wrote_at - began_at),
        "CPU us a write": (wrote_cpu - cpu) / writes * 1e6,
        "CPU us an object listed": list_cpu / listed * 1e6,
        "MiB after imports": imported,
        "MiB at most": memory_mib("VmHWM"),
    }


# -- all of them on one server ---------------------------------------------------------------------


async def fill(kubeconfig: str, objects: int) -> None:
    """Make the objects."""
    from metallb.kube.client import ApiClient, Resource
    from metallb.kube.config import load_connection

    numbers = iter(range(objects))
    async with ApiClient(load_connection(kubeconfig)) as client:

        async def work() -> None:
            for number in numbers:
                body = {"metadata": {"name": name_of(number)}, "data": {"text": "x" * 1000}}
                await client.create(Resource("", "v1", "configmaps"), body, NAMESPACE)

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


async def compare(given: argparse.Namespace) -> None:
    """Start a server, measure all clients on it, print the table."""
    from metallb_lab.realserver import RealServer

    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CLIENTS}
    with tempfile.TemporaryDirectory() as directory:
        async with RealServer(directory=Path(directory)) as server:
            kubeconfig = str(server.write_kubeconfig())
            await fill(kubeconfig, given.objects)
            for _ in range(given.rounds):
                for name in CLIENTS:
                    runs[name].append(await run_one(name, kubeconfig, given))
                    print(name, {k: round(v, 1) for k, v in runs[name][-1].items()}, flush=True)
    print()
    heads = list(next(iter(runs.values()))[0])
    print("| client |", " | ".join(heads), "|")
    print("| --- |", " | ".join("---" for _ in heads), "|")
    for name, found in runs.items():
        medians = [statistics.median(run[head] for run in found) for head in heads]
        print(f"| {name} |", " | ".join(f"{value:.0f}" for value in medians), "|")


async def run_one(name: str, kubeconfig: str, given: argparse.Namespace) -> dict[str, float]:
    """Measure one client in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--client", name, "--kubeconfig", kubeconfig),
        *("--writes", str(given.writes), "--objects", str(given.objects)),
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name} has failed")
    return dict(json.loads(output))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=3000)
    parser.add_argument("--writes", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--kubeconfig", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        print(json.dumps(measure(given.client, given.kubeconfig, given.writes, given.objects)))
    else:
        asyncio.run(compare(given))


if __name__ == "__main__":
    main()
