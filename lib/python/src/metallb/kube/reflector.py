"""A mirror of one kind of object: list, then watch from there, for ever.

    list in pages ──► watch from the list's resourceVersion ──► watch again from the last one seen
         ▲                                                              │ 410 Gone
         └──────────────── back-off with jitter ◄───────────────────────┘

Each object is parsed as it arrives and only the parsed value is kept: a list of 10 000 Services
never stands in memory as JSON, only a page of it does. Whatever happens (a dropped or stalled
watch, 410, an API server that is away for an hour) the mirror stays as it was until the server
answers again; then the difference is delivered as changes, so a consumer never sees a gap and
never starts anew.

Answers to our own writes may be fed in by `feed`, ahead of the watch: versions are compared (as of
Kubernetes 1.35 resourceVersions compare as decimals; etcd-backed servers always have), so an older
event that comes later changes nothing, and a list taken before such a write does not undo it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson

from metallb.kube.backoff import Backoff
from metallb.kube.errors import TRANSPORT_ERRORS, ApiError, GoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metallb.kube.client import ApiClient, JsonObject, Resource

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""

Value = TypeVar("Value")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReflectorSettings:
    """How a mirror speaks to the server; times in seconds."""

    page_size: int = 500
    watch_timeout_seconds: int = 300
    """The server ends a watch after so long; each watch takes 100-200 % of it by chance."""
    stall_seconds: float = 90.0
    """Silence after which a watch is given up; a live server sends a bookmark each 60 s."""
    short_watch_seconds: float = 1.0
    """A watch that ends sooner counts as a failure, so that it is not reopened in a tight loop."""


@dataclass(slots=True)
class _Entry(Generic[Value]):
    version: int
    value: Value


@dataclass(slots=True)
class ReflectorCounts:
    """How often what happened; for metrics and tests."""

    lists: int = 0
    watches: int = 0
    events: int = 0
    failures: int = 0
    unreadable: int = 0


class Reflector(Generic[Value]):
    """Mirrors one kind; `read` parses an object, `on_change(key, old, new)` is told of each change.

    `read` returning None leaves the object out, as if it did not exist. `chance` gives floats in
    [0, 1). `synced` is set once the first list is complete.
    """

    def __init__(
        self,
        client: ApiClient,
        resource: Resource,
        read: Callable[[JsonObject], Value | None],
        on_change: Callable[[Key, Value | None, Value | None], None],
        *,
        chance: Callable[[], float],
        namespace: str = "",
        settings: ReflectorSettings | None = None,
        **selectors: str,
    ) -> None:
        self._client = client
        self._resource = resource
        self._read = read
        self._on_change = on_change
        self._chance = chance
        self._namespace = namespace
        self._settings = settings or ReflectorSettings()
        self._selectors = selectors
        self._entries: dict[Key, _Entry[Value]] = {}
        self._version = ""
        self.synced = asyncio.Event()
        self.counts = ReflectorCounts()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Value]:
        return iter([entry.value for entry in self._entries.values()])

    def get(self, key: Key) -> Value | None:
        """Find the value of an object as last seen."""
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    async def run(self) -> None:
        """Mirror until cancelled."""
        backoff = Backoff(self._chance)
        while True:
            try:
                if not self._version:
                    await self._list()
                    backoff.reset()
                if await self._watch():
                    backoff.reset()
                    continue
            except GoneError:
                log.info("%s: resourceVersion too old, listing again", self._resource.plural)
                self._version = ""
                self.counts.failures += 1
                await asyncio.sleep(backoff.next_delay())
                continue
            except ApiError as error:
                await self._failed(backoff.next_delay(error.retry_after_seconds), error)
                continue
            except TRANSPORT_ERRORS as error:
                await self._failed(backoff.next_delay(), error)
                continue
            await asyncio.sleep(backoff.next_delay())

    async def _failed(self, delay: float, error: Exception) -> None:
        self.counts.failures += 1
        log.warning(
            "%s: %s (%s), again in %.2f s",
            self._resource.plural, type(error).__name__, error, delay,
        )  # fmt: skip
        await asyncio.sleep(delay)

    # -- list ----------------------------------------------------------------------------------

    async def _list(self) -> None:
        self.counts.lists += 1
        seen: set[Key] = set()
        version = ""
        pages = self._client.list_pages(
            self._resource, self._namespace, page_size=self._settings.page_size, **self._selectors
        )
        async for page in pages:
            version = page.resource_version
            page.items.reverse()
            while page.items:  # each JSON object is let go as soon as it is parsed
                seen.add(self._observe(page.items.pop()))
        self._forget_unseen(seen, int(version))
        self._version = version
        self.synced.set()

    def _forget_unseen(self, seen: set[Key], version: int) -> None:
        for key in [key for key in self._entries if key not in seen]:
            if self._entries[key].version <= version:
                self._deliver(key, None, version)

    # -- watch ---------------------------------------------------------------------------------

    async def _watch(self) -> bool:
        """Follow one watch to its end; tell whether it lasted."""
        self.counts.watches += 1
        settings = self._settings
        started_at = asyncio.get_running_loop().time()
        lines = self._client.watch_lines(
            self._resource,
            self._namespace,
            timeout_seconds=int(settings.watch_timeout_seconds * (1 + self._chance())),
            stall_seconds=settings.stall_seconds,
            resourceVersion=self._version,
            allowWatchBookmarks="true",
            **self._selectors,
        )
        async for line in lines:
            self._handle_line(line)
        return asyncio.get_running_loop().time() - started_at >= settings.short_watch_seconds

    def _handle_line(self, line: bytes) -> None:
        event = orjson.loads(line)
        kind, value = event["type"], event["object"]
        if kind == "ERROR":
            _raise_status(value)
        self.counts.events += 1
        if kind == "DELETED":
            meta = value["metadata"]
            self._deliver(_key_of(meta), None, int(meta["resourceVersion"]))
        elif kind != "BOOKMARK":
            self._observe(value)
        self._version = value["metadata"]["resourceVersion"]

    # -- changes -------------------------------------------------------------------------------

    def feed(self, value: JsonObject) -> None:
        """Take in the server's answer to a write, ahead of the watch.

        An answer that comes after the watch has shown the object's deletion is not taken: whatever
        is not here, at a version that the watch has passed, is gone.
        """
        meta = value["metadata"]
        passed = int(self._version or 0) >= int(meta["resourceVersion"])
        if not passed or _key_of(meta) in self._entries:
            self._observe(value)

    def _observe(self, value: JsonObject) -> Key:
        meta = value["metadata"]
        key = _key_of(meta)
        self._deliver(key, self._parsed(key, value), int(meta["resourceVersion"]))
        return key

    def _parsed(self, key: Key, value: JsonObject) -> Value | None:
        try:
            return self._read(value)
        except Exception:
            self.counts.unreadable += 1
            log.exception("%s %s/%s cannot be read and is left out", self._resource.plural, *key)
            return None

    def _deliver(self, key: Key, value: Value | None, version: int) -> None:
        entry = self._entries.get(key)
        if entry is not None and entry.version >= version and value is not None:
            return
        if entry is not None and entry.version > version:
            return
        if value is None:
            self._entries.pop(key, None)
        else:
            self._entries[key] = _Entry(version, value)
        if entry is not None or value is not None:
            self._on_change(key, None if entry is None else entry.value, value)


def _key_of(meta: dict[str, Any]) -> Key:
    return meta.get("namespace") or "", meta["name"]


def _raise_status(status: dict[str, Any]) -> None:
    from metallb.kube.errors import api_error

    raise api_error(int(status.get("code") or 500), status)
