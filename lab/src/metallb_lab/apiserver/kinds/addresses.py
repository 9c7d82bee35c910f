"""IP addresses and networks as text: what the real server takes for one."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

IP_RULE = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR_RULE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address; leading zeros are tolerated in old fields, as the real server does."""
    if "%" in text:
        return None
    try:
        return ip_address(re.sub(r"(^|\.)0+(?=\d)", r"\1", text) if "." in text else text)
    except ValueError:
        return None


def is_address(text: str) -> bool:
    """Whether it is one."""
    return parse_address(text) is not None


def is_network(text: str) -> bool:
    """A CIDR; host bits are tolerated."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def address_warnings(path: str, text: str) -> list[str]:
    """IPv6 that is not in its canonical form."""
    if ":" not in text or not is_address(text) or str(ip_address(text)) == text:
        return []
    canonical = ip_address(text)
    why = f'should be in RFC 5952 canonical format ("{canonical}")'
    return [f'{path}: IPv6 address "{text}" {why}']
