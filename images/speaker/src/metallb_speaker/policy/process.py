"""The policy process: the orders in VirtualIPs and the roll go to reflex, its reports to statuses.

    VirtualIPs ──mirror──► orders ──┐                    ┌──► Reports ──► VirtualIP status
    Leases ─────mirror──► roll ─────┴──► reflex ──lines──┼──► OwnEntry ──► our Lease
                                                         └──► DeathReports ──► a dead peer's Lease
    VirtualIPs, pools, peers … ──► Bgp ──► routers

It may stall, die and be started again: reflex goes on with what it was told last, and is told the
whole table again as soon as both mirrors are complete.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import time
import uuid
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import uvloop

from metallb.api.fields import Problem
from metallb.api.speakers import COMPONENT, COMPONENT_LABEL, HeartbeatLink, read_speaker
from metallb.api.virtual_ips import VirtualIPObject, read_virtual_ip
from metallb.kube.client import ApiClient
from metallb.kube.config import ConfigurationError, load_connection
from metallb.kube.reflector import Reflector
from metallb.net.addresses import address_from_name, object_name
from metallb.runtime.http import StatusServer
from metallb.runtime.logging import set_up_logging
from metallb.runtime.tasks import Supervisor
from metallb_speaker import control
from metallb_speaker.announce.model import Orders
from metallb_speaker.bfd.iana import State
from metallb_speaker.liveness.events import DownReason
from metallb_speaker.liveness.paths import Peer, PeerLink
from metallb_speaker.policy.bfd import BFDSessions
from metallb_speaker.policy.bgp import Bgp
from metallb_speaker.policy.bgp_metrics import BgpMetrics
from metallb_speaker.policy.bgp_reports import BgpReports
from metallb_speaker.policy.client import ControlClient
from metallb_speaker.policy.metrics import Metrics
from metallb_speaker.policy.reports import VIRTUAL_IPS, Reports
from metallb_speaker.policy.roll import LEASES, DeathReports, OwnEntry

if TYPE_CHECKING:
    from metallb.api.speakers import Speaker
    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.client import JsonObject
    from metallb.kube.reflector import Key
    from metallb.net.addresses import IPAddress
    from metallb_speaker.control import Line
    from metallb_speaker.settings import Settings

AUDIT_SECONDS = 10.0
SEEN_PAUSE_SECONDS = 0.01
"""How often reflex is told, at most, that something else than orders has changed in the ledger."""
RELEASE_SECONDS = 3.0

_BFD_STATES = {
    State.ADMIN_DOWN: "AdminDown",
    State.DOWN: "Down",
    State.INIT: "Init",
    State.UP: "Up",
}
"""In the words of RFC 5880 §4.1."""

log = logging.getLogger(__name__)


class Policy:
    """One node's policy process."""

    def __init__(self, settings: Settings, client: ApiClient) -> None:
        self._settings = settings
        self._vips: Reflector[VirtualIP] = Reflector(
            client,
            VIRTUAL_IPS,
            _read_vip,
            self._on_vip,
            chance=random.random,
            on_seen=self._on_seen,
            shape=VirtualIPObject,
        )
        self._seen_timer: asyncio.TimerHandle | None = None
        self._seen_said: int | None = None
        """How far in the ledger reflex's table is; None: it was not told any."""
        self._roll: Reflector[Speaker] = Reflector(
            client,
            LEASES,
            read_speaker,
            self._on_speaker,
            chance=random.random,
            namespace=settings.namespace,
            labelSelector=f"{COMPONENT_LABEL}={COMPONENT}",
        )
        identity = f"{settings.node}_{uuid.uuid4().hex[:12]}"
        self._entry = OwnEntry(client, settings, identity)
        self.deaths = DeathReports(client, settings)
        self.reports = Reports(client, settings.node, self.find_vip, self._vips.feed, time.time)
        self._reflex = ControlClient(
            settings.control_socket, self._on_reflex, self._on_line, self._on_reflex_gone
        )
        self.metrics = Metrics(settings.node, self.reports, self.find_vip, (self._vips, self._roll))
        self.bfd = self.metrics.bfd = BFDSessions(self._reflex.say, self._on_bfd)
        self.bgp_reports = BgpReports(
            client, settings.node, lambda: self.bgp, self._bfd_of, self.find_vip, self._vips.feed
        )
        self.bgp = Bgp(
            settings,
            client,
            self.bfd.order,
            self.bgp_reports.routes_changed,
            self.bgp_reports.sessions_changed,
        )
        self.metrics.bgp = BgpMetrics(self.bgp)
        self._state = "STARTING"

    def why_not_ready(self) -> str | None:
        """Tell why this process cannot do its work; None: it can."""
        if not (self._vips.synced.is_set() and self._roll.synced.is_set()):
            return "the API server has not told everything yet"
        if not self._reflex.is_connected:
            return "the reflex process is not there"
        if why := self.bgp.why_not_ready():
            return why
        return None if self._state == "READY" else f"this node is {self._state}"

    async def run(self, supervisor: Supervisor) -> None:
        """Start everything; the supervisor runs it."""
        supervisor.start("vips", self._vips.run())
        supervisor.start("roll", self._roll.run())
        supervisor.start("reports", self.reports.run())
        supervisor.start("entry", self._entry.run())
        supervisor.start("reflex", self._reflex.run())
        supervisor.start("audit", self._audit_again())
        await self._vips.synced.wait()
        await self._roll.synced.wait()
        self._tell_all()
        await self.bgp.run(supervisor, self._vips)
        for name, task in self.bgp_reports.tasks():
            supervisor.start(name, task)
        await self.bgp.complete()
        gc.collect()
        gc.freeze()

    async def release(self) -> None:
        """Take our name out of the roll, and write what reflex says at its end."""
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self.bgp.close()
                self.bfd.order({})  # only now: a router may take BFD's end for a failure
                await self._entry.release()
                await self._reflex.gone.wait()
                await self.reports.written()
        except TimeoutError:
            log.warning("not all was released in time")

    async def close(self) -> None:
        """End what is still under way."""
        await self.deaths.close()
        await self.bgp.kube_proxy.close()

    async def _audit_again(self) -> None:
        while True:
            await asyncio.sleep(AUDIT_SECONDS)
            self.audit()

    def audit(self) -> None:
        """Put the statuses right that say other than reflex does."""
        self.reports.audit()
        if self._state == "READY" and self._reflex.is_connected:
            self.reports.audit_others(self._vips)

    # -- Kubernetes to reflex ----------------------------------------------------------------------

    def find_vip(self, address: IPAddress) -> VirtualIP | None:
        """Find a VirtualIP as last seen."""
        return self._vips.get(("", object_name(address)))

    def _on_vip(self, key: Key, old: VirtualIP | None, new: VirtualIP | None) -> None:
        if not self._vips.synced.is_set():
            return
        if new is None:
            address = address_from_name(key[1])
            self._reflex.say(control.gone_line(address))
            self.metrics.forget(address)
            self.bgp.discard(address)
            return
        is_told = self._seen_said is not None
        if is_told and (old is None or old.spec.layer2 != new.spec.layer2):
            self._seen_said = self._vips.seen
            self._reflex.say(control.vip_line(_orders(new, self._settings.node), self._seen_said))
        self.bgp.put(new)

    def _on_seen(self) -> None:
        if self._seen_timer is None and self._seen_said not in (None, self._vips.seen):
            loop = asyncio.get_running_loop()
            self._seen_timer = loop.call_later(SEEN_PAUSE_SECONDS, self._say_seen)

    def _say_seen(self) -> None:
        self._seen_timer = None
        if self._vips.seen != self._seen_said:
            self._seen_said = self._vips.seen
            self._reflex.say(control.seen_line(self._seen_said))

    def _on_bfd(self, name: str, *, is_up: bool) -> None:
        self.bgp.bfd_changed(name, is_up=is_up)
        self.bgp_reports.sessions_changed()

    def _bfd_of(self, peer: str) -> str | None:
        found = self.bfd.status(peer)
        return None if found is None else _BFD_STATES[found.state]

    def _on_speaker(self, key: Key, old: Speaker | None, new: Speaker | None) -> None:
        if self._roll.synced.is_set():
            if old is None or new is None or (old.links, old.port) != (new.links, new.port):
                self._tell_roll()
            self.deaths.set_roll({str(item.node): item for item in self._roll})
        found = new or old
        if found is not None and found.node == self._settings.node:
            self._entry.look_again()

    def _on_reflex(self) -> None:
        self.metrics.reflex_connected()
        self.reports.forget_all()
        self.bfd.reflex_connected()
        if self._vips.synced.is_set() and self._roll.synced.is_set():
            self._tell_all()

    def _on_reflex_gone(self) -> None:
        """Claim to be ready no more; whether peers find us dead is for them to say."""
        if self._state == "READY":
            self._set_state("STARTING")

    def _set_state(self, state: str) -> None:
        self._state = self.metrics.state = state
        self._entry.set_state(state)

    def _tell_all(self) -> None:
        self._tell_roll()
        self._reflex.say(control.RESET)
        for vip in self._vips:
            self._reflex.say(control.vip_line(_orders(vip, self._settings.node)))
        self._seen_said = self._vips.seen
        self._reflex.say(control.synced_line(self._seen_said))

    def _tell_roll(self) -> None:
        roll = {str(item.node): item for item in self._roll}
        self.deaths.set_roll(roll)
        self.metrics.set_peers(node for node in roll if node != self._settings.node)
        peers = {
            node: Peer(
                item.port, tuple(PeerLink(link.interface, link.addresses) for link in item.links)
            )
            for node, item in roll.items()
            if node != self._settings.node
        }
        self._reflex.say(control.peers_line(peers))

    # -- reflex to Kubernetes ----------------------------------------------------------------------

    def _on_line(self, line: Line) -> None:
        match line["do"]:
            case "announced":
                announced = control.AnnouncedLine.of(line)
                self.reports.announce(announced)
                self.metrics.announced(announced)
            case "withdrawn":
                self.reports.withdraw(ip_address(line["address"]), line["reason"])
                self.metrics.withdrawn(line["reason"])
            case "conflict":
                address = ip_address(line["address"])
                self.reports.conflict(address, line["mac"], line["interface"])
            case "state":
                self._set_state(line["state"])
            case "links":
                self._entry.set_links(_links_of(line))
            case "peer":
                self._on_peer(line["node"], bool(line["alive"]), line["reason"])
            case "counters":
                self.metrics.add(line)
            case "bfd_state":
                self.bfd.take(line)
            case "told":
                self.metrics.told()
                self.reports.audit()
            case unknown:
                raise ValueError(f"reflex said {unknown!r}")

    def _on_peer(self, node: str, is_alive: bool, reason: str) -> None:
        self.metrics.set_peer(node, is_alive, reason)
        if is_alive:
            self.deaths.peer_up(node)
        else:
            self.deaths.peer_down(node, is_dead=reason == DownReason.SILENT)


