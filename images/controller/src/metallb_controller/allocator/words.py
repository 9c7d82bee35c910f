"""Refusals in words for people: why a Service does not get an address, and what would be right.

One place words them, so that condition, Event, log and admission say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, assert_never

from metallb.api.fields import LISTED, listed
from metallb.api.services import POOL_ANNOTATION
from metallb.domain.requests import RequestProblem, RequestReason
from metallb.domain.selection import is_class, pool_words
from metallb.net.addresses import Family, IPAddress, family_of
from metallb_controller.allocator.model import Objection, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metallb.api.meta import ObjectKey
    from metallb_controller.allocator.model import Claim
    from metallb_controller.allocator.state import Allocator


def explain(
    objection: Objection, address: IPAddress, pool: str, claim: Claim, allocator: Allocator
) -> RequestProblem:
    """Say why a Service does not get a certain address."""
    reason, message = _explained(objection, address, pool, claim, allocator)
    return RequestProblem(reason, message)


def _explained(
    objection: Objection, address: IPAddress, pool: str, claim: Claim, allocator: Allocator
) -> tuple[RequestReason, str]:
    key, holder, owner = claim.sharing_key, objection.holder, pool_words(pool)
    match objection.refusal:
        case Refusal.OUTSIDE:
            ranges = listed(allocator.ranges(pool, family_of(address)))
            outside = f"{address} is requested, but {owner} has only {ranges}"
            return RequestReason.ADDRESS_OUTSIDE, outside
        case Refusal.AVOIDED:
            return RequestReason.ADDRESS_NOT_IN_POOLS, (
                f"{address} is requested, but {owner} does not give addresses that end in .0 or "
                ".255 (spec.avoidBuggyIPs)"
            )
        case Refusal.DISABLED:
            return RequestReason.POOL_DISABLED, f"{address} is requested, but {_disabled(pool)}"
        case Refusal.RESERVED:
            return RequestReason.ADDRESS_RESERVED, (
                f"{address} is reserved for others (spec.reservations of {owner}); "
                "request another one"
            )
        case Refusal.IN_IPAM:
            use = allocator.foreign_use(address)
            by = f" by {use.description}" if use and use.description else ""
            return RequestReason.ADDRESS_IN_IPAM, (
                f"{address} is reserved in IPAM{by}; request another one, or remove it there"
            )
        case Refusal.RETAINED:
            return RequestReason.ADDRESS_RETAINED, (
                f"{address} is kept for Service {holder}, which is gone and may come back; "
                "request another one, or wait"
            )
        case Refusal.QUOTA:
            quota = allocator.space(pool).namespace_quota
            return RequestReason.QUOTA_REACHED, (
                f"{address} is requested, but {_quota(pool, quota)}"
            )
        case Refusal.FULL:
            return RequestReason.ADDRESS_FULL, (
                f"{address} is shared by as many Services as can be; use another sharing key"
            )
        case Refusal.HELD | Refusal.OTHER_KEY:
            return RequestReason.ADDRESS_IN_USE, (
                f"{address} is held by Service {holder}; to share it, both need the same "
                "sharing key and different ports"
            )
        case Refusal.PORT_TAKEN:
            ports = _common_ports(holder, address, claim, allocator)
            return RequestReason.SHARING_REFUSED, (
                f"{address} cannot be shared under key {key!r}: Service {holder} has "
                f"{ports} on it; change the port or the key"
            )
        case Refusal.OTHER_POLICY:
            return RequestReason.SHARING_REFUSED, (
                f"{address} cannot be shared under key {key!r} with Service {holder}: both "
                "need externalTrafficPolicy Cluster, or Local with the same selector"
            )
        case _:
            assert_never(objection.refusal)


def _common_ports(
    holder: ObjectKey | None, address: IPAddress, claim: Claim, allocator: Allocator
) -> str:
    theirs = None if holder is None else allocator.claim(address, holder)
    common = frozenset() if theirs is None else claim.ports & theirs.ports
    return ", ".join(sorted(map(str, common)))


def _disabled(pool: str) -> str:
    return f"{pool_words(pool)} is disabled (spec.disabled): nobody new gets an address of it"


def _quota(pool: str, quota: int) -> str:
    return (
        f"the namespace has all that {pool_words(pool)} lets one have "
        f"(spec.namespaceQuota is {quota})"
    )


class Shortage(NamedTuple):
    """Why a pool gives no address of a family, of which any would do."""

    reason: RequestReason
    words: str


def shortage(
    allocator: Allocator, pool: str, family: Family, service: ObjectKey, new: int = 0
) -> Shortage:
    """Say why a pool has nothing (more) for a Service, but for some `new` addresses."""
    owner, size = pool_words(pool), allocator.size(pool, family)
    if not size:
        of_class = is_class(pool)
        reason = RequestReason.FAMILY_NOT_SERVED if of_class else RequestReason.FAMILY_NOT_IN_POOLS
        return Shortage(reason, f"{owner} has no {family} addresses")
    space = allocator.space(pool)
    if space.is_disabled:
        return Shortage(RequestReason.POOL_DISABLED, _disabled(pool))
    if allocator.room(pool, service.namespace) <= new:
        return Shortage(RequestReason.QUOTA_REACHED, _quota(pool, space.namespace_quota))
    capacity = allocator.capacity(pool, family)
    reserved = capacity.free - allocator.free_count(pool, family, service)
    kept = f", {reserved} of them reserved for others" if reserved else ""
    if capacity.foreign:
        kept += f", {capacity.foreign} of them reserved in IPAM"
    return Shortage(
        RequestReason.EXHAUSTED,
        f"{owner} has no free {family} address ({size} in its ranges{kept})",
    )


_GRAVEST = (
    RequestReason.EXHAUSTED,
    RequestReason.QUOTA_REACHED,
    RequestReason.POOL_DISABLED,
    RequestReason.FAMILY_NOT_IN_POOLS,
)


def nothing_free(
    allocator: Allocator,
    pools: Sequence[str],
    alternatives: Iterable[str],
    family: Family,
    service: ObjectKey,
    new: Mapping[str, int],
) -> RequestProblem:
    """Say that no pool that is tried has an address of a family (more than are `new`), and which
    others have.
    """
    found = [shortage(allocator, pool, family, service, new.get(pool, 0)) for pool in pools]
    reasons = {item.reason for item in found}
    reason = next((item for item in _GRAVEST if item in reasons), RequestReason.NO_POOL)
    words = "; ".join(item.words for item in found[:LISTED])
    if len(found) > LISTED:
        words += f" and {len(found) - LISTED} more pools are no better"
    others = [
        f"{pool_words(pool)} has {free} free"
        for pool in alternatives
        if pool not in pools and (free := allocator.free_count(pool, family, service))
    ]
    advice = "add a range to a pool"
    if others:
        advice = f"{listed(others)}: ask for it with annotation {POOL_ANNOTATION}"
    return RequestProblem(reason, f"no available IPs: {words or 'no pool is tried'}; {advice}")
