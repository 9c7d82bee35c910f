from __future__ import annotations

import itertools
from ipaddress import IPv4Address, ip_address, summarize_address_range

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb.net.addresses import Family
from metallb.net.ranges import (
    AddressRange,
    RangeSet,
    address_at,
    parse_range,
    parse_whole_range,
    widest_prefix,
)


@pytest.mark.parametrize(
    ("text", "first", "last", "size"),
    [
        ("192.168.2.0/24", "192.168.2.1", "192.168.2.254", 254),
        ("192.168.2.0/30", "192.168.2.1", "192.168.2.2", 2),
        ("192.168.2.77/24", "192.168.2.1", "192.168.2.254", 254),
        ("192.168.2.0/31", "192.168.2.0", "192.168.2.1", 2),
        ("192.168.2.9/32", "192.168.2.9", "192.168.2.9", 1),
        ("192.168.2.0-192.168.2.255", "192.168.2.0", "192.168.2.255", 256),
        (" 10.0.0.1 - 10.0.0.2 ", "10.0.0.1", "10.0.0.2", 2),
        ("10.0.0.7", "10.0.0.7", "10.0.0.7", 1),
        ("10.0.0.7-10.0.0.7", "10.0.0.7", "10.0.0.7", 1),
        ("0.0.0.0/0", "0.0.0.1", "255.255.255.254", 2**32 - 2),
        ("fd00::/120", "fd00::1", "fd00::ff", 255),
        ("fd00::/127", "fd00::", "fd00::1", 2),
        ("fd00::5/128", "fd00::5", "fd00::5", 1),
        ("fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:ffff", 2**64 - 1),
        ("fd00::1-fd00::1f", "fd00::1", "fd00::1f", 31),
    ],
)
def test_a_range_has_the_addresses_that_its_text_names(
    text: str, first: str, last: str, size: int
) -> None:
    found = parse_range(text)
    assert address_at(found.family, found.first) == ip_address(first)
    assert address_at(found.family, found.last) == ip_address(last)
    assert found.size == size
    assert ip_address(first) in found
    assert ip_address(last) in found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("10.0.0.9-10.0.0.1", "did you mean 10.0.0.1-10.0.0.9"),
        ("10.0.0.1-fd00::1", "goes from IPv4 to IPv6"),
        ("10.0.0.0/33", "is not a prefix"),
        ("10.0.0.0/24-10.0.1.0/24", "is not a range"),
        ("10.0.0.0/255.255.255.0", "is not a prefix"),
        ("10.0.0.0/\u0662", "is not a prefix"),
        ("fe80::%eth0/64", "is not a prefix"),
        ("10.0.0.0/", "is not a prefix"),
        ("10.0.0.1-", "is not a range"),
        ("", "is not a range"),
        ("all", "is not a range"),
        ("10.0.0.1-10.0.0.2-10.0.0.3", "is not a range"),
    ],
)
def test_a_malformed_range_is_refused_with_what_would_be_right(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_range(text)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10.0.0.0/24", "10.0.0.0", "10.0.0.255"),
        ("10.0.0.77/24", "10.0.0.0", "10.0.0.255"),
        ("10.0.0.0/032", "10.0.0.0", "10.0.0.0"),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
        ("fd00::/126", "fd00::", "fd00::3"),
        ("::ffff:10.0.0.0/120", "10.0.0.0", "10.0.0.255"),
        ("::ffff:0:0/95", "::fffe:0:0", "::ffff:ffff:ffff"),
        (" 10.0.0.0/30 ", "10.0.0.0", "10.0.0.3"),
        ("10.0.0.1\t-\t10.0.0.2", "10.0.0.1", "10.0.0.2"),
        ("::ffff:10.0.0.1-10.0.0.2", "10.0.0.1", "10.0.0.2"),
    ],
)
def test_a_whole_range_has_every_address_of_a_prefix(text: str, first: str, last: str) -> None:
    """metallb.md §1.3, §1.12, §1.15."""
    found = parse_whole_range(text)
    assert address_at(found.family, found.first) == ip_address(first)
    assert address_at(found.family, found.last) == ip_address(last)


