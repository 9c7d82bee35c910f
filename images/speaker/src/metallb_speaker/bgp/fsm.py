"""The state machine of RFC 4271 §8 as a table: each state with each event, and what is done then.

    Idle ──start──► Connect ──TCP──► OpenSent ──OPEN──► OpenConfirm ──KEEPALIVE──► Established
      ▲    └─passive─► Active ──TCP──┘  │ ▲TCP fails: Active        │                   │
      └──────────── NOTIFICATION, an error, a timer, a stop ◄───────┴───────────────────┘

One machine is one connection. A second connection of the same peer (events 14, 16 and 17 once there
is one) has a machine of its own until `collision` has decided, so it changes nothing here.

Choices where the RFC leaves one: DampPeerOscillations is on, so each end with an error starts the
IdleHoldTimer, and AutomaticStart comes with damping (events 6, 7). DelayOpen is off: event 12 and
20 cannot happen; their rows are those of "any other event". SendNOTIFICATIONwithoutOPEN and
CollisionDetectEstablishedState are off. A row that is not the RFC's letter says so in its note.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


class State(Enum):
    """RFC 4271 §8.2.2."""

    IDLE = "Idle"
    CONNECT = "Connect"
    ACTIVE = "Active"
    OPEN_SENT = "OpenSent"
    OPEN_CONFIRM = "OpenConfirm"
    ESTABLISHED = "Established"


class FsmEvent(IntEnum):
    """RFC 4271 §8.1, by its numbers; from 29 on those of later RFCs, which number none."""

    MANUAL_START = 1
    MANUAL_STOP = 2
    AUTOMATIC_START = 3
    MANUAL_START_PASSIVE = 4
    AUTOMATIC_START_PASSIVE = 5
    AUTOMATIC_START_DAMPED = 6
    AUTOMATIC_START_DAMPED_PASSIVE = 7
    AUTOMATIC_STOP = 8
    CONNECT_RETRY_TIMER_EXPIRES = 9
    HOLD_TIMER_EXPIRES = 10
    KEEPALIVE_TIMER_EXPIRES = 11
    DELAY_OPEN_TIMER_EXPIRES = 12
    IDLE_HOLD_TIMER_EXPIRES = 13
    TCP_CONNECTION_VALID = 14
    TCP_CR_INVALID = 15
    TCP_CR_ACKED = 16
    TCP_CONNECTION_CONFIRMED = 17
    TCP_CONNECTION_FAILS = 18
    BGP_OPEN = 19
    BGP_OPEN_WITH_DELAY_OPEN_TIMER = 20
    BGP_HEADER_ERR = 21
    BGP_OPEN_MSG_ERR = 22
    OPEN_COLLISION_DUMP = 23
    NOTIF_MSG_VER_ERR = 24
    NOTIF_MSG = 25
    KEEPALIVE_MSG = 26
    UPDATE_MSG = 27
    UPDATE_MSG_ERR = 28
    SEND_HOLD_TIMER_EXPIRES = 29
    """RFC 9687."""
    ROUTE_REFRESH_MSG = 30
    """RFC 2918."""
    ROUTE_REFRESH_MSG_ERR = 31
    """RFC 7313 §5."""


class Action(Enum):
    """What a row has done, in its order."""

    ZERO_COUNTER = auto()
    """ConnectRetryCounter := 0."""
    COUNT = auto()
    """ConnectRetryCounter + 1."""
    START_CONNECT_RETRY = auto()
    START_DAMPED_CONNECT_RETRY = auto()
    """ConnectRetryTimer := what the IdleHoldTimer would be given."""
    STOP_CONNECT_RETRY = auto()
    CONNECT = auto()
    """Initiate a TCP connection; the listener is always there."""
    DROP = auto()
    """Drop the TCP connection."""
    RELEASE = auto()
    """Delete the routes of this connection, release all BGP resources."""
    SEND_OPEN = auto()
    SEND_KEEPALIVE = auto()
    SEND_NOTIFICATION = auto()
    """Of the error that the event brings, or the one that the state gives (RFC 6608)."""
    START_LARGE_HOLD = auto()
    """HoldTimer := four minutes."""
    START_HOLD = auto()
    """HoldTimer := the negotiated value, unless that is 0."""
    START_KEEPALIVE = auto()
    START_SEND_HOLD = auto()
    """RFC 9687 §3.2, unless the negotiated hold time is 0."""
    ESTABLISH = auto()
    """Begin to send routes."""
    DAMP = auto()
    """Start the IdleHoldTimer."""
    RESUME = auto()
    """Start again with event 6 or 7."""
    REFRESH = auto()
    """Send the routes of a family again."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one state does with one event."""

    next_state: State
    actions: tuple[Action, ...]
    section: str
    note: str = ""


