"""The case catalogue of PyPI's bgp-test-framework 0.1.0.2 (MIT), all 222 ids of it.

Of the framework only the ids and what they are about are used: as shipped, its runner cannot score.
The octets are ours, and so are the verdicts, by the RFCs that are in force: RFC 7606 has made most
errors in attributes harmless to the session. A case is what a peer of AS 65010 says to us, of
AS 65001, on a connection of its own; cases that no octets of a peer make have a reason instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from metallb_speaker.bgp.messages import KEEPALIVE
from vectors.bgp.updates import (
    AS_PATH,
    GLOBAL,
    GOOD,
    LOCAL_PREF,
    MP_REACH,
    NEXT_HOP,
    NLRI,
    ORIGIN,
    body,
)


class Elsewhere(Enum):
    """Why a case is none for octets of a peer."""

    NO_CONNECTION = "nothing can be received in this state: tests/speaker/bgp/test_fsm.py"
    COLLISION = "two connections: tests/speaker/bgp/test_collision.py"
    OUR_TIMERS = "what we do unasked: tests/speaker/bgp/test_session.py"
    SOCKET = "below BGP: tests/speaker/peering"
    NO_ROUTES_IN = "no route of a peer is ever used, chosen or passed on (RFC 8212)"
    NO_HELPER = "we keep no routes of a peer over its restart, for we use none (RFC 4724 §4.2)"
    NOT_DONE = "we announce the changes of Services at once (RFC 4271 §9.2.1.1 is for routers)"


class Outcome(Enum):
    """What becomes of a connection that is not refused with a NOTIFICATION."""

    TAKEN = "goes on"
    CLOSED = "closed without a word, for the peer has said its NOTIFICATION"
    WITHDRAW = "goes on; treat-as-withdraw"
    DISCARD = "goes on; attribute discard"


class Phase(Enum):
    """How far the session is when the case begins."""

    OPEN_SENT = "TCP connection, our OPEN is sent"
    OPEN_CONFIRM = "and the peer's OPEN is taken"
    ESTABLISHED = "and its KEEPALIVE too"


Verdict = tuple[int, int] | Outcome
"""Code and subcode of our NOTIFICATION, or what else."""


@dataclass(frozen=True, slots=True)
class Case:
    """What the peer says, from which phase on, and what we are to do."""

    verdict: Verdict
    octets: bytes
    phase: Phase = Phase.OPEN_SENT
    is_internal: bool = False
    silent_seconds: float = 0.0
    """How long the peer says nothing afterwards."""
    capabilities: str | None = None
    """Of the peer's OPEN, in place of those that it has."""


MARKER = "ff" * 16
CAPABILITIES = "01 04 0001 00 01 01 04 0002 00 01 02 00 41 04 0000fdf2"
INTERNAL_CAPABILITIES = "01 04 0001 00 01 02 00 41 04 0000fde9"


def message(kind: int, text: str | bytes = "", length: int | None = None) -> bytes:
    """A whole message, whose length may be a lie."""
    octets = bytes.fromhex(text) if isinstance(text, str) else text
    stated = 19 + len(octets) if length is None else length
    return b"\xff" * 16 + stated.to_bytes(2, "big") + bytes((kind,)) + octets


def opened(
    capabilities: str = CAPABILITIES,
    *,
    version: int = 4,
    asn: int = 65010,
    hold_seconds: int = 90,
    identifier: str = "c0000202",
) -> bytes:
    """The peer's OPEN."""
    value = bytes.fromhex(capabilities)
    fixed = f"{version:02x} {asn:04x} {hold_seconds:04x} {identifier}"
    parameter = bytes((2, len(value))) + value if value else b""
    return message(1, bytes.fromhex(fixed) + bytes((len(parameter),)) + parameter)


def _parameters(text: str) -> bytes:
    return message(1, f"04 fdf2 005a c0000202 {text}")


def _said(verdict: Verdict, octets: bytes) -> Case:
    return Case(verdict, octets)


def _updated(verdict: Verdict, attributes: str = GOOD, nlri: str = NLRI, gone: str = "") -> Case:
    return Case(verdict, message(2, body(attributes, nlri, gone)), Phase.ESTABLISHED)


def _internal(verdict: Verdict, more: str) -> Case:
    attributes = f"{ORIGIN} 40 02 00 {NEXT_HOP} {LOCAL_PREF} {more}"
    octets = message(2, body(attributes, NLRI))
    return Case(verdict, octets, Phase.ESTABLISHED, is_internal=True)


