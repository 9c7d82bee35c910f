"""Writes that are under way, and what follows from how they end.

One write a target is under way at a time. One that failed is tried again after a while, by looking
at its target as it is then; meanwhile what it may have done unseen is in doubt (`doubts`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.net.addresses import address_from_name
from metallb_controller.reconcile.model import (
    CreateVirtualIP,
    DeleteVirtualIP,
    Outcome,
    PatchServiceStatus,
    TargetKind,
    UpdateVirtualIP,
)
from metallb_controller.reconcile.queues import Retries

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.api.meta import ObjectKey
    from metallb.api.virtual_ips import VirtualIP
    from metallb.net.addresses import IPAddress
    from metallb_controller.allocator.state import Allocator
    from metallb_controller.reconcile.agenda import Agenda
    from metallb_controller.reconcile.doubts import Doubts
    from metallb_controller.reconcile.ledger import Ledger
    from metallb_controller.reconcile.model import (
        PostEvent,
        ReconcilerSettings,
        Result,
        Target,
        Write,
    )
    from metallb_controller.reconcile.observed import Observed


class Outcomes:
    """Judges how writes end; `strike` is told of ledger entries that are gone for certain.

    `under_way` has, for each write, the Events to post when it has succeeded.
    """

    def __init__(
        self,
        settings: ReconcilerSettings,
        observed: Observed,
        allocator: Allocator,
        ledger: Ledger,
        agenda: Agenda,
        doubts: Doubts,
        *,
        strike: Callable[[IPAddress], None],
    ) -> None:
        self._settings = settings
        self._observed = observed
        self._allocator = allocator
        self._ledger = ledger
        self._agenda = agenda
        self._doubts = doubts
        self._observe_gone = strike
        self._retries = Retries(settings.retry_first_seconds, settings.retry_limit_seconds)
        self.under_way: dict[Target, tuple[PostEvent, ...]] = {}

    def next_at(self) -> float | None:
        """Tell when a target is to be looked at again."""
        return self._retries.next_at()

    def look_at_due(self, now: float) -> None:
        """Look again at the targets whose time has come."""
        for target in self._retries.take_due(now):
            self._look_at_target(target)

    def done(self, write: Write, result: Result, now: float) -> tuple[PostEvent, ...]:
        """Take in how a write ended; gives the Events that are to be posted because of it."""
        events = self.under_way.pop(write.target)
        if result.outcome is Outcome.DONE:
            self._retries.succeeded(write.target)
            self._believe(write)
            self._look_at_target(write.target)
            return events
        limit = self._settings.retry_limit_seconds
        at_least = limit if result.outcome is Outcome.REFUSED else result.retry_after_seconds
        self._retries.failed(write.target, now, at_least)
        self._look_at_holders(write.target)
        self._judge(write, result)
        return ()

    def _believe(self, write: Write) -> None:
        """Take in that a write has succeeded."""
        match write:
            case PatchServiceStatus():
                self._doubts.patch_answered(write.target.key)
            case DeleteVirtualIP():
                self._strike(write.vip)
            case CreateVirtualIP() | UpdateVirtualIP():
                self._doubts.vip_answered(address_from_name(write.target.key.name))

    def _judge(self, write: Write, result: Result) -> None:
        """Take in that a write failed: it may have taken effect, found nothing, or never will."""
        outcome = result.outcome
        if outcome is Outcome.REFUSED and write.target.kind is TargetKind.VIRTUAL_IP:
            self._doubts.vip_refused(address_from_name(write.target.key.name), result.words)
        if isinstance(write, PatchServiceStatus):
            key = write.target.key
            self._doubts.patch_failed(write, outcome, self._observed.services.get(key))
            self.look_at_leaving(key)
        elif isinstance(write, UpdateVirtualIP | DeleteVirtualIP):
            vip = write.before if isinstance(write, UpdateVirtualIP) else write.vip
            seen = self._observed.vips.get(vip.spec.address)
            if seen is None or seen.meta.uid != vip.meta.uid:
                return
            if outcome is Outcome.GONE:
                self._strike(vip)
            elif outcome is Outcome.FAILED:
                self._doubts.vip_unanswered(seen)

    def _strike(self, vip: VirtualIP) -> None:
        self._doubts.strike(vip)
        self._observe_gone(vip.spec.address)

    # -- what is to be looked at again -----------------------------------------------------------

    def look_at_leaving(self, key: ObjectKey) -> None:
        """Look at the addresses that a Service is losing: its status may have let go of them."""
        for address in self._allocator.addresses_of(key):
            if self._ledger.is_leaving(address, key):
                self._agenda.vips[address] = None

    def _look_at_target(self, target: Target) -> None:
        self._agenda.add_target(target)
        self._look_at_holders(target)
        if target.kind is TargetKind.SERVICE_STATUS:
            self.look_at_leaving(target.key)

    def _look_at_holders(self, target: Target) -> None:
        """Look at the statuses that wait for an entry of the ledger."""
        if target.kind is TargetKind.VIRTUAL_IP:
            address = address_from_name(target.key.name)
            self._agenda.add_statuses(self._allocator.holders(address))
