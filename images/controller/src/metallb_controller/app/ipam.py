"""Keeps an external IPAM and the ledger told of each other, beside the reconciler.

    ledger, hostnames ──► plan ──► objects of ours in the IPAM
    reconciler        ◄── what others use of our ranges

All is read anew at an interval, when the ranges of pools change, and after anything went wrong.
Between two reads it is known what the IPAM has, so a change of the ledger costs one write. An IPAM
that does not answer changes nothing: what it said last stays in force, and it is tried again, less
and less often. Nothing here ends the term.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final, assert_never

from metallb.kube.backoff import Backoff
from metallb.net.ranges import RangeSet
from metallb_controller.app.netbox import NetBox
from metallb_controller.ipam.model import Contents, Failure, IpamError, RefusedError
from metallb_controller.ipam.plan import Conflict, Disagreement, entries, plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from metallb.kube.events import EventPoster
    from metallb.net.addresses import IPAddress
    from metallb.net.ranges import AddressRange
    from metallb_controller.app.netbox import NetBoxSettings
    from metallb_controller.ipam.model import Entry, Ipam, Registered
    from metallb_controller.ipam.plan import Plan
    from metallb_controller.reconcile.engine import Reconciler

FIRST_READ_SECONDS: Final = 3.0
"""So long the first decisions of a term wait for what others use; a leader knows nothing yet."""

DELAY_SECONDS: Final = 1.0
"""Changes of the ledger are collected for so long."""

LONGEST_DELAY_SECONDS: Final = 60.0
"""Between two attempts at an IPAM that does not answer."""

WRITES_PER_ROUND: Final = 100
"""Then it is looked again at what is to be written: meanwhile the ledger has changed."""

EVENT_REASON: Final = "IPAMConflict"

log = logging.getLogger(__name__)


def connect(settings: NetBoxSettings) -> Ipam:
    """Make the client of the IPAM that is configured."""
    return NetBox(settings)


class IpamSync:
    """One term's work with an IPAM; `wake` lets the reconciler look at what it was told."""

    def __init__(
        self,
        ipam: Ipam,
        reconciler: Reconciler,
        events: EventPoster,
        wake: Callable[[], None],
        interval_seconds: float,
    ) -> None:
        self._ipam = ipam
        self._reconciler = reconciler
        self._events = events
        self._wake = wake
        self._interval = interval_seconds
        self._changed = asyncio.Event()
        self._has_decided = False
        self._ours: dict[int, Registered] = {}
        self._read_ranges: tuple[AddressRange, ...] | None = None
        self._read_due_at = 0.0
        self._refused: dict[IPAddress, tuple[Entry, str]] = {}
        self._stuck: set[int] = set()
        self.has_read = asyncio.Event()
        """Set once it is known what others use."""
        self.last_success_at = 0.0
        """When the IPAM last had all that it is to have, in seconds since 1970; 0: never yet."""
        self.errors: Counter[Failure] = Counter()
        self.conflicts: tuple[Conflict, ...] = ()

    @property
    def foreign(self) -> int:
        """How many addresses of our ranges others use, as far as is known."""
        return sum(use.range.size for use in self._reconciler.catalogue.foreign)

    @property
    def objects(self) -> int:
        """How many objects of ours the IPAM has, as far as is known."""
        return len(self._ours)

    def look_again(self) -> None:
        """Take in that the ledger, a Service or a pool has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        backoff = Backoff(random.random, first=1.0, limit=LONGEST_DELAY_SECONDS)
        try:
            while True:
                self._changed.clear()
                try:
                    has_more = await self._round()
                except Exception as error:  # an IPAM must not end the term
                    await asyncio.sleep(self._failed(error, backoff))
                    continue
                backoff.reset()
                if not has_more:
                    await self._pause()
        finally:
            await self._ipam.close()

    def _failed(self, error: Exception, backoff: Backoff) -> float:
        """Note that something went wrong; gives how long to wait. All is read anew then."""
        self._read_ranges = None
        if isinstance(error, IpamError):
            self.errors[error.reason] += 1
            delay = backoff.next_delay(error.retry_after_seconds)
            log.warning("the IPAM: %s; tried again in %.0f s", error, delay)
            return delay
        self.errors[Failure.UNEXPECTED] += 1
        log.error("work with the IPAM failed", exc_info=error)
        return backoff.next_delay()

    async def _pause(self) -> None:
        """Wait for a change, or until it is time to read."""
        try:
            async with asyncio.timeout(max(0.0, self._read_due_at - time.monotonic())):
                await self._changed.wait()
        except TimeoutError:
            return
        await asyncio.sleep(DELAY_SECONDS)

    # -- one round -------------------------------------------------------------------------------

    async def _round(self) -> bool:
        """Read if it is time to, and write what differs; tells whether there is more to write."""
        ranges = self._ranges()
        if ranges != self._read_ranges or time.monotonic() >= self._read_due_at:
            await self._read(ranges)
        self._has_decided |= not self._reconciler.undecided
        if not self._has_decided:  # hostnames are not known yet
            self._changed.set()
            return False
        wanted = self._wanted()
        found = plan(
            wanted, Contents(tuple(self._ours.values()), self._reconciler.catalogue.foreign)
        )
        if await self._write(found):
            return True
        self._tell(found, wanted)
        self.last_success_at = time.time()
        return False

    def _ranges(self) -> tuple[AddressRange, ...]:
        spaces = self._reconciler.catalogue.spaces.values()
        return tuple(RangeSet(item for space in spaces for item in space.ranges))

    async def _read(self, ranges: tuple[AddressRange, ...]) -> None:
        contents = await self._ipam.read(ranges)
        self._ours = {item.id: item for item in contents.ours}
        self._read_ranges = ranges
        self._read_due_at = time.monotonic() + self._interval
        self._refused.clear()
        self._stuck.clear()
        self._reconciler.observe_foreign(contents.others)
        self.has_read.set()
        self._wake()

    def _wanted(self) -> dict[IPAddress, Entry]:
        verdicts = self._reconciler.assignments.verdicts.items()
        hostnames = {key: verdict.hostname for key, verdict in verdicts if verdict.hostname}
        return entries(self._reconciler.observed.vips.values(), hostnames)

    async def _write(self, found: Plan) -> bool:
        """Write what differs, but for what was refused; tells whether something is left."""
        writes: list[Callable[[], Awaitable[None]]] = [
            partial(self._release, item) for item in found.release if item.id not in self._stuck
        ]
        writes += [
            partial(self._change, item, entry)
            for item, entry in found.change
            if not self._is_refused(entry)
        ]
        writes += [
            partial(self._register, entry)
            for entry in found.register
            if not self._is_refused(entry)
        ]
        for write in writes[:WRITES_PER_ROUND]:
            await write()
        return len(writes) > WRITES_PER_ROUND

    def _is_refused(self, entry: Entry) -> bool:
        refused = self._refused.get(entry.address)
        return refused is not None and refused[0] == entry

    async def _release(self, item: Registered) -> None:
        try:
            await self._ipam.release(item)
        except RefusedError as error:
            log.warning("the IPAM does not let go of %s: %s", item.entry.address, error)
            self._stuck.add(item.id)
        else:
            del self._ours[item.id]

    async def _change(self, item: Registered, entry: Entry) -> None:
        try:
            self._ours[item.id] = await self._ipam.change(item, entry)
        except RefusedError as error:
            self._refused[entry.address] = entry, str(error)
        else:
            self._refused.pop(entry.address, None)

    async def _register(self, entry: Entry) -> None:
        try:
            made = await self._ipam.register(entry)
        except RefusedError as error:
            self._refused[entry.address] = entry, str(error)
        else:
            self._ours[made.id] = made
            self._refused.pop(entry.address, None)

    # -- conflicts -------------------------------------------------------------------------------

    def _tell(self, found: Plan, wanted: Mapping[IPAddress, Entry]) -> None:
        """Tell of the addresses that the IPAM does not let us have, each once."""
        refused = tuple(
            Conflict(address, Disagreement.REFUSED, words)
            for address, (entry, words) in self._refused.items()
            if wanted.get(address) == entry
        )
        known = {(item.address, item.reason) for item in self.conflicts}
        self.conflicts = (*found.conflicts, *refused)
        for item in self.conflicts:
            if (item.address, item.reason) not in known:
                self._post(item)

    def _post(self, conflict: Conflict) -> None:
        words = conflict_words(conflict)
        log.warning("%s", words)
        observed = self._reconciler.observed
        vip = observed.vips.get(conflict.address)
        for key in () if vip is None else vip.spec.services:
            if (service := observed.services.get(key)) is not None:
                about = service.reference().to_object()
                self._events.post(about, "Warning", EVENT_REASON, words)


def conflict_words(conflict: Conflict) -> str:
    """Say what an IPAM and the ledger do not agree about, and what would be right."""
    match conflict.reason:
        case Disagreement.USED_BY_OTHERS:
            return (
                f"{conflict.address} stays with its Service, but in the IPAM it is used by "
                f"{conflict.words}; correct the IPAM, or let the Service go to another address"
            )
        case Disagreement.REFUSED:
            return (
                f"{conflict.address} stays with its Service, but the IPAM does not take it: "
                f"{conflict.words}"
            )
        case _:
            assert_never(conflict.reason)
