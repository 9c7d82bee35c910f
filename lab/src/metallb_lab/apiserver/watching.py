"""Watches: from a version on, through a selection, in one representation.

A ``Watch`` subscribes to its table and hands out chunks of bytes. An event is encoded once for
all watches that want the same form of it. What enters or leaves the selection becomes ADDED or
DELETED. A watch that does not keep up is ended, as the real server does, and has to list again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.documents import encode
from metallb_lab.apiserver.representations import (
    Representation,
    partial,
    remember_view,
    table,
    view,
)
from metallb_lab.apiserver.requests import is_true
from metallb_lab.apiserver.store import CompactedError, Event, Store, Stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from metallb_lab.apiserver.conversion import Conversion
    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.faults import Faults, Subject
    from metallb_lab.apiserver.requests import Call
    from metallb_lab.apiserver.resources import Resource
    from metallb_lab.apiserver.selectors import Selection

QUEUE_LIMIT = 20_000
BOOKMARK_SECONDS = 60.0
BEFORE_TIMEOUT_SECONDS = 2.0
MIN_TIMEOUT_SECONDS = 1800
INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}


class WatchDropped(Exception):  # noqa: N818 - a fault that was ordered, not an error
    """The connection is to be cut."""


@dataclass(frozen=True)
class WatchOptions:
    """What the request asked for."""

    version: str
    bookmarks: bool
    initial: bool
    timeout_seconds: float

    @classmethod
    def read(cls, call: Call) -> WatchOptions:
        """From the query; without a timeout the server picks one, as the real one does."""
        asked = call.integer("timeoutSeconds")
        picked = random.uniform(MIN_TIMEOUT_SECONDS, 2 * MIN_TIMEOUT_SECONDS)
        return cls(
            version=call.query.get("resourceVersion", ""),
            bookmarks=is_true(call.query, "allowWatchBookmarks"),
            initial=is_true(call.query, "sendInitialEvents"),
            timeout_seconds=float(asked) if asked else picked,
        )


class Watch:
    """One running watch."""

    def __init__(
        self,
        store: Store,
        conversion: Conversion,
        call: Call,
        chosen: Selection,
        how: Representation,
        *,
        faults: Faults,
        subject: Subject,
        bookmark_seconds: float = BOOKMARK_SECONDS,
    ) -> None:
        self.call = call
        self._store = store
        self._conversion = conversion
        self._table = store.table(call.resource.table)
        self._options = WatchOptions.read(call)
        self._chosen = chosen
        self._how = how
        self._faults = faults
        self._subject = subject
        self._bookmark_seconds = bookmark_seconds
        self._queue: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._finished = False
        self._with_columns = True
        version = self._options.version
        self._floor = int(version) if version.isdigit() else 0  # what the client knows already

    # ------------------------------------------------------------ from outside

    def finish(self) -> None:
        """Ends the watch in good order: the resource or the server is going."""
        self._finished = True
        self._wake.set()

    def _push(self, event: Event) -> None:
        if len(self._queue) >= QUEUE_LIMIT:
            self.finish()
            return
        self._queue.append(event)
        self._wake.set()

    # ------------------------------------------------------------ the stream

    async def chunks(self) -> AsyncIterator[bytes]:
        """Bytes to send, until the watch is over; ``WatchDropped`` when it is to be cut."""
        unsubscribe = self._table.subscribe(self._push)
        unlisten = self._faults.listen(self._wake.set)
        deadline_at = time.monotonic() + self._options.timeout_seconds
        bookmark_at = self._next_bookmark(deadline_at)
        try:
            first = await self._beginning()
            await self._hold()
            if first is None:
                yield self._gone()
                return
            yield first
            while not self._finished or self._queue:
                await self._sleep(min(deadline_at, bookmark_at))
                await self._hold()
                if chunk := await self._drain():
                    yield chunk
                if time.monotonic() >= deadline_at:
                    return
                if time.monotonic() >= bookmark_at:
                    bookmark_at = self._next_bookmark(deadline_at)
                    if self._options.bookmarks and self._store.version > self._floor:
                        yield self._bookmark(self._store.version)
        finally:
            unsubscribe()
            unlisten()

    async def _sleep(self, until: float) -> None:
        if self._queue or self._finished:
            return
        self._wake.clear()
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _hold(self) -> None:
        """Obeys faults: silence while one says so, an end when one does."""
        while fault := self._faults.peek(self._subject, "stall-watch", "partition-hang"):
            await fault.over.wait()
        if self._faults.take(self._subject, "drop-watch", "partition-reset"):
            raise WatchDropped

    def _next_bookmark(self, deadline_at: float) -> float:
        """Each minute, and shortly before the end."""
        now = time.monotonic()
        regular, last = now + self._bookmark_seconds, deadline_at - BEFORE_TIMEOUT_SECONDS
        return last if now < last < regular else regular

    # ------------------------------------------------------------ what to send

    async def _beginning(self) -> bytes | None:
        """Events that are due at once; None when history does not reach back far enough."""
        if self._faults.take(self._subject, "gone"):
            return None
        version, options = self._options.version, self._options
        everything = options.initial or version in ("", "0")
        if not everything:
            try:
                past = self._table.since(int(version))
            except CompactedError:
                return None
            await self._prepare(past)
            return b"".join(filter(None, map(self._encode, past)))
        now, found = self._store.version, list(self._table.scan(self.call.target.namespace))
        await self._conversion.prepare(self.call.resource, found)
        out = [
            self._line("ADDED", stored)
            for stored in found
            if self._chosen.everything or self._selects(stored)
        ]
        if options.initial and options.bookmarks:
            out.append(self._bookmark(now, INITIAL_EVENTS_END))
        return b"".join(out)

    async def _drain(self) -> bytes:
        events = list(self._queue)
        self._queue.clear()
        await self._prepare(events)
        return b"".join(filter(None, map(self._encode, events)))

    async def _prepare(self, events: Iterable[Event]) -> None:
        """Has objects converted, where a webhook does that."""
        found = [s for e in events for s in (e.stored, e.previous) if s is not None]
        await self._conversion.prepare(self.call.resource, found)

    def _selects(self, stored: Stored) -> bool:
        return self._chosen.matches(view(self.call.resource, stored))

    def _encode(self, event: Event) -> bytes | None:
        """An event as this watch sees it, or nothing."""
        namespace = self.call.target.namespace
        if event.version <= self._floor:  # a watch from a version of the future
            return None
        if namespace and event.stored.key.namespace != namespace:
            return None
        if self._chosen.everything:
            return self._event_line(event, event.type, event.stored)
        before = event.previous is not None and self._selects(event.previous)
        if event.type == "DELETED":
            return self._event_line(event, "DELETED", event.stored) if before else None
        after = self._selects(event.stored)
        if after:
            return self._event_line(event, "MODIFIED" if before else "ADDED", event.stored)
        if not before:
            return None
        assert event.previous is not None
        return self._line("DELETED", restamped(self.call.resource, event.previous, event.version))

    def _event_line(self, event: Event, kind: str, stored: Stored) -> bytes:
        """The line of an event, kept with it for the next watch that wants the same."""
        if self._how.form == "table":
            return self._line(kind, stored)
        key = (kind, self._how.form, self.call.resource.strategy)
        line = event.encodings.get(key)
        if line is None:
            line = self._line(kind, stored)
            event.encodings[key] = line
        return line

    def _line(self, kind: str, stored: Stored) -> bytes:
        """One line of the stream."""
        resource = self.call.resource
        if self._how.form == "table":
            version = {"resourceVersion": str(stored.version)}
            shown: Document = table(
                resource, [stored], version, self._how, with_columns=self._with_columns
            )
            self._with_columns = False
        else:
            shown = view(resource, stored)
            if self._how.form == "partial":
                shown = partial(shown)
        return encode({"type": kind, "object": shown}) + b"\n"

    def _bookmark(self, version: int, annotations: dict[str, str] | None = None) -> bytes:
        """How far the client has got."""
        resource = self.call.resource
        metadata: dict[str, Any] = {"resourceVersion": str(version), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        shown = {"kind": resource.kind, "apiVersion": str(resource.gv), "metadata": metadata}
        if self._how.form == "partial":
            shown = partial(shown)
        return encode({"type": "BOOKMARK", "object": shown}) + b"\n"

    def _gone(self) -> bytes:
        """The ERROR event of a version that is too old."""
        asked = self._options.version or "0"
        text = f"too old resource version: {asked} ({self._table.oldest})"
        return encode({"type": "ERROR", "object": errors.expired(text).status()}) + b"\n"


def restamped(resource: Resource, previous: Stored, version: int) -> Stored:
    """What an object was, under the version of the change that took it out of sight."""
    shown = dict(view(resource, previous))
    shown["metadata"] = shown["metadata"] | {"resourceVersion": str(version)}
    stored = Stored(previous.key, version, shown)
    remember_view(resource, stored, shown)
    return stored
