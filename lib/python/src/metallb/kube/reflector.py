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
from contextlib import aclosing
from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from metallb.kube.backoff import Backoff
from metallb.kube.decoding import Decoder
from metallb.kube.errors import (
    TRANSPORT_ERRORS,
    ApiError,
    GoneError,
    MalformedAnswerError,
    api_error,
)

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
    [0, 1). `synced` is set once the first list is complete. `on_seen` is told after each list and
    each watch event about an object, be it news or not: `seen` may have grown. `shape` names the
    fields that `read` reads, so that no others are decoded (`metallb.kube.decoding`).
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
        on_seen: Callable[[], None] | None = None,
        shape: Any = None,
        **selectors: str,
    ) -> None:
        self._client = client
        self._resource = resource
        self._read = read
        self._on_change = on_change
        self._on_seen = on_seen
        self._chance = chance
        self._namespace = namespace
        self._settings = settings or ReflectorSettings()
        self._selectors = selectors
        self._decoder = Decoder(shape)
        self._entries: dict[Key, _Entry[Value]] = {}
        self._version = ""
        self._newest = 0
        self.seen = 0
        """Highest version of an object that a list or the watch has shown: no older one is to come.

        Answers that were fed in do not count, for others may have changed before.
        """
        self.synced = asyncio.Event()
        self.is_failing = False
        """Whether the last list or watch failed, and nothing has been heard since."""
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
                if not await self._watch(backoff):
                    await asyncio.sleep(backoff.next_delay())
            except ApiError as error:
                if _needs_list(error):
                    self._version = ""
                await self._failed(backoff.next_delay(error.retry_after_seconds), error)
            except TRANSPORT_ERRORS as error:
                await self._failed(backoff.next_delay(), error)

    async def _failed(self, delay: float, error: Exception) -> None:
        self.counts.failures += 1
        self.is_failing = not isinstance(error, GoneError)
        log.log(
            logging.INFO if isinstance(error, GoneError) else logging.WARNING,
            "%s: %s (%s), again in %.2f s",
            self._resource.plural, type(error).__name__, error, delay,
        )  # fmt: skip
        await asyncio.sleep(delay)

    # -- list ----------------------------------------------------------------------------------

    async def _list(self) -> None:
        self.counts.lists += 1
        seen: set[Key] = set()
        version, newest = "", self._newest
        pages = self._client.list_pages(
            self._resource,
            self._namespace,
            page_size=self._settings.page_size,
            decode=self._decoder.page,
            **self._selectors,
        )
        async with aclosing(pages):
            async for page in pages:
                if not version:
                    version = page.resource_version
                    if _number(version) < newest:
                        self._begin_anew()
                self._take_page(page.items, seen)
        self._forget_unseen(seen, _number(version))
        self._version = version
        self.is_failing = False
        self._see_list(_number(version))
        self.synced.set()
        self._tell_seen()

    def _tell_seen(self) -> None:
        if self._on_seen is not None:
            self._on_seen()

    def _see_list(self, version: int) -> None:
        found = (entry.version for entry in self._entries.values())
        self.seen = max(self.seen, max((item for item in found if item <= version), default=0))

    def _take_page(self, items: list[JsonObject], seen: set[Key]) -> None:
        """Parse a page; each JSON object is let go as soon as it is parsed."""
        items.reverse()
        while items:
            value = items.pop()
            key = _key_of(value)
            self._observe(key, value, _version_of(value))
            seen.add(key)

    def _begin_anew(self) -> None:
        """Compare no version with those seen so far.

        A list shows at least what was seen before it was asked for, unless the server's data were
        restored from a backup.
        """
        log.warning("%s: the server has gone back in time", self._resource.plural)
        self._newest = self.seen = 0
        for entry in self._entries.values():
            entry.version = 0

    def _forget_unseen(self, seen: set[Key], version: int) -> None:
        for key in [key for key in self._entries if key not in seen]:
            if self._entries[key].version <= version:
                self._deliver(key, None, version)

    # -- watch ---------------------------------------------------------------------------------

    async def _watch(self, backoff: Backoff) -> bool:
        """Follow one watch to its end, whatever that is; tell whether it lasted.

        Only one that the server answered can have lasted.
        """
        self.counts.watches += 1
        settings = self._settings
        loop = asyncio.get_running_loop()
        lasts_at = loop.time() + settings.short_watch_seconds
        lines = self._client.watch_lines(
            self._resource,
            self._namespace,
            timeout_seconds=int(settings.watch_timeout_seconds * (1 + self._chance())),
            stall_seconds=settings.stall_seconds,
            resourceVersion=self._version,
            allowWatchBookmarks="true",
            **self._selectors,
        )
        is_heard = False
        try:
            async with aclosing(lines):
                async for line in lines:
                    is_heard = True
                    self._handle_line(line)
            is_heard = True
        finally:
            lasted = is_heard and loop.time() >= lasts_at
            if lasted:
                backoff.reset()
        return lasted

    def _handle_line(self, line: bytes) -> None:
        kind, value = self._event_of(line)
        if kind == "ERROR":
            raise api_error(_number(value.get("code") or 500), value)
        self.counts.events += 1
        self.is_failing = False
        if kind == "BOOKMARK":
            self._version = str(_version_of(value))
            return
        key, version = _key_of(value), _version_of(value)
        self.seen = max(self.seen, version)
        if kind == "DELETED":
            self._newest = max(self._newest, version)
            self._deliver(key, None, version)
        else:
            self._observe(key, value, version)
        self._version = str(version)
        self._tell_seen()

    def _event_of(self, line: bytes) -> tuple[str, JsonObject]:
        try:
            event = self._decoder.event(line)
            kind, value = event["type"], event["object"]
        except (ValueError, KeyError):
            kind, value = "", None
        if not isinstance(value, dict):
            raise MalformedAnswerError(f"no watch event: {line[:200]!r}")
        return kind, value

    # -- changes -------------------------------------------------------------------------------

    def feed(self, value: JsonObject) -> None:
        """Take in the server's answer to a write, ahead of the watch.

        An answer that comes after the watch has shown the object's deletion is not taken: whatever
        is not here, at a version that the watch has passed, is gone.
        """
        key, version = _key_of(value), _version_of(value)
        if _number(self._version or 0) < version or key in self._entries:
            self._observe(key, value, version)

    def _observe(self, key: Key, value: JsonObject, version: int) -> None:
        """Take in an object as it is at a version; what is not newer is not even parsed."""
        self._newest = max(self._newest, version)
        entry = self._entries.get(key)
        if entry is None or entry.version < version:
            self._deliver(key, self._parsed(key, value), version)

    def _parsed(self, key: Key, value: JsonObject) -> Value | None:
        """Parse an object; one that cannot be read stays as it was read last, if ever."""
        try:
            return self._read(value)
        except Exception:
            self.counts.unreadable += 1
            log.exception("%s %s/%s cannot be read", self._resource.plural, *key)
            return self.get(key)

    def _deliver(self, key: Key, value: Value | None, version: int) -> None:
        entry = self._entries.get(key)
        if entry is not None and entry.version > version:
            return
        if value is None:
            self._entries.pop(key, None)
        else:
            self._entries[key] = _Entry(version, value)
        if entry is not None or value is not None:
            self._on_change(key, None if entry is None else entry.value, value)


def _needs_list(error: ApiError) -> bool:
    """Tell whether going on from where the watch stood is of no use."""
    return isinstance(error, GoneError | MalformedAnswerError) or error.is_version_too_large


def _key_of(value: JsonObject) -> Key:
    try:
        meta = value["metadata"]
        return intern(meta.get("namespace") or ""), str(meta["name"])
    except (KeyError, TypeError, AttributeError):
        raise MalformedAnswerError(f"an object without a name: {str(value)[:200]}") from None


def _version_of(value: JsonObject) -> int:
    try:
        return int(value["metadata"]["resourceVersion"])
    except (KeyError, TypeError, ValueError):
        raise MalformedAnswerError(f"an object without a version: {str(value)[:200]}") from None


def _number(text: object) -> int:
    try:
        return int(str(text))
    except ValueError:
        raise MalformedAnswerError(f"{text!r} is no resourceVersion") from None
