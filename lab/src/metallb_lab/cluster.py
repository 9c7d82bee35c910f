"""A bare-metal cluster on one machine: the lab's network, an API server, and our programs on it.

    async with Cluster(ClusterOptions(nodes=3)) as cluster:
        await cluster.apply(load_balancer_class("ingress", ["10.10.128.1-10.10.128.50"]))
        …
        await cluster.until(lambda: …, 10)

What happens in the API is mirrored (`services`, `vips`, `classes`, `roll`), and `until` waits for
a condition over the mirrors: it looks again after each change, and fails after its deadline with
a picture of the cluster. Nodes can be cut off, powered off and brought back; controllers and
speakers can be stopped, killed and started.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

from metallb.api.fields import Problem
from metallb.api.meta import GROUP, ObjectKey
from metallb.api.nodes import ZONE_LABEL
from metallb.api.services import read_service
from metallb.api.speakers import read_speaker
from metallb.api.virtual_ips import read_virtual_ip
from metallb.kube.client import PatchType, Resource
from metallb.kube.errors import AlreadyExistsError, NotFoundError, TooManyRequestsError
from metallb.kube.reflector import Reflector
from metallb_lab import backends, tools
from metallb_lab.controlplane import ControlPlane, EmbeddedControlPlane, RealControlPlane
from metallb_lab.instance import Instance
from metallb_lab.processes import Process, tail
from metallb_lab.standins import EndpointSlices, NodeRules
from metallb_lab.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from metallb.api.services import Service
    from metallb.api.speakers import Speaker
    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.client import ApiClient, JsonObject

NAMESPACE = "d8-metallb"
CRDS = Path(__file__).parents[3] / "crds"
LEASE_SECONDS_OF_NODES = 40

NAMESPACES = Resource("", "v1", "namespaces", is_namespaced=False)
NODES = Resource("", "v1", "nodes", is_namespaced=False)
PODS = Resource("", "v1", "pods")
SERVICES = Resource("", "v1", "services")
EVENTS = Resource("", "v1", "events")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
CUSTOM_RESOURCES = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", is_namespaced=False
)
CLASSES = Resource(GROUP, "v1alpha1", "metalloadbalancerclasses", is_namespaced=False)
VIRTUAL_IPS = Resource(GROUP, "v1alpha1", "virtualips", is_namespaced=False)
_KINDS = {
    "Service": SERVICES,
    "Node": NODES,
    "Namespace": NAMESPACES,
    "Pod": PODS,
    "Lease": LEASES,
    "MetalLoadBalancerClass": CLASSES,
    "CustomResourceDefinition": CUSTOM_RESOURCES,
}


class DeadlineError(AssertionError):
    """What was waited for did not come; the text shows the cluster as it was."""


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


@dataclass(slots=True)
class Cluster:
    """A running cluster; use as an async context manager."""

    options: ClusterOptions = field(default_factory=ClusterOptions)
    say: Callable[[str], None] = lambda text: None

    instance: Instance = field(init=False)
    topology: Topology = field(init=False)
    plane: ControlPlane = field(init=False)
    client: ApiClient = field(init=False)
    services: Reflector[Service] = field(init=False)
    vips: Reflector[VirtualIP] = field(init=False)
    classes: Reflector[JsonObject] = field(init=False)
    roll: Reflector[Speaker] = field(init=False)
    controllers: dict[str, Process] = field(init=False, default_factory=dict)
    speakers: dict[str, Process] = field(init=False, default_factory=dict)
    _others: list[Process] = field(init=False, default_factory=list)
    _proxies: dict[str, Process] = field(init=False, default_factory=dict)
    _tasks: list[asyncio.Task[Any]] = field(init=False, default_factory=list)
    _changed: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _stack: contextlib.AsyncExitStack = field(init=False, default_factory=contextlib.AsyncExitStack)

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
        self.say(f"network of {options.nodes} nodes, namespaces {self.instance.name}-*")
        self.plane = self._make_plane()
        await self.plane.start()
        self.say(f"API server ({options.control_plane}) at {self.plane.url}")
        self.client = self.plane.client()
        await self._set_up_objects()
        await self._start_mirrors()
        await self._start_backends()
        if options.data_path:
            await self._start_data_path()
        for number in range(1, options.controllers + 1):
            await self.start_controller(f"ctl{number}")
        if options.speakers:
            for host in self.topology.nodes:
                await self.start_speaker(host.name)

    def _make_plane(self) -> ControlPlane:
        if self.options.control_plane == "real":
            return RealControlPlane(
                self.instance, self.topology, from_copy=self.options.from_copy,
                with_controllers=self.options.data_path,
            )  # fmt: skip
        return EmbeddedControlPlane(self.instance, self.topology)

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        running = [*self.speakers.values(), *self.controllers.values()]
        running += [*self._proxies.values(), *self._others]
        await asyncio.gather(*(process.kill() for process in running))
        if hasattr(self, "client"):
            await self.client.close()
        if hasattr(self, "plane"):
            await self.plane.stop()

    async def _set_up_objects(self) -> None:
        for path in sorted(CRDS.glob("*.yaml")):
            if not path.name.startswith("doc-"):
                await self.apply(yaml.safe_load(path.read_text()))
        await self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for index, host in enumerate(self.topology.nodes):
            zones = self.options.zones
            await self.add_node_object(host.name, zones[index % len(zones)] if zones else "")
        await self._until_served(CLASSES)
        await self._until_served(VIRTUAL_IPS)

    async def _until_served(self, resource: Resource) -> None:
        async with asyncio.timeout(20):
            while True:
                try:
                    await self.client.request("GET", resource.path())
                    return
                except (NotFoundError, TooManyRequestsError):
                    await asyncio.sleep(0.02)

    async def add_node_object(self, name: str, zone: str = "") -> None:
        """Make the Node object of a host, ready."""
        labels = {"kubernetes.io/hostname": name}
        if zone:
            labels[ZONE_LABEL] = zone
        await self.apply(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        )
        await self.set_node_ready(name, is_ready=True)

    async def set_node_ready(self, name: str, *, is_ready: bool) -> None:
        """Write what a kubelet says of its node."""
        host = self.topology.hosts[name]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {
            "type": "Ready",
            "status": "True" if is_ready else "False",
            "reason": "KubeletReady" if is_ready else "KubeletNotReady",
            "message": "",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        addresses = [
            {"type": "InternalIP", "address": host.ipv4},
            {"type": "InternalIP", "address": host.ipv6},
            {"type": "Hostname", "address": name},
        ]
        status = {"conditions": [condition], "addresses": addresses}
        await self.client.patch(NODES, name, {"status": status}, subresource="status")

    async def _start_mirrors(self) -> None:
        self.services = self._mirror(SERVICES, read_service)
        self.vips = self._mirror(VIRTUAL_IPS, _read_vip)
        self.classes = self._mirror(CLASSES, lambda value: value)
        self.roll = self._mirror(LEASES, read_speaker, namespace=NAMESPACE,
                                 labelSelector="app.kubernetes.io/component=speaker")  # fmt: skip
        for mirror in (self.services, self.vips, self.classes, self.roll):
            await mirror.synced.wait()

    def _mirror(self, resource: Resource, read: Any, **rest: Any) -> Reflector[Any]:
        def on_change(*_: object) -> None:
            self._changed.set()

        mirror: Reflector[Any] = Reflector(
            self.client, resource, read, on_change, chance=random.random, **rest
        )
        self._tasks.append(asyncio.create_task(mirror.run()))
        return mirror

    async def _start_backends(self) -> None:
        path = self.instance.directory / "backends.sock"
        process = self._process("backends", ["-m", "metallb_lab.backends", "--socket", str(path)])
        await process.start()
        self._others.append(process)
        async with asyncio.timeout(10):
            while not path.exists():
                await asyncio.sleep(0.01)

    async def _start_data_path(self) -> None:
        if isinstance(self.plane, RealControlPlane):
            for host in self.topology.nodes:
                await self.start_proxy(host.name)
            return
        self._tasks.append(asyncio.create_task(EndpointSlices(self.client).run()))
        self._tasks.append(asyncio.create_task(NodeRules(self.client, self.topology).run()))

    def _process(self, name: str, arguments: list[str], namespace: str | None = None) -> Process:
        return Process(self.instance, name, [sys.executable, *arguments], namespace=namespace)

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
                "--cluster-cidr=10.244.0.0/16,fd44::/16",
                "--conntrack-max-per-core=0",
                "--oom-score-adj=0",
                "--healthz-bind-address=127.0.0.1:10256",
                "--metrics-bind-address=127.0.0.1:10249",
            ],
            namespace=host.namespace,
        )
        await process.start()
        self._proxies[node] = process

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

    async def start_speaker(self, node: str) -> Process:
        """Start the speaker of a node."""
        keys = self.instance.directory / "heartbeat-keys"
        if not keys.exists():
            keys.touch(mode=0o600)
            keys.write_text(secrets.token_hex(32) + "\n")
        process = self._process(
            f"speaker-{node}",
            [
                *("-m", "metallb_speaker"),
                *("--kubeconfig", str(self.plane.inside_kubeconfig)),
                *("--namespace", NAMESPACE, "--node-name", node),
                *("--key-file", str(keys)),
                *("--control-socket", str(self.instance.directory / f"{node}.sock")),
                *("--log-level", self.options.log_level),
                *self.options.speaker_arguments,
            ],
            self.topology.hosts[node].namespace,
        )
        await process.start()
        self.speakers[node] = process
        return process

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
        """Bring a node back."""
        self.topology.hosts[node].set_port(is_up=True)
        if isinstance(self.plane, RealControlPlane) and self.options.data_path:
            await self.start_proxy(node)
        if self.options.speakers:
            await self.start_speaker(node)

    # -- objects -----------------------------------------------------------------------------------

    async def apply(self, value: JsonObject) -> JsonObject:
        """Create an object, or replace what it says."""
        resource = _KINDS[value["kind"]]
        meta = value["metadata"]
        namespace = meta.get("namespace", "default") if resource.is_namespaced else ""
        try:
            return await self.client.create(resource, value, namespace)
        except AlreadyExistsError:
            return await self.client.patch(resource, meta["name"], value, namespace=namespace)

    async def patch(
        self, kind: str, name: str, body: JsonObject, namespace: str = "", subresource: str = ""
    ) -> JsonObject:
        """Merge a patch into an object."""
        resource = _KINDS[kind]
        where = namespace or ("default" if resource.is_namespaced else "")
        return await self.client.patch(
            resource, name, body, namespace=where, subresource=subresource, kind=PatchType.MERGE
        )

    async def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Delete an object."""
        resource = _KINDS[kind]
        where = namespace or ("default" if resource.is_namespaced else "")
        await self.client.delete(resource, name, where)

    async def add_pod(self, name: str, node: str, labels: dict[str, str]) -> None:
        """Make a pod that serves: its network, its server, its object."""
        pod = await asyncio.to_thread(self.topology.add_pod, name, node)
        await backends.ask(self.instance.directory / "backends.sock", name, node, pod.namespace)
        await self.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": "default", "labels": labels},
                "spec": {
                    "nodeName": node,
                    "containers": [{"name": "web", "image": "lab/web"}],
                    "terminationGracePeriodSeconds": 0,
                },
            }
        )
        await self.set_pod_ready(name, is_ready=True)

    async def set_pod_ready(self, name: str, *, is_ready: bool) -> None:
        """Write what a kubelet says of a pod."""
        pod = self.topology.pods[name]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = {
            "phase": "Running",
            "podIP": pod.ipv4,
            "podIPs": [{"ip": pod.ipv4}, {"ip": pod.ipv6}],
            "conditions": [
                {
                    "type": kind,
                    "status": "True" if is_ready else "False",
                    "lastTransitionTime": now,
                }
                for kind in ("Ready", "ContainersReady")
            ],
        }
        await self.client.patch(
            PODS, name, {"status": status}, namespace="default", subresource="status"
        )

    async def events(self, about: str) -> list[JsonObject]:
        """Give the Events about objects of a name."""
        found: list[JsonObject] = []
        async for page in self.client.list_pages(EVENTS):
            found += [item for item in page.items if item["involvedObject"]["name"] == about]
        return found

    # -- looking -----------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], object], seconds: float, what: str = "") -> None:
        """Wait until a condition over the mirrors holds; raises DeadlineError."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), 0.5)
        except TimeoutError:
            told = f"not within {seconds} s: {what or condition}\n{self.picture()}"
            raise DeadlineError(told) from None

    def service(self, name: str, namespace: str = "default") -> Service | None:
        """Find a Service as last seen."""
        return self.services.get((namespace, name))

    def addresses(self, name: str, namespace: str = "default") -> tuple[str, ...]:
        """Give the addresses in a Service's status."""
        found = self.service(name, namespace)
        return () if found is None else tuple(item.ip for item in found.ingress)

    def vips_of(self, name: str, namespace: str = "default") -> list[VirtualIP]:
        """Give the VirtualIPs that list a Service."""
        key = ObjectKey(namespace, name)
        return [vip for vip in self.vips if key in vip.spec.services]

    def announcer(self, address: str) -> str:
        """Name the node that announces an address, by its VirtualIP; empty: none."""
        vip = self.vips.get(("", address.replace(":", "-")))
        return vip.status.announcers[0].node if vip is not None and vip.status.announcers else ""

    def all_announced(self) -> bool:
        """Tell whether every VIP is announced by its first choice."""
        return all(
            vip.spec.layer2.nodes[:1] == tuple(item.node for item in vip.status.announcers)
            for vip in self.vips
        )

    def picture(self) -> str:
        """Draw the cluster: Services, VIPs, the roll, the ends of the logs."""
        lines = ["Services:"]
        for service in self.services:
            shown = ",".join(item.ip for item in service.ingress)
            words = "; ".join(f"{item.reason}: {item.message}" for item in service.conditions)
            lines.append(f"  {service.meta.key} [{shown}] {words}")
        lines.append("VIPs:")
        for vip in self.vips:
            who = ",".join(item.node for item in vip.status.announcers)
            lines.append(f"  {vip.spec.address} {vip.spec.layer2} announced by [{who}]")
        lines.append("Roll:")
        lines += [f"  {item.node} {item.holder!r}" for item in self.roll]
        for process in self._programs():
            lines.append(tail(process.log, 8))
        return "\n".join(lines)

    def _programs(self) -> Iterator[Process]:
        yield from self.controllers.values()
        yield from self.speakers.values()


