"""CEL functions that Kubernetes adds, and those of the standard that the library lacks or bends.

Each is registered under ``k8s_`` and its name; :mod:`.cel_source` renames the calls. Addresses
and networks are their canonical strings. ``size`` is here because the library counts bytes, and
CEL counts characters.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import re2  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "k8s_"
BOOLEANS = {"true": True, "True": True, "TRUE": True, "t": True, "1": True,
            "false": False, "False": False, "FALSE": False, "f": False, "0": False}  # fmt: skip


def parse_ip(text: Any) -> Any:
    """An address as Kubernetes takes it: no zone, no IPv4 inside IPv6."""
    if type(text) is not str or "%" in text:
        raise ValueError(f"IP Address {text!r} parse error during conversion from string")
    address = ip_address(text)
    if address.version == 6 and address.ipv4_mapped is not None:
        raise ValueError("IPv4-mapped IPv6 address is not allowed")
    return address


def parse_cidr(text: Any) -> Any:
    """A network; host bits are allowed and kept out of comparisons of ranges."""
    if type(text) is not str or "/" not in text:
        raise ValueError(f"network address parse error during conversion from string: {text!r}")
    address, _, length = text.partition("/")
    parse_ip(address)
    if not length.isdigit():
        raise ValueError(f"prefix length parse error: {text!r}")
    return ip_network(text, strict=False)


def parses(parse: Callable[[Any], Any]) -> Callable[[Any], bool]:
    """``isIP`` and the like."""

    def check(text: Any) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def to_ip(value: Any) -> str:
    """``ip('1.2.3.4')``, or ``cidr(...).ip()``."""
    return str(parse_ip(value.partition("/")[0] if type(value) is str else value))


def to_cidr(value: Any) -> str:
    """``cidr('10.0.0.0/8')``; the address part stays as given, in canonical form."""
    parse_cidr(value)
    address, _, length = value.partition("/")
    return f"{parse_ip(address)}/{int(length)}"


def family(value: str) -> int:
    """4 or 6."""
    return int(parse_ip(value.partition("/")[0]).version)


def contains_cidr(outer: str, inner: str) -> bool:
    """Whether a range is part of another."""
    left, right = parse_cidr(outer), parse_cidr(inner)
    return left.version == right.version and bool(right.subnet_of(left))


def contains_ip(network: str, address: str) -> bool:
    """Whether an address is in a range."""
    return parse_ip(address) in parse_cidr(network)


def masked(value: str) -> str:
    """Without host bits."""
    return str(parse_cidr(value))


def is_canonical(value: str) -> bool:
    """Whether an address is written as it should be."""
    return str(parse_ip(value)) == value


def is_global_unicast(value: str) -> bool:
    """Go's IsGlobalUnicast: private addresses count."""
    address = parse_ip(value)
    special = (
        address.is_unspecified or address.is_loopback or address.is_multicast
        or address.is_link_local or str(address) == "255.255.255.255"
    )  # fmt: skip
    return not special


def is_link_local_multicast(value: str) -> bool:
    """224.0.0.0/24 and ff02::/16."""
    address = parse_ip(value)
    return address in ip_network("224.0.0.0/24" if address.version == 4 else "ff02::/16")


# ---------------------------------------------------------------- lists


def size(value: Any) -> int:
    """Characters of a string, bytes, items."""
    return len(value)


def is_sorted(items: list[Any]) -> bool:
    """In ascending order."""
    return all(a <= b for a, b in pairwise(items))


def total(items: list[Any]) -> Any:
    """The sum of numbers or durations."""
    return sum(items[1:], items[0]) if items else 0


def least(items: list[Any]) -> Any:
    """The minimum; an empty list is an error."""
    return min(items)


def greatest(items: list[Any]) -> Any:
    """The maximum; an empty list is an error."""
    return max(items)


def index_of(value: Any, wanted: Any, start: int = 0) -> int:
    """The first place of an item or of a part of a string; -1 when it is not there."""
    if type(value) is str:
        return value.find(wanted, in_bounds(start, value))
    return next((n for n, item in enumerate(value) if item == wanted), -1)


