"""One BGP connection: octets and `now` in, octets, events and the next deadline out. Pure.

    shell ──receive_data, connection_made, connection_lost, handle_timer──► Session
          ◄──data_to_send, next_event (Dial, Drop, Up, Down, …), get_timer──

`fsm.TABLE` decides, `machine.Machine` carries out; here what the peer and our owner say becomes
events. The shell keeps one Session for a peer, and a second one while a connection that the peer
made waits for `collision.decide`. Both have the peer's `RibOut`; only one is ever Established.

Nothing is accepted from peers (RFC 8212, with no import policy at all): UPDATEs are read as far as
RFC 7606 needs, and forgotten. Nothing that a peer sends raises an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from metallb_speaker.bgp.errors import NotificationError
from metallb_speaker.bgp.events import Malformed, NoNextHop, OpenReceived
from metallb_speaker.bgp.fsm import FsmEvent, State
from metallb_speaker.bgp.iana import (
    Afi,
    CeaseSubcode,
    ErrorCode,
    MessageType,
    OpenSubcode,
    RouteRefreshSubtype,
    Safi,
)
from metallb_speaker.bgp.machine import Machine
from metallb_speaker.bgp.messages import (
    KEEPALIVE,
    Keepalive,
    MessageReader,
    Notification,
    RawUpdate,
    RouteRefresh,
    cease,
)
from metallb_speaker.bgp.negotiation import negotiate
from metallb_speaker.bgp.open import OpenMessage
from metallb_speaker.bgp.timers import Timer
from metallb_speaker.bgp.update import parse_update

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb_speaker.bgp.attributes import RouteAttributes
    from metallb_speaker.bgp.config import SessionConfig
    from metallb_speaker.bgp.messages import Message
    from metallb_speaker.bgp.next_hops import Endpoints
    from metallb_speaker.bgp.prefixes import Prefix

_ERROR_EVENTS: Final[dict[int, FsmEvent]] = {
    ErrorCode.MESSAGE_HEADER_ERROR: FsmEvent.BGP_HEADER_ERR,
    ErrorCode.OPEN_MESSAGE_ERROR: FsmEvent.BGP_OPEN_MSG_ERR,
    ErrorCode.UPDATE_MESSAGE_ERROR: FsmEvent.UPDATE_MSG_ERR,
    ErrorCode.ROUTE_REFRESH_MESSAGE_ERROR: FsmEvent.ROUTE_REFRESH_MSG_ERR,
}
_FOR_GOOD: Final = frozenset(
    {CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, CeaseSubcode.PEER_DE_CONFIGURED}
)
"""After these nothing is tried again by itself: ManualStop."""
_HARD: Final = _FOR_GOOD | {CeaseSubcode.BFD_DOWN}
"""After these the peer is not to keep our routes, whatever graceful restart would allow."""
_CONNECTED: Final = frozenset({State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED})
_NOBODY_THERE: Final = frozenset(
    {FsmEvent.TCP_CONNECTION_FAILS, FsmEvent.CONNECT_RETRY_TIMER_EXPIRES}
)


class Session(Machine):
    """One connection with a peer, from the first try to its end, and then the next."""

    _reader: MessageReader | None = None

    @property
    def is_connected(self) -> bool:
        """There is a TCP connection."""
        return self.state in _CONNECTED

    @property
    def accepts(self) -> bool:
        """A connection that the peer makes can be taken by this session.

        So can one in Idle, when what we wait for is only that the peer can be reached.
        """
        if self.state is State.IDLE:
            is_waiting = self.timers.runs(Timer.IDLE_HOLD) and self.last_down is not None
            return is_waiting and self._nobody_was_there()
        return self.state is State.ACTIVE

    def _nobody_was_there(self) -> bool:
        return self.last_down is not None and self.last_down.cause in _NOBODY_THERE

    def start(self, now: float) -> None:
        """Begin, or begin at once in place of waiting on; nothing when it runs."""
        self._now = now
        self.timers.stop(Timer.IDLE_HOLD)
        if self.state is State.IDLE:
            self._resume()

    def connection_made(self, ends: Endpoints, now: float, *, is_dialled: bool) -> None:
        """There is a TCP connection."""
        self._now = now
        if self.state is State.IDLE:
            self.timers.stop(Timer.IDLE_HOLD)
            self._fire(FsmEvent.AUTOMATIC_START_DAMPED_PASSIVE)
        self._out.clear()
        self._reader = MessageReader()
        self.ends, self.is_dialled = ends, is_dialled
        is_ours = FsmEvent.TCP_CR_ACKED if is_dialled else FsmEvent.TCP_CONNECTION_CONFIRMED
        self._fire(is_ours)

    def connection_lost(self, why: str, now: float) -> None:
        """The TCP connection is gone, or could not be made."""
        self._now = now
        self._fire(FsmEvent.TCP_CONNECTION_FAILS, why=why)

    def receive_data(self, data: bytes, now: float) -> None:
        """Take octets from the peer."""
        self._now = now
        if self._reader is None or not self.is_connected:
            return
        self._reader.feed(data)
        while self.is_connected:
            try:
                message = self._reader.next_message()
                if message is None:
                    return
                self._received(message)
            except NotificationError as error:
                self._refuse(error)

    def _refuse(self, error: NotificationError) -> None:
        tell = Notification(error.code, error.subcode, error.data)
        event = _ERROR_EVENTS[error.code]
        self._fire(event, tell=tell, why=error.why)

    def _received(self, message: Message) -> None:
        match message:
            case OpenMessage():
                self._count_received(MessageType.OPEN)
                self._received_open(message)
            case Keepalive():
                self._count_received(MessageType.KEEPALIVE)
                self._fire(FsmEvent.KEEPALIVE_MSG)
            case RawUpdate(body):
                self._count_received(MessageType.UPDATE)
                self._received_update(body)
            case RouteRefresh():
                self._count_received(MessageType.ROUTE_REFRESH)
                self._received_route_refresh(message)
            case _:
                self._count_received(MessageType.NOTIFICATION)
                self._received_notification(message)

    def _count_received(self, kind: MessageType) -> None:
        self.counters.received[kind] += 1

    def _received_open(self, message: OpenMessage) -> None:
        if self.state is State.OPEN_SENT:
            assert self._reader is not None
            self.negotiated = negotiate(self.config, message)
            self.received_open = message
            self._reader.max_size = self.negotiated.max_message
            self._events.append(OpenReceived(self.negotiated))
        self._fire(FsmEvent.BGP_OPEN)

    def _received_update(self, body: bytes) -> None:
        if self.state is State.ESTABLISHED:
            assert self.negotiated is not None
            update = parse_update(body, self.negotiated.update_options)
            if update.problems:
                self.counters.malformed += 1
                self._events.append(Malformed(update.problems))
        self._fire(FsmEvent.UPDATE_MSG)

    def _received_route_refresh(self, message: RouteRefresh) -> None:
        """RFC 2918 §4: a family that was not offered is ignored; so are marks of RFC 7313."""
        negotiated = self.negotiated
        if negotiated is not None and message.subtype == RouteRefreshSubtype.NORMAL:
            afi, safi = message.family
            if afi in negotiated.families and safi == Safi.UNICAST:
                self.outbound.refresh(Afi(afi))
        self._fire(FsmEvent.ROUTE_REFRESH_MSG)

    def _received_notification(self, message: Notification) -> None:
        version = (ErrorCode.OPEN_MESSAGE_ERROR, OpenSubcode.UNSUPPORTED_VERSION_NUMBER)
        is_version = (message.code, message.subcode) == version
        event = FsmEvent.NOTIF_MSG_VER_ERR if is_version else FsmEvent.NOTIF_MSG
        self._fire(event, received=message)

    def shutdown(self, subcode: CeaseSubcode, communication: str, now: float) -> None:
        """End the connection with a Cease (RFC 4486, RFC 9003); some kinds end it for good."""
        self._now = now
        tell = cease(subcode, communication)
        if subcode in _HARD:
            tell = self._cease(tell)
        is_for_good = subcode in _FOR_GOOD
        event = FsmEvent.MANUAL_STOP if is_for_good else FsmEvent.AUTOMATIC_STOP
        self._fire(event, tell=tell)
        if is_for_good:
            self.timers.stop_all()

    def collided(self, now: float) -> None:
        """Give way to the other connection with this peer (RFC 4271 §6.8)."""
        self._now = now
        tell = cease(CeaseSubcode.CONNECTION_COLLISION_RESOLUTION)
        self._fire(FsmEvent.OPEN_COLLISION_DUMP, tell=tell)

    def reconfigure(self, config: SessionConfig, now: float) -> None:
        """Take over what `config.LIVE` allows; the rest waits for the next connection."""
        self._now = now
        self.config = config
        if self.state is not State.ESTABLISHED:
            return
        assert self.negotiated is not None
        assert self.ends is not None
        self._start_keepalive()
        self._start_send_hold()
        if not self.outbound.change(config, self.negotiated, self.ends):
            self._events.extend(map(NoNextHop, self.outbound.unannounced))
            self.shutdown(CeaseSubcode.OTHER_CONFIGURATION_CHANGE, "", now)

    def say_alive(self) -> None:
        """Send a KEEPALIVE now, on a session that is Established."""
        if self.state is State.ESTABLISHED:
            self._send(MessageType.KEEPALIVE, KEEPALIVE)

    def change_routes(self, changes: Mapping[Prefix, RouteAttributes | None]) -> None:
        """Announce or (`None`) withdraw routes."""
        self.outbound.rib.change(changes)

    def set_routes(self, routes: Mapping[Prefix, RouteAttributes]) -> None:
        """Announce exactly these."""
        self.outbound.rib.replace(routes)
