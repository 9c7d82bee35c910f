"""MetalLoadBalancerBGPPeer (network.deckhouse.io/v1alpha1): a router with which nodes open BGP
sessions; which nodes, a MetalLoadBalancerConfiguration says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metallb.api.bfd_profiles import BFDTimers, read_bfd_timers
from metallb.api.bgp_peers import ASN_MAX, PORT, Timers, read_address, read_timers
from metallb.api.fields import Fields, Problem
from metallb.api.meta import GROUP, Metadata, Named, ObjectKey, read_metadata
from metallb.api.session_options import Around, SessionOptions, read_session_options
from metallb.net.addresses import IPAddress, family_of

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

API_VERSION = f"{GROUP}/v1alpha1"
KIND = "MetalLoadBalancerBGPPeer"


@dataclass(frozen=True, slots=True)
class SourceAddress:
    """From which address a node opens the session."""

    node: str
    address: IPAddress


@dataclass(frozen=True, slots=True)
class MetalLoadBalancerBGPPeer(Named):
    """A peer as it was written; `problems` are those of the object itself.

    `bfd` None: the peer is not watched by BFD.
    """

    api_version = API_VERSION
    object_kind = KIND

    meta: Metadata
    address: IPAddress | None
    port: int
    peer_asn: int
    my_asn: int
    router_id: IPAddress | None
    timers: Timers
    password_secret: ObjectKey | None
    source_addresses: tuple[SourceAddress, ...]
    bfd: BFDTimers | None
    is_graceful_restart: bool
    options: SessionOptions
    problems: tuple[Problem, ...]

    @property
    def is_usable(self) -> bool:
        """Whether a session can be opened by what is said here."""
        return bool(self.address and self.peer_asn and self.my_asn)


def read_load_balancer_peer(value: JsonObject) -> MetalLoadBalancerBGPPeer:
    """Read a MetalLoadBalancerBGPPeer object; never raises, see `problems` of the result."""
    fields = Fields(value)
    spec = fields.child("spec")
    for name in ("peerAddress", "peerASN", "myASN"):
        if spec.value.get(name) is None:
            spec.note(name, "is wanted")
    address = read_address(spec, "peerAddress")
    peer = MetalLoadBalancerBGPPeer(
        meta=read_metadata(fields),
        address=address,
        port=spec.integer("peerPort", PORT, 1, 65_535),
        peer_asn=spec.integer("peerASN", 0, 1, ASN_MAX),
        my_asn=spec.integer("myASN", 0, 1, ASN_MAX),
        router_id=_read_router_id(spec),
        timers=read_timers(spec),
        password_secret=_read_secret(spec),
        source_addresses=_read_sources(spec, address),
        bfd=_read_bfd(spec),
        is_graceful_restart=spec.boolean("enableGracefulRestart"),
        options=SessionOptions(),
        problems=(),
    )
    options = read_session_options(spec, _around(peer))
    return replace(peer, options=options, problems=tuple(fields.problems))


def _around(peer: MetalLoadBalancerBGPPeer) -> Around:
    return Around(
        is_internal=peer.peer_asn == peer.my_asn,
        is_multi_hop=False,
        is_graceful_restart=peer.is_graceful_restart,
        has_bfd=peer.bfd is not None,
        has_password=peer.password_secret is not None,
        namespace=None,
    )


def _read_router_id(spec: Fields) -> IPAddress | None:
    found = read_address(spec, "routerID")
    if found is not None and found.version != 4:
        spec.note("routerID", f"{found} is not an IPv4 address")
        return None
    return found


def _read_secret(spec: Fields) -> ObjectKey | None:
    if spec.value.get("passwordSecretRef") is None:
        return None
    fields = spec.child("passwordSecretRef")
    for name in ("name", "namespace"):
        if not fields.text(name):
            fields.note(name, "is wanted")
    return ObjectKey(fields.text("namespace"), fields.text("name"))


def _read_sources(spec: Fields, peer: IPAddress | None) -> tuple[SourceAddress, ...]:
    """Read `sourceAddresses`; of a node that is there twice the first holds."""
    found: dict[str, SourceAddress] = {}
    for item in spec.children("sourceAddresses"):
        node, address = item.text("nodeName"), read_address(item, "address")
        if not node:
            item.note("nodeName", "the name of a node is wanted")
        elif node in found:
            item.note("nodeName", f"node {node} has a source address already")
        elif not item.value.get("address"):
            item.note("address", "an address is wanted")
        elif address is not None and peer is not None and peer.version != address.version:
            item.note("address", f"{address} is not {family_of(peer)}, as the peer is")
        elif address is not None:
            found[node] = SourceAddress(node, address)
    return tuple(found.values())


def _read_bfd(spec: Fields) -> BFDTimers | None:
    if spec.value.get("bfd") is None:
        return None
    return read_bfd_timers(spec.child("bfd"), "minimumTTL", multiplier_min=1, ttl_max=255)
