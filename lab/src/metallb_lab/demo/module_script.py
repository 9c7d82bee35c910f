"""The demo with the module: installed by its operator, running as pods from its images.

    enabled ─► Services get addresses ─► settings change, pods are replaced ─► a node dies
            ─► it returns ─► disabled

What the operator, the controllers and the agents do is real; how long each step takes is shown and
is among the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from metallb.kube.client import Resource
from metallb.kube.errors import NotFoundError
from metallb_lab import netns, probes
from metallb_lab.demo.script import SERVICES, Demo
from metallb_lab.objects import NAMESPACE, NAMESPACES, NODES
from metallb_lab.pods import module, web
from metallb_lab.pods.status import is_ready

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import JsonObject
    from metallb_lab.demo.screen import Screen
    from metallb_lab.operator import ModuleOperator
    from metallb_lab.pods.cluster import PodCluster

POD_SECONDS = 120.0
WEBHOOKS = Resource(
    "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", is_namespaced=False
)
DIGEST_CHARACTERS = 19


class ModuleDemo(Demo):
    """One run on one cluster of pods."""

    probe_seconds = 0.005
    """Longer than without pods: so much runs here at once that the client would be in the way."""

    def __init__(self, cluster: PodCluster, screen: Screen) -> None:
        super().__init__(cluster, screen)
        self._pods = cluster

    async def run(self) -> None:
        """Play all acts; what did not hold is with the screen."""
        await self._start_pods()
        async with module.operator(self._pods) as operator:
            enabling = self._screen.seconds
            await self._module_is_enabled(operator)
            await self._services_get_addresses(enabling)
            await self._settings_change(operator)
            lost = await self._node_dies()
            await self._node_returns(lost)
            await self._module_is_disabled(operator)

    @contextlib.asynccontextmanager
    async def _timed(self, step: str) -> AsyncIterator[None]:
        began = self._screen.seconds
        yield
        self.figures.module_seconds[step] = round(self._screen.seconds - began, 1)

    # -- before ------------------------------------------------------------------------------------

    async def _start_pods(self) -> None:
        count = len(self._nodes)
        image = module.reference(self._pods.images["controller"])
        await self._pods.apply(web.deployment("web", image, count))
        await self._pods.until_rolled_out("Deployment", "web", seconds=POD_SECONDS)
        self._screen.step(f"Deployment web: {count} web servers in pods, one on each node")

    # -- the module --------------------------------------------------------------------------------

    async def _module_is_enabled(self, operator: ModuleOperator) -> None:
        screen = self._screen
        screen.heading("The module is enabled by its ModuleConfig")
        async with self._timed("enable"):
            await operator.converged()
            released = await operator.release.revision()
            number = "none" if released is None else released.number
            screen.step(f"{len(operator.history)} runs of hooks, release {number} by Helm")
            await self._until_rolled("Deployment", "controller")
        await self._pods.start_mirrors()
        screen.step("Deployment controller is rolled out")
        await self._show_pods()

    async def _services_get_addresses(self, enabling: float = 0.0) -> None:
        """Play the act; the first address is timed from when the module was enabled, too."""
        noting = asyncio.create_task(self._note_first_address(enabling))
        try:
            await super()._services_get_addresses()
            await noting
        finally:
            noting.cancel()
        await self._until_rolled("DaemonSet", "speaker")
        await self._show_pods()

    async def _note_first_address(self, enabling: float) -> None:
        cluster, began = self._cluster, self._screen.seconds
        await cluster.until(
            lambda: any(cluster.addresses(name) for name in SERVICES), POD_SECONDS, "an address"
        )
        now = self._screen.seconds
        self.figures.module_seconds["enable to first address"] = round(now - enabling, 1)
        self.figures.module_seconds["class to first address"] = round(now - began, 1)
        self._screen.step("the first Service has its address")

    def _all_served(self) -> bool:
        announced = all(self._cluster.announcers().values())
        return super()._all_served() and announced and self._is_balanced()

    async def _settings_change(self, operator: ModuleOperator) -> None:
        screen = self._screen
        screen.heading("Settings change: each speaker is replaced, one after another")
        prober, before = await self._start_probing()
        pods = {item["metadata"]["uid"] for item in await self._pods.pods(app="speaker")}
        async with self._timed("settings to pods rolled"):
            await operator.configure({"logLevel": "Debug"}, module.VERSION)
            await operator.converged()
            screen.step("ModuleConfig: logLevel Debug; Helm has released it")
            await self._until_rolled("DaemonSet", "speaker")
            await self._until_rolled("Deployment", "controller")
        screen.step("all pods are of the new template")
        await self._until_balanced()
        self.figures.speakers_rolled = await self._finish(prober, before)
        self._show(self.figures.speakers_rolled)
        left = pods & {item["metadata"]["uid"] for item in await self._pods.pods(app="speaker")}
        lost = sum(vip.lost for vip in self.figures.speakers_rolled)
        sent = sum(vip.sent for vip in self.figures.speakers_rolled)
        screen.check(
            lost == 0 and not left,
            f"{len(pods)} speakers were replaced, {lost} of {sent} requests were lost",
        )

    async def _module_is_disabled(self, operator: ModuleOperator) -> None:
        screen = self._screen
        screen.heading("The module is disabled")
        addresses = sorted(self._cluster.announcers())
        async with self._timed("disable"):
            await operator.disable()
            screen.step("ModuleConfig: enabled false; the release is uninstalled")
            await self._pods.until_true(self._is_gone, POD_SECONDS, "the module is gone")
        screen.step(f"namespace {NAMESPACE} is gone with its pods")
        await asyncio.to_thread(netns.run, "ip", "-n", self._client, "neigh", "flush", "all")
        answers = await asyncio.gather(*map(self._is_answered, addresses))
        kept = await self._cluster.client.request("GET", "/api/v1/namespaces/default/services")
        shown = [name for name in SERVICES if _has_address(kept["items"], name)]
        screen.check(
            not any(answers) and len(shown) == len(SERVICES),
            "nobody answers for the VIPs any more, and the Services keep their addresses",
        )

    async def _is_gone(self) -> bool:
        for resource, name in ((NAMESPACES, NAMESPACE), (WEBHOOKS, "metallb")):
            try:
                await self._cluster.client.get(resource, name)
            except NotFoundError:
                continue
            return False
        return True

    async def _is_answered(self, address: str) -> bool:
        try:
            await asyncio.to_thread(probes.http_get, self._client, address, 80)
        except OSError:
            return False
        return True

    # -- pods --------------------------------------------------------------------------------------

    async def _until_rolled(self, kind: str, name: str) -> None:
        await self._pods.until_rolled_out(kind, name, NAMESPACE, POD_SECONDS)

    async def _show_pods(self) -> None:
        rows = [_row(pod) for pod in await self._pods.pods()]
        self._screen.table(("Pod", "Node", "Containers", "Address", "Images"), sorted(rows))

    async def _pod_counts_no_more(self, node: str) -> None:
        async def is_out() -> bool:
            return not any(is_ready(pod["status"]) for pod in await self._webs_on(node))

        await self._pods.until_true(is_out, POD_SECONDS, f"{node} is given up", "default")

    async def _pod_counts_again(self, node: str) -> None:
        async def is_in() -> bool:
            pods = [*await self._webs_on(node), *await self._speakers_on(node)]
            found = await self._cluster.client.get(NODES, node)
            return is_ready(found["status"]) and all(is_ready(pod["status"]) for pod in pods)

        await self._pods.until_true(is_in, POD_SECONDS, f"pods of {node} are ready", NAMESPACE)

    async def _webs_on(self, node: str) -> list[JsonObject]:
        return _on(node, await self._pods.pods("default", app="web"))

    async def _speakers_on(self, node: str) -> list[JsonObject]:
        return _on(node, await self._pods.pods(app="speaker"))


def _on(node: str, pods: list[JsonObject]) -> list[JsonObject]:
    return [pod for pod in pods if pod["spec"].get("nodeName") == node]


def _has_address(services: list[dict[str, Any]], name: str) -> bool:
    found = next(item for item in services if item["metadata"]["name"] == name)
    return bool(found["status"]["loadBalancer"].get("ingress"))


def _row(pod: JsonObject) -> tuple[str, ...]:
    seen = pod["status"].get("containerStatuses") or []
    ready = sum(item["ready"] for item in seen)
    digests = [item["image"].partition("@")[2][:DIGEST_CHARACTERS] for item in seen]
    return (
        pod["metadata"]["name"],
        pod["spec"].get("nodeName", ""),
        f"{ready} of {len(seen)} ready",
        pod["status"].get("podIP", ""),
        " ".join(digests),
    )
