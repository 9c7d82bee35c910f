"""Single addresses: text in, `ipaddress` values inside, text and object names out.

An address that is in use is a Kubernetes object whose *name is the address*, so that the API
server itself refuses a second holder. Object names are DNS-1123 subdomains: letters, digits,
``-`` and ``.``, beginning and ending with a letter or digit. IPv4 text is one already; of IPv6
text (RFC 5952) each ``:`` becomes ``-``, and a ``0`` is put where the name would begin or end
with one. The mapping is one to one, because RFC 5952 text never has such a ``0`` itself.

Limits: no zones (``fe80::1%eth0``), no prefix lengths. An IPv4-mapped IPv6 address means the IPv4
address in it, as it does for MetalLB.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

IPAddress = IPv4Address | IPv6Address

TEXT_CHARACTERS = 100
"""No address and no range is longer; what is would only make messages long."""

_REMEMBERED = 4096
"""Texts and names remembered: an address is read and written some ten times in a short while."""


class Family(StrEnum):
    """Address family, in the words of a Service's ``spec.ipFamilies``."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


def family_of(address: IPAddress) -> Family:
    """Tell the family of an address."""
    return Family.IPV4 if address.version == 4 else Family.IPV6


def unmapped(address: IPAddress) -> IPAddress:
    """Turn ``::ffff:a.b.c.d`` (RFC 4291 §2.5.5.2) into ``a.b.c.d``; others stay as they are."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(_REMEMBERED)
def parse_address(text: str) -> IPAddress:
    """Read one address; spaces around it do not matter.

    Raises ValueError, saying what is wrong with which text.
    """
    trimmed = text.strip()
    if not trimmed:
        raise ValueError("an address is empty")
    if len(trimmed) > TEXT_CHARACTERS:
        raise ValueError(f"{trimmed[:TEXT_CHARACTERS]!r}… is not an IPv4 or IPv6 address")
    if "/" in trimmed:
        raise ValueError(f"{trimmed!r} has a prefix length; a single address is wanted")
    if "%" in trimmed:
        raise ValueError(f"{trimmed!r} has a zone; a plain address is wanted")
    try:
        return unmapped(ip_address(trimmed))
    except ValueError:
        raise ValueError(f"{trimmed!r} is not an IPv4 or IPv6 address") from None


@lru_cache(_REMEMBERED)
def object_name(address: IPAddress) -> str:
    """Name of the object that stands for an address: ``192.168.2.100``, ``fd00--1``, ``0--1``."""
    if isinstance(address, IPv4Address):
        return str(address)
    name = str(address).replace(":", "-")
    if name.startswith("-"):
        name = "0" + name
    if name.endswith("-"):
        name += "0"
    return name


@lru_cache(_REMEMBERED)
def address_from_name(name: str) -> IPAddress:
    """Read back what `object_name` wrote.

    Raises ValueError when the name is not one that `object_name` gives.
    """
    try:
        address = ip_address(name.replace("-", ":") if "-" in name else name)
    except ValueError:
        raise ValueError(f"{name!r} is not the name of an address") from None
    if object_name(address) != name:
        raise ValueError(f"{name!r} is not the name of {address}: that is {object_name(address)!r}")
    return address
