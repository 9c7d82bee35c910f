"""Follows every change of Services and VirtualIPs from the beginning, without a gap.

One watch for each kind. A watch that ends is opened again where it stood; one that cannot go on
there (410) has lost a part of history, and that ends the run.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import orjson

from metallb.api.fields import Problem
from metallb.api.meta import ObjectKey
from metallb.api.services import read_service
from metallb.api.virtual_ips import read_virtual_ip
from metallb.kube.errors import TRANSPORT_ERRORS
from metallb_lab import objects
from metallb_lab.churn.history import SERVICE, VIRTUAL_IP, Change, History, Sequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.api.services import Service
    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.client import ApiClient, JsonObject, Resource

WATCH_SECONDS = 3600
STALL_SECONDS = 90.0


class GapError(RuntimeError):
    """A part of the history was not seen."""


def _read_vip(value: JsonObject) -> VirtualIP:
    found = read_virtual_ip(value)
    if isinstance(found, Problem):
        raise GapError(f"VirtualIP {value['metadata']['name']} cannot be read: {found}")
    return found


class Follower:
    """Feeds a history."""

    def __init__(self, client: ApiClient, history: History) -> None:
        self._client = client
        self._history = history
        self._sequence = Sequence(SERVICE, VIRTUAL_IP)
        self.versions: dict[str, dict[ObjectKey, int]] = {SERVICE: {}, VIRTUAL_IP: {}}
        """Objects that there are, as far as was seen."""

    async def run(self) -> None:
        """Follow until cancelled; raises GapError. Nothing is to be there yet at its start."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow(SERVICE, objects.SERVICES, read_service))
                group.create_task(self._follow(VIRTUAL_IP, objects.VIRTUAL_IPS, _read_vip))
        except ExceptionGroup as found:
            raise found.exceptions[0] from None

    async def _follow(
        self,
        kind: str,
        resource: Resource,
        read: Callable[[JsonObject], Service] | Callable[[JsonObject], VirtualIP],
    ) -> None:
        version = await self._begin(kind, resource, read)
        while True:
            lines = self._client.watch_lines(
                resource, timeout_seconds=WATCH_SECONDS, stall_seconds=STALL_SECONDS,
                resourceVersion=version, allowWatchBookmarks="true",
            )  # fmt: skip
            try:
                async for line in lines:
                    version = self._take(kind, orjson.loads(line), read)
            except TRANSPORT_ERRORS:
                continue

    async def _begin(
        self,
        kind: str,
        resource: Resource,
        read: Callable[[JsonObject], Service] | Callable[[JsonObject], VirtualIP],
    ) -> str:
        version = ""
        async for page in self._client.list_pages(resource):
            version = version or page.resource_version
            for value in page.items:
                self._take(kind, {"type": "ADDED", "object": value}, read)
        self._sequence.reach(kind, int(version))
        return version

    def _take(
        self,
        kind: str,
        event: JsonObject,
        read: Callable[[JsonObject], Service] | Callable[[JsonObject], VirtualIP],
    ) -> str:
        value = event["object"]
        if event["type"] == "ERROR":
            raise GapError(f"the watch of {kind} objects: {value}")
        meta = value["metadata"]
        version = str(meta["resourceVersion"])
        if event["type"] == "BOOKMARK":
            self._sequence.reach(kind, int(version))
        else:
            key = ObjectKey(meta.get("namespace", ""), meta["name"])
            is_gone = event["type"] == "DELETED"
            found = None if is_gone else read(value)
            if is_gone:
                self.versions[kind].pop(key, None)
            else:
                self.versions[kind][key] = int(version)
            self._sequence.add(Change(int(version), kind, key, found, time.monotonic()))
        for change in self._sequence.take():
            self._history.take(change)
        return version

    async def finish(self, seconds: float) -> None:
        """Wait until everything that was written has been seen; nobody writes any more."""
        async with asyncio.timeout(seconds):
            for kind, resource in ((SERVICE, objects.SERVICES), (VIRTUAL_IP, objects.VIRTUAL_IPS)):
                there = {
                    ObjectKey(meta.get("namespace", ""), meta["name"]): int(meta["resourceVersion"])
                    async for page in self._client.list_pages(resource)
                    for meta in (item["metadata"] for item in page.items)
                }
                while self.versions[kind] != there:
                    await asyncio.sleep(0.1)
        for change in self._sequence.take(is_complete=True):
            self._history.take(change)
        self._history.strictly()
