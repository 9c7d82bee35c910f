"""How addresses are announced by BGP, of both dialects.

A pool of MetalLB has the BGPAdvertisements that name it, select it by label, or neither name nor
select any pool. A MetalLoadBalancerPool has those of the configurations that name it; each item of
`spec.advertisements` is one, named ``<configuration>-adv-<index>`` as Deckhouse names it. Its peers
are ``<peer>-<configuration>``, since each configuration has sessions of its own.

Names of communities are resolved: a Community object's name, or a well-known one of RFC 1997. What
none of them knows is noted and left out. A prefix that is wider than a range of the pool would
attract traffic that is not ours: it is noted, and the addresses themselves are announced instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api import bgp_advertisements as native_api
from metallb.api import communities as communities_api
from metallb.api import load_balancer_configurations as configurations_api
from metallb.api.bgp_advertisements import LENGTH, LENGTH_V6
from metallb.api.communities import WELL_KNOWN, community_order
from metallb.api.fields import Problem
from metallb.api.selectors import LabelSelector
from metallb.domain.address_pools import BGPAdvertisement
from metallb.net.addresses import Family
from metallb.net.ranges import widest_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metallb.api.bgp_advertisements import RouteAttributes
    from metallb.api.communities import Community
    from metallb.api.load_balancer_configurations import MetalLoadBalancerConfiguration
    from metallb.api.pool_options import PoolRange
    from metallb.domain.objects import Notes, ObjectId

NO_COMMUNITY = "none"
"""Deckhouse's word for it."""


def resolve_aliases(notes: Notes, communities: Iterable[Community]) -> dict[str, str]:
    """Give the names of all Community objects; of two with one name the older object's holds."""
    holders: dict[str, str] = {}
    found: dict[str, str] = {}
    for item in sorted(communities, key=lambda item: item.meta.seniority):
        of = (communities_api.KIND, item.meta.key)
        for alias in item.aliases:
            if alias.name in found:
                text = f"{alias.name!r} is defined by {holders[alias.name]} already, which is older"
                notes.add(of, Problem(f"{alias.path}.name", text))
                continue
            found[alias.name], holders[alias.name] = alias.value, str(item.meta.key)
    return found


@dataclass(frozen=True, slots=True)
class Written:
    """One advertisement as it was written, of either dialect: an object or a part of one."""

    of: ObjectId
    path: str
    """Where its attributes are."""

    name: str
    node_selectors: tuple[LabelSelector, ...]
    service_selectors: tuple[LabelSelector, ...]
    routes: RouteAttributes
    communities: tuple[str, ...]
    peers: tuple[str, ...]


def written_natively(
    notes: Notes, aliases: Mapping[str, str], item: native_api.BGPAdvertisement
) -> Written:
    """Take a BGPAdvertisement object."""
    of = (native_api.KIND, item.meta.key)
    return Written(
        of=of,
        path=".spec",
        name=item.name,
        node_selectors=item.node_selectors,
        service_selectors=item.service_selectors,
        routes=item.routes,
        communities=_resolved(notes, of, ".spec", item.routes, aliases),
        peers=item.peers,
    )


def written_in_configuration(
    notes: Notes, item: MetalLoadBalancerConfiguration
) -> Iterator[tuple[tuple[str, ...], Written]]:
    """Take the advertisements of a configuration, each with the names of its pools.

    One that names no peer announces to nobody.
    """
    of = (configurations_api.KIND, item.meta.key)
    labels = dict(item.node_selector.pairs)
    if not item.is_bgp or not item.peers:
        return
    for index, each in enumerate(item.advertisements):
        path = f"{each.path}.bgp"
        yield (
            each.pools,
            Written(
                of=of,
                path=path,
                name=f"{item.name}-adv-{index}",
                node_selectors=(LabelSelector.of(labels),) if labels else (),
                service_selectors=(),
                routes=each.routes,
                communities=_resolved(notes, of, path, each.routes, {}),
                peers=tuple(f"{peer}-{item.name}" for peer in item.peers),
            ),
        )


def _resolved(
    notes: Notes, of: ObjectId, path: str, routes: RouteAttributes, aliases: Mapping[str, str]
) -> tuple[str, ...]:
    """Give communities as values, sorted."""
    found: set[str] = set()
    for item in routes.communities:
        value = item.text if ":" in item.text else _known(item.text, aliases)
        if value is None:
            text = f"no Community object has the name {item.text!r}"
            notes.add(of, Problem(f"{path}.{item.name}", text))
        elif value != NO_COMMUNITY:
            found.add(value)
    return tuple(sorted(found, key=community_order))


def _known(name: str, aliases: Mapping[str, str]) -> str | None:
    if name == NO_COMMUNITY:
        return aliases.get(name, name)
    return aliases.get(name) or WELL_KNOWN.get(name)


def advertise(
    notes: Notes, item: Written, pool: str, ranges: Iterable[PoolRange]
) -> BGPAdvertisement:
    """Give the advertisement as a pool has it; its prefixes are not wider than a range is."""
    length, length_v6 = item.routes.aggregation_length, item.routes.aggregation_length_v6
    for problem in too_wide(item, pool, ranges):
        notes.add(item.of, problem)
        if problem.path.endswith("V6"):
            length_v6 = LENGTH_V6
        else:
            length = LENGTH
    return BGPAdvertisement(
        name=item.name,
        node_selectors=item.node_selectors,
        service_selectors=item.service_selectors,
        aggregation_length=length,
        aggregation_length_v6=length_v6,
        local_pref=item.routes.local_pref,
        communities=item.communities,
        peers=item.peers,
        med=item.routes.med,
        prepend=item.routes.prepend,
        extended_communities=item.routes.extended_communities,
        is_weighted=item.routes.is_weighted,
    )


def too_wide(item: Written, pool: str, ranges: Iterable[PoolRange]) -> Iterator[Problem]:
    """Say of which lengths the prefixes would be wider than ranges of a pool."""
    if (item.routes.aggregation_length, item.routes.aggregation_length_v6) == (LENGTH, LENGTH_V6):
        return
    lengths = {
        Family.IPV4: ("aggregationLength", item.routes.aggregation_length),
        Family.IPV6: ("aggregationLengthV6", item.routes.aggregation_length_v6),
    }
    for each in ranges:
        name, length = lengths[each.range.family]
        least = widest_prefix(each.range)
        if length < least:
            text = f"{length} is wider than {each.text} of pool {pool}; at least {least} is wanted"
            yield Problem(f"{item.path}.{name}", text)
