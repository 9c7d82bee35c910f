"""Faults to order: what a test makes the server do wrong, to whom and how often.

A fault has a kind, a matcher and a count. The HTTP layer asks at fixed points which fault applies;
each answer uses up one of its count. Kinds:

``latency``        wait ``seconds`` before handling
``status``         answer ``code`` (429 with Retry-After, or 5xx) instead of handling
``gone``           answer 410 to a list, send a 410 ERROR event to a watch
``drop-watch``     close the connection of running watches (one use each)
``stall-watch``    keep watches open and send nothing, no bookmarks either, until removed
``partition-hang`` let requests and watches of a client hang until removed
``partition-reset`` reset connections of a client
``lose-answer``    commit the write, then close the connection without an answer
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal[
    "latency", "status", "gone", "drop-watch", "stall-watch", "partition-hang",
    "partition-reset", "lose-answer",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Subject:
    """What a matcher looks at."""

    user: str = ""
    token: str = ""
    address: str = ""
    verb: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True)
class Match:
    """Every part that is given must agree; ``resource`` is a plural, with its group or without."""

    user: str = ""
    token: str = ""
    address: str = ""
    verb: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""

    def accepts(self, subject: Subject) -> bool:
        """Whether a request is meant."""
        for part in ("user", "token", "address", "namespace", "name"):
            wanted = getattr(self, part)
            if wanted and wanted != getattr(subject, part):
                return False
        if self.verb and subject.verb not in self.verb.split(","):
            return False
        plural = subject.resource.partition(".")[0]
        return not self.resource or self.resource in (subject.resource, plural)


@dataclass(eq=False)
class Fault:
    """One fault; ``count`` None lasts until it is removed."""

    kind: Kind
    match: Match = field(default_factory=Match)
    count: int | None = None
    seconds: float = 0.0
    code: int = 503
    retry_after: int | None = None
    id: int = 0
    used: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def active(self) -> bool:
        """Whether there is a use left."""
        return not self.over.is_set() and (self.count is None or self.used < self.count)

    def shown(self) -> dict[str, Any]:
        """As the admin endpoint tells it."""
        match = {k: v for k, v in vars(self.match).items() if v}
        out = {"id": self.id, "kind": self.kind, "match": match, "used": self.used}
        return out | {"count": self.count, "seconds": self.seconds, "code": self.code,
                      "retryAfter": self.retry_after}  # fmt: skip


class Faults:
    """All faults of a server, and a count of the requests it has seen."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._ids = itertools.count(1)
        self._listeners: set[Callable[[], None]] = set()
        self.requests: Counter[tuple[str, str, str]] = Counter()

    def add(
        self,
        kind: Kind,
        match: Match | None = None,
        *,
        count: int | None = None,
        seconds: float = 0.0,
        code: int = 503,
        retry_after: int | None = None,
    ) -> Fault:
        """A new fault, in force at once."""
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; there are {', '.join(KINDS)}")
        fault = Fault(kind, match or Match(), count, seconds, code, retry_after, next(self._ids))
        self._faults[fault.id] = fault
        self._tell()
        return fault

    def remove(self, fault: Fault | int) -> bool:
        """Ends a fault; whoever hangs because of it goes on."""
        found = self._faults.pop(fault if isinstance(fault, int) else fault.id, None)
        if found is not None:
            found.over.set()
            self._tell()
        return found is not None

    def clear(self) -> None:
        """Ends all faults."""
        for fault_id in tuple(self._faults):
            self.remove(fault_id)

    def __iter__(self) -> Any:
        return iter(tuple(self._faults.values()))

    def take(self, subject: Subject, *kinds: Kind) -> Fault | None:
        """The first fault of some kinds that means this request; uses it once."""
        fault = self.peek(subject, *kinds)
        if fault is not None:
            fault.used += 1
        return fault

    def peek(self, subject: Subject, *kinds: Kind) -> Fault | None:
        """The same without using it."""
        if not self._faults:
            return None
        for fault in self._faults.values():
            if fault.kind in kinds and fault.active and fault.match.accepts(subject):
                return fault
        return None

    # ------------------------------------------------------------ for running watches

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls ``listener`` when faults come or go; returns how to stop."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    # ------------------------------------------------------------ counting

    def count(self, subject: Subject) -> None:
        """Notes a request."""
        self.requests[subject.user, subject.verb, subject.resource] += 1

    def requests_of(self, *, user: str = "", verb: str = "", resource: str = "") -> int:
        """How many requests were seen that agree with what is given."""
        return sum(
            number
            for (who, what, which), number in self.requests.items()
            if user in ("", who) and verb in ("", what) and resource in ("", which)
        )
