"""The admission webhook: HTTPS with a certificate that may change under it.

The certificate comes from a mounted Secret, whose files are replaced while we run. They are looked
at every few seconds; new connections get what is there, and a pair that cannot be read is told and
leaves the old one in place. Every replica serves, leading or not.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from metallb_controller.admission.reviews import ReviewError, answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOK_SECONDS = 5.0
BODY_BYTES_LIMIT = 8 * 1024 * 1024
"""Two objects of the largest size that etcd takes, with room for what JSON adds."""

log = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


class CertificateError(Exception):
    """The certificate or its key cannot be read; the message says which and why."""


class Webhook:
    """Serves `/validate`, `/healthz` and `/readyz`; `readiness` gives None or why we are not."""

    def __init__(
        self, host: str, port: int, directory: Path, readiness: Callable[[], str | None]
    ) -> None:
        self._host = host
        self._port = port
        self._certificate = directory / "tls.crt"
        self._key = directory / "tls.key"
        self._readiness = readiness
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._seen: Stamp = ()
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that it listens on, which matters when it was to be any; 0 before `start`."""
        addresses = [] if self._runner is None else self._runner.addresses
        return int(addresses[0][1]) if addresses else 0

    async def start(self) -> None:
        """Begin to listen; raises CertificateError, or OSError when the address cannot be had."""
        self._load(self._stamp())
        app = web.Application(client_max_size=BODY_BYTES_LIMIT)
        app.router.add_post("/validate", self._validate)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port, ssl_context=self._context).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def follow_certificate(self) -> None:
        """Take in certificates that change, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look_at_certificate()

    def look_at_certificate(self) -> None:
        """Load the certificate if its files have changed."""
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._load(stamp)
                log.info("the webhook's certificate is replaced")
        except CertificateError as error:
            log.error("%s; the old one is kept", error)

    def _stamp(self) -> Stamp:
        try:
            stats = [path.stat() for path in (self._certificate, self._key)]
        except OSError as error:
            raise CertificateError(f"webhook certificate: {error}") from error
        return tuple((item.st_ino, item.st_mtime_ns, item.st_size) for item in stats)

    def _load(self, stamp: Stamp) -> None:
        try:
            self._context.load_cert_chain(self._certificate, self._key)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            text = f"webhook certificate {self._certificate} with its key: {error}"
            raise CertificateError(text) from error
        self._seen = stamp

    # -- requests ----------------------------------------------------------------------------------

    async def _validate(self, request: web.Request) -> web.Response:
        try:
            body = orjson.dumps(answer(orjson.loads(await request.read())))
        except (orjson.JSONDecodeError, ReviewError) as error:
            return web.Response(status=400, text=f"{error}\n")
        return web.Response(body=body, content_type="application/json")

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        reason = self._readiness()
        return web.Response(text=(reason or "ok") + "\n", status=503 if reason else 200)