def _path(value: str) -> str:
    octets = bytes.fromhex(value)
    return f"{ORIGIN} 50 02 {len(octets):04x} {value} {NEXT_HOP}"


def _version(version: int) -> Case:
    return _said((2, 1), opened(version=version))


TAKEN, CLOSED = Outcome.TAKEN, Outcome.CLOSED
WITHDRAW, DISCARD = Outcome.WITHDRAW, Outcome.DISCARD
UNEXPECTED_IN_OPEN_SENT = (5, 1)

HEADERS: dict[str, Case | Elsewhere] = {
    "MH-001": _said((1, 1), bytes(16) + opened()[16:]),
    "MH-002": _said((1, 1), b"\xff" * 8 + bytes(8) + opened()[16:]),
    "MH-003": _said((1, 2), message(1, length=18)),
    "MH-004": _said((1, 2), message(1, length=4097)),
    "MH-005": _said((1, 2), message(1, length=0)),
    "MH-006": _said((1, 3), message(0)),
    "MH-007": _said(UNEXPECTED_IN_OPEN_SENT, message(5, "0001 00 01")),  # a type since RFC 2918
    "MH-008": _said((1, 3), message(255)),
    "MH-009": _said((1, 2), message(1, bytes(9))),
    "MH-010": _said((1, 2), message(2, bytes(3))),
    "MH-011": _said((1, 2), message(4, "00")),
    "MH-012": _said((1, 2), message(3, "06")),
    "MH-013": _said(TAKEN, bytes.fromhex(MARKER)),  # the rest may come yet
    "MH-014": _said((1, 1), opened() + bytes(19)),
}

OPENS: dict[str, Case | Elsewhere] = {
    "OP-001": _version(3),
    "OP-002": _version(0),
    "OP-003": _version(5),
    "OP-004": _said(TAKEN, opened(hold_seconds=0) + KEEPALIVE),
    "OP-005": _said((2, 6), opened(hold_seconds=1)),
    "OP-006": _said((2, 6), opened(hold_seconds=2)),
    "OP-007": _said(TAKEN, opened(hold_seconds=65535) + KEEPALIVE),
    "OP-008": _said((2, 3), opened(identifier="00000000")),
    "OP-009": _said(TAKEN, opened(identifier="e0000001")),  # RFC 6286: any number but 0
    "OP-010": _said(TAKEN, opened(identifier="7f000001")),
    "OP-011": _said((2, 4), _parameters("03 63 01 00")),
    "OP-012": _said((2, 0), _parameters("04 02 02 41 04")),
    "OP-013": _said((2, 0), _parameters("09 02 02 0200")),
    "OP-014": _said((2, 2), opened("", asn=0)),
    "OP-015": _said((2, 2), opened("", asn=65535)),
    "OP-016": _said(TAKEN, _parameters("0e 02 02 0200 02 08 02 00 41 04 0000fdf2")),
    "OP-017": _said(TAKEN, opened("02 00 02 00 41 04 0000fdf2 41 04 0000fdf2")),
    "OP-018": _said((2, 4), _parameters("03 01 01 00")),
    "OP-019": _said((2, 2), opened("41 04 0000fdf3")),
    "OP-020": _said(TAKEN, opened(hold_seconds=30) + KEEPALIVE),
    "VN-001": _version(1),
    "VN-002": _version(2),
    "VN-003": _version(3),
    "VN-004": _version(0),
    "VN-005": _version(5),
    "VN-006": _version(255),
    "DC-001": _said(TAKEN, opened(f"{CAPABILITIES} 43 00")),
    "DC-002": Case((1, 3), message(6, "01 00"), Phase.ESTABLISHED),  # CAPABILITY is no type of ours
    "DC-003": _said(TAKEN, opened(f"{CAPABILITIES} c8 02 0102")),
    "DC-004": _said((2, 0), opened("41 02 fdf2")),
    "DC-005": _said(TAKEN, opened(f"{CAPABILITIES} 06 00 46 00 40 02 0078")),
    "GR-001": _said(TAKEN, opened(f"{CAPABILITIES} 40 02 8078")),
    "GR-005": _said(TAKEN, opened(f"{CAPABILITIES} 40 0a 4078 0001 01 80 0002 01 00")),
    "ERR-001": _said(TAKEN, opened(f"{CAPABILITIES} 46 00")),
    "EXT-001": _said(TAKEN, opened(f"{CAPABILITIES} 06 00")),
    "ORF-001": _said(TAKEN, opened(f"{CAPABILITIES} 03 07 0001 00 01 01 40 01")),
    "ORF-002": _said(TAKEN, opened(f"{CAPABILITIES} 03 07 0001 00 01 01 40 03")),
}

