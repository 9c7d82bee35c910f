"""What a Service asks for, read from its spec and annotations, with everything wrong in it named.

Services of classes are read in one dialect, those of pools in the other (`Dialect`):

- Of a class: only Deckhouse's annotations count, as it is with Deckhouse. Of requested addresses,
  those that are malformed or of a family that the Service does not have are named and left out; an
  empty item asks for any address.
- Of pools: Deckhouse's annotations come first, then MetalLB's, then `spec.loadBalancerIP`. A
  request is met as a whole or not at all, so one bad item, or a family that is missing, spoils it.

In both, more requested addresses of a family than the count raise it. A wish that cannot be
understood never costs an address: `count` is then None, or `is_malformed` set, and the caller
keeps what the Service holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from metallb.api.fields import shown
from metallb.api.label_syntax import is_object_name
from metallb.api.services import (
    ADDRESSES_ANNOTATION,
    COUNT_ANNOTATION,
    HOSTNAME_ANNOTATION,
    NATIVE_ADDRESSES_ANNOTATION,
    NATIVE_POOL_ANNOTATION,
    NATIVE_SHARING_ANNOTATION,
    POOL_ANNOTATION,
    RETENTION_ANNOTATION,
    SHARING_ANNOTATION,
)
from metallb.net.addresses import Family, IPAddress, family_of, parse_address

if TYPE_CHECKING:
    from metallb.api.services import Service

MAX_ADDRESSES_PER_FAMILY = 256
"""More than this for one Service is taken for a slip of the pen."""

MAX_KEY_CHARACTERS = 253

MAX_RETENTION_SECONDS = 604_800

_FAMILIES = {family.value: family for family in Family}


class Dialect(StrEnum):
    """How a Service is read: it is served by a class, or by pools with MetalLB's rules."""

    CLASS = "class"
    POOL = "pool"


class RequestReason(StrEnum):
    """Why a wish, or a part of it, is not met; reason of the condition and of the Event."""

    INVALID_COUNT = "InvalidAddressCount"
    INVALID_ADDRESS = "InvalidRequestedAddress"
    INVALID_SHARING_KEY = "InvalidSharingKey"
    INVALID_RETENTION = "InvalidRetention"
    INVALID_HOSTNAME = "InvalidHostname"
    TWO_REQUESTS = "AddressesRequestedTwice"
    TOO_MANY_ADDRESSES = "TooManyRequestedAddresses"
    FAMILY_NOT_USED = "RequestedFamilyNotUsed"
    FAMILY_NOT_REQUESTED = "RequestLacksFamily"
    NOT_ENOUGH_FAMILIES = "NotEnoughClusterIPs"
    UNKNOWN_POOL = "UnknownPool"
    NO_POOL = "NoPoolServes"
    OTHER_POOL = "RequestedAddressOfOtherPool"
    ADDRESS_OUTSIDE = "RequestedAddressOutsideClass"
    ADDRESS_NOT_IN_POOLS = "RequestedAddressOutsidePools"
    ADDRESS_IN_USE = "RequestedAddressInUse"
    ADDRESS_RESERVED = "RequestedAddressReserved"
    ADDRESS_IN_IPAM = "RequestedAddressInIPAM"
    ADDRESS_RETAINED = "RequestedAddressRetained"
    SHARING_REFUSED = "SharingRefused"
    ADDRESS_FULL = "SharedAddressFull"
    FAMILY_NOT_SERVED = "FamilyNotInClass"
    FAMILY_NOT_IN_POOLS = "FamilyNotInPools"
    QUOTA_REACHED = "NamespaceQuotaReached"
    POOL_DISABLED = "PoolDisabled"
    EXHAUSTED = "NoFreeAddress"
    LEDGER_REFUSED = "VirtualIPRefused"


