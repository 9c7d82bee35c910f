"""The module installed in a cluster of pods, as its tests find it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import sys
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from metallb.kube.errors import NotFoundError
from metallb_lab import netns, objects, probes
from metallb_lab.objects import LEASES, NAMESPACE, NAMESPACES, PODS
from metallb_lab.pods import module, web
from metallb_lab.pods.sources import ACCOUNTS

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from metallb.kube.client import JsonObject
    from metallb_lab.operator import ModuleOperator
    from metallb_lab.pods.cluster import PodCluster
    from metallb_lab.probes import ProbeResult

CLASS = "ingress"
RANGES = ["10.10.128.10-10.10.128.60", "fd10::1:0:10-fd10::1:0:60"]
SERVICES = {"shop": 1, "many": 4}
PROBE_SECONDS = 0.005
SECONDS = 90.0
LEADER = "metallb-controller"


class Installed:
    """A cluster, the operator, and a client that asks."""

    def __init__(self, cluster: PodCluster) -> None:
        self.cluster = cluster
        self.operator: ModuleOperator
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        image = module.reference(self.cluster.images["controller"])
        await self.cluster.apply(web.deployment("web", image, 3))
        await self.start_operator()
        await self.until_rolled("Deployment", "controller")
        await self.cluster.start_mirrors()
        pace = {"delaySeconds": 1, "movesPerMinute": 600}
        await self.cluster.apply(objects.load_balancer_class(CLASS, RANGES, rebalancing=pace))
        for name, count in SERVICES.items():
            await self.cluster.apply(objects.service(name, count=count, loadBalancerClass=CLASS))
        await self.until_rolled("Deployment", "web", "default")
        await self.until_rolled("DaemonSet", "speaker")
        await self.until_served()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # -- the operator ------------------------------------------------------------------------------

    async def start_operator(self) -> None:
        """Start the operator, with the module enabled."""
        self.operator = await self._stack.enter_async_context(module.operator(self.cluster))
        await self.operator.converged()

    async def stop_operator(self) -> None:
        """Stop the operator; the module stays as it is."""
        await self._stack.aclose()

    async def configure(self, **settings: Any) -> None:
        """Write settings, and wait until the operator has done all that follows."""
        await self.operator.configure(settings, module.VERSION)
        await self.operator.converged()

    # -- waiting -----------------------------------------------------------------------------------

    async def until_rolled(self, kind: str, name: str, namespace: str = NAMESPACE) -> None:
        """Wait until a workload is all there and ready."""
        await self.cluster.until_rolled_out(kind, name, namespace, SECONDS)

    def is_served(self) -> bool:
        """Tell whether all Services have their addresses, each announced, spread evenly."""
        cluster = self.cluster
        given = all(len(cluster.addresses(name)) == count for name, count in SERVICES.items())
        owners = list(cluster.announcers().values())
        counts = [owners.count(host.name) for host in cluster.topology.nodes]
        return given and all(owners) and cluster.all_announced() and max(counts) - min(counts) <= 1

    async def until_served(self) -> None:
        """Wait until all is well, and the client reaches the pods through each VIP."""
        await self.cluster.until(self.is_served, SECONDS, "every address is announced")
        client = self.cluster.topology.hosts["client"].namespace
        for address in itertools.chain(*self.addresses().values()):
            await asyncio.to_thread(probes.wait_for_http, client, address, 80)

    async def until_gone(self) -> None:
        """Wait until the namespace of the module is no more."""

        async def is_gone() -> bool:
            try:
                await self.cluster.client.get(NAMESPACES, NAMESPACE)
            except NotFoundError:
                return True
            return False

        await self.cluster.until_true(is_gone, SECONDS, "the namespace is gone")

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something that no mirror shows."""

        async def asked() -> bool:
            return holds()

        await self.cluster.until_true(asked, SECONDS, what)

    # -- looking -----------------------------------------------------------------------------------

    def addresses(self) -> dict[str, tuple[str, ...]]:
        """Give the addresses of each Service."""
        return {name: self.cluster.addresses(name) for name in SERVICES}

    async def leader(self) -> str:
        """Name the pod of the controller that leads."""
        lease = await self.cluster.client.get(LEASES, LEADER, NAMESPACE)
        return str(lease["spec"].get("holderIdentity") or "")

    async def kill(self, pod: str) -> None:
        """End a pod at once, and its object with it."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        path = PODS.path(NAMESPACE, pod)
        await self.cluster.client.request("DELETE", path, body=body)

    async def pods(self, app: str) -> list[JsonObject]:
        """Give the pods of a workload."""
        return await self.cluster.pods(app=app)

    async def uids(self, app: str) -> set[str]:
        """Give the uids of the pods of a workload."""
        return {item["metadata"]["uid"] for item in await self.pods(app)}

    def logs(self, app: str) -> dict[str, str]:
        """Give the logs of all pods that a workload ever had, by file."""
        logs = self.cluster.instance.directory / "logs"
        found = logs.glob(f"pod-{NAMESPACE}-{app}-*-{app}.log")
        return {path.name: path.read_text(errors="replace") for path in found}

    async def token(self, namespace: str, account: str) -> str:
        """Get a token of an account."""
        answer = await self.cluster.client.request(
            "POST", ACCOUNTS.path(namespace, account, "token"), body={"spec": {}}
        )
        return str(answer["status"]["token"])

    async def scrape(self, address: str, port: int, token: str = "") -> tuple[int, str]:
        """Ask for metrics from a node; gives the status and what was said."""
        namespace = self.cluster.topology.nodes[0].namespace

        def make_socket(info: Any) -> socket.socket:
            made = netns.make_socket(namespace, info[0], info[1], info[2])
            made.setblocking(False)
            return made

        connector = aiohttp.TCPConnector(ssl=False, socket_factory=make_socket)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            aiohttp.ClientSession(connector=connector, headers=headers) as session,
            session.get(f"https://{address}:{port}/metrics") as answer,
        ):
            return answer.status, await answer.text()

    @contextlib.asynccontextmanager
    async def nothing_lost(self) -> AsyncIterator[None]:
        """Ask all VIPs all the while; AssertionError if a single reply is missing."""
        client = self.cluster.topology.hosts["client"].namespace
        targets = [(address, 80) for address in sorted(self.cluster.announcers())]
        prober = probes.Prober(sys.executable, client, targets, PROBE_SECONDS)
        await prober.start()
        try:
            yield
        finally:
            seen = await prober.stop()
        assert len(seen) == len(targets)
        assert {address: lost(result) for address, result in seen.items()} == dict.fromkeys(seen, 0)


def lost(result: ProbeResult) -> int:
    """Count the requests without a reply."""
    return result.sent - result.received


def encoded(text: str) -> str:
    """Code a text as Secrets have it."""
    return base64.b64encode(text.encode()).decode()