_BIG = body(f"{GOOD} d0 63 1388 {'00' * 5000}", NLRI)

MESSAGES: dict[str, Case | Elsewhere] = {
    "KA-001": _said(UNEXPECTED_IN_OPEN_SENT, KEEPALIVE),
    "KA-002": Case((1, 2), message(4, "00"), Phase.ESTABLISHED),
    "KA-003": Case((1, 2), message(4, "deadbeef"), Phase.ESTABLISHED),
    "KA-004": Elsewhere.NO_CONNECTION,
    "KA-005": _said(UNEXPECTED_IN_OPEN_SENT, KEEPALIVE),
    "KA-006": Case(TAKEN, KEEPALIVE * 1000, Phase.ESTABLISHED),
    "NOT-001": _said(CLOSED, message(3, "06 02")),
    "NOT-002": Case((1, 2), message(3, "06"), Phase.ESTABLISHED),
    "NOT-003": Case(CLOSED, message(3, "63 01"), Phase.ESTABLISHED),
    "NOT-004": Case(CLOSED, message(3, "01 63"), Phase.ESTABLISHED),
    "NOT-005": Case(CLOSED, message(3, "06 04"), Phase.ESTABLISHED),
    "NOT-006": Case(CLOSED, message(3, "07 00"), Phase.ESTABLISHED),  # RFC 7313 gave it a meaning
    "FSM-001": _said(UNEXPECTED_IN_OPEN_SENT, message(2, body(GOOD, NLRI))),
    "FSM-002": Elsewhere.NO_CONNECTION,
    "FSM-003": _said(UNEXPECTED_IN_OPEN_SENT, message(2, body(GOOD, NLRI))),
    "FSM-004": Case((5, 2), message(2, body(GOOD, NLRI)), Phase.OPEN_CONFIRM),
    "FSM-005": _said(UNEXPECTED_IN_OPEN_SENT, KEEPALIVE),
    "FSM-006": Case((5, 3), opened(), Phase.ESTABLISHED),
    "FSM-007": Case(CLOSED, message(3, "06 02"), Phase.ESTABLISHED),
    "FSM-008": Elsewhere.NO_CONNECTION,
    "FSM-009": _said(UNEXPECTED_IN_OPEN_SENT, KEEPALIVE),
    "FSM-010": _said(CLOSED, message(3, "06 02")),
    "FSM-011": Elsewhere.NO_CONNECTION,
    "FSM-012": Elsewhere.NO_CONNECTION,
    "FSM-013": Elsewhere.NO_CONNECTION,
    "FSM-014": Elsewhere.NO_CONNECTION,
    "FSM-015": Elsewhere.COLLISION,
    "TIM-001": Case((4, 0), b"", Phase.ESTABLISHED, silent_seconds=91),
    "TIM-002": Case(TAKEN, KEEPALIVE * 100, Phase.ESTABLISHED),
    "TIM-003": Case(TAKEN, opened(hold_seconds=0) + KEEPALIVE, silent_seconds=100_000),
    "TIM-004": Case((4, 0), b"", Phase.ESTABLISHED, silent_seconds=91),
    "TIM-005": Elsewhere.OUR_TIMERS,
    "TIM-006": Case((4, 0), opened(hold_seconds=9) + KEEPALIVE, silent_seconds=10),
    "TIM-007": _said(UNEXPECTED_IN_OPEN_SENT, KEEPALIVE),
    "TIM-008": Case(TAKEN, message(5, "0001 00 01") * 10, Phase.ESTABLISHED),
    "TIM-009": Elsewhere.NOT_DONE,
    "TIM-010": Elsewhere.NOT_DONE,
    "COL-001": Elsewhere.COLLISION,
    # RFC 6286 §2.3: a fault between internal peers only.
    "COL-002": Case((2, 3), opened(INTERNAL_CAPABILITIES, asn=65001, identifier="c0000201"),
                    is_internal=True),
    "COL-003": Elsewhere.COLLISION,
    "COL-004": Elsewhere.COLLISION,
    "GR-002": Elsewhere.NO_HELPER,
    "GR-003": Case(TAKEN, message(2, bytes(4)), Phase.ESTABLISHED),
    "GR-004": Elsewhere.NO_HELPER,
    "ERR-002": Case(TAKEN, message(5, "0001 00 01"), Phase.ESTABLISHED),
    "ERR-003": Case((1, 2), message(5, "0001 00 01 01 80 0001 00"), Phase.ESTABLISHED),
    "ERR-004": Case((1, 2), message(5, f"0001 00 01 01 40 000b {'00' * 11}"), Phase.ESTABLISHED),
    "ERR-005": Case(TAKEN, message(5, "4004 00 47"), Phase.ESTABLISHED),
    "EXT-002": Case(TAKEN, message(2, _BIG), Phase.ESTABLISHED,
                    capabilities=f"{CAPABILITIES} 06 00"),
    "EXT-003": Case((1, 2), message(2, _BIG), Phase.ESTABLISHED),
    "EXT-004": Case((1, 3), message(77), Phase.ESTABLISHED),
    "EXT-005": Case((1, 2), message(4, bytes(5000)), Phase.ESTABLISHED,
                    capabilities=f"{CAPABILITIES} 06 00"),
    "ORF-003": Case((1, 2), message(5, "0001 00 01 01 40 0001 80"), Phase.ESTABLISHED),
    "ORF-004": Case((1, 2), message(5, "0001 00 01 02 40 0001 80"), Phase.ESTABLISHED),
    "ORF-005": Case((1, 2), message(5, f"0001 00 01 01 40 0014 {'00' * 20}"), Phase.ESTABLISHED),
}  # fmt: skip

