"""The client against the embedded API server: verbs, errors, pages, watches, the fence."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from metallb.kube.client import ApiClient, PatchType, Resource
from metallb.kube.config import Connection
from metallb.kube.errors import (
    AlreadyExistsError,
    ConflictError,
    GoneError,
    MalformedAnswerError,
    NotFoundError,
    NotLeaderError,
    ServerError,
    TooManyRequestsError,
    UnauthorizedError,
)
from metallb_lab.apiserver import Match
from support.apiclients import CONFIG_MAPS, client_of, config_map

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from metallb_lab.apiserver import ApiServer

NODES = Resource("", "v1", "nodes", is_namespaced=False)
CLASSES = Resource("network.deckhouse.io", "v1alpha1", "metalloadbalancerclasses", False)


@pytest.mark.parametrize(
    ("resource", "where", "path"),
    [
        (CONFIG_MAPS, (), "/api/v1/configmaps"),
        (CONFIG_MAPS, ("web",), "/api/v1/namespaces/web/configmaps"),
        (CONFIG_MAPS, ("web", "a"), "/api/v1/namespaces/web/configmaps/a"),
        (NODES, ("web", "a", "status"), "/api/v1/nodes/a/status"),
        (CLASSES, ("", "a"), "/apis/network.deckhouse.io/v1alpha1/metalloadbalancerclasses/a"),
    ],
)
def test_paths(resource: Resource, where: tuple[str, ...], path: str) -> None:
    assert resource.path(*where) == path


async def test_an_object_from_creation_to_deletion(admin: ApiClient) -> None:
    made = await admin.create(CONFIG_MAPS, config_map("a", x="1"), "default")
    assert (await admin.get(CONFIG_MAPS, "a", "default"))["data"] == {"x": "1"}
    made["data"] = {"x": "2"}
    replaced = await admin.replace(CONFIG_MAPS, "a", made, "default")
    assert replaced["data"] == {"x": "2"}
    patched = await admin.patch(
        CONFIG_MAPS,
        "a",
        [{"op": "add", "path": "/data/y", "value": "3"}],
        namespace="default",
        kind=PatchType.JSON,
    )
    assert patched["data"] == {"x": "2", "y": "3"}
    patched = await admin.patch(CONFIG_MAPS, "a", {"data": {"x": None}}, namespace="default")
    assert patched["data"] == {"y": "3"}
    await admin.delete(CONFIG_MAPS, "a", "default")
    with pytest.raises(NotFoundError):
        await admin.get(CONFIG_MAPS, "a", "default")


async def test_refusals_have_their_classes(admin: ApiClient, server: ApiServer) -> None:
    made = await admin.create(CONFIG_MAPS, config_map("a"), "default")
    with pytest.raises(AlreadyExistsError):
        await admin.create(CONFIG_MAPS, config_map("a"), "default")
    await admin.patch(CONFIG_MAPS, "a", {"data": {"x": "1"}}, namespace="default")
    with pytest.raises(ConflictError):
        await admin.replace(CONFIG_MAPS, "a", made, "default")
    with pytest.raises(ConflictError):
        await admin.patch(CONFIG_MAPS, "a", made, namespace="default")
    async with client_of(server, "stranger") as stranger:
        with pytest.raises(UnauthorizedError):
            await stranger.get(CONFIG_MAPS, "a", "default")


@pytest.mark.parametrize("precondition", ["uid", "resource_version"])
async def test_another_object_than_the_one_meant_is_not_deleted(
    admin: ApiClient, precondition: str
) -> None:
    made = await admin.create(CONFIG_MAPS, config_map("a"), "default")
    with pytest.raises(ConflictError):
        await admin.delete(CONFIG_MAPS, "a", "default", **{precondition: "1"})
    meta = made["metadata"]
    await admin.delete(
        CONFIG_MAPS, "a", "default", uid=meta["uid"], resource_version=meta["resourceVersion"]
    )


async def test_a_busy_server_says_how_long_it_wants_to_be_left(
    admin: ApiClient, server: ApiServer
) -> None:
    server.faults.add("status", Match(verb="get"), code=429, retry_after=7, count=1)
    with pytest.raises(TooManyRequestsError) as caught:
        await admin.get(CONFIG_MAPS, "a", "default")
    assert caught.value.retry_after_seconds == 7.0


async def test_the_token_is_read_for_each_request(server: ApiServer) -> None:
    tokens = iter(["Bearer admin-token", "Bearer wrong", None])
    async with ApiClient(Connection(server.url, None, lambda: next(tokens))) as client:
        await client.request("GET", "/api/v1/namespaces/default")
        for _ in range(2):
            with pytest.raises(UnauthorizedError):
                await client.request("GET", "/api/v1/namespaces/default")


# -- lists and watches ---------------------------------------------------------------------------


async def test_a_list_comes_in_pages(admin: ApiClient) -> None:
    for number in range(5):
        await admin.create(CONFIG_MAPS, config_map(f"c{number}"), "default")
    pages = [page async for page in admin.list_pages(CONFIG_MAPS, "default", page_size=2)]
    assert [[item["metadata"]["name"] for item in page.items] for page in pages] == [
        ["c0", "c1"],
        ["c2", "c3"],
        ["c4"],
    ]
    assert len({page.resource_version for page in pages}) == 1
    assert [bool(page.continue_token) for page in pages] == [True, True, False]


async def test_a_list_that_took_too_long_is_gone(admin: ApiClient, server: ApiServer) -> None:
    for number in range(3):
        await admin.create(CONFIG_MAPS, config_map(f"c{number}"), "default")
    pages = admin.list_pages(CONFIG_MAPS, "default", page_size=2)
    await anext(pages)
    server.faults.add("gone", Match(verb="list"), count=1)
    with pytest.raises(GoneError):
        await anext(pages)


async def test_a_watch_gives_lines_of_any_length(admin: ApiClient) -> None:
    async with asyncio.timeout(20):
        lines = admin.watch_lines(CONFIG_MAPS, "default", timeout_seconds=60, stall_seconds=60)
        await admin.create(CONFIG_MAPS, config_map("a", x="small"), "default")
        assert b"small" in await anext(lines)
        await admin.create(CONFIG_MAPS, config_map("b", x="y" * 700_000), "default")
        assert len(await anext(lines)) > 700_000
        await lines.aclose()


async def test_a_watch_that_is_refused_raises(admin: ApiClient, server: ApiServer) -> None:
    server.faults.add("status", Match(verb="watch"), code=503, count=1)
    with pytest.raises(ServerError):
        await anext(admin.watch_lines(CONFIG_MAPS, timeout_seconds=60, stall_seconds=60))


async def test_a_silent_watch_is_given_up(admin: ApiClient) -> None:
    lines = admin.watch_lines(CONFIG_MAPS, timeout_seconds=60, stall_seconds=0.05)
    async with asyncio.timeout(20):
        with pytest.raises(TimeoutError):
            await anext(lines)


# -- answers that are none -----------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _answering(
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[ApiClient]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with ApiClient(Connection(f"http://{host}:{port}", None, lambda: None)) as client:
            yield client
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("body", ["<html>welcome</html>", "[1, 2]", '"text"', "{"])
async def test_an_answer_that_is_no_object_is_malformed(body: str) -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(text=body)

    async with _answering(handle) as client:
        with pytest.raises(MalformedAnswerError, match="gave no object"):
            await client.get(CONFIG_MAPS, "a", "default")


async def test_a_refusal_by_something_else_keeps_its_words() -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=502, text="no backend", headers={"Retry-After": "2"})

    async with _answering(handle) as client:
        with pytest.raises(ServerError, match="no backend") as caught:
            await client.get(CONFIG_MAPS, "a", "default")
    assert caught.value.retry_after_seconds == 2.0


async def test_lines_are_put_together_however_they_are_cut() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for part in (b'{"a":', b"1}\n", b'{"b":2}\n\n{"c"', b":3}\n{", b"never ended"):
            await response.write(part)
        return response

    async with _answering(handle) as client:
        lines = client.watch_lines(CONFIG_MAPS, timeout_seconds=1, stall_seconds=20)
        assert [line async for line in lines] == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


# -- the fence -----------------------------------------------------------------------------------


class Fence:
    """A fence that a test opens and shuts."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        if self.seconds <= 0:
            raise NotLeaderError("shut")
        return self.seconds


