"""Words of the reconciler: the writes that it asks for, and how they can end.

An `Action` is one write, complete with its preconditions, so that a write decided on an old view
fails instead of overwriting a newer one. `target` says which object it changes: the shell carries
out many actions at once, but the reconciler never has two of one target under way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from metallb.api.classes import Rebalancing

if TYPE_CHECKING:
    from metallb.api.conditions import Condition
    from metallb.api.fields import JsonObject
    from metallb.api.meta import ObjectKey, Reference
    from metallb.api.virtual_ips import VirtualIP, VirtualIPSpec


class TargetKind(StrEnum):
    """What kind of object an action changes."""

    VIRTUAL_IP = "VirtualIP"
    SERVICE_STATUS = "Service"
    CLASS_STATUS = "MetalLoadBalancerClass"
    POOL_STATUS = "MetalLoadBalancerPool"
    NATIVE_POOL_STATUS = "IPAddressPool"


class Target(NamedTuple):
    """The object that an action changes."""

    kind: TargetKind
    key: ObjectKey


@dataclass(frozen=True, slots=True)
class CreateVirtualIP:
    """Enter an address into the ledger; fails when it is there."""

    target: Target
    vip: VirtualIP


@dataclass(frozen=True, slots=True)
class UpdateVirtualIP:
    """Give a VirtualIP another spec; fails when its spec is not the one seen (by generation)."""

    target: Target
    before: VirtualIP
    spec: VirtualIPSpec


@dataclass(frozen=True, slots=True)
class DeleteVirtualIP:
    """Strike an address from the ledger; fails when the object is not the one seen."""

    target: Target
    vip: VirtualIP


@dataclass(frozen=True, slots=True)
class PatchServiceStatus:
    """Write addresses and our conditions into a Service's status; foreign conditions stay.

    `addresses` None leaves the list as it is; `hostnames` are those of its entries. `removed` are
    condition types to take away. `allocated_from` is the pool that the annotation is to name, empty
    for no annotation; None leaves it as it is.
    """

    target: Target
    uid: str
    resource_version: str
    addresses: tuple[str, ...] | None
    conditions: tuple[Condition, ...]
    removed: tuple[str, ...] = ()
    allocated_from: str | None = None
    hostnames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PatchPoolStatus:
    """Write the status of a class or of another pool, in its JSON form."""

    target: Target
    uid: str
    resource_version: str
    status: JsonObject


@dataclass(frozen=True, slots=True)
class PostEvent:
    """Tell people about an object; not a write that anything depends on."""

    about: Reference
    is_warning: bool
    reason: str
    message: str


Write = CreateVirtualIP | UpdateVirtualIP | DeleteVirtualIP | PatchServiceStatus | PatchPoolStatus
Action = Write | PostEvent


class Outcome(StrEnum):
    """How a write ended."""

    DONE = "Done"
    EXISTS = "AlreadyExists"
    STALE = "Stale"
    GONE = "Gone"
    REFUSED = "Refused"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Result:
    """An outcome, with how long the server wants to be left alone and its words, if it had any."""

    outcome: Outcome
    retry_after_seconds: float = 0.0
    words: str = ""


@dataclass(frozen=True, slots=True)
class ReconcilerSettings:
    """How the reconciler behaves; times in seconds."""

    services_per_step: int = 100
    """Services decided about in one step, if the caller does not say."""
    status_delay_seconds: float = 0.2
    """A pool's status is written so long after it changed: Services come first."""
    status_interval_seconds: float = 1.0
    """A pool's status is written at most so often."""
    retry_first_seconds: float = 0.2
    retry_limit_seconds: float = 30.0
    rebalancing: Rebalancing = field(default_factory=Rebalancing)
    """What holds for pools whose kind cannot say it."""
    load_balancer_class: str = ""
    """`spec.loadBalancerClass` of the Services that MetalLB's pools serve; empty: of those without
    one.
    """
