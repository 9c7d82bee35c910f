"""The leader makes the webhook known to the API server, and keeps it known.

It renews the certificate where that is its task, and writes the bundle of authorities to where the
API server looks for it: see `metallb.domain.webhook_registration`. It looks again when the Secret
or one of the two objects changes (an operator that installs the CRD anew takes the conversion out
of it), when it begins to lead, and every hour, which is how a renewal comes in time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any

from metallb.domain.webhook_registration import (
    CONFIGURATION,
    CONVERTED,
    bundle_patch,
    conversion_patch,
)
from metallb.kube.client import PatchType, Resource
from metallb.kube.errors import TRANSPORT_ERRORS, ApiError, NotLeaderError
from metallb.kube.reflector import Reflector

if TYPE_CHECKING:
    from metallb.kube.client import ApiClient, JsonObject
    from metallb.kube.reflector import Key
    from metallb_controller.app.webhook_certificate import Certificate

LOOK_SECONDS = 3600.0
RETRY_SECONDS, RETRY_AT_MOST_SECONDS, DOUBLINGS = 5.0, 600.0, 7
"""The pause after a failure, which doubles up to a limit."""
CONFIGURATIONS = Resource(
    "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", False
)
DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", False)

log = logging.getLogger(__name__)


class Registration:
    """Runs in every replica and does something in the leading one.

    `is_keeping`: the certificate is ours, so the chart knows no bundle of authorities.
    """

    def __init__(
        self,
        reading: ApiClient,
        writing: ApiClient,
        leading: asyncio.Event,
        namespace: str,
        *,
        is_keeping: bool,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._writing = writing
        self._leading = leading
        self._namespace = namespace
        self._retry_seconds = retry_seconds
        self._wake = asyncio.Event()
        self.definitions = self._mirror(reading, DEFINITIONS, CONVERTED)
        self.configurations = self._mirror(reading, CONFIGURATIONS, CONFIGURATION)
        self.mirrors = [self.definitions, *([self.configurations] if is_keeping else [])]

    def _mirror(self, client: ApiClient, resource: Resource, name: str) -> Reflector[JsonObject]:
        return Reflector(
            client,
            resource,
            _as_it_is,
            self._on_change,
            chance=random.random,
            fieldSelector=f"metadata.name={name}",
        )

    def _on_change(self, key: Key, old: object, new: object) -> None:
        self.look()

    def look(self) -> None:
        """Something may have to be put right."""
        self._wake.set()

    async def run(self, certificate: Certificate) -> None:
        """Keep things right until cancelled."""
        failures = 0
        while True:
            await self._leading.wait()
            self._wake.clear()
            pause = LOOK_SECONDS
            try:
                await certificate.renew(self._writing)
                await self._put_right(certificate.bundle)
                failures = 0
            except (ApiError, NotLeaderError, *TRANSPORT_ERRORS) as error:
                log.warning("the webhook is not known to the API server yet: %s", error)
                pause = min(self._retry_seconds * 2**failures, RETRY_AT_MOST_SECONDS)
                failures = min(failures + 1, DOUBLINGS)
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _put_right(self, bundle: str) -> None:
        if not bundle:
            return
        for value in self.configurations:
            patch = bundle_patch(value, self._namespace, bundle)
            if patch is not None:
                await self._write(self.configurations, CONFIGURATIONS, value, patch, PatchType.JSON)
        for value in self.definitions:
            change = conversion_patch(value, self._namespace, bundle)
            if change is not None:
                await self._write(self.definitions, DEFINITIONS, value, change, PatchType.MERGE)

    async def _write(
        self,
        mirror: Reflector[JsonObject],
        resource: Resource,
        value: JsonObject,
        patch: Any,
        kind: PatchType,
    ) -> None:
        name = value["metadata"]["name"]
        mirror.feed(await self._writing.patch(resource, name, patch, kind=kind))
        log.info("%s %s knows the webhook's authorities", resource.plural, name)


def _as_it_is(value: JsonObject) -> JsonObject:
    return value
