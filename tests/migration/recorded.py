"""A recorded cluster, loaded into an API server, and what tests do with it: run the command, run
our controller, and watch the addresses of every Service all the while.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from metallb.kube.client import ApiClient, Resource
from metallb.kube.config import load_connection
from metallb.kube.errors import AlreadyExistsError
from metallb.kube.reflector import Reflector
from metallb_controller.app.migration import DECKHOUSE_KINDS, KINDS
from metallb_controller.app.resources import NAMESPACES, SERVICES, VIRTUAL_IPS
from metallb_lab.objects import NAMESPACE
from metallb_lab.operator.crds import ensure_crds
from metallb_lab.operator.platform import MODULE_CONFIG_CRD
from module.hooks.deckhouse import OLD_CRD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container

    from metallb.kube.reflector import Key

ROOT = Path(__file__).parents[2]
STATES = Path(__file__).parent / "states"
SECONDS = 60.0
POLL_SECONDS = 0.05

JsonObject = dict[str, Any]
Addresses = tuple[str, ...]


def recorded(name: str) -> list[JsonObject]:
    """Give the objects of a state, in the order of their creation."""
    return list(yaml.safe_load_all((STATES / f"{name}.yaml").read_text()))


def crds(objects: list[JsonObject]) -> list[JsonObject]:
    """Give the kinds of this module, and those that a Deckhouse cluster has besides."""
    is_deckhouse = any(item["kind"] in DECKHOUSE_KINDS for item in objects)
    paths = sorted((ROOT / "crds").rglob("*.yaml"))
    ours = [
        yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        for path in paths
        if "doc-ru-" not in path.name
    ]
    return [*ours, *((OLD_CRD, MODULE_CONFIG_CRD) if is_deckhouse else ())]


def resource_of(value: JsonObject) -> Resource:
    """Tell where an object belongs, by its kind and version."""
    found = {**KINDS, **DECKHOUSE_KINDS}[value["kind"]]
    return replace(found, version=value["apiVersion"].rpartition("/")[2])


def shown(value: JsonObject) -> Addresses:
    """Give the addresses in a Service's status."""
    ingress = value.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return tuple(item["ip"] for item in ingress)


class RecordedCluster:
    """A state in an API server; `before` are the addresses that Services had in it."""

    def __init__(self, kubeconfig: Path, client: ApiClient, objects: list[JsonObject]) -> None:
        self.kubeconfig = kubeconfig
        self.client = client
        self.objects = objects
        services = [item for item in objects if item["kind"] == "Service"]
        self.before = {f"{key(item)}": shown(item) for item in services if shown(item)}

    @classmethod
    @asynccontextmanager
    async def loaded(
        cls, kubeconfig: Path, objects: list[JsonObject]
    ) -> AsyncIterator[RecordedCluster]:
        """Connect, and make all objects with their statuses."""
        async with ApiClient(load_connection(str(kubeconfig))) as client:
            await ensure_crds(client, crds(objects))
            for value in objects:
                await _make(client, value)
            yield cls(kubeconfig, client, objects)

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run `metallb-controller migrate`; gives its exit code, and what it said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "metallb_controller", "migrate", *arguments),
            f"--kubeconfig={self.kubeconfig}",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        async with asyncio.timeout(SECONDS):
            said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode()

    @asynccontextmanager
    async def controller(
        self, *arguments: str, may_die: bool = False
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run our controller all the while, in its namespace; one that may die can be killed."""
        with suppress(AlreadyExistsError):
            await self.client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "metallb_controller"),
            *(f"--kubeconfig={self.kubeconfig}", "--identity=new", "--metrics-port=0", *arguments),
            stderr=subprocess.DEVNULL,
            env={**os.environ, "POD_NAMESPACE": NAMESPACE},
        )
        try:
            yield process
            assert may_die or process.returncode is None, "the controller has ended"
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    @asynccontextmanager
    async def watched(self, grows: Container[str] = ()) -> AsyncIterator[Statuses]:
        """Watch all Services; AssertionError if one had another address for a moment.

        Those that grow may get more addresses behind those that they had.
        """
        statuses = Statuses(self.client)
        task = asyncio.create_task(statuses.mirror.run())
        try:
            await statuses.mirror.synced.wait()
            yield statuses
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        seen = {name: {*statuses.seen[name]} for name in self.before}
        for name, addresses in self.before.items():
            kept = {item[: len(addresses)] for item in seen[name]} if name in grows else seen[name]
            assert kept == {addresses}, f"{name}: {seen[name]}"

    async def ledger(self) -> dict[str, set[str]]:
        """Give whom the ledger has each address for."""
        pages = self.client.list_pages(VIRTUAL_IPS)
        values = [item async for page in pages for item in page.items]
        return {
            value["spec"]["address"]: {
                f"{item['namespace']}/{item['name']}" for item in value["spec"]["services"]
            }
            for value in values
        }


class Statuses:
    """The addresses that each Service was ever seen with, in the order in which it had them."""

    def __init__(self, client: ApiClient) -> None:
        self.seen: dict[str, list[Addresses]] = {}
        self.changed = asyncio.Event()
        self._versions: dict[str, int] = {}
        self.mirror: Reflector[JsonObject] = Reflector(
            client, SERVICES, dict, self._on_change, chance=random.random
        )

    def version_of(self, name: str) -> int:
        """Tell at which version a Service got the addresses that it has now."""
        return self._versions[name]

    def _on_change(self, key: Key, old: JsonObject | None, new: JsonObject | None) -> None:
        if new is not None:
            name = "/".join(key)
            if old is None or shown(old) != shown(new):
                self._versions[name] = int(new["metadata"]["resourceVersion"])
            self.seen.setdefault(name, []).append(shown(new))
            self.changed.set()

    async def until(self, name: str, *addresses: str) -> Addresses:
        """Wait until a Service shows certain addresses; with none, any."""
        async with asyncio.timeout(SECONDS):
            while True:
                self.changed.clear()
                found = self.seen[name][-1]
                if found and addresses in ((), found):
                    return found
                await self.changed.wait()


def key(value: JsonObject) -> str:
    """Name an object."""
    meta = value["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if "namespace" in meta else str(meta["name"])


async def _make(client: ApiClient, value: JsonObject) -> None:
    resource, meta = resource_of(value), value["metadata"]
    namespace = meta.get("namespace", "")
    body = {name: part for name, part in value.items() if name != "status"}
    try:
        await client.create(resource, body, namespace)
    except AlreadyExistsError:
        return
    if "status" in value:
        await client.patch(
            resource, meta["name"], {"status": value["status"]}, namespace=namespace,
            subresource="status",
        )  # fmt: skip
