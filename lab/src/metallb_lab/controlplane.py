"""The API server of a lab, real or embedded, and what belongs to it.

Both run in the namespace `api` of the lab, at 10.10.0.5. With the real one come
kube-controller-manager (which makes EndpointSlices) and, on each node, kube-proxy; with the
embedded one the lab does their part itself (`metallb_lab.standins`).
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from metallb.kube.client import ApiClient
from metallb.kube.config import Connection
from metallb_lab import netns, tools
from metallb_lab.apiserver import certificates
from metallb_lab.processes import Process
from metallb_lab.realserver import RealServer, kubeconfig
from metallb_lab.relay import Relay

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from metallb_lab.instance import Instance
    from metallb_lab.topology import Topology

API_PORT = 6443
READY_SECONDS = 30.0
CONTROLLERS = (
    "endpointslice-controller,endpoints-controller,serviceaccount-controller,namespace-controller,"
    "garbage-collector-controller,root-ca-certificate-publisher-controller"
)
POD_CONTROLLERS = (
    f"{CONTROLLERS},deployment-controller,replicaset-controller,daemonset-controller,"
    "node-lifecycle-controller,taint-eviction-controller,disruption-controller,"
    "pod-garbage-collector-controller,serviceaccount-token-controller,"
    "clusterrole-aggregation-controller"
)
"""Those that a cluster with running pods needs too."""

NODE_PATIENCE = ("--node-monitor-period=1s", "--node-monitor-grace-period=7s")
"""A node is given up after 7 s of silence, where the default has 50 s: nobody wants to wait."""


class ControlPlane(ABC):
    """An API server in the lab's namespace `api`."""

    def __init__(self, instance: Instance, topology: Topology) -> None:
        self.instance = instance
        self.host = topology.hosts["api"]
        self.relay = Relay(self.host.namespace, self.host.ipv4, API_PORT)

    @property
    def url(self) -> str:
        """Where the lab's hosts find the server."""
        return f"https://{self.host.ipv4}:{API_PORT}"

    @property
    @abstractmethod
    def token(self) -> str:
        """Token of the administrator."""

    @property
    @abstractmethod
    def ca_file(self) -> Path:
        """Certificate authority of the server."""

    @abstractmethod
    async def start(self) -> None:
        """Start the server and wait until it is ready."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop the server."""

    @property
    def inside_kubeconfig(self) -> Path:
        """A kubeconfig for processes in the lab's namespaces."""
        return self._write_kubeconfig("inside.kubeconfig", self.url)

    @property
    def outside_kubeconfig(self) -> Path:
        """A kubeconfig for people on this machine, by the relay."""
        return self._write_kubeconfig("kubeconfig", f"https://127.0.0.1:{self.relay.port}")

    def _write_kubeconfig(self, name: str, url: str) -> Path:
        """Write it once: programs that start at the same time must not find it half written."""
        path = self.instance.directory / name
        if not path.exists():
            ca = base64.b64encode(self.ca_file.read_bytes()).decode()
            draft = path.with_suffix(".draft")
            draft.touch(mode=0o600)
            draft.write_text(kubeconfig(url, self.token, ca))
            draft.rename(path)
        return path

    def client(
        self,
        *,
        user_agent: str = "metallb-lab",
        max_connections: int = 40,
        namespace: str | None = None,
        note: Callable[[socket.socket], None] = lambda _: None,
    ) -> ApiClient:
        """Make a client whose sockets are in a namespace, the server's if none is given.

        `note` is told of each socket.
        """
        context = ssl.create_default_context(cafile=str(self.ca_file))
        connection = Connection(self.url, context, lambda: f"Bearer {self.token}")
        place = namespace or self.host.namespace

        def make_socket(info: Any) -> socket.socket:
            family, kind, protocol = info[0], info[1], info[2]
            made = netns.make_socket(place, family, kind, protocol)
            made.setblocking(False)
            note(made)
            return made

        return ApiClient(
            connection,
            user_agent=user_agent,
            max_connections=max_connections,
            socket_factory=make_socket,
        )

    async def _wait_ready(self) -> None:
        async with self.client() as client, asyncio.timeout(READY_SECONDS):
            while True:
                try:
                    await client.request("GET", "/api/v1/namespaces/default")
                    return
                except Exception:
                    await asyncio.sleep(0.05)


