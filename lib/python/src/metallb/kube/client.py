"""A thin asynchronous client of the Kubernetes API: paths, verbs, Status errors, streams of lines.

An `ApiClient` holds a pool of keep-alive connections. Objects go in and come out as decoded JSON;
what they mean is for `metallb.api`. Nothing is retried here: only the caller knows whether to ask
again.

`fenced` gives a client on the same connections whose *writes* pass a fence: a callable that raises
when this process has lost the right to write, and says within how many seconds a write must have
left and been answered (see also `unacknowledged_seconds` in `metallb.kube.connections`).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from metallb.kube.connections import ConnectionPool
from metallb.kube.decoding import decoded
from metallb.kube.errors import MalformedAnswerError, api_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
    from types import TracebackType

    from metallb.kube.config import Connection
    from metallb.kube.connections import SocketFactory

JsonObject = dict[str, Any]

REQUEST_TIMEOUT_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 5.0


class PatchType(StrEnum):
    """Content type of a patch."""

    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    JSON = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind's address in the API; `group` is empty for the core group."""

    group: str
    version: str
    plural: str
    is_namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Path of a collection or, with a name, of an object; no namespace means all of them."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace and self.is_namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list: its items, and where the whole list stands."""

    items: list[JsonObject]
    resource_version: str
    continue_token: str


class ApiClient:
    """A client of one API server; use as an async context manager or close it."""

    def __init__(
        self,
        connection: Connection,
        *,
        user_agent: str = "metallb",
        max_connections: int = 64,
        unacknowledged_seconds: float | None = None,
        socket_factory: SocketFactory | None = None,
    ) -> None:
        self._connection = connection
        self._pool = ConnectionPool(
            connection, user_agent, max_connections, unacknowledged_seconds, socket_factory
        )
        self._fence: Callable[[], float] | None = None

    def fenced(self, fence: Callable[[], float]) -> ApiClient:
        """Give a client on the same connections whose writes pass a fence; not to be closed."""
        found = copy(self)
        found._fence = fence
        return found

    async def __aenter__(self) -> ApiClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    def _headers(self, content_type: str | None = None) -> dict[str, str]:
        headers: dict[str, str] = {}
        if content_type is not None:
            headers["Content-Type"] = content_type
        authorization = self._connection.authorization()
        if authorization is not None:
            headers["Authorization"] = authorization
        return headers

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        timeout: float = REQUEST_TIMEOUT_SECONDS,
        decode: Callable[[bytes], Any] = decoded,
    ) -> Any:
        """Send one request and decode the answer, by `decode` if it is no error.

        `timeout` is in seconds, cut to quarters of one; a fenced write has less when the lease ends
        sooner. Raises ApiError, NotLeaderError (nothing was sent) and transport errors.
        """
        if self._fence is not None and method != "GET":
            timeout = min(timeout, self._fence())
        async with self._pool.session().request(
            method,
            self._connection.base_url + path,
            params=params,
            data=None if body is None else orjson.dumps(body),
            headers=self._headers(None if body is None else content_type),
            timeout=_limits(timeout if timeout < 1 else int(timeout * 4) / 4),
            server_hostname=self._connection.tls_server_name,
        ) as response:
            content = await response.read()
            if response.status >= 400:
                retry_after = response.headers.get("Retry-After")
                raise api_error(response.status, decoded(content), retry_after)
            return decode(content)

    async def get(self, resource: Resource, name: str, namespace: str = "") -> JsonObject:
        """Read one object."""
        return await self._object("GET", resource.path(namespace, name))

    async def create(self, resource: Resource, body: JsonObject, namespace: str = "") -> JsonObject:
        """Create an object; raises AlreadyExistsError."""
        return await self._object("POST", resource.path(namespace), body=body)

    async def replace(
        self,
        resource: Resource,
        name: str,
        body: JsonObject,
        namespace: str = "",
        subresource: str = "",
    ) -> JsonObject:
        """Replace an object; raises ConflictError when its resourceVersion is stale."""
        return await self._object("PUT", resource.path(namespace, name, subresource), body=body)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: object,
        *,
        namespace: str = "",
        subresource: str = "",
        kind: PatchType = PatchType.MERGE,
    ) -> JsonObject:
        """Patch an object; with a resourceVersion in the patch, raises ConflictError when it is
        stale.
        """
        path = resource.path(namespace, name, subresource)
        return await self._object("PATCH", path, body=body, content_type=kind.value)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
    ) -> None:
        """Delete an object; with preconditions given, raises ConflictError when it is another by
        now.
        """
        wanted = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {key: value for key, value in wanted.items() if value}
        body: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if preconditions:
            body["preconditions"] = preconditions
        await self.request("DELETE", resource.path(namespace, name), body=body)

    async def _object(self, method: str, path: str, **rest: Any) -> JsonObject:
        answer = await self.request(method, path, **rest)
        if not isinstance(answer, dict):
            raise MalformedAnswerError(f"{method} {path} gave no object: {answer!r}")
        return answer

    async def list_pages(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        page_size: int = 500,
        decode: Callable[[bytes], Any] = decoded,
        **params: str,
    ) -> AsyncGenerator[ListPage, None]:
        """List in pages of at most `page_size` objects; raises GoneError when the list took too
        long.
        """
        query = {**params, "limit": str(page_size)}
        while True:
            path = resource.path(namespace)
            answer = await self._object("GET", path, params=query, decode=decode)
            meta = answer.get("metadata") or {}
            token = meta.get("continue") or ""
            yield ListPage(answer.get("items") or [], meta.get("resourceVersion") or "", token)
            if not token:
                return
            query["continue"] = token

    async def watch_lines(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        timeout_seconds: int,
        stall_seconds: float,
        **params: str,
    ) -> AsyncGenerator[bytes, None]:
        """Open a watch and give its lines as they come, until the server ends it.

        Raises ApiError when the watch is refused, TimeoutError after `stall_seconds` of silence,
        and other transport errors. Lines may be of any length.
        """
        query = {**params, "watch": "1", "timeoutSeconds": str(timeout_seconds)}
        async with self._pool.session().get(
            self._connection.base_url + resource.path(namespace),
            params=query,
            headers=self._headers(),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=stall_seconds
            ),
            server_hostname=self._connection.tls_server_name,
        ) as response:
            if response.status >= 400:
                answer = decoded(await response.read())
                raise api_error(response.status, answer, response.headers.get("Retry-After"))
            async for line in _lines(response.content):
                yield line


@lru_cache
def _limits(seconds: float) -> aiohttp.ClientTimeout:
    """Give the limits of one request; they are the same for many, and dear to make."""
    return aiohttp.ClientTimeout(
        total=seconds, sock_connect=CONNECT_TIMEOUT_SECONDS, ceil_threshold=seconds
    )


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in stream.iter_any():
        if b"\n" not in chunk:
            rest += chunk
            continue
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line:
                yield line
