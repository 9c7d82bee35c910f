"""The mirror against the embedded API server and its faults: nothing is missed, whatever happens.

`Scripted` is a client whose lists and watches a test writes down: for answers that no honest server
gives, and for a cluster too large to be held by one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import tracemalloc
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from metallb.kube.client import ApiClient, ListPage
from metallb.kube.errors import ServerError, api_error
from metallb.kube.reflector import Reflector, ReflectorSettings
from metallb_lab.apiserver import Match
from support.apiclients import CONFIG_MAPS, config_map
from support.waiting import DEADLINE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable

    from metallb.kube.client import JsonObject
    from metallb_lab.apiserver import ApiServer

ALICE = Match(user="alice")
QUICK = ReflectorSettings(page_size=2, stall_seconds=30.0, short_watch_seconds=0.0)

Change = tuple[str, str | None, str | None]


@dataclass
class Mirror:
    """A mirror of ConfigMaps' datum `x`, with the changes that it told of."""

    client: Any
    settings: ReflectorSettings = QUICK
    changes: deque[Change] = field(default_factory=deque)
    seen: list[int] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.reflector: Reflector[str] = Reflector(
            self.client,
            CONFIG_MAPS,
            read_x,
            self._on_change,
            chance=random.Random(1).random,
            namespace="default",
            settings=self.settings,
            on_seen=lambda: self.seen.append(self.reflector.seen),
        )

    def _on_change(self, key: tuple[str, str], old: str | None, new: str | None) -> None:
        self.changes.append((key[1], old, new))
        self.changed.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reflector.run())
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self.reflector.synced.wait()
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def next(self) -> Change:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not self.changes:
                self.changed.clear()
                await self.changed.wait()
        return self.changes.popleft()

    def values(self) -> list[str]:
        return sorted(self.reflector)


def read_x(value: JsonObject) -> str | None:
    text = value["data"]["x"]
    if text == "unreadable":
        raise ValueError("what is this?")
    return None if text == "left out" else str(text)


async def put(client: ApiClient, name: str, x: str) -> JsonObject:
    patch = {"data": {"x": x}}
    with contextlib.suppress(Exception):
        return await client.patch(CONFIG_MAPS, name, patch, namespace="default")
    return await client.create(CONFIG_MAPS, config_map(name, x=x), "default")


async def drop_watch(server: ApiServer) -> None:
    fault = server.faults.add("drop-watch", ALICE, count=1)
    await until(lambda: fault.used)


# -- the ordinary course ---------------------------------------------------------------------------


async def test_what_is_there_is_listed_in_pages_and_changes_follow(
    admin: ApiClient, alice: ApiClient, server: ApiServer
) -> None:
    for number in range(5):
        await put(admin, f"c{number}", str(number))
    mirror = Mirror(alice)
    async with mirror.running():
        assert len(mirror.reflector) == 5
        assert mirror.values() == ["0", "1", "2", "3", "4"]
        assert [await mirror.next() for _ in range(5)] == [
            (f"c{number}", None, str(number)) for number in range(5)
        ]
        assert server.faults.requests_of(user="alice", verb="list") == 3
        await put(admin, "c5", "new")
        assert await mirror.next() == ("c5", None, "new")
        await put(admin, "c5", "newer")
        assert await mirror.next() == ("c5", "new", "newer")
        await admin.delete(CONFIG_MAPS, "c5", "default")
        assert await mirror.next() == ("c5", "newer", None)
        assert mirror.reflector.get(("default", "c5")) is None
        assert mirror.reflector.get(("default", "c4")) == "4"
        assert mirror.reflector.counts.lists == 1


async def test_objects_that_the_reader_leaves_out_are_not_there(
    admin: ApiClient, alice: ApiClient
) -> None:
    await put(admin, "a", "left out")
    mirror = Mirror(alice)
    async with mirror.running():
        assert len(mirror.reflector) == 0
        await put(admin, "a", "1")
        assert await mirror.next() == ("a", None, "1")
        await put(admin, "a", "left out")
        assert await mirror.next() == ("a", "1", None)


