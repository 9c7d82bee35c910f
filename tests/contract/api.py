"""A small client for the contract suite: requests, answers, watches with deadlines."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    import aiohttp

    from contract.differences import Difference

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
DEADLINE = 10.0

Document = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """One API server under test."""

    kind: str
    url: str
    ca_file: Path | None
    tokens: dict[str, str]
    kubeconfig: Path
    kubectl: Path
    directory: Path

    def expect(self, difference: Difference) -> Any:
        """What this server does where the two may differ."""
        difference.used = True
        return difference.embedded if self.kind == "embedded" else difference.real


@dataclass
class Answer:
    """Status, headers, body."""

    status: int
    headers: Any
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def warnings(self) -> list[str]:
        return list(self.headers.getall("Warning", []))

    def ok(self, status: int = 200) -> Document:
        """The body of an answer that must have a certain status."""
        assert self.status == status, f"{self.status}: {self.raw[:800]!r}"
        return dict(self.body)

    def failed(self, status: int, reason: str) -> Document:
        """A Status with a certain code and reason."""
        body = self.ok(status)
        assert body["kind"] == "Status"
        assert body["apiVersion"] == "v1"
        assert body["status"] == "Failure"
        assert body["code"] == status
        assert body.get("reason", "") == reason, body
        return body

    def causes(self, status: int = 422) -> set[tuple[str, str]]:
        """(reason, field) of each cause of an Invalid."""
        body = self.failed(status, "Invalid")
        return {(c["reason"], c.get("field", "")) for c in body["details"].get("causes", [])}


@dataclass
class Watching:
    """The events of one watch."""

    answer: aiohttp.ClientResponse
    seen: list[Document] = field(default_factory=list)
    _buffer: bytes = b""

    async def next(self, deadline: float = DEADLINE) -> Document:
        """The next event."""
        async with asyncio.timeout(deadline):
            line = await self._line()
        assert line, "the watch ended"
        event: Document = json.loads(line)
        self.seen.append(event)
        return event

    async def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            chunk = await self.answer.content.readany()
            if not chunk:
                return b""
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    async def some(self, count: int) -> list[tuple[str, str]]:
        """(type, name) of the next events."""
        return [brief(await self.next()) for _ in range(count)]

    async def ended(self, deadline: float = DEADLINE) -> bool:
        """Whether the server closes the stream in good order without another event."""
        async with asyncio.timeout(deadline):
            return await self._line() == b""

    async def until(self, wanted: Callable[[Document], bool]) -> Document:
        """The first event that is wanted."""
        while True:
            event = await self.next()
            if wanted(event):
                return event


def brief(event: Document) -> tuple[str, str]:
    return event["type"], event["object"].get("metadata", {}).get("name", "")


class Api:
    """A client with a namespace of its own."""

    def __init__(self, server: Server, session: aiohttp.ClientSession, namespace: str) -> None:
        self.server = server
        self.session = session
        self.namespace = namespace
        self.crd_group = ""

    @property
    def core(self) -> str:
        """Where namespaced core objects are."""
        return f"/api/v1/namespaces/{self.namespace}"

    def group(self, group_version: str) -> str:
        """Where namespaced objects of a group are."""
        return f"/apis/{group_version}/namespaces/{self.namespace}"

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
        token: str | None = None,
        **query: Any,
    ) -> Answer:
        """One request; keyword arguments are the query (``continue_`` for continue)."""
        sent = {"Accept": "application/json", **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
            sent.setdefault("Content-Type", content_type)
        parameters = {name.rstrip("_"): str(value) for name, value in query.items()}
        async with self.session.request(
            method, self.server.url + path, data=data, headers=sent, params=parameters
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any, **options: Any) -> Answer:
        return await self.call("POST", path, body, **options)

    async def put(self, path: str, body: Any, **options: Any) -> Answer:
        return await self.call("PUT", path, body, **options)

    async def delete(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.call("DELETE", path, body, **options)

    async def patch(
        self, path: str, body: Any, *, content_type: str = MERGE, **options: Any
    ) -> Answer:
        return await self.call("PATCH", path, body, content_type=content_type, **options)

    @contextlib.asynccontextmanager
    async def watch(self, path: str, **query: Any) -> AsyncIterator[Watching]:
        """A running watch."""
        headers = query.pop("headers", {})
        parameters = {"watch": "true"} | {n.rstrip("_"): str(v) for n, v in query.items()}
        async with self.session.get(
            self.server.url + path, params=parameters, headers=headers
        ) as answer:
            assert answer.status == 200, await answer.text()
            try:
                yield Watching(answer)
            finally:  # a TLS shutdown would wait for a server that has more to say
                if answer.connection is not None and answer.connection.transport is not None:
                    answer.connection.transport.abort()

    async def kubectl(
        self, *words: str, stdin: str = "", namespace: bool = True, check: bool = True
    ) -> tuple[int, str, str]:
        """Runs the real kubectl in this namespace."""
        where = ["--namespace", self.namespace] if namespace else []
        process = await asyncio.create_subprocess_exec(
            *kubectl_command(self.server, *where, *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            out, error = await process.communicate(stdin.encode())
        assert process.returncode is not None
        assert not check or process.returncode == 0, error.decode()
        return process.returncode, out.decode(), error.decode()

    @contextlib.asynccontextmanager
    async def kubectl_running(self, *words: str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        """A kubectl that goes on until the block ends; gives its next line."""
        process = await asyncio.create_subprocess_exec(
            *kubectl_command(self.server, "--namespace", self.namespace, *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        lines = process.stdout

        async def line() -> str:
            async with asyncio.timeout(DEADLINE):
                return (await lines.readline()).decode()

        try:
            yield line
        finally:
            process.kill()
            await process.communicate()


def kubectl_command(server: Server, *words: str) -> list[str]:
    """The real kubectl, with a cache of its own."""
    cache = server.directory / "kubectl-cache"
    return [
        str(server.kubectl),
        f"--kubeconfig={server.kubeconfig}",
        f"--cache-dir={cache}",
        *words,
    ]


async def eventually(
    question: Callable[[], Awaitable[Any]], deadline: float = DEADLINE, pause: float = 0.01
) -> Any:
    """Asks until the answer is truthy; for what has no event to wait for."""
    async with asyncio.timeout(deadline):
        while not (found := await question()):
            await asyncio.sleep(pause)
    return found


# ---------------------------------------------------------------- objects


def some(api_version: str, kind: str, name: str, **rest: Any) -> Document:
    """An object with a name."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> Document:
    out: Document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
    }
    if data is not None:
        out["data"] = data
    return out


def service(name: str, **spec: Any) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": [{"port": 80}], **spec},
    }


def pod(name: str, **spec: Any) -> Document:
    containers = [{"name": "c", "image": "nginx:1"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers, **spec},
    }
