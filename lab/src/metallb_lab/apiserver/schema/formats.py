"""String formats of schemas, as Go's strfmt checks them; unknown ones are ignored, as there."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import date, datetime
from ipaddress import IPv4Address, IPv6Address, ip_interface
from typing import TYPE_CHECKING

from metallb_lab.apiserver.metadata import DNS_1123
from metallb_lab.apiserver.selectors import DNS_SUBDOMAIN

if TYPE_CHECKING:
    from collections.abc import Callable

UUID = r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?%s[0-9a-f]{3}-?[0-9a-f]{12}"
DURATION = re.compile(r"[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)")
WORDY_DURATION = re.compile(r"((\d+)\s*([A-Za-zµ]+))+")
UNITS = {
    "ns", "nanosec", "nanosecond", "nanoseconds", "us", "µs", "microsec", "microsecond",
    "microseconds", "ms", "millisec", "millisecond", "milliseconds", "s", "sec", "second",
    "seconds", "m", "min", "minute", "minutes", "h", "hr", "hour", "hours", "d", "day", "days",
    "w", "week", "weeks",
}  # fmt: skip
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)")
HOSTNAME = re.compile(
    r"(?=.{1,253}\.?$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?"
)


def matches(pattern: str) -> Callable[[str], bool]:
    """A format that is one expression."""
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    """A format that is whatever a function accepts."""

    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def sloppy(text: str) -> str:
    """Go's lenient parser takes leading zeros in IPv4, as decimal."""
    return re.sub(r"(^|\.)0+(?=\d)", r"\1", text)


def is_ipv4(text: str) -> object:
    """An IPv4 address."""
    return IPv4Address(sloppy(text))


def is_ipv6(text: str) -> object:
    """Go takes no zone, and no IPv4 here."""
    if "%" in text:
        raise ValueError("zone")
    return IPv6Address(text)


def is_cidr(text: str) -> object:
    """Go's ParseCIDR wants a prefix and allows host bits."""
    if not re.search(r"/\d+$", text):
        raise ValueError("no prefix")
    return ip_interface(text if ":" in text else sloppy(text))


def is_duration(text: str) -> bool:
    """Go's ParseDuration, or the words of Scala's."""
    if DURATION.fullmatch(text):
        return True
    if not WORDY_DURATION.fullmatch(text.strip()):
        return False
    return all(unit in UNITS for _, unit in re.findall(r"(\d+)\s*([A-Za-zµ]+)", text))


def is_base64(text: str) -> object:
    """Standard base64."""
    return base64.b64decode(text, validate=True)


def is_date_time(text: str) -> bool:
    """RFC 3339."""
    if not DATE_TIME.fullmatch(text):
        return False
    return parses(datetime.fromisoformat)(text.upper())


CHECKS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": matches(r"[0-9a-fA-F]{24}"),
    "byte": lambda text: text != "" and parses(is_base64)(text),
    "cidr": parses(is_cidr),
    "date": parses(date.fromisoformat),
    "datetime": is_date_time,
    "duration": is_duration,
    "email": matches(r"[^@\s]+@[^@\s]+"),
    "hexcolor": matches(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": lambda text: HOSTNAME.fullmatch(text) is not None,
    "ipv4": parses(is_ipv4),
    "ipv6": parses(is_ipv6),
    "k8sshortname": lambda text: len(text) <= 63 and DNS_1123.fullmatch(text) is not None,
    "k8slongname": lambda text: len(text) <= 253 and DNS_SUBDOMAIN.fullmatch(text) is not None,
    "mac": matches(r"([0-9a-fA-F]{2}[:-]){5}([0-9a-fA-F]{2}[:-]){0,14}[0-9a-fA-F]{2}"),
    "uri": matches(r"[A-Za-z][A-Za-z0-9+.-]*:\S+|/\S*"),
    "uuid": matches(UUID % ("[0-9a-f]", "[0-9a-f]")),
    "uuid3": matches(UUID % ("3", "[0-9a-f]")),
    "uuid4": matches(UUID % ("4", "[89ab]")),
    "uuid5": matches(UUID % ("5", "[89ab]")),
}
PASSED = {"password", "int32", "int64", "float", "double"}
UNCHECKED = {"isbn", "isbn10", "isbn13", "creditcard", "ssn", "rgbcolor"}


def check(name: str, text: str) -> bool:
    """Whether a string has a format."""
    checker = CHECKS.get(name.replace("-", ""))
    return checker is None or checker(text)


def is_unchecked(name: str) -> bool:
    """Formats that the real server checks and we do not: a schema with one is refused."""
    return name.replace("-", "") in UNCHECKED
