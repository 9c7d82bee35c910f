"""A hundred speakers and routers in virtual time: links with delay that are cut, fall silent, heal.

Every speaker has a session with some routers. Each end is a real `Session`; a link carries its
octets in order, each piece after a delay. A cut is heard at both ends, silence at none: what is
said meanwhile waits, as TCP keeps it, and comes when the link heals, if its connection still lives.
A router keeps what it was told, as RFC 4724 has it: the routes of a speaker that went without a
NOTIFICATION are stale until it has told all of them again.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from metallb_speaker.bgp.config import SessionConfig
from metallb_speaker.bgp.events import Dial, Down, Drop
from metallb_speaker.bgp.fsm import State
from metallb_speaker.bgp.iana import AttributeCode
from metallb_speaker.bgp.messages import MessageReader, RawUpdate
from metallb_speaker.bgp.packing import Encoder
from metallb_speaker.bgp.rib_out import RibOut
from metallb_speaker.bgp.session import Session
from metallb_speaker.bgp.update import parse_update
from support.bgp_pair import ENDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_speaker.bgp.attributes import RouteAttributes
    from metallb_speaker.bgp.prefixes import Prefix

SPEAKER_ASN, ROUTER_ASN = 64513, 64512
CONFIG = SessionConfig("x", SPEAKER_ASN, ROUTER_ASN, 1, hold_seconds=9, connect_seconds=5.0)
RESTART_SECONDS = 120.0


class Clock:
    """Virtual time, and what is to happen when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Have something happen."""
        heapq.heappush(self._due, (when, next(self._numbers), what))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._due and self._due[0][0] <= until:
            self.now, _, what = heapq.heappop(self._due)
            what()
        self.now = until


class Table:
    """What a router has of one speaker: prefix -> MED, and which of it is stale."""

    def __init__(self) -> None:
        self.routes: dict[Prefix, int | None] = {}
        self.stale: set[Prefix] = set()
        self._reader = MessageReader()

    def connected(self) -> None:
        """Another connection begins."""
        self._reader = MessageReader(65535)

    def ended(self, *, is_kept: bool) -> None:
        """The connection is gone."""
        if is_kept:
            self.stale = set(self.routes)
        else:
            self.routes.clear()
            self.stale.clear()

    def feed(self, data: bytes, session: Session) -> None:
        """Take what the speaker said."""
        self._reader.feed(data)
        while (message := self._reader.next_message()) is not None:
            if isinstance(message, RawUpdate) and session.negotiated is not None:
                self._take(message.body, session)

    def _take(self, body: bytes, session: Session) -> None:
        assert session.negotiated is not None
        update = parse_update(body, session.negotiated.update_options)
        assert not update.problems
        for prefix in update.withdrawn:
            del self.routes[prefix]
            self.stale.discard(prefix)
        med = update.attributes.get(AttributeCode.MULTI_EXIT_DISC)
        for prefix in update.announced:
            self.routes[prefix] = None if med is None else int.from_bytes(med, "big")
            self.stale.discard(prefix)
        if update.end_of_rib is not None:
            for prefix in {item for item in self.stale if item.afi == update.end_of_rib.afi}:
                del self.routes[prefix]
                self.stale.discard(prefix)


class Link:
    """A session between a speaker and a router, both ends of it and what is between."""

    def __init__(self, clock: Clock, chance: random.Random, rib: RibOut, encoder: Encoder) -> None:
        self._clock = clock
        self._chance = chance
        self._rib = rib
        self._encoder = encoder
        self._delay = chance.uniform(0.0001, 0.02)
        self._connection = 0
        self._waiting: list[Callable[[], None]] = []
        self.is_silent = False
        self.is_cut = False
        self.table = Table()
        self.downs: list[Down] = []
        router = replace(CONFIG, my_asn=ROUTER_ASN, peer_asn=SPEAKER_ASN, router_id=2)
        self.router = self._session(router, RibOut(), is_passive=True)
        self.speaker = self._session(CONFIG, rib)
        self.start()

    def _session(self, config: SessionConfig, rib: RibOut, *, is_passive: bool = False) -> Session:
        return Session(
            config,
            jitter=self._chance.random,
            now=self._clock.now,
            rib=rib,
            encoder=self._encoder,
            is_passive=is_passive,
        )

    def start(self) -> None:
        """Start both ends that do not run."""
        for session in (self.router, self.speaker):
            session.start(self._clock.now)
            self._pump(session)

    @property
    def is_up(self) -> bool:
        """Both ends say so."""
        return self.speaker.state is State.ESTABLISHED is self.router.state

    def routes_changed(self) -> None:
        """The speaker has something to say."""
        self._pump(self.speaker)

    def cut(self) -> None:
        """Break the connection, and let none be made."""
        self.is_cut = True
        self._lose("cut")

    def fall_silent(self) -> None:
        """Carry nothing, and say so to nobody."""
        self.is_silent = True

    def heal(self) -> None:
        """Carry again, what waits first."""
        self.is_silent = self.is_cut = False
        waiting, self._waiting = self._waiting, []
        for arrive in waiting:
            arrive()

    def restart_speaker(self) -> None:
        """The speaker's process is replaced by another, which says that it was there before."""
        self._lose("closed", speaker_hears=False)
        self.speaker.connection_lost("replaced", self._clock.now)
        self.speaker = self._session(CONFIG, self._rib)
        self.speaker.is_restarting = True
        self.start()

    def restart_router(self) -> None:
        """The router loses its memory; its RST is heard unless the link is silent."""
        self._connection += 1
        if not self.is_silent:
            self.speaker.connection_lost("reset", self._clock.now)
        self.table.ended(is_kept=False)
        self.router = self._session(self.router.config, RibOut(), is_passive=True)
        self.start()

    def _lose(self, why: str, *, speaker_hears: bool = True) -> None:
        self._connection += 1
        self._waiting.clear()
        self._router_lost(why)
        if speaker_hears:
            self.speaker.connection_lost(why, self._clock.now)
            self._pump(self.speaker)

    def _router_lost(self, why: str) -> None:
        if self.router.is_connected:
            self.router.connection_lost(why, self._clock.now)
            self._pump(self.router)

    def _pump(self, session: Session) -> None:
        while True:
            while (event := session.next_event()) is not None:
                if isinstance(event, Dial):
                    self._carry(self._dialled)
                elif isinstance(event, Drop):
                    self._dropped(session)
                elif isinstance(event, Down):
                    self._went_down(session, event)
            data = session.data_to_send()
            if not data:
                break
            self._send(session, data)
        due_at = session.get_timer()
        if due_at is not None:
            self._clock.at(max(due_at, self._clock.now), lambda: self._ticked(session, due_at))

    def _ticked(self, session: Session, due_at: float) -> None:
        if session in (self.speaker, self.router) and session.get_timer() == due_at:
            session.handle_timer(self._clock.now)
            self._pump(session)

    def _carry(self, arrive: Callable[[], None]) -> None:
        self._clock.at(self._clock.now + self._delay, lambda: self._arrive(arrive))

    def _arrive(self, arrive: Callable[[], None]) -> None:
        if self.is_silent:
            self._waiting.append(arrive)
        else:
            arrive()

    def _dialled(self) -> None:
        if self.speaker.state is not State.CONNECT:
            return
        if self.is_cut or not self.router.accepts:
            self.speaker.connection_lost("refused", self._clock.now)
            self._pump(self.speaker)
            return
        self._connection += 1
        self.table.connected()
        self.router.connection_made(ENDS, self._clock.now, is_dialled=False)
        self.speaker.connection_made(ENDS, self._clock.now, is_dialled=True)
        self._pump(self.router)
        self._pump(self.speaker)

    def _send(self, session: Session, data: bytes) -> None:
        connection = self._connection

        def arrive() -> None:
            if connection != self._connection:
                return
            other = self.router if session is self.speaker else self.speaker
            other.receive_data(data, self._clock.now)
            if other is self.router:
                self.table.feed(data, other)
            self._pump(other)

        self._carry(arrive)

    def _dropped(self, session: Session) -> None:
        data = session.data_to_send()
        if data:
            self._send(session, data)
        connection = self._connection

        def arrive() -> None:
            if connection == self._connection:
                other = self.router if session is self.speaker else self.speaker
                if other.is_connected:
                    other.connection_lost("closed", self._clock.now)
                    self._pump(other)

        self._carry(arrive)

    def _went_down(self, session: Session, event: Down) -> None:
        self.downs.append(event)
        if session is self.router and event.before is State.ESTABLISHED:
            self.table.ended(is_kept=event.sent is None and event.received is None)


