"""What is wrong with one object among all others: the rules that its reader cannot know.

An object is refused for what MetalLB's own admission refuses, and for what would break another
object that works; all else that looks wrong is a warning, since it may become right by the next
write (a name of something that is made later). Each sentence names the path, the value, and what
would be right. In difference to MetalLB a pool is also judged against the advertisements that cover
it, so the order of writes does not matter.

Deleting what others name is a warning; a BFDProfile that a BGPPeer names is not deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb.api import (
    bfd_profiles,
    bgp_advertisements,
    bgp_peers,
    classes,
    communities,
    ip_address_pools,
    layer2_advertisements,
    load_balancer_configurations,
    load_balancer_peers,
    load_balancer_pools,
)
from metallb.api.fields import listed
from metallb.domain.bgp_validation import (
    judge_advertisement,
    judge_communities,
    judge_configuration,
    judge_peer,
)
from metallb.domain.pool_validation import judge_class, judge_layer2, judge_native_pool, judge_pool
from metallb.domain.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from metallb.api.meta import ObjectKey
    from metallb.domain.everything import Everything

_NAMED = 3
_SENTENCES = 20
"""An answer has no more; who has a thousand faults finds them by the first ones."""


def validate(kind: str, parsed: Any, everything: Everything) -> Verdict:
    """Judge an object, as its reader gives it, among all others; one of its key is replaced by it.

    What the reader noted is not repeated.
    """
    judge = _JUDGES.get(kind)
    if judge is None:
        return Verdict()
    found = judge(parsed, everything)
    return Verdict(_first(found.errors), _first(found.warnings))


def _first(texts: tuple[str, ...]) -> tuple[str, ...]:
    if len(texts) <= _SENTENCES:
        return texts
    return (*texts[:_SENTENCES], f"and {len(texts) - _SENTENCES} more")


_JUDGES: Mapping[str, Callable[[Any, Everything], Verdict]] = {
    classes.KIND: judge_class,
    load_balancer_pools.KIND: judge_pool,
    ip_address_pools.KIND: judge_native_pool,
    layer2_advertisements.KIND: judge_layer2,
    bgp_advertisements.KIND: judge_advertisement,
    load_balancer_configurations.KIND: judge_configuration,
    bgp_peers.KIND: judge_peer,
    communities.KIND: judge_communities,
}


# -- deletions -------------------------------------------------------------------------------------


def validate_deletion(kind: str, key: ObjectKey, everything: Everything) -> Verdict:
    """Judge that an object is deleted: who else names it."""
    users = sorted(set(_users(kind, key, everything)))
    if not users:
        return Verdict()
    text = f"{kind} {key.name} is named by {listed(users, _NAMED)}"
    if kind == bfd_profiles.KIND:
        return Verdict((f"{text}; name another profile there first",))
    return Verdict(warnings=(text,))


def _users(kind: str, key: ObjectKey, everything: Everything) -> Iterator[str]:
    """Name the objects that name one."""
    if kind == communities.KIND:
        yield from _users_of_aliases(key, everything)
    for user, names_of in _NAMES.get(kind, {}).items():
        for other in everything.of(user).values():
            if key.name in names_of(other):
                yield f"{user} {other.meta.key.name}"


def _users_of_aliases(key: ObjectKey, everything: Everything) -> Iterator[str]:
    item = everything.of(communities.KIND).get(key)
    names = {alias.name for alias in item.aliases} if item is not None else set()
    for other in everything.of(bgp_advertisements.KIND).values():
        if any(each.text in names for each in other.routes.communities):
            yield f"{bgp_advertisements.KIND} {other.meta.key.name}"


_NAMES: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    bfd_profiles.KIND: {bgp_peers.KIND: lambda item: (item.bfd_profile,)},
    ip_address_pools.KIND: {
        layer2_advertisements.KIND: lambda item: item.pools.names,
        bgp_advertisements.KIND: lambda item: item.pools.names,
    },
    bgp_peers.KIND: {bgp_advertisements.KIND: lambda item: item.peers},
    load_balancer_peers.KIND: {load_balancer_configurations.KIND: lambda item: item.peers},
    load_balancer_pools.KIND: {
        load_balancer_configurations.KIND: lambda item: [
            name for each in item.advertisements for name in each.pools
        ],
    },
}
"""Kind -> the kinds that name it, and the names in an object of theirs."""
