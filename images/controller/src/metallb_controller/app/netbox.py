"""NetBox over HTTP: one server, one token, one request at a time.

The token and the certificates of authorities are files in one directory, read before each
connection or request, so that a Secret which changes needs no restart, and one which is not there
yet stops nothing. What goes wrong becomes an IpamError with a word for the metric; neither the
token nor what was sent is in it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from metallb_controller.ipam.model import Contents, Entry, Failure, IpamError, RefusedError
from metallb_controller.ipam.netbox import (
    ADDRESSES,
    TAGS,
    Labels,
    body_of,
    change_of,
    has_tag,
    queries_of_others,
    query_of_ours,
    read_page,
    read_registered,
    read_use,
)
from metallb_controller.ipam.plan import parted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from metallb.api.fields import JsonObject
    from metallb.net.ranges import AddressRange
    from metallb_controller.ipam.model import Registered
    from metallb_controller.ipam.netbox import Query

TIMEOUT_SECONDS: Final = 10.0
"""For one request, from the first byte to the last."""

_MOST_BYTES: Final = 64 << 20
"""Of one answer: a page of a thousand objects has less than two million."""

_WORDS: Final = 300
"""So much of what the server says about an object that it refuses is told on."""

_LONGEST_WAIT_SECONDS: Final = 300.0

_COLOUR: Final = "009688"
_TAG_WORDS: Final = "Addresses of Services of a Kubernetes cluster"
"""How our tag looks, if we make it."""


@dataclass(frozen=True, slots=True)
class NetBoxSettings:
    """Where NetBox is, and what is ours there. `secret_dir` has `token` and perhaps `ca.crt`."""

    url: str
    labels: Labels
    secret_dir: Path
    timeout_seconds: float = TIMEOUT_SECONDS


class NetBox:
    """An `Ipam`."""

    def __init__(self, settings: NetBoxSettings) -> None:
        self._settings = settings
        self._labels = settings.labels
        self._base = settings.url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._authorities: bytes | None = None
        self._has_tag = False

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # -- the interface -----------------------------------------------------------------------------

    async def read(self, ranges: Sequence[AddressRange]) -> Contents:
        """Read all objects of ours, and those of others in some ranges.

        NetBox refuses to look for a tag that it does not have, so that is made first.
        """
        self._has_tag = False
        await self._make_tag()
        ours = await self._list(ADDRESSES, query_of_ours(self._labels))
        others: dict[Any, JsonObject] = {}
        for query in queries_of_others(ranges, self._labels):
            others |= {item.get("id"): item for item in await self._list(ADDRESSES, query)}
        return Contents(
            tuple(read_registered(item, self._labels) for item in ours),
            parted(read_use(item) for item in others.values() if not has_tag(item, self._labels)),
        )

    async def register(self, entry: Entry) -> Registered:
        """Make an object, and the tag first, if it is not there."""
        await self._make_tag()
        found = await self._ask("POST", ADDRESSES, body=body_of(entry, self._labels))
        return read_registered(found, self._labels)

    async def change(self, found: Registered, entry: Entry) -> Registered:
        """Change an object of ours; raises IpamError when it is gone or not ours any more."""
        path = f"{ADDRESSES}{found.id}/"
        if not has_tag(await self._ask("GET", path), self._labels):
            raise IpamError(
                Failure.CHANGED, f"{path} is not ours any more: our tag is taken from it"
            )
        now = await self._ask("PATCH", path, body=change_of(entry, self._labels))
        return read_registered(now, self._labels)

    async def release(self, found: Registered) -> None:
        """Delete an object of ours, if it is there and still ours."""
        path = f"{ADDRESSES}{found.id}/"
        try:
            if has_tag(await self._ask("GET", path), self._labels):
                await self._ask("DELETE", path)
        except _GoneError:
            return

    async def _make_tag(self) -> None:
        if self._has_tag:
            return
        slug = self._labels.tag
        if not await self._list(TAGS, [("slug", slug)]):
            body = {"name": slug, "slug": slug, "color": _COLOUR, "description": _TAG_WORDS}
            try:
                await self._ask("POST", TAGS, body=body)
            except RefusedError as error:
                raise IpamError(Failure.REFUSED, f"tag {slug} cannot be made: {error}") from error
        self._has_tag = True

    # -- requests ----------------------------------------------------------------------------------

    async def _list(self, path: str, query: Query) -> list[JsonObject]:
        """Read a list, page by page; raises IpamError when it changed meanwhile."""
        try:
            return await self._pages(path, query)
        except RefusedError as error:
            raise IpamError(Failure.REFUSED, f"GET {path}: {error}") from error

    async def _pages(self, path: str, query: Query) -> list[JsonObject]:
        found: dict[Any, JsonObject] = {}
        counts: set[int] = set()
        following: Query | None = query
        while following is not None:
            page = read_page(await self._ask("GET", path, following))
            before = len(found)
            counts.add(page.count)
            found |= {item.get("id"): item for item in page.results}
            following = page.following
            if following is not None and len(found) == before:
                raise IpamError(
                    Failure.MALFORMED, "a page brought nothing new, and says there are more"
                )
        if counts != {len(found)}:
            words = f"{len(found)} of {max(counts)} objects were read: others write now"
            raise IpamError(Failure.CHANGED, words)
        return list(found.values())

    async def _ask(
        self, method: str, path: str, query: Query | None = None, body: JsonObject | None = None
    ) -> Any:
        try:
            session = await self._opened()
            headers = {"Authorization": await asyncio.to_thread(self._authorization)}
            async with session.request(
                method,
                self._base + path,
                params=query,
                json=body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                return await _read(response, f"{method} {path}")
        except TimeoutError as error:
            raise IpamError(Failure.TIMEOUT, f"{method} {path}: no answer in time") from error
        except ssl.SSLError as error:
            raise IpamError(Failure.TLS, f"{method} {path}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = Failure.UNREACHABLE
            if isinstance(error, aiohttp.ClientSSLError):
                reason = Failure.TLS
            raise IpamError(reason, f"{method} {path}: {error}") from error

    def _authorization(self) -> str:
        """Read the token: one of version 2 begins with ``nbt_`` and is a bearer token."""
        try:
            token = (self._settings.secret_dir / "token").read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise IpamError(
                Failure.NO_TOKEN, f"the token cannot be read: {type(error).__name__}"
            ) from None
        if not token or not token.isprintable() or " " in token:
            raise IpamError(Failure.NO_TOKEN, "the token is empty or no token")
        return f"Bearer {token}" if token.startswith("nbt_") else f"Token {token}"

    async def _opened(self) -> aiohttp.ClientSession:
        """Give the session; another one when the authorities have changed."""
        authorities = await asyncio.to_thread(self._read_authorities)
        if self._session is not None and authorities != self._authorities:
            await self.close()
        if self._session is None:
            context = ssl.create_default_context()
            if authorities is not None:
                context = ssl.create_default_context(cadata=authorities.decode("ascii"))
            self._authorities = authorities
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit=1),
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout_seconds),
                headers={"Accept": "application/json", "User-Agent": "metallb-controller"},
            )
        return self._session

    def _read_authorities(self) -> bytes | None:
        try:
            return (self._settings.secret_dir / "ca.crt").read_bytes() or None
        except FileNotFoundError:
            return None


class _GoneError(IpamError):
    """The object is not there (any more)."""


async def _read(response: aiohttp.ClientResponse, what: str) -> Any:
    """Read an answer; raises as `Ipam` says."""
    status = response.status
    content = await _content(response)
    if status in (200, 201):
        try:
            return await asyncio.to_thread(json.loads, content)
        except ValueError as error:
            raise IpamError(Failure.MALFORMED, f"{what}: the answer is no JSON") from error
    if status == 204:
        return None
    words = f"{what}: {status} {response.reason}"
    if status == 404:
        raise _GoneError(Failure.GONE, words)
    if status in (400, 409):
        raise RefusedError(content[:_WORDS].decode("utf-8", "replace"))
    reason = Failure.UNAUTHORIZED if status in (401, 403) else Failure.STATUS
    raise IpamError(reason, words, _retry_after(response))


async def _content(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > _MOST_BYTES:
            raise IpamError(Failure.MALFORMED, "the answer is too large")
    return bytes(content)


def _retry_after(response: aiohttp.ClientResponse) -> float:
    """Read for how long the server wants to be left alone (RFC 9110 §10.2.3), if in seconds."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), _LONGEST_WAIT_SECONDS) if text.isdecimal() else 0.0
