"""Carries out the rows of `fsm.TABLE`: the timers, the messages and the drops of one connection.

`session.Session` is this with an ear: it turns what the peer says into events.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from metallb_speaker.bgp.counters import Counters
from metallb_speaker.bgp.events import Dial, Down, Drop, NoNextHop, StateChanged, Up
from metallb_speaker.bgp.fsm import TABLE, Action, FsmEvent, State
from metallb_speaker.bgp.iana import UNSPECIFIC, ErrorCode, FsmSubcode, MessageType
from metallb_speaker.bgp.messages import (
    KEEPALIVE,
    Notification,
    encode_notification,
    encode_open,
    hard_reset,
)
from metallb_speaker.bgp.negotiation import keepalive_seconds, open_message
from metallb_speaker.bgp.outbound import Outbound
from metallb_speaker.bgp.timers import (
    LARGE_HOLD_SECONDS,
    MIN_SEND_HOLD_SECONDS,
    STABLE_SECONDS,
    Backoff,
    Timer,
    Timers,
    shortened,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_speaker.bgp.config import SessionConfig
    from metallb_speaker.bgp.events import Event
    from metallb_speaker.bgp.negotiation import Negotiated
    from metallb_speaker.bgp.next_hops import Endpoints
    from metallb_speaker.bgp.open import OpenMessage
    from metallb_speaker.bgp.packing import Encoder
    from metallb_speaker.bgp.rib_out import RibOut
    from metallb_speaker.bgp.timers import Jitter

_TIMER_EVENTS = {
    Timer.CONNECT_RETRY: FsmEvent.CONNECT_RETRY_TIMER_EXPIRES,
    Timer.HOLD: FsmEvent.HOLD_TIMER_EXPIRES,
    Timer.KEEPALIVE: FsmEvent.KEEPALIVE_TIMER_EXPIRES,
    Timer.IDLE_HOLD: FsmEvent.IDLE_HOLD_TIMER_EXPIRES,
    Timer.SEND_HOLD: FsmEvent.SEND_HOLD_TIMER_EXPIRES,
}
_UNEXPECTED_IN = {
    State.OPEN_SENT: FsmSubcode.UNEXPECTED_MESSAGE_IN_OPENSENT,
    State.OPEN_CONFIRM: FsmSubcode.UNEXPECTED_MESSAGE_IN_OPENCONFIRM,
    State.ESTABLISHED: FsmSubcode.UNEXPECTED_MESSAGE_IN_ESTABLISHED,
}
_TOLD_BY_EVENT = frozenset(
    {
        FsmEvent.BGP_HEADER_ERR,
        FsmEvent.BGP_OPEN_MSG_ERR,
        FsmEvent.UPDATE_MSG_ERR,
        FsmEvent.ROUTE_REFRESH_MSG_ERR,
        FsmEvent.MANUAL_STOP,
        FsmEvent.AUTOMATIC_STOP,
        FsmEvent.OPEN_COLLISION_DUMP,
    }
)
_TIME_IS_UP = {
    FsmEvent.HOLD_TIMER_EXPIRES: ErrorCode.HOLD_TIMER_EXPIRED,
    FsmEvent.SEND_HOLD_TIMER_EXPIRES: ErrorCode.SEND_HOLD_TIMER_EXPIRED,
}
_WITHOUT_CONNECTION = (State.IDLE, State.CONNECT, State.ACTIVE)


class Machine:
    """The state of one connection, and what follows from it."""

    def __init__(
        self,
        config: SessionConfig,
        *,
        jitter: Jitter,
        now: float,
        rib: RibOut,
        encoder: Encoder,
        is_passive: bool = False,
    ) -> None:
        self.config = config
        self.state = State.IDLE
        self.is_passive = is_passive
        """Never ask to dial: the peer has to."""
        self.is_restarting = False
        """Say in OPEN that we were there before (R bit of RFC 4724)."""
        self.backoff = Backoff()
        self.counters = Counters()
        self.timers = Timers()
        self.outbound = Outbound(rib, encoder, self.counters)
        self.negotiated: Negotiated | None = None
        self.ends: Endpoints | None = None
        self.is_dialled = False
        self.last_down: Down | None = None
        self.sent_open = b""
        """The OPEN of this connection, or of the last one: a whole message."""
        self.received_open: OpenMessage | None = None
        """The peer's, likewise."""
        self._jitter = jitter
        self._now = now
        self._out: list[bytes] = []
        self._events: deque[Event] = deque()
        self._told: Notification | None = None
        self._acts = self._actions()

    def get_timer(self) -> float | None:
        """Tell when `handle_timer` is due; `None`: nothing to wait for."""
        return self.timers.next()

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        while (timer := self.timers.pop_expired(now)) is not None:
            if timer is Timer.STABLE:
                self.backoff.counter = 0
            else:
                self._fire(_TIMER_EVENTS[timer])

    def data_to_send(self) -> bytes:
        """Take what is to be written now; call again until there is nothing.

        To be called only when all earlier octets have left: what is not taken yet can still be
        merged with later changes, and the SendHoldTimer (RFC 9687) sees that the peer reads.
        """
        data = b"".join(self._out)
        self._out.clear()
        if self.state is State.ESTABLISHED:
            data += self.outbound.take()
            if data and self.timers.runs(Timer.SEND_HOLD):
                self._start_send_hold()
        return data

    def next_event(self) -> Event | None:
        """Take the next event."""
        return self._events.popleft() if self._events else None

    def _fire(
        self,
        event: FsmEvent,
        *,
        tell: Notification | None = None,
        received: Notification | None = None,
        why: str = "",
    ) -> None:
        """Take an event: the row's new state, its actions, and word of it all."""
        before, row = self.state, TABLE[self.state, event]
        self.state = row.next_state
        self._told = self._notification(event, before, tell)
        for action in row.actions:
            self._acts[action]()
        if Action.DROP in row.actions:
            sent = self._told if Action.SEND_NOTIFICATION in row.actions else None
            self.last_down = Down(event, before, sent, received, why)
            self._events.append(self.last_down)
        if before is not self.state:
            self._events.append(StateChanged(before, self.state))
        if Action.RESUME in row.actions:
            self._resume()

    def _notification(
        self, event: FsmEvent, before: State, tell: Notification | None
    ) -> Notification | None:
        """Choose what a SEND_NOTIFICATION of this row says."""
        if before in _WITHOUT_CONNECTION:
            return None
        if event in _TIME_IS_UP:
            return Notification(_TIME_IS_UP[event], UNSPECIFIC)
        is_late_open = event is FsmEvent.BGP_OPEN_MSG_ERR and before is State.ESTABLISHED
        if event in _TOLD_BY_EVENT and not is_late_open:
            return tell
        return Notification(ErrorCode.FINITE_STATE_MACHINE_ERROR, _UNEXPECTED_IN[before])

    def _actions(self) -> dict[Action, Callable[[], None]]:
        return {
            Action.ZERO_COUNTER: self._zero_counter,
            Action.COUNT: self._count,
            Action.START_CONNECT_RETRY: self._start_connect_retry,
            Action.START_DAMPED_CONNECT_RETRY: self._start_damped_connect_retry,
            Action.STOP_CONNECT_RETRY: lambda: self.timers.stop(Timer.CONNECT_RETRY),
            Action.CONNECT: lambda: self._events.append(Dial()),
            Action.DROP: lambda: self._events.append(Drop()),
            Action.RELEASE: self._release,
            Action.SEND_OPEN: self._send_open,
            Action.SEND_KEEPALIVE: lambda: self._send(MessageType.KEEPALIVE, KEEPALIVE),
            Action.SEND_NOTIFICATION: self._send_notification,
            Action.START_LARGE_HOLD: lambda: self._start(Timer.HOLD, LARGE_HOLD_SECONDS),
            Action.START_HOLD: self._start_hold,
            Action.START_KEEPALIVE: self._start_keepalive,
            Action.START_SEND_HOLD: self._start_send_hold,
            Action.ESTABLISH: self._establish,
            Action.DAMP: self._damp,
            Action.RESUME: lambda: None,  # once the row is done
            Action.REFRESH: lambda: None,  # the session knows of which family
        }

    def _send(self, kind: MessageType, message: bytes) -> None:
        self._out.append(message)
        self.counters.sent[kind] += 1

    def _start(self, timer: Timer, seconds: float) -> None:
        self.timers.start(timer, self._now + seconds)

    def _zero_counter(self) -> None:
        self.backoff.counter = 0

    def _count(self) -> None:
        self.backoff.counter += 1

    def _start_connect_retry(self) -> None:
        if not self.is_passive:
            wait = shortened(self.config.connect_seconds, self._jitter)
            self._start(Timer.CONNECT_RETRY, wait)

    def _start_damped_connect_retry(self) -> None:
        if not self.is_passive:
            self._start(Timer.CONNECT_RETRY, self._damped())

    def _damped(self) -> float:
        return self.backoff.seconds(self.config.connect_seconds, self._jitter)

    def _damp(self) -> None:
        self._start(Timer.IDLE_HOLD, self._damped())

    def _resume(self) -> None:
        passive = FsmEvent.AUTOMATIC_START_DAMPED_PASSIVE
        self._fire(passive if self.is_passive else FsmEvent.AUTOMATIC_START_DAMPED)

    def _release(self) -> None:
        self.timers.stop_all()
        self.negotiated = None
        self.outbound.end()

    def _send_open(self) -> None:
        message = open_message(self.config, is_restarting=self.is_restarting)
        self.sent_open = encode_open(message)
        self._send(MessageType.OPEN, self.sent_open)

    def _send_notification(self) -> None:
        assert self._told is not None
        self._send(MessageType.NOTIFICATION, encode_notification(self._told))

    def _start_hold(self) -> None:
        hold = self._hold()
        if hold:
            self._start(Timer.HOLD, hold)
        else:
            self.timers.stop(Timer.HOLD)

    def _start_keepalive(self) -> None:
        if self._hold():
            seconds = keepalive_seconds(self._hold(), self.config.keepalive_seconds)
            self._start(Timer.KEEPALIVE, shortened(seconds, self._jitter))

    def _start_send_hold(self) -> None:
        if self._hold():
            least = max(MIN_SEND_HOLD_SECONDS, 2.0 * self._hold())
            self._start(Timer.SEND_HOLD, self.config.send_hold_seconds or least)

    def _hold(self) -> int:
        return self.negotiated.hold_seconds if self.negotiated is not None else 0

    def _establish(self) -> None:
        assert self.negotiated is not None
        assert self.ends is not None
        self.is_restarting = False
        self._start(Timer.STABLE, STABLE_SECONDS)
        self.outbound.begin(self.config, self.negotiated, self.ends)
        self._events.append(Up(self.negotiated))
        self._events.extend(map(NoNextHop, self.outbound.unannounced))

    def _cease(self, notification: Notification) -> Notification:
        """Make it a Hard Reset where the peer would keep our routes over it (RFC 8538 §4)."""
        is_kept = self.negotiated is not None and self.negotiated.notification_keeps
        return hard_reset(notification) if is_kept else notification
