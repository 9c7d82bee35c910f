"""Events on an embedded API server: what they say, how many go out, that none holds up work."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from metallb.kube.errors import NotLeaderError
from metallb.kube.events import EVENTS, EventPoster
from metallb_lab.apiserver import Match
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import ApiClient
    from metallb_lab.apiserver import ApiServer

SERVICE = {
    "apiVersion": "v1", "kind": "Service", "namespace": "default", "name": "web", "uid": "u-1",
}  # fmt: skip
CLASS = {"apiVersion": "network.deckhouse.io/v1alpha1", "kind": "MetalLoadBalancerClass"}


def _poster(client: ApiClient, **options: Any) -> EventPoster:
    numbers = itertools.count(1)
    return EventPoster(
        client, "metallb-controller", "pod-1", lambda: f"n{next(numbers)}", **options
    )


@contextlib.asynccontextmanager
async def _running(poster: EventPoster) -> AsyncIterator[None]:
    task = asyncio.create_task(poster.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _events(admin: ApiClient, namespace: str = "default") -> list[dict[str, Any]]:
    pages = [page async for page in admin.list_pages(EVENTS, namespace)]
    return [item for page in pages for item in page.items]


def _posted(server: ApiServer) -> int:
    return server.faults.requests_of(user="alice", verb="create")


async def test_an_event_says_about_what_by_whom_and_why(
    admin: ApiClient, alice: ApiClient, server: ApiServer
) -> None:
    poster = _poster(alice)
    async with _running(poster):
        poster.post(SERVICE, "Warning", "NoFreeAddress", "class ingress has no free address")
        await until(lambda: _posted(server) == 1)
        await until(lambda: server.faults.requests_of(user="alice") == 1)
    (event,) = await _events(admin)
    assert event["metadata"]["name"] == "web.n1"
    assert event["involvedObject"]["uid"] == "u-1"
    assert (event["type"], event["reason"], event["message"]) == (
        "Warning",
        "NoFreeAddress",
        "class ingress has no free address",
    )
    assert event["source"]["component"] == event["reportingComponent"] == "metallb-controller"
    assert event["reportingInstance"] == "pod-1"
    assert event["count"] == 1
    assert event["firstTimestamp"] == event["lastTimestamp"]


async def test_an_event_about_a_cluster_scoped_object_goes_to_the_default_namespace(
    admin: ApiClient, alice: ApiClient
) -> None:
    poster = _poster(alice)
    async with _running(poster):
        poster.post({**CLASS, "name": "ingress", "uid": "u-2"}, "Normal", "X", "words")
        found: list[dict[str, Any]] = []
        while not found:
            found = await _events(admin)
    assert found[0]["involvedObject"]["name"] == "ingress"


@pytest.mark.parametrize("name", ["a" * 253, f"{'a' * 199}-{'b' * 20}", f"{'a' * 199}.{'b' * 20}"])
async def test_long_names_and_long_messages_are_taken(
    admin: ApiClient, alice: ApiClient, name: str
) -> None:
    poster = _poster(alice)
    async with _running(poster):
        poster.post({**CLASS, "name": name, "uid": "u-2"}, "Normal", "X", "m" * 5000)
        found: list[dict[str, Any]] = []
        while not found:
            found = await _events(admin)
    assert found[0]["metadata"]["name"].startswith("a" * 199)
    assert len(found[0]["message"]) == 1024
    assert poster.dropped == 0


async def test_what_finds_the_queue_full_is_dropped_and_counted(alice: ApiClient) -> None:
    poster = _poster(alice, queue_size=3)
    for _ in range(5):
        poster.post(SERVICE, "Normal", "X", "words")
    assert poster.dropped == 2


async def test_after_the_burst_events_go_out_one_by_one(
    alice: ApiClient, server: ApiServer
) -> None:
    poster = _poster(alice, burst=3, per_second=0.001)
    async with _running(poster):
        for _ in range(5):
            poster.post(SERVICE, "Normal", "X", "words")
        await until(lambda: _posted(server) == 3)
        for _ in range(100):
            await asyncio.sleep(0)
        assert _posted(server) == 3


async def test_a_slower_pace_does_not_lose_any(alice: ApiClient, server: ApiServer) -> None:
    poster = _poster(alice, burst=1, per_second=100.0)
    async with _running(poster):
        for _ in range(5):
            poster.post(SERVICE, "Normal", "X", "words")
        await until(lambda: _posted(server) == 5)
    assert poster.dropped == 0


async def test_an_event_that_is_refused_holds_up_nothing(
    admin: ApiClient, alice: ApiClient, server: ApiServer
) -> None:
    server.faults.add("status", Match(user="alice"), code=503, count=1)
    server.faults.add("partition-reset", Match(user="alice"), count=1)
    poster = _poster(alice)
    async with _running(poster):
        for number in range(3):
            poster.post(SERVICE, "Normal", "X", f"number {number}")
        found: list[dict[str, Any]] = []
        while not found:
            found = await _events(admin)
    assert [event["message"] for event in found] == ["number 2"]
    assert poster.dropped == 2


async def test_who_leads_no_more_posts_nothing(alice: ApiClient, server: ApiServer) -> None:
    def shut() -> float:
        raise NotLeaderError("shut")

    poster = _poster(alice.fenced(shut))
    async with _running(poster):
        poster.post(SERVICE, "Normal", "X", "words")
        await until(lambda: poster.dropped == 1)
    assert _posted(server) == 0
