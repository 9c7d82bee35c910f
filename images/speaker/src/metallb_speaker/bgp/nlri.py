"""Reading a field of NLRI (RFC 4271 §4.3, RFC 4760 §5), with path identifiers (RFC 7911) or not.

A field is syntactically correct when no length is beyond that of an address and no prefix overruns
the field (RFC 7606 §5.3); if it is not, nothing of it can be trusted.
"""

from typing import Final

from metallb_speaker.bgp.prefixes import Prefix, octets_of

PATH_ID_OCTETS: Final = 4

_SPARE: Final = tuple(0xFF >> bits if bits else 0 for bits in range(8))
"""By the length modulo 8: the bits of the last octet that mean nothing (RFC 4271 §4.3)."""


_STEP: Final = tuple(1 + octets_of(bits) for bits in range(256))
"""By the length: how many octets it takes, itself among them."""


class NlriError(ValueError):
    """The field is not syntactically correct."""


def read_nlri(data: bytes, afi: int, bits_max: int) -> list[Prefix]:
    """Read prefixes without path identifiers; raises NlriError.

    The loop has in it what `_checked_end` and `_prefix` do, for a table comes through here.
    """
    prefixes: list[Prefix] = []
    append, at, end = prefixes.append, 0, len(data)
    while at < end:
        bits = data[at]
        following = at + _STEP[bits]
        if bits > bits_max or following > end:
            _checked_end(data, at, bits_max)
        if bits & 7:
            append(_prefix(data, at, following, afi))
        else:
            append(Prefix(afi, data[at:following]))
        at = following
    return prefixes


def read_nlri_with_path_ids(data: bytes, afi: int, bits_max: int) -> list[tuple[int, Prefix]]:
    """Read prefixes, each after its path identifier (RFC 7911 §3); raises NlriError."""
    paths = []
    at, end = 0, len(data)
    while at < end:
        prefix_at = at + PATH_ID_OCTETS
        if prefix_at >= end:
            raise NlriError("a path identifier without a prefix")
        following = _checked_end(data, prefix_at, bits_max)
        prefix = _prefix(data, prefix_at, following, afi)
        paths.append((int.from_bytes(data[at:prefix_at], "big"), prefix))
        at = following
    return paths


def _checked_end(data: bytes, at: int, bits_max: int) -> int:
    bits = data[at]
    if bits > bits_max:
        raise NlriError(f"a prefix of {bits} bits")
    following = at + _STEP[bits]
    if following > len(data):
        raise NlriError("a prefix overruns its field")
    return following


def _prefix(data: bytes, at: int, following: int, afi: int) -> Prefix:
    spare = _SPARE[data[at] & 7]
    if data[following - 1] & spare:
        return Prefix(afi, data[at : following - 1] + bytes((data[following - 1] & ~spare & 0xFF,)))
    return Prefix(afi, data[at:following])
