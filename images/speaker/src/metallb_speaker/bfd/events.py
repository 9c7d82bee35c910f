"""What BFD sessions have to send and to tell: datagrams, changes of state, counts."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from metallb_speaker.bfd.config import Endpoint
    from metallb_speaker.bfd.iana import Diagnostic, State


class Datagram(NamedTuple):
    """Bytes to be sent to the peer of a session."""

    endpoint: Endpoint
    data: bytes
    is_echo: bool = False


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A session has another state; what the peer said last tells whether that is a failure."""

    endpoint: Endpoint
    state: State
    diagnostic: Diagnostic
    remote_state: State


@dataclass(frozen=True, slots=True)
class SessionLeft:
    """A session that was taken away has said so for long enough; nothing is sent any more."""

    endpoint: Endpoint


Event = StateChanged | SessionLeft


@dataclass(slots=True)
class Counts:
    """What happened to a session, as far as somebody may want to graph it."""

    control_in: int = 0
    control_out: int = 0
    echo_in: int = 0
    echo_out: int = 0
    ups: int = 0
    downs: int = 0


@dataclass(slots=True)
class Outbox:
    """What sessions want out; the owner drains it."""

    datagrams: list[Datagram] = field(default_factory=list)
    events: deque[Event] = field(default_factory=deque)
