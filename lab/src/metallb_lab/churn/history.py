"""What must hold at every moment of a cluster's history; pure.

Changes of Services and VirtualIPs go in, in the order of their versions, and what was wrong comes
out as violations, each with the last changes that had to do with the address.

    1  a status shows an address only while the ledger names that very Service for it
    2  who joins the holders of an address may share it with each of them
    3  a Service that nobody touches keeps what it shows

The second is judged by what Services asked for lately, not at that very version: who decided may
have seen a Service as it was a moment ago. `behind_seconds` tells how far back that was at most. In
the end there is no such allowance (`strictly`).
The rule of sharing is told here once more, on purpose: it is a second opinion.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from metallb.api.services import Service
from metallb.api.virtual_ips import TrafficPolicy, VirtualIP
from metallb.net.addresses import address_from_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metallb.api.meta import ObjectKey

SERVICE = "Service"
VIRTUAL_IP = "VirtualIP"
LATELY_SECONDS = 30.0
KEPT_SECONDS = 300.0
"""How long it is known what a Service asked for, to tell how old what was decided on was."""
TRAIL = 12
"""So many changes of an address are told with a violation."""


class Change(NamedTuple):
    """An object as it was from a version on, None when it was gone; `seen_at` in seconds."""

    version: int
    kind: str
    key: ObjectKey
    value: Service | VirtualIP | None
    seen_at: float


class Sequence:
    """Puts the changes of several watches into the order of their versions.

    A change is let out when all watches have told what there was until then.
    """

    def __init__(self, *kinds: str) -> None:
        self._reached = dict.fromkeys(kinds, 0)
        self._waiting: list[tuple[int, int, Change]] = []
        self._numbers = itertools.count()

    def add(self, change: Change) -> None:
        """Take in a change of a watch, and all that this watch had to tell before it."""
        heapq.heappush(self._waiting, (change.version, next(self._numbers), change))
        self.reach(change.kind, change.version)

    def reach(self, kind: str, version: int) -> None:
        """Take in that a watch has told everything until a version."""
        self._reached[kind] = max(self._reached[kind], version)

    def take(self, *, is_complete: bool = False) -> Iterator[Change]:
        """Give what can be told in order by now; all of it when the watches are complete."""
        until = min(self._reached.values())
        while self._waiting and (is_complete or self._waiting[0][0] <= until):
            yield heapq.heappop(self._waiting)[2]


class Wish(NamedTuple):
    """What of a Service decides with whom it may share."""

    keys: frozenset[str]
    ports: frozenset[tuple[str, int]]
    backend: tuple[tuple[str, str], ...] | None

    def goes_with(self, other: Wish) -> bool:
        """Tell whether two Services may share an address."""
        return (
            bool(self.keys & other.keys)
            and not self.ports & other.ports
            and self.backend == other.backend
        )


def wish_of(service: Service) -> Wish:
    """Read what a Service asks for; its key may be told by either dialect."""
    keys = {service.sharing_annotation, service.native_sharing_annotation}
    is_local = service.traffic_policy is TrafficPolicy.LOCAL
    return Wish(
        frozenset(key.strip() for key in keys if key and key.strip()),
        frozenset((port.protocol, port.port) for port in service.ports),
        service.selector if is_local else None,
    )


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be."""

    version: int
    text: str
    trail: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n    ".join([f"at version {self.version}: {self.text}", *self.trail])


@dataclass(slots=True)
class _Wishes:
    """What a Service asks for, and what it asked for before, with when it ceased to."""

    now: Wish | None = None
    before: deque[tuple[float, Wish]] = field(default_factory=deque)

    def change(self, wish: Wish | None, seen_at: float) -> None:
        if self.now is not None and wish != self.now:
            self.before.append((seen_at, self.now))
        self.now = wish
        self._forget(seen_at)

    def _forget(self, now: float) -> None:
        while self.before and self.before[0][0] < now - KEPT_SECONDS:
            self.before.popleft()

    def known(self, now: float) -> list[tuple[float, Wish]]:
        """Give what is asked for, and was before, each with how long ago it ceased to be."""
        self._forget(now)
        found = [(now - at, wish) for at, wish in self.before]
        return found if self.now is None else [*found, (0.0, self.now)]


