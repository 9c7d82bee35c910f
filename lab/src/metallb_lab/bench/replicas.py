"""Replicas of the controller on a rig: started, and the leader found among them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from metallb_lab import objects
from metallb_lab.processes import Process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb_lab.bench.rig import Rig

OTHER_CLASS = "other"
OTHER_ADDRESS = "10.63.0.1"
LEASE_NAME = "metallb-controller"
REPLICAS = ("ctl1", "ctl2")
READY_SECONDS = 300.0


def controller(running: Rig, name: str, *arguments: str) -> Process:
    """Make one replica; it is not started yet."""
    return Process(
        running.instance,
        name,
        [
            *(sys.executable, "-m", "metallb_controller"),
            *("--kubeconfig", str(running.kubeconfig), "--metrics-port", "0"),
            *("--namespace", objects.NAMESPACE, "--identity", name),
            *("--log-level", "warning"),
            *arguments,
        ],
    )


@contextlib.asynccontextmanager
async def controllers(running: Rig) -> AsyncIterator[dict[str, Process]]:
    """Run the replicas."""
    replicas = {name: controller(running, name) for name in REPLICAS}
    try:
        for process in replicas.values():
            await process.start()
        yield replicas
    finally:
        for process in replicas.values():
            await process.kill()


async def leader(running: Rig, replicas: dict[str, Process]) -> int:
    """Wait until a leader has seen everything, by its report on a class that nobody uses."""
    await running.client.create(
        objects.CLASSES, objects.load_balancer_class(OTHER_CLASS, [OTHER_ADDRESS])
    )
    async with asyncio.timeout(READY_SECONDS):
        while True:
            for process in replicas.values():
                _ = process.pid  # raises when it has ended
            found = await running.client.get(objects.CLASSES, OTHER_CLASS)
            if found.get("status", {}).get("conditions"):
                break
            await asyncio.sleep(0.1)
    lease = await running.client.get(objects.LEASES, LEASE_NAME, objects.NAMESPACE)
    return replicas[lease["spec"]["holderIdentity"]].pid