UPDATES: dict[str, Case | Elsewhere] = {
    "UP-001": _updated(WITHDRAW, f"{AS_PATH} {NEXT_HOP}"),
    "UP-002": _updated(WITHDRAW, f"{ORIGIN} {NEXT_HOP}"),
    "UP-003": _updated(WITHDRAW, f"{ORIGIN} {AS_PATH}"),
    "UP-004": _updated(WITHDRAW, f"40 01 01 03 {AS_PATH} {NEXT_HOP}"),
    "UP-005": _updated(WITHDRAW, _path("09 01 0000fdf2")),
    "UP-006": _updated(WITHDRAW, _path("02 05 0000fdf2")),
    "UP-007": _updated(WITHDRAW, _path("01 00")),
    "UP-008": _updated(WITHDRAW, f"{ORIGIN} {AS_PATH} 40 03 04 00000000"),
    "UP-009": _updated(WITHDRAW, f"{ORIGIN} {AS_PATH} 40 03 04 7f000001"),
    "UP-010": _updated(WITHDRAW, f"c0 01 01 00 {AS_PATH} {NEXT_HOP}"),
    "UP-011": _updated(WITHDRAW, f"40 01 02 0000 {AS_PATH} {NEXT_HOP}"),
    "UP-012": _updated(DISCARD, f"{GOOD} {ORIGIN}"),
    "UP-013": _updated((3, 10), nlri="21 c000020000"),
    "UP-014": _updated(TAKEN, nlri="17 c63365"),
    "UP-015": _updated(TAKEN, gone=NLRI),
    "UP-016": Case((3, 1), message(2, "0000 00ff"), Phase.ESTABLISHED),
    "UP-017": Case((3, 1), message(2, "00ff 0000"), Phase.ESTABLISHED),
    "UP-018": _updated((3, 2), f"{GOOD} 40 63 01 00"),
    "UP-019": _updated(WITHDRAW, f"{ORIGIN} 80 {AS_PATH[3:]} {NEXT_HOP}"),
    "UP-020": _updated((3, 10), nlri="ff c63364"),
    "UP-021": _updated(WITHDRAW, f"{GOOD} c0 08 05 0000000100"),
    "UP-022": _updated(TAKEN, f"{NEXT_HOP} {AS_PATH} {ORIGIN}"),
    "UP-023": _updated(WITHDRAW, _path("00 01 0000fdf2")),
    "UP-024": _updated(WITHDRAW, _path("02 ff 0000fdf2")),
    "UP-025": _updated(TAKEN, _path("")),
    "UP-026": _updated(TAKEN, _path("01 02 0000fdf2 0000fdf3 02 01 0000fdf2")),
    "UP-027": _updated(TAKEN, nlri=f"{NLRI} 08 0a 10 ac10"),
    "UP-028": _updated(TAKEN, nlri="08 0a 10 0a01 18 0a0101"),
    "UP-029": _updated((3, 10), nlri="18 c6"),
    "UP-030": Case((3, 1), message(2, "0010 18c63364 0000"), Phase.ESTABLISHED),
    "ATTR-001": _updated(TAKEN, _path("02 02 0000fdf2 0000fde9")),
    "ATTR-002": _updated(WITHDRAW, _path("03 01 0000fdf2")),
    "ATTR-003": _updated(WITHDRAW, _path("04 01 0000fdf2")),
    "ATTR-004": _updated(TAKEN, _path(f"02 ff {'0000fdf2' * 255} 02 ff {'0000fdf2' * 255}")),
    "ATTR-005": _updated(DISCARD, f"{GOOD} {LOCAL_PREF}"),
    "ATTR-006": _updated(WITHDRAW, f"{GOOD} 80 04 05 0100000000"),
    "ATTR-007": _updated(DISCARD, f"{GOOD} c0 07 05 fdf2c00002"),
    "ATTR-008": _updated(DISCARD, f"{GOOD} 40 06 01 00"),
    "ATTR-009": _updated(WITHDRAW, f"00 01 01 00 {AS_PATH} {NEXT_HOP}"),
    "ATTR-010": _updated(WITHDRAW, f"{ORIGIN} c0 {AS_PATH[3:]} {NEXT_HOP}"),
    "ATTR-011": _updated(WITHDRAW, f"{ORIGIN} {AS_PATH} c0 {NEXT_HOP[3:]}"),
    "ATTR-012": _updated(TAKEN),  # 192.0.2.1 is our address
    "ATTR-013": _updated(TAKEN, f"{ORIGIN} {AS_PATH} 40 03 04 08080808"),
    "ATTR-014": _updated(TAKEN, f"60 01 01 00 {AS_PATH} {NEXT_HOP}"),
    "ATTR-015": _updated(TAKEN, _path("02 01 0000fdf2 01 01 0000fdf3 02 01 0000fdf4")),
    "AGG-001": _updated(TAKEN, _path("02 01 0000fdf2 01 02 0000fdf4 0000fdf3")),
    "AGG-002": _updated(TAKEN, f"{GOOD} 40 06 00"),
    "AGG-003": _updated(TAKEN, f"{GOOD} c0 07 08 0000fdf2c0000202"),
    "AGG-004": Elsewhere.NO_ROUTES_IN,
    "AGG-005": Elsewhere.NO_ROUTES_IN,
    "AGG-006": Elsewhere.NO_ROUTES_IN,
    "AGG-007": _updated(TAKEN, _path("01 01 0000fdf2 02 01 0000fdf3")),
    "AGG-008": _updated(TAKEN, _path("01 01 0000fdf2 01 01 0000fdf3")),
    "MP-001": _updated(DISCARD, f"80 0e 09 00ff 01 04 c0000202 00 {GOOD}"),
    "MP-002": _updated(DISCARD, f"80 0e 09 0001 ff 04 c0000202 00 {GOOD}"),
    "MP-003": _updated(DISCARD, "80 0f 03 00ff 01", ""),
    "MP-004": _updated(TAKEN, f"{MP_REACH} {GOOD}", ""),
    "MP-005": _updated(DISCARD, f"80 0e 0d 0001 80 08 0000000000000000 00 {GOOD}", ""),
    "MP-006": _updated((3, 9), f"80 0e 08 0002 01 03 c00002 00 {GOOD}", ""),
    "MP-007": _updated(TAKEN, f"80 0e 1a 0002 01 10 {GLOBAL} 07 20 20010db8 {GOOD}", ""),
    "MP-008": Case(DISCARD, message(2, body(f"{MP_REACH} {GOOD}")), Phase.ESTABLISHED,
                   capabilities="02 00 41 04 0000fdf2"),
    "RR-001": _internal(TAKEN, "80 09 04 c0000201"),
    "RR-002": _internal(TAKEN, "80 0a 04 c0000201"),
    "RR-003": _internal(WITHDRAW, "80 09 03 c00002"),
    "RR-004": _internal(WITHDRAW, "80 0a 05 c000020100"),
    "RR-005": _internal(TAKEN, "80 09 04 00000000"),
}  # fmt: skip

