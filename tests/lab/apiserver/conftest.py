"""The embedded API server in the test's own process."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from metallb_lab.apiserver import ApiServer, Authenticator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECONDS = 5.0


@dataclass
class Client:
    """One client of a server, by its token."""

    server: ApiServer
    session: aiohttp.ClientSession
    token: str

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """(status, body) of a request."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        async with (
            asyncio.timeout(SECONDS),
            self.session.request(
                method, self.server.url + path, json=body, headers=headers, **options
            ) as answer,
        ):
            return answer.status, await answer.json()

    async def make(self, name: str, namespace: str = "default", **more: Any) -> Any:
        """A ConfigMap."""
        body = {"metadata": {"name": name}, **more}
        status, made = await self.call("POST", f"/api/v1/namespaces/{namespace}/configmaps", body)
        assert status == 201, made
        return made

    @contextlib.asynccontextmanager
    async def watch(self, path: str, **query: str) -> AsyncIterator[Events]:
        """A running watch."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.get(
            self.server.url + path, params={"watch": "true", **query}, headers=headers
        ) as answer:
            assert answer.status == 200
            yield Events(answer)


@dataclass
class Events:
    """The events of a watch."""

    answer: aiohttp.ClientResponse

    async def next(self, seconds: float = SECONDS) -> Any:
        """The next event; ``TimeoutError`` when none comes."""
        async with asyncio.timeout(seconds):
            line = await self.answer.content.readline()
        assert line, "the watch ended"
        return json.loads(line)

    async def ended(self) -> bool:
        """Whether the stream ends without another event."""
        async with asyncio.timeout(SECONDS):
            return await self.answer.content.readline() == b""


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as opened:
        yield opened
    for _turn in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    auth = Authenticator()
    auth.add("admin", "system:masters", token="admin-token")
    auth.add("alice", "testers", token="alice-token")
    auth.add("bob", "testers", token="bob-token")
    async with ApiServer(auth=auth, bookmark_seconds=0.1) as running:
        yield running


@pytest.fixture
def admin(server: ApiServer, session: aiohttp.ClientSession) -> Client:
    return Client(server, session, "admin-token")


@pytest.fixture
def alice(server: ApiServer, session: aiohttp.ClientSession) -> Client:
    return Client(server, session, "alice-token")


@pytest.fixture
def bob(server: ApiServer, session: aiohttp.ClientSession) -> Client:
    return Client(server, session, "bob-token")