def _orders(vip: VirtualIP, node: str) -> Orders:
    """Give the orders in an object; resourceVersions compare (see `metallb.kube.reflector`)."""
    layer2 = vip.spec.layer2
    return Orders(
        address=vip.spec.address,
        nodes=layer2.nodes,
        interfaces=layer2.interfaces_of(node),
        is_suspended=layer2.suspended is not None,
        version=int(vip.meta.resource_version),
    )


def _links_of(line: Line) -> tuple[HeartbeatLink, ...]:
    return tuple(
        HeartbeatLink(name, tuple(ip_address(text) for text in addresses))
        for name, addresses in line["links"]
    )


def _read_vip(value: JsonObject) -> VirtualIP | None:
    found = read_virtual_ip(value)
    if isinstance(found, Problem):
        log.warning("VirtualIP %s is left out: %s", value["metadata"]["name"], found)
        return None
    return found


async def _main(settings: Settings) -> None:
    connection = load_connection(settings.kubeconfig)
    supervisor = Supervisor()
    supervisor.stop_on_signals()
    async with ApiClient(connection, user_agent=f"metallb-speaker/{settings.node}") as client:
        policy = Policy(settings, client)
        status: Any = StatusServer(
            settings.metrics_host,
            settings.metrics_port,
            policy.metrics.registry,
            policy.why_not_ready,
        )
        await status.start()
        starting = asyncio.create_task(policy.run(supervisor), name="start")
        try:
            await supervisor.wait()
            await policy.release()
        finally:
            starting.cancel()
            await supervisor.cancel()
            await policy.close()
            await status.stop()


def run_policy(settings: Settings) -> int:
    """Run a policy process; gives its exit code."""
    set_up_logging(settings.log_level)
    gc.set_threshold(50_000, 20, 50)
    try:
        uvloop.run(_main(settings))
    except ConfigurationError as error:
        log.error("%s", error)
        return 2
    return 0
