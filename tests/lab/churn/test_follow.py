"""The follower: every change is passed on in order, and a gap ends it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from metallb.api.meta import ObjectKey
from metallb.kube.client import ListPage
from metallb_lab import objects
from metallb_lab.churn.follow import Follower, GapError
from metallb_lab.churn.history import SERVICE, VIRTUAL_IP, History
from support.objects import service_object

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import ApiClient, JsonObject, Resource

Event = tuple[str, int, "JsonObject"]


def vip(*holders: str, address: str = "10.0.0.1") -> JsonObject:
    services = [{"namespace": "default", "name": name} for name in holders]
    return {
        "metadata": {"name": address, "uid": "u"},
        "spec": {"address": address, "class": "p", "services": services, "layer2": {"nodes": []}},
    }


class FakeClient:
    """Two kinds with nothing in them at first, and watches that are cut after each few lines."""

    def __init__(self, services: list[Event], vips: list[Event], lines: int = 100) -> None:
        self._events = {objects.SERVICES: services, objects.VIRTUAL_IPS: vips}
        self._lines = lines
        self.left: dict[Resource, list[JsonObject]] = {}

    async def list_pages(self, resource: Resource) -> AsyncIterator[ListPage]:
        yield ListPage(self.left.get(resource, []), "1", "")

    async def watch_lines(self, resource: Resource, **given: Any) -> AsyncIterator[bytes]:
        since = int(given["resourceVersion"])
        after = [item for item in self._events[resource] if item[1] > since]
        if not after:
            await asyncio.Event().wait()
        for kind, version, value in after[: self._lines]:
            value["metadata"]["resourceVersion"] = str(version)
            yield json.dumps({"type": kind, "object": value}).encode()
        raise TimeoutError


def follower(client: FakeClient) -> tuple[Follower, History]:
    history = History()
    return Follower(cast("ApiClient", client), history), history


SERVICES: list[Event] = [
    ("ADDED", 2, service_object("a")),
    ("MODIFIED", 5, service_object("a", ingress=("10.0.0.1",))),
    ("MODIFIED", 8, service_object("a")),
    ("DELETED", 9, service_object("a")),
    ("ADDED", 12, service_object("b")),
]


@pytest.mark.parametrize("lines", [1, 2, 100])
async def test_changes_of_both_kinds_are_told_in_the_order_of_their_versions(lines: int) -> None:
    vips: list[Event] = [("ADDED", 4, vip("a")), ("DELETED", 10, vip("a"))]
    client = FakeClient(list(SERVICES), vips, lines)
    following, history = follower(client)
    task = asyncio.create_task(following.run())
    async with asyncio.timeout(20):
        while following.versions[SERVICE] != {ObjectKey("default", "b"): 12}:
            await asyncio.sleep(0)
        while history.counts.total() < 6:  # the last change of one kind waits for the other
            await asyncio.sleep(0)
    client.left = {objects.SERVICES: [SERVICES[-1][2]]}
    await following.finish(5)
    task.cancel()
    assert history.counts == {SERVICE: 5, VIRTUAL_IP: 2}
    assert history.violations == []


async def test_a_status_that_was_first_is_seen_whichever_watch_is_faster() -> None:
    client = FakeClient([SERVICES[0], SERVICES[1]], [("ADDED", 6, vip("a"))])
    following, history = follower(client)
    task = asyncio.create_task(following.run())
    async with asyncio.timeout(20):
        while history.counts.total() < 2:
            await asyncio.sleep(0)
    task.cancel()
    (violation,) = history.violations
    assert violation.version == 5


@pytest.mark.parametrize(
    "event",
    [
        ("ERROR", 3, {"code": 410, "message": "too old", "metadata": {}}),
        ("ADDED", 3, vip("a", address="10.0.0.1") | {"spec": {"address": "10.0.0.2"}}),
    ],
)
async def test_what_is_missed_or_cannot_be_read_ends_it(event: Event) -> None:
    following, _ = follower(FakeClient([], [event]))
    with pytest.raises(GapError):
        async with asyncio.timeout(20):
            await following.run()
