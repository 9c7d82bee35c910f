"""Leader election by a Lease (coordination.k8s.io/v1), with a fence around the leader's writes.

The rules are Kubernetes' own: a candidate may take the Lease when it is free, or when the record
has not changed for `lease_seconds` by the candidate's own clock (clocks of different machines are
never compared). The holder renews every `retry_seconds`.

Fencing: from the moment at which a successful renewal was *sent*, the holder may write for
`lease_seconds - margin_seconds`. After that `fence` raises, before anybody else can have taken
the Lease; and a write must be answered by then, or it is given up, by the kernel too when
`margin_seconds` is given to the client as `unacknowledged_seconds`. What a server took in just
before and carries out late is caught by preconditions: VirtualIPs are created under names that are
unique, all else carries a resourceVersion or generation.

`Election` is the core: no I/O, `now` in monotonic seconds. `Elector` is the shell.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from metallb.kube.client import Resource
from metallb.kube.errors import (
    TRANSPORT_ERRORS,
    ApiError,
    MalformedAnswerError,
    NotFoundError,
    NotLeaderError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.kube.client import ApiClient, JsonObject

LEASES = Resource("coordination.k8s.io", "v1", "leases")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ElectionSettings:
    """Times in seconds; a crashed leader is replaced after `lease_seconds` and one retry."""

    lease_seconds: float = 9.0
    retry_seconds: float = 1.5
    margin_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What the Lease says; `version` is its resourceVersion, empty when there is no Lease."""

    holder: str = ""
    transitions: int = 0
    version: str = ""


class Election:
    """Decides whether to try for the Lease, and until when its holder may write."""

    def __init__(self, identity: str, settings: ElectionSettings | None = None) -> None:
        self.identity = identity
        self.settings = settings or ElectionSettings()
        self._record = LeaseRecord()
        self._observed_at = float("-inf")
        self._valid_until = float("-inf")

    @property
    def record(self) -> LeaseRecord:
        """The record as last observed."""
        return self._record

    def observe(self, record: LeaseRecord, now: float) -> None:
        """Take in what the Lease says."""
        if record != self._record:
            self._record = record
            self._observed_at = now
        if record.holder != self.identity:
            self._valid_until = float("-inf")

    def may_try(self, now: float) -> bool:
        """Tell whether to write ourselves in: we hold it, nobody does, or the holder is silent."""
        return (
            self._record.holder in ("", self.identity)
            or now - self._observed_at >= self.settings.lease_seconds
        )

    def won(self, record: LeaseRecord, sent_at: float) -> None:
        """Take in that our write, sent at that time, was accepted."""
        self.observe(record, sent_at)
        self._valid_until = sent_at + self.settings.lease_seconds - self.settings.margin_seconds

    def resign(self) -> None:
        """Stop writing at once."""
        self._valid_until = float("-inf")

    def is_leader(self, now: float) -> bool:
        """Tell whether writes are allowed."""
        return now < self._valid_until

    def seconds_left(self, now: float) -> float:
        """Tell for how long writes are allowed; negative when they are not."""
        return self._valid_until - now

    def fence(self, now: float) -> float:
        """Give the seconds within which a write must be done; raises NotLeaderError."""
        left = self.seconds_left(now)
        if left <= 0:
            raise NotLeaderError(f"{self.identity} does not hold the lease")
        return left


class Elector:
    """Keeps trying for the Lease, keeps it, and says so by the events `leading` and `following`."""

    def __init__(
        self,
        client: ApiClient,
        election: Election,
        namespace: str,
        name: str,
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._clock = clock
        self.election = election
        self.leading = asyncio.Event()
        self.following = asyncio.Event()
        self.following.set()
        self.has_answer = False
        """Whether the server has ever told of the Lease."""

    def fence(self) -> float:
        """See `Election.fence`; to be given to the client that writes."""
        return self.election.fence(self._clock())

    async def run(self) -> None:
        """Take part until cancelled; then give the Lease back."""
        try:
            while True:
                await self._attempt()
                self._signal()
                await asyncio.sleep(self._pause())
        finally:
            self.election.resign()
            self._signal()
            await asyncio.shield(self._release())

    def _pause(self) -> float:
        """Wake early when the right to write runs out before the next attempt."""
        left = self.election.seconds_left(self._clock())
        retry = self.election.settings.retry_seconds
        return min(retry, left) if left > 0 else retry

    def _signal(self) -> None:
        if self.election.is_leader(self._clock()):
            if not self.leading.is_set():
                log.info("leading as %s", self.election.identity)
            self.leading.set()
            self.following.clear()
        else:
            if self.leading.is_set():
                log.warning("leading no more as %s", self.election.identity)
            self.leading.clear()
            self.following.set()

    async def _attempt(self) -> None:
        try:
            record, lease = await self._read()
            self.election.observe(record, self._clock())
            self.has_answer = True
            if self.election.may_try(self._clock()):
                sent_at = self._clock()
                self.election.won(await self._write(lease, self.election.identity), sent_at)
        except ApiError as error:
            log.info("lease %s: %s", self._name, error)
        except TRANSPORT_ERRORS as error:
            log.warning("lease %s: %s (%s)", self._name, type(error).__name__, error)

    async def _read(self) -> tuple[LeaseRecord, JsonObject | None]:
        path = LEASES.path(self._namespace, self._name)
        try:
            lease = await self._client.request("GET", path, timeout=self._request_seconds())
        except NotFoundError:
            return LeaseRecord(), None
        return _record(lease), lease

    def _request_seconds(self) -> float:
        return self.election.settings.lease_seconds / 3

    async def _write(self, lease: JsonObject | None, holder: str) -> LeaseRecord:
        body = self._body(lease, holder)
        path = LEASES.path(self._namespace, "" if lease is None else self._name)
        method = "POST" if lease is None else "PUT"
        timeout = self._request_seconds()
        return _record(await self._client.request(method, path, body=body, timeout=timeout))

    def _body(self, lease: JsonObject | None, holder: str) -> JsonObject:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = (lease or {}).get("spec") or {}  # what `_record` could read
        changed = before.get("holderIdentity") != holder
        transitions = int(before.get("leaseTransitions") or 0)
        metadata: dict[str, Any] = {"name": self._name, "namespace": self._namespace}
        if lease is not None:
            metadata = lease["metadata"]
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": max(1, round(self.election.settings.lease_seconds)),
                "acquireTime": now if changed else before.get("acquireTime") or now,
                "renewTime": now,
                "leaseTransitions": transitions + (1 if changed and lease is not None else 0),
            },
        }

    async def _release(self) -> None:
        try:
            record, lease = await self._read()
            if lease is not None and record.holder == self.election.identity:
                await self._write(lease, "")
        except (ApiError, *TRANSPORT_ERRORS) as error:
            log.warning("lease %s was not given back: %s", self._name, error)


def _record(lease: Any) -> LeaseRecord:
    try:
        spec, meta = lease.get("spec") or {}, lease["metadata"]
        return LeaseRecord(
            holder=str(spec.get("holderIdentity") or ""),
            transitions=int(spec.get("leaseTransitions") or 0),
            version=str(meta.get("resourceVersion") or ""),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise MalformedAnswerError(f"no Lease: {str(lease)[:200]}") from None
