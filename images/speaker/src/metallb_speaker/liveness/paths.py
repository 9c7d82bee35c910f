"""Over which interface and to which address each peer is sent heartbeats.

What is tested should be the path that a VIP needs, so each interface of a peer is reached from the
interface of ours that is on the same subnet. A peer's interface that is on none of our subnets is
reached by routing, from our first interface that has an address of the family: nodes of one layer 2
may have addresses of different subnets.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Address = IPv4Address | IPv6Address
InterfaceAddress = IPv4Interface | IPv6Interface


@dataclass(frozen=True, slots=True)
class LocalLink:
    """An interface of ours that is up: its addresses with their prefix lengths."""

    name: str
    addresses: tuple[InterfaceAddress, ...]
    mac: bytes = bytes(6)


@dataclass(frozen=True, slots=True)
class PeerLink:
    """An interface of a peer, by its own name for it."""

    name: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a peer can be reached."""

    port: int
    links: tuple[PeerLink, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """From an interface of ours to an interface of a peer."""

    node: str
    peer_link: str
    local_link: str
    address: Address
    port: int


def find_paths(peers: Mapping[str, Peer], links: Iterable[LocalLink]) -> list[Path]:
    """Find one path to each interface of each peer that can be reached; IPv4 is preferred."""
    ordered = sorted(links, key=lambda link: link.name)
    found: list[Path] = []
    for node, peer in sorted(peers.items()):
        for peer_link in peer.links:
            path = _find_path(node, peer.port, peer_link, ordered)
            if path is not None:
                found.append(path)
    return found


def _find_path(node: str, port: int, peer_link: PeerLink, links: list[LocalLink]) -> Path | None:
    addresses = sorted(peer_link.addresses, key=lambda address: address.version)
    for address in addresses:
        for link in links:
            if any(address in item.network for item in link.addresses):
                return Path(node, peer_link.name, link.name, address, port)
    for address in addresses:
        for link in links:
            if any(item.version == address.version for item in link.addresses):
                return Path(node, peer_link.name, link.name, address, port)
    return None
