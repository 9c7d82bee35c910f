"""The storm: workers that carry out their scripts, and replicas that are killed now and then."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, TextIO

from metallb.api.speakers import lease_name
from metallb.kube.errors import (
    TRANSPORT_ERRORS,
    AlreadyExistsError,
    ApiError,
    NotFoundError,
    TooManyRequestsError,
)
from metallb_lab import objects
from metallb_lab.bench import bodies, rig
from metallb_lab.churn.actions import Action, Ground, PoolScript, ServiceScript, Verb, blows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from metallb.kube.client import ApiClient
    from metallb_lab.processes import Process

POOL_PAUSE_SECONDS = 1.0
RENEWAL_SECONDS = 60.0
TOLD_SECONDS = 15.0
ATTEMPTS = 20
RETRY_SECONDS = 0.5


class Storm:
    """What happens to a cluster, by a seed; `log` gets each action as a line of JSON."""

    def __init__(
        self,
        client: ApiClient,
        replicas: Sequence[Process],
        seed: int,
        services: int,
        workers: int,
        log: TextIO | None = None,
    ) -> None:
        self._client = client
        self._replicas = replicas
        self._seed = seed
        self._log = log
        ground = Ground(services)
        self._pools = PoolScript(seed, ground)
        self._scripts = [
            ServiceScript(seed, worker, range(worker, services, workers), ground)
            for worker in range(min(workers, services))
        ]
        self._ends_at = 0.0
        self.done: Counter[str] = Counter()
        self.refused: list[str] = []
        """Actions that the API server did not accept, with its words."""
        self.kills = 0

    async def begin(self, tell: Callable[[], None]) -> None:
        """Create all pools and Services; `tell` is called now and then."""
        async with _telling(tell):
            await self._carry_out_all("pools", self._pools.beginning())
            async with asyncio.TaskGroup() as group:
                for number, script in enumerate(self._scripts):
                    group.create_task(self._carry_out_all(str(number), script.beginning()))

    async def rage(self, seconds: float, tell: Callable[[], None]) -> None:
        """Go on for a while; `tell` is called now and then."""
        self._ends_at = time.monotonic() + seconds
        async with _telling(tell), asyncio.TaskGroup() as group:
            for number, script in enumerate(self._scripts):
                group.create_task(self._play(str(number), script))
            group.create_task(self._play("pools", self._pools, POOL_PAUSE_SECONDS))
            group.create_task(self._strike())

    @property
    def _left(self) -> float:
        return self._ends_at - time.monotonic()

    async def _play(
        self, worker: str, script: ServiceScript | PoolScript, pause_seconds: float = 0.0
    ) -> None:
        while self._left > 0:
            await self._carry_out(worker, script.next())
            await asyncio.sleep(pause_seconds)

    async def _strike(self) -> None:
        """Kill replicas, and start them again; all of them run in the end."""
        for blow in blows(self._seed, len(self._replicas)):
            if blow.after + blow.away >= self._left:
                return
            await asyncio.sleep(blow.after)
            process = self._replicas[blow.replica]
            _ = process.pid  # raises when it has ended by itself
            await process.kill()
            self.kills += 1
            await asyncio.sleep(blow.away)
            await process.start()

    async def renew(self) -> None:
        """Keep the nodes' entries on the roll fresh, as their speakers would; never returns."""
        while True:
            for node in rig.NODES:
                wall = bodies.now().replace("Z", ".000000Z")
                body = {"spec": {"renewTime": wall}}
                where = objects.LEASES, objects.NAMESPACE, lease_name(node)
                await self._carry_out("roll", Action(Verb.PATCH, *where, body))
            await asyncio.sleep(RENEWAL_SECONDS)

    # -- requests ----------------------------------------------------------------------------------

    async def _carry_out_all(self, worker: str, actions: Iterable[Action]) -> None:
        for action in actions:
            await self._carry_out(worker, action)

    async def _carry_out(self, worker: str, action: Action) -> None:
        """Carry out an action, however slow the server is; what it refuses is noted."""
        if self._log is not None:
            self._log.write(json.dumps({"worker": worker, **action.to_object()}) + "\n")
        for left in reversed(range(ATTEMPTS)):
            try:
                await self._send(action)
            except (TooManyRequestsError, *TRANSPORT_ERRORS):
                if not left:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except (AlreadyExistsError, NotFoundError) as error:
                if left == ATTEMPTS - 1:  # else it is the answer to an attempt before
                    self.refused.append(f"{action}: {error}")
            except ApiError as error:
                self.refused.append(f"{json.dumps(action.to_object())}: {error}")
            break
        self.done[f"{action.verb} {action.resource.plural}"] += 1

    async def _send(self, action: Action) -> None:
        where = action.resource, action.name
        match action.verb:
            case Verb.CREATE:
                await self._client.create(action.resource, action.body or {}, action.namespace)
            case Verb.PATCH:
                await self._client.patch(
                    *where, action.body or {}, namespace=action.namespace,
                    subresource=action.subresource,
                )  # fmt: skip
            case Verb.DELETE:
                await self._client.delete(*where, action.namespace)


@contextlib.asynccontextmanager
async def _telling(tell: Callable[[], None]) -> AsyncIterator[None]:
    """Call `tell` now and then meanwhile."""

    async def forever() -> None:
        while True:
            await asyncio.sleep(TOLD_SECONDS)
            tell()

    telling = asyncio.create_task(forever())
    try:
        yield
    finally:
        telling.cancel()
