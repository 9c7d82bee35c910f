"""Lists: selectors, versions, pages.

A page carries a token with the version of the first page, so that all pages see one moment; the
store rebuilds it from history. When history has been forgotten the answer is 410 with a token to
go on from the present, which is then not consistent with what came before, as its name says.
"""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.representations import view
from metallb_lab.apiserver.selectors import Selection, parse_fields, parse_labels
from metallb_lab.apiserver.store import CompactedError, Key, Store, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metallb_lab.apiserver.conversion import Conversion
    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.requests import Call
    from metallb_lab.apiserver.resources import Resource

INCONSISTENT = -1
FUTURE_WAIT_SECONDS = 3.0
EXPIRED_TOKEN = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True)
class Page:
    """The result of a list."""

    items: list[Stored]
    metadata: Document


def selection(call: Call) -> Selection:
    """The selectors of a request."""
    resource = call.resource
    labels = parse_labels(call.query.get("labelSelector", ""))
    fields = parse_fields(call.query.get("fieldSelector", ""), resource.strategy.field_fault)
    return Selection(labels, fields, resource.strategy.read_field)


class Lister:
    """Reads many."""

    def __init__(self, store: Store, conversion: Conversion) -> None:
        self._store = store
        self._conversion = conversion

    async def reach(self, wanted: int) -> None:
        """Waits a while for a version from the future; 504 when it does not come."""
        if wanted <= self._store.version:
            return
        try:
            async with asyncio.timeout(FUTURE_WAIT_SECONDS):
                while wanted > self._store.version:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise errors.too_large_version(wanted, self._store.version) from None

    async def page(self, call: Call) -> Page:
        """One page, or everything."""
        chosen = selection(call)
        namespace, after = call.target.namespace, None
        version: int | None = None
        if token := call.query.get("continue"):
            version, after = read_token(token, namespace)
        elif "resourceVersion" in call.query:
            asked = call.version()
            await self.reach(asked)
            exact = call.query.get("resourceVersionMatch") == "Exact"
            # a page at a version that is not zero is at exactly that version
            paged = call.query.get("limit", "0") != "0" and asked != 0
            unspecified = "resourceVersionMatch" not in call.query
            version = asked if exact or (paged and unspecified) else None
        table = self._store.table(call.resource.table)
        at = self._store.version if version in (None, INCONSISTENT) else version
        assert at is not None
        try:
            if version in (None, INCONSISTENT):
                found = table.scan(namespace, after)
            else:
                table.since(at)
                found = table.scan_at(at, namespace, after)
        except CompactedError:
            raise self._expired(call, after) from None
        if call.resource.strategy.conversion is not None:
            listed = list(found)
            await self._conversion.prepare(call.resource, listed)
            found = iter(listed)
        return self._cut(call, found, chosen, at)

    def _cut(self, call: Call, found: Iterator[Stored], chosen: Selection, version: int) -> Page:
        limit = call.integer("limit") or 0
        metadata: Document = {"resourceVersion": str(version)}
        selected = self._select(call.resource, found, chosen)
        if limit <= 0:
            return Page(list(selected), metadata)
        items = list(islice(selected, limit))
        rest = next(selected, None)
        if rest is not None:
            metadata["continue"] = make_token(version, items[-1].key, call.target.namespace)
            if chosen.everything:
                metadata["remainingItemCount"] = 1 + sum(1 for _ in selected)
        return Page(items, metadata)

    @staticmethod
    def _select(resource: Resource, found: Iterator[Stored], chosen: Selection) -> Iterator[Stored]:
        if chosen.everything:
            return found
        if chosen.labels and not chosen.fields:
            return (s for s in found if chosen.matches(s.value))
        return (s for s in found if chosen.matches(view(resource, s)))

    def _expired(self, call: Call, after: Key | None) -> errors.ApiError:
        if after is None:
            asked = call.query.get("resourceVersion", "")
            return errors.expired(f"The resourceVersion for the provided list is too old: {asked}")
        token = make_token(INCONSISTENT, after, call.target.namespace)
        return errors.expired(EXPIRED_TOKEN, token)


# ---------------------------------------------------------------- tokens


def make_token(version: int, last: Key, namespace: str) -> str:
    """The real server's token: a version and where to start."""
    start = last.name if namespace else last.path()
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": f"{start}\0"})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(token: str, namespace: str) -> tuple[int, Key]:
    """Back again; 400 for anything that is no token."""
    try:
        data = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        version, start = int(data["rv"]), str(data["start"]).removesuffix("\0")
    except (ValueError, KeyError, TypeError):
        raise errors.bad_request("continue key is not valid: illegal base64 data") from None
    if namespace:
        return version, Key(namespace, start)
    before, slash, name = start.partition("/")
    return version, Key(before, name) if slash else Key("", start)
