"""The reconciler: what was observed goes in, the writes that are needed come out.

    observe_*  ──► dirty Services ──► decision ──► dirty VirtualIPs ──► writes
                                              └──► dirty statuses ────► writes
    done(write, outcome) ──► retried with back-off, or settled by the observation that it caused

It is level-triggered: an observation only marks what may be affected, and each mark leads to a
comparison of what should be with what is, so an event that comes twice, late or out of order does
no harm. One write a target is under way at a time. Nothing is decided before `start`, when all
kinds have been observed completely: else an address could be given away whose holder is not known
yet.

Limits: one reconciler a cluster (the leader's). The caller feeds the server's answers to writes
back as observations before it calls `done`. `now` is monotonic seconds, `wall` RFC 3339 text.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from metallb_controller.allocator.state import Allocator
from metallb_controller.reconcile.agenda import Agenda
from metallb_controller.reconcile.assignments import Assignments
from metallb_controller.reconcile.catalogue import Catalogue, ConfigKind, pool_of
from metallb_controller.reconcile.deprecations import Deprecations
from metallb_controller.reconcile.doubts import Doubts
from metallb_controller.reconcile.draining import Draining
from metallb_controller.reconcile.layer2 import Layer2
from metallb_controller.reconcile.ledger import Ledger, vip_target
from metallb_controller.reconcile.model import (
    ReconcilerSettings,
    Target,
    TargetKind,
)
from metallb_controller.reconcile.observed import Observed
from metallb_controller.reconcile.outcomes import Outcomes
from metallb_controller.reconcile.queues import Pace
from metallb_controller.reconcile.reports import Reports
from metallb_controller.reconcile.silences import tell_silence
from metallb_controller.reconcile.turns import in_turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb.api.meta import ObjectKey
    from metallb.api.nodes import EndpointSlice, Node, NodeName
    from metallb.api.services import Service
    from metallb.api.speakers import Speaker
    from metallb.api.virtual_ips import VirtualIP
    from metallb.net.addresses import IPAddress
    from metallb_controller.allocator.model import ForeignUse
    from metallb_controller.reconcile.agenda import Touched
    from metallb_controller.reconcile.model import Action, PostEvent, Result, Write
    from metallb_controller.reconcile.reports import Report


class Reconciler:
    """Decides for a whole cluster; pure: all it knows was told to it."""

    def __init__(self, settings: ReconcilerSettings | None = None) -> None:
        self._settings = settings or ReconcilerSettings()
        self.observed = Observed()
        self.catalogue = Catalogue(self.observed, self._settings.rebalancing)
        self.allocator = Allocator()
        self.layer2 = Layer2(self.observed)
        self.ledger = Ledger(self.observed, self.allocator, self.layer2)
        self.assignments = Assignments(
            self.observed, self.allocator, self.ledger, self.layer2,
            self._settings.load_balancer_class,
        )  # fmt: skip
        self._draining = Draining(self.observed, self.allocator)
        self._deprecations = Deprecations()
        self._doubts = Doubts()
        self._reports = Reports(
            self.observed, self.catalogue, self.allocator, self.ledger, self.layer2,
            self.assignments, self._doubts,
        )  # fmt: skip
        self._agenda = Agenda()
        self._outcomes = Outcomes(
            self._settings, self.observed, self.allocator, self.ledger, self._agenda, self._doubts,
            strike=lambda address: self.observe_vip(address, None),
        )  # fmt: skip
        self._started = False
        self._epoch_offset: float | None = None
        self._pools_changed = True
        self._nodes_changed = True
        self._foreign_changed = False
        self._pace = Pace(
            self._settings.status_delay_seconds, self._settings.status_interval_seconds
        )
        self._events: list[PostEvent] = []

    # -- observations ----------------------------------------------------------------------------

    def observe_service(self, key: ObjectKey, service: Service | None) -> None:
        """Take in a Service, or that it is gone."""
        before = self.observed.services.get(key)
        if service is not None and not service.is_load_balancer and not self._concerns_us(service):
            service = None
        if service is None:
            if before is None:
                return
            del self.observed.services[key]
        else:
            self.observed.services[key] = service
        self._doubts.saw_service(key, service)
        if self._started:
            self._deprecations.observe(key, before, service)
        if service is None or not self._is_decided(service, before):
            self._agenda.services[key] = None
        self._agenda.statuses[key] = None
        self._outcomes.look_at_leaving(key)

    def _is_decided(self, service: Service, before: Service | None) -> bool:
        """Tell whether the decision in force would be made again."""
        if before is None or not service.asks_the_same_as(before):
            return False
        record = service.binding_record()
        if record == before.binding_record():
            return True
        verdict = self.assignments.verdicts.get(service.meta.key)
        binding = None if verdict is None else verdict.binding
        return binding is not None and record == binding.record()

    def _concerns_us(self, service: Service) -> bool:
        key = service.meta.key
        return bool(service.conditions) or bool(self.allocator.addresses_of(key))

    def observe_config(self, kind: ConfigKind, key: ObjectKey, found: Any) -> None:
        """Take in an object that pools are made of, or that it is gone (None)."""
        self._pools_changed |= self.catalogue.observe(kind, key, found)
        if (pool := pool_of(kind, key.name)) is not None:
            self._agenda.pools[pool] = None

    def observe_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """Take in the labels of a namespace, or that it is gone."""
        if labels is None:
            self.observed.namespaces.pop(name, None)
        else:
            self.observed.namespaces[name] = labels
        if self._started and any(pool.allocation for pool in self.observed.pools.values()):
            keys = (key for key in self.observed.services if key.namespace == name)
            self._agenda.services.update(dict.fromkeys(keys))

    def observe_node(self, name: NodeName, node: Node | None) -> None:
        """Take in a node, or that it is gone."""
        before = self.observed.nodes.get(name)
        if node is None:
            self.observed.nodes.pop(name, None)
        else:
            self.observed.nodes[name] = node
        if node is None or not node.places_like(before):
            self._nodes_changed = True

    def observe_speaker(self, name: NodeName, speaker: Speaker | None, now: float) -> None:
        """Take in an entry of the speakers' roll."""
        self._nodes_changed |= self.observed.roll.observe(name, speaker, now)

    def observe_foreign(self, uses: tuple[ForeignUse, ...]) -> None:
        """Take in what others use, as an IPAM says; the uses do not overlap."""
        self._foreign_changed |= uses != self.catalogue.foreign
        self.catalogue.foreign = uses

    def observe_endpoint_slice(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        """Take in a change of an EndpointSlice."""
        for key in self.observed.endpoints.observe(old, new):
            if self._started:
                self.assignments.refresh_endpoints(key)

    def observe_vip(self, address: IPAddress, vip: VirtualIP | None) -> None:
        """Take in a ledger entry, or that it is gone."""
        before = self.observed.vips.get(address)
        self._doubts.saw_vip(address, vip)
        if vip is None:
            self.observed.vips.pop(address, None)
        elif self._doubts.is_struck(vip):
            return
        else:
            self.observed.vips[address] = vip
            if self._started:
                self._note(self.assignments.restore(vip))
                self._events += tell_silence(before, vip, self.observed.services)
        if before is None or vip is None or before.spec != vip.spec:
            self._agenda.vips[address] = None
            for found in filter(None, (before, vip)):
                self._agenda.add_statuses(found.spec.services)

    # -- the start -------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Begin to decide: every kind has been observed completely."""
        self._started = True
        self._refresh_pools(now)
        for address in sorted(self.observed.vips, key=lambda item: (item.version, int(item))):
            touched = self.assignments.restore(self.observed.vips[address], is_start=True)
            self._agenda.add_touched(touched)  # all statuses are looked at below
            self._agenda.vips[address] = None
        self._agenda.vips.update(dict.fromkeys(self.layer2.take_changes()))
        self._agenda.postpone_vips()
        known = self.observed.services
        self._agenda.services = {key: None for key in self._agenda.services if key not in known}
        self._look_at_services(is_start=True)

    def _look_at_services(self, *, is_start: bool = False) -> None:
        """Look at all Services, in the order in which they are to be served."""
        turns = in_turn(self.observed.services, self.allocator, is_start=is_start)
        self._agenda.services.update(dict.fromkeys(turns))
        self._agenda.add_statuses(turns)

    def _note(self, touched: Touched) -> None:
        self._agenda.add_touched(touched)
        for address in touched.addresses:
            self._agenda.add_statuses(self.allocator.holders(address))

    # -- steps -----------------------------------------------------------------------------------

    def step(self, now: float, wall: str, at_most: int | None = None) -> list[Action]:
        """Do a bounded amount of work; gives the writes and Events that came of it.

        To be called again while `has_work`, and when `get_timer` says so. At most so many Services
        are decided about; at 0 there are writes enough, and only what has come of those that ended
        is written.
        """
        if not self._started:
            return []
        self._keep_time(now, wall)
        self._outcomes.look_at_due(now)
        self._nodes_changed |= self.observed.roll.expire(now)
        if self._pools_changed:
            self._refresh_pools(now)
            self._look_at_services()
        elif self._foreign_changed:
            self._refresh_foreign()
        if self._nodes_changed:
            self._refresh_nodes(now)
        self._review(now)
        if at_most != 0:
            self._wake_waiters()
            self._drain(now)
            self._decide(at_most or self._settings.services_per_step)
        self.layer2.rebalance(now)
        self._agenda.vips.update(dict.fromkeys(self.layer2.take_changes()))
        actions: list[Action] = [*self._vip_writes(), *self._status_writes(now, wall)]
        actions += self._events
        self._events = []
        return actions

    def _keep_time(self, now: float, wall: str) -> None:
        """Let go of the addresses that have been kept long enough."""
        if self._epoch_offset is None:
            self._epoch_offset = datetime.fromisoformat(wall).timestamp() - now
        self.assignments.epoch = now + self._epoch_offset
        self._agenda.vips.update(dict.fromkeys(self.allocator.expire(self.assignments.epoch)))

    def has_work(self) -> bool:
        """Tell whether `step` would do something at once."""
        agenda = self._agenda
        return self._started and bool(
            agenda.services
            or agenda.vips
            or agenda.later
            or self._pools_changed
            or self._nodes_changed
            or self._foreign_changed
        )

    @property
    def undecided(self) -> int:
        """Services that wait to be decided about."""
        return len(self._agenda.services)

    def get_timer(self) -> float | None:
        """Tell when `step` is to be called though nothing happens."""
        times = [self._outcomes.next_at(), self.layer2.next_move_at(), self.observed.roll.next_at()]
        times += [self._pace.next_at(self._agenda.pools), self._draining.next_at()]
        times.append(self.assignments.reviews.next_at(self.allocator.changes))
        if (expiry := self.allocator.next_expiry()) is not None:
            times.append(expiry - (self._epoch_offset or 0.0))
        return min((time for time in times if time is not None), default=None)

    def _refresh_pools(self, now: float) -> None:
        self._pools_changed = self._foreign_changed = False
        for pool, about in self.catalogue.refresh():
            held = self.allocator.capacity(pool.key).used
            self._events.append(self._reports.released_by(pool, about, held))
        self.allocator.set_pools(self.catalogue.pool_spaces())
        self.assignments.refresh_pools()
        self._draining.refresh(now)
        self.observed.endpoints.are_counted = any(
            item.is_weighted for pool in self.observed.pools.values() for item in pool.bgp
        )
        self._refresh_nodes(now)

    def _refresh_foreign(self) -> None:
        """Let the allocator know the pools; those who were refused something may have it now."""
        self._foreign_changed = False
        self.allocator.set_pools(self.catalogue.pool_spaces())
        self._agenda.services.update(dict.fromkeys(self.assignments.unmet()))
        self._agenda.pools.update(dict.fromkeys(self.observed.pools))

    def _refresh_nodes(self, now: float) -> None:
        self._nodes_changed = False
        for key in {**self.observed.pools, **dict.fromkeys(self.layer2.pools())}:
            self.layer2.refresh_pool(key, now)
            self._agenda.pools[key] = None

    def _wake_waiters(self) -> None:
        """Look at those who wait and can have something now: none of them goes empty-handed."""
        waiters = self.assignments.waiters
        for supply in waiters.supplies():
            free = self.allocator.available(supply)
            if free:
                woken = waiters.for_any(supply, free, self.assignments.seniority)
                self._agenda.services.update(dict.fromkeys(woken))

    def _review(self, now: float) -> None:
        """Look again at those who were refused something, as it may be put differently now."""
        pools = len(self.observed.pools)
        due = self.assignments.reviews.take_due(self.allocator.changes, now, pools)
        self._agenda.services.update(dict.fromkeys(due))

    def _drain(self, now: float) -> None:
        """Let those who are to leave a disabled pool do so, if they can."""
        for key, pool in self._draining.take_due(now):
            self._note(self.assignments.decide(key, leaving=pool))
            self._agenda.statuses[key] = None
            self._agenda.pools[pool] = None

    def _decide(self, count: int) -> None:
        for key in self._agenda.take_services(count):
            before = self.assignments.verdicts.get(key)
            self._note(self.assignments.decide(key))
            self._agenda.statuses[key] = None
            after = self.assignments.verdicts.get(key)
            if after is not None:
                self._events += self._deprecations.take(self.observed.services[key])
            for verdict in filter(None, (before, after)):
                self._agenda.pools.update(dict.fromkeys(verdict.pools))

    # -- writes ----------------------------------------------------------------------------------

    def _vip_writes(self) -> list[Write]:
        writes: list[Write] = []
        for address in self._agenda.take_vips():
            if vip_target(address) in self._outcomes.under_way or self._may_be_shown(address):
                continue  # looked at again when that is done
            self._note(self.assignments.settle(address))
            again = self._doubts.is_doubtful_vip(address)
            write = self.ledger.write_for(address, again=again)
            if write is not None:
                self._outcomes.under_way[write.target] = ()
                writes.append(write)
        return writes

    def _may_be_shown(self, address: IPAddress) -> bool:
        """Tell whether a status that shows an address may yet be written, or has been unseen."""
        return any(
            Target(TargetKind.SERVICE_STATUS, key) in self._outcomes.under_way
            or self._doubts.is_doubtful_status(key)
            for key in self.ledger.leaving(address)
        )

    def _status_writes(self, now: float, wall: str) -> list[Write]:
        writes: list[Write] = []
        for key in self._agenda.take_statuses():
            if not self._waits_for_ledger(key):  # else looked at again when that is written
                again = self._doubts.is_doubtful_status(key)
                self._begin(self._reports.for_service(key, wall, again=again), writes)
        for name in self._pace.take_due(self._agenda.pools, now):
            del self._agenda.pools[name]
            self._begin(self._reports.for_pool(name, wall), writes)
        return writes

    def _waits_for_ledger(self, key: ObjectKey) -> bool:
        if (
            key in self._agenda.services
            or Target(TargetKind.SERVICE_STATUS, key) in self._outcomes.under_way
        ):
            return True
        verdict = self.assignments.verdicts.get(key)
        return verdict is not None and any(
            self._doubts.is_doubtful_vip(address) or vip_target(address) in self._outcomes.under_way
            for address in verdict.wanted
        )

    def _begin(self, report: Report | None, writes: list[Write]) -> None:
        if report is not None and report.write.target not in self._outcomes.under_way:
            self._outcomes.under_way[report.write.target] = report.events
            writes.append(report.write)

    # -- outcomes --------------------------------------------------------------------------------

    def done(self, write: Write, result: Result, now: float) -> None:
        """Take in how a write ended."""
        self._events += self._outcomes.done(write, result, now)