async def test_an_object_that_cannot_be_read_stays_as_it_was(
    admin: ApiClient, alice: ApiClient
) -> None:
    await put(admin, "a", "1")
    await put(admin, "b", "unreadable")
    mirror = Mirror(alice)
    async with mirror.running():
        assert await mirror.next() == ("a", None, "1")
        await put(admin, "a", "unreadable")
        assert await mirror.next() == ("a", "1", "1")
        assert mirror.values() == ["1"]
        assert mirror.reflector.counts.unreadable == 2
        await put(admin, "a", "2")
        assert await mirror.next() == ("a", "1", "2")


async def test_selectors_are_the_servers_business(admin: ApiClient, alice: ApiClient) -> None:
    labelled = config_map("a", x="1")
    labelled["metadata"]["labels"] = {"mine": "yes"}
    await admin.create(CONFIG_MAPS, labelled, "default")
    await put(admin, "b", "2")
    found: list[str | None] = []
    reflector: Reflector[str] = Reflector(
        alice,
        CONFIG_MAPS,
        read_x,
        lambda key, old, new: found.append(new),
        chance=random.random,
        labelSelector="mine=yes",
    )
    task = asyncio.create_task(reflector.run())
    await reflector.synced.wait()
    await put(admin, "b", "3")
    await put(admin, "a", "4")
    await until(lambda: len(found) == 2)
    assert found == ["1", "4"]
    task.cancel()


# -- what goes wrong -------------------------------------------------------------------------------


async def test_a_dropped_watch_goes_on_where_it_was(
    admin: ApiClient, alice: ApiClient, server: ApiServer
) -> None:
    mirror = Mirror(alice)
    async with mirror.running():
        await until(lambda: server.watches)
        for number in range(5):
            await drop_watch(server)
            await put(admin, "a", str(number))
            assert (await mirror.next())[2] == str(number)
        assert mirror.reflector.counts.lists == 1
        assert mirror.reflector.counts.watches >= 6


async def test_a_watch_that_the_server_ends_goes_on_where_it_was(
    admin: ApiClient, alice: ApiClient
) -> None:
    settings = ReflectorSettings(watch_timeout_seconds=1, short_watch_seconds=0.0)
    mirror = Mirror(alice, settings)
    async with mirror.running():
        await until(lambda: mirror.reflector.counts.watches == 2)
        await put(admin, "a", "1")
        assert await mirror.next() == ("a", None, "1")
        counts = mirror.reflector.counts
        assert (counts.lists, counts.failures) == (1, 0)


async def test_a_stalled_watch_is_given_up_and_nothing_is_missed(
    admin: ApiClient, alice: ApiClient, server: ApiServer
) -> None:
    mirror = Mirror(alice, ReflectorSettings(stall_seconds=0.3, short_watch_seconds=0.0))
    async with mirror.running():
        stalled = server.faults.add("stall-watch", ALICE)
        await put(admin, "a", "1")
        await until(lambda: mirror.reflector.counts.failures)
        server.faults.remove(stalled)
        assert await mirror.next() == ("a", None, "1")
        assert mirror.reflector.counts.lists == 1


async def test_it_says_whether_it_follows(
    admin: ApiClient, alice: ApiClient, server: ApiServer
) -> None:
    mirror = Mirror(alice)
    async with mirror.running():
        await until(lambda: server.watches)
        assert not mirror.reflector.is_failing
        away = server.faults.add("status", ALICE, code=503)
        await drop_watch(server)
        await until(lambda: mirror.reflector.is_failing)
        server.faults.remove(away)
        await put(admin, "a", "1")
        await mirror.next()
        assert not mirror.reflector.is_failing


async def test_bookmarks_carry_the_version_on_so_that_no_list_is_needed(
    admin: ApiClient, alice: ApiClient, server: ApiServer
) -> None:
    mirror = Mirror(alice)
    async with mirror.running():
        for number in range(20):
            await admin.create(CONFIG_MAPS, config_map(f"o{number}"), "kube-system")
        seen = mirror.reflector.counts.events
        await until(lambda: mirror.reflector.counts.events >= seen + 2)
        server.store.compact()
        await drop_watch(server)
        await put(admin, "a", "1")
        assert await mirror.next() == ("a", None, "1")
        assert mirror.reflector.counts.lists == 1


