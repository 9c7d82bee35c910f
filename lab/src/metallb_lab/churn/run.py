"""One run of churn: a real API server, replicas of the controller, a storm, and a follower that
judges every change.

In the end nobody does anything any more, and all must come to rest: a reconciler that is told the
objects anew wants no write.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from metallb.api.classes import Rebalancing
from metallb.api.meta import ObjectKey
from metallb_lab import objects
from metallb_lab.bench import bodies, replicas, rig
from metallb_lab.churn import agreement
from metallb_lab.churn.actions import NAMESPACES
from metallb_lab.churn.follow import Follower
from metallb_lab.churn.history import History
from metallb_lab.churn.storm import TOLD_SECONDS, Storm
from metallb_lab.processes import tail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metallb.kube.client import JsonObject, Resource
    from metallb_lab.bench.rig import Rig

STEADY = tuple(ObjectKey("default", f"steady-{number}") for number in range(3))
STEADY_CLASS, STEADY_RANGE = "kept", "10.99.0.1-10.99.0.3"
REBALANCING = Rebalancing(delay_seconds=0, moves_per_minute=60_000)
ARGUMENTS = (
    *("--lease-seconds", "6", "--lease-retry-seconds", "1.5"),
    *("--rebalancing-delay-seconds", str(REBALANCING.delay_seconds)),
    *("--rebalancing-moves-per-minute", str(REBALANCING.moves_per_minute)),
)
"""Quick to take over, and balance is restored at once, so that it comes to rest."""
LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for."""

    services: int
    seconds: float
    seed: int
    workers: int = 8
    log: Path | None = None
    """Where each action is written, as a line of JSON."""

    @property
    def rest_seconds(self) -> float:
        """How long it may take until all has come to rest."""
        return 90.0 + self.services / 20


