"""What a Service asks for, read from its spec and annotations, with everything wrong in it named.

A wish that cannot be understood never costs an address: `count` is then None and the caller keeps
what the Service holds (at least one). Requested addresses are matched to families; those that are
malformed, of a family that the Service does not have, or too many are named and left out; an
empty item asks for any address, as it does for Deckhouse.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from metallb.api.fields import shown
from metallb.api.services import ADDRESSES_ANNOTATION, COUNT_ANNOTATION, SHARING_ANNOTATION
from metallb.net.addresses import Family, IPAddress, family_of, parse_address

if TYPE_CHECKING:
    from metallb.api.services import Service

MAX_ADDRESSES_PER_FAMILY = 256
"""More than this for one Service is taken for a slip of the pen."""

MAX_KEY_CHARACTERS = 253

_FAMILIES = {family.value: family for family in Family}


class RequestReason(StrEnum):
    """Why a wish, or a part of it, is not met; reason of the condition and of the Event."""

    INVALID_COUNT = "InvalidAddressCount"
    INVALID_ADDRESS = "InvalidRequestedAddress"
    INVALID_SHARING_KEY = "InvalidSharingKey"
    TOO_MANY_ADDRESSES = "TooManyRequestedAddresses"
    FAMILY_NOT_USED = "RequestedFamilyNotUsed"
    ADDRESS_OUTSIDE = "RequestedAddressOutsideClass"
    ADDRESS_IN_USE = "RequestedAddressInUse"
    SHARING_REFUSED = "SharingRefused"
    ADDRESS_FULL = "SharedAddressFull"
    FAMILY_NOT_SERVED = "FamilyNotInClass"
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
    """

    count: int | None
    families: tuple[Family, ...]
    is_second_family_optional: bool
    requested: tuple[IPAddress, ...]
    sharing_key: str
    problems: tuple[RequestProblem, ...]


def read_wish(service: Service) -> Wish:
    """Read what a Service asks for; never raises."""
    problems: list[RequestProblem] = []
    count = _read_count(service.count_annotation, problems)
    families = _families(service)
    return Wish(
        count=count,
        families=families,
        is_second_family_optional=service.ip_family_policy == "PreferDualStack",
        requested=_read_requested(service.addresses_annotation, families, count, problems),
        sharing_key=_read_sharing_key(service.sharing_annotation, problems),
        problems=tuple(problems),
    )


def _read_count(text: str | None, problems: list[RequestProblem]) -> int | None:
    if text is None:
        return 1
    digits = text.strip()
    count = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None
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


def _families(service: Service) -> tuple[Family, ...]:
    named = (_FAMILIES[name] for name in service.ip_families if name in _FAMILIES)
    families = tuple(dict.fromkeys(named)) or (Family.IPV4,)
    is_dual = service.ip_family_policy in ("PreferDualStack", "RequireDualStack")
    return families if is_dual else families[:1]


def _read_requested(
    text: str | None,
    families: tuple[Family, ...],
    count: int | None,
    problems: list[RequestProblem],
) -> tuple[IPAddress, ...]:
    found: dict[IPAddress, None] = {}
    taken = dict.fromkeys(families, 0)
    for item in filter(str.strip, (text or "").split(",")):
        try:
            address = parse_address(item)
        except ValueError as error:
            problems.append(
                RequestProblem(
                    RequestReason.INVALID_ADDRESS,
                    f"annotation {ADDRESSES_ANNOTATION}: {error}; "
                    "write addresses with commas between them, like 192.0.2.10,192.0.2.11",
                )
            )
            continue
        family = family_of(address)
        if family not in families:
            problems.append(_family_not_used(address, families))
        elif address not in found and taken[family] == (count or MAX_ADDRESSES_PER_FAMILY):
            problems.append(_too_many(address, family, taken[family]))
        elif address not in found:
            taken[family] += 1
            found[address] = None
    return tuple(found)


def _family_not_used(address: IPAddress, families: tuple[Family, ...]) -> RequestProblem:
    return RequestProblem(
        RequestReason.FAMILY_NOT_USED,
        f"{address} is requested, but the Service uses {' and '.join(families)} only "
        "(spec.ipFamilies, spec.ipFamilyPolicy)",
    )


def _too_many(address: IPAddress, family: Family, count: int) -> RequestProblem:
    return RequestProblem(
        RequestReason.TOO_MANY_ADDRESSES,
        f"{address} is left out: more {family} addresses are requested than the {count} that the "
        f"Service is to have; raise the annotation {COUNT_ANNOTATION}",
    )


def _read_sharing_key(text: str | None, problems: list[RequestProblem]) -> str:
    key = (text or "").strip()
    if len(key) <= MAX_KEY_CHARACTERS:
        return key
    problems.append(
        RequestProblem(
            RequestReason.INVALID_SHARING_KEY,
            f"annotation {SHARING_ANNOTATION} has {len(key)} characters; "
            f"at most {MAX_KEY_CHARACTERS} are taken",
        )
    )
    return ""