@dataclass(frozen=True, slots=True)
class RequestProblem:
    """One part of a wish that is not met, in words that say what would be right."""

    reason: RequestReason
    message: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a Service asks for.

    `count` is the number of addresses of each family, None when it could not be understood.
    `is_second_family_optional` is `PreferDualStack`. `requested` has no repetitions.
    `is_malformed`: it asks for certain addresses, and nobody can tell for which.
    `retention_seconds` None: as long as the pool says. `hostname` is for the status; empty: none,
    None: whatever is there.
    """

    count: int | None
    families: tuple[Family, ...]
    is_second_family_optional: bool
    requested: tuple[IPAddress, ...]
    sharing_key: str
    problems: tuple[RequestProblem, ...]
    is_malformed: bool = False
    retention_seconds: int | None = None
    hostname: str | None = None


class _Text(NamedTuple):
    """What a user wrote, and where."""

    place: str
    text: str


_NOTHING = _Text("", "")


def requested_pool(service: Service) -> str | None:
    """Give the name of the pool that a Service asks for; None: it names none."""
    named = service.pool_annotation
    if named is None:
        named = service.native_pool_annotation
    return (named or "").strip() or None


def pool_annotation(service: Service) -> str:
    """Name the annotation in which a Service names its pool."""
    return NATIVE_POOL_ANNOTATION if service.pool_annotation is None else POOL_ANNOTATION


def read_wish(service: Service, dialect: Dialect = Dialect.CLASS) -> Wish:
    """Read what a Service asks for; never raises."""
    problems: list[RequestProblem] = []
    count = _read_count(service.count_annotation, problems)
    is_strict = dialect is Dialect.POOL
    families = _families(service)
    if is_strict and service.ip_family_policy == "RequireDualStack" and len(families) < 2:
        problems.append(_not_enough_families())
        families = ()
    before = len(problems)
    requested = _read_requested(_requests(service, dialect, problems), families, problems, dialect)
    if is_strict and len(problems) == before:
        problems += _missing_families(requested, families)
    is_malformed = is_strict and len(problems) > before
    if is_malformed:
        requested = ()
    sharing_key = _read_sharing_key(_sharing(service, dialect), problems)
    retention = _read_retention(service.retention_annotation, problems)
    hostname = _read_hostname(service.hostname_annotation, problems)
    return Wish(
        count=_raised(count, requested),
        families=families,
        is_second_family_optional=service.ip_family_policy == "PreferDualStack",
        requested=requested,
        sharing_key=sharing_key,
        problems=tuple(problems),
        is_malformed=is_malformed,
        retention_seconds=retention,
        hostname=hostname,
    )


def _read_count(text: str | None, problems: list[RequestProblem]) -> int | None:
    if text is None:
        return 1
    count = _whole_number(text)
    if count is not None and 1 <= count <= MAX_ADDRESSES_PER_FAMILY:
        return count
    problems.append(
        RequestProblem(
            RequestReason.INVALID_COUNT,
            f"annotation {COUNT_ANNOTATION} is {shown(text)}; "
            f"a whole number from 1 to {MAX_ADDRESSES_PER_FAMILY} is wanted",
        )
    )
    return None


def _whole_number(text: str) -> int | None:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def _raised(count: int | None, requested: tuple[IPAddress, ...]) -> int | None:
    """Raise the count to the number of requested addresses of a family."""
    if count is None:
        return None
    of_ipv4 = sum(address.version == 4 for address in requested)
    return max(count, of_ipv4, len(requested) - of_ipv4)


def _families(service: Service) -> tuple[Family, ...]:
    named = (_FAMILIES[name] for name in service.ip_families if name in _FAMILIES)
    families = tuple(dict.fromkeys(named)) or (Family.IPV4,)
    is_dual = service.ip_family_policy in ("PreferDualStack", "RequireDualStack")
    return families if is_dual else families[:1]


def _not_enough_families() -> RequestProblem:
    return RequestProblem(
        RequestReason.NOT_ENOUGH_FAMILIES,
        "not enough clusterips: the Service requires both families (spec.ipFamilyPolicy), and has "
        "a cluster IP of one; use PreferDualStack or SingleStack",
    )


# -- requested addresses -----------------------------------------------------------------------


def _requests(service: Service, dialect: Dialect, problems: list[RequestProblem]) -> _Text:
    """Find the text that requests addresses, of those that count."""
    found: list[_Text] = []
    if service.addresses_annotation is not None:
        found.append(_Text(f"annotation {ADDRESSES_ANNOTATION}", service.addresses_annotation))
    elif dialect is Dialect.POOL and service.native_addresses_annotation is not None:
        place = f"annotation {NATIVE_ADDRESSES_ANNOTATION}"
        found.append(_Text(place, service.native_addresses_annotation))
    if dialect is Dialect.POOL and service.load_balancer_ip:
        found.append(_Text("spec.loadBalancerIP", service.load_balancer_ip))
    found = [item for item in found if item.text]
    if len(found) == 2:
        problems.append(
            RequestProblem(
                RequestReason.TWO_REQUESTS,
                f"{found[0].place} and {found[1].place} both request addresses; keep one of them",
            )
        )
        return _NOTHING
    return found[0] if found else _NOTHING


def _read_requested(
    text: _Text,
    families: tuple[Family, ...],
    problems: list[RequestProblem],
    dialect: Dialect,
) -> tuple[IPAddress, ...]:
    found: dict[IPAddress, None] = {}
    taken = dict.fromkeys(families, 0)
    for item in _items(text, dialect):
        try:
            address = parse_address(item)
        except ValueError as error:
            problems.append(
                RequestProblem(
                    RequestReason.INVALID_ADDRESS,
                    f"{text.place}: {error}; "
                    "write addresses with commas between them, like 192.0.2.10,192.0.2.11",
                )
            )
            continue
        family = family_of(address)
        if family not in taken:
            problems.append(_family_not_used(address, families))
        elif address not in found and taken[family] == MAX_ADDRESSES_PER_FAMILY:
            problems.append(_too_many(address, family))
        elif address not in found:
            taken[family] += 1
            found[address] = None
    return tuple(found)


def _items(text: _Text, dialect: Dialect) -> list[str]:
    """Part a list of addresses; in the dialect of pools an empty item is a slip."""
    items = text.text.split(",") if text.text else []
    return items if dialect is Dialect.POOL else list(filter(str.strip, items))


def _family_not_used(address: IPAddress, families: tuple[Family, ...]) -> RequestProblem:
    return RequestProblem(
        RequestReason.FAMILY_NOT_USED,
        f"{address} is requested, but the Service uses {' and '.join(families) or 'neither'} only "
        "(spec.ipFamilies, spec.ipFamilyPolicy)",
    )


def _missing_families(
    requested: tuple[IPAddress, ...], families: tuple[Family, ...]
) -> list[RequestProblem]:
    """Say which families a request leaves out."""
    given = {family_of(address) for address in requested}
    return [
        RequestProblem(
            RequestReason.FAMILY_NOT_REQUESTED,
            f"the request names no {family} address, but the Service uses "
            f"{' and '.join(families)}; name one of each, or none",
        )
        for family in families
        if requested and family not in given
    ]


def _too_many(address: IPAddress, family: Family) -> RequestProblem:
    return RequestProblem(
        RequestReason.TOO_MANY_ADDRESSES,
        f"{address} is left out: at most {MAX_ADDRESSES_PER_FAMILY} {family} addresses can be "
        "requested",
    )


# -- the rest ----------------------------------------------------------------------------------


def _sharing(service: Service, dialect: Dialect) -> _Text:
    if service.sharing_annotation is not None or dialect is Dialect.CLASS:
        return _Text(SHARING_ANNOTATION, service.sharing_annotation or "")
    return _Text(NATIVE_SHARING_ANNOTATION, service.native_sharing_annotation or "")


def _read_sharing_key(given: _Text, problems: list[RequestProblem]) -> str:
    key = given.text.strip()
    if len(key) <= MAX_KEY_CHARACTERS:
        return key
    problems.append(
        RequestProblem(
            RequestReason.INVALID_SHARING_KEY,
            f"annotation {given.place} has {len(key)} characters; "
            f"at most {MAX_KEY_CHARACTERS} are taken",
        )
    )
    return ""


def _read_hostname(text: str | None, problems: list[RequestProblem]) -> str | None:
    if not text or is_object_name(text):
        return text
    problems.append(
        RequestProblem(
            RequestReason.INVALID_HOSTNAME,
            f"annotation {HOSTNAME_ANNOTATION} is {shown(text)}; a DNS name of small letters is "
            "wanted, like web.example.com",
        )
    )
    return None


def _read_retention(text: str | None, problems: list[RequestProblem]) -> int | None:
    if text is None:
        return None
    seconds = _whole_number(text)
    if seconds is not None and seconds <= MAX_RETENTION_SECONDS:
        return seconds
    problems.append(
        RequestProblem(
            RequestReason.INVALID_RETENTION,
            f"annotation {RETENTION_ANNOTATION} is {shown(text)}; "
            f"a whole number from 0 to {MAX_RETENTION_SECONDS} is wanted",
        )
    )
    return None
