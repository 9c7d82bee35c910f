"""A cluster whose programs run as pods: the real control plane, and an agent on each node.

    async with PodCluster(images, nodes=3) as cluster:
        await cluster.apply(web.deployment("web", reference, replicas=3))
        await cluster.until_rolled_out("Deployment", "web")

Nothing of ours runs in it until somebody installs it. Mirrors of our kinds (`start_mirrors`) are
for when they are there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from typing import TYPE_CHECKING, Any

from metallb.kube.errors import TRANSPORT_ERRORS, ApiError, NotFoundError
from metallb_lab.cluster import Cluster, ClusterOptions
from metallb_lab.controlplane import API_PORT, RealControlPlane
from metallb_lab.objects import NAMESPACE, PODS
from metallb_lab.pods.context import AgentSettings, Context
from metallb_lab.pods.images import ImageStore
from metallb_lab.pods.node import NodeAgent
from metallb_lab.pods.sources import ACCOUNTS
from metallb_lab.pods.status import is_ready
from metallb_lab.topology import Topology
from metallb_lab.view import DeadlineError

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Mapping

    from metallb.kube.client import JsonObject
    from metallb_lab.pods.images import Image

POLL_SECONDS = 0.1
START_SECONDS = 30.0
FAREWELL_SECONDS = 35.0
API_SLICE: JsonObject = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {
        "name": "kubernetes",
        "namespace": "default",
        "labels": {"kubernetes.io/service-name": "kubernetes"},
    },
    "addressType": "IPv4",
}


class PodCluster(Cluster):
    """A running cluster; use as an async context manager."""

    def __init__(
        self,
        images: Mapping[str, Image],
        nodes: int = 3,
        *,
        settings: AgentSettings | None = None,
        name: str | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        options = ClusterOptions(
            nodes=nodes, control_plane="real", controllers=0, speakers=False, name=name
        )
        super().__init__(options, say)
        self.agents: dict[str, NodeAgent] = {}
        self.images = images
        self._store = ImageStore(images.values())
        self._settings = settings or AgentSettings()
        self._contexts: list[Context] = []
        self._log: logging.Handler | None = None
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    # -- life --------------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._keep_log()
        nodes = self.options.nodes
        self.topology = Topology(self.instance, nodes, 0)
        await asyncio.to_thread(self.topology.build)
        self.topology.route_pods_from("api")
        self._say(f"{nodes} nodes, a router and clients on one bridge")
        self.plane = RealControlPlane(self.instance, self.topology, for_pods=True)
        await self.plane.start()
        self.client = self.plane.client()
        endpoint = {
            "endpoints": [{"addresses": [self.plane.host.ipv4], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": API_PORT, "protocol": "TCP"}],
        }
        await self.apply(API_SLICE | endpoint)
        for host in self.topology.nodes:
            await self.start_agent(host.name)
        await asyncio.gather(*(self.start_proxy(host.name) for host in self.topology.nodes))
        await self.until_true(self._has_account, START_SECONDS, "an account for pods", "default")
        self._say("API server, scheduler, controllers; agent and kube-proxy on each node")

    def _keep_log(self) -> None:
        """Write what the agents say into a file of the lab."""
        handler = logging.FileHandler(self.instance.directory / "logs" / "agents.log")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.getLogger().addHandler(handler)
        self._log = handler

    async def _has_account(self) -> bool:
        """Tell whether pods of `default` may be made: its controller made the account."""
        try:
            await self.client.get(ACCOUNTS, "default", "default")
        except NotFoundError:
            return False
        return True

    async def _stop(self) -> None:
        await asyncio.gather(*(agent.crash() for agent in self.agents.values()))
        await super()._stop()
        for context in self._contexts:
            await context.client.close()
        await self._until_closed()
        if self._log is not None:
            logging.getLogger().removeHandler(self._log)
            self._log.close()

    async def _until_closed(self) -> None:
        """Wait for the ends of connections that were begun when a cable was pulled.

        One whose handshake was cut off gets half a minute from asyncio to say farewell to nobody.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                while any(item.fileno() != -1 for item in self._sockets):
                    await asyncio.sleep(POLL_SECONDS)

    async def start_agent(self, node: str) -> NodeAgent:
        """Start the agent of a node."""
        host = self.topology.hosts[node]
        client = self.plane.client(
            user_agent=f"kubelet/{node}", namespace=host.namespace, note=self._sockets.add
        )
        context = Context(self.instance, self.topology, host, client, self._store, self._settings)
        self._contexts.append(context)
        agent = self.agents[node] = NodeAgent(context, {"kubernetes.io/os": "linux"})
        await agent.start()
        return agent

    async def power_off(self, node: str) -> None:
        """End a node without warning: cable, pods and programs at once."""
        self.topology.hosts[node].set_port(is_up=False)
        await asyncio.gather(self.agents[node].crash(), self._proxies[node].kill())

    async def power_on(self, node: str) -> None:
        """Bring a node back."""
        self.topology.hosts[node].set_port(is_up=True)
        await self.start_proxy(node)
        await self.start_agent(node)

    async def until_node_ready(self, node: str, seconds: float = 60) -> None:
        """Wait until the cluster counts a node as ready."""

        async def counts() -> bool:
            return is_ready((await self.get("Node", node)).get("status") or {})

        await self.until_true(counts, seconds, f"{node} is ready", "default")

    # -- pods --------------------------------------------------------------------------------------

    async def pods(self, namespace: str = NAMESPACE, **labels: str) -> list[JsonObject]:
        """Give the pods with these labels."""
        wanted = ",".join(f"{name}={value}" for name, value in labels.items())
        path = PODS.path(namespace)
        answer = await self.client.request("GET", path, params={"labelSelector": wanted})
        found: list[JsonObject] = answer["items"]
        return found

    async def until_rolled_out(
        self, kind: str, name: str, namespace: str = "default", seconds: float = 60
    ) -> None:
        """Wait until a Deployment or DaemonSet is all there, of its newest template, and ready."""

        async def is_done() -> bool:
            try:
                return rolled_out(await self.get(kind, name, namespace))
            except NotFoundError:
                return False

        await self.until_true(is_done, seconds, f"{kind} {name} is rolled out", namespace)

    async def until_true(
        self, holds: Callable[[], Awaitable[bool]], seconds: float, what: str,
        namespace: str = NAMESPACE,
    ) -> None:  # fmt: skip
        """Wait until the API server says so; raises DeadlineError with what the pods say."""
        try:
            async with asyncio.timeout(seconds):
                while not await self._answers(holds):
                    self._check_tasks()
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            told = await self.picture_of_pods(namespace)
            raise DeadlineError(f"not within {seconds} s: {what}\n{told}") from None

    async def _answers(self, holds: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await holds()
        except (ApiError, *TRANSPORT_ERRORS):
            return False

    async def picture_of_pods(self, namespace: str = NAMESPACE) -> str:
        """Say how the pods are, with the ends of their logs."""
        lines: list[str] = []
        for pod in await self.pods(namespace):
            lines += describe_pod(pod)
            events = await self.events(pod["metadata"]["name"])
            lines += [f"  {item['reason']}: {item['message']}" for item in events]
        for log in sorted((self.instance.directory / "logs").glob(f"pod-{namespace}-*.log")):
            lines += [f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-8:]]
        return "\n".join(lines)


def describe_pod(pod: JsonObject) -> list[str]:
    """Say in lines how a pod is."""
    seen = pod.get("status") or {}
    words = (pod["spec"].get("nodeName"), seen.get("phase"), seen.get("message", ""))
    return [
        f"{pod['metadata']['name']}: {' '.join(map(str, words))}",
        *(
            f"  {item['name']}: {item['state']} restarts {item['restartCount']}"
            for item in seen.get("containerStatuses") or []
        ),
    ]


def rolled_out(value: dict[str, Any]) -> bool:
    """Tell whether a Deployment or DaemonSet is all there, of its newest template, and ready."""
    status = value.get("status") or {}
    if status.get("observedGeneration", 0) < value["metadata"]["generation"]:
        return False
    if value["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        counts = (status.get("updatedNumberScheduled", 0), status.get("numberReady", 0))
        return bool(wanted) and counts == (wanted, wanted)
    wanted = value["spec"]["replicas"]
    names = ("updatedReplicas", "readyReplicas", "replicas")
    return all(status.get(name, 0) == wanted for name in names)
