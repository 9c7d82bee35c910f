"""Every kind of BGP message, malformed in every field: for the codec, a session, or a real router.

A message is a tree of named fields. A mutant differs from a good message in one place: a field has
another value, is absent, is there twice, is cut or has an octet more; or a length says something
else. Each change of size comes twice: with all the lengths around it mended, so that the fault is
found inside, and with the lengths as they were, so that it is found outside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metallb_speaker.bgp.iana import MessageType
from vectors.bgp.opens import CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field that is not looked into."""

    name: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that belong together."""

    name: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Sized:
    """A length in octets, and what it measures: its parts, and `beside` octets more."""

    name: str
    width: int
    parts: tuple[Part, ...]
    beside: int = 0
    stated: int | None = None
    """What the length says, when that is not the truth."""


Part = Leaf | Group | Sized


@dataclass(frozen=True, slots=True)
class Mutant:
    """One malformed message, whole."""

    name: str
    octets: bytes


def octets_of(part: Part) -> bytes:
    """Write a tree."""
    if isinstance(part, Leaf):
        return part.octets
    inner = b"".join(map(octets_of, part.parts))
    if isinstance(part, Group):
        return inner
    length = len(inner) + part.beside if part.stated is None else part.stated
    space: int = 256**part.width
    return (length % space).to_bytes(part.width, "big") + inner


def frozen(part: Part) -> Part:
    """The same tree, whose lengths stay as they are whatever becomes of the parts."""
    if isinstance(part, Leaf):
        return part
    parts = tuple(map(frozen, part.parts))
    if isinstance(part, Group):
        return replace(part, parts=parts)
    length = len(b"".join(map(octets_of, part.parts))) + part.beside
    return replace(part, parts=parts, stated=length)


def _changed_values(octets: bytes) -> Iterator[tuple[str, bytes]]:
    if not octets:
        return
    number, size = int.from_bytes(octets, "big"), len(octets)
    yield "zeros", bytes(size)
    yield "ones", b"\xff" * size
    yield "plus 1", ((number + 1) % 256**size).to_bytes(size, "big")
    yield "minus 1", ((number - 1) % 256**size).to_bytes(size, "big")
    for bit in range(8):
        yield f"bit {bit} of the first octet", bytes((octets[0] ^ 1 << bit,)) + octets[1:]
    yield "last bit of the last octet", octets[:-1] + bytes((octets[-1] ^ 1,))


def _changed_sizes(octets: bytes) -> Iterator[tuple[str, bytes]]:
    if octets:
        yield "cut by an octet", octets[:-1]
        yield "first octet gone", octets[1:]
        yield "empty", b""
    yield "an octet more", octets + b"\0"
    yield "256 octets more", octets + bytes(256)


def variants(part: Part) -> Iterator[tuple[str, Part]]:
    """Give every tree that differs in one place."""
    if isinstance(part, Leaf):
        for what, octets in (*_changed_values(part.octets), *_changed_sizes(part.octets)):
            yield f"{part.name}: {what}", replace(part, octets=octets)
        return
    if isinstance(part, Sized):
        length = len(b"".join(map(octets_of, part.parts))) + part.beside
        for other in (0, 1, length - 1, length + 1, 2 * length, 256**part.width - 1):
            if other % 256**part.width != length:
                yield f"{part.name}: length {other}", replace(part, stated=other)
    for place, child in enumerate(part.parts):
        before, after = part.parts[:place], part.parts[place + 1 :]
        for what, changed in variants(child):
            yield f"{part.name}/{what}", replace(part, parts=(*before, changed, *after))
        yield f"{part.name}/{child.name}: absent", replace(part, parts=before + after)
        yield (
            f"{part.name}/{child.name}: twice",
            replace(part, parts=(*before, child, *part.parts[place:])),
        )


# ------------------------------------------------------------------ good messages


def _leaf(name: str, text: str) -> Leaf:
    return Leaf(name, bytes.fromhex(text))


def message(kind: MessageType, *parts: Part) -> Group:
    """A whole message; its length counts the 18 octets before and in it, and the type."""
    marker = Leaf("marker", b"\xff" * 16)
    body = (Leaf("type", bytes((kind,))), *parts)
    return Group(kind.name, (marker, Sized("length", 2, body, beside=18)))


def _capability(name: str, wire: str) -> Group:
    octets = bytes.fromhex(wire)
    value = Sized("length", 1, (Leaf("value", octets[2:]),))
    return Group(name, (Leaf("code", octets[:1]), value))


def _attribute(name: str, wire: str) -> Group:
    octets = bytes.fromhex(wire)
    value = Sized("length", 1, (Leaf("value", octets[2:]),))
    return Group(name, (Leaf("flags", octets[:1]), Leaf("type", octets[1:2]), value))


def _prefix(name: str, wire: str) -> Group:
    octets = bytes.fromhex(wire)
    return Group(name, (Leaf("bits", octets[:1]), Leaf("prefix", octets[1:])))


def _open(*parts: Part) -> Group:
    return message(
        MessageType.OPEN,
        _leaf("version", "04"),
        _leaf("my AS", "fdf2"),
        _leaf("hold time", "005a"),
        _leaf("identifier", "c0000202"),
        *parts,
    )


_CAPABILITIES = tuple(_capability(name, wire) for name, (wire, _) in CAPABILITIES.items())

_ATTRIBUTES = (
    _attribute("ORIGIN", "40 01 00"),
    _attribute("AS_PATH", "40 02 02 02 0000fdf2 0000fde8"),
    _attribute("NEXT_HOP", "40 03 c0000202"),
    _attribute("MULTI_EXIT_DISC", "80 04 00000005"),
    _attribute("LOCAL_PREF", "40 05 00000064"),
    _attribute("ATOMIC_AGGREGATE", "40 06"),
    _attribute("AGGREGATOR", "c0 07 0000fdf2 c0000202"),
    _attribute("COMMUNITIES", "c0 08 fdf20001 ffffff01"),
    _attribute("ORIGINATOR_ID", "80 09 c0000202"),
    _attribute("CLUSTER_LIST", "80 0a c0000202"),
    _attribute("EXTENDED_COMMUNITIES", "c0 10 0002fde900000001"),
    _attribute("IPV6_EXTENDED_COMMUNITIES", "c0 19" + "00" * 20),
    _attribute("BGP_ENTROPY_LABEL_CAPABILITY", "c0 1c 0102030405"),
    _attribute("LARGE_COMMUNITIES", "c0 20 0000fdf2 00000001 00000002"),
    _attribute("OTC", "c0 23 0000fdf2"),
    _attribute("unknown", "c0 63 0102"),
)

_TWO_OCTETS = (
    _attribute("ORIGIN", "40 01 00"),
    _attribute("AS_PATH", "40 02 02 02 5ba0 fde8"),
    _attribute("NEXT_HOP", "40 03 c0000202"),
    _attribute("LOCAL_PREF", "40 05 00000064"),
    _attribute("AGGREGATOR", "c0 07 5ba0 c0000202"),
    _attribute("AS4_PATH", "c0 11 02 01 fc00ffff"),
    _attribute("AS4_AGGREGATOR", "c0 12 fc00ffff c0000202"),
)
"""RFC 6793: what a speaker says that knows AS numbers of two octets only."""


def _mp(name: str, head: str, *parts: Part) -> Group:
    octets = bytes.fromhex(head)
    value = Sized("length", 1, parts)
    return Group(name, (Leaf("flags", octets[:1]), Leaf("type", octets[1:2]), value))


_MP_REACH = _mp(
    "MP_REACH_NLRI",
    "80 0e",
    _leaf("AFI", "0002"),
    _leaf("SAFI", "01"),
    Sized("next hop", 1, (_leaf("address", "20010db8000000000000000000000002"),)),
    _leaf("reserved", "00"),
    _prefix("2001:db8:1::/48", "30 20010db80001"),
)
_MP_UNREACH = _mp(
    "MP_UNREACH_NLRI",
    "80 0f",
    _leaf("AFI", "0002"),
    _leaf("SAFI", "01"),
    _prefix("2001:db8:2::/48", "30 20010db80002"),
)


def _update(withdrawn: tuple[Part, ...], attributes: tuple[Part, ...], *nlri: Part) -> Group:
    return message(
        MessageType.UPDATE,
        Sized("withdrawn", 2, withdrawn),
        Sized("attributes", 2, attributes),
        *nlri,
    )


_NLRI = (_prefix("198.51.100.0/24", "18 c63364"), _prefix("10.128.0.0/9", "09 0a80"))

GOOD: dict[str, Group] = {
    "OPEN": _open(
        Sized("parameters", 1, (_leaf("type", "02"), Sized("parameter", 1, _CAPABILITIES)))
    ),
    "OPEN, extended": _open(
        _leaf("length", "ff"),
        _leaf("extended", "ff"),
        Sized("parameters", 2, (_leaf("type", "02"), Sized("parameter", 2, _CAPABILITIES))),
    ),
    "UPDATE, IPv4": _update((_prefix("192.0.2.0/24", "18 c00002"),), _ATTRIBUTES, *_NLRI),
    "UPDATE, IPv6": _update((), (_MP_REACH, *_ATTRIBUTES)),
    "UPDATE, AS numbers of two octets": _update((), _TWO_OCTETS, *_NLRI),
    "UPDATE, IPv6 withdrawn": _update((), (_MP_UNREACH,)),
    "UPDATE, all in one": _update(
        (_prefix("192.0.2.0/24", "18 c00002"),), (_MP_REACH, _MP_UNREACH, *_ATTRIBUTES[:5]), *_NLRI
    ),
    "NOTIFICATION": message(
        MessageType.NOTIFICATION,
        _leaf("code", "06"),
        _leaf("subcode", "02"),
        Sized("communication", 1, (Leaf("text", b"maintenance"),)),
    ),
    "KEEPALIVE": message(MessageType.KEEPALIVE),
    "ROUTE-REFRESH": message(
        MessageType.ROUTE_REFRESH,
        _leaf("AFI", "0001"),
        _leaf("subtype", "00"),
        _leaf("SAFI", "01"),
    ),
}
"""By kind; a peer of AS 65010 with identifier 192.0.2.2 says them."""


def mutants(kind: str) -> Iterator[Mutant]:
    """Give every malformed message of a kind, no two alike."""
    good = GOOD[kind]
    seen = {octets_of(good)}
    for how, tree in (("mended", good), ("kept", frozen(good))):
        for what, variant in variants(tree):
            octets = octets_of(variant)
            if octets not in seen:
                seen.add(octets)
                yield Mutant(f"{kind}: {what} (lengths {how})", octets)
