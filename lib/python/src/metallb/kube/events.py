"""Events about objects: what a person sees under `kubectl describe`.

Posting never holds up anything: Events wait in a bounded queue, go out at a bounded rate, and
those that find the queue full are dropped and counted. Repetition is the caller's to avoid: ours
are posted when a condition changes, not while it lasts.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from metallb.kube.client import Resource
from metallb.kube.errors import TRANSPORT_ERRORS, ApiError, NotLeaderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.kube.client import ApiClient

EVENTS = Resource("", "v1", "events")

_NAME_LIMIT = 200
"""So much of the object's name goes into the Event's, which may have 253 characters."""

_MESSAGE_LIMIT = 1024
"""Longest message that the API server takes."""

log = logging.getLogger(__name__)


class EventPoster:
    """Posts Events in the background; `unique` gives a text that no other Event's name has."""

    def __init__(
        self,
        client: ApiClient,
        component: str,
        instance: str,
        unique: Callable[[], str],
        *,
        queue_size: int = 1000,
        burst: int = 50,
        per_second: float = 20.0,
    ) -> None:
        self._client = client
        self._component = component
        self._instance = instance
        self._unique = unique
        self._queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(queue_size)
        self._burst = burst
        self._per_second = per_second
        self.dropped = 0

    def post(self, involved: dict[str, Any], kind: str, reason: str, message: str) -> None:
        """Queue an Event; `kind` is Normal or Warning, `involved` an object reference."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        namespace = involved.get("namespace") or "default"
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": self._name_for(involved["name"]), "namespace": namespace},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message[:_MESSAGE_LIMIT],
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self._queue.put_nowait((namespace, body))
        except asyncio.QueueFull:
            self.dropped += 1

    def _name_for(self, name: str) -> str:
        """Make an Event's name of the object's, which may be as long as a name can be."""
        return f"{name[:_NAME_LIMIT].rstrip('-.')}.{self._unique()}"

    async def run(self) -> None:
        """Post until cancelled."""
        loop = asyncio.get_running_loop()
        tokens, filled_at = float(self._burst), loop.time()
        while True:
            namespace, body = await self._queue.get()
            tokens = min(self._burst, tokens + (loop.time() - filled_at) * self._per_second)
            filled_at = loop.time()
            if tokens < 1:
                await asyncio.sleep((1 - tokens) / self._per_second)
            tokens -= 1
            await self._post_one(namespace, body)

    async def _post_one(self, namespace: str, body: dict[str, Any]) -> None:
        try:
            await self._client.create(EVENTS, body, namespace)
        except (ApiError, NotLeaderError, *TRANSPORT_ERRORS) as error:
            self.dropped += 1
            log.info("event %s about %s was not posted: %s", body["reason"],
                     body["involvedObject"]["name"], error)  # fmt: skip
