"""The routes of this node: from VIPs and advertisements to what each peer is to hear, by change.

    VIP ──verdict──► shares ──by prefix──► merged for each view ──► changes

Several addresses and several advertisements may give one prefix: their communities are united; the
local preference is that of the advertisement whose name comes first among those that give one, and
so are the MED and how often the path is prepended.

Peers that hear the same have one *view*: which advertisements name them, and their families. Most
clusters have one view for each family, so a hundred peers cost little more than one: each view
keeps what its peers were told, and one mapping of changes is for all of them.

A VIP whose Services name health check ports is held back until `take_rules` says that kube-proxy
has rules for it. That is asked for when a VIP comes to be announced, not again while it is.

Limits: when pools or peers change, all is compared with what was told; a VIP that changes costs
only its own prefixes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from metallb.api.extended_communities import extended_community_octets
from metallb.net.addresses import Family
from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.iana import Afi, WellKnownCommunity
from metallb_speaker.routes.model import PeerChanges, RouteChanges, Silence, Turn, Verdict
from metallb_speaker.routes.verdicts import verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metallb.api.nodes import Node
    from metallb.api.virtual_ips import VirtualIPSpec
    from metallb.domain.address_pools import AddressPool, BGPAdvertisement
    from metallb.net.addresses import IPAddress
    from metallb_speaker.bgp.prefixes import Prefix

_AFI = {Family.IPV4: Afi.IPV4, Family.IPV6: Afi.IPV6}


ENDPOINT_BANDWIDTH = 125_000_000.0
"""What an endpoint stands for in the link-bandwidth community: 1 Gbit/s, in octets a second."""


class View(NamedTuple):
    """What peers that hear the same have in common."""

    families: frozenset[Family]
    named_by: frozenset[tuple[str, ...]]
    """The lists of peers, in advertisements, that name them."""


class RouteTable:
    """All routes of one node; unless `waits_for_rules`, kube-proxy keeps none back."""

    def __init__(self, *, waits_for_rules: bool = True) -> None:
        self._waits_for_rules = waits_for_rules
        self._node: Node | None = None
        self._pools: dict[str, AddressPool] = {}
        self._peers: dict[str, frozenset[Family]] = {}
        self._vips: dict[IPAddress, VirtualIPSpec] = {}
        self._verdicts: dict[IPAddress, Verdict] = {}
        self._with_rules: set[IPAddress] = set()
        """VIPs that are announced, or are to be next: kube-proxy keeps none of them back."""
        self._held: dict[IPAddress, tuple[int, ...]] = {}
        self._shares: dict[Prefix, dict[IPAddress, tuple[BGPAdvertisement, ...]]] = {}
        self._told: dict[View, RouteChanges] = {}
        self._views: dict[str, View] = {}
        self._dirty: dict[Prefix, None] = {}
        self._turns: dict[IPAddress, Silence | None] = {}
        """VIPs that are silent for another reason than when turns were taken last: that reason."""
        self._is_other = False
        self._is_draining = False

    # -- what comes in -----------------------------------------------------------------------------

    def set_node(self, node: Node | None) -> None:
        """Take in what this node is like."""
        if node is None or not node.places_like(self._node):
            self._node = node
            self._decide_all()

    def set_pools(self, pools: Iterable[AddressPool]) -> None:
        """Take in all pools."""
        found = {pool.key: pool for pool in pools}
        changed = {
            key
            for key in found.keys() | self._pools.keys()
            if _bgp_of(found.get(key)) != _bgp_of(self._pools.get(key))
        }
        self._pools = found
        self._is_other |= bool(changed)
        for address, spec in self._vips.items():
            if spec.pool in changed:
                self._decide(address, spec)

    def set_peers(self, peers: Mapping[str, frozenset[Family]]) -> None:
        """Take in the peers of this node, and the families that each hears."""
        if peers != self._peers:
            self._peers = dict(peers)
            self._is_other = True

    def set_draining(self, is_draining: bool) -> None:
        """Take in whether routers are to look for other ways (RFC 8326 §4.2)."""
        if is_draining != self._is_draining:
            self._is_draining = is_draining
            self._dirty.update(dict.fromkeys(self._shares))

    def put(self, spec: VirtualIPSpec) -> None:
        """Take in a VIP; one that is not announced by BGP is as good as gone."""
        if spec.bgp is None:
            self.discard(spec.address)
        elif _announced(self._vips.get(spec.address)) != _announced(spec):
            self._vips[spec.address] = spec
            self._decide(spec.address, spec)

    def discard(self, address: IPAddress) -> None:
        """Take in that a VIP is no more."""
        if self._vips.pop(address, None) is not None:
            self._share(address, Verdict(Silence.NOT_OWNER))
            self._with_rules.discard(address)
            self._held.pop(address, None)
            del self._verdicts[address]
            self._turns.pop(address, None)

    def take_rules(self, address: IPAddress) -> None:
        """Take in that kube-proxy has rules for a VIP, or that it is waited for no longer."""
        if address in self._held:
            self._with_rules.add(address)
            self._decide(address, self._vips[address])

    def _decide_all(self) -> None:
        for address, spec in self._vips.items():
            self._decide(address, spec)

    def _decide(self, address: IPAddress, spec: VirtualIPSpec) -> None:
        has_rules = address in self._with_rules or not self._waits_for_rules
        found = verdict(spec, self._pools.get(spec.pool), self._node, has_rules=has_rules)
        self._held.pop(address, None)
        if found.silence is None:
            self._with_rules.add(address)
        else:
            self._with_rules.discard(address)
        if found.ports:
            self._held[address] = found.ports
        self._share(address, found)

    def _share(self, address: IPAddress, found: Verdict) -> None:
        before = self._verdicts.get(address)
        if before == found:
            return
        self._verdicts[address] = found
        silence = None if before is None else before.silence
        if silence != found.silence:
            self._turns.setdefault(address, silence)
        for prefix, _ in before.shares if before is not None else ():
            self._dirty[prefix] = None
            holders = self._shares.get(prefix, {})
            holders.pop(address, None)
            if not holders:
                self._shares.pop(prefix, None)
        by_prefix: dict[Prefix, tuple[BGPAdvertisement, ...]] = {}
        for prefix, advertisement in found.shares:
            by_prefix[prefix] = (*by_prefix.get(prefix, ()), advertisement)
        for prefix, advertisements in by_prefix.items():
            self._dirty[prefix] = None
            self._shares.setdefault(prefix, {})[address] = advertisements

    # -- what is asked -----------------------------------------------------------------------------

    def verdict_of(self, address: IPAddress) -> Verdict | None:
        """Tell whether this node announces a VIP, or why not; None: it is not for BGP."""
        return self._verdicts.get(address)

    def verdicts(self) -> Mapping[IPAddress, Verdict]:
        """Give the verdicts about all VIPs."""
        return self._verdicts

    def held(self) -> Mapping[IPAddress, tuple[int, ...]]:
        """Give the VIPs that kube-proxy keeps back, and the ports at which it can be asked."""
        return self._held

    def peers_of(self, address: IPAddress) -> tuple[str, ...]:
        """Name the peers to which a VIP is announced, in order."""
        found = self._verdicts.get(address)
        shares = () if found is None else found.shares
        return tuple(
            sorted(
                name
                for name, view in self._views.items()
                if any(_is_for(view, prefix, item) for prefix, item in shares)
            )
        )

    # -- what goes out -----------------------------------------------------------------------------

    def take_turns(self) -> list[Turn]:
        """Drain the VIPs that are silent for another reason than when this was asked last."""
        turns, self._turns = self._turns, {}
        found = ((item, before, self._verdicts[item].silence) for item, before in turns.items())
        return [Turn(item, before, now) for item, before, now in found if before != now]

    def take_changes(self) -> list[PeerChanges]:
        """Drain what peers are to hear that they were not told yet."""
        if self._is_other:
            self._is_other = False
            self._dirty.clear()
            return list(self._look_at_views())
        dirty, self._dirty = self._dirty, {}
        found: list[PeerChanges] = []
        for view, told in self._told.items():
            changes = self._changes(view, told, dirty)
            if changes:
                names = tuple(name for name, its in self._views.items() if its == view)
                found.append(PeerChanges(names, changes))
        return found

    def _changes(self, view: View, told: RouteChanges, prefixes: Iterable[Prefix]) -> RouteChanges:
        """Compare some prefixes with what a view was told, and note what it is told now."""
        changes: RouteChanges = {}
        for prefix in prefixes:
            wanted = self._merged(view, prefix)
            if wanted == told.get(prefix):
                continue
            changes[prefix] = wanted
            if wanted is None:
                del told[prefix]
            else:
                told[prefix] = wanted
        return changes

    def _look_at_views(self) -> Iterator[PeerChanges]:
        """Part the peers into views anew, and tell each what is other than it was told before.

        A peer that is new has been told nothing.
        """
        before, told_before = self._views, self._told
        lists = {item.peers for pool in self._pools.values() for item in pool.bgp if item.peers}
        self._views = {
            name: View(families, frozenset(names for names in lists if name in names))
            for name, families in self._peers.items()
        }
        self._told = {}
        steps: dict[tuple[View, View | None], list[str]] = {}
        for name, view in self._views.items():
            steps.setdefault((view, before.get(name)), []).append(name)
        for (view, old), names in steps.items():
            if view not in self._told:
                self._changes(view, self._told.setdefault(view, {}), self._shares)
            told = self._told[view]
            heard = {} if old is None else told_before[old]
            changes = {key: found for key, found in told.items() if heard.get(key) != found}
            changes.update((key, None) for key in heard if key not in told)
            if changes:
                yield PeerChanges(tuple(names), changes)

    def _merged(self, view: View, prefix: Prefix) -> RouteAttributes | None:
        """Put together what is said of a prefix to the peers of a view; None: nothing."""
        items = {
            item: None
            for advertisements in self._shares.get(prefix, {}).values()
            for item in advertisements
            if _is_for(view, prefix, item)
        }
        if not items:
            return None
        found = _attributes(tuple(sorted(items, key=_order)))
        weight = self._weight(prefix) if any(item.is_weighted for item in items) else 0
        if weight:
            found = _weighted(found, weight)
        return _draining(found) if self._is_draining else found

    def _weight(self, prefix: Prefix) -> int:
        """Give the weight of a prefix: that of the address of it that has most endpoints here."""
        return max(self._verdicts[address].weight for address in self._shares[prefix])


def _bgp_of(pool: AddressPool | None) -> tuple[BGPAdvertisement, ...]:
    return () if pool is None else pool.bgp


def _announced(spec: VirtualIPSpec | None) -> object:
    return None if spec is None else (spec.pool, spec.bgp)


def _is_for(view: View, prefix: Prefix, item: BGPAdvertisement) -> bool:
    if not any(_AFI[family] == prefix.afi for family in view.families):
        return False
    return not item.peers or item.peers in view.named_by


def _order(item: BGPAdvertisement) -> tuple[str, tuple[str, ...]]:
    return item.name, item.peers


@lru_cache(4096)
def _attributes(items: tuple[BGPAdvertisement, ...]) -> RouteAttributes:
    """Merge advertisements of one prefix."""
    plain: set[int] = set()
    large: set[tuple[int, int, int]] = set()
    for text in (text for item in items for text in item.communities):
        numbers = tuple(int(part) for part in text.removeprefix("large:").split(":"))
        if len(numbers) == 2:
            plain.add(numbers[0] << 16 | numbers[1])
        else:
            large.add((numbers[0], numbers[1], numbers[2]))
    return RouteAttributes(
        local_pref=next((item.local_pref for item in items if item.local_pref), None),
        med=next((item.med for item in items if item.med is not None), None),
        prepend=next((item.prepend for item in items if item.prepend), 0),
        extended_communities=tuple(
            sorted(
                {
                    extended_community_octets(text)
                    for item in items
                    for text in item.extended_communities
                }
            )
        ),
        communities=tuple(sorted(plain)),
        large_communities=tuple(sorted(large)),
    )


@lru_cache(4096)
def _weighted(found: RouteAttributes, weight: int) -> RouteAttributes:
    return replace(found, link_bandwidth=weight * ENDPOINT_BANDWIDTH)


@lru_cache(4096)
def _draining(found: RouteAttributes) -> RouteAttributes:
    """Ask routers to look for other ways: GRACEFUL_SHUTDOWN and the lowest local preference."""
    communities = sorted({*found.communities, WellKnownCommunity.GRACEFUL_SHUTDOWN})
    return replace(found, local_pref=0, communities=tuple(communities))
