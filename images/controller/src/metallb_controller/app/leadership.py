"""One term of leadership: mirrors, a reconciler, and workers that write what it decides.

    mirrors ──observe──► reconciler ──step──► queue ──► workers ──► API server
                             ▲                             │
                             └──── feed, done ─────────────┘

Everything here is made anew for each term, and nothing outlives it. Deciding pauses while many
writes are waiting, so that decisions are made on views that are not much older than their writes.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import random
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from metallb.api.meta import ObjectKey
from metallb.api.namespaces import read_namespace
from metallb.api.nodes import NodeName, read_endpoint_slice, read_node
from metallb.api.services import read_service
from metallb.api.speakers import COMPONENT, COMPONENT_LABEL, read_speaker
from metallb.kube.reflector import Reflector
from metallb.net.addresses import address_from_name
from metallb.runtime.tasks import Supervisor
from metallb_controller.app.adoption import Adoption
from metallb_controller.app.ipam import FIRST_READ_SECONDS, IpamSync, connect
from metallb_controller.app.native_statuses import NativeStatuses, read_status
from metallb_controller.app.resources import (
    BGP_STATUSES,
    CONFIGURATION_STATES,
    ENDPOINT_SLICES,
    LAYER2_STATUSES,
    LEASES,
    NAMESPACES,
    NODES,
    SERVICES,
    VIRTUAL_IPS,
)
from metallb_controller.app.sources import (
    PART_SOURCES,
    PEER_SOURCES,
    SHAPES,
    pool_sources,
    read_vip,
)
from metallb_controller.app.validity import ValidityStatuses
from metallb_controller.app.writes import Writer
from metallb_controller.reconcile.catalogue import ConfigKind, is_news
from metallb_controller.reconcile.engine import Reconciler
from metallb_controller.reconcile.model import PostEvent, ReconcilerSettings, TargetKind
from metallb_controller.reconcile.native_statuses import is_told_otherwise
from metallb_controller.reconcile.validity import Validity

if TYPE_CHECKING:
    from metallb.api.namespaces import Namespace
    from metallb.api.nodes import EndpointSlice, Node
    from metallb.api.services import Service
    from metallb.api.speakers import Speaker
    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.client import ApiClient, JsonObject
    from metallb.kube.events import EventPoster
    from metallb.kube.reflector import Key
    from metallb_controller.app.metrics import Metrics
    from metallb_controller.app.settings import Settings
    from metallb_controller.app.sources import Seen, Source
    from metallb_controller.reconcile.model import Write

_QUEUED_PER_WORKER = 8
"""Writes that may wait, for each worker, before deciding pauses."""

_FEW = 25
"""Services decided about at once while no writes wait: somebody may wait for the answer to one."""

_LOADING_THRESHOLD = 1_000_000
"""Objects between two collections while everything is read: hardly any of it is garbage."""

_TURN = {TargetKind.SERVICE_STATUS: 1, TargetKind.VIRTUAL_IP: 2}
_FIRST = 0
"""Which of the writes that wait goes first: a Service that has its entry need not wait for others
to get theirs; statuses of pools, which are few, go before all.
"""

log = logging.getLogger(__name__)


def wall_clock() -> str:
    """Give the time as the API writes it (RFC 3339, UTC, whole seconds)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Leadership:
    """A term of leadership; `run` returns only by being cancelled."""

    def __init__(
        self,
        settings: Settings,
        reading: ApiClient,
        writing: ApiClient,
        events: EventPoster,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._events = events
        self._metrics = metrics
        self._wake = asyncio.Event()
        self._queue: asyncio.PriorityQueue[tuple[int, int, Write]] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self.reconciler = Reconciler(
            ReconcilerSettings(
                rebalancing=settings.rebalancing,
                load_balancer_class=settings.load_balancer_class,
            )
        )
        self.is_loaded = False
        """Whether all kinds have been read, so that it decides."""
        self._vips = self._mirror(reading, VIRTUAL_IPS, read_vip, self._on_vip)
        self._services = self._mirror(reading, SERVICES, read_service, self._on_service)
        self._validity = Validity()
        pools = {
            source.part: self._mirror(
                reading, source.resource, source.read, partial(self._on_pool, source)
            )
            for source in pool_sources(settings)
        }
        parts = [self._mirror_judged(reading, source) for source in PART_SOURCES]
        self.mirrors: list[Reflector[Any]] = [
            self._vips,
            self._services,
            *pools.values(),
            *parts,
            self._mirror(reading, NAMESPACES, read_namespace, self._on_namespace),
            self._mirror(reading, NODES, read_node, self._on_node),
            self._mirror(reading, ENDPOINT_SLICES, read_endpoint_slice, self._on_slice),
            self._mirror(
                reading,
                LEASES,
                read_speaker,
                self._on_speaker,
                namespace=settings.namespace,
                labelSelector=f"{COMPONENT_LABEL}={COMPONENT}",
            ),
        ]
        feed_pool = {target: pools[part].feed for target, part in _STATUS_KINDS.items()}
        self._follow(reading, writing, parts)
        self._adoption = Adoption(settings, reading, writing, events, self._services, self._vips)
        self.ipam = self._follow_ipam()
        self._writer = Writer(writing, self._vips.feed, self._services.feed, feed_pool)

    def _follow_ipam(self) -> IpamSync | None:
        """Set up what keeps an IPAM told, if there is one."""
        settings = self._settings
        if settings.netbox is None:
            return None
        return IpamSync(
            connect(settings.netbox),
            self.reconciler,
            self._events,
            self._wake.set,
            settings.ipam_interval_seconds,
        )

    def _follow(self, reading: ApiClient, writing: ApiClient, parts: list[Reflector[Any]]) -> None:
        """Set up what follows: statuses that no address depends on."""
        settings = self._settings
        peers = [self._mirror_judged(reading, source) for source in PEER_SOURCES]
        native = {
            resource: self._mirror(
                reading, resource, read_status, self._look_at_native, namespace=settings.namespace
            )
            for resource in (LAYER2_STATUSES, BGP_STATUSES, CONFIGURATION_STATES)
        }
        self._late_mirrors = (*peers, *native.values())
        self._judging = ValidityStatuses(
            writing,
            self.reconciler,
            self._validity,
            {source.kind: source.resource for source in (*PART_SOURCES, *PEER_SOURCES)},
            (*parts, *peers),
            wall_clock,
            self._look_at_native,
        )
        self._native = NativeStatuses(
            writing,
            settings.namespace,
            self.reconciler,
            native,
            wall_clock,
            self._validity,
            lambda: self._judging.has_looked,
        )

    @staticmethod
    def _mirror(
        client: ApiClient, resource: Any, read: Any, on_change: Any, **rest: Any
    ) -> Reflector[Any]:
        shape = SHAPES.get(resource)
        return Reflector(
            client, resource, read, on_change, chance=random.random, shape=shape, **rest
        )

    def _mirror_judged(self, client: ApiClient, source: Source) -> Reflector[Any]:
        return self._mirror(client, source.resource, source.seen, partial(self._on_judged, source))

    @property
    def queued_writes(self) -> int:
        """Writes that wait for their turn."""
        return self._queue.qsize()

    # -- observations ----------------------------------------------------------------------------

    def _on_service(self, key: Key, old: Service | None, new: Service | None) -> None:
        self.reconciler.observe_service(ObjectKey(*key) if new is None else new.meta.key, new)
        self._adoption.look_again()
        self._look_at_ipam()
        self._wake.set()

    def _on_pool(self, source: Source, key: Key, old: object, new: object) -> None:
        self._take_in(source, ObjectKey(*key), new, {})
        if is_news(old, new):
            self._judging.look_again()

    def _on_judged(self, source: Source, key: Key, old: Seen | None, new: Seen | None) -> None:
        if new is None:
            self._take_in(source, ObjectKey(*key), None, {})
        else:
            self._take_in(source, ObjectKey(*key), new.found, new.status)
        self._judging.look_again()

    def _take_in(self, source: Source, key: ObjectKey, found: Any, status: JsonObject) -> None:
        self._validity.observe(source.kind, key, found, status)
        if source.part is not None:
            self.reconciler.observe_config(source.part, key, found)
            self._look_at_ipam()
            self._wake.set()

    def _on_namespace(self, key: Key, old: Namespace | None, new: Namespace | None) -> None:
        self.reconciler.observe_namespace(key[1], None if new is None else new.labels)
        self._wake.set()

    def _on_node(self, key: Key, old: Node | None, new: Node | None) -> None:
        self.reconciler.observe_node(NodeName(key[1]), new)
        if old is None or new is None or old.labels != new.labels:
            self._validity.observe_node(ObjectKey(*key), new)
            self._judging.look_again()
        self._wake.set()

    def _on_slice(self, key: Key, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        self.reconciler.observe_endpoint_slice(old, new)
        self._wake.set()

    def _on_vip(self, key: Key, old: VirtualIP | None, new: VirtualIP | None) -> None:
        address = address_from_name(key[1]) if new is None else new.spec.address
        self.reconciler.observe_vip(address, new)
        self._adoption.look_again()
        if is_told_otherwise(old, new):
            self._native.look_again()
        self._look_at_ipam()
        self._wake.set()

    def _look_at_ipam(self) -> None:
        if self.ipam is not None:
            self.ipam.look_again()

    def _look_at_native(self, *_: object) -> None:
        self._native.look_again()

    def _on_speaker(self, key: Key, old: Speaker | None, new: Speaker | None) -> None:
        found = new or old
        if found is not None:
            self.reconciler.observe_speaker(found.node, new, time.monotonic())
        self._native.look_again()
        self._wake.set()

    # -- work ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Lead until cancelled."""
        supervisor = Supervisor()
        usual = gc.get_threshold()
        try:
            gc.set_threshold(_LOADING_THRESHOLD, *usual[1:])
            await self._adoption.begin()
            for number, mirror in enumerate(self.mirrors):
                supervisor.start(f"mirror-{number}", mirror.run())
            await self._all_synced(supervisor)
            self.reconciler.start(time.monotonic())
            self.is_loaded = True
            gc.freeze()  # what is known by now stays: no collection need look at it again
            gc.set_threshold(*usual)
            log.info(
                "the ledger has %d addresses, %d Services are known",
                len(self._vips),
                len(self._services),
            )
            await self._ask_ipam(supervisor)
            for number in range(self._settings.concurrent_writes):
                supervisor.start(f"write-{number}", self._work())
            supervisor.start("decide", self._decide())
            for number, mirror in enumerate(self._late_mirrors):
                supervisor.start(f"late-mirror-{number}", mirror.run())
            supervisor.start("adoption", self._adoption.run())
            supervisor.start("judge", self._judging.run())
            supervisor.start("native-statuses", self._native.run())
            await supervisor.wait()
        finally:
            await supervisor.cancel()
            gc.set_threshold(*usual)
            gc.unfreeze()

    async def _ask_ipam(self, supervisor: Supervisor) -> None:
        """Begin with the IPAM, if there is one: what others use is known before the first decision,
        unless it does not say so in time.
        """
        if self.ipam is None:
            return
        supervisor.start("ipam", self.ipam.run())
        try:
            async with asyncio.timeout(FIRST_READ_SECONDS):
                await self.ipam.has_read.wait()
        except TimeoutError:
            log.warning("the IPAM does not answer; addresses are given without it")

    async def _all_synced(self, supervisor: Supervisor) -> None:
        waiting = asyncio.create_task(self._wait_for_mirrors())
        supervising = asyncio.create_task(supervisor.wait())
        try:
            await asyncio.wait((waiting, supervising), return_when=asyncio.FIRST_COMPLETED)
            if supervising.done():
                supervising.result()
        finally:
            waiting.cancel()
            supervising.cancel()

    async def _wait_for_mirrors(self) -> None:
        for mirror in self.mirrors:
            await mirror.synced.wait()

    async def _decide(self) -> None:
        limit = self._settings.concurrent_writes * _QUEUED_PER_WORKER
        while True:
            self._wake.clear()
            queued = self._queue.qsize()
            at_most = 0 if queued >= limit else None if queued else _FEW
            now = time.monotonic()
            noted = self.reconciler.catalogue.all_problems()
            actions = self.reconciler.step(now, wall_clock(), at_most)
            if self.reconciler.catalogue.all_problems() is not noted:
                self._judging.look_again()
                self._native.look_again()
            self._metrics.step_seconds.observe(time.monotonic() - now)
            for action in actions:
                if isinstance(action, PostEvent):
                    self._post(action)
                else:
                    turn = _TURN.get(action.target.kind, _FIRST)
                    self._queue.put_nowait((turn, next(self._numbers), action))
            if at_most != 0 and self.reconciler.has_work():
                await asyncio.sleep(0)
            else:
                await self._pause()

    async def _pause(self) -> None:
        due_at = self.reconciler.get_timer()
        if due_at is None or self._queue.qsize():
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(max(0.0, due_at - time.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _work(self) -> None:
        while True:
            _, _, write = await self._queue.get()
            began_at = time.monotonic()
            result = await self._writer.carry_out(write)
            now = time.monotonic()
            self._metrics.count_write(write, result.outcome, now - began_at)
            self.reconciler.done(write, result, now)
            self._wake.set()

    def _post(self, event: PostEvent) -> None:
        kind = "Warning" if event.is_warning else "Normal"
        log.info("%s: %s: %s", event.about.key, event.reason, event.message)
        self._events.post(event.about.to_object(), kind, event.reason, event.message)


_STATUS_KINDS = {
    TargetKind.CLASS_STATUS: ConfigKind.CLASSES,
    TargetKind.POOL_STATUS: ConfigKind.POOLS,
    TargetKind.NATIVE_POOL_STATUS: ConfigKind.NATIVE_POOLS,
}
