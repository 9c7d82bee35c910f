"""The reflex process: frames, heartbeats and timers in; answers, announcements and reports out.

    netlink ──► Ports ◄──frames──► l2.responder ──sightings──► Announcer ──changes──► announcements
                  ▲                                              ▲    └──► Telling ──► policy
                  └─heartbeats──► Liveness ──events──────────────┤
    routers ──control packets, echoes──► BFD ──states──► policy  │
    policy ──orders, roll──► (control socket) ──► Table ─────────┘

All decisions are in the pure cores; here bytes are moved, one timer is armed, and events are
drained. The process allocates little and takes a real-time priority where it may, once it has
loaded what it needs: what it does for 50 us each 50 ms is what clients wait for when a node dies.
It goes on with its last orders when policy is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import signal
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING

from metallb.runtime.logging import set_up_logging
from metallb.runtime.tasks import Supervisor
from metallb_speaker import control
from metallb_speaker.announce.announcer import Announcer
from metallb_speaker.announce.model import (
    Announce,
    Announced,
    Ask,
    ConflictGone,
    ConflictSeen,
    OwnLink,
    Withdrawn,
)
from metallb_speaker.io.links import LinkMonitor
from metallb_speaker.l2.errors import DropReason
from metallb_speaker.l2.responder import Answer, SightingKind, respond
from metallb_speaker.liveness.events import MemberChanged, MemberDown, MemberUp, SelfChanged
from metallb_speaker.liveness.members import Liveness
from metallb_speaker.liveness.paths import LocalLink
from metallb_speaker.reflex.bfd import BFD
from metallb_speaker.reflex.counters import Counters
from metallb_speaker.reflex.ports import RETRY_SECONDS, Port, Ports
from metallb_speaker.reflex.server import ControlServer
from metallb_speaker.reflex.table import Table
from metallb_speaker.reflex.telling import Telling
from metallb_speaker.settings import CONFIGURATION_EXIT, KeyFileError, read_keys

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from metallb_speaker.announce.model import Change
    from metallb_speaker.control import Line
    from metallb_speaker.io.links import UsableLink
    from metallb_speaker.l2.responder import Sighting
    from metallb_speaker.liveness.events import Event
    from metallb_speaker.settings import Settings

LEAVE_SECONDS = 1.0
"""How long others have to take over when we stop, and policy to end BGP before BFD does: a router
that hears of BFD first takes the routes away, whatever it was promised.
"""

COUNTERS_SECONDS = 5.0
KEYS_SECONDS = 5.0
"""How often the file of the heartbeat keys is looked at: a mounted Secret is replaced unasked."""


_USES = frozenset({SightingKind.ARP_REQUEST, SightingKind.NEIGHBOR_SOLICITATION})
_ANSWERS = frozenset({SightingKind.ARP_REPLY, SightingKind.SOLICITED_ADVERTISEMENT})

log = logging.getLogger(__name__)


class Reflex:
    """One node's reflexes; `on_started` is called when the links are known, before any is used."""

    def __init__(self, settings: Settings, on_started: Callable[[], None] | None = None) -> None:
        self._settings = settings
        self._on_started = on_started
        self._loop = asyncio.get_running_loop()
        self._keys = read_keys(settings.key_file)
        self._key_fault = ""
        self._liveness = Liveness(
            settings.node,
            time.time_ns(),
            self._keys,
            settings=settings.liveness,
            phase=random.random(),
        )
        self._announcer = Announcer(settings.node)
        self._counters = Counters()
        self._ports = Ports(
            self._loop,
            settings.heartbeat_port,
            self._counters,
            self._on_frames,
            self._on_datagrams,
        )
        self._server = ControlServer(settings.control_socket, self._on_connect, self._on_lines)
        self._telling = Telling(self._server.say)
        self._bfd = BFD(self._loop, self._counters, self._server.say)
        self._table = Table(self._announcer, self._liveness, self._bfd.order)
        self._timer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._knows_links = False

    # -- life --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT, then leave."""
        supervisor = Supervisor()
        supervisor.stop_on_signals()
        self._loop.add_signal_handler(signal.SIGHUP, self._read_keys_again)
        await self._server.start()
        try:
            monitor = LinkMonitor(self._on_links, self._settings.excluded_interfaces)
            supervisor.start("links", monitor.run())
            supervisor.start("counters", self._tell_counters())
            supervisor.start("keys", self._watch_keys())
            await supervisor.wait()
            await self._leave()
        finally:
            await supervisor.cancel()
            for timer in (self._timer, self._retry):
                if timer is not None:
                    timer.cancel()
            self._bfd.stop()
            self._ports.close()
            await self._server.stop()

    async def _leave(self) -> None:
        self._liveness.leave()
        self._pump()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._telling.quiet.wait()
                await self._bfd.quiet.wait()
        self._announcer.stop()
        self._pump()

    def _read_keys_again(self) -> None:
        """Read the keys because we were asked to."""
        self._key_fault, self._keys = "", ()
        self._look_at_keys()

    def _look_at_keys(self) -> None:
        """Take in the keys if they are others now; what is wrong with them is said once."""
        try:
            keys = read_keys(self._settings.key_file)
        except KeyFileError as error:
            if str(error) != self._key_fault:
                log.error("the keys stay as they were: %s", error)
            self._key_fault = str(error)
            return
        self._key_fault = ""
        if keys != self._keys:
            self._keys = keys
            self._liveness.set_keys(keys)
            log.info("heartbeat keys are read again")

    async def _watch_keys(self) -> None:
        while True:
            await asyncio.sleep(KEYS_SECONDS)
            self._look_at_keys()

    # -- what comes in -----------------------------------------------------------------------------

    def _on_links(self, usable: dict[str, UsableLink]) -> None:
        if not self._knows_links and self._on_started is not None:
            self._on_started()
        self._knows_links = True
        now = self._loop.time()
        before = dict(self._ports.by_name)
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if not self._ports.change(usable):
            self._retry = self._loop.call_later(RETRY_SECONDS, self._on_links, usable)
        ports = self._ports.by_name
        self._liveness.set_links(
            [
                LocalLink(name, port.usable.addresses, port.link.mac.packed)
                for name, port in ports.items()
            ],
            now,
        )
        self._announcer.set_links(
            [OwnLink(name, port.link.link_local is not None) for name, port in ports.items()], now
        )
        for name, port in ports.items():
            if before.get(name) is not port:  # new, or under another MAC
                for address in self._announcer.owned[name]:
                    port.announce(address, now)
        self._server.say(self._links_line())
        self._pump()

    def _on_frames(self, port: Port, raw: socket.socket) -> None:
        owned = self._announcer.owned.get(port.link.name, set())
        watched = self._announcer.watched
        counters = self._counters
        for frame in port.packet.frames(raw):
            outcome = respond(frame, port.link, owned, watched)
            if isinstance(outcome, Answer):
                counters.requests[outcome.address] += 1
                counters.responses[outcome.address] += port.send(outcome.frame)
            elif isinstance(outcome, DropReason):
                counters.drop_frame(outcome)
            else:
                self._on_sighting(port, outcome)

    def _on_sighting(self, port: Port, sighting: Sighting) -> None:
        """Take in a claim; mere use of an address as a source, as IPVS nodes do, claims nothing."""
        if sighting.kind in _USES:
            return
        node = self._liveness.node_of(sighting.mac.packed)
        version = 0 if node is None else self._liveness.orders_version_of(node)
        self._announcer.saw(
            ip_address(sighting.address),
            node,
            str(sighting.mac),
            port.link.name,
            self._loop.time(),
            is_answer=sighting.kind in _ANSWERS,
            version=version,
            is_newer=version > self._liveness.orders_version,
        )
        self._pump()

    def _on_datagrams(self, port: Port, udp: socket.socket) -> None:
        now = self._loop.time()
        for data in port.datagrams(udp):
            reason = self._liveness.receive_datagram(data, now)
            if reason is None:
                self._counters.heartbeats["received"] += 1
            else:
                self._counters.drop_heartbeat(reason)
        self._pump()

    def _on_timer(self) -> None:
        now = self._loop.time()
        if self._timer is not None:
            self._counters.timer_fired(now - self._timer.when())
        self._timer = None
        self._liveness.handle_timer(now)
        self._announcer.handle_timer(now)
        self._pump()

    # -- what goes out -----------------------------------------------------------------------------

    def _pump(self) -> None:
        """Drain the cores until nothing is left to do now, then arm the timer."""
        now = self._loop.time()
        while event := self._liveness.next_event():
            self._on_event(event, now)
        for datagram in self._liveness.datagrams_to_send():
            port = self._ports.by_name.get(datagram.path.local_link)
            if port is not None:
                port.send_heartbeat(datagram)
        while change := self._announcer.next_change():
            self._on_change(change, now)
        for port in self._ports:
            port.send_due(self._loop.time())
        self._arm()

    def _on_event(self, event: Event, now: float) -> None:
        members = self._liveness.members()
        match event:
            case MemberUp(node, was_lost):
                log.info("%s is alive", node)
                self._announcer.member_up(node, members, now, was_lost=was_lost)
                self._server.say(control.peer_line(node, True, ""))
            case MemberChanged(node):
                log.info("%s says something else of itself", node)
                self._announcer.member_up(node, members, now)
            case MemberDown(node, reason, silent_seconds):
                log.warning("%s is down: %s, silent for %.3f s", node, reason, silent_seconds)
                self._announcer.member_down(node, members, now, silent_seconds)
                self._server.say(control.peer_line(node, False, reason))
            case SelfChanged(state):
                log.info("this node is %s", state.name)
                self._announcer.set_state(state, now)
                self._server.say(control.state_line(state.name))

    def _on_change(self, change: Change, now: float) -> None:
        match change:
            case Announced(address, interfaces=interfaces):
                for port in self._ports:
                    if port.link.name in interfaces:
                        port.announce(address.packed, now)
                    else:
                        port.withdraw(address.packed)
                self._telling.announced(change)
            case Announce(address):
                for port in self._ports:
                    if address.packed in self._announcer.owned.get(port.link.name, ()):
                        port.schedule.add(address.packed, now)
            case Ask(address):
                for port in self._ports:
                    port.ask(address.packed)
            case Withdrawn(address):
                for port in self._ports:
                    port.withdraw(address.packed)
                self._telling.withdrawn(change)
            case ConflictSeen(address, mac, interface):
                log.warning("%s is claimed by %s on %s too", address, mac, interface)
                self._telling.conflict_seen(change)
            case ConflictGone(address):
                log.info("%s is claimed by nobody else any more", address)
                self._telling.conflict_gone(address)

    def _arm(self) -> None:
        times = [self._liveness.get_timer(), self._announcer.get_timer()]
        times += [port.schedule.next_at() for port in self._ports]
        due_at = min((time for time in times if time is not None), default=None)
        if self._timer is not None:
            if due_at == self._timer.when():
                return
            self._timer.cancel()
        self._timer = None if due_at is None else self._loop.call_at(due_at, self._on_timer)

    # -- policy ------------------------------------------------------------------------------------

    def _on_connect(self) -> None:
        self._server.say(control.state_line(self._liveness.state.name))
        if self._knows_links:  # else our entry in the roll would lose the addresses that it has
            self._server.say(self._links_line())
        for node in self._liveness.members():
            self._server.say(control.peer_line(node, True, ""))
        self._bfd.tell_all()
        self._telling.tell_all()

    def _links_line(self) -> Line:
        return control.links_line(
            (port.link.name, (item.ip for item in port.usable.addresses)) for port in self._ports
        )

    def _on_lines(self, lines: list[Line]) -> None:
        now = self._loop.time()
        for line in lines:
            if self._table.take(line, now):
                gc.freeze()  # the table stays; the collector need not look at it again
        self._pump()

    async def _tell_counters(self) -> None:
        while True:
            await asyncio.sleep(COUNTERS_SECONDS)
            if self._server.is_connected:
                self._server.say(self._counters.take_line(self._bfd.take_counts()))


def take_priority(priority: int) -> None:
    """Ask for real-time scheduling; without the right to it the process works on without."""
    if not priority:
        return
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        log.warning("no real-time priority (%s): timers may be late on a busy node", error)
    else:
        log.info("real-time priority %d", priority)


def run_reflex(settings: Settings) -> int:
    """Run a reflex process; gives its exit code."""
    set_up_logging(settings.log_level)

    def on_started() -> None:  # not before: what is loaded till then would keep a processor busy
        take_priority(settings.realtime_priority)

    async def main() -> None:
        reflex = Reflex(settings, on_started)
        gc.collect()
        gc.freeze()  # what is loaded by now stays; the collector need not look at it again
        await reflex.run()

    try:
        asyncio.run(main())
    except KeyFileError as error:
        log.error("%s", error)
        return CONFIGURATION_EXIT
    return 0
