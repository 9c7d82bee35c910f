"""A bare-metal cluster on one machine: the lab's network, an API server, and our programs on it.

    async with Cluster(ClusterOptions(nodes=3)) as cluster:
        await cluster.apply(objects.load_balancer_class("ingress", ["10.10.128.1-10.10.128.50"]))
        …
        await cluster.until(lambda: …, 10)

Nodes can be cut off, powered off and brought back; controllers and speakers can be stopped, killed
and started; what is seen of it all is in `metallb_lab.view`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import yaml

from metallb.kube.client import PatchType
from metallb.kube.errors import AlreadyExistsError, NotFoundError, TooManyRequestsError
from metallb_lab import backends, netns, objects, rules, tools
from metallb_lab.controlplane import ControlPlane, EmbeddedControlPlane, RealControlPlane
from metallb_lab.instance import Instance
from metallb_lab.objects import KINDS, NAMESPACE, namespace_of
from metallb_lab.processes import Process
from metallb_lab.standins import EndpointSlices, Namespaces, NodeRules
from metallb_lab.topology import POD_PREFIXES, Topology
from metallb_lab.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from metallb.kube.client import JsonObject, Resource
    from metallb_lab.topology import Pod

CRDS = Path(__file__).parents[3] / "crds"
DATA_PATH_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How a cluster is made."""

    nodes: int = 3
    control_plane: str = "embedded"
    """`embedded` or `real`."""
    controllers: int = 2
    speakers: bool = True
    data_path: bool = True
    """Rules in the nodes: kube-proxy with the real control plane, nftables of the lab else."""
    zones: Sequence[str] = ()
    """Zones of the nodes, in turn."""
    controller_arguments: Sequence[str] = ()
    speaker_arguments: Sequence[str] = ()
    log_level: str = "info"
    from_copy: Path | None = None
    """Data of a real API server to start on."""
    name: str | None = None


