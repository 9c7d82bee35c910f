"""Parsers of what users write: any text and any JSON is read or refused, and what is taken means
what a second opinion takes it for.
"""

from __future__ import annotations

import re
from fractions import Fraction
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from metallb.api.communities import community_order, parse_community
from metallb.api.durations import parse_duration
from metallb.api.namespaces import read_namespace
from metallb.net.addresses import parse_address, unmapped
from metallb.net.ranges import address_at, parse_range, parse_whole_range
from support.everything import READERS
from support.hostile import ANYTHING

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESSES = st.one_of(st.ip_addresses().map(str), st.ip_addresses().map(lambda a: a.exploded))
LENGTHS = st.integers(-1, 130).map(str)
RANGES = st.one_of(
    st.builds(lambda address, length: f"{address}/{length}", ADDRESSES, LENGTHS),
    st.builds(lambda one, other: f"{one}-{other}", ADDRESSES, ADDRESSES),
    ADDRESSES,
)


def nearly(texts: st.SearchStrategy[str], alphabet: str) -> st.SearchStrategy[str]:
    """Texts, and what becomes of them when a part is replaced by other characters."""
    cut = st.tuples(texts, st.integers(0, 60), st.integers(0, 3), st.text(alphabet, max_size=3))
    spoilt = cut.map(lambda made: made[0][: made[1]] + made[3] + made[0][made[1] + made[2] :])
    return st.one_of(texts, spoilt, st.text(alphabet, max_size=40), st.text(max_size=40))


def read(parse: Callable[[str], Any], text: str) -> Any:
    """Give what a text means, or None when it is refused in words that are not too many."""
    try:
        return parse(text)
    except ValueError as error:
        complaint = str(error)
    assert 10 < len(complaint) < 500
    return None


@given(nearly(RANGES, "0123456789abcdef.:/-% \t"))
def test_ranges(text: str) -> None:
    whole, usable = read(parse_whole_range, text), read(parse_range, text)
    assert (whole is None) == (usable is None)
    if whole is None:
        return
    assert whole.family is usable.family
    assert whole.first <= usable.first <= usable.last <= whole.last
    if "/" in text:
        network = ip_network(re.sub("/0*(?=.)", "/", text.strip()), strict=False)
        assert whole.size == network.num_addresses
        assert address_at(whole.family, whole.first) in (
            network.network_address,
            unmapped(network.network_address),
        )
    else:
        ends = [unmapped(ip_address(part.strip())) for part in text.split("-")]
        assert [address_at(whole.family, whole.first)] == ends[:1]
        assert [address_at(whole.family, whole.last)] == ends[-1:]


@given(nearly(ADDRESSES, "0123456789abcdef.:/% \t"))
def test_addresses(text: str) -> None:
    found = read(parse_address, text)
    if found is not None:
        assert found == unmapped(ip_address(text.strip()))


PARTS = st.builds(
    lambda number, fraction, unit: f"{number}{fraction}{unit}",
    st.integers(0, 10**6),
    st.sampled_from(["", ".", ".5", ".001"]),
    st.sampled_from(["ns", "us", "ms", "s", "m", "h"]),
)
UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


@given(nearly(st.lists(PARTS, max_size=4).map("".join), "0123456789.nsumh+-"))
def test_durations(text: str) -> None:
    found = read(parse_duration, text)
    if found is None:
        return
    total = sum(
        (Fraction(number if number[0] != "." else f"0{number}") * UNITS[unit])
        for number, unit in re.findall(r"(\d+\.\d+|\.\d+|\d+)\.?([num]?s|m|h)", text)
    )
    sign = -1 if text.startswith("-") else 1
    assert abs(found - sign * total) <= len(text)  # a part of a nanosecond each


COMMUNITIES = st.lists(st.integers(0, 2**33), min_size=2, max_size=3).map(
    lambda numbers: ("large:" if len(numbers) == 3 else "") + ":".join(map(str, numbers))
)


@given(nearly(COMMUNITIES, "0123456789:large-"))
def test_communities(text: str) -> None:
    found = read(parse_community, text)
    if found is not None:
        assert parse_community(found) == found
        assert community_order(found)[1] == [
            int(part) for part in text.removeprefix("large:").split(":")
        ]


@pytest.mark.parametrize("kind", [*READERS, "Namespace"])
@given(ANYTHING.filter(lambda value: isinstance(value, dict)) | st.fixed_dictionaries(
    {}, optional={"metadata": ANYTHING, "spec": ANYTHING, "status": ANYTHING}
))  # fmt: skip
def test_any_json_is_read(kind: str, value: dict[str, Any]) -> None:
    reader: Any = READERS.get(kind, read_namespace)
    reader(value)
