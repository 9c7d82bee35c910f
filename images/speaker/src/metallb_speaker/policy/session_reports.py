"""BGPSession objects: one for each peer of this node, for people to read.

Only this speaker writes those of its node. They belong to the Node object, so that they go with it.
A change of state is written within a second; a number of routes that alone has changed waits, since
it changes with every Service. What is there from before a restart is taken over or removed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from metallb.api.meta import GROUP
from metallb.kube.client import Resource
from metallb.kube.errors import (
    TRANSPORT_ERRORS,
    AlreadyExistsError,
    ApiError,
    NotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from metallb.api.meta import Metadata
    from metallb.kube.client import ApiClient
    from metallb_speaker.bgp.negotiation import Negotiated
    from metallb_speaker.peering.status import PeerStatus
    from metallb_speaker.policy.peers import Fault

SESSIONS = Resource(GROUP, "v1alpha1", "bgpsessions", is_namespaced=False)
NODE_LABEL = f"{GROUP}/node"

PACE_SECONDS = 1.0
COUNTS_SECONDS = 30.0
"""How long numbers may be behind."""

REFUSED = "Refused"
"""State of a peer that no session is opened with."""

_COUNTS = frozenset(("routes",))
_NAME_CHARACTERS = 253
_LABEL_CHARACTERS = 63
_DIGEST_CHARACTERS = 10
_TEXT_CHARACTERS = 1024

Status = dict[str, Any]

log = logging.getLogger(__name__)


def session_name(node: str, peer: str) -> str:
    """Name the object of a session; two sessions never have one name."""
    digest = hashlib.sha256(f"{node}/{peer}".encode()).hexdigest()[:_DIGEST_CHARACTERS]
    most = (_NAME_CHARACTERS - _DIGEST_CHARACTERS) // 2 - 1
    return f"{node[:most].rstrip('-.')}.{peer[:most].rstrip('-.')}-{digest}"


def session_status(found: PeerStatus, bfd: str | None, wall_of: Callable[[float], str]) -> Status:
    """Give what the object of a session says; `wall_of` makes times of the loop's readable."""
    status: Status = {
        "state": found.state.value,
        "since": wall_of(found.state_since),
        "routes": found.routes,
        "establishedCount": found.established_count,
        "peerAddress": _text(found.address),
        "localAddress": _text(found.local_address),
        "lastError": found.last_error[:_TEXT_CHARACTERS] if found.last_error else None,
        "bfd": bfd,
    }
    if found.negotiated is not None and found.is_up:
        status |= _negotiated(found.negotiated, found.keepalive_seconds)
    return {name: value for name, value in status.items() if value is not None}


def _text(address: object) -> str | None:
    return None if address is None else str(address)


def _negotiated(found: Negotiated, keepalive_seconds: float) -> Status:
    names = {
        "4-octet AS": found.four_octet_as,
        "add-path": bool(found.add_path),
        "enhanced route refresh": found.enhanced_refresh,
        "extended next hop": found.extended_next_hop,
        "graceful restart": found.peer_restart is not None,
        "route refresh": found.route_refresh,
    }
    return {
        "peerASN": found.peer_asn,
        "peerRouterID": str(IPv4Address(found.peer_router_id)),
        "holdTimeSeconds": found.hold_seconds,
        "keepaliveTimeSeconds": round(keepalive_seconds, 3),
        "families": sorted(f"IPv{4 if afi == 1 else 6}" for afi in found.families),
        "capabilities": [name for name, is_there in names.items() if is_there],
    }


def refused_status(fault: Fault, since: str) -> Status:
    """Give what the object says of a peer that no session is opened with."""
    text = f"{fault.reason}: {fault.message}"[:_TEXT_CHARACTERS]
    return {"state": REFUSED, "since": since, "lastError": text}


