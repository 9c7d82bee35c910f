"""The interface to an external IPAM (IP address management): what we read there and write into it.

An IPAM is a book beside ours, never on the path of a Service: the ledger decides who holds what.
From the IPAM we learn which addresses of our pools others use, and into it we write an object for
each address of the ledger. Our objects bear a mark of this cluster, which nobody else's has; an
object without it is never changed and never deleted.

To hook in another IPAM, write a class with the five methods of `Ipam` and let
`metallb_controller.app.ipam.connect` make it. Everything else (what differs, in which order it is
written, what is tried again and when) is in `metallb_controller.ipam.plan` and
`metallb_controller.app.ipam`, and knows no IPAM by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb.net.addresses import IPAddress
    from metallb.net.ranges import AddressRange
    from metallb_controller.allocator.model import ForeignUse


class Failure(StrEnum):
    """Why an IPAM cannot be used; also what the metric of errors is labelled with."""

    UNREACHABLE = "Unreachable"
    TIMEOUT = "Timeout"
    TLS = "TLS"
    NO_TOKEN = "NoToken"
    UNAUTHORIZED = "Unauthorized"
    STATUS = "Status"
    MALFORMED = "Malformed"
    REFUSED = "Refused"
    CHANGED = "Changed"
    GONE = "Gone"
    UNEXPECTED = "Unexpected"


class IpamError(Exception):
    """The IPAM cannot be used now; `retry_after_seconds` is how long it wants to be left alone."""

    def __init__(self, reason: Failure, words: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(words)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class RefusedError(Exception):
    """The IPAM refuses one object, in its own words, and may take others."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the IPAM is to say of an address that we hold; an empty hostname is none."""

    address: IPAddress
    description: str
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """An object of ours in the IPAM.

    `is_whole` tells whether all that an entry does not say is right too: mask, status, VRF.
    """

    id: int
    entry: Entry
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Contents:
    """What the IPAM says: the objects of ours, and what others use of our ranges."""

    ours: tuple[Registered, ...] = ()
    others: tuple[ForeignUse, ...] = ()


class Ipam(Protocol):
    """An IPAM, as `IpamSync` uses it: one call at a time, each with a limit of its own.

    Each method raises IpamError when the IPAM does not answer, or not as it should, and those that
    write RefusedError when it will not have this one object.
    """

    async def read(self, ranges: Sequence[AddressRange]) -> Contents:
        """Read all objects of ours, and what others use of some ranges."""

    async def register(self, entry: Entry) -> Registered:
        """Make an object for an address."""

    async def change(self, found: Registered, entry: Entry) -> Registered:
        """Let an object of ours say something else; its address stays."""

    async def release(self, found: Registered) -> None:
        """Delete an object of ours; one that is gone already is no error."""

    async def close(self) -> None:
        """Let go of connections."""