def last_index_of(value: Any, wanted: Any, start: int | None = None) -> int:
    """The last place."""
    if type(value) is str:
        return value.rfind(wanted) if start is None else value.rfind(wanted, 0, start + len(wanted))
    return next((n for n in range(len(value) - 1, -1, -1) if value[n] == wanted), -1)


# ---------------------------------------------------------------- strings


def in_bounds(index: int, text: str) -> int:
    """An index into a string, or an error as in CEL."""
    if not 0 <= index <= len(text):
        raise ValueError(f"index out of range: {index}")
    return index


def char_at(text: str, index: int) -> str:
    """One character; "" at the very end."""
    return text[in_bounds(index, text) : index + 1]


def substring(text: str, start: int, end: int | None = None) -> str:
    """A part; indexes outside are an error."""
    stop = len(text) if end is None else end
    if start > stop:
        raise ValueError(f"invalid substring range. start: {start}, end: {stop}")
    return text[in_bounds(start, text) : in_bounds(stop, text)]


def replace(text: str, old: str, new: str, count: int = -1) -> str:
    """All, or the first so many."""
    return text.replace(old, new, count)


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    """Parts; a limit counts parts, 0 gives none."""
    if limit == 0:
        return []
    if limit == 1:
        return [text]
    if not separator:
        return list(text) if limit < 0 else [*text[: limit - 1], text[limit - 1 :]]
    return text.split(separator, limit - 1 if limit > 0 else -1)


def join(items: list[str], separator: str = "") -> str:
    """Strings put together."""
    return separator.join(items)


def lower_ascii(text: str) -> str:
    """A to Z alone."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def upper_ascii(text: str) -> str:
    """A to z alone."""
    return "".join(c.upper() if c.isascii() else c for c in text)


def find(text: str, expression: str) -> str:
    """The first match of an expression, or nothing."""
    found = re2.search(expression, text)
    return str(found.group()) if found else ""


def find_all(text: str, expression: str, limit: int = -1) -> list[str]:
    """All matches, or the first so many."""
    found = [str(m.group()) for m in re2.finditer(expression, text)]
    return found if limit < 0 else found[:limit]


def to_bool(value: Any) -> bool:
    """Of a string or a boolean."""
    if type(value) is bool:
        return value
    if value not in BOOLEANS:
        raise ValueError(f"type conversion error from '{value}' to 'bool'")
    return BOOLEANS[value]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "size": size, "bool": to_bool,
    "isSorted": is_sorted, "sum": total, "min": least, "max": greatest,
    "indexOf": index_of, "lastIndexOf": last_index_of,
    "charAt": char_at, "substring": substring, "replace": replace, "split": split, "join": join,
    "trim": str.strip, "lowerAscii": lower_ascii, "upperAscii": upper_ascii,
    "find": find, "findAll": find_all,
    "isIP": parses(parse_ip), "isCIDR": parses(parse_cidr), "ip": to_ip, "cidr": to_cidr,
    "ip.isCanonical": is_canonical,
    "family": family, "masked": masked, "containsIP": contains_ip, "containsCIDR": contains_cidr,
    "prefixLength": lambda value: int(value.partition("/")[2]),
    "isUnspecified": lambda value: bool(parse_ip(value).is_unspecified),
    "isLoopback": lambda value: bool(parse_ip(value).is_loopback),
    "isLinkLocalUnicast": lambda value: bool(
        parse_ip(value).is_link_local and not parse_ip(value).is_multicast
    ),
    "isLinkLocalMulticast": is_link_local_multicast,
    "isGlobalUnicast": is_global_unicast,
}  # fmt: skip
METHODS_ONLY = frozenset(FUNCTIONS) - {"size", "bool", "isIP", "isCIDR", "ip", "cidr"}


def registered() -> dict[str, Callable[..., Any]]:
    """The functions under the names that rewritten sources call."""
    return {PREFIX + name.replace(".", "_"): function for name, function in FUNCTIONS.items()}
