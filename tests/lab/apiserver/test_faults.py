"""Ordered faults, over real connections: what a client sees, whom it concerns, how often."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from metallb_lab.apiserver import Fault, Match
from support.waiting import until

if TYPE_CHECKING:
    from lab.apiserver.conftest import Client
    from metallb_lab.apiserver import ApiServer

PATH = "/api/v1/namespaces/default/configmaps"
LATENCY_SECONDS = 1.0
BROKEN = (aiohttp.ClientError, ConnectionError)


async def test_latency(server: ApiServer, alice: Client, bob: Client) -> None:
    match = Match(user="alice", verb="list")
    fault = server.faults.add("latency", match, seconds=LATENCY_SECONDS, count=1)
    started = time.monotonic()
    late = asyncio.create_task(alice.call("GET", PATH))
    await until(lambda: not fault.active)
    await bob.call("GET", PATH)
    await alice.call("GET", PATH)
    assert not late.done()
    await late
    assert time.monotonic() - started >= LATENCY_SECONDS


async def test_too_many_requests(server: ApiServer, alice: Client, bob: Client) -> None:
    match = Match(token="alice-token", resource="configmaps")
    server.faults.add("status", match, code=429, retry_after=7, count=2)
    for _ in range(2):
        async with alice.session.get(
            server.url + PATH, headers={"Authorization": "Bearer alice-token"}
        ) as answer:
            assert answer.status == 429
            assert answer.headers["Retry-After"] == "7"
            body = await answer.json()
            assert (body["reason"], body["details"]["retryAfterSeconds"]) == ("TooManyRequests", 7)
    assert (await alice.call("GET", PATH))[0] == 200
    assert (await bob.call("GET", PATH))[0] == 200


@pytest.mark.parametrize(
    ("code", "reason"), [(500, "InternalError"), (503, "ServiceUnavailable"), (504, "Timeout")]
)
async def test_server_errors(server: ApiServer, alice: Client, code: int, reason: str) -> None:
    server.faults.add("status", Match(verb="get,list"), code=code, count=1)
    status, body = await alice.call("GET", PATH)
    assert (status, body["reason"]) == (code, reason)


async def test_a_write_that_was_not_handled_was_not_done(server: ApiServer, alice: Client) -> None:
    server.faults.add("status", Match(verb="create"), code=503, count=1)
    status, _ = await alice.call("POST", PATH, {"metadata": {"name": "a"}})
    assert status == 503
    assert (await alice.call("GET", f"{PATH}/a"))[0] == 404


async def test_dropped_watches(server: ApiServer, alice: Client, bob: Client) -> None:
    async with alice.watch(PATH) as mine, bob.watch(PATH) as other:
        await alice.make("a")
        await mine.next()
        await other.next()
        fault = server.faults.add("drop-watch", Match(user="alice"), count=1)
        with pytest.raises(BROKEN):
            await mine.next()
        await alice.make("b")
        assert (await other.next())["object"]["metadata"]["name"] == "b"
        assert fault.used == 1
    async with alice.watch(PATH) as again:
        assert (await again.next())["type"] == "ADDED"


async def test_stalled_watches(server: ApiServer, alice: Client, bob: Client) -> None:
    bookmarks = {"allowWatchBookmarks": "true"}
    async with alice.watch(PATH, **bookmarks) as mine, bob.watch(PATH) as other:
        fault = server.faults.add("stall-watch", Match(user="alice"))
        await alice.make("a")
        await other.next()
        with pytest.raises(TimeoutError):
            await mine.next(0.3)
    async with alice.watch(PATH, **bookmarks) as late:
        with pytest.raises(TimeoutError):
            await late.next(0.3)
    async with alice.watch(PATH) as third:
        server.faults.remove(fault)
        assert (await third.next())["object"]["metadata"]["name"] == "a"


async def test_gone_for_a_list_and_for_a_watch(server: ApiServer, alice: Client) -> None:
    server.faults.add("gone", Match(verb="list", resource="configmaps"), count=1)
    status, body = await alice.call("GET", PATH)
    assert (status, body["reason"]) == (410, "Expired")
    assert (await alice.call("GET", PATH))[0] == 200
    server.faults.add("gone", Match(verb="watch"), count=1)
    async with alice.watch(PATH, resourceVersion="5") as watch:
        event = await watch.next()
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
        assert await watch.ended()


async def test_a_partition_that_hangs(server: ApiServer, alice: Client, bob: Client) -> None:
    async with alice.watch(PATH) as mine:
        fault = server.faults.add("partition-hang", Match(user="alice"))
        waiting = asyncio.create_task(alice.call("POST", PATH, {"metadata": {"name": "late"}}))
        await bob.make("a")
        assert not waiting.done()
        with pytest.raises(TimeoutError):
            await mine.next(0.2)
        assert (await bob.call("GET", f"{PATH}/late"))[0] == 404
        server.faults.remove(fault)
        assert (await waiting)[0] == 201


async def test_a_partition_that_resets(server: ApiServer, alice: Client, bob: Client) -> None:
    async with alice.watch(PATH) as mine:
        await bob.make("a")
        await mine.next()
        fault = server.faults.add("partition-reset", Match(token="alice-token"))
        with pytest.raises(BROKEN):
            await mine.next()
        with pytest.raises(BROKEN):
            await alice.call("GET", PATH)
        assert (await bob.call("GET", PATH))[0] == 200
        server.faults.remove(fault)
    assert (await alice.call("GET", PATH))[0] == 200


async def test_a_partition_by_address(server: ApiServer, alice: Client) -> None:
    server.faults.add("partition-reset", Match(address="192.0.2.1"))
    assert (await alice.call("GET", PATH))[0] == 200
    server.faults.add("partition-reset", Match(address="127.0.0.1"))
    with pytest.raises(BROKEN):
        await alice.call("GET", PATH)


async def test_a_write_whose_answer_is_lost(server: ApiServer, alice: Client) -> None:
    server.faults.add("lose-answer", Match(verb="create"), count=1)
    with pytest.raises(BROKEN):
        await alice.call("POST", PATH, {"metadata": {"name": "a"}})
    assert (await alice.call("GET", f"{PATH}/a"))[0] == 200
    status, body = await alice.call("POST", PATH, {"metadata": {"name": "a"}})
    assert (status, body["reason"]) == (409, "AlreadyExists")


async def test_faults_by_name_and_namespace(server: ApiServer, alice: Client) -> None:
    await alice.make("a")
    server.faults.add("status", Match(name="a", namespace="default"), code=500)
    assert (await alice.call("GET", f"{PATH}/a"))[0] == 500
    assert (await alice.call("GET", f"{PATH}/b"))[0] == 404
    server.faults.clear()
    assert (await alice.call("GET", f"{PATH}/a"))[0] == 200


async def test_requests_are_counted(server: ApiServer, alice: Client, bob: Client) -> None:
    await alice.make("a")
    for _ in range(3):
        await alice.call("GET", PATH)
    await bob.call("GET", "/apis/apps/v1/deployments")
    count = server.faults.requests_of
    assert count(user="alice") == 4
    assert count(user="alice", verb="list", resource="configmaps") == 3
    assert count(resource="deployments.apps") == 1
    assert count(verb="list") == 4


async def test_the_lab_endpoints(server: ApiServer, admin: Client, alice: Client) -> None:
    assert (await alice.call("GET", "/lab/faults"))[0] == 403
    fault = {"kind": "status", "match": {"user": "alice"}, "code": 503, "count": 1}
    status, made = await admin.call("POST", "/lab/faults", fault)
    assert status == 201
    assert (await alice.call("GET", PATH))[0] == 503
    _, listed = await admin.call("GET", "/lab/faults")
    assert [(f["kind"], f["used"]) for f in listed] == [("status", 1)]
    assert (await admin.call("DELETE", f"/lab/faults/{made['id']}"))[0] == 200
    assert (await admin.call("DELETE", f"/lab/faults/{made['id']}"))[0] == 404
    bad: Any
    for bad in ({"kind": "flood"}, {}, {"kind": "status", "match": {"colour": "red"}}, []):
        assert (await admin.call("POST", "/lab/faults", bad))[0] == 400
    assert (await admin.call("POST", "/lab/faults", fault))[0] == 201
    assert (await admin.call("DELETE", "/lab/faults"))[0] == 200
    assert (await alice.call("GET", PATH))[0] == 200
    _, requests = await admin.call("GET", "/lab/requests")
    row = {"user": "alice", "verb": "list", "resource": "configmaps", "count": 2}
    assert row in requests
    await admin.call("DELETE", "/lab/requests")
    assert (await admin.call("GET", "/lab/requests"))[1] == []
    assert (await admin.call("GET", "/lab/nothing"))[0] == 404


async def test_a_forgotten_history(server: ApiServer, admin: Client) -> None:
    first = await admin.make("a")
    await admin.make("b")
    version = first["metadata"]["resourceVersion"]
    assert (await admin.call("POST", "/lab/compact", {}))[0] == 200
    async with admin.watch(PATH, resourceVersion=version) as watch:
        event = await watch.next()
        assert (event["type"], event["object"]["reason"]) == ("ERROR", "Expired")
        assert await watch.ended()
    query = f"?resourceVersion={version}&resourceVersionMatch=Exact"
    status, body = await admin.call("GET", PATH + query)
    assert (status, body["reason"]) == (410, "Expired")


def test_faults_without_a_server() -> None:
    with pytest.raises(ValueError, match="no fault"):
        make_odd_fault()


def make_odd_fault() -> Any:
    from metallb_lab.apiserver import Faults

    odd: Any = "odd"
    faults = Faults()
    assert list(faults) == []
    fault: Fault = faults.add("status")
    assert faults.remove(fault) is True
    assert faults.remove(fault) is False
    return faults.add(odd)
