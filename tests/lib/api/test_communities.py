"""BGP communities and their names (metallb.md §2, Community)."""

from __future__ import annotations

from typing import Any

import pytest

from metallb.api.communities import (
    WELL_KNOWN,
    Community,
    community_order,
    parse_community,
    read_community,
)
from support.objects import native_object


def read(*items: Any) -> Community:
    return read_community(native_object("Community", "names", communities=list(items)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64512:100", "64512:100"),
        ("0:0", "0:0"),
        ("65535:65535", "65535:65535"),
        ("00064512:0100", "64512:100"),
        ("large:1:2:3", "large:1:2:3"),
        ("large:4294967295:0:4294967295", "large:4294967295:0:4294967295"),
    ],
)
def test_a_community_has_one_form(text: str, value: str) -> None:
    assert parse_community(text) == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("65536:1", "above 65535; larger ones need a large community"),
        ("1:65536", "above 65535"),
        ("large:4294967296:1:1", "has a number above 4294967295$"),
        ("1", "is not a community; write 64512:100 or large:64512:100:200"),
        ("", "is not a community"),
        ("1:2:3", "is not a community"),
        ("large:1:2", "is not a community"),
        ("-1:2", "is not a community"),
        ("1:2 ", "is not a community"),
        ("1:\u0662", "is not a community"),
    ],
)
def test_what_is_none_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_community(text)


def test_well_known_ones_are_communities() -> None:
    """RFC 1997, Well-known Communities."""
    for value in WELL_KNOWN.values():
        assert parse_community(value) == value
    assert WELL_KNOWN["no-export"] == f"{0xFFFFFF01 >> 16}:{0xFFFFFF01 & 0xFFFF}"


def test_they_are_ordered_by_number() -> None:
    wanted = ["1:2", "1:10", "2:1", "large:1:2:3", "large:1:10:0"]
    assert sorted(set(wanted), key=community_order) == wanted


def test_names_are_read() -> None:
    found = read({"name": "edge", "value": "64512:01"}, {"name": "big", "value": "large:1:2:3"})
    assert [(item.name, item.value) for item in found.aliases] == [
        ("edge", "64512:1"),
        ("big", "large:1:2:3"),
    ]
    assert (found.name, found.problems) == ("names", ())
    assert found.reference().kind == "Community"


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        ({"value": "1:1"}, ".spec.communities[1].name: '' cannot be a name"),
        ({"name": "a:b", "value": "1:1"}, ".spec.communities[1].name: 'a:b' cannot be a name"),
        (
            {"name": "edge", "value": "1:2"},
            "[1].name: 'edge' is there already, in .spec.communities[0]",
        ),
        ({"name": "x", "value": "y"}, ".spec.communities[1].value: 'y' is not a community"),
        ({"name": "x"}, ".spec.communities[1].value: '' is not a community"),
    ],
)
def test_what_is_wrong_is_named_and_left_out(item: Any, complaint: str) -> None:
    found = read({"name": "edge", "value": "1:1"}, item)
    assert [alias.value for alias in found.aliases] == ["1:1"]
    assert complaint in str(found.problems[0])
