"""Framing of the stream, and every message but the bodies of OPEN and UPDATE (RFC 4271 §4).

```
     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                          Marker (16 octets)                   |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |          Length               |      Type     |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

    NOTIFICATION   Error code (1), Error subcode (1), Data           RFC 4271 §4.5
    KEEPALIVE      nothing                                           RFC 4271 §4.4
    ROUTE-REFRESH  AFI (2), Message Subtype (1), SAFI (1)            RFC 2918 §3, RFC 7313 §3.2
```

The length is believed only after it was checked, so the reader never holds more than one message of
the largest size beside what it was fed. The body of an UPDATE is handed out raw: what it means
depends on what was negotiated (`update.parse_update`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from metallb_speaker.bgp.errors import NotificationError, describe
from metallb_speaker.bgp.iana import (
    CeaseSubcode,
    ErrorCode,
    Family,
    MessageHeaderSubcode,
    MessageType,
    RouteRefreshErrorSubcode,
    RouteRefreshSubtype,
)
from metallb_speaker.bgp.open import OPEN_BODY_MIN, OpenMessage

MARKER: Final = b"\xff" * 16
HEADER_LENGTH: Final = 19
MESSAGE_LENGTH_MAX: Final = 4096
EXTENDED_MESSAGE_LENGTH_MAX: Final = 65535
"""RFC 8654 §3."""

UPDATE_BODY_MIN: Final = 4
_NOTIFICATION_BODY_MIN: Final = 2
_ROUTE_REFRESH_BODY: Final = 4
SHUTDOWN_COMMUNICATION_MAX: Final = 255

_BODY_MIN: Final = {
    MessageType.OPEN.value: OPEN_BODY_MIN,
    MessageType.UPDATE.value: UPDATE_BODY_MIN,
    MessageType.NOTIFICATION.value: _NOTIFICATION_BODY_MIN,
    MessageType.KEEPALIVE.value: 0,
    MessageType.ROUTE_REFRESH.value: _ROUTE_REFRESH_BODY,
}


@dataclass(frozen=True, slots=True)
class Keepalive:
    """KEEPALIVE."""


@dataclass(frozen=True, slots=True)
class Notification:
    """NOTIFICATION: why the sender closes the session."""

    code: int
    subcode: int
    data: bytes = b""

    @property
    def shutdown_communication(self) -> str | None:
        """What the operator of the peer says (RFC 9003 §2); None when it is not well-formed.

        "the Shutdown Communication ... MUST be encoded using UTF-8 Shortest Form"; an octet of
        length comes first.
        """
        if self.code != ErrorCode.CEASE or self.subcode not in _WITH_COMMUNICATION or not self.data:
            return None
        length = self.data[0]
        if not length or length > len(self.data) - 1:
            return None
        try:
            return self.data[1 : 1 + length].decode()
        except UnicodeDecodeError:
            return None

    @property
    def hard_reset_reason(self) -> Notification | None:
        """What a Hard Reset carries: the code, subcode and data of its cause (RFC 8538 §3.1)."""
        if (self.code, self.subcode) != (ErrorCode.CEASE, CeaseSubcode.HARD_RESET):
            return None
        if len(self.data) < _NOTIFICATION_BODY_MIN:
            return None
        return Notification(self.data[0], self.data[1], self.data[2:])

    def __str__(self) -> str:
        return describe(self.code, self.subcode)


_WITH_COMMUNICATION: Final = (
    CeaseSubcode.ADMINISTRATIVE_SHUTDOWN,
    CeaseSubcode.ADMINISTRATIVE_RESET,
)


@dataclass(frozen=True, slots=True)
class RouteRefresh:
    """ROUTE-REFRESH; subtypes that are not of RFC 7313 are to be ignored."""

    family: Family
    subtype: int = RouteRefreshSubtype.NORMAL


@dataclass(frozen=True, slots=True)
class RawUpdate:
    """UPDATE, not parsed yet."""

    body: bytes


Message = OpenMessage | RawUpdate | Notification | Keepalive | RouteRefresh


class MessageReader:
    """Cuts a stream of octets into messages."""

    def __init__(self, max_size: int = MESSAGE_LENGTH_MAX) -> None:
        self.max_size = max_size
        """May be raised once both sides have said ExtendedMessage (RFC 8654 §4)."""
        self._buffer = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Take octets as they came."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def next_message(self) -> Message | None:
        """Give the next message that is complete; raises NotificationError when it is wrong."""
        buffer, at = self._buffer, self._at
        if len(buffer) - at < HEADER_LENGTH:
            return None
        header = bytes(buffer[at : at + HEADER_LENGTH])
        length, kind = self._checked(header)
        if len(buffer) - at < length:
            return None
        body = bytes(buffer[at + HEADER_LENGTH : at + length])
        self._at = at + length
        return _parse(kind, header, body)

    def _checked(self, header: bytes) -> tuple[int, int]:
        """Length and type of a message; RFC 4271 §6.1."""
        if not header.startswith(MARKER):
            raise _error(MessageHeaderSubcode.CONNECTION_NOT_SYNCHRONIZED)
        length, kind = int.from_bytes(header[16:18], "big"), header[18]
        if not HEADER_LENGTH <= length <= self.max_size:
            raise _bad_length(header)
        minimum = _BODY_MIN.get(kind)
        if minimum is None:
            raise _error(MessageHeaderSubcode.BAD_MESSAGE_TYPE, header[18:19], f"type {kind}")
        if length < HEADER_LENGTH + minimum or length > _length_max(kind):
            raise _bad_length(header)
        return length, kind


def _length_max(kind: int) -> int:
    """RFC 8654 §4: larger ones "for all messages except for OPEN and KEEPALIVE messages"."""
    if kind == MessageType.KEEPALIVE:
        return HEADER_LENGTH
    return MESSAGE_LENGTH_MAX if kind == MessageType.OPEN else EXTENDED_MESSAGE_LENGTH_MAX


def _error(subcode: MessageHeaderSubcode, data: bytes = b"", why: str = "") -> NotificationError:
    return NotificationError(ErrorCode.MESSAGE_HEADER_ERROR, subcode, data, why)


def _bad_length(header: bytes) -> NotificationError:
    """RFC 4271 §6.1: "The Data field MUST contain the erroneous Length field"."""
    length, kind = int.from_bytes(header[16:18], "big"), header[18]
    why = f"{length} octets in a message of type {kind}"
    return _error(MessageHeaderSubcode.BAD_MESSAGE_LENGTH, header[16:18], why)


def _parse(kind: int, header: bytes, body: bytes) -> Message:
    if kind == MessageType.UPDATE:
        return RawUpdate(body)
    if kind == MessageType.KEEPALIVE:
        return Keepalive()
    if kind == MessageType.OPEN:
        return OpenMessage.parse(body)
    if kind == MessageType.NOTIFICATION:
        return Notification(body[0], body[1], body[2:])
    return _parse_route_refresh(header, body)


def _parse_route_refresh(header: bytes, body: bytes) -> RouteRefresh:
    subtype = body[2]
    if len(body) != _ROUTE_REFRESH_BODY:
        if subtype == RouteRefreshSubtype.NORMAL:
            # More octets would be an ORF (RFC 5291), which we never ask for.
            raise _bad_length(header)
        # RFC 7313 §5: "the BGP speaker MUST send a NOTIFICATION message ... The Data field of the
        # NOTIFICATION message MUST contain the complete ROUTE-REFRESH message"
        raise NotificationError(
            ErrorCode.ROUTE_REFRESH_MESSAGE_ERROR,
            RouteRefreshErrorSubcode.INVALID_MESSAGE_LENGTH,
            header + body,
        )
    return RouteRefresh(Family(int.from_bytes(body[:2], "big"), body[3]), subtype)


def frame(kind: MessageType, body: bytes) -> bytes:
    """Put the header before a body."""
    return b"%b%b%c%b" % (MARKER, (HEADER_LENGTH + len(body)).to_bytes(2, "big"), kind, body)


KEEPALIVE: Final = frame(MessageType.KEEPALIVE, b"")
"""A whole KEEPALIVE."""


def encode_open(message: OpenMessage) -> bytes:
    """Write a whole OPEN."""
    return frame(MessageType.OPEN, message.encode())


def encode_notification(
    notification: Notification | NotificationError, max_size: int = MESSAGE_LENGTH_MAX
) -> bytes:
    """Write a whole NOTIFICATION; data that does not fit is cut (RFC 8654 §4, RFC 4271 §4.5)."""
    data = notification.data[: max_size - HEADER_LENGTH - _NOTIFICATION_BODY_MIN]
    head = bytes((notification.code, notification.subcode))
    return frame(MessageType.NOTIFICATION, head + data)


def encode_route_refresh(message: RouteRefresh) -> bytes:
    """Write a whole ROUTE-REFRESH."""
    afi, safi = message.family
    body = afi.to_bytes(2, "big") + bytes((message.subtype, safi))
    return frame(MessageType.ROUTE_REFRESH, body)


def cease(subcode: CeaseSubcode, communication: str = "") -> Notification:
    """A Cease, with the operator's words where RFC 9003 §2 has a place for them.

    Text that is too long is cut between characters.
    """
    if not communication or subcode not in _WITH_COMMUNICATION:
        return Notification(ErrorCode.CEASE, subcode)
    text = communication.encode("utf-8", "replace")[:SHUTDOWN_COMMUNICATION_MAX]
    text = text.decode("utf-8", "ignore").encode()
    return Notification(ErrorCode.CEASE, subcode, bytes((len(text),)) + text)


def hard_reset(reason: Notification) -> Notification:
    """Wrap a reason, so that a peer that keeps routes over a NOTIFICATION drops them (RFC 8538)."""
    data = bytes((reason.code, reason.subcode)) + reason.data
    return Notification(ErrorCode.CEASE, CeaseSubcode.HARD_RESET, data)
