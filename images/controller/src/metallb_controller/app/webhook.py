"""The port of the webhook: admission and conversion over HTTPS, and the probes of the pod.

Every replica serves, leading or not. The TLS context is somebody else's to fill, and may change
while we run: see `metallb_controller.app.webhook_certificate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from metallb.domain.webhook_registration import CONVERSION_PATH
from metallb_controller.admission.conversions import convert
from metallb_controller.admission.questions import ReviewError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable
    from typing import Any

    from metallb.api.fields import JsonObject

BODY_BYTES_LIMIT = 8 * 1024 * 1024
"""Two objects of the largest size that etcd takes, with room for what JSON adds."""
CONVERSION_BYTES_LIMIT = 64 * 1024 * 1024
"""A whole list of objects may be asked about at once."""


class Webhook:
    """Serves `/validate`, `/convert`, `/healthz` and `/readyz`.

    `review` answers an AdmissionReview, `readiness` gives None or why we are not ready.
    """

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        review: Callable[[Any], Awaitable[JsonObject]],
        readiness: Callable[[], str | None],
    ) -> None:
        self._host = host
        self._port = port
        self._context = context
        self._review = review
        self._readiness = readiness
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that it listens on, which matters when it was to be any; 0 before `start`."""
        addresses = [] if self._runner is None else self._runner.addresses
        return int(addresses[0][1]) if addresses else 0

    async def start(self) -> None:
        """Begin to listen; raises OSError when the address cannot be had."""
        app = web.Application(client_max_size=BODY_BYTES_LIMIT)
        app.router.add_post("/validate", self._validate)
        app.router.add_post(CONVERSION_PATH, self._convert)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port, ssl_context=self._context).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    # -- requests ----------------------------------------------------------------------------------

    async def _validate(self, request: web.Request) -> web.Response:
        try:
            answer = await self._review(orjson.loads(await request.read()))
        except (orjson.JSONDecodeError, ReviewError) as error:
            return web.Response(status=400, text=f"{error}\n")
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    async def _convert(self, request: web.Request) -> web.Response:
        try:
            answer = convert(
                orjson.loads(await request.clone(client_max_size=CONVERSION_BYTES_LIMIT).read())
            )
        except (orjson.JSONDecodeError, ReviewError) as error:
            return web.Response(status=400, text=f"{error}\n")
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        reason = self._readiness()
        return web.Response(text=(reason or "ok") + "\n", status=503 if reason else 200)