_A = Action
_E = FsmEvent
_S = State

_STARTS: Final = (
    _E.MANUAL_START,
    _E.AUTOMATIC_START,
    _E.MANUAL_START_PASSIVE,
    _E.AUTOMATIC_START_PASSIVE,
    _E.AUTOMATIC_START_DAMPED,
    _E.AUTOMATIC_START_DAMPED_PASSIVE,
)
_SECOND: Final = (_E.TCP_CONNECTION_VALID, _E.TCP_CR_ACKED, _E.TCP_CONNECTION_CONFIRMED)
_CLEAR: Final = (_A.STOP_CONNECT_RETRY, _A.RELEASE, _A.DROP)
_STOPPED: Final = (*_CLEAR, _A.ZERO_COUNTER)
_FAILED: Final = (*_CLEAR, _A.COUNT, _A.DAMP)
_TOLD_FAILED: Final = (_A.SEND_NOTIFICATION, *_FAILED)
_TOLD_STOPPED: Final = (_A.SEND_NOTIFICATION, *_STOPPED)

_Table = dict[tuple[State, FsmEvent], Row]


def _rows(state: State, events: Iterable[FsmEvent], row: Row) -> _Table:
    return {(state, event): row for event in events}


def _every(state: State, row: Row) -> _Table:
    return _rows(state, FsmEvent, row)


def _idle() -> _Table:
    section = "RFC 4271 §8.2.2 Idle"
    connect = (_A.START_CONNECT_RETRY, _A.CONNECT)
    listen = (_A.START_CONNECT_RETRY,)
    return {
        **_every(_S.IDLE, Row(_S.IDLE, (), section)),
        **_rows(
            _S.IDLE,
            (_E.MANUAL_START, _E.AUTOMATIC_START),
            Row(_S.CONNECT, (_A.ZERO_COUNTER, *connect), section),
        ),
        **_rows(
            _S.IDLE,
            (_E.MANUAL_START_PASSIVE, _E.AUTOMATIC_START_PASSIVE),
            Row(_S.ACTIVE, (_A.ZERO_COUNTER, *listen), section),
        ),
        (_S.IDLE, _E.AUTOMATIC_START_DAMPED): Row(
            _S.CONNECT, connect, section, "as event 3, but the counter goes on: it is the damping"
        ),
        (_S.IDLE, _E.AUTOMATIC_START_DAMPED_PASSIVE): Row(
            _S.ACTIVE, listen, section, "as event 5, likewise"
        ),
        (_S.IDLE, _E.IDLE_HOLD_TIMER_EXPIRES): Row(_S.IDLE, (_A.RESUME,), section),
    }


def _connecting(state: State, section: str) -> _Table:
    """Tell what Connect and Active have in common."""
    opened = (_A.STOP_CONNECT_RETRY, _A.SEND_OPEN, _A.START_LARGE_HOLD)
    return {
        **_every(state, Row(_S.IDLE, _FAILED, section)),
        **_rows(state, _STARTS, Row(state, (), section)),
        (state, _E.MANUAL_STOP): Row(_S.IDLE, _STOPPED, section),
        (state, _E.TCP_CONNECTION_VALID): Row(state, (), section),
        (state, _E.TCP_CR_INVALID): Row(state, (), section),
        **_rows(
            state,
            (_E.TCP_CR_ACKED, _E.TCP_CONNECTION_CONFIRMED),
            Row(_S.OPEN_SENT, opened, section),
        ),
    }


def _connect() -> _Table:
    section = "RFC 4271 §8.2.2 Connect"
    return {
        **_connecting(_S.CONNECT, section),
        (_S.CONNECT, _E.CONNECT_RETRY_TIMER_EXPIRES): Row(
            _S.CONNECT, (_A.DROP, _A.START_CONNECT_RETRY, _A.CONNECT), section
        ),
        (_S.CONNECT, _E.TCP_CONNECTION_FAILS): Row(
            _S.IDLE, _FAILED, section, "counted and damped, as Active does"
        ),
    }


def _active() -> _Table:
    section = "RFC 4271 §8.2.2 Active"
    return {
        **_connecting(_S.ACTIVE, section),
        (_S.ACTIVE, _E.CONNECT_RETRY_TIMER_EXPIRES): Row(
            _S.CONNECT,
            (_A.START_CONNECT_RETRY, _A.CONNECT),
            section,
            "a passive session has no ConnectRetryTimer (§8.1.1 PassiveTcpEstablishment)",
        ),
    }


