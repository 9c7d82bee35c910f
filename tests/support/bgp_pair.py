"""Two BGP sessions joined by a fake wire, in virtual time.

Each `Side` does what the shell does: it dials when its session asks, drops when it asks, writes
what there is, and calls the timer when it is due. Nothing waits: time goes to the next deadline.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from metallb_speaker.bgp.config import SessionConfig
from metallb_speaker.bgp.events import Dial, Drop, Event
from metallb_speaker.bgp.next_hops import Endpoints
from metallb_speaker.bgp.packing import Encoder
from metallb_speaker.bgp.rib_out import RibOut
from metallb_speaker.bgp.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_speaker.bgp.fsm import State

OUR_ADDRESS, THEIR_ADDRESS = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
OUR_ID, THEIR_ID = int(OUR_ADDRESS), int(THEIR_ADDRESS)
OUR_ASN, THEIR_ASN = 64513, 64512
ENDS = Endpoints(OUR_ADDRESS, THEIR_ADDRESS)


_OURS = SessionConfig("router", OUR_ASN, THEIR_ASN, OUR_ID)


def ours(**changes: Any) -> SessionConfig:
    """Our configuration, with changes."""
    return replace(_OURS, **changes)


def theirs(**changes: Any) -> SessionConfig:
    """The configuration of the router, with changes."""
    swapped = replace(_OURS, my_asn=THEIR_ASN, peer_asn=OUR_ASN, router_id=THEIR_ID)
    return replace(swapped, **changes)


def session(config: SessionConfig, *, is_passive: bool = False, now: float = 0.0) -> Session:
    """A session with no jitter to speak of."""
    return Session(
        config,
        jitter=lambda: 1.0,
        now=now,
        rib=RibOut(),
        encoder=Encoder(),
        is_passive=is_passive,
    )


@dataclass(slots=True)
class Side:
    """A session and what became of it."""

    session: Session
    events: list[Event] = field(default_factory=list)
    octets: bytes = b""
    """All that it has written."""

    @property
    def state(self) -> State:
        return self.session.state

    def drain(self) -> list[Event]:
        """Take the events that have come since."""
        while (event := self.session.next_event()) is not None:
            self.events.append(event)
        taken, self.events = self.events, []
        return taken


class Pair:
    """The left side dials, the right one waits; `is_cut`: nothing can be connected."""

    def __init__(self, left: Session, right: Session) -> None:
        self.left, self.right = Side(left), Side(right)
        self.now = 0.0
        self.is_cut = False
        self.is_connected = False
        self.history: list[tuple[float, str, Event]] = []

    def start(self) -> None:
        """Start both."""
        self.left.session.start(self.now)
        self.right.session.start(self.now)
        self.settle()

    def settle(self) -> None:
        """Carry octets until there are none."""
        is_busy = True
        while is_busy:
            is_busy = self._events(self.left, "left") | self._events(self.right, "right")
            is_busy |= self._carry(self.left, self.right) | self._carry(self.right, self.left)

    def _events(self, side: Side, name: str) -> bool:
        is_busy = False
        while (event := side.session.next_event()) is not None:
            is_busy = True
            self.history.append((self.now, name, event))
            side.events.append(event)
            if isinstance(event, Dial):
                self._connect(side)
            elif isinstance(event, Drop) and self.is_connected:
                self._disconnect(side)
        return is_busy

    def _connect(self, side: Side) -> None:
        other = self.right if side is self.left else self.left
        if self.is_cut or not other.session.accepts:
            side.session.connection_lost("Connection refused", self.now)
            return
        self.is_connected = True
        side.session.connection_made(ENDS, self.now, is_dialled=True)
        back = Endpoints(ENDS.peer, ENDS.local)
        other.session.connection_made(back, self.now, is_dialled=False)

    def _disconnect(self, side: Side) -> None:
        other = self.right if side is self.left else self.left
        self._carry(side, other)
        self.is_connected = False
        other.session.connection_lost("the peer closed the connection", self.now)

    def _carry(self, side: Side, other: Side) -> bool:
        data = side.session.data_to_send()
        side.octets += data
        if data and self.is_connected:
            other.session.receive_data(data, self.now)
        return bool(data)

    def cut(self) -> None:
        """Break the connection, as both sides notice."""
        self.is_connected = False
        for side in (self.left, self.right):
            side.session.connection_lost("Connection reset by peer", self.now)
        self.settle()

    def run(self, until: float, each: Callable[[], None] = lambda: None) -> None:
        """Let time pass."""
        while True:
            due = [side.session.get_timer() for side in (self.left, self.right)]
            next_at = min((at for at in due if at is not None), default=until)
            self.now = max(self.now, min(next_at, until))
            for side in (self.left, self.right):
                side.session.handle_timer(self.now)
            self.settle()
            each()
            if self.now >= until:
                return


def joined(left: SessionConfig | None = None, right: SessionConfig | None = None) -> Pair:
    """Two sessions that are connected, as far as they can agree."""
    pair = Pair(session(left or ours()), session(right or theirs(), is_passive=True))
    pair.right.session.start(0.0)
    pair.left.session.start(0.0)
    pair.settle()
    return pair