@pytest.mark.parametrize(
    "text", ["1" * 101, "1" * 101 + "/24", "10.0.0.1-" + "1" * 100, "x" * 10**6]
)
def test_a_text_that_is_too_long_is_not_repeated_whole(text: str) -> None:
    for parse in (parse_range, parse_whole_range):
        with pytest.raises(ValueError, match="is not a") as caught:
            parse(text)
        assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("3.3.3.2-3.3.3.254", 26),
        ("10.0.0.0/24", 24),
        ("10.0.0.7", 32),
        ("10.0.0.1-10.0.0.2", 32),
        ("10.0.0.0-10.0.1.255", 23),
        ("10.0.0.128-10.0.1.127", 25),
        ("0.0.0.0/0", 0),
        ("fd00::/64", 64),
        ("::/0", 0),
        ("fd00::1-fd00::1f", 124),
    ],
)
def test_the_widest_prefix_of_a_range(text: str, length: int) -> None:
    """metallb.md §4.3."""
    assert widest_prefix(parse_whole_range(text)) == length


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_the_widest_prefix_is_that_of_the_sum(one: int, other: int) -> None:
    first, last = sorted((one, other))
    parts = summarize_address_range(IPv4Address(first), IPv4Address(last))
    found = widest_prefix(AddressRange(Family.IPV4, first, last))
    assert found == min(part.prefixlen for part in parts)


def test_a_range_speaks_of_itself_as_people_write_it() -> None:
    assert str(parse_range("10.0.0.0/30")) == "10.0.0.1-10.0.0.2"
    assert str(parse_range("10.0.0.9")) == "10.0.0.9"


def test_a_range_that_ends_before_it_begins_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="ends before it begins"):
        AddressRange(Family.IPV4, 5, 4)


def test_a_range_has_no_address_of_the_other_family() -> None:
    assert ip_address("::a00:1") not in parse_range("10.0.0.0-10.0.0.9")


def test_a_set_says_what_it_has() -> None:
    made = RangeSet([parse_range("10.0.0.5-10.0.0.9"), parse_range("10.0.0.1-10.0.0.4")])
    assert repr(made) == "RangeSet(10.0.0.1-10.0.0.9)"
    assert made == RangeSet([parse_range("10.0.0.1-10.0.0.9")])
    assert hash(made) == hash(RangeSet([parse_range("10.0.0.1-10.0.0.9")]))
    assert made != "10.0.0.1-10.0.0.9"
    assert not RangeSet()
    assert made.size() == made.size(Family.IPV4) == 9
    assert made.size(Family.IPV6) == 0


def test_a_range_within_another_adds_nothing() -> None:
    made = RangeSet([parse_range("10.0.0.1-10.0.0.9"), parse_range("10.0.0.3-10.0.0.4")])
    assert made.size() == 9


# A small universe, so that sets overlap often and can be compared with plain Python sets.
_RANGES = st.builds(
    lambda family, first, length: AddressRange(family, first, min(first + length, 40)),
    st.sampled_from(Family),
    st.integers(0, 40),
    st.integers(0, 12),
)
_SETS = st.lists(_RANGES, max_size=6)


def _plain(ranges: list[AddressRange] | RangeSet) -> set[tuple[Family, int]]:
    return {(item.family, value) for item in ranges for value in range(item.first, item.last + 1)}


@given(_SETS, _SETS)
def test_sets_of_ranges_agree_with_plain_sets(
    one: list[AddressRange], other: list[AddressRange]
) -> None:
    left, right = RangeSet(one), RangeSet(other)
    assert _plain(left.union(right)) == _plain(one) | _plain(other)
    assert _plain(left.intersection(right)) == _plain(one) & _plain(other)
    assert _plain(left.subtract(right)) == _plain(one) - _plain(other)
    assert left.size() == len(_plain(one))


@given(_SETS)
def test_a_set_is_kept_as_disjoint_intervals_that_do_not_touch(ranges: list[AddressRange]) -> None:
    made = list(RangeSet(ranges))
    for left, right in itertools.pairwise(made):
        assert (left.family, left.last + 1) < (right.family, right.first)


@given(_SETS, st.sampled_from(Family), st.integers(0, 45))
def test_membership_agrees_with_plain_sets(
    ranges: list[AddressRange], family: Family, value: int
) -> None:
    assert (address_at(family, value) in RangeSet(ranges)) == ((family, value) in _plain(ranges))
