"""The link on which an address is announced, as far as ARP and NDP care."""

from dataclasses import dataclass
from ipaddress import IPv6Address

from metallb_speaker.l2.ethernet import MacAddress


@dataclass(frozen=True, slots=True)
class Link:
    """One interface of this node. A new MAC or link-local address makes a new value."""

    name: str
    index: int
    mac: MacAddress
    link_local: IPv6Address | None = None
    """Source of what we say unasked in NDP; without it the link announces no IPv6 address."""

    def __post_init__(self) -> None:
        if self.mac.is_multicast:
            raise ValueError(f"the MAC of {self.name} is a group address: {self.mac}")
        if self.link_local is not None and not self.link_local.is_link_local:
            raise ValueError(f"not a link-local address of {self.name}: {self.link_local}")
