"""BGPAdvertisement (metallb.io/v1beta1): pools that are announced by BGP, from which nodes, to
which peers, with what attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.advertisements import PoolChoice, read_pool_choice
from metallb.api.communities import COMMUNITIES_MAX, parse_community
from metallb.api.extended_communities import parse_extended_community
from metallb.api.fields import Fields, Problem
from metallb.api.meta import NATIVE_VERSION, Metadata, Named, read_metadata
from metallb.api.selectors import LabelSelector, read_selectors

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

KIND = "BGPAdvertisement"
PREPEND_MAX = 10
EXTENDED_COMMUNITIES_MAX = 31
LENGTH, LENGTH_V6 = 32, 128
"""Prefix lengths of an address itself."""


@dataclass(frozen=True, slots=True)
class RouteCommunity:
    """A community of an advertisement: a value in its one form, or a name; and where it stands."""

    text: str
    name: str


@dataclass(frozen=True, slots=True)
class RouteAttributes:
    """How routes are announced; both dialects have this."""

    aggregation_length: int = LENGTH
    aggregation_length_v6: int = LENGTH_V6
    local_pref: int = 0
    communities: tuple[RouteCommunity, ...] = ()
    med: int | None = None
    """MULTI_EXIT_DISC; None: not said."""
    prepend: int = 0
    """How many times more our AS number stands in the path."""
    extended_communities: tuple[str, ...] = ()
    is_weighted: bool = False
    """With the policy Local, nodes tell peers how many endpoints they have."""


@dataclass(frozen=True, slots=True)
class BGPAdvertisement(Named):
    """An advertisement as it was written; `problems` are those of the object itself."""

    api_version = NATIVE_VERSION
    object_kind = KIND

    meta: Metadata
    pools: PoolChoice
    node_selectors: tuple[LabelSelector, ...]
    service_selectors: tuple[LabelSelector, ...]
    routes: RouteAttributes
    peers: tuple[str, ...]
    problems: tuple[Problem, ...]


def read_bgp_advertisement(value: JsonObject) -> BGPAdvertisement:
    """Read a BGPAdvertisement object; never raises, see `problems` of the result.

    With `serviceSelectors` a prefix that is shorter than an address would also carry the traffic of
    other Services: such a length is noted and not used, as MetalLB refuses it.
    """
    fields = Fields(value)
    spec = fields.child("spec")
    services = read_selectors(spec, "serviceSelectors")
    routes = RouteAttributes(
        aggregation_length=_read_length(spec, "aggregationLength", LENGTH, bool(services)),
        aggregation_length_v6=_read_length(spec, "aggregationLengthV6", LENGTH_V6, bool(services)),
        local_pref=spec.integer("localPref", 0, 0, 2**32 - 1),
        communities=read_route_communities(spec),
        med=read_med(spec),
        prepend=spec.integer("prepend", 0, 0, PREPEND_MAX),
        extended_communities=read_extended_communities(spec),
        is_weighted=spec.boolean("weightByEndpoints"),
    )
    return BGPAdvertisement(
        meta=read_metadata(fields),
        pools=read_pool_choice(spec),
        node_selectors=read_selectors(spec, "nodeSelectors"),
        service_selectors=services,
        routes=routes,
        peers=_read_peers(spec),
        problems=tuple(fields.problems),
    )


def read_med(fields: Fields) -> int | None:
    """Read `med`; 0 is a value, the best one."""
    found = fields.integer("med", -1, 0, 2**32 - 1)
    return None if found < 0 else found


def read_extended_communities(fields: Fields) -> tuple[str, ...]:
    """Read `extendedCommunities`, each once; what is none is noted and left out."""
    found: dict[str, None] = {}
    names = fields.names("extendedCommunities")
    if len(names) > EXTENDED_COMMUNITIES_MAX:
        text = f"{len(names)} are too many; {EXTENDED_COMMUNITIES_MAX} is the most"
        fields.note("extendedCommunities", text)
    for text in names[:EXTENDED_COMMUNITIES_MAX]:
        try:
            found[parse_extended_community(text)] = None
        except ValueError as error:
            place = list(fields.value["extendedCommunities"]).index(text)
            fields.note(f"extendedCommunities[{place}]", str(error))
    return tuple(found)


def _read_length(spec: Fields, name: str, whole: int, is_for_some: bool) -> int:
    length = spec.integer(name, whole, 1, whole)
    if is_for_some and length < whole:
        spec.note(name, f"{length} cannot be used with serviceSelectors; only {whole} can")
        return whole
    return length


def _read_peers(spec: Fields) -> tuple[str, ...]:
    """Read `peers`; when names were given and none is one, it is for nobody, rather than all."""
    found = spec.names("peers")
    return found or (("",) if spec.value.get("peers") else ())


def read_route_communities(fields: Fields) -> tuple[RouteCommunity, ...]:
    """Read `communities`: values and names, each once; what is neither is noted and left out."""
    found: dict[str, RouteCommunity] = {}
    names = fields.names("communities")
    if len(names) > COMMUNITIES_MAX:
        fields.note("communities", f"{len(names)} are too many; {COMMUNITIES_MAX} is the most")
    for text in names[:COMMUNITIES_MAX]:
        place = f"communities[{list(fields.value['communities']).index(text)}]"
        if ":" not in text:
            found[text] = RouteCommunity(text, place)
            continue
        try:
            value = parse_community(text)
        except ValueError as error:
            fields.note(place, str(error))
        else:
            found.setdefault(value, RouteCommunity(value, place))
    return tuple(found.values())
