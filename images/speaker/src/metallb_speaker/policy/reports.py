"""The speaker's reports: who announces a VIP, into the status of its VirtualIP.

One VIP's reports follow each other; of those that wait only the newest is written, at a bounded
rate. The node that begins to announce writes; one whose VIP was taken over has nothing to add. A
node that stops with nobody to follow (no endpoint, no interface) says so, if the status still
names it.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from metallb.api.meta import GROUP
from metallb.kube.client import Resource
from metallb.kube.errors import TRANSPORT_ERRORS, ApiError, ConflictError, NotFoundError
from metallb.net.addresses import object_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.client import ApiClient, JsonObject
    from metallb.net.addresses import IPAddress
    from metallb_speaker.control import AnnouncedLine

VIRTUAL_IPS = Resource(GROUP, "v1alpha1", "virtualips", is_namespaced=False)

TRANSITIONS_KEPT = 5
WRITES_PER_SECOND = 100.0
WRITES_BURST = 200
WRITERS = 4
RETRY_SECONDS = 1.0

NOT_ANNOUNCED = "NotAnnounced"
"""Reason of a withdrawal that nobody was told the reason of."""

log = logging.getLogger(__name__)


def time_text(seconds: float) -> str:
    """Write a wall-clock time (RFC 3339, UTC, microseconds)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Reports:
    """Writes statuses; `find` gives a VirtualIP as last seen, `feed` takes the server's answer."""

    def __init__(
        self,
        client: ApiClient,
        node: str,
        find: Callable[[IPAddress], VirtualIP | None],
        feed: Callable[[JsonObject], None],
        wall: Callable[[], float],
    ) -> None:
        self._client = client
        self._node = node
        self._find = find
        self._feed = feed
        self._wall = wall
        self._lines: dict[IPAddress, AnnouncedLine] = {}
        self._withdrawn: dict[IPAddress, str] = {}
        self._conflicts: dict[IPAddress, tuple[str, str]] = {}
        self._pending: dict[IPAddress, None] = {}
        self._writing: set[IPAddress] = set()
        self._something = asyncio.Event()
        self._nothing = asyncio.Event()
        self._tokens = float(WRITES_BURST)
        self._filled_at = 0.0
        self.failures = 0

    @property
    def announced(self) -> dict[IPAddress, AnnouncedLine]:
        """The VIPs that reflex announces."""
        return self._lines

    @property
    def conflicts(self) -> Collection[IPAddress]:
        """The VIPs that another station claims too."""
        return self._conflicts

    # -- what reflex says --------------------------------------------------------------------------

    def forget_all(self) -> None:
        """Take in that reflex will say anew what it announces."""
        self._lines.clear()

    def announce(self, line: AnnouncedLine) -> None:
        """Take in that a VIP is announced."""
        self._lines[line.address] = line
        self._withdrawn.pop(line.address, None)
        self._mark(line.address)

    def withdraw(self, address: IPAddress, reason: str) -> None:
        """Take in that a VIP is announced no more."""
        self._lines.pop(address, None)
        self._conflicts.pop(address, None)
        if reason not in ("TakenOver", "Released"):
            self._withdrawn[address] = reason
            self._mark(address)

    def conflict(self, address: IPAddress, mac: str, interface: str) -> None:
        """Take in that another station claims a VIP; an empty MAC: no more."""
        if mac:
            self._conflicts[address] = (mac, interface)
        else:
            self._conflicts.pop(address, None)
        self._mark(address)

    def audit(self) -> None:
        """Mark the statuses that say other than reflex does."""
        for address, line in self._lines.items():
            vip = self._find(address)
            if vip is not None and not self._says(vip, line):
                self._mark(address)

    def audit_others(self, vips: Iterable[VirtualIP]) -> None:
        """Mark the statuses that still name this node for what it announces no more.

        So it is when it was withdrawn while nobody was here to be told, and nobody has taken it.
        """
        for vip in vips:
            address = vip.spec.address
            if _names(vip, self._node) and address not in self._lines:
                self._withdrawn.setdefault(address, NOT_ANNOUNCED)
                self._mark(address)

    def _says(self, vip: VirtualIP, line: AnnouncedLine) -> bool:
        if not vip.status.announcers:
            return False
        first = vip.status.announcers[0]
        conflict = any(item.type == "Conflict" and item.is_true for item in vip.status.conditions)
        return (first.node, first.since, first.interfaces, conflict) == (
            self._node,
            time_text(line.at),
            line.interfaces,
            line.address in self._conflicts,
        )

    def _mark(self, address: IPAddress) -> None:
        self._pending[address] = None
        self._nothing.clear()
        self._something.set()

    # -- writing -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write until cancelled."""
        await asyncio.gather(*(self._write_some() for _ in range(WRITERS)))

    async def written(self) -> None:
        """Wait until nothing is left to be written."""
        await self._nothing.wait()

    async def _write_some(self) -> None:
        while True:
            address = self._next()
            if address is None:
                self._something.clear()
                if not self._writing:
                    self._nothing.set()
                await self._something.wait()
                continue
            self._writing.add(address)
            try:
                await self._take_token()
                await self._write(address)
            finally:
                self._writing.discard(address)

    def _next(self) -> IPAddress | None:
        address = next((item for item in self._pending if item not in self._writing), None)
        if address is not None:
            del self._pending[address]
        return address

    async def _take_token(self) -> None:
        now = asyncio.get_running_loop().time()
        gained = (now - self._filled_at) * WRITES_PER_SECOND
        self._tokens = min(WRITES_BURST, self._tokens + gained)
        self._filled_at = now
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / WRITES_PER_SECOND)

    async def _write(self, address: IPAddress) -> None:
        vip = self._find(address)
        status = None if vip is None else self._status(address, vip)
        if vip is None or status is None:
            return
        metadata = {"uid": vip.meta.uid}
        if not status["announcers"]:  # it counts only while nobody else has said something
            metadata["resourceVersion"] = vip.meta.resource_version
        body = {"metadata": metadata, "status": status}
        try:
            answer = await self._client.patch(
                VIRTUAL_IPS, object_name(address), body, subresource="status"
            )
            self._feed(answer)
        except NotFoundError:
            return  # it was released
        except ConflictError:
            await self._look_again(address, status)
        except (ApiError, *TRANSPORT_ERRORS) as error:
            self.failures += 1
            log.info("the status of %s was not written: %s", address, error)
            await asyncio.sleep(RETRY_SECONDS)
            self._mark(address)

    async def _look_again(self, address: IPAddress, status: JsonObject) -> None:
        """Wait until the newer object is seen here too, and see whether it still needs a word.

        What we announce is said again by the audit, should it be the same object.
        """
        if not status["announcers"]:
            self._withdrawn.setdefault(address, status["conditions"][0]["reason"])
            await asyncio.sleep(RETRY_SECONDS)
            self._mark(address)

    def _status(self, address: IPAddress, vip: VirtualIP) -> dict[str, Any] | None:
        line = self._lines.get(address)
        if line is not None:
            return None if self._says(vip, line) else self._announced_status(line, vip)
        reason = self._withdrawn.pop(address, None)
        if reason is None or not _names(vip, self._node):
            return None
        now = time_text(self._wall())
        return {
            "announcers": [],
            "conditions": [_condition("Announced", False, reason, "", now)],
        }

    def _announced_status(self, line: AnnouncedLine, vip: VirtualIP) -> dict[str, Any]:
        at = time_text(line.at)
        announcer = {"node": self._node, "since": at, "reason": line.reason}
        conditions = [_condition("Announced", True, line.reason, f"by node {self._node}", at)]
        if line.address in self._conflicts:
            mac, interface = self._conflicts[line.address]
            message = f"station {mac} on {interface} claims the address too"
            conditions.append(
                _condition("Conflict", True, "ClaimedByOther", message, time_text(self._wall()))
            )
        transitions = [item for item in vip.status.transitions if item.get("at") != at]
        if len(transitions) == len(vip.status.transitions):
            transitions.insert(0, self._transition(line, at, vip))
        return {
            "announcers": [{**announcer, "interfaces": list(line.interfaces)}],
            "conditions": conditions,
            "transitions": transitions[:TRANSITIONS_KEPT],
        }

    def _transition(self, line: AnnouncedLine, at: str, vip: VirtualIP) -> dict[str, Any]:
        before = vip.status.announcers[0].node if vip.status.announcers else ""
        found: dict[str, Any] = {
            "at": at,
            "from": line.previous or before,
            "to": self._node,
            "reason": line.reason,
        }
        if line.outage_seconds is not None:
            found["outageMilliseconds"] = round(line.outage_seconds * 1000)
        return found


def _names(vip: VirtualIP, node: str) -> bool:
    return bool(vip.status.announcers) and vip.status.announcers[0].node == node


def _condition(kind: str, is_true: bool, reason: str, message: str, at: str) -> dict[str, str]:
    return {
        "type": kind,
        "status": "True" if is_true else "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": at,
    }
