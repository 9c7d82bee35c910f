"""Why a heartbeat was dropped. One word serves the counter, the metric label and the test.

Anybody can send anything to the port, so nothing here raises because of what arrives.
"""

from __future__ import annotations

from enum import StrEnum


class DropReason(StrEnum):
    """Why `Liveness.receive_datagram` took nothing from a datagram."""

    TOO_SHORT = "TooShort"
    TOO_LONG = "TooLong"
    MAGIC = "Magic"
    VERSION = "Version"
    MALFORMED = "Malformed"
    AUTHENTICATION = "Authentication"
    STATE = "State"
    OWN = "Own"
    UNKNOWN_NODE = "UnknownNode"
    REPLAYED = "Replayed"
