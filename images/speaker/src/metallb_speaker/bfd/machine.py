"""The state machine of RFC 5880 §6.2 and §6.8.6, as a table: every state and event has its row.

                                 +--+
                                 |  | remote Up, AdminDown, timer
                                 |  V
                         Down  +------+  Init
                  +------------|      |------------+
                  |            | DOWN |            |
                  |  +-------->|      |<--------+  |
                  |  |         +------+         |  |
                  |  | AdminDown,     AdminDown,|  |
                  |  | timer        Down, timer,|  |
                  V  |                     echo |  V
                +------+                      +------+
           +----|      |                      |      |----+
       Down|    | INIT |--------------------->|  UP  |    |Init, Up
           +--->|      | Init, Up             |      |<---+
                +------+                      +------+

ADMIN_DOWN is entered from every state when we are told so, and left for DOWN.
"""

from __future__ import annotations

from enum import Enum, auto

from metallb_speaker.bfd.iana import Diagnostic, State


class BFDEvent(Enum):
    """What can happen to a session."""

    REMOTE_ADMIN_DOWN = auto()
    """A packet came with this state; likewise the next three."""
    REMOTE_DOWN = auto()
    REMOTE_INIT = auto()
    REMOTE_UP = auto()
    DETECTION_TIME_EXPIRED = auto()
    ECHO_FAILED = auto()
    DISABLED = auto()
    ENABLED = auto()


REMOTE_EVENTS = {
    State.ADMIN_DOWN: BFDEvent.REMOTE_ADMIN_DOWN,
    State.DOWN: BFDEvent.REMOTE_DOWN,
    State.INIT: BFDEvent.REMOTE_INIT,
    State.UP: BFDEvent.REMOTE_UP,
}

_NEIGHBOR = Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN
_EXPIRED = Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
_DISABLED = Diagnostic.ADMINISTRATIVELY_DOWN

TRANSITIONS: dict[tuple[State, BFDEvent], tuple[State, Diagnostic] | None] = {
    (State.DOWN, BFDEvent.REMOTE_ADMIN_DOWN): None,
    (State.DOWN, BFDEvent.REMOTE_DOWN): (State.INIT, Diagnostic.NO_DIAGNOSTIC),
    (State.DOWN, BFDEvent.REMOTE_INIT): (State.UP, Diagnostic.NO_DIAGNOSTIC),
    (State.DOWN, BFDEvent.REMOTE_UP): None,
    (State.DOWN, BFDEvent.DETECTION_TIME_EXPIRED): None,
    (State.DOWN, BFDEvent.ECHO_FAILED): None,
    (State.DOWN, BFDEvent.DISABLED): (State.ADMIN_DOWN, _DISABLED),
    (State.DOWN, BFDEvent.ENABLED): None,
    (State.INIT, BFDEvent.REMOTE_ADMIN_DOWN): (State.DOWN, _NEIGHBOR),
    (State.INIT, BFDEvent.REMOTE_DOWN): None,
    (State.INIT, BFDEvent.REMOTE_INIT): (State.UP, Diagnostic.NO_DIAGNOSTIC),
    (State.INIT, BFDEvent.REMOTE_UP): (State.UP, Diagnostic.NO_DIAGNOSTIC),
    (State.INIT, BFDEvent.DETECTION_TIME_EXPIRED): (State.DOWN, _EXPIRED),
    (State.INIT, BFDEvent.ECHO_FAILED): None,
    (State.INIT, BFDEvent.DISABLED): (State.ADMIN_DOWN, _DISABLED),
    (State.INIT, BFDEvent.ENABLED): None,
    (State.UP, BFDEvent.REMOTE_ADMIN_DOWN): (State.DOWN, _NEIGHBOR),
    (State.UP, BFDEvent.REMOTE_DOWN): (State.DOWN, _NEIGHBOR),
    (State.UP, BFDEvent.REMOTE_INIT): None,
    (State.UP, BFDEvent.REMOTE_UP): None,
    (State.UP, BFDEvent.DETECTION_TIME_EXPIRED): (State.DOWN, _EXPIRED),
    (State.UP, BFDEvent.ECHO_FAILED): (State.DOWN, Diagnostic.ECHO_FUNCTION_FAILED),
    (State.UP, BFDEvent.DISABLED): (State.ADMIN_DOWN, _DISABLED),
    (State.UP, BFDEvent.ENABLED): None,
    (State.ADMIN_DOWN, BFDEvent.REMOTE_ADMIN_DOWN): None,
    (State.ADMIN_DOWN, BFDEvent.REMOTE_DOWN): None,
    (State.ADMIN_DOWN, BFDEvent.REMOTE_INIT): None,
    (State.ADMIN_DOWN, BFDEvent.REMOTE_UP): None,
    (State.ADMIN_DOWN, BFDEvent.DETECTION_TIME_EXPIRED): None,
    (State.ADMIN_DOWN, BFDEvent.ECHO_FAILED): None,
    (State.ADMIN_DOWN, BFDEvent.DISABLED): None,
    (State.ADMIN_DOWN, BFDEvent.ENABLED): (State.DOWN, Diagnostic.NO_DIAGNOSTIC),
}
"""State and event -> the next state and why, or None: it stays.

"The reason for the most recent change" (§4.1) of a session that comes up is no failure, so its
diagnostic is cleared; that of one that stays Down is kept, for the peer to read.
"""
