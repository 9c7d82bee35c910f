"""A kube-proxy that is played: health checks of Services, at ports of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    from types import TracebackType

HOST = "127.0.0.1"


class PlayedKubeProxy:
    """Says of one Service how many endpoints of this node it has rules for."""

    def __init__(self, host: str = HOST, port: int = 0) -> None:
        self.endpoints = 0
        self.questions = 0
        self.port = port
        self._host = host
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port).start()
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        self.questions += 1
        found = {"localEndpoints": self.endpoints, "serviceProxyHealthy": True}
        return web.json_response(found, status=200 if self.endpoints else 503)