class SessionReports:
    """Keeps the objects; `look` gives the statuses that they should have, by peer."""

    def __init__(
        self,
        client: ApiClient,
        node: str,
        look: Callable[[], Mapping[str, Status]],
        owner: Callable[[], Metadata | None],
    ) -> None:
        self._client = client
        self._node = node
        self._look = look
        self._owner = owner
        self._changed = asyncio.Event()
        self._written: dict[str, Status] = {}
        self._counted_at: dict[str, float] = {}

    def changed(self) -> None:
        """Take in that something may be other."""
        self._changed.set()

    async def run(self) -> None:
        """Write until cancelled."""
        loop = asyncio.get_running_loop()
        is_known = False
        while True:
            try:
                if not is_known:
                    await self._take_over()
                    is_known = True
                self._changed.clear()
                await self._write_all(loop.time())
            except (ApiError, *TRANSPORT_ERRORS) as error:
                log.info("the BGPSession objects were not written: %s", error)
                self._changed.set()
            await asyncio.sleep(PACE_SECONDS)
            await self._until_changed()

    async def _until_changed(self) -> None:
        waiting = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({waiting}, timeout=COUNTS_SECONDS)
        finally:
            waiting.cancel()

    async def _take_over(self) -> None:
        """Find what is there of this node."""
        selector = f"{NODE_LABEL}={self._label}"
        async for page in self._client.list_pages(SESSIONS, labelSelector=selector):
            for item in page.items:
                spec = item.get("spec") or {}
                if spec.get("node") == self._node and isinstance(spec.get("peer"), str):
                    self._written[spec["peer"]] = item.get("status") or {}

    @property
    def _label(self) -> str:
        return self._node[:_LABEL_CHARACTERS].rstrip("-_.")

    async def _write_all(self, now: float) -> None:
        wanted = self._look()
        for peer in self._written.keys() - wanted.keys():
            await self._delete(peer)
        for peer, status in wanted.items():
            if self._is_due(peer, status, now):
                await self._write(peer, status)
                self._written[peer] = status
                self._counted_at[peer] = now

    def _is_due(self, peer: str, status: Status, now: float) -> bool:
        before = self._written.get(peer)
        if before is None or _but_counts(before) != _but_counts(status):
            return True
        is_old = now - self._counted_at.get(peer, float("-inf")) >= COUNTS_SECONDS
        return before != status and is_old

    async def _write(self, peer: str, status: Status) -> None:
        name = session_name(self._node, peer)
        before = self._written.get(peer)
        if before is None:
            try:
                await self._client.create(SESSIONS, self._object(name, peer))
            except AlreadyExistsError:
                before = {}
        gone = dict.fromkeys((before or {}).keys() - status.keys())
        body = {"status": {**gone, **status}}
        try:
            await self._client.patch(SESSIONS, name, body, subresource="status")
        except NotFoundError:  # somebody deleted it: it is made again
            self._written.pop(peer, None)
            self._changed.set()
            raise

    def _object(self, name: str, peer: str) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "name": name,
            "labels": {"module": "metallb", "heritage": "deckhouse", NODE_LABEL: self._label},
        }
        owner = self._owner()
        if owner is not None:
            metadata["ownerReferences"] = [
                {"apiVersion": "v1", "kind": "Node", "name": owner.key.name, "uid": owner.uid}
            ]
        return {
            "apiVersion": f"{GROUP}/v1alpha1",
            "kind": "BGPSession",
            "metadata": metadata,
            "spec": {"node": self._node, "peer": peer},
        }

    async def _delete(self, peer: str) -> None:
        try:
            await self._client.delete(SESSIONS, session_name(self._node, peer))
        except NotFoundError:
            log.debug("the BGPSession of %s was gone already", peer)
        del self._written[peer]
        self._counted_at.pop(peer, None)


def _but_counts(status: Status) -> Status:
    return {name: value for name, value in status.items() if name not in _COUNTS}


def readable(wall: float, loop_now: float, at: float) -> str:
    """Write a time of the loop's clock, given both clocks' now (RFC 3339, UTC, seconds)."""
    return datetime.fromtimestamp(wall - loop_now + at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
