"""A proxy between the controllers of a lab and its API server: sees, holds and cuts their writes.

Everything passes through unchanged. For each write (leases and Events aside) `on_write` is awaited
before it goes to the server; it may kill the writer, or hold the write up as a bad network would.
With `is_serial` one write at a time is let through, so that "the n-th write" has a meaning.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import socket
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web

from metallb_lab import netns
from metallb_lab.cluster import Cluster, ClusterOptions
from metallb_lab.realserver import kubeconfig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from metallb_lab.controlplane import ControlPlane

PORT = 7443
_HOP_BY_HOP = frozenset(("connection", "transfer-encoding", "content-length", "host"))


@dataclass(frozen=True, slots=True)
class Write:
    """A write of a controller, and how the server answered (0: not yet, or never)."""

    writer: str
    method: str
    path: str
    body: Any
    status: int = 0

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('v1')[2]}"

    def is_a(self, method: str, pattern: str) -> bool:
        """Tell whether it is a write of a kind: method, and an expression that the path ends in."""
        return self.method == method and re.search(pattern + "$", self.path) is not None


class Interceptor:
    """The proxy; use as an async context manager."""

    def __init__(self, plane: ControlPlane, certificates: Path) -> None:
        self._plane = plane
        self._certificates = certificates
        self._one_at_a_time = asyncio.Lock()
        self.is_serial = False
        self.on_write: Callable[[Write], Awaitable[None]] | None = None
        self.writes: list[Write] = []
        """Those that were let through and answered."""
        self.lease_reads: list[str] = []
        """Who has read the controllers' Lease."""

    async def __aenter__(self) -> Self:
        self._upstream = aiohttp.ClientSession(
            self._plane.url,
            connector=aiohttp.TCPConnector(
                limit=0,
                ssl=ssl.create_default_context(cafile=str(self._plane.ca_file)),
                socket_factory=self._make_socket,
            ),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificates / "cert.pem", self._certificates / "key.pem")
        listening = netns.make_socket(
            self._plane.host.namespace, socket.AF_INET, socket.SOCK_STREAM
        )
        listening.bind((self._plane.host.ipv4, PORT))
        await web.SockSite(self._runner, listening, ssl_context=context).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._upstream.close()
        await self._runner.cleanup()

    def _make_socket(self, info: Any) -> socket.socket:
        made = netns.make_socket(self._plane.host.namespace, info[0], info[1], info[2])
        made.setblocking(False)
        return made

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that leads through the proxy."""
        ca = base64.b64encode(self._plane.ca_file.read_bytes()).decode()
        url = f"https://{self._plane.host.ipv4}:{PORT}"
        path.write_text(kubeconfig(url, self._plane.token, ca))
        return path

    # -- passing on --------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        writer = request.headers.get("User-Agent", "").partition("/")[2]
        body = await request.read()
        if request.path.endswith("/leases/metallb-controller"):
            self.lease_reads.append(writer)
        elif request.method != "GET" and "/events" not in request.path:
            return await self._handle_write(request, writer, body)
        return await self._stream(request, body)

    async def _handle_write(
        self, request: web.BaseRequest, writer: str, body: bytes
    ) -> web.StreamResponse:
        write = Write(writer, request.method, request.path, json.loads(body) if body else None)
        if not self.is_serial:
            return await self._pass(request, write, body)
        async with self._one_at_a_time:
            return await self._pass(request, write, body)

    async def _pass(self, request: web.BaseRequest, write: Write, body: bytes) -> web.Response:
        if self.on_write is not None:
            await self.on_write(write)
        async with self._send(request, body) as answer:
            data = await answer.read()
        self.writes.append(replace(write, status=answer.status))
        return web.Response(status=answer.status, headers=_passed(answer.headers), body=data)

    async def _stream(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        async with self._send(request, body) as answer:
            response = web.StreamResponse(status=answer.status, headers=_passed(answer.headers))
            with contextlib.suppress(ConnectionError):  # the reader is gone, or was killed
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            return response

    def _send(self, request: web.BaseRequest, body: bytes) -> Any:
        return self._upstream.request(
            request.method, request.path_qs, data=body or None, headers=_passed(request.headers)
        )


def _passed(headers: Any) -> dict[str, str]:
    return {name: text for name, text in headers.items() if name.lower() not in _HOP_BY_HOP}


class InterceptedCluster(Cluster):
    """A real cluster whose controllers reach the API server through an interceptor only."""

    interceptor: Interceptor

    def __init__(self, options: ClusterOptions) -> None:
        super().__init__(replace(options, control_plane="real"))

    async def start_mirrors(self) -> None:
        """Start the interceptor too: the controllers are started after this."""
        await super().start_mirrors()
        directory = self.instance.directory
        self.interceptor = await Interceptor(self.plane, directory / "api").__aenter__()
        path = self.interceptor.write_kubeconfig(directory / "intercepted.kubeconfig")
        arguments = (*self.options.controller_arguments, "--kubeconfig", str(path))
        self.options = replace(self.options, controller_arguments=arguments)

    async def __aexit__(self, *rest: object) -> None:
        for process in self.controllers.values():
            await process.kill()
        await self.interceptor.__aexit__()
        await super().__aexit__(*rest)