SECURITY: dict[str, Case | Elsewhere] = {
    "SEC-001": Elsewhere.COLLISION,
    "SEC-002": _said(TAKEN, opened(identifier="c0000201") + KEEPALIVE),  # RFC 6286 §2.1
    "SEC-003": _said((1, 1), b"\0" * 100_000),
    "SEC-004": _updated(TAKEN, _path("02 02 0000fdf2 0000fc00")),
    "SEC-005": Elsewhere.SOCKET,
    "SEC-006": Elsewhere.SOCKET,
    "SEC-007": Elsewhere.SOCKET,
    "SEC-008": _updated(TAKEN),
    "SEC-009": _updated(TAKEN, nlri="00"),
    "SEC-010": _updated(TAKEN, f"{ORIGIN} {AS_PATH} 40 03 04 08080808"),
    "SEC-011": _updated(TAKEN, f"40 01 01 02 {AS_PATH} {NEXT_HOP}"),
    "SEC-012": _updated(DISCARD, f"{GOOD} {LOCAL_PREF}"),
    "SEC-013": _updated(TAKEN, f"{GOOD} 80 04 04 ffffffff"),
    "SEC-014": _updated(TAKEN, "", "", NLRI),
    "SEC-015": _updated(TAKEN, nlri="19 c6336400 19 c6336480"),
    "SEC-016": _updated(TAKEN, f"{GOOD} 40 06 00"),
    "SEC-017": _updated(TAKEN, _path("02 04 0000fdf2 0000fde9 0000fde9 0000fde9")),
    "SEC-018": Elsewhere.SOCKET,
    "SEC-019": _updated(TAKEN, _path("02 01 0000fdf3")),
    "SEC-020": Elsewhere.SOCKET,
    "SEC-021": _updated(DISCARD, f"{GOOD} c0 12 08 fc00ffff c0000202"),
    "SEC-022": _updated(DISCARD, f"{GOOD} c0 07 08 0000fdf2c0000202 c0 12 08 fc00ffff c0000202"),
    "SEC-023": _updated(TAKEN, _path("02 02 0000fdf2 0000ffff")),
    "SEC-024": _updated(TAKEN, _path(f"02 14 {'0000fdf2' * 20}")),
    "SEC-025": _updated(WITHDRAW, _path("02 03 0000fdf2 0000fdf2")),
    "SEC-026": _updated(WITHDRAW, _path("ff ff ff ff")),
    "SEC-027": _updated(TAKEN),
    "SEC-028": _updated(WITHDRAW, f"{ORIGIN} {AS_PATH} 40 03 00"),
    "SEC-029": _updated(TAKEN, f"{GOOD} 80 04 04 00000000"),
    "SEC-030": _updated(DISCARD, f"{GOOD} {LOCAL_PREF}"),
    "SEC-031": _updated(TAKEN, nlri="20 c0000201"),
    "SEC-032": Elsewhere.NO_ROUTES_IN,
    **{f"DEC-{number:03d}": Elsewhere.NO_ROUTES_IN for number in range(1, 19)},
}

