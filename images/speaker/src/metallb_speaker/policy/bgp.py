"""What this node says by BGP: VIPs and settings in, peers and routes out.

    VirtualIPs ─────────────┐
    pools, advertisements ──┴─► RouteTable ──changes──► Peering ──► routers
    peers, passwords, node ────► PeerConfigs ────────────►  ▲
                          └────► BFDConfigs ──► reflex ─────┘ up, down

Nothing is said before everything is known: a router that hears the end of our routes (End-of-RIB)
forgets those of before a restart that we did not say again.

Under the policy Local a VIP waits until kube-proxy of this node has rules for its endpoints
(`KubeProxy`); after a start, the end of routes is not said before either.

Settings that change are taken over without ending a session that need not end (`Peering.apply`).
Changes of many VIPs in one turn of the loop are said at once, so that they share UPDATEs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING

from metallb_speaker.peering.config import Collector
from metallb_speaker.peering.peering import Peering
from metallb_speaker.policy.bgp_sources import BgpSources
from metallb_speaker.policy.first_meeting import FirstMeeting
from metallb_speaker.policy.kube_proxy import KubeProxy
from metallb_speaker.policy.passwords import Passwords
from metallb_speaker.policy.peers import Fault, PeerFault, bfd_config, peer_config
from metallb_speaker.routes.drain import NodeDrain
from metallb_speaker.routes.table import RouteTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from metallb.api.nodes import Node
    from metallb.api.virtual_ips import VirtualIP
    from metallb.domain.peers import Peer
    from metallb.kube.client import ApiClient
    from metallb.net.addresses import IPAddress
    from metallb.runtime.tasks import Supervisor
    from metallb_speaker.bfd.config import BFDConfig
    from metallb_speaker.peering.config import PeerConfig
    from metallb_speaker.peering.status import PeerStatus
    from metallb_speaker.routes.model import Turn
    from metallb_speaker.settings import Settings

TURNS_LOGGED = 10
"""So many VIPs at once are logged one by one."""

MEETING_SECONDS = 20.0
"""How long a speaker that has just started waits for its sessions before it is called ready."""

log = logging.getLogger(__name__)


class Bgp:
    """One node's BGP.

    `order_bfd` is told whom to watch, by peer's name, each time all of them; `on_routes` for which
    VIPs something else may be announced now; `on_sessions` that a session may be other.
    """

    def __init__(
        self,
        settings: Settings,
        client: ApiClient,
        order_bfd: Callable[[Mapping[str, BFDConfig]], None],
        on_routes: Callable[[Iterable[IPAddress]], None],
        on_sessions: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._order_bfd = order_bfd
        self._on_routes = on_routes
        self._on_sessions = on_sessions
        self._sources = BgpSources(client, settings, self._refresh)
        self._passwords = Passwords(settings.namespace, self._sources.password)
        wait_seconds = settings.bgp.kube_proxy_wait_seconds
        self.table = RouteTable(waits_for_rules=wait_seconds > 0)
        self._peering = Peering(
            listen_port=settings.bgp.listen_port,
            is_restarting=True,
            is_complete=False,
            on_change=self._session_changed,
            collector=_collector(settings),
        )
        self._peers: dict[str, Peer] = {}
        self.faults: dict[str, Fault] = {}
        """Peers of this node that it has no session with, and why."""
        self._drain = NodeDrain(settings.bgp.drain_seconds)
        self.kube_proxy = KubeProxy(wait_seconds, self._addresses, self._rules_are_there)
        self._is_started = False
        self._meeting = FirstMeeting(MEETING_SECONDS)
        self._later: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._touched: dict[IPAddress, None] = {}

    @property
    def peers(self) -> Mapping[str, Peer]:
        """The peers of this node, by name."""
        return self._peers

    def statuses(self) -> Mapping[str, PeerStatus]:
        """Tell of all sessions."""
        return self._peering.statuses()

    @property
    def node(self) -> Node | None:
        """Our Node object, as last seen."""
        return self._sources.node(self._settings.node)

    def established(self) -> frozenset[str]:
        """Name the peers whose sessions are established."""
        return frozenset(name for name, item in self.statuses().items() if item.is_up)

    def why_not_ready(self) -> str | None:
        """Tell why BGP cannot do its work; None: it can."""
        if not self._is_started:
            return "not all settings of BGP have been read yet"
        missing = [name for name, item in self.statuses().items() if not item.is_up]
        return self._meeting.why_not_yet(missing, asyncio.get_running_loop().time())

    # -- life --------------------------------------------------------------------------------------

    async def run(self, supervisor: Supervisor, vips: Iterable[VirtualIP]) -> None:
        """Start everything; all `vips` are known when they are first looked at."""
        for name, task in self._sources.tasks():
            supervisor.start(name, task)
        await self._sources.synced()
        await self._listen()
        for vip in vips:
            self.table.put(vip.spec)
        self._is_started = True
        self._refresh()

    async def complete(self) -> None:
        """Say the end of our routes, once none of those of the start waits for kube-proxy."""
        await self.kube_proxy.settled()
        self._say()
        self._peering.routes_complete()

    async def _listen(self) -> None:
        try:
            await self._peering.start()
        except OSError as error:
            port = self._settings.bgp.listen_port
            log.error("peers cannot dial us on port %d, we dial them: %s", port, error)

    async def close(self) -> None:
        """End all sessions; routers that agreed to it keep our routes while we are away."""
        for timer in (self._soon, self._later):
            if timer is not None:
                timer.cancel()
        await self._peering.close(is_restart=True, communication="the speaker stops")

    # -- what comes in -----------------------------------------------------------------------------

    def put(self, vip: VirtualIP) -> None:
        """Take in a VIP."""
        if self._is_started:
            self.table.put(vip.spec)
            self._say_soon(vip.spec.address)

    def discard(self, address: IPAddress) -> None:
        """Take in that a VIP is no more."""
        if self._is_started:
            self.table.discard(address)
            self._say_soon(address)

    def _rules_are_there(self, address: IPAddress) -> None:
        self.table.take_rules(address)
        self._say_soon(address)

    def _addresses(self) -> Sequence[IPAddress]:
        return () if self.node is None else self.node.addresses

    def bfd_changed(self, name: str, *, is_up: bool) -> None:
        """Take in what BFD says of a peer."""
        if is_up:
            self._peering.bfd_up(name)
        else:
            self._peering.bfd_down(name)

    def _refresh(self) -> None:
        """Take in settings."""
        if not self._is_started:
            return
        node = self.node
        self._show(node)
        self.table.set_pools(self._sources.pools().pools)
        self._set_peers(node)
        self._touched.update(dict.fromkeys(self.table.verdicts()))
        self._say()
        self._on_sessions()

    def _show(self, node: Node | None) -> None:
        """Let routes be decided by what the node is like, or is to be taken for while it leaves."""
        loop = asyncio.get_running_loop()
        shown = self._drain.look(node, loop.time())
        self.table.set_node(shown.node)
        self.table.set_draining(shown.is_draining)
        if self._later is not None:
            self._later.cancel()
        due_at = self._drain.get_timer()
        self._later = None if due_at is None else loop.call_at(due_at, self._refresh)

    def _set_peers(self, node: Node | None) -> None:
        found = self._sources.peers().peers if node is not None else {}
        labels = node.labels if node is not None else {}
        self._peers = {name: peer for name, peer in found.items() if peer.runs_on(labels)}
        configs = dict(self._configs(node)) if node is not None else {}
        refused = self._peering.apply(configs)
        self.faults |= {name: Fault(PeerFault.INVALID, why) for name, why in refused.items()}
        spoken_with = {name: self._peers[name] for name in configs.keys() - refused.keys()}
        self.table.set_peers({name: peer.families for name, peer in spoken_with.items()})
        self._watch()

    def _watch(self) -> None:
        """Order BFD; peers that are known by their interfaces are watched where they were found."""
        watched: dict[str, BFDConfig] = {}
        for name, status in self.statuses().items():
            peer = self._peers.get(name)
            if peer is not None:
                at = status.address if peer.address is None else None
                config = bfd_config(peer, self._settings.node, self._settings.bgp, at)
                if config is not None:
                    watched[name] = config
        self._order_bfd(watched)

    def _session_changed(self, name: str) -> None:
        peer = self._peers.get(name)
        if peer is not None and peer.address is None and peer.bfd is not None:
            self._watch()
        self._on_sessions()

    def _configs(self, node: Node) -> Iterable[tuple[str, PeerConfig]]:
        faults: dict[str, Fault] = {}
        for name, peer in self._peers.items():
            found = peer_config(peer, node, self._passwords.of, self._settings.bgp)
            if isinstance(found, Fault):
                faults[name] = found
                if self.faults.get(name) != found:
                    log.warning("no session with %s: %s", name, found.message)
            else:
                yield name, found
        self.faults = faults

    # -- what goes out -----------------------------------------------------------------------------

    def _say_soon(self, address: IPAddress) -> None:
        self._touched[address] = None
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._say)

    def _say(self) -> None:
        self._soon = None
        changes = {name: item.changes for item in self.table.take_changes() for name in item.peers}
        if changes:
            self._peering.routes(changes)
        self.kube_proxy.follow(self.table.held())
        _log_turns(self.table.take_turns())
        touched, self._touched = self._touched, {}
        self._on_routes(touched)


def _collector(settings: Settings) -> Collector | None:
    if settings.bgp.bmp_collector is None:
        return None
    return Collector(*settings.bgp.bmp_collector, name=settings.node)


def _log_turns(turns: Sequence[Turn]) -> None:
    """Log which VIPs are announced no more, or again; of many at once, how many for each reason."""
    if len(turns) <= TURNS_LOGGED:
        for turn in turns:
            if turn.now is None:
                log.info("%s is announced to peers", turn.address)
            else:
                log.info("%s is not announced to peers: %s", turn.address, turn.now)
        return
    for reason, count in Counter(turn.now for turn in turns).items():
        why = "announced to peers" if reason is None else f"not announced to peers: {reason}"
        log.info("%d VIPs are %s", count, why)
