"""Our entry in the roll of speakers, and the entries of peers that have died.

    READY               the entry has our holder and our links; it is renewed now and then
    JOINING, LEAVING    the holder is emptied: the controller gives our share to others
    STARTING            the holder stays as it is: reflex may be back before anybody misses it
    a peer falls silent the first living speaker (by name) empties its holder; should it not do so,
                        the next one does, a second later

Every write carries the resourceVersion that was read, so whoever is late changes nothing; it is a
patch, so the owner reference by which the entry goes with its Node stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from metallb.api.meta import Metadata, ObjectKey
from metallb.api.nodes import NodeName
from metallb.api.speakers import RENEW_SECONDS, Speaker, lease_name, lease_object, read_speaker
from metallb.kube.client import Resource
from metallb.kube.errors import (
    TRANSPORT_ERRORS,
    AlreadyExistsError,
    ApiError,
    ConflictError,
    NotFoundError,
)

if TYPE_CHECKING:
    from metallb.api.speakers import HeartbeatLink
    from metallb.kube.client import ApiClient
    from metallb_speaker.settings import Settings

LEASES = Resource("coordination.k8s.io", "v1", "leases")
NODES = Resource("", "v1", "nodes", is_namespaced=False)

RETRY_SECONDS = 1.0
RELEASE_RETRY_SECONDS = 0.1
RANK_SECONDS = 1.0
"""How long each further speaker waits for the one before it to report a death."""

log = logging.getLogger(__name__)


def micro_time() -> str:
    """Give the time as a Lease writes it (MicroTime)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class OwnEntry:
    """Keeps our entry as it should be."""

    def __init__(self, client: ApiClient, settings: Settings, identity: str) -> None:
        self._client = client
        self._settings = settings
        self._identity = identity
        self._state = "STARTING"
        self._links: tuple[HeartbeatLink, ...] | None = None
        self._is_over = False
        self._changed = asyncio.Event()

    def set_state(self, state: str) -> None:
        """Take in what reflex says of itself."""
        self._state = state
        self._changed.set()

    def set_links(self, links: tuple[HeartbeatLink, ...]) -> None:
        """Take in our interfaces."""
        self._links = links
        self._changed.set()

    def look_again(self) -> None:
        """Take in that somebody may have changed the entry."""
        self._changed.set()

    async def run(self) -> None:
        """Write the entry whenever it should change, and renew it, until cancelled."""
        delay: float = RENEW_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._changed.wait()
            self._changed.clear()
            delay = RENEW_SECONDS
            if self._links is not None and not await self._write():
                delay = RETRY_SECONDS

    async def release(self) -> None:
        """Say that we are gone, whatever reflex says yet."""
        self._is_over = True
        while self._links is not None:
            if await self._write():
                return
            await asyncio.sleep(RELEASE_RETRY_SECONDS)

    async def _write(self) -> bool:
        try:
            found = await self._read()
            wanted = self._wanted(found)
            if found is None and self._is_over:
                return True  # it went with our Node
            if found is not None and not self._is_due(found, wanted):
                return True
            await self._send(found, wanted)
        except (ConflictError, AlreadyExistsError):
            return False
        except (ApiError, *TRANSPORT_ERRORS) as error:
            log.warning(
                "our entry in the roll was not written: %s (%s)", type(error).__name__, error
            )
            return False
        return True

    async def _read(self) -> Speaker | None:
        name = lease_name(self._settings.node)
        try:
            return read_speaker(await self._client.get(LEASES, name, self._settings.namespace))
        except NotFoundError:
            return None

    def _wanted(self, found: Speaker | None) -> Speaker:
        holder = "" if found is None else found.holder
        if self._is_over or self._state in ("JOINING", "LEAVING"):
            holder = ""
        elif self._state == "READY":
            holder = self._identity
        key = ObjectKey(self._settings.namespace, lease_name(self._settings.node))
        meta = Metadata(key, "", "", 0, "", False) if found is None else found.meta
        port = self._settings.heartbeat_port
        return Speaker(meta, NodeName(self._settings.node), holder, port, self._links or ())

    @staticmethod
    def _is_due(found: Speaker, wanted: Speaker) -> bool:
        if (found.holder, found.port, found.links) != (wanted.holder, wanted.port, wanted.links):
            return True
        try:
            age = datetime.now(UTC) - datetime.fromisoformat(found.renewed_at)
        except (ValueError, TypeError):
            return True
        return abs(age.total_seconds()) >= RENEW_SECONDS / 2

    async def _send(self, found: Speaker | None, wanted: Speaker) -> None:
        namespace = self._settings.namespace
        owner = await self._owner() if found is None else None
        body = lease_object(wanted, namespace, micro_time(), owner)
        if found is None:
            await self._client.create(LEASES, body, namespace)
        else:
            await self._client.patch(LEASES, wanted.meta.key.name, body, namespace=namespace)
        log.info("our entry in the roll: holder %r, %d links", wanted.holder, len(wanted.links))

    async def _owner(self) -> dict[str, str] | None:
        """Give the reference to our Node, so that the entry goes with it."""
        try:
            node = await self._client.get(NODES, self._settings.node)
        except NotFoundError:
            return None
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "name": self._settings.node,
            "uid": node["metadata"]["uid"],
        }


class DeathReports:
    """Empties the entries of peers that were found dead.

    One that has lost more than half of all speakers accuses nobody: it is rather itself that was
    cut off. It serves all the same, and Kubernetes will notice nodes that are really gone.
    """

    def __init__(self, client: ApiClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._alive: set[str] = {settings.node}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._roll: dict[str, Speaker] = {}

    def set_roll(self, roll: dict[str, Speaker]) -> None:
        """Take in the roll as it is."""
        self._roll = roll

    def peer_up(self, node: str) -> None:
        """Take in that a peer lives."""
        self._alive.add(node)
        if node in self._tasks:
            self._tasks.pop(node).cancel()

    def pending(self) -> set[str]:
        """Name the peers whose death is being reported."""
        return set(self._tasks)

    async def close(self) -> None:
        """Report nothing any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def peer_down(self, node: str, *, is_dead: bool) -> None:
        """Take in that a peer is alive no more; it may also have left, or be out of our reach."""
        self._alive.discard(node)
        if is_dead and node not in self._tasks:
            self._tasks[node] = asyncio.create_task(self._report(node), name=f"death of {node}")

    async def _report(self, node: str) -> None:
        rank = sorted(self._alive).index(self._settings.node)
        await asyncio.sleep(rank * RANK_SECONDS)
        entry = self._roll.get(node)
        while entry is not None and entry.is_present:
            if not self._are_we_cut_off() and await self._empty(entry):
                break
            await asyncio.sleep(RETRY_SECONDS)
            entry = self._roll.get(node)
        self._tasks.pop(node, None)

    def _are_we_cut_off(self) -> bool:
        present = {node for node, entry in self._roll.items() if entry.is_present}
        return 2 * len(present - self._alive) > len(present)

    async def _empty(self, entry: Speaker) -> bool:
        gone = replace(entry, holder="")
        body = lease_object(gone, self._settings.namespace, entry.renewed_at or micro_time())
        try:
            await self._client.patch(
                LEASES, lease_name(entry.node), body, namespace=self._settings.namespace
            )
        except ConflictError:
            return False
        except NotFoundError:
            return True
        except (ApiError, *TRANSPORT_ERRORS) as error:
            log.warning("the death of %s was not reported: %s", entry.node, error)
            return False
        log.info("reported the death of %s", entry.node)
        return True
