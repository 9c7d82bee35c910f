"""The chart's webhook before the real API server, with a controller that made its certificate.

Nobody routes to cluster addresses here. The Service of the webhook is an ExternalName of a loopback
address that is ours alone, which the API server resolves itself; the rest is as it is anywhere.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest_asyncio
import yaml

from metallb.domain.webhook_certificate import SERVICE
from metallb.domain.webhook_registration import CONFIGURATION
from metallb.kube.client import ApiClient, Resource
from metallb.kube.config import load_connection
from metallb.kube.errors import ApiError
from metallb_controller.app.run import Controller
from metallb_controller.app.settings import Settings
from metallb_controller.app.webhook_registration import CONFIGURATIONS, DEFINITIONS
from metallb_lab.operator.kinds import Kinds
from metallb_lab.realserver import RealServer
from module.templates.rendering import NAMESPACE, ROOT, Case, Chart, find

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

SECONDS = 30.0
NAMESPACES = Resource("", "v1", "namespaces", False)
SERVICES = Resource("", "v1", "services")


class Site:
    """The API server, its admin, and the controller behind the webhook."""

    def __init__(self, client: ApiClient, kubeconfig: str) -> None:
        self.client = client
        self.kinds = Kinds(client)
        self._kubeconfig = kubeconfig
        self._address = "127." + ".".join(str(1 + secrets.randbelow(250)) for _ in range(3))

    async def set_up(self, configuration: dict[str, Any]) -> None:
        """Install the kinds, the namespaces and what the chart has for the webhook."""
        for path in sorted((ROOT / "crds").rglob("*.yaml")):
            if not path.name.startswith("doc-"):
                await self.client.create(
                    DEFINITIONS, yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
                )
        for name in (NAMESPACE, "metallb-system"):
            await self.client.create(NAMESPACES, {"metadata": {"name": name}})
        service = {"type": "ExternalName", "externalName": self._address}
        body = {"metadata": {"name": SERVICE}, "spec": service}
        await self.client.create(SERVICES, body, NAMESPACE)
        await self.client.create(CONFIGURATIONS, configuration)

    @asynccontextmanager
    async def controller(self, *, admits: bool = True) -> AsyncIterator[Controller]:
        """Run a controller until the end of the block."""
        settings = Settings(
            NAMESPACE,
            f"replica-{secrets.token_hex(3)}",
            kubeconfig=self._kubeconfig,
            metrics_port=0,
            webhook_host=self._address,
            webhook_port=443 if admits else None,
            manages_webhook_certificate=True,
        )
        controller = Controller(settings)
        running = asyncio.create_task(controller.run())
        try:
            yield controller
        finally:
            controller.supervisor.stop.set()
            await asyncio.gather(running, return_exceptions=True)

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait for something."""
        async with asyncio.timeout(SECONDS):
            while not await holds():
                await asyncio.sleep(0.05)

    async def until_refused(self, request: Callable[[], Awaitable[Any]]) -> ApiError:
        """Ask until it is refused: the webhook's mirrors may be a moment behind."""
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    await request()
                except ApiError as error:
                    return error
                await asyncio.sleep(0.05)

    async def authorities(self) -> str:
        """Give what the API server trusts the webhook by."""
        [hook] = (await self.client.get(CONFIGURATIONS, CONFIGURATION))["webhooks"]
        return base64.b64decode(hook["clientConfig"].get("caBundle", "")).decode()

    async def create(self, value: dict[str, Any], **params: str) -> Any:
        """Create an object of any kind."""
        resource = await self.kinds.resource(value["kind"], value["apiVersion"])
        path = resource.path(value["metadata"].get("namespace", ""))
        return await self.client.request("POST", path, params=params, body=value)

    async def delete(self, value: dict[str, Any], **params: str) -> Any:
        """Delete an object of any kind."""
        resource = await self.kinds.resource(value["kind"], value["apiVersion"])
        meta = value["metadata"]
        path = resource.path(meta.get("namespace", ""), meta["name"])
        return await self.client.request("DELETE", path, params=params)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bare(tmp_path_factory: Any) -> AsyncIterator[Site]:
    """The API server with the webhook's configuration, and nobody behind it."""
    chart = Chart(tmp_path_factory.mktemp("chart"))
    manifests = chart.render(Case(own_certificate=True))
    async with RealServer() as server:
        kubeconfig = str(server.write_kubeconfig())
        async with ApiClient(load_connection(kubeconfig)) as client:
            site = Site(client, kubeconfig)
            await site.set_up(find(manifests, "ValidatingWebhookConfiguration", CONFIGURATION))
            yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(bare: Site) -> AsyncIterator[Site]:
    """The same with a controller, once the API server knows its authorities."""

    async def is_known() -> bool:
        return bool(await bare.authorities())

    async with bare.controller():
        await bare.until(is_known)
        yield bare
