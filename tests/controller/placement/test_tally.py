"""Counts by node and nodes by count."""

from __future__ import annotations

import pytest

from metallb_controller.placement.ring import Ring
from metallb_controller.placement.tally import Tally


def ring_of(names: str) -> Ring:
    ring = Ring("class")
    ring.replace(dict.fromkeys(names, ""))
    return ring


def tally_of(ring: Ring, counted: str) -> Tally:
    tally = Tally(ring)
    for name in counted:
        tally.add(name)
    return tally


def names_of(ring: Ring, mask: int) -> str:
    return "".join(sorted(ring.each(mask)))


def mask_of(ring: Ring, names: str) -> int:
    return sum(ring.bit[name] for name in names)


@pytest.mark.parametrize(
    ("within", "lowest", "highest"),
    [
        ("abcde", (0, "b"), (2, "ad")),
        ("acde", (1, "ce"), (2, "ad")),
        ("ad", (2, "ad"), (2, "ad")),
        ("bc", (0, "b"), (1, "c")),
        ("b", (0, "b"), (0, "b")),
    ],
)
def test_extremes_within_a_set(
    within: str, lowest: tuple[int, str], highest: tuple[int, str]
) -> None:
    ring = ring_of("abcde")
    tally = tally_of(ring, "aaddce")
    count, nodes = tally.lowest(mask_of(ring, within))
    assert (count, names_of(ring, nodes)) == lowest
    count, nodes = tally.highest(mask_of(ring, within))
    assert (count, names_of(ring, nodes)) == highest


@pytest.mark.parametrize(
    ("count", "names"), [(-1, ""), (0, "b"), (1, "bce"), (2, "abcde"), (9, "abcde")]
)
def test_at_most(count: int, names: str) -> None:
    ring = ring_of("abcde")
    assert names_of(ring, tally_of(ring, "aaddce").at_most(count)) == names


def test_total_sums_a_set() -> None:
    ring = ring_of("abcde")
    tally = tally_of(ring, "aaddce")
    assert [tally.total(mask_of(ring, names)) for names in ("abcde", "ab", "b")] == [6, 2, 0]


def test_removing_undoes_adding() -> None:
    ring = ring_of("ab")
    tally = tally_of(ring, "aab")
    tally.remove("a")
    tally.remove("b")
    assert (tally["a"], tally["b"]) == (1, 0)
    assert tally.counts == {"a": 1}
    assert tally.levels() == {1: ring.bit["a"]}
    assert tally.lowest(ring.all) == (0, ring.bit["b"])


def test_removing_what_counts_nothing_is_an_error() -> None:
    with pytest.raises(KeyError):
        tally_of(ring_of("ab"), "a").remove("b")


def test_renumbering_rebuilds_and_keeps_what_was_counted_meanwhile() -> None:
    ring = ring_of("abc")
    tally = tally_of(ring, "aab")
    ring.replace(dict.fromkeys("xyzab", ""))
    tally.add("b")
    tally.add("x")
    tally.remove("x")
    assert tally.counts == {"a": 2, "b": 2}
    assert names_of(ring, tally.lowest(ring.all)[1]) == "xyz"
    assert tally.levels() == {2: mask_of(ring, "ab")}
