"""BGP Monitoring Protocol, version 3 (RFC 7854), of what we announce (Adj-RIB-Out, RFC 8671).

```
    Common header:    Version (1) = 3, Message Length (4), Message Type (1)
    Per-peer header:  Peer Type (1) = 0, Flags (1), Distinguisher (8) = 0, Address (16), AS (4),
                      BGP ID (4), Timestamp (4 + 4)

    Route Monitoring  per-peer header, one UPDATE
    Peer Down         per-peer header, Reason (1), Data
    Peer Up           per-peer header, Local Address (16), Local Port (2), Remote Port (2),
                      Sent OPEN, Received OPEN
    Initiation        Information TLVs: Type (2), Length (2), text
    Termination       Information TLVs
```

Nothing that peers announce is accepted, so there is no Adj-RIB-In to tell of, and no statistics of
it: Statistics Reports are not sent (RFC 7854 §4.8: "the transmission of the SR messages is
optional").
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Final

from metallb_speaker.bgp.messages import HEADER_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metallb.net.addresses import IPAddress
    from metallb_speaker.bgp.messages import Notification

VERSION: Final = 3
_COMMON: Final = struct.Struct("!BIB")
_PEER: Final = struct.Struct("!BBQ16sIIII")
_ENDS: Final = struct.Struct("!16sHH")
_TLV: Final = struct.Struct("!HH")
_GLOBAL_INSTANCE_PEER: Final = 0
_MICROSECONDS: Final = 1_000_000


class BmpType(IntEnum):
    """RFC 7854 §4.1."""

    ROUTE_MONITORING = 0
    STATISTICS_REPORT = 1
    PEER_DOWN = 2
    PEER_UP = 3
    INITIATION = 4
    TERMINATION = 5


class PeerFlag(IntFlag):
    """RFC 7854 §4.2, RFC 8671 §4."""

    IPV6 = 0x80
    POST_POLICY = 0x40
    TWO_OCTET_AS = 0x20
    ADJ_RIB_OUT = 0x10


class PeerDownReason(IntEnum):
    """RFC 7854 §4.9."""

    LOCAL_NOTIFICATION = 1
    LOCAL_NO_NOTIFICATION = 2
    REMOTE_NOTIFICATION = 3
    REMOTE_NO_NOTIFICATION = 4
    DE_CONFIGURED = 5


class InitiationTlv(IntEnum):
    """RFC 7854 §4.4."""

    STRING = 0
    SYS_DESCR = 1
    SYS_NAME = 2


_TERMINATION_REASON: Final = 1
_ADMINISTRATIVELY_CLOSED: Final = 0


@dataclass(frozen=True, slots=True)
class MonitoredPeer:
    """Whom a message is about."""

    address: IPAddress
    asn: int
    router_id: int
    four_octet_as: bool = True

    def header(self, at: float, flags: int = 0) -> bytes:
        """Write the per-peer header; `at` is wall-clock time in seconds since 1970."""
        if self.address.version == 6:
            flags |= PeerFlag.IPV6
        if not self.four_octet_as:
            flags |= PeerFlag.TWO_OCTET_AS
        seconds, rest = divmod(round(at * _MICROSECONDS), _MICROSECONDS)
        return _PEER.pack(
            _GLOBAL_INSTANCE_PEER, flags, 0, _padded(self.address), self.asn, self.router_id,
            seconds & 0xFFFFFFFF, rest,
        )  # fmt: skip


def _padded(address: IPAddress) -> bytes:
    """Write an address in 16 octets: an IPv4 one in the last four."""
    return address.packed.rjust(16, b"\0")


def _message(kind: BmpType, body: bytes) -> bytes:
    return _COMMON.pack(VERSION, _COMMON.size + len(body), kind) + body


def _tlv(kind: int, value: bytes) -> bytes:
    return _TLV.pack(kind, len(value)) + value


def initiation(name: str, description: str) -> bytes:
    """Say who we are, first of all (§4.3)."""
    return _message(
        BmpType.INITIATION,
        _tlv(InitiationTlv.SYS_DESCR, description.encode())
        + _tlv(InitiationTlv.SYS_NAME, name.encode()),
    )


def termination() -> bytes:
    """Say that the connection is closed on purpose (§4.5)."""
    reason = _ADMINISTRATIVELY_CLOSED.to_bytes(2, "big")
    return _message(BmpType.TERMINATION, _tlv(_TERMINATION_REASON, reason))


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """What a Peer Up says of the two ends (§4.10): both OPENs are whole messages."""

    local: IPAddress
    local_port: int
    remote_port: int
    sent_open: bytes
    received_open: bytes


def peer_up(peer: MonitoredPeer, session: OpenedSession, at: float) -> bytes:
    """Say that a session is Established (§4.10)."""
    ends = _ENDS.pack(_padded(session.local), session.local_port, session.remote_port)
    body = peer.header(at) + ends + session.sent_open + session.received_open
    return _message(BmpType.PEER_UP, body)


def peer_down(peer: MonitoredPeer, reason: PeerDownReason, data: bytes, at: float) -> bytes:
    """Say that a session has ended, and how (§4.9).

    `data` is the NOTIFICATION as a whole message, or for LOCAL_NO_NOTIFICATION the number of the
    event of the state machine in two octets; else nothing.
    """
    return _message(BmpType.PEER_DOWN, peer.header(at) + bytes((reason,)) + data)


def route_monitoring(peer: MonitoredPeer, update: bytes, at: float) -> bytes:
    """Hand on an UPDATE that the peer is sent (§4.6, RFC 8671 §5)."""
    flags = PeerFlag.ADJ_RIB_OUT | PeerFlag.POST_POLICY
    return _message(BmpType.ROUTE_MONITORING, peer.header(at, flags) + update)


def down_reason(
    sent: Notification | None, received: Notification | None, *, is_ours: bool
) -> PeerDownReason:
    """Choose the reason: who ended it, and whether with a NOTIFICATION."""
    if received is not None:
        return PeerDownReason.REMOTE_NOTIFICATION
    if sent is not None:
        return PeerDownReason.LOCAL_NOTIFICATION
    if is_ours:
        return PeerDownReason.LOCAL_NO_NOTIFICATION
    return PeerDownReason.REMOTE_NO_NOTIFICATION


def messages_in(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Part octets that we are about to send into messages, each with its type."""
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at + 16 : at + 18], "big")
        assert length >= HEADER_LENGTH, "these octets are ours"
        yield data[at + 18], data[at : at + length]
        at += length
