"""Routers with which nodes open BGP sessions, of both dialects, in one model.

A BGPPeer is one peer, on the nodes that it selects. A MetalLoadBalancerBGPPeer is one for each
MetalLoadBalancerConfiguration that names it, named ``<peer>-<configuration>``, on the nodes of the
configuration: each has sessions of its own, as advertisements expect
(`metallb.domain.bgp_translation`). A source address that is said for a node is used there.

What keeps a peer from being used is noted: it says too little, or two of one name. A BFD profile
that does not exist leaves the peer unwatched, and is noted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb.api import bfd_profiles as profiles_api
from metallb.api import bgp_peers as native_api
from metallb.api import load_balancer_configurations as configurations_api
from metallb.api import load_balancer_peers as peers_api
from metallb.api.bgp_peers import Timers
from metallb.api.fields import Problem
from metallb.api.meta import ObjectKey
from metallb.api.selectors import LabelSelector, any_matches
from metallb.api.session_options import SessionOptions
from metallb.domain.objects import Notes, ObjectId, in_order, unique
from metallb.net.addresses import Family, IPAddress, family_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metallb.api.bfd_profiles import BFDProfile, BFDTimers
    from metallb.api.bgp_peers import BGPPeer
    from metallb.api.load_balancer_configurations import MetalLoadBalancerConfiguration
    from metallb.api.load_balancer_peers import MetalLoadBalancerBGPPeer

BOTH_FAMILIES = frozenset(Family)


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer as sessions see it.

    Numbers that are 0 and texts that are empty are not said. Exactly one of `peer_asn` and
    `dynamic_asn` is, and `address`, or `interface`, or both for a link-local address. `bfd` None:
    the session is not watched. `password_secret` is where the password is, if `password` is empty.
    """

    name: str
    of: ObjectId
    my_asn: int
    peer_asn: int = 0
    dynamic_asn: str = ""
    local_asn: int = 0
    address: IPAddress | None = None
    interface: str = ""
    vrf: str = ""
    port: int = native_api.PORT
    source_address: IPAddress | None = None
    node_sources: tuple[tuple[str, IPAddress], ...] = ()
    """Source addresses of nodes that have their own."""
    timers: Timers = field(default_factory=Timers)
    router_id: IPAddress | None = None
    node_selectors: tuple[LabelSelector, ...] = ()
    password: str = field(default="", repr=False)
    password_secret: ObjectKey | None = None
    bfd: BFDTimers | None = None
    is_graceful_restart: bool = False
    is_multi_hop: bool = False
    is_reached_far: bool = False
    """The session may cross routers though nobody said so: peers of Deckhouse's cannot say it, and
    Deckhouse's speaker never limits the TTL. BFD is that of one hop all the same.
    """
    is_dual_stack: bool = False
    options: SessionOptions = field(default_factory=SessionOptions)

    @property
    def families(self) -> frozenset[Family]:
        """The families of addresses that are announced to it (metallb.md §4.3)."""
        if self.is_dual_stack or self.address is None:
            return BOTH_FAMILIES
        return frozenset({family_of(self.address)})

    def runs_on(self, labels: Mapping[str, str]) -> bool:
        """Tell whether a node with these labels has a session with it."""
        return any_matches(self.node_selectors, labels)

    def source_on(self, node: str) -> IPAddress | None:
        """Give the address from which a node opens the session; None: the kernel chooses."""
        return next((each for name, each in self.node_sources if name == node), self.source_address)


@dataclass(frozen=True, slots=True)
class PeerTranslation:
    """The peers, by name, and what is wrong in which object (without a fault: absent)."""

    peers: Mapping[str, Peer]
    problems: Mapping[ObjectId, tuple[Problem, ...]]


