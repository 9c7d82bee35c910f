"""A batch of routes as UPDATEs: as many prefixes in each as fit in the negotiated size.

    withdrawn   IPv4: Withdrawn Routes        IPv6: MP_UNREACH_NLRI (RFC 4760 §4)
    announced   IPv4: NLRI with NEXT_HOP      IPv6, or IPv4 over an IPv6 next hop: MP_REACH_NLRI

What the form of an UPDATE depends on is an `Encoding`. Sessions with equal encodings share what was
made before, through `Encoder`: of the attributes always, of whole batches while they last.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from metallb_speaker.bgp.attributes import (
    OPTIONAL_TRANSITIVE,
    RouteAttributes,
    attribute,
    attribute_bytes,
    mp_reach,
    mp_unreach,
)
from metallb_speaker.bgp.iana import Afi, AttributeCode
from metallb_speaker.bgp.messages import HEADER_LENGTH, UPDATE_BODY_MIN
from metallb_speaker.bgp.negotiation import FAMILIES
from metallb_speaker.bgp.update import update_message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metallb_speaker.bgp.rib_out import Batch

_FIXED: Final = HEADER_LENGTH + UPDATE_BODY_MIN
_MP_HEAD: Final = 4 + 3 + 2
"""Attribute header with two octets of length, AFI and SAFI, next hop length and reserved octet."""
_PATH_ID: Final = b"\0\0\0\1"
"""RFC 7911 §3: we have one path to each prefix."""
LONGEST_NLRI: Final = len(_PATH_ID) + 1 + 16
_KEPT_ATTRIBUTES: Final = 256
_KEPT_BATCHES: Final = 16


@dataclass(frozen=True, slots=True)
class Encoding:
    """All that the octets of an UPDATE depend on, but for the route."""

    is_internal: bool
    my_asn: int
    four_octet_as: bool
    max_message: int
    next_hops: tuple[tuple[Afi, bytes], ...]
    """By the family of the routes: 4, 16 or 32 octets. A family without one is not announced."""
    add_path: frozenset[Afi]
    otc: int | None
    """Only To Customer (RFC 9234 §5): our AS where our role demands it."""
    extended_link_bandwidth: bool = False
    """The link bandwidth goes in draft-li-idr-link-bandwidth-ext's form."""

    def next_hop(self, afi: int) -> bytes | None:
        """Give the next hop for routes of a family."""
        return dict(self.next_hops).get(Afi(afi))


class Packed(NamedTuple):
    """Whole UPDATEs, and how many."""

    data: bytes
    updates: int


class Encoder:
    """Turns batches into UPDATEs, and remembers some."""

    def __init__(self) -> None:
        self._attributes: OrderedDict[tuple[Encoding, RouteAttributes, bytes | None], bytes]
        self._attributes = OrderedDict()
        self._packed: OrderedDict[tuple[Encoding, int, RouteAttributes | None, bytes], Packed]
        self._packed = OrderedDict()

    @property
    def remembered(self) -> int:
        """How many blocks of attributes and batches."""
        return len(self._attributes) + len(self._packed)

    def encode(self, encoding: Encoding, batch: Batch) -> Packed:
        """Give the UPDATEs of a batch, withdrawals first."""
        parts = [
            self._pack(encoding, afi, None, nlri)
            for afi, nlri in batch.withdrawn.items()
            if encoding.next_hop(afi) is not None
        ]
        parts += [
            self._pack(encoding, afi, attributes, nlri)
            for (afi, attributes), nlri in batch.announced.items()
            if encoding.next_hop(afi) is not None
        ]
        return Packed(b"".join(part.data for part in parts), sum(part.updates for part in parts))

    def _pack(
        self, encoding: Encoding, afi: int, attributes: RouteAttributes | None, nlri: list[bytes]
    ) -> Packed:
        if afi in encoding.add_path:
            nlri = [_PATH_ID + item for item in nlri]
        key = (encoding, afi, attributes, b"".join(nlri))
        packed = self._packed.get(key)
        if packed is None:
            if attributes is None:
                updates = list(_withdrawals(encoding, afi, nlri))
            else:
                updates = list(self._announcements(encoding, afi, attributes, nlri))
            packed = self._packed[key] = Packed(b"".join(updates), len(updates))
            if len(self._packed) > _KEPT_BATCHES:
                self._packed.popitem(last=False)
        return packed

    def _announcements(
        self, encoding: Encoding, afi: int, attributes: RouteAttributes, nlri: list[bytes]
    ) -> Iterator[bytes]:
        next_hop = encoding.next_hop(afi)
        assert next_hop is not None
        classic = is_classic(afi, next_hop)
        block = self._block(encoding, attributes, next_hop if classic else None)
        room = encoding.max_message - _FIXED - len(block)
        room -= 0 if classic else _MP_HEAD + len(next_hop)
        if room < LONGEST_NLRI:  # no message can hold these attributes
            yield from _withdrawals(encoding, afi, nlri)
            return
        for chunk in chunks(nlri, room):
            if classic:
                yield update_message(attributes=block, nlri=chunk)
            else:
                reach = mp_reach(FAMILIES[Afi(afi)], next_hop, chunk)
                yield update_message(attributes=reach + block)

    def _block(
        self, encoding: Encoding, attributes: RouteAttributes, next_hop: bytes | None
    ) -> bytes:
        key = (encoding, attributes, next_hop)
        block = self._attributes.get(key)
        if block is None:
            block = attribute_bytes(
                attributes,
                is_internal=encoding.is_internal,
                my_asn=encoding.my_asn,
                four_octet_as=encoding.four_octet_as,
                next_hop=next_hop,
                extended_link_bandwidth=encoding.extended_link_bandwidth,
            )
            if encoding.otc is not None:
                otc = encoding.otc.to_bytes(4, "big")
                block += attribute(OPTIONAL_TRANSITIVE, AttributeCode.OTC, otc)
            self._attributes[key] = block
            if len(self._attributes) > _KEPT_ATTRIBUTES:
                self._attributes.popitem(last=False)
        return block


def is_classic(afi: int, next_hop: bytes) -> bool:
    """Tell whether routes go in the NLRI field: IPv4 with an IPv4 next hop."""
    return afi == Afi.IPV4 and len(next_hop) == 4


def _withdrawals(encoding: Encoding, afi: int, nlri: list[bytes]) -> Iterator[bytes]:
    next_hop = encoding.next_hop(afi)
    if next_hop is not None and is_classic(afi, next_hop):
        for chunk in chunks(nlri, encoding.max_message - _FIXED):
            yield update_message(withdrawn=chunk)
        return
    for chunk in chunks(nlri, encoding.max_message - _FIXED - _MP_HEAD):
        yield update_message(attributes=mp_unreach(FAMILIES[Afi(afi)], chunk))


def chunks(nlri: Sequence[bytes], room: int) -> Iterator[bytes]:
    """Join as many as fit, again and again; `room` is at least `LONGEST_NLRI`."""
    start = size = 0
    for at, item in enumerate(nlri):
        size += len(item)
        if size > room:
            yield b"".join(nlri[start:at])
            start, size = at, len(item)
    if start < len(nlri):
        yield b"".join(nlri[start:])