async def test_after_410_it_lists_again_and_tells_only_the_difference(
    admin: ApiClient, alice: ApiClient, server: ApiServer
) -> None:
    for name in ("same", "changed", "gone"):
        await put(admin, name, "1")
    mirror = Mirror(alice)
    async with mirror.running():
        for _ in range(3):
            await mirror.next()
        await until(lambda: server.watches)
        away = server.faults.add("partition-reset", ALICE)
        server.faults.add("drop-watch", ALICE, count=1)
        await until(lambda: mirror.reflector.counts.failures >= 2)
        await put(admin, "changed", "2")
        await put(admin, "new", "1")
        await admin.delete(CONFIG_MAPS, "gone", "default")
        server.store.compact()
        assert mirror.values() == ["1", "1", "1"]  # it stays as it was
        server.faults.remove(away)
        found = {await mirror.next() for _ in range(3)}
        assert found == {("changed", "1", "2"), ("new", None, "1"), ("gone", "1", None)}
        assert not mirror.changes
        assert mirror.reflector.counts.lists == 2


async def test_a_list_that_is_cut_in_the_middle_is_made_anew(
    admin: ApiClient, alice: ApiClient, server: ApiServer
) -> None:
    for number in range(6):
        await put(admin, f"c{number}", "1")
    server.faults.add("gone", Match(user="alice", verb="list"), count=1)
    server.faults.add("status", Match(user="alice", verb="list"), code=503, count=2)
    mirror = Mirror(alice)
    async with mirror.running():
        assert len(mirror.reflector) == 6
        assert mirror.reflector.counts.failures == 3