class RealControlPlane(ControlPlane):
    """kube-apiserver, etcd and kube-controller-manager; `for_pods` adds what pods need.

    That is kube-scheduler, all admission, more controllers, and webhooks by the addresses of their
    pods: where the API server runs there is no kube-proxy.
    """

    def __init__(
        self,
        instance: Instance,
        topology: Topology,
        *,
        from_copy: Path | None = None,
        with_controllers: bool = True,
        for_pods: bool = False,
    ) -> None:
        super().__init__(instance, topology)
        self._for_pods = for_pods
        self.server = RealServer(
            host=self.host.ipv4,
            port=API_PORT,
            netns=self.host.namespace,
            directory=instance.directory / "api",
            admission="full" if for_pods else "minimal",
            extra_args=("--enable-aggregator-routing=true",) if for_pods else (),
        )
        self._from_copy = from_copy
        self._with_controllers = with_controllers
        self._processes: list[Process] = []

    @property
    def token(self) -> str:
        """Token of the administrator."""
        return self.server.admin.secret

    @property
    def ca_file(self) -> Path:
        """Certificate authority of the server."""
        return self.server.ca_file

    async def start(self) -> None:
        """Start all and wait until the server is ready."""
        await self.server.start(from_copy=self._from_copy)
        self._from_copy = None
        for pid in self.server.pids:
            self.instance.note_process(pid)
        await self._wait_ready()
        await self.relay.start()
        if self._with_controllers:
            await self._start_controllers()
        if self._for_pods:
            await self._start_scheduler()

    async def _start_controllers(self) -> None:
        chosen = POD_CONTROLLERS if self._for_pods else CONTROLLERS
        await self._start_process(
            "kube-controller-manager",
            *("--bind-address=127.0.0.1", "--secure-port=10257"),
            f"--service-account-private-key-file={self.server.service_account_key}",
            f"--root-ca-file={self.ca_file}",
            "--cluster-name=lab",
            *("--kube-api-qps=200", "--kube-api-burst=400"),
            f"--controllers={chosen}",
            *(NODE_PATIENCE if self._for_pods else ()),
        )

    async def _start_scheduler(self) -> None:
        await self._start_process(
            "kube-scheduler", *("--bind-address=127.0.0.1", "--secure-port=10259")
        )

    async def _start_process(self, name: str, *arguments: str) -> None:
        process = Process(
            self.instance,
            name,
            [
                str(tools.find(name)),
                f"--kubeconfig={self.inside_kubeconfig}",
                "--leader-elect=false",
                "--profiling=false",
                *arguments,
            ],
            namespace=self.host.namespace,
        )
        await process.start()
        self._processes.append(process)

    async def stop(self) -> None:
        """Stop all of them."""
        await self.relay.stop()
        await asyncio.gather(*(process.kill() for process in self._processes))
        await self.server.stop()

    async def pause(self) -> None:
        """Stop etcd and the API server for a while; their data stay."""
        await self.server.stop()

    async def resume(self) -> None:
        """Start them again on their data."""
        await self.server.start()
        for pid in self.server.pids:
            self.instance.note_process(pid)
        await self._wait_ready()


class EmbeddedControlPlane(ControlPlane):
    """The embedded API server, in a process of its own."""

    def __init__(self, instance: Instance, topology: Topology) -> None:
        super().__init__(instance, topology)
        self._directory = instance.directory / "api"
        self._token = base64.b16encode(instance.name.encode()).decode()
        self._process: Process | None = None

    @property
    def token(self) -> str:
        """Token of the administrator."""
        return self._token

    @property
    def ca_file(self) -> Path:
        """Certificate authority of the server."""
        return self._directory / "ca.pem"

    async def start(self) -> None:
        """Start the server and wait until it is ready."""
        self._directory.mkdir()
        certificates.write_serving(
            self._directory, ["localhost"], [self.host.ipv4, "127.0.0.1", "::1"]
        )
        tokens = self._directory / "tokens.csv"
        tokens.write_text(f'{self._token},admin,admin,"system:masters"\n')
        self._process = Process(
            self.instance,
            "apiserver",
            [
                *(sys.executable, "-m", "metallb_lab.apiserver"),
                *("--listen", f"{self.host.ipv4}:{API_PORT}"),
                *("--tls-dir", str(self._directory)),
                *("--token-file", str(tokens)),
            ],
            namespace=self.host.namespace,
        )
        await self._process.start()
        await self._wait_ready()
        await self.relay.start()

    async def stop(self) -> None:
        """Stop the server."""
        await self.relay.stop()
        if self._process is not None:
            await self._process.kill()
