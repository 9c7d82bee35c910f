"""What is asked of NetBox, and how its answers are read, whatever they are."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from metallb.net.ranges import parse_range
from metallb_controller.ipam.model import Entry, IpamError, Registered
from metallb_controller.ipam.netbox import (
    PREFIXES_AT_ONCE,
    Labels,
    body_of,
    change_of,
    has_tag,
    queries_of_others,
    query_of_ours,
    read_page,
    read_registered,
    read_use,
)

LABELS = Labels("cluster-a")
ENTRY = Entry(ip_address("10.0.0.1"), "ns/web", "web.example")
FOUND: dict[str, Any] = {
    "id": 7, "address": "10.0.0.1/32", "vrf": None, "description": "ns/web",
    "status": {"value": "active", "label": "Active"}, "role": {"value": "vip", "label": "VIP"},
    "dns_name": "web.example", "tags": [{"id": 1, "slug": "cluster-a"}],
}  # fmt: skip


def test_ranges_are_asked_for_by_their_prefixes() -> None:
    ranges = (parse_range("10.0.0.1-10.0.0.4"), parse_range("fd00::10-fd00::1f"))
    (query,) = queries_of_others(ranges, LABELS)
    assert [value for name, value in query if name == "parent"][:3] == [
        "10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/32",
    ]  # fmt: skip
    assert query[-3:] == [("vrf_id", "null"), ("limit", "1000"), ("ordering", "id")]
    (query,) = queries_of_others((parse_range("10.0.0.0"),), Labels("x", 12))
    assert ("vrf_id", "12") in query
    many = [parse_range(f"10.0.{number}.1") for number in range(PREFIXES_AT_ONCE + 1)]
    assert [len(query) - 3 for query in queries_of_others(many, LABELS)] == [PREFIXES_AT_ONCE, 1]
    assert query_of_ours(LABELS)[0] == ("tag", "cluster-a")


def test_what_is_sent() -> None:
    assert body_of(ENTRY, Labels("cluster-a", 3)) == {
        "address": "10.0.0.1/32", "vrf": 3, "status": "active", "role": "vip",
        "description": "ns/web", "dns_name": "web.example", "tags": [{"slug": "cluster-a"}],
    }  # fmt: skip
    assert body_of(Entry(ip_address("fd00::1"), ""), LABELS)["address"] == "fd00::1/128"
    assert "tags" not in change_of(ENTRY, LABELS)


def test_a_page_is_read() -> None:
    found = read_page(
        {"count": 3, "next": "https://x/api/?limit=1&parent=10.0.0.0%2F8&offset=1", "results": [{}]}
    )
    assert found.following == [("limit", "1"), ("parent", "10.0.0.0/8"), ("offset", "1")]
    assert (found.count, found.results) == (3, ({},))
    assert read_page({"count": 0, "next": None, "results": []}).following is None


@pytest.mark.parametrize(
    "body",
    [
        None, [], "x", {}, {"count": 1, "next": None}, {"count": "x", "next": None, "results": []},
        {"count": 1, "next": 5, "results": []}, {"count": 1, "next": None, "results": [1]},
        {"count": None, "next": None, "results": []},
        {"count": 1, "next": "http://[", "results": []},
    ],
)  # fmt: skip
def test_what_is_no_page_is_an_error(body: Any) -> None:
    with pytest.raises(IpamError) as caught:
        read_page(body)
    assert caught.value.reason == "Malformed"


@pytest.mark.parametrize(
    ("change", "labels", "is_whole"),
    [
        ({}, LABELS, True),
        ({"address": "10.0.0.1/24"}, LABELS, False),
        ({"status": {"value": "reserved"}}, LABELS, False),
        ({"role": None}, LABELS, False),
        ({"vrf": {"id": 3}}, LABELS, False),
        ({"vrf": {"id": 3}}, Labels("cluster-a", 3), True),
        ({"vrf": 3, "status": "active", "role": "vip"}, Labels("cluster-a", 3), True),
        ({}, Labels("cluster-a", 3), False),
    ],
)
def test_an_object_of_ours_is_read(change: dict[str, Any], labels: Labels, is_whole: bool) -> None:
    assert read_registered({**FOUND, **change}, labels) == Registered(7, ENTRY, is_whole)


def test_texts_that_are_missing_are_empty() -> None:
    found = read_registered({**FOUND, "description": None, "dns_name": None}, LABELS)
    assert found.entry == Entry(ENTRY.address, "", "")


@pytest.mark.parametrize(
    "found", [{}, {"id": None, "address": "10.0.0.1/32"}, {"id": 1, "address": "10.0.0/32"}]
)
def test_an_object_that_cannot_be_read_is_an_error(found: dict[str, Any]) -> None:
    with pytest.raises(IpamError):
        read_registered(found, LABELS)
    with pytest.raises(IpamError):
        read_use({**found, "address": "x"} if "address" in found else found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "ns/web"),
        ({"description": ""}, "web.example"),
        ({"description": "", "dns_name": ""}, "IP address 7"),
    ],
)
def test_an_object_of_others_is_read_with_what_a_person_finds_it_by(
    change: dict[str, Any], words: str
) -> None:
    found = read_use({**FOUND, **change})
    assert (found.range, found.description) == (parse_range("10.0.0.1"), words)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (FOUND["tags"], True), ([{"slug": "x"}, {"slug": "cluster-a"}], True), ([], False),
        (None, False), ([{"slug": "x"}], False), (["cluster-a"], False),
    ],
)  # fmt: skip
def test_what_is_ours_has_our_tag(tags: Any, expected: bool) -> None:
    assert has_tag({"tags": tags}, LABELS) is expected
