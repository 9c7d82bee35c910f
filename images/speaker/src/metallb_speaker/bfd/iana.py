"""Numbers of BFD, under the names of IANA's registry and of RFC 5880."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

VERSION: Final = 1
CONTROL_PORT: Final = 3784
"""Single hop (RFC 5881 §4)."""
ECHO_PORT: Final = 3785
MULTIHOP_PORT: Final = 4784
"""RFC 5883 §5."""
SOURCE_PORTS: Final = range(49_152, 65_536)
"""RFC 5881 §4: "The source port MUST be in the range 49152 through 65535"."""

TTL: Final = 255
"""RFC 5881 §5: sent so, and on a single hop received so (RFC 5082)."""

SLOW_US: Final = 1_000_000
"""RFC 5880 §6.8.3: no faster than this while the session is not Up."""


class State(IntEnum):
    """RFC 5880 §4.1, Sta."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3


class Diagnostic(IntEnum):
    """RFC 5880 §4.1, Diag: why the session last changed its state."""

    NO_DIAGNOSTIC = 0
    CONTROL_DETECTION_TIME_EXPIRED = 1
    ECHO_FUNCTION_FAILED = 2
    NEIGHBOR_SIGNALED_SESSION_DOWN = 3
    FORWARDING_PLANE_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8
    MISCONNECTIVITY_DEFECT = 9


class AuthenticationType(IntEnum):
    """RFC 5880 §4.1, Auth Type."""

    SIMPLE_PASSWORD = 1
    KEYED_MD5 = 2
    METICULOUS_KEYED_MD5 = 3
    KEYED_SHA1 = 4
    METICULOUS_KEYED_SHA1 = 5
