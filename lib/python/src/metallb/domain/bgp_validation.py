"""Judging what is announced by BGP among all other objects.

Refused: a prefix that is wider than a range of a pool that it is for; two advertisements of one
pool that give the same prefix another LOCAL_PREF, to the same peers, from the same nodes; two
BGPPeers that are one session; a name for a community that another object gives away already.

Nodes count where `Everything` has them. Without, two selectors that differ are taken for disjoint.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from metallb.api import (
    bfd_profiles,
    bgp_advertisements,
    bgp_peers,
    communities,
    ip_address_pools,
    load_balancer_configurations,
    load_balancer_peers,
    load_balancer_pools,
)
from metallb.api.bgp_advertisements import LENGTH, LENGTH_V6
from metallb.api.communities import WELL_KNOWN
from metallb.api.fields import shown
from metallb.api.meta import ObjectKey
from metallb.api.selectors import any_matches
from metallb.domain.bgp_translation import (
    NO_COMMUNITY,
    Written,
    too_wide,
    written_in_configuration,
    written_natively,
)
from metallb.domain.objects import Notes
from metallb.domain.verdicts import Verdict
from metallb.net.addresses import Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metallb.api.bgp_advertisements import BGPAdvertisement
    from metallb.api.bgp_peers import BGPPeer
    from metallb.api.communities import Community
    from metallb.api.ip_address_pools import IPAddressPool
    from metallb.api.load_balancer_configurations import MetalLoadBalancerConfiguration
    from metallb.api.load_balancer_pools import MetalLoadBalancerPool
    from metallb.api.selectors import LabelSelector
    from metallb.domain.everything import Everything
    from metallb.domain.pool_groups import PoolGroup

NODE = "Node"
_TOLD = 20
"""So many faults of one advertisement are told."""


# -- advertisements --------------------------------------------------------------------------------


def judge_advertisement(item: BGPAdvertisement, everything: Everything) -> Verdict:
    """Judge a BGPAdvertisement."""
    written = written_natively(Notes(), {}, item)
    errors = chain(
        _too_wide_natively(item, written, everything), _rivalries(item, written, everything)
    )
    found = list(islice(errors, _TOLD))
    if next(errors, None) is not None:
        found[-1] = "and more of that sort"
    return Verdict(tuple(found), tuple(_doubts(item, everything)))


def _too_wide_natively(
    item: BGPAdvertisement, written: Written, everything: Everything
) -> Iterator[str]:
    lengths = item.routes.aggregation_length, item.routes.aggregation_length_v6
    if lengths == (LENGTH, LENGTH_V6):
        return
    pools = everything.of(ip_address_pools.KIND)
    families = everything.groups(ip_address_pools.KIND).families
    for group, keys in _chosen(item, families, everything):
        narrow = group.too_narrow(lengths)
        if keys is not group.least:
            narrow = iter({*keys}.intersection(narrow))
        for key in narrow:
            yield from map(str, too_wide(written, key.name, pools[key].ranges))


def _chosen(
    item: BGPAdvertisement, families: Iterable[frozenset[Family]], everything: Everything
) -> Iterator[tuple[PoolGroup, Iterable[ObjectKey]]]:
    """Give the pools of an advertisement that have ranges of some families, by groups."""
    named = [ObjectKey(item.meta.key.namespace, name) for name in item.pools.names]
    return everything.groups(ip_address_pools.KIND).chosen(item.pools, named, families)


def _rivalries(item: BGPAdvertisement, written: Written, everything: Everything) -> Iterator[str]:
    """Say with which others it contradicts itself, and for which pool."""
    for other in everything.of(bgp_advertisements.KIND).values():
        if other.meta.key != item.meta.key and _are_rivals(written, other, everything):
            pool = _pool_of_both(item, other, written, everything)
            if pool is not None:
                yield _contradiction(written, other, pool)


def _pool_of_both(
    item: BGPAdvertisement, other: BGPAdvertisement, written: Written, everything: Everything
) -> str | None:
    """Name a pool of which both announce the same prefixes."""
    few, many = (item, other) if item.pools.names and not item.pools.selectors else (other, item)
    names = frozenset(many.pools.names)
    known = everything.groups(ip_address_pools.KIND).families
    meeting = [families for families in known if _meet(written, other, families)]
    for group, keys in _chosen(few, meeting, everything):
        is_whole = many.pools.covers("", group.labels)
        for key in keys:
            if is_whole or key.name in names:
                return key.name
    return None


def unknown(
    path: str, kind: str, namespace: str, names: Sequence[str], everything: Everything
) -> Iterator[str]:
    """Say which names of a list are of no object; that may come later."""
    known = everything.of(kind)
    for index, name in enumerate(names):
        if ObjectKey(namespace, name) not in known:
            yield f"{path}[{index}]: there is no {kind} {shown(name)} yet"


def _doubts(item: BGPAdvertisement, everything: Everything) -> Iterator[str]:
    namespace = item.meta.key.namespace
    pools, peers = item.pools.names, item.peers
    yield from unknown(".spec.ipAddressPools", ip_address_pools.KIND, namespace, pools, everything)
    yield from unknown(".spec.peers", bgp_peers.KIND, namespace, peers, everything)
    known = {
        alias.name for other in everything.of(communities.KIND).values() for alias in other.aliases
    }
    for each in item.routes.communities:
        if ":" not in each.text and each.text not in {*known, *WELL_KNOWN, NO_COMMUNITY}:
            yield f".spec.{each.name}: no Community object has the name {shown(each.text)} yet"


def judge_configuration(item: MetalLoadBalancerConfiguration, everything: Everything) -> Verdict:
    """Judge a MetalLoadBalancerConfiguration; its peers are its own, so only it can contradict
    itself.
    """
    errors: list[str] = []
    warnings: list[str] = []
    parts = list(written_in_configuration(Notes(), item))
    pools = everything.of(load_balancer_pools.KIND)
    for index, (names, part) in enumerate(parts):
        for key in (ObjectKey("", name) for name in names):
            if key in pools:
                rivals = [other for others, other in parts[:index] if key.name in others]
                errors += _against(pools[key], part, rivals, everything)
    for each in item.advertisements:
        path = f"{each.path}.poolNames"
        warnings += unknown(path, load_balancer_pools.KIND, "", each.pools, everything)
    path = ".spec.bgp.peerNames"
    warnings += unknown(path, load_balancer_peers.KIND, "", item.peers, everything)
    if item.advertisements and not item.peers:
        warnings.append(".spec.bgp.peerNames: no peer is named, so nothing is announced")
    return Verdict(tuple(dict.fromkeys(errors)), tuple(warnings))


# -- pools -----------------------------------------------------------------------------------------


def judge_native_routes(pool: IPAddressPool, everything: Everything) -> Verdict:
    """Judge an IPAddressPool against the advertisements that cover it."""
    covering = [
        written_natively(Notes(), {}, item)
        for item in everything.of(bgp_advertisements.KIND).values()
        if item.pools.covers(pool.name, pool.labels)
    ]
    return _of_pool(pool, covering, everything)


def judge_pool_routes(pool: MetalLoadBalancerPool, everything: Everything) -> Verdict:
    """Judge a MetalLoadBalancerPool against the configurations that name it."""
    covering = [
        part
        for item in everything.of(load_balancer_configurations.KIND).values()
        if any(pool.name in each.pools for each in item.advertisements)
        for names, part in written_in_configuration(Notes(), item)
        if pool.name in names
    ]
    return _of_pool(pool, covering, everything)


def _of_pool(
    pool: IPAddressPool | MetalLoadBalancerPool, covering: Sequence[Written], everything: Everything
) -> Verdict:
    errors: list[str] = []
    for index, item in enumerate(covering):
        found = _against(pool, item, covering[:index], everything)
        errors += [f".spec.addresses: {item.of[0]} {item.of[1].name} {text}" for text in found]
    return Verdict(tuple(errors))


def _against(
    pool: IPAddressPool | MetalLoadBalancerPool,
    item: Written,
    others: Iterable[Written],
    everything: Everything,
) -> Iterator[str]:
    """Say what is wrong with an advertisement of a pool, and between it and others of the pool."""
    yield from map(str, too_wide(item, pool.name, pool.ranges))
    for other in others:
        families = {each.range.family for each in pool.ranges}
        if _are_rivals(item, other, everything) and _meet(item, other, families):
            yield _contradiction(item, other, pool.name)


def _contradiction(item: Written, other: Written | BGPAdvertisement, pool: str) -> str:
    return (
        f"{item.path}.localPref: {item.routes.local_pref} is not the {other.routes.local_pref} of "
        f"{other.name} for the same prefixes of pool {pool}; let them differ in length, in peers "
        "or in nodes"
    )


def _are_rivals(one: Written, other: Written | BGPAdvertisement, everything: Everything) -> bool:
    """Tell whether two advertisements with different preferences go to one peer from one node.

    For which Services both are, if they select some, shows when they are announced.
    """
    return (
        one.routes.local_pref != other.routes.local_pref
        and not one.service_selectors
        and not other.service_selectors
        and not (one.peers and other.peers and not {*one.peers} & {*other.peers})
        and _share_nodes(one.node_selectors, other.node_selectors, everything)
    )


def _meet(one: Written, other: Written | BGPAdvertisement, families: Iterable[Family]) -> bool:
    """Tell whether two advertisements have a prefix of a pool of these families in common."""
    differs = {
        Family.IPV4: one.routes.aggregation_length != other.routes.aggregation_length,
        Family.IPV6: one.routes.aggregation_length_v6 != other.routes.aggregation_length_v6,
    }
    return not all(differs[family] for family in families)


def _share_nodes(
    one: tuple[LabelSelector, ...], other: tuple[LabelSelector, ...], everything: Everything
) -> bool:
    """Tell whether two lists of selectors have a node in common."""
    nodes = everything.of(NODE)
    if not nodes:
        return not one or not other or bool({*one} & {*other})
    return any(
        any_matches(one, node.labels) and any_matches(other, node.labels) for node in nodes.values()
    )


# -- peers and communities -------------------------------------------------------------------------


def judge_peer(item: BGPPeer, everything: Everything) -> Verdict:
    """Judge a BGPPeer."""
    errors = [
        f".spec.peerAddress: BGPPeer {other.name} is the same session, on nodes of both; let the "
        "node selectors, the port or the source address differ"
        for other in everything.of(bgp_peers.KIND).values()
        if other.meta.key != item.meta.key
        and _session(other) == _session(item)
        and _share_nodes(other.node_selectors, item.node_selectors, everything)
    ]
    profile = ObjectKey(item.meta.key.namespace, item.bfd_profile)
    if not item.bfd_profile or profile in everything.of(bfd_profiles.KIND):
        return Verdict(tuple(errors[:1]))
    doubt = f".spec.bfdProfile: there is no BFDProfile {shown(item.bfd_profile)} yet"
    return Verdict(tuple(errors[:1]), (doubt,))


def _session(item: BGPPeer) -> tuple[object, ...] | None:
    """Give what makes a session one of its own; without a peer it is none."""
    if item.address is None and not item.interface:
        return (item.meta.key,)
    return item.address, item.interface, item.port, item.source_address, item.vrf


def judge_communities(item: Community, everything: Everything) -> Verdict:
    """Judge a Community object."""
    holders: dict[str, str] = {}
    for other in everything.of(communities.KIND).values():
        if other.meta.key != item.meta.key:
            holders |= {alias.name: other.name for alias in other.aliases}
    errors = [
        f"{alias.path}.name: {alias.name!r} is a name in Community {holders[alias.name]} already; "
        "choose another"
        for alias in item.aliases
        if alias.name in holders
    ]
    return Verdict(tuple(errors))
