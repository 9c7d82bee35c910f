"""Words of announcing: orders in, changes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metallb.api.virtual_ips import AnnounceReason
    from metallb.net.addresses import IPAddress


@dataclass(frozen=True, slots=True)
class Orders:
    """What the controller wants for one VIP.

    `nodes` may announce it, the first one that can does; `interfaces` names where, on any node
    (none: everywhere). While suspended nobody is to. Versions grow alike on all nodes, over all
    VIPs; orders that differ by it only are the same.
    """

    address: IPAddress
    nodes: tuple[str, ...]
    interfaces: tuple[str, ...] = ()
    is_suspended: bool = False
    version: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class OwnLink:
    """An interface of ours that is up; without a link-local address it serves no IPv6."""

    name: str
    has_link_local: bool = True


class WithdrawReason(StrEnum):
    """Why this node stops announcing a VIP."""

    TAKEN_OVER = "TakenOver"
    """The node that is to announce it does."""
    SUSPENDED = "Suspended"
    RELEASED = "Released"
    """The address is in use no more."""
    NO_INTERFACE = "NoInterface"
    """No interface of ours that it may be announced on is up."""
    STOPPED = "Stopped"


@dataclass(frozen=True, slots=True)
class Announced:
    """The node announces a VIP from now on, or on other interfaces than before.

    `previous` is the node that did before, as far as we know (we ourselves, when only interfaces
    have changed); `outage_seconds` how long ago it was last known to live, when it died.
    """

    address: IPAddress
    reason: AnnounceReason
    previous: str
    outage_seconds: float | None
    interfaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The node announces a VIP no more."""

    address: IPAddress
    reason: WithdrawReason


@dataclass(frozen=True, slots=True)
class Announce:
    """Say once more on the wire that we announce a VIP; nothing else has changed."""

    address: IPAddress


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask on the wire who has a VIP; the answer is to be told by `saw`."""

    address: IPAddress


@dataclass(frozen=True, slots=True)
class ConflictSeen:
    """A station that is no speaker of ours claims a VIP that this node announces."""

    address: IPAddress
    mac: str
    interface: str


@dataclass(frozen=True, slots=True)
class ConflictGone:
    """Nobody else has claimed the VIP for a while."""

    address: IPAddress


Change = Announced | Withdrawn | Announce | Ask | ConflictSeen | ConflictGone