@dataclass(slots=True)
class Report:
    """What was done, and what was wrong; `wrong` is empty when all held."""

    actions: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    changes: int = 0
    joins: int = 0
    behind_seconds: float = 0.0
    served: int = 0
    rest_seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Put it into words."""
        actions = ", ".join(f"{count} x {name}" for name, count in sorted(self.actions.items()))
        lines = [
            f"done: {actions or 'nothing'}; controllers killed: {self.kills}",
            f"followed: {self.changes} changes, {self.joins} times somebody joined an address",
            f"what they joined by was so {self.behind_seconds:.1f} s before at most",
            f"at rest after {self.rest_seconds:.1f} s, {self.served} Services have an address",
        ]
        lines += [f"WRONG {item}" for item in self.wrong[:20]]
        return "\n".join([*lines, f"{len(self.wrong)} wrong" if self.wrong else "all held"])


class Run:
    """A run on a rig."""

    def __init__(
        self, running: Rig, options: Options, say: Callable[[str], None], log: TextIO | None
    ) -> None:
        self._running = running
        self._client = running.client
        self._options = options
        self._say = say
        self._history = History(frozenset(STEADY))
        self._follower = Follower(running.client, self._history)
        self._replicas = [
            replicas.controller(running, name, *ARGUMENTS) for name in replicas.REPLICAS
        ]
        self._storm = Storm(
            running.client, self._replicas, options.seed, options.services, options.workers, log
        )
        self._report = Report()
        self._told = 0
        """So many violations have been told as they came."""

    async def run(self) -> Report:
        """Do all of it."""
        await self._set_up()
        following = asyncio.create_task(self._follower.run())
        renewing = asyncio.create_task(self._storm.renew())
        try:
            for process in self._replicas:
                await process.start()
            working = asyncio.create_task(self._work())
            await asyncio.wait([working, following], return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                working.cancel()
                following.result()
            await working
        finally:
            following.cancel()
            renewing.cancel()
            for process in self._replicas:
                await process.kill()
        return self._conclusion()

    async def _work(self) -> None:
        await self._steady()
        await self._storm.begin(self._tell)
        seconds = self._options.seconds
        self._say(f"{self._options.services} Services are created; {seconds:g} s of churn begin")
        await self._storm.rage(seconds, self._tell)
        self._say("the storm is over")
        await self._rest()

    def _tell(self) -> None:
        for item in self._history.violations[self._told :]:
            self._say(f"WRONG {item}")
        self._told = len(self._history.violations)
        self._say(
            f"{self._storm.done.total()} actions, {self._storm.kills} kills, {self._counted()}"
        )

    def _counted(self) -> str:
        violations = len(self._history.violations)
        return f"{self._history.counts.total()} changes, {violations} violations"

    def _conclusion(self) -> Report:
        report = self._report
        report.actions, report.kills = dict(self._storm.done), self._storm.kills
        report.changes = self._history.counts.total()
        report.joins, report.behind_seconds = self._history.joins, self._history.behind_seconds
        found = [str(item) for item in self._history.violations]
        found += [f"refused by the API server: {item}" for item in self._storm.refused]
        report.wrong = found + report.wrong
        return report

    # -- the beginning -----------------------------------------------------------------------------

    async def _set_up(self) -> None:
        await self._running.set_up()
        other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACES[1]}}
        await self._client.create(objects.NAMESPACES, other)

    async def _steady(self) -> None:
        """Make the Services that nobody touches, and wait until they have their addresses."""
        body = objects.load_balancer_class(STEADY_CLASS, [STEADY_RANGE])
        await self._client.create(objects.CLASSES, body)
        for key in STEADY:
            service = objects.service(key.name, loadBalancerClass=STEADY_CLASS)
            await self._client.create(objects.SERVICES, service, key.namespace)
        async with asyncio.timeout(replicas.READY_SECONDS):
            for key in STEADY:
                while not await self._has_address(key):
                    await asyncio.sleep(0.1)

    async def _has_address(self, key: ObjectKey) -> bool:
        return bool(_ingress(await self._client.get(objects.SERVICES, key.name, key.namespace)))

    # -- the end -----------------------------------------------------------------------------------

    async def _rest(self) -> None:
        """Wait until a new reconciler wants nothing, and compare."""
        began_at = told_at = time.monotonic()
        while True:
            found = await self._everything()
            made = agreement.informed(found, REBALANCING)
            wanted = agreement.wanted(made, bodies.now())
            self._report.rest_seconds = time.monotonic() - began_at
            if not wanted:
                break
            if self._report.rest_seconds > self._options.rest_seconds:
                self._report.wrong += [f"a new leader would write: {item}" for item in wanted]
                await self._tell_of_leaders()
                return
            if time.monotonic() - told_at > TOLD_SECONDS:
                told_at = time.monotonic()
                self._say(f"{len(wanted)} writes or more are wanted still; {self._counted()}")
            await asyncio.sleep(LOOK_SECONDS)
        self._report.wrong += agreement.disagreements(made, found)
        self._report.served = sum(bool(_ingress(item)) for item in found[objects.SERVICES])
        await self._follower.finish(self._options.rest_seconds)

    async def _tell_of_leaders(self) -> None:
        """Tell who leads, and what the replicas said last."""
        lease = await self._client.get(objects.LEASES, replicas.LEASE_NAME, objects.NAMESPACE)
        self._say(f"it is {bodies.now()}, and the Lease says {lease['spec']}")
        for process in self._replicas:
            self._say(tail(process.log))

    async def _everything(self) -> dict[Resource, list[JsonObject]]:
        return {
            resource: [
                item async for page in self._client.list_pages(resource) for item in page.items
            ]
            for resource in agreement.KINDS
        }


def _ingress(service: JsonObject) -> list[JsonObject]:
    found: list[JsonObject] = service["status"]["loadBalancer"].get("ingress") or []
    return found


async def churn(options: Options, say: Callable[[str], None]) -> Report:
    """Run it."""
    with contextlib.ExitStack() as stack:
        log = None if options.log is None else stack.enter_context(options.log.open("w"))
        async with rig.running() as running:
            return await Run(running, options, say, log).run()