class History:
    """Follows Services and the ledger; `violations` are what was found so far."""

    def __init__(self, steady: frozenset[ObjectKey] = frozenset()) -> None:
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self.joins = 0
        """How often somebody came to an address that another held."""
        self.behind_seconds = 0.0
        """How long ago two ceased to go together, at most, who were put together."""
        self._steady = steady
        self._version = 0
        self._shown: dict[ObjectKey, frozenset[str]] = {}
        self._ledger: dict[str, frozenset[ObjectKey]] = {}
        self._wishes: defaultdict[ObjectKey, _Wishes] = defaultdict(_Wishes)
        self._trails: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=TRAIL))

    def take(self, change: Change) -> None:
        """Take in the next change."""
        self.counts[change.kind] += 1
        self._version = change.version
        value = change.value
        if change.kind == SERVICE:
            self._take_service(change, value if isinstance(value, Service) else None)
        else:
            self._take_entry(change, value if isinstance(value, VirtualIP) else None)

    def _wrong(self, address: str, text: str) -> None:
        self.violations.append(Violation(self._version, text, tuple(self._trails[address])))

    # -- Services ----------------------------------------------------------------------------------

    def _take_service(self, change: Change, service: Service | None) -> None:
        key = change.key
        self._wishes[key].change(None if service is None else wish_of(service), change.seen_at)
        before = self._shown.get(key, frozenset())
        shown = (
            frozenset(item.ip for item in service.ingress if item.ip) if service else frozenset()
        )
        for address in sorted(before ^ shown):
            verb = "shows" if address in shown else "shows no more"
            self._trails[address].append(f"{change.version}: {key} {verb} {address}")
        for address in sorted(shown - before):
            if key not in self._ledger.get(address, frozenset()):
                holders = self._named(self._ledger.get(address))
                self._wrong(address, f"{key} shows {address}, which the ledger has for {holders}")
        if key in self._steady and before and shown != before:
            (address, *_) = sorted(before)
            self._wrong(
                address,
                f"{key}, which nobody touches, shows {sorted(shown)} after {sorted(before)}",
            )
        self._shown[key] = shown
        if service is None:
            del self._shown[key]

    # -- the ledger --------------------------------------------------------------------------------

    def _take_entry(self, change: Change, vip: VirtualIP | None) -> None:
        address = str(address_from_name(change.key.name))
        before = self._ledger.get(address, frozenset())
        holders = frozenset() if vip is None else frozenset(vip.spec.services)
        if before != holders or vip is None:
            told = "is struck" if vip is None else f"is held by {self._named(holders)}"
            self._trails[address].append(f"{change.version}: {address} {told}")
        for key in sorted(before - holders):
            if address in self._shown.get(key, frozenset()):
                self._wrong(address, f"{address} is taken from {key}, whose status still shows it")
        self._judge_joining(change, address, before, holders)
        if vip is None:
            self._ledger.pop(address, None)
        else:
            self._ledger[address] = holders

    def _judge_joining(
        self, change: Change, address: str, before: frozenset[ObjectKey],
        holders: frozenset[ObjectKey],
    ) -> None:  # fmt: skip
        for key in sorted(holders - before):
            for other in sorted(holders - {key}):
                self.joins += 1
                behind = self._behind(key, other, change.seen_at)
                if behind is not None:
                    self.behind_seconds = max(self.behind_seconds, behind)
                if behind is None or behind > LATELY_SECONDS:
                    since = "" if behind is None else f" since {behind:.1f} s"
                    self._wrong(
                        address,
                        f"{address} is given to {key}, though {other} holds it,"
                        f" who may not share{since}",
                    )

    def _behind(self, key: ObjectKey, other: ObjectKey, now: float) -> float | None:
        """Tell how long ago two could share last; 0: they can; None: it is not known that ever."""
        pairs = itertools.product(self._wishes[key].known(now), self._wishes[other].known(now))
        return min(
            (
                max(mine_ago, their_ago)
                for (mine_ago, mine), (their_ago, theirs) in pairs
                if mine.goes_with(theirs)
            ),
            default=None,
        )

    def strictly(self) -> None:
        """Judge what is there now, when all has come to rest, without any allowance."""
        for address, holders in self._ledger.items():
            for one, other in itertools.combinations(sorted(holders), 2):
                mine, theirs = self._wishes[one].now, self._wishes[other].now
                if mine is None or theirs is None or not mine.goes_with(theirs):
                    self._wrong(address, f"{one} and {other} may not share {address}")

    @staticmethod
    def _named(holders: frozenset[ObjectKey] | None) -> str:
        return ", ".join(map(str, sorted(holders))) if holders else "nobody"
