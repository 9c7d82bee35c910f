"""A term of leadership that a test runs on the embedded API server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING, Any

from metallb.kube.errors import NotFoundError
from metallb.kube.events import EVENTS, EventPoster
from metallb_controller.app.leadership import Leadership
from metallb_controller.app.metrics import Metrics
from metallb_controller.app.resources import SERVICES, VIRTUAL_IPS
from metallb_controller.app.settings import Settings
from support.objects import NAMESPACE
from support.waiting import DEADLINE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import ApiClient, Resource


class Term:
    """A term that runs as alice, and what a person sees of it."""

    def __init__(
        self,
        alice: ApiClient,
        admin: ApiClient,
        *,
        concurrent_writes: int = 4,
        writing: ApiClient | None = None,
    ) -> None:
        writing = writing or alice
        self.admin = admin
        numbers = itertools.count()
        self.settings = Settings(NAMESPACE, "alice", concurrent_writes=concurrent_writes)
        self.events = EventPoster(writing, "controller", "alice", lambda: f"e{next(numbers)}")
        self.metrics = Metrics(lambda: self.leadership)
        self.leadership = Leadership(self.settings, alice, writing, self.events, self.metrics)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Term]:
        tasks = [asyncio.create_task(work) for work in (self.leadership.run(), self.events.run())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def put(self, resource: Resource, value: dict[str, Any]) -> dict[str, Any]:
        meta = value["metadata"]
        for name in ("uid", "resourceVersion", "creationTimestamp", "generation"):
            meta.pop(name, None)
        if resource is SERVICES:
            value["spec"]["allocateLoadBalancerNodePorts"] = False
        return await self.admin.create(resource, value, meta.get("namespace", ""))

    async def addresses(self, name: str) -> list[str]:
        status = (await self.admin.get(SERVICES, name, "default"))["status"]
        return [item["ip"] for item in status["loadBalancer"].get("ingress", [])]

    async def until_addresses(self, name: str, *expected: str) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await self.addresses(name) != list(expected):
                await asyncio.sleep(0.01)

    async def until_gone(self, name: str) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            with contextlib.suppress(NotFoundError):
                while await self.admin.get(VIRTUAL_IPS, name):
                    await asyncio.sleep(0.01)

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    async def events_about(self, name: str, namespace: str = "default") -> dict[str, str]:
        """Give the Events about an object: messages by reason."""
        pages = [page async for page in self.admin.list_pages(EVENTS, namespace)]
        return {
            item["reason"]: item["message"]
            for page in pages
            for item in page.items
            if item["involvedObject"]["name"] == name
        }