def translate_peers(
    *,
    native_peers: Iterable[BGPPeer] = (),
    profiles: Iterable[BFDProfile] = (),
    peers: Iterable[MetalLoadBalancerBGPPeer] = (),
    configurations: Iterable[MetalLoadBalancerConfiguration] = (),
) -> PeerTranslation:
    """Translate all objects."""
    notes = Notes()
    timers = {item.name: item.timers for item in unique(notes, profiles_api.KIND, profiles)}
    known = {item.name: item for item in unique(notes, peers_api.KIND, peers)}
    found: dict[str, Peer] = {}
    for peer in (
        *_of_native(notes, unique(notes, native_api.KIND, native_peers), timers),
        *_of_configurations(notes, in_order(configurations), known),
    ):
        if holder := found.get(peer.name):
            text = f"{holder.of[0]} {holder.of[1].name} has a peer {peer.name!r} already"
            notes.add(peer.of, Problem(".metadata.name", text))
            continue
        found[peer.name] = peer
    return PeerTranslation(found, notes.result())


def _of_native(
    notes: Notes, items: Iterable[BGPPeer], timers: Mapping[str, BFDTimers]
) -> Iterator[Peer]:
    for item in items:
        of = (native_api.KIND, item.meta.key)
        if item.bfd_profile and item.bfd_profile not in timers:
            text = f"no BFDProfile has the name {item.bfd_profile!r}"
            notes.add(of, Problem(".spec.bfdProfile", text))
        if not item.is_usable:
            continue
        yield Peer(
            name=item.name,
            of=of,
            my_asn=item.my_asn,
            peer_asn=0 if item.dynamic_asn else item.peer_asn,
            dynamic_asn=item.dynamic_asn,
            local_asn=item.local_asn,
            address=item.address,
            interface=item.interface,
            vrf=item.vrf,
            port=item.port,
            source_address=item.source_address,
            timers=item.timers,
            router_id=item.router_id,
            node_selectors=item.node_selectors,
            password=item.password,
            password_secret=_secret_of(item),
            bfd=timers.get(item.bfd_profile),
            is_graceful_restart=item.is_graceful_restart,
            is_multi_hop=item.is_multi_hop,
            is_dual_stack=item.is_dual_stack,
            options=item.options,
        )


def _secret_of(item: BGPPeer) -> ObjectKey | None:
    """Give where the password is; a Secret of no namespace is in that of the peer."""
    secret = item.password_secret
    if secret is None or secret.namespace:
        return secret
    return ObjectKey(item.meta.key.namespace, secret.name)


def _of_configurations(
    notes: Notes,
    items: Iterable[MetalLoadBalancerConfiguration],
    known: Mapping[str, MetalLoadBalancerBGPPeer],
) -> Iterator[Peer]:
    for item in items:
        of = (configurations_api.KIND, item.meta.key)
        notes.take(configurations_api.KIND, item)
        if not item.is_bgp:
            continue
        labels = dict(item.node_selector.pairs)
        selectors = (LabelSelector.of(labels),) if labels else ()
        for index, name in enumerate(item.peers):
            peer = known.get(name)
            if peer is None:
                text = f"no {peers_api.KIND} has the name {name!r}"
                notes.add(of, Problem(f".spec.bgp.peerNames[{index}]", text))
            elif peer.is_usable:
                yield _of_peer(peer, f"{name}-{item.name}", of, selectors)


def _of_peer(
    item: MetalLoadBalancerBGPPeer, name: str, of: ObjectId, selectors: tuple[LabelSelector, ...]
) -> Peer:
    return Peer(
        name=name,
        of=of,
        my_asn=item.my_asn,
        peer_asn=item.peer_asn,
        address=item.address,
        port=item.port,
        node_sources=tuple((each.node, each.address) for each in item.source_addresses),
        timers=item.timers,
        router_id=item.router_id,
        node_selectors=selectors,
        password_secret=item.password_secret,
        bfd=item.bfd,
        is_reached_far=True,
        is_graceful_restart=item.is_graceful_restart,
        options=item.options,
    )
