"""What a replica does about admission, put together: port, certificate, mirrors, registration."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from metallb.kube.config import ConfigurationError
from metallb_controller.app.admission import Admission
from metallb_controller.app.webhook import Webhook
from metallb_controller.app.webhook_certificate import (
    CertificateError,
    KeptCertificate,
    MountedCertificate,
    new_context,
)
from metallb_controller.app.webhook_registration import Registration

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from metallb.kube.client import ApiClient
    from metallb.kube.election import Elector
    from metallb_controller.app.settings import Settings

log = logging.getLogger(__name__)


class AdmissionService:
    """Start it, run its tasks, and stop its `webhook` at the end."""

    def __init__(self, settings: Settings, port: int, client: ApiClient, elector: Elector) -> None:
        self._settings = settings
        self._where = f"{settings.webhook_host}:{port}"
        self._context = new_context()
        is_keeping = settings.manages_webhook_certificate
        self._registration = Registration(
            client,
            client.fenced(elector.fence),
            elector.leading,
            settings.namespace,
            is_keeping=is_keeping,
        )
        look = self._registration.look
        self._certificate = (
            KeptCertificate(self._context, client, settings.namespace, look)
            if is_keeping
            else MountedCertificate(self._context, settings.webhook_cert_dir, look)
        )
        self.admission = Admission(client, settings.namespace)
        self._port = port
        self.webhook: Webhook

    async def start(self, readiness: Callable[[], str | None]) -> None:
        """Begin to listen; raises ConfigurationError."""
        host = self._settings.webhook_host
        self.webhook = Webhook(host, self._port, self._context, self.admission.review, readiness)
        try:
            self._certificate.load()
            await self.webhook.start()
        except (OSError, CertificateError) as error:
            text = f"admission cannot be served on {self._where}: {error}"
            raise ConfigurationError(text) from error
        log.info("admission on %s:%d", host, self.webhook.port)

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """Give what is to run beside the port, until cancelled."""
        yield "webhook certificate", self._certificate.run()
        yield "webhook registration", self._registration.run(self._certificate)
        mirrors = [*self._registration.mirrors, *self.admission.mirrors]
        for number, mirror in enumerate(mirrors):
            yield f"admission mirror {number}", mirror.run()