def _read_vip(value: JsonObject) -> VirtualIP | None:
    found = read_virtual_ip(value)
    return None if isinstance(found, Problem) else found


def load_balancer_class(
    name: str,
    ranges: Sequence[str],
    *,
    is_default: bool = False,
    rebalancing: JsonObject | None = None,
    node_selector: dict[str, str] | None = None,
    interfaces: Sequence[str] = (),
) -> JsonObject:
    """Make a MetalLoadBalancerClass."""
    l2: JsonObject = {"interfaces": list(interfaces)}
    if rebalancing:
        l2["rebalancing"] = rebalancing
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "MetalLoadBalancerClass",
        "metadata": {"name": name},
        "spec": {
            "isDefault": is_default,
            "type": "L2",
            "addressPool": list(ranges),
            "nodeSelector": node_selector or {},
            "l2": l2,
        },
    }


def service(
    name: str,
    *,
    count: int | str | None = None,
    annotations: dict[str, str] | None = None,
    namespace: str = "default",
    app: str = "web",
    ports: Sequence[tuple[str, int]] = (("TCP", 80), ("UDP", 80)),
    **spec: Any,
) -> JsonObject:
    """Make a Service of type LoadBalancer for the pods of an app; `spec` is merged in."""
    notes = dict(annotations or {})
    if count is not None:
        notes[f"{GROUP}/l2-load-balancer-external-ips-count"] = str(count)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": notes},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": app},
            "allocateLoadBalancerNodePorts": False,
            "ports": [
                {
                    "name": f"{protocol.lower()}-{port}",
                    "protocol": protocol,
                    "port": port,
                    "targetPort": backends.PORT,
                }
                for protocol, port in ports
            ],
            **spec,
        },
    }