async def test_the_server_is_left_alone_as_long_as_it_asks(
    alice: ApiClient, server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    busy = Match(user="alice", verb="list")
    fault = server.faults.add("status", busy, code=429, retry_after=3600)
    mirror = Mirror(alice)
    task = asyncio.create_task(mirror.reflector.run())
    await until(lambda: "again in 3600.00 s" in caplog.text)
    assert fault.used == 1
    task.cancel()


async def test_watches_that_end_at_once_are_not_reopened_in_a_tight_loop() -> None:
    client = Scripted(pages=[ListPage([], "1", "")], endless=[])
    mirror = Mirror(client, ReflectorSettings(short_watch_seconds=3600.0))
    async with mirror.running():
        await asyncio.sleep(0)
        await until(lambda: client.watches >= 3)
        assert client.watches <= 10
        assert mirror.reflector.counts.failures == 0


# -- a client that a test writes down --------------------------------------------------------------


class Scripted:
    """Lists `pages`; watches give `scripts` in turn, then `endless` (None: silence)."""

    def __init__(
        self,
        pages: Iterable[ListPage],
        *scripts: Iterable[bytes | Exception],
        endless: Iterable[bytes] | None = None,
    ) -> None:
        self.pages = pages
        self.scripts = deque(scripts)
        self.endless = endless
        self.versions: list[str] = []
        self.watches = 0

    async def list_pages(self, *args: Any, **options: Any) -> AsyncGenerator[ListPage, None]:
        for page in self.pages:
            await asyncio.sleep(0)
            yield page

    async def watch_lines(self, *args: Any, **options: Any) -> AsyncGenerator[bytes, None]:
        self.watches += 1
        self.versions.append(options["resourceVersion"])
        script = self.scripts.popleft() if self.scripts else self.endless
        if script is None:
            await asyncio.Event().wait()
            return
        for item in script:
            if isinstance(item, Exception):
                raise item
            yield item


def event(kind: str, name: str, version: int, x: str = "1") -> bytes:
    return orjson.dumps({"type": kind, "object": config_map_at(name, version, x)})


def config_map_at(name: str, version: int, x: str = "1") -> JsonObject:
    found = config_map(name, x=x)
    found["metadata"] |= {"namespace": "default", "resourceVersion": str(version)}
    return found


def listing(*items: JsonObject, version: int) -> Callable[[], ListPage]:
    return lambda: ListPage([cast("JsonObject", orjson.loads(orjson.dumps(i))) for i in items],
                            str(version), "")  # fmt: skip


class Lists:
    """Pages made anew for each list; the last one is repeated."""

    def __init__(self, *lists: Callable[[], ListPage]) -> None:
        self._lists = deque(lists)

    def __iter__(self) -> Any:
        made = self._lists.popleft() if len(self._lists) > 1 else self._lists[0]
        return iter([made()])


@pytest.mark.parametrize(
    "line",
    [
        b"<html>",
        b"[]",
        b'{"type": "ADDED"}',
        b'{"type": "ADDED", "object": "text"}',
        b'{"type": "ADDED", "object": {}}',
        b'{"type": "ADDED", "object": {"metadata": {"name": "a"}}}',
        b'{"type": "ADDED", "object": {"metadata": {"name": "a", "resourceVersion": "new"}}}',
        b'{"type": "BOOKMARK", "object": {"metadata": {}}}',
        b'{"type": "ERROR", "object": {"code": "what"}}',
    ],
)
async def test_an_event_that_makes_no_sense_leads_to_a_new_list(line: bytes) -> None:
    lists = Lists(
        listing(config_map_at("a", 5), version=7), listing(config_map_at("b", 8), version=9)
    )
    mirror = Mirror(Scripted(lists, [line]))
    async with mirror.running():
        assert [await mirror.next() for _ in range(3)] == [
            ("a", None, "1"),
            ("b", None, "1"),
            ("a", "1", None),
        ]
        assert mirror.reflector.counts.failures == 1


@pytest.mark.parametrize("broken", [{}, {"metadata": {}}, {"metadata": {"name": "a"}}])
async def test_a_list_that_makes_no_sense_is_made_anew(broken: JsonObject) -> None:
    lists = Lists(listing(broken, version=7), listing(config_map_at("a", 5), version=7))
    mirror = Mirror(Scripted(lists))
    async with mirror.running():
        assert mirror.values() == ["1"]
        assert mirror.reflector.counts.failures == 1


async def test_a_list_without_a_version_is_made_anew() -> None:
    lists = Lists(lambda: ListPage([], "", ""), listing(version=7))
    mirror = Mirror(Scripted(lists))
    async with mirror.running():
        assert mirror.reflector.counts.failures == 1


async def test_an_error_event_is_the_servers_refusal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    line = orjson.dumps({"type": "ERROR", "object": status})
    mirror = Mirror(Scripted(Lists(listing(version=7)), [line]))
    async with mirror.running():
        await until(lambda: mirror.reflector.counts.lists == 2)
        assert "410 Expired: too old" in caplog.text
        assert not mirror.reflector.is_failing


async def test_failures_are_forgotten_once_a_watch_has_lasted() -> None:
    failure = ServerError(503, "ServiceUnavailable", "away")
    bookmark = event("BOOKMARK", "", 7)
    scripts: list[list[bytes | Exception]] = [[bookmark, failure] for _ in range(12)]
    client = Scripted(Lists(listing(version=7)), *scripts)
    mirror = Mirror(client)  # with `short_watch_seconds` 0 each of them has lasted
    async with mirror.running():
        await until(lambda: client.watches == 13)  # else: 0.05 s doubled eleven times
        assert client.versions == ["7"] * 13


async def test_events_that_come_late_change_nothing() -> None:
    lines = [event("MODIFIED", "a", 4, "old"), event("ADDED", "b", 8), event("DELETED", "a", 9)]
    mirror = Mirror(Scripted(Lists(listing(config_map_at("a", 5), version=7)), lines))
    async with mirror.running():
        assert [await mirror.next() for _ in range(3)] == [
            ("a", None, "1"),
            ("b", None, "1"),
            ("a", "1", None),
        ]


# -- answers to our own writes ---------------------------------------------------------------------


async def test_an_answer_that_is_fed_in_comes_ahead_of_the_watch(
    admin: ApiClient, alice: ApiClient, server: ApiServer
) -> None:
    mirror = Mirror(alice)
    async with mirror.running():
        stalled = server.faults.add("stall-watch", ALICE)
        mirror.reflector.feed(await put(admin, "a", "1"))
        assert await mirror.next() == ("a", None, "1")
        server.faults.remove(stalled)
        await put(admin, "b", "2")
        assert await mirror.next() == ("b", None, "2")  # the event of the first write is no news


async def test_what_was_seen_is_what_lists_and_the_watch_have_shown() -> None:
    def answered_while_it_was_under_way() -> ListPage:
        mirror.reflector.feed(config_map_at("a", 9, "new"))  # others may have changed before
        return listing(config_map_at("a", 4), config_map_at("b", 5), version=7)()

    lines = [event("MODIFIED", "b", 8), event("MODIFIED", "a", 9)]
    mirror = Mirror(Scripted(Lists(answered_while_it_was_under_way), lines))
    async with mirror.running():
        await until(lambda: len(mirror.seen) == 3)
        assert mirror.seen == [5, 8, 9]
        assert mirror.reflector.get(("default", "a")) == "new"


async def test_a_list_taken_before_a_write_does_not_undo_it() -> None:
    def answered_while_it_was_under_way() -> ListPage:
        mirror.reflector.feed(config_map_at("a", 9, "new"))
        return listing(config_map_at("a", 5, "old"), version=7)()

    mirror = Mirror(Scripted(Lists(answered_while_it_was_under_way)))
    async with mirror.running():
        assert mirror.values() == ["new"]


async def test_an_answer_that_comes_after_the_deletion_brings_nothing_back() -> None:
    lines = [event("ADDED", "a", 8), event("DELETED", "a", 9)]
    mirror = Mirror(Scripted(Lists(listing(version=7)), lines))
    async with mirror.running():
        assert [await mirror.next() for _ in range(2)] == [("a", None, "1"), ("a", "1", None)]
        mirror.reflector.feed(config_map_at("a", 8))
        assert not mirror.changes
        mirror.reflector.feed(config_map_at("a", 10))
        assert await mirror.next() == ("a", None, "1")


async def test_an_answer_older_than_what_was_seen_is_no_news() -> None:
    mirror = Mirror(Scripted(Lists(listing(config_map_at("a", 9, "new"), version=9))))
    async with mirror.running():
        await mirror.next()
        mirror.reflector.feed(config_map_at("a", 8, "old"))
        assert mirror.values() == ["new"]


# -- a server restored from a backup ---------------------------------------------------------------


async def test_a_server_that_has_gone_back_in_time_is_believed() -> None:
    refusal = api_error(
        504,
        {
            "reason": "Timeout",
            "message": "Too large resource version: 107, current: 9",
            "details": {"causes": [{"reason": "ResourceVersionTooLarge"}]},
        },
    )
    lists = Lists(
        listing(config_map_at("a", 105, "2"), config_map_at("b", 106), version=107),
        listing(config_map_at("a", 5, "1"), version=9),
    )
    mirror = Mirror(Scripted(lists, [event("BOOKMARK", "", 107)], [refusal],
                             [event("MODIFIED", "a", 10, "3")]))  # fmt: skip
    async with mirror.running():
        assert [await mirror.next() for _ in range(5)] == [
            ("a", None, "2"),
            ("b", None, "1"),
            ("a", "2", "1"),
            ("b", "1", None),
            ("a", "1", "3"),
        ]


# -- ten thousand Services -------------------------------------------------------------------------


async def test_a_large_list_never_stands_in_memory_as_json() -> None:
    """100 MB of JSON in 200 pages of 500: a page of it at a time is all there is."""
    pages, page_size = 20, 500
    filler = "z" * 10_000

    class Pages:
        def __iter__(self) -> Any:
            for page in range(pages):
                names = (f"c{page}.{number}" for number in range(page_size))
                items = [config_map_at(name, 5, filler + name) for name in names]
                yield ListPage(items, "7", "")

    found: Reflector[int] = Reflector(
        cast("ApiClient", Scripted(Pages())),
        CONFIG_MAPS,
        lambda value: len(value["data"]["x"]),
        lambda key, old, new: None,
        chance=random.random,
    )
    tracemalloc.start()
    task = asyncio.create_task(found.run())
    try:
        await found.synced.wait()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        task.cancel()
    assert len(found) == pages * page_size
    page_bytes = page_size * len(filler)
    assert pages * page_bytes >= 100_000_000
    assert peak < 3 * page_bytes + 10_000_000