async def test_a_shut_fence_lets_reads_through_and_no_write(
    admin: ApiClient, server: ApiServer
) -> None:
    fenced = admin.fenced(Fence(0.0))
    writes: list[Any] = [
        fenced.create(CONFIG_MAPS, config_map("a"), "default"),
        fenced.replace(CONFIG_MAPS, "a", config_map("a"), "default"),
        fenced.patch(CONFIG_MAPS, "a", {}, namespace="default"),
        fenced.delete(CONFIG_MAPS, "a", "default"),
    ]
    for write in writes:
        with pytest.raises(NotLeaderError):
            await write
    with pytest.raises(NotFoundError):
        await fenced.get(CONFIG_MAPS, "a", "default")
    counted = {verb for (_, verb, what) in server.faults.requests if what == "configmaps"}
    assert counted == {"get"}


async def test_a_write_in_flight_is_given_up_when_the_right_to_write_ends(
    admin: ApiClient, alice: ApiClient, server: ApiServer
) -> None:
    held = server.faults.add("partition-hang", Match(user="alice"))
    write = alice.fenced(Fence(0.1)).create(CONFIG_MAPS, config_map("late"), "default")
    async with asyncio.timeout(20):
        with pytest.raises(TimeoutError):
            await write
    for _ in range(2):  # what the server hears later than that the writer has hung up
        with pytest.raises(NotFoundError):
            await admin.get(CONFIG_MAPS, "late", "default")
    server.faults.remove(held)
    await alice.create(CONFIG_MAPS, config_map("later"), "default")
    assert server.faults.requests_of(user="alice", verb="create") == 2
    with pytest.raises(NotFoundError):
        await admin.get(CONFIG_MAPS, "late", "default")


async def test_the_client_without_the_fence_goes_on(admin: ApiClient) -> None:
    admin.fenced(Fence(0.0))
    await admin.create(CONFIG_MAPS, config_map("a"), "default")


async def test_a_server_that_is_not_there_is_a_transport_error() -> None:
    async with ApiClient(Connection("http://127.0.0.1:9", None, lambda: None)) as client:
        with pytest.raises(aiohttp.ClientError):
            await client.get(CONFIG_MAPS, "a", "default")
