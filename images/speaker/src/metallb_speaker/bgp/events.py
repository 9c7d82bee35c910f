"""What a session has to tell its shell, and how an end is put into the words of the RFCs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb_speaker.bgp.fsm import FsmEvent, State
from metallb_speaker.bgp.iana import AttributeCode, name_of

if TYPE_CHECKING:
    from metallb_speaker.bgp.iana import Afi
    from metallb_speaker.bgp.messages import Notification
    from metallb_speaker.bgp.negotiation import Negotiated
    from metallb_speaker.bgp.received import Problem


@dataclass(frozen=True, slots=True)
class Dial:
    """Initiate a TCP connection; give up one that is under way."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Write what there is to send, then drop the TCP connection, or give up dialling."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The machine is in another state."""

    before: State
    after: State


@dataclass(frozen=True, slots=True)
class OpenReceived:
    """The peer's OPEN is good: the machine is in OpenConfirm, and a collision can be decided."""

    negotiated: Negotiated


@dataclass(frozen=True, slots=True)
class Up:
    """The session is Established."""

    negotiated: Negotiated


@dataclass(frozen=True, slots=True)
class NoNextHop:
    """The routes of a family cannot be announced: there is no next hop for them."""

    afi: Afi


@dataclass(frozen=True, slots=True)
class Malformed:
    """An UPDATE had faults that do not end the session (RFC 7606)."""

    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        """Say the first: `UPDATE with a fault in ORIGIN: 9 (treat-as-withdraw)`."""
        first = self.problems[0]
        where = name_of(AttributeCode, first.attribute)
        return f"UPDATE with a fault in {where}: {first.why} ({first.approach.value})"


@dataclass(frozen=True, slots=True)
class Down:
    """A connection, or the try at one, has ended."""

    cause: FsmEvent
    before: State
    sent: Notification | None
    received: Notification | None
    why: str

    def __str__(self) -> str:
        """Say it in one line: `NOTIFICATION received in OpenSent: CEASE/CONNECTION_REJECTED`."""
        if self.received is not None:
            text = f"NOTIFICATION received in {self.before.value}: {_told(self.received)}"
        elif self.sent is not None:
            text = f"NOTIFICATION sent in {self.before.value}: {_told(self.sent)}"
        else:
            text = f"{_WORDS.get(self.cause, self.cause.name)} in {self.before.value}"
        return f"{text}: {self.why}" if self.why else text


_WORDS = {
    FsmEvent.TCP_CONNECTION_FAILS: "TCP connection failed",
    FsmEvent.MANUAL_STOP: "stopped",
    FsmEvent.AUTOMATIC_STOP: "stopped",
    FsmEvent.CONNECT_RETRY_TIMER_EXPIRES: "ConnectRetryTimer expired",
}


def _told(notification: Notification) -> str:
    reason = notification.hard_reset_reason
    text = str(notification) if reason is None else f"{notification} ({reason})"
    said = (reason or notification).shutdown_communication
    return text if said is None else f"{text} {said!r}"


Event = Dial | Drop | StateChanged | OpenReceived | Up | NoNextHop | Malformed | Down
