"""Extended communities (RFC 4360, 5668) as people write them: ``rt:64500:100``, ``ro:192.0.2.1:7``.

`rt` is a route target, `ro` a route origin. What stands before the number is an AS number or an
IPv4 address; with one that needs four octets the number has two.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address

from metallb.api.fields import shown

_SUBTYPES = {"rt": 2, "ro": 3}
_TWO_OCTET_AS, _IPV4, _FOUR_OCTET_AS = 0, 1, 2
_FORM = re.compile(r"(rt|ro):([0-9.]{1,15}):([0-9]{1,10})", re.ASCII)


def parse_extended_community(text: str) -> str:
    """Give an extended community in its one form; raises ValueError, saying what would be right."""
    word, octets = _parse(text)
    kind, first, second = octets[0], octets[2:6], octets[6:]
    if kind == _IPV4:
        return f"{word}:{IPv4Address(first)}:{int.from_bytes(second, 'big')}"
    if kind == _FOUR_OCTET_AS:
        return f"{word}:{int.from_bytes(first, 'big')}:{int.from_bytes(second, 'big')}"
    return f"{word}:{int.from_bytes(octets[2:4], 'big')}:{int.from_bytes(octets[4:], 'big')}"


def extended_community_octets(text: str) -> bytes:
    """Give the eight octets of an extended community; raises ValueError."""
    return _parse(text)[1]


def _parse(text: str) -> tuple[str, bytes]:
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{shown(text)} is no extended community; write rt:64500:100 or ro:64500:7"
        )
    word, administrator, number = found[1], found[2], int(found[3])
    kind, octets = _administrator(text, administrator)
    width = 6 - len(octets)
    if number >= 1 << 8 * width:
        most = (1 << 8 * width) - 1
        raise ValueError(f"{shown(text)}: the number behind {administrator} is at most {most}")
    return word, bytes((kind, _SUBTYPES[word])) + octets + number.to_bytes(width, "big")


def _administrator(text: str, administrator: str) -> tuple[int, bytes]:
    if "." in administrator:
        try:
            return _IPV4, IPv4Address(administrator).packed
        except AddressValueError:
            raise ValueError(f"{shown(text)}: {administrator} is not an IPv4 address") from None
    asn = int(administrator)
    if asn > 0xFFFF_FFFF:
        raise ValueError(f"{shown(text)}: {administrator} is more than an AS number can be")
    if asn > 0xFFFF:
        return _FOUR_OCTET_AS, asn.to_bytes(4, "big")
    return _TWO_OCTET_AS, asn.to_bytes(2, "big")