def _open_sent() -> _Table:
    section = "RFC 4271 §8.2.2 OpenSent"
    return {
        **_every(_S.OPEN_SENT, Row(_S.IDLE, _TOLD_FAILED, section, "RFC 6608: subcode 1")),
        **_rows(_S.OPEN_SENT, _STARTS, Row(_S.OPEN_SENT, (), section)),
        **_rows(_S.OPEN_SENT, _SECOND, Row(_S.OPEN_SENT, (), section, "another machine's")),
        (_S.OPEN_SENT, _E.TCP_CR_INVALID): Row(_S.OPEN_SENT, (), section),
        (_S.OPEN_SENT, _E.MANUAL_STOP): Row(_S.IDLE, _TOLD_STOPPED, section),
        (_S.OPEN_SENT, _E.TCP_CONNECTION_FAILS): Row(
            _S.ACTIVE,
            (_A.RELEASE, _A.DROP, _A.COUNT, _A.START_DAMPED_CONNECT_RETRY),
            section,
            "counted, and the timer is damped: it may be our OPEN that it closes for",
        ),
        (_S.OPEN_SENT, _E.BGP_OPEN): Row(
            _S.OPEN_CONFIRM,
            (_A.STOP_CONNECT_RETRY, _A.SEND_KEEPALIVE, _A.START_KEEPALIVE, _A.START_HOLD),
            section,
        ),
        (_S.OPEN_SENT, _E.NOTIF_MSG_VER_ERR): Row(
            _S.IDLE, _FAILED, section, "counted and damped: it would come again at once"
        ),
        (_S.OPEN_SENT, _E.NOTIF_MSG): Row(
            _S.IDLE, _FAILED, section, "§6.4: a NOTIFICATION is not answered by another"
        ),
    }


def _opened(state: State, section: str, subcode: int) -> _Table:
    """Tell what OpenConfirm and Established have in common."""
    return {
        **_every(state, Row(_S.IDLE, _TOLD_FAILED, section, f"RFC 6608: subcode {subcode}")),
        **_rows(state, _STARTS, Row(state, (), section)),
        **_rows(state, _SECOND, Row(state, (), section, "another machine's")),
        (state, _E.TCP_CR_INVALID): Row(state, (), section),
        (state, _E.MANUAL_STOP): Row(_S.IDLE, _TOLD_STOPPED, section),
        (state, _E.KEEPALIVE_TIMER_EXPIRES): Row(
            state, (_A.SEND_KEEPALIVE, _A.START_KEEPALIVE), section
        ),
        **_rows(state, (_E.TCP_CONNECTION_FAILS, _E.NOTIF_MSG), Row(_S.IDLE, _FAILED, section)),
        (state, _E.NOTIF_MSG_VER_ERR): Row(
            _S.IDLE, _FAILED, section, "counted and damped: it would come again at once"
        ),
    }


def _open_confirm() -> _Table:
    section = "RFC 4271 §8.2.2 OpenConfirm"
    return {
        **_opened(_S.OPEN_CONFIRM, section, 2),
        (_S.OPEN_CONFIRM, _E.BGP_OPEN): Row(
            _S.IDLE, _TOLD_FAILED, section, "a second OPEN on one connection is no collision"
        ),
        (_S.OPEN_CONFIRM, _E.KEEPALIVE_MSG): Row(
            _S.ESTABLISHED, (_A.START_HOLD, _A.START_SEND_HOLD, _A.ESTABLISH), section
        ),
    }


def _established() -> _Table:
    section = "RFC 4271 §8.2.2 Established"
    heard = Row(_S.ESTABLISHED, (_A.START_HOLD,), section)
    return {
        **_opened(_S.ESTABLISHED, section, 3),
        (_S.ESTABLISHED, _E.KEEPALIVE_MSG): heard,
        (_S.ESTABLISHED, _E.UPDATE_MSG): heard,
        (_S.ESTABLISHED, _E.BGP_HEADER_ERR): Row(
            _S.IDLE, _TOLD_FAILED, "RFC 4271 §6.1", "with the header's error, not the machine's"
        ),
        (_S.ESTABLISHED, _E.ROUTE_REFRESH_MSG): Row(
            _S.ESTABLISHED, (_A.START_HOLD, _A.REFRESH), "RFC 2918 §4"
        ),
        (_S.ESTABLISHED, _E.ROUTE_REFRESH_MSG_ERR): Row(_S.IDLE, _TOLD_FAILED, "RFC 7313 §5"),
        (_S.ESTABLISHED, _E.SEND_HOLD_TIMER_EXPIRES): Row(
            _S.IDLE, _TOLD_FAILED, "RFC 9687 §3.2", "the NOTIFICATION may never get out"
        ),
    }


TABLE: Final[_Table] = {
    **_idle(),
    **_connect(),
    **_active(),
    **_open_sent(),
    **_open_confirm(),
    **_established(),
}
"""Every state with every event."""
