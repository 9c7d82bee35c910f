"""What is reported of BGP: the sessions, and the VIPs that peers hear of."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from metallb_speaker.policy.address_reports import AddressReports
from metallb_speaker.policy.session_reports import (
    SessionReports,
    Status,
    readable,
    refused_status,
    session_status,
)
from metallb_speaker.routes.model import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator

    from metallb.api.meta import Metadata
    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.client import ApiClient, JsonObject
    from metallb.net.addresses import IPAddress
    from metallb_speaker.policy.bgp import Bgp


class BgpReports:
    """Both reports; `bfd_of` gives the state of the BFD session with a peer, if there is one."""

    def __init__(
        self,
        client: ApiClient,
        node: str,
        bgp: Callable[[], Bgp],
        bfd_of: Callable[[str], str | None],
        find: Callable[[IPAddress], VirtualIP | None],
        feed: Callable[[JsonObject], None],
    ) -> None:
        self._bgp = bgp
        self._bfd_of = bfd_of
        self._up: frozenset[str] = frozenset()
        self._refused_since: dict[str, str] = {}
        self.sessions = SessionReports(client, node, self._statuses, self._owner)
        self.addresses = AddressReports(client, node, find, self._said_of, feed, time.time)

    def tasks(self) -> Iterator[tuple[str, Coroutine[None, None, None]]]:
        """Give what is to run, by name."""
        yield "bgp-sessions", self.sessions.run()
        yield "bgp-addresses", self.addresses.run()

    def routes_changed(self, addresses: Iterable[IPAddress]) -> None:
        """Take in that something else may be announced for some VIPs."""
        self.addresses.mark(addresses)
        self.sessions.changed()

    def sessions_changed(self) -> None:
        """Take in that a session may be other."""
        self.sessions.changed()
        up = self._bgp().established()
        if up != self._up:
            self._up = up
            self.addresses.mark(self._bgp().table.verdicts())

    def _said_of(self, address: IPAddress) -> tuple[tuple[str, ...], str]:
        table = self._bgp().table
        verdict = table.verdict_of(address)
        silence = None if verdict is None else verdict.silence
        peers = tuple(name for name in table.peers_of(address) if name in self._up)
        return peers, silence if silence in FAULTS else ""

    def _owner(self) -> Metadata | None:
        node = self._bgp().node
        return None if node is None else node.meta

    def _statuses(self) -> dict[str, Status]:
        bgp, wall, now = self._bgp(), time.time(), asyncio.get_running_loop().time()

        def wall_of(at: float) -> str:
            return readable(wall, now, at)

        found = {
            name: session_status(item, self._bfd_of(name), wall_of)
            | {"localASN": bgp.peers[name].local_asn or bgp.peers[name].my_asn}
            for name, item in bgp.statuses().items()
            if name in bgp.peers
        }
        self._refused_since = {
            name: self._refused_since.get(name) or wall_of(now) for name in bgp.faults
        }
        refused = {
            name: refused_status(fault, self._refused_since[name])
            for name, fault in bgp.faults.items()
        }
        return found | refused
