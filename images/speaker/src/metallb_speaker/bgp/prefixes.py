"""A prefix in the form in which BGP carries it (RFC 4271 §4.3, NLRI).

```
    +---------------------------+
    |   Length (1 octet)        |   in bits
    +---------------------------+
    |   Prefix (variable)       |   as many octets as hold these bits
    +---------------------------+
```

This form with its spare bits zero is also the identity of a prefix: it needs no encoding when it is
sent, and it is hashed and compared as what it is.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from metallb_speaker.bgp.iana import ADDRESS_OCTETS, Afi


class Prefix(NamedTuple):
    """A prefix of either family; `nlri` is its wire form with spare bits zero."""

    afi: int
    nlri: bytes

    @classmethod
    def of(cls, network: str | IPv4Network | IPv6Network) -> "Prefix":
        """Make one; raises ValueError when the text is no network or has host bits."""
        known = ip_network(network)
        afi = Afi.IPV4 if known.version == 4 else Afi.IPV6
        octets = octets_of(known.prefixlen)
        packed = known.network_address.packed[:octets]
        return cls(afi, bytes((known.prefixlen,)) + packed)

    @property
    def length(self) -> int:
        """How many bits."""
        return self.nlri[0]

    @property
    def network(self) -> IPv4Network | IPv6Network:
        """The same as a network of the standard library."""
        packed = self.nlri[1:].ljust(ADDRESS_OCTETS[self.afi], b"\0")
        if self.afi == Afi.IPV4:
            return IPv4Network((packed, self.length))
        return IPv6Network((packed, self.length))

    def __str__(self) -> str:
        return str(self.network)


def octets_of(bits: int) -> int:
    """How many octets hold so many bits."""
    return (bits + 7) >> 3
