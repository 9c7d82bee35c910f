"""Health checks of Services, as kube-proxy serves them.

At the `healthCheckNodePort` of each Service with `externalTrafficPolicy: Local`, a node says 200
while it has rules for endpoints of its own, else 503; on its addresses of each family for the rules
of this family, since they are not made at the same time.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from aiohttp import web

from metallb_lab import netns

if TYPE_CHECKING:
    from collections.abc import Mapping

BACKLOG = 128
ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}

Place = tuple[socket.AddressFamily, int]
"""A family and a port."""


class _Check:
    """One place on one node."""

    def __init__(self) -> None:
        self.endpoints = 0
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, namespace: str, place: Place) -> None:
        family, port = place
        found = netns.make_socket(namespace, family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.bind((ANY[family], port))
        found.listen(BACKLOG)
        found.setblocking(False)
        await self._runner.setup()
        await web.SockSite(self._runner, found).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        found = {"localEndpoints": self.endpoints, "serviceProxyHealthy": True}
        return web.json_response(found, status=200 if self.endpoints else 503)


class HealthChecks:
    """The checks of all nodes of a lab."""

    def __init__(self) -> None:
        self._checks: dict[tuple[str, Place], _Check] = {}

    async def set(self, namespace: str, endpoints: Mapping[Place, int]) -> None:
        """Say of a node how many endpoints it has rules for; other places are closed."""
        for key in [key for key in self._checks if key[0] == namespace]:
            if key[1] not in endpoints:
                await self._checks.pop(key).stop()
        for place, count in endpoints.items():
            if (check := self._checks.get((namespace, place))) is None:
                check = _Check()
                await check.start(namespace, place)
                self._checks[namespace, place] = check
            check.endpoints = count

    async def close(self) -> None:
        """Close all."""
        while self._checks:
            await self._checks.popitem()[1].stop()
