"""UPDATE (RFC 4271 §4.3): building it, and reading it with the verdicts of RFC 7606.

```
    +-----------------------------------------------------+
    |   Withdrawn Routes Length (2 octets)                |
    +-----------------------------------------------------+
    |   Withdrawn Routes (variable)                       |
    +-----------------------------------------------------+
    |   Total Path Attribute Length (2 octets)            |
    +-----------------------------------------------------+
    |   Path Attributes (variable)                        |
    +-----------------------------------------------------+
    |   Network Layer Reachability Information (variable) |
    +-----------------------------------------------------+
```

The order in which an UPDATE is read: its outer lengths, its NLRI, each attribute in turn, and then
what the errors found come to together (RFC 7606 §3). Whatever demands a session reset is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from metallb_speaker.bgp.attributes import mp_unreach
from metallb_speaker.bgp.iana import IPV4_UNICAST, Family, MessageType
from metallb_speaker.bgp.messages import frame
from metallb_speaker.bgp.prefixes import Prefix


class Approach(Enum):
    """What RFC 7606 §2 does about an error; a session reset is raised as NotificationError."""

    TREAT_AS_WITHDRAW = "treat-as-withdraw"
    ATTRIBUTE_DISCARD = "attribute discard"


@dataclass(frozen=True, slots=True)
class Problem:
    """An error in an attribute, and what was done about it."""

    attribute: int
    approach: Approach
    why: str


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """What the reading of an UPDATE depends on: both sides' capabilities, and whose peer it is.

    `add_path` names the families whose NLRI have path identifiers in this direction (RFC 7911 §3);
    `extended_next_hop` those whose next hops may be of the other family (RFC 8950 §4).
    """

    is_internal: bool
    four_octet_as: bool
    families: frozenset[Family] = frozenset((IPV4_UNICAST,))
    add_path: frozenset[Family] = frozenset()
    extended_next_hop: frozenset[Family] = frozenset()


@dataclass(frozen=True, slots=True)
class Update:
    """An UPDATE that was read."""

    withdrawn: tuple[Prefix, ...] = ()
    announced: tuple[Prefix, ...] = ()
    attributes: Mapping[int, bytes] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    end_of_rib: Family | None = None


def update_message(withdrawn: bytes = b"", attributes: bytes = b"", nlri: bytes = b"") -> bytes:
    """Write a whole UPDATE of parts that are encoded already."""
    body = b"".join(
        (
            len(withdrawn).to_bytes(2, "big"),
            withdrawn,
            len(attributes).to_bytes(2, "big"),
            attributes,
            nlri,
        )
    )
    return frame(MessageType.UPDATE, body)


def end_of_rib(family: Family) -> bytes:
    """A whole End-of-RIB marker (RFC 4724 §2)."""
    if family == IPV4_UNICAST:
        return update_message()
    return update_message(attributes=mp_unreach(family, b""))
