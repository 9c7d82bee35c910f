"""Pools by labels and families, and what advertisements cover of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from metallb.api.advertisements import PoolChoice
from metallb.api.ip_address_pools import read_ip_address_pool
from metallb.api.meta import ObjectKey
from metallb.api.selectors import LabelSelector
from metallb.domain.everything import Everything
from metallb.net.addresses import Family

if TYPE_CHECKING:
    from metallb.domain.pool_groups import PoolGroup, PoolGroups

KIND = "IPAddressPool"
RED, BLUE = {"team": "red"}, {"team": "blue"}
FOUR, SIX = frozenset({Family.IPV4}), frozenset({Family.IPV6})


def key(name: str) -> ObjectKey:
    return ObjectKey("d8-metallb", name)


def pool(name: str, *ranges: str, labels: dict[str, str] | None = None) -> Any:
    meta = {"name": name, "namespace": "d8-metallb", "labels": labels or {}}
    return read_ip_address_pool({"metadata": meta, "spec": {"addresses": list(ranges)}})


def groups_of(*pools: Any) -> PoolGroups:
    everything = Everything()
    for item in pools:
        everything.put(KIND, item)
    return everything.groups(KIND)


def chosen(groups: PoolGroups, choice: PoolChoice, *named: str) -> list[list[str]]:
    found = groups.chosen(choice, map(key, named), groups.families)
    return sorted(sorted(item.name for item in keys) for _, keys in found)


def only(groups: PoolGroups) -> PoolGroup:
    [(group, _)] = groups.chosen(PoolChoice(), (), groups.families)
    return group


def test_the_longest_of_a_group_follows_its_pools() -> None:
    everything = Everything()
    groups = everything.groups(KIND)
    everything.put(KIND, pool("a", "10.0.0.0/24", "10.0.1.0-10.0.1.20"))
    everything.put(KIND, pool("b", "10.1.0.0/16"))
    group = only(groups)
    assert group.least == {key("a"): (28, 0), key("b"): (16, 0)}
    assert group.longest == (28, 0)
    assert list(group.too_narrow((27, 128))) == [key("a")]
    assert list(group.too_narrow((28, 0))) == []
    everything.put(KIND, pool("a", "10.0.0.0/24"))
    assert only(groups).longest == (24, 0)
    everything.remove(KIND, key("a"))
    everything.remove(KIND, key("never-there"))
    assert only(groups).longest == (16, 0)
    everything.put(KIND, pool("b"))
    assert (list(groups.chosen(PoolChoice(), (), groups.families)), groups.families) == ([], [])


def test_labels_and_families_make_a_group() -> None:
    groups = groups_of(
        pool("a", "10.0.0.0/24", labels=RED),
        pool("b", "10.0.1.0/24", labels=RED),
        pool("c", "10.0.2.0/24", labels=BLUE),
        pool("d", "fd00::/64", labels=RED),
        pool("e", "10.0.3.0/24", "fd00:1::/64"),
        pool("f"),
    )
    assert chosen(groups, PoolChoice()) == [["a", "b"], ["c"], ["d"], ["e"]]
    assert set(groups.families) == {FOUR, SIX, FOUR | SIX}
    found = groups.chosen(PoolChoice(), (), [SIX])
    assert [list(keys) for _, keys in found] == [[key("d")]]


def test_what_an_advertisement_covers() -> None:
    groups = groups_of(
        pool("a", "10.0.0.0/24", labels=RED),
        pool("b", "10.0.1.0/24", labels=RED),
        pool("c", "10.0.2.0/24", labels=BLUE),
        pool("d", "10.0.3.0/24", labels=BLUE),
    )
    red = (LabelSelector.of(RED),)
    assert chosen(groups, PoolChoice(selectors=red)) == [["a", "b"]]
    assert chosen(groups, PoolChoice(names=("a", "x")), "a", "x") == [["a"]]
    assert chosen(groups, PoolChoice(("a", "c"), red), "a", "c") == [["a", "b"], ["c"]]
    named = groups.chosen(PoolChoice(("c",)), [key("c")], [SIX])
    assert list(named) == []


LABELS = st.sampled_from([{}, RED, BLUE])
RANGES = st.sampled_from([(), ("10.0.0.0/24",), ("fd00::/64",), ("10.0.0.0/28", "fd00::/120")])
NAMES = st.sampled_from("abcde")
CHOICES = st.builds(
    PoolChoice,
    st.lists(NAMES, max_size=3, unique=True).map(tuple),
    st.lists(LABELS.map(LabelSelector.of), max_size=2).map(tuple),
)


@given(st.lists(st.tuples(NAMES, st.none() | st.tuples(RANGES, LABELS)), max_size=12), CHOICES)
def test_it_finds_what_a_scan_finds(steps: list[Any], choice: PoolChoice) -> None:
    everything = Everything()
    for name, made in steps:
        if made is None:
            everything.remove(KIND, key(name))
        else:
            everything.put(KIND, pool(name, *made[0], labels=made[1]))
    groups = everything.groups(KIND)
    found = [
        item.name
        for _, keys in groups.chosen(choice, map(key, choice.names), groups.families)
        for item in keys
    ]
    scanned = [
        item.name
        for item in everything.of(KIND).values()
        if item.ranges and choice.covers(item.name, item.labels)
    ]
    assert sorted(found) == sorted(scanned)
