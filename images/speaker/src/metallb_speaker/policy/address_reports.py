"""Which VIPs this node announces by BGP, to whom and since when: its entry in their statuses.

Each node has an entry of its own in the map `status.bgp`, so nodes do not write over each other. An
entry names the peers whose sessions are established; it goes when the node announces the VIP no
more, unless somebody has to mend why: then it says the reason. Entries are written at a slow,
bounded pace: they tell, nothing waits for them; and what has changed back meanwhile is not written
at all.

The entries of a node that is dead are removed by the controller.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from metallb.kube.errors import TRANSPORT_ERRORS, ApiError, NotFoundError
from metallb.net.addresses import object_name
from metallb_speaker.policy.reports import VIRTUAL_IPS, time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.client import ApiClient, JsonObject
    from metallb.net.addresses import IPAddress

WRITES_PER_SECOND = 20.0
RETRY_SECONDS = 5.0

log = logging.getLogger(__name__)


class AddressReports:
    """Writes the entries.

    `said_of` names the peers that hear of a VIP now, in order; and why nobody does, if somebody has
    to mend that.
    """

    def __init__(
        self,
        client: ApiClient,
        node: str,
        find: Callable[[IPAddress], VirtualIP | None],
        said_of: Callable[[IPAddress], tuple[tuple[str, ...], str]],
        feed: Callable[[JsonObject], None],
        wall: Callable[[], float],
    ) -> None:
        self._client = client
        self._node = node
        self._find = find
        self._said_of = said_of
        self._feed = feed
        self._wall = wall
        self._pending: dict[IPAddress, None] = {}
        self._something = asyncio.Event()
        self.failures = 0

    def mark(self, addresses: Iterable[IPAddress]) -> None:
        """Take in that the entries of some VIPs may be other."""
        self._pending.update(dict.fromkeys(addresses))
        self._something.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._something.wait()
            if not self._pending:
                self._something.clear()
                continue
            address = next(iter(self._pending))
            del self._pending[address]
            if await self._write(address):
                await asyncio.sleep(1 / WRITES_PER_SECOND)

    async def _write(self, address: IPAddress) -> bool:
        """Write the entry of a VIP if it is other; tells whether the server was asked."""
        vip = self._find(address)
        if vip is None:
            return False
        before, (peers, reason) = vip.status.by_bgp(self._node), self._said_of(address)
        said = ((), "") if before is None else (before.peers, before.reason)
        if said == (peers, reason):
            return False
        entry: dict[str, Any] | None = None
        if peers or reason:
            is_same = before is not None and before.reason == reason
            since = before.since if before and is_same else time_text(self._wall())
            entry = {"since": since, "peers": list(peers), "reason": reason or None}
        body = {"metadata": {"uid": vip.meta.uid}, "status": {"bgp": {self._node: entry}}}
        try:
            answer = await self._client.patch(
                VIRTUAL_IPS, object_name(address), body, subresource="status"
            )
            self._feed(answer)
        except NotFoundError:
            return True  # it was released
        except (ApiError, *TRANSPORT_ERRORS) as error:
            self.failures += 1
            log.info("the status of %s was not written: %s", address, error)
            self.mark([address])
            await asyncio.sleep(RETRY_SECONDS)
        return True