CATALOGUE = {**HEADERS, **OPENS, **MESSAGES, **UPDATES, **SECURITY}

CLASSES = {
    "MH": "message header", "OP": "OPEN", "VN": "version negotiation", "UP": "UPDATE",
    "ATTR": "attributes", "KA": "KEEPALIVE", "NOT": "NOTIFICATION", "FSM": "state machine",
    "TIM": "timers", "COL": "collision", "MP": "multiprotocol", "RR": "route reflection",
    "GR": "graceful restart", "ERR": "enhanced refresh", "EXT": "extended messages",
    "ORF": "outbound route filters", "DC": "dynamic capability", "AGG": "aggregation",
    "DEC": "decision process", "SEC": "security",
}  # fmt: skip
"""What the framework calls the cases whose ids begin so."""


def kind_of(case: Case | Elsewhere) -> str:
    """Give the column of a case in the table."""
    if isinstance(case, Elsewhere):
        return "not for octets"
    return "NOTIFICATION" if isinstance(case.verdict, tuple) else case.verdict.name


COLUMNS = ("NOTIFICATION", "WITHDRAW", "DISCARD", "TAKEN", "CLOSED", "not for octets")


def table() -> list[str]:
    """The verdicts by class, as rows of `docs/internal/RFC.md`."""
    rows = ["| class | cases | refused | withdraw | discard | goes on | closed | not for octets |"]
    rows.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for prefix, name in CLASSES.items():
        kinds = [kind_of(case) for key, case in CATALOGUE.items() if key.startswith(f"{prefix}-")]
        counts = [str(kinds.count(column) or "") for column in COLUMNS]
        rows.append(f"| {name} ({prefix}) | {len(kinds)} | {' | '.join(counts)} |")
    return rows
