"""All objects as they are now, and which of their ranges share addresses with one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from metallb.api.classes import read_class
from metallb.api.ip_address_pools import read_ip_address_pool
from metallb.api.meta import ObjectKey
from metallb.domain.everything import Everything
from metallb.domain.verdicts import Verdict
from metallb.net.ranges import parse_whole_range

POOL, CLASS = "IPAddressPool", "MetalLoadBalancerClass"


def pool(name: str, *ranges: str) -> Any:
    meta = {"name": name, "namespace": "d8-metallb"}
    return read_ip_address_pool({"metadata": meta, "spec": {"addresses": list(ranges)}})


def overlaps(everything: Everything, text: str, name: str = "mine") -> list[tuple[str, str]]:
    key = ObjectKey("d8-metallb", name)
    found = everything.overlapping(POOL, key, parse_whole_range(text))
    return [(item.key.name, item.range.text) for item in found]


def test_objects_come_change_and_go() -> None:
    everything = Everything()
    everything.put(POOL, pool("a", "10.0.0.0/24"))
    assert set(everything.of(POOL)) == {ObjectKey("d8-metallb", "a")}
    assert overlaps(everything, "10.0.0.7") == [("a", "10.0.0.0/24")]
    everything.put(POOL, pool("a", "10.0.1.0/24"))
    assert overlaps(everything, "10.0.0.7") == []
    assert overlaps(everything, "10.0.1.7") == [("a", "10.0.1.0/24")]
    everything.remove(POOL, ObjectKey("d8-metallb", "a"))
    everything.remove(POOL, ObjectKey("d8-metallb", "never-there"))
    assert overlaps(everything, "10.0.1.7") == []
    assert dict(everything.of(POOL)) == {}


def test_an_object_does_not_overlap_itself_but_one_of_another_kind() -> None:
    everything = Everything()
    everything.put(POOL, pool("mine", "10.0.0.0/24"))
    everything.put(
        CLASS, read_class({"metadata": {"name": "c"}, "spec": {"addressPool": ["10.0.0.9"]}})
    )
    assert overlaps(everything, "10.0.0.0/16") == [("c", "10.0.0.9")]


def test_families_are_apart_and_objects_without_ranges_are_none() -> None:
    everything = Everything()
    everything.put(POOL, pool("six", "fd00::/64"))
    everything.put(POOL, pool("none"))
    assert overlaps(everything, "10.0.0.1") == []
    assert overlaps(everything, "fd00::1") == [("six", "fd00::/64")]


def test_the_same_range_twice_in_one_object() -> None:
    everything = Everything()
    everything.put(POOL, pool("a", "10.0.0.1", "10.0.0.1"))
    everything.put(POOL, pool("a"))
    assert overlaps(everything, "10.0.0.1") == []


RANGES = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), RANGES), max_size=20), RANGES)
def test_it_finds_what_a_scan_finds(steps: list[Any], wanted: list[int]) -> None:
    everything = Everything()
    held: dict[str, list[int]] = {}
    for name, (first, last) in steps:
        everything.put(POOL, pool(name, f"10.0.0.{first}-10.0.0.{last}"))
        held[name] = [first, last]
        found = overlaps(everything, f"10.0.0.{wanted[0]}-10.0.0.{wanted[1]}")
        scanned = [n for n, (a, b) in held.items() if a <= wanted[1] and b >= wanted[0]]
        assert sorted(item for item, _text in found) == sorted(scanned)


def test_verdicts_add_up() -> None:
    found = Verdict(("a",), ("b",)) + Verdict(("c",))
    assert found == Verdict(("a", "c"), ("b",))