class World:
    """Speakers and routers, and the routes that each speaker has."""

    def __init__(self, speakers: int, routers: int, seed: int) -> None:
        self.clock = Clock()
        self.chance = random.Random(seed)
        self._encoder = Encoder()
        self.wanted: list[dict[Prefix, RouteAttributes]] = [{} for _ in range(speakers)]
        self.links: list[dict[int, Link]] = []
        self._ribs: list[dict[int, RibOut]] = []
        for _ in range(speakers):
            chosen = self.chance.sample(range(routers), 2)
            ribs = {router: RibOut() for router in chosen}
            self._ribs.append(ribs)
            self.links.append(
                {
                    router: Link(self.clock, self.chance, rib, self._encoder)
                    for router, rib in ribs.items()
                }
            )

    def all_links(self) -> list[Link]:
        """Every session."""
        return [link for links in self.links for link in links.values()]

    def change(self, speaker: int, changes: dict[Prefix, RouteAttributes | None]) -> None:
        """Announce and withdraw at all routers of a speaker."""
        for prefix, attributes in changes.items():
            if attributes is None:
                self.wanted[speaker].pop(prefix, None)
            else:
                self.wanted[speaker][prefix] = attributes
        for router, link in self.links[speaker].items():
            self._ribs[speaker][router].change(changes)
            link.routes_changed()

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.run(self.clock.now + seconds)
