"""What can be seen of a lab's cluster: mirrors of the API, and waiting for a condition over them.

What happens in the API is mirrored (`services`, `vips`, `classes`, `roll`), and `until` waits for
a condition over the mirrors: it looks again after each change, and fails after its deadline with
a picture of the cluster, or at once when a part of the lab itself has failed.
"""

from __future__ import annotations

import asyncio
import random
from itertools import islice
from typing import TYPE_CHECKING, Any

from metallb.api.fields import Problem
from metallb.api.meta import ObjectKey
from metallb.api.services import read_service
from metallb.api.speakers import read_speaker
from metallb.api.virtual_ips import read_virtual_ip
from metallb.kube.reflector import Reflector
from metallb.net.addresses import object_name, parse_address
from metallb_lab.objects import CLASSES, EVENTS, LEASES, NAMESPACE, SERVICES, VIRTUAL_IPS
from metallb_lab.processes import tail

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from pathlib import Path

    from metallb.api.services import Service
    from metallb.api.speakers import Speaker
    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.client import ApiClient, JsonObject, Resource

_LOG_LINES = 8
_LISTED = 40
"""Objects of a kind in a picture: a cluster of thousands would hide what matters."""


class DeadlineError(AssertionError):
    """What was waited for did not come; the text shows the cluster as it was."""


class LabError(RuntimeError):
    """A part of the lab itself has failed; the cause is chained."""


class View:
    """Mirrors of one cluster."""

    def __init__(self) -> None:
        self.client: ApiClient
        self.services: Reflector[Service]
        self.vips: Reflector[VirtualIP]
        self.classes: Reflector[JsonObject]
        self.roll: Reflector[Speaker]
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []

    # -- life --------------------------------------------------------------------------------------

    async def start_mirrors(self) -> None:
        """Begin to mirror; returns when all have been listed once."""
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
        self.start_task(f"mirror of {resource.plural}", mirror.run())
        return mirror

    def start_task(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Start a task of the lab that is to run as long as the lab; its end fails `until`."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(lambda _: self._changed.set())
        self._tasks.append(task)

    async def stop_tasks(self) -> None:
        """Cancel all tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _check_tasks(self) -> None:
        for task in self._tasks:
            if task.done():
                cause = None if task.cancelled() else task.exception()
                raise LabError(f"the lab's {task.get_name()} has ended: {cause}") from cause

    # -- waiting -----------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], object], seconds: float, what: str = "") -> None:
        """Wait until a condition over the mirrors holds; raises DeadlineError or LabError."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._check_tasks()
                    self._changed.clear()
                    waking = asyncio.get_running_loop().call_later(0.5, self._changed.set)
                    await self._changed.wait()
                    waking.cancel()
        except TimeoutError:
            told = f"not within {seconds} s: {what or condition}\n{self.picture()}"
            raise DeadlineError(told) from None

    # -- looking -----------------------------------------------------------------------------------

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

    def vip(self, address: str) -> VirtualIP | None:
        """Find the VirtualIP of an address."""
        return self.vips.get(("", object_name(parse_address(address))))

    def announcer(self, address: str) -> str:
        """Name the node that announces an address, by its VirtualIP; empty: none, or several."""
        vip = self.vip(address)
        nodes = [] if vip is None else [item.node for item in vip.status.announcers]
        return nodes[0] if len(nodes) == 1 else ""

    def announcers(self) -> dict[str, str]:
        """Give address -> node that announces it."""
        return {str(vip.spec.address): self.announcer(str(vip.spec.address)) for vip in self.vips}

    def all_announced(self) -> bool:
        """Tell whether every VIP is announced by its first choice."""
        return all(
            vip.spec.layer2.nodes[:1] == tuple(item.node for item in vip.status.announcers)
            for vip in self.vips
        )

    async def events(self, about: str) -> list[JsonObject]:
        """Give the Events about objects of a name."""
        found: list[JsonObject] = []
        async for page in self.client.list_pages(EVENTS):
            found += [item for item in page.items if item["involvedObject"]["name"] == about]
        return found

    def logs(self) -> Iterable[Path]:
        """Logs whose ends belong into the picture."""
        return ()

    def picture(self) -> str:
        """Draw the cluster: the first Services and VIPs, the roll, the ends of the logs."""
        lines = [f"Services ({len(self.services)}):"]
        for service in islice(self.services, _LISTED):
            shown = ",".join(item.ip for item in service.ingress)
            words = "; ".join(f"{item.reason}: {item.message}" for item in service.conditions)
            lines.append(f"  {service.meta.key} [{shown}] {words}")
        lines.append(f"VIPs ({len(self.vips)}):")
        for vip in islice(self.vips, _LISTED):
            who = ",".join(item.node for item in vip.status.announcers)
            lines.append(f"  {vip.spec.address} {vip.spec.layer2} announced by [{who}]")
        lines.append("Roll:")
        lines += [f"  {item.node} {item.holder!r}" for item in self.roll]
        lines += [tail(log, _LOG_LINES) for log in self.logs()]
        return "\n".join(lines)


def _read_vip(value: JsonObject) -> VirtualIP | None:
    found = read_virtual_ip(value)
    return None if isinstance(found, Problem) else found
