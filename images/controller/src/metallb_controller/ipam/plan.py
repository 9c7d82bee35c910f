"""What is to be written into an IPAM so that it says what the ledger says.

The rules: only objects of ours are changed or deleted. An address that others use there is not
registered, and if a Service holds it that is a conflict; an object that we have for it stays. Of
two objects of ours for one address the older (the lower ID) stays. Objects are released before
others are made, so that an IPAM which wants addresses to be unique is content.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from metallb.net.addresses import Family, IPAddress, family_of
from metallb.net.ranges import AddressRange
from metallb_controller.allocator.model import ForeignUse
from metallb_controller.ipam.model import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metallb.api.meta import ObjectKey
    from metallb.api.virtual_ips import VirtualIP
    from metallb_controller.ipam.model import Contents, Registered

MOST_CHARACTERS: Final = 200
"""Of a description: NetBox takes no more, and nobody reads more."""


class Disagreement(StrEnum):
    """Why the IPAM does not say that an address is ours."""

    USED_BY_OTHERS = "UsedByOthers"
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True)
class Conflict:
    """An address that we hold and the IPAM does not let us have; `words` are of the IPAM."""

    address: IPAddress
    reason: Disagreement
    words: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write, in this order, and what cannot be."""

    release: tuple[Registered, ...] = ()
    change: tuple[tuple[Registered, Entry], ...] = ()
    register: tuple[Entry, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


def entries(
    vips: Iterable[VirtualIP], hostnames: Mapping[ObjectKey, str | None]
) -> dict[IPAddress, Entry]:
    """Give what the IPAM is to say of each address of the ledger.

    `hostnames` are those that Services ask for. An address that is kept for a Service which is gone
    is still ours.
    """
    found: dict[IPAddress, Entry] = {}
    for vip in vips:
        services, kept = vip.spec.services, vip.spec.retained
        words = ", ".join(map(str, services))
        if not services and kept is not None:
            words = f"kept for {', '.join(map(str, kept.services))}"
        if len(words) > MOST_CHARACTERS:
            words = f"{words[: MOST_CHARACTERS - 1]}…"
        names = (hostnames.get(service) for service in services)
        hostname = next(filter(None, names), "")
        found[vip.spec.address] = Entry(vip.spec.address, words, hostname)
    return found


def plan(wanted: Mapping[IPAddress, Entry], contents: Contents) -> Plan:
    """Compare the ledger with an IPAM."""
    others = _Uses(contents.others)
    kept: dict[IPAddress, Registered] = {}
    release: list[Registered] = []
    for item in sorted(contents.ours, key=lambda item: item.id):
        if item.entry.address in wanted and item.entry.address not in kept:
            kept[item.entry.address] = item
        else:
            release.append(item)
    change: list[tuple[Registered, Entry]] = []
    register: list[Entry] = []
    conflicts: list[Conflict] = []
    for address, entry in wanted.items():
        if (use := others.at(address)) is not None:
            conflicts.append(Conflict(address, Disagreement.USED_BY_OTHERS, use.description))
        if (found := kept.get(address)) is not None:
            if found.entry != entry or not found.is_whole:
                change.append((found, entry))
        elif use is None:
            register.append(entry)
    return Plan(tuple(release), tuple(change), tuple(register), tuple(conflicts))


class _Uses:
    """Uses that do not overlap, to be found by address."""

    def __init__(self, uses: Sequence[ForeignUse]) -> None:
        self._uses = sorted(uses, key=lambda item: item.range)
        self._firsts = [(item.range.family, item.range.first) for item in self._uses]

    def at(self, address: IPAddress) -> ForeignUse | None:
        index = bisect_right(self._firsts, (family_of(address), int(address))) - 1
        if index < 0 or address not in self._uses[index].range:
            return None
        return self._uses[index]


def parted(uses: Iterable[ForeignUse]) -> tuple[ForeignUse, ...]:
    """Sort uses and part those that overlap: where two say something, the first one counts."""
    found: list[ForeignUse] = []
    after: dict[Family, int] = {}
    for use in sorted(uses, key=lambda item: (item.range, item.description)):
        family = use.range.family
        first = max(use.range.first, after.get(family, 0))
        if first <= use.range.last:
            found.append(ForeignUse(AddressRange(family, first, use.range.last), use.description))
            after[family] = use.range.last + 1
    return tuple(found)