class Cluster(View):
    """A running cluster; use as an async context manager."""

    instance: Instance
    topology: Topology
    plane: ControlPlane

    def __init__(
        self, options: ClusterOptions | None = None, say: Callable[[str], None] = lambda _: None
    ) -> None:
        super().__init__()
        self.options = options or ClusterOptions()
        self.controllers: dict[str, Process] = {}
        self.speakers: dict[str, Process] = {}
        self._say = say
        self._backends: Process | None = None
        self._proxies: dict[str, Process] = {}
        self._stack = contextlib.AsyncExitStack()

    # -- life --------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            self.instance = stack.enter_context(Instance(self.options.name))
            stack.push_async_callback(self._stop)
            await self._start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        options = self.options
        self.topology = Topology(self.instance, options.nodes, options.controllers)
        self.topology.build()
        self._say(f"{options.nodes} nodes, a router and clients on one bridge")
        self.plane = self._make_plane()
        await self.plane.start()
        self._say(f"API server ({options.control_plane}) at {self.plane.url}")
        self.client = self.plane.client()
        await self._set_up_objects()
        await self.start_mirrors()
        await self._start_backends()
        if not isinstance(self.plane, RealControlPlane):
            self.start_task("Namespaces", Namespaces(self.client).run())
        if options.data_path:
            await self._start_data_path()
        await asyncio.gather(
            *(self.start_controller(f"ctl{number + 1}") for number in range(options.controllers)),
            *(self.start_speaker(host.name) for host in self.topology.nodes if options.speakers),
        )
        self._say(f"{len(self.controllers)} controllers and {len(self.speakers)} speakers started")

    def _make_plane(self) -> ControlPlane:
        if self.options.control_plane == "real":
            return RealControlPlane(
                self.instance, self.topology, from_copy=self.options.from_copy,
                with_controllers=self.options.data_path,
            )  # fmt: skip
        return EmbeddedControlPlane(self.instance, self.topology)

    async def _stop(self) -> None:
        await self.stop_tasks()
        running = [*self.speakers.values(), *self.controllers.values(), *self._proxies.values()]
        if self._backends is not None:
            running.append(self._backends)
        await asyncio.gather(*(process.kill() for process in running))
        if hasattr(self, "client"):
            await self.client.close()
        if hasattr(self, "plane"):
            await self.plane.stop()

    async def _set_up_objects(self) -> None:
        for path in sorted(CRDS.rglob("*.yaml")):
            if not path.name.startswith("doc-"):
                await self.apply(yaml.load(path.read_text(), Loader=yaml.CSafeLoader))
        await self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for index, host in enumerate(self.topology.nodes):
            zones = self.options.zones
            await self.add_node_object(host.name, zones[index % len(zones)] if zones else "")
        await self._until_served(objects.CLASSES)
        await self._until_served(objects.VIRTUAL_IPS)

    async def _until_served(self, resource: Resource) -> None:
        async with asyncio.timeout(20):
            while True:
                try:
                    await self.client.request("GET", resource.path())
                    return
                except (NotFoundError, TooManyRequestsError):
                    await asyncio.sleep(0.02)

    async def _start_backends(self) -> None:
        path = self._backends_socket
        process = self._process("backends", ["-m", "metallb_lab.backends", "--socket", str(path)])
        await process.start()
        self._backends = process
        async with asyncio.timeout(30):
            while not path.exists():
                await asyncio.sleep(0.01)

    @property
    def _backends_socket(self) -> Path:
        return self.instance.directory / "backends.sock"

    async def _start_data_path(self) -> None:
        if isinstance(self.plane, RealControlPlane):
            await asyncio.gather(*(self.start_proxy(host.name) for host in self.topology.nodes))
            return
        self.start_task("EndpointSlices", EndpointSlices(self.client).run())
        self.start_task("rules of the nodes", NodeRules(self.client, self.topology).run())

    def _process(
        self,
        name: str,
        arguments: list[str],
        namespace: str | None = None,
        under: Sequence[str] = (),
    ) -> Process:
        command = [*under, sys.executable, *arguments]
        return Process(self.instance, name, command, namespace=namespace)

    def logs(self) -> Iterator[Path]:
        """Logs of our programs."""
        for process in (*self.controllers.values(), *self.speakers.values()):
            yield process.log

    # -- programs ----------------------------------------------------------------------------------

    async def start_proxy(self, node: str) -> None:
        """Start kube-proxy on a node."""
        host = self.topology.hosts[node]
        process = Process(
            self.instance,
            f"kube-proxy-{node}",
            [
                str(tools.find("kube-proxy")),
                f"--kubeconfig={self.plane.inside_kubeconfig}",
                f"--hostname-override={node}",
                "--proxy-mode=nftables",
                f"--cluster-cidr={','.join(POD_PREFIXES)}",
                "--conntrack-max-per-core=0",
                "--oom-score-adj=0",
                "--healthz-bind-address=127.0.0.1:10256",
                "--metrics-bind-address=127.0.0.1:10249",
            ],
            namespace=host.namespace,
        )
        await process.start()
        self._proxies[node] = process

    @contextlib.contextmanager
    def stalled_proxy(self, node: str) -> Iterator[None]:
        """Let kube-proxy of a node do nothing for a while."""
        process = self._proxies[node]
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    async def start_controller(self, name: str) -> Process:
        """Start a replica of the controller."""
        process = self._process(
            name,
            [
                *("-m", "metallb_controller"),
                *("--kubeconfig", str(self.plane.inside_kubeconfig)),
                *("--namespace", NAMESPACE, "--identity", name),
                *("--log-level", self.options.log_level),
                *self.options.controller_arguments,
            ],
            self.instance.namespace(name),
        )
        await process.start()
        self.controllers[name] = process
        return process

    async def start_speaker(self, node: str, under: Sequence[str] = ()) -> Process:
        """Start the speaker of a node; `under` is a command that runs it, as `setpriv` does."""
        process = self._process(
            f"speaker-{node}",
            [
                *("-m", "metallb_speaker"),
                *("--kubeconfig", str(self.plane.inside_kubeconfig)),
                *("--namespace", NAMESPACE, "--node-name", node),
                *("--key-file", str(self._heartbeat_keys())),
                *("--control-socket", str(self.instance.directory / f"{node}.sock")),
                *("--log-level", self.options.log_level),
                *self.options.speaker_arguments,
            ],
            self.topology.hosts[node].namespace,
            under,
        )
        await process.start()
        self.speakers[node] = process
        return process

    def _heartbeat_keys(self) -> Path:
        keys = self.instance.directory / "heartbeat-keys"
        if not keys.exists():
            keys.touch(mode=0o600)
            keys.write_text(secrets.token_hex(32) + "\n")
        return keys

    async def cut_off(self, node: str) -> None:
        """Pull a node's cable: everything on it lives on, and nobody hears of it."""
        self.topology.hosts[node].set_port(is_up=False)

    async def plug_in(self, node: str) -> None:
        """Plug a node's cable in again."""
        self.topology.hosts[node].set_port(is_up=True)

    async def power_off(self, node: str) -> None:
        """End a node without warning: cable and programs at once."""
        self.topology.hosts[node].set_port(is_up=False)
        dying = [self.speakers[node].kill()] if node in self.speakers else []
        if node in self._proxies:
            dying.append(self._proxies[node].kill())
        await asyncio.gather(*dying)

    async def power_on(self, node: str) -> None:
        """Bring a node back: the cable, and those of its programs that do not run."""
        self.topology.hosts[node].set_port(is_up=True)
        has_proxy = isinstance(self.plane, RealControlPlane) and self.options.data_path
        if has_proxy and not _runs(self._proxies.get(node)):
            await self.start_proxy(node)
        if self.options.speakers and not _runs(self.speakers.get(node)):
            await self.start_speaker(node)

    # -- objects -----------------------------------------------------------------------------------

    async def apply(self, value: JsonObject) -> JsonObject:
        """Create an object, or merge what it says into the one that is there."""
        resource, meta = KINDS[value["kind"]], value["metadata"]
        where = namespace_of(resource, meta.get("namespace", ""))
        try:
            return await self.client.create(resource, value, where)
        except AlreadyExistsError:
            return await self.client.patch(resource, meta["name"], value, namespace=where)

    async def patch(
        self, kind: str, name: str, body: JsonObject, namespace: str = "", subresource: str = ""
    ) -> JsonObject:
        """Merge a patch into an object."""
        resource = KINDS[kind]
        return await self.client.patch(
            resource, name, body, namespace=namespace_of(resource, namespace),
            subresource=subresource, kind=PatchType.MERGE,
        )  # fmt: skip

    async def get(self, kind: str, name: str, namespace: str = "") -> JsonObject:
        """Read an object as it is now; raises NotFoundError."""
        resource = KINDS[kind]
        return await self.client.get(resource, name, namespace_of(resource, namespace))

    async def label(self, node: str, **labels: str | None) -> None:
        """Put labels on a node, or take them away (None)."""
        await self.patch("Node", node, {"metadata": {"labels": labels}})

    async def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Delete an object."""
        resource = KINDS[kind]
        await self.client.delete(resource, name, namespace_of(resource, namespace))

    async def add_node_object(self, name: str, zone: str = "") -> None:
        """Make the Node object of a host, ready."""
        await self.apply(objects.node(name, zone))
        await self.set_node_ready(name, is_ready=True)

    async def set_node_ready(self, name: str, *, is_ready: bool) -> None:
        """Write what a kubelet says of its node."""
        host = self.topology.hosts[name]
        body = objects.node_status(name, (host.ipv4, host.ipv6), _now(), is_ready=is_ready)
        await self.patch("Node", name, body, subresource="status")

    async def add_pod(self, name: str, node: str, labels: Mapping[str, str]) -> None:
        """Make a pod that serves: its network, its server, its object."""
        pod = await asyncio.to_thread(self.topology.add_pod, name, node)
        await backends.ask(self._backends_socket, name, node, pod.namespace)
        await self.apply(objects.pod(name, node, labels))
        await self.set_pod_ready(name, is_ready=True)

    async def until_in_touch(self, node: str) -> None:
        """Wait until a node reaches the API server: before that, nobody hears what it says.

        A cable plugged in is a bridge port that forwards, but only a moment later.
        """
        api = urlsplit(self.plane.url)
        namespace = self.topology.hosts[node].namespace
        async with asyncio.timeout(DATA_PATH_SECONDS):
            while not await asyncio.to_thread(_connects, namespace, api.hostname, api.port):
                await asyncio.sleep(0.01)

    async def until_rules_forget(self, pod: str | Pod, nodes: Iterable[str]) -> None:
        """Wait until no rule in these nodes leads to a pod any more.

        kube-proxy applies changes at most once a second, and leaves the chain of an endpoint that
        is gone where it is for a while, with nothing that leads to it.
        """
        async with asyncio.timeout(DATA_PATH_SECONDS):
            for node in nodes:
                while await asyncio.to_thread(self.rules_know, pod, node):
                    await asyncio.sleep(0.02)

    def rules_know(self, pod: str | Pod, node: str) -> bool:
        """Tell whether a rule in a node leads to a pod."""
        found = self.topology.pods[pod] if isinstance(pod, str) else pod
        return bool(rules.named(rules.of(self.topology.hosts[node].namespace), found))

    async def set_pod_ready(self, name: str, *, is_ready: bool) -> None:
        """Write what a kubelet says of a pod."""
        pod = self.topology.pods[name]
        body = objects.pod_status((pod.ipv4, pod.ipv6), _now(), is_ready=is_ready)
        await self.patch("Pod", name, body, subresource="status")


def _runs(process: Process | None) -> bool:
    return process is not None and process.is_running


def _connects(namespace: str, host: str | None, port: int | None) -> bool:
    with netns.make_socket(namespace, socket.AF_INET, socket.SOCK_STREAM) as tcp:
        tcp.settimeout(1.0)
        return tcp.connect_ex((host, port)) == 0


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
