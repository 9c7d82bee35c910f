"""Taking over from Deckhouse's own module: addresses that only its children have.

Before a term decides anything, one request asks for children. Mostly the kind is not there, and
that is all. If there are children, what the command `migrate --from=deckhouse` would enter into the
ledger is entered, by the same plan; the mirrors are filled after that, so the reconciler finds the
entries like any others. When the Services show the addresses, the children are let go
(`metallb_controller.migrate.holds`): the release of the module, and the hook that removes the kind,
have deleted them by then, and nobody else does.

A leader that dies in between leaves entries and held children; the next one finds both, enters
what is missing, and goes on. Nothing of this keeps a term from leading: what cannot be read or
entered is told once, in the log or by Events of the Services, and children of addresses that could
not be entered stay held.

Limit: an address that the old controller gives a child after it was read here is not seen.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from metallb.domain.deckhouse_children import KIND
from metallb.kube.backoff import Backoff
from metallb.kube.errors import (
    TRANSPORT_ERRORS,
    ApiError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    NotLeaderError,
)
from metallb.net.addresses import object_name
from metallb_controller.app.following import Follower
from metallb_controller.app.migration import ADDRESS_KINDS, enter_one, list_all
from metallb_controller.app.resources import CHILDREN
from metallb_controller.migrate.children import read_child
from metallb_controller.migrate.cluster import Origin
from metallb_controller.migrate.holds import Hold, adopted, holds, lost
from metallb_controller.migrate.move import plan_addresses

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from metallb.api.meta import ObjectKey
    from metallb.api.services import Service
    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.client import ApiClient, JsonObject, Resource
    from metallb.kube.events import EventPoster
    from metallb.kube.reflector import Reflector
    from metallb.net.addresses import IPAddress
    from metallb_controller.app.settings import Settings
    from metallb_controller.migrate.children import Child
    from metallb_controller.migrate.cluster import Objects
    from metallb_controller.migrate.plan import Plan

PATIENCE_SECONDS: Final = 30.0
"""For so long a request is repeated when the server cannot answer it."""

ADOPTED, NOT_ADOPTED = "AddressAdopted", "AddressNotAdopted"
"""Reasons of the Events."""

_REFUSALS = (NotFoundError, ForbiddenError, InvalidError)
"""Answers that a repeated request would get again."""

_Answer = TypeVar("_Answer")

log = logging.getLogger(__name__)


class Adoption(Follower):
    """Adopts addresses when a term begins, and lets children go while it lasts."""

    def __init__(
        self,
        settings: Settings,
        reading: ApiClient,
        writing: ApiClient,
        events: EventPoster,
        services: Reflector[Service],
        vips: Reflector[VirtualIP],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        super().__init__((services, vips))
        self._class = settings.load_balancer_class
        self._reading = reading
        self._writing = writing
        self._events = events
        self._services = services
        self._vips = vips
        self._patience_seconds = patience_seconds
        self._holds: dict[str, Hold] = {}
        self._news: list[tuple[ObjectKey, str, str]] = []

    # -- before anything is decided --------------------------------------------------------------

    async def begin(self) -> None:
        """Enter what children have; what fails is told and never raised."""
        try:
            if values := await self._all(CHILDREN):
                await self._adopt(values)
        except (ApiError, NotLeaderError, *TRANSPORT_ERRORS) as error:
            log.error("addresses of objects %s are not adopted: %r", KIND, error)

    async def _adopt(self, values: list[JsonObject]) -> None:
        objects: Objects = {KIND: values}
        for kind, resource in ADDRESS_KINDS.items():
            objects[kind] = await self._all(resource)
        try:  # in a thread, for the Lease is to be renewed meanwhile
            plan = await asyncio.to_thread(
                plan_addresses, objects, Origin.DECKHOUSE, datetime.now(UTC), self._class
            )
        except Exception:
            log.exception("objects %s cannot be understood", KIND)
            return
        children = [read_child(value) for value in values]
        missing = await self._enter(plan.entries)
        self._holds = {hold.child.meta.uid: hold for hold in holds(children, plan, missing)}
        self._tell(children, plan)
        log.info(
            "%d objects %s of the module before: %d addresses entered, %d objects are held",
            len(children), KIND, len(plan.entries) - len(missing), len(self._holds),
        )  # fmt: skip

    async def _enter(self, entries: Iterable[VirtualIP]) -> frozenset[IPAddress]:
        """Enter addresses in the ledger; gives those that were refused."""
        refused: set[IPAddress] = set()
        for vip in entries:
            try:
                await self._answer(partial(enter_one, self._writing, vip))
            except InvalidError as error:
                log.error("VirtualIP %s is refused: %s", vip.name, error)
                refused.add(vip.spec.address)
        return frozenset(refused)

    def _tell(self, children: list[Child], plan: Plan) -> None:
        self._news = [(key, ADOPTED, words) for key, words in adopted(plan)]
        self._news += [(key, NOT_ADOPTED, words) for key, words in lost(children, plan)]

    async def _all(self, resource: Resource) -> list[JsonObject]:
        """Read all objects of a kind; none, when the kind is not there."""
        try:
            return await self._answer(partial(list_all, self._reading, resource))
        except NotFoundError:
            return []

    async def _answer(self, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Make a request, again and again while the server cannot answer; raises the last error."""
        backoff = Backoff(random.random)
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._patience_seconds
        while True:
            try:
                return await ask()
            except _REFUSALS:
                raise
            except (ApiError, NotLeaderError, *TRANSPORT_ERRORS) as error:
                wanted = error.retry_after_seconds if isinstance(error, ApiError) else None
                delay = backoff.next_delay(wanted)
                if loop.time() + delay > ends_at:
                    raise
                log.info("objects %s: %r, again in %.2f s", KIND, error, delay)
            await asyncio.sleep(delay)

    # -- afterwards ------------------------------------------------------------------------------

    async def _look(self) -> None:
        for key, reason, words in self._news:
            if (service := self._services.get(key)) is not None:
                kind = "Normal" if reason == ADOPTED else "Warning"
                log.info("%s: %s: %s", key, reason, words)
                self._events.post(service.reference().to_object(), kind, reason, words)
        self._news = []
        over = [uid for uid, hold in self._holds.items() if self._is_over(hold)]
        for uid in over:
            if (hold := self._holds.get(uid)) is not None:
                await self._write(CHILDREN, hold.child.key, self._let_go(uid, hold))

    def _is_over(self, hold: Hold) -> bool:
        return hold.is_over(
            self._services.get(hold.child.service),
            lambda address: self._vips.get(("", object_name(address))),
        )

    async def _let_go(self, uid: str, hold: Hold) -> None:
        key = hold.child.key
        try:
            await self._writing.patch(CHILDREN, key.name, hold.release(), namespace=key.namespace)
        except ConflictError:
            await self._see_again()
            raise
        except NotFoundError:
            log.info("%s %s is gone already", KIND, key)
        except (ForbiddenError, InvalidError) as error:
            log.error("%s %s stays: %s", KIND, key, error)
        self._holds.pop(uid, None)

    async def _see_again(self) -> None:
        """Look how children are by now; those that are gone need not be let go."""
        values = await list_all(self._reading, CHILDREN)
        found = {child.meta.uid: child for child in map(read_child, values) if child.is_held}
        self._holds = {
            uid: replace(hold, child=found[uid])
            for uid, hold in self._holds.items()
            if uid in found
        }
