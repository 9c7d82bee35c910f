"""The agent of one node: its Node object and Lease, and a worker for each pod bound to it.

Its sockets are in the node's namespace: when the node's cable is pulled, the agent is cut off as a
kubelet would be, and goes on with what it knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import random
from typing import TYPE_CHECKING, Any

from metallb.kube.errors import TRANSPORT_ERRORS, AlreadyExistsError, ApiError, NotFoundError
from metallb.kube.reflector import Reflector, ReflectorSettings
from metallb_lab import objects
from metallb_lab.objects import LEASES, NODES, PODS
from metallb_lab.pods.context import ANSWER_SECONDS, timestamp
from metallb_lab.pods.pod import PodWorker

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping

    from metallb.kube.client import JsonObject
    from metallb.kube.reflector import Key
    from metallb_lab.pods.context import Context

LEASE_NAMESPACE = "kube-node-lease"
LEASE_DURATION_SECONDS = 40
VERSION = "v1.35.4"
WATCH_SECONDS = 30
"""How long a watch lasts that hears nothing more, because the cable was pulled, at least."""

PODS_MOST = 110
FAULTS = (*TRANSPORT_ERRORS, ApiError)

log = logging.getLogger(__name__)


class NodeAgent:
    """Plays kubelet on one node."""

    def __init__(self, context: Context, labels: Mapping[str, str]) -> None:
        self._context = context
        self._labels = dict(labels)
        self._workers: dict[str, PodWorker] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """Name of the node."""
        return self._context.host.name

    def worker(self, pod: str) -> PodWorker | None:
        """Find the worker of a pod by its name."""
        return next((item for item in self._workers.values() if item.name == pod), None)

    # -- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin: register the node, and look for its pods."""
        mirror: Reflector[JsonObject] = Reflector(
            self._context.client, PODS, lambda value: value, self._on_pod,
            chance=random.random,
            settings=ReflectorSettings(watch_timeout_seconds=WATCH_SECONDS),
            fieldSelector=f"spec.nodeName={self.name}",
        )  # fmt: skip
        self._start("pods", mirror.run())
        self._start("lease", self._again(self._renew, self._context.settings.lease_seconds))
        self._start("status", self._again(self._report, self._context.settings.status_seconds))

    def _start(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"{what} of {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def crash(self) -> None:
        """Lose power: nothing is said, nothing goes on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        workers = list(self._workers.values())
        self._workers.clear()
        await asyncio.gather(*(worker.crash() for worker in workers))

    async def _again(self, work: Any, seconds: float) -> None:
        while True:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await work()
            except FAULTS as error:
                log.info("%s: %s", self.name, error)
            await asyncio.sleep(seconds)

    # -- pods ----------------------------------------------------------------------------------

    def _on_pod(self, key: Key, old: JsonObject | None, new: JsonObject | None) -> None:
        if old is not None and (new is None or _uid(old) != _uid(new)):
            self._forget(_uid(old))
        if new is None:
            return
        worker = self._workers.get(_uid(new))
        if worker is None:
            worker = self._workers[_uid(new)] = PodWorker(self._context, new)
        worker.observe(new)

    def _forget(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.gone()
            self._start(f"end of {worker.name}", self._bury(uid, worker))

    async def _bury(self, uid: str, worker: PodWorker) -> None:
        await worker.ended()
        self._workers.pop(uid, None)

    # -- the node ------------------------------------------------------------------------------

    async def _report(self) -> None:
        """Say how the node is; makes its object if there is none."""
        client = self._context.client
        try:
            seen = await client.get(NODES, self.name)
        except NotFoundError:
            made = objects.node(self.name)
            made["metadata"]["labels"] |= self._labels
            seen = await client.create(NODES, made)
        before = (seen.get("status") or {}).get("conditions") or []
        host = self._context.host
        body = objects.node_status(self.name, (host.ipv4, host.ipv6), timestamp(), is_ready=True)
        body["status"] |= {"nodeInfo": _node_info(), **_resources()}
        ready = body["status"]["conditions"]
        body["status"]["conditions"] = node_conditions(before, [*ready, *_pressures()])
        await client.patch(NODES, self.name, body, subresource="status")

    async def _renew(self) -> None:
        client, now = self._context.client, f"{timestamp()[:-1]}.000000Z"
        spec = {
            "holderIdentity": self.name,
            "leaseDurationSeconds": LEASE_DURATION_SECONDS,
            "renewTime": now,
        }
        try:
            await client.patch(LEASES, self.name, {"spec": spec}, namespace=LEASE_NAMESPACE)
        except NotFoundError:
            body = {
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": self.name, "namespace": LEASE_NAMESPACE}, "spec": spec,
            }  # fmt: skip
            with contextlib.suppress(AlreadyExistsError):
                await client.create(LEASES, body, LEASE_NAMESPACE)


def _uid(value: JsonObject) -> str:
    return str(value["metadata"]["uid"])


def node_conditions(before: Iterable[JsonObject], own: Iterable[JsonObject]) -> list[JsonObject]:
    """Give the conditions of a node: ours anew, others' as they were.

    The time of a change stays as long as the status does.
    """
    known = {item["type"]: item for item in before}
    for item in own:
        old = known.get(item["type"], {})
        if old.get("status") == item["status"]:
            item["lastTransitionTime"] = old["lastTransitionTime"]
        known[item["type"]] = item
    return list(known.values())


def _pressures() -> list[JsonObject]:
    now = timestamp()
    return [
        {
            "type": f"{what}Pressure",
            "status": "False",
            "reason": f"KubeletHasNo{what}Pressure",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        for what in ("Memory", "Disk", "PID")
    ]


def _node_info() -> dict[str, str]:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "architecture": machine,
        "operatingSystem": "linux",
        "kernelVersion": platform.release(),
        "kubeletVersion": VERSION,
        "kubeProxyVersion": VERSION,
        "containerRuntimeVersion": "runc://1",
        "osImage": "lab",
        "bootID": "lab",
        "machineID": "lab",
        "systemUUID": "lab",
    }


def _resources() -> dict[str, dict[str, str]]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    found = {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory}Ki",
        "pods": str(PODS_MOST),
        "ephemeral-storage": "10Gi",
    }
    return {"capacity": found, "allocatable": found}
