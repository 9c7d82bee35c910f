from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb.api.services import read_service
from metallb.domain.requests import MAX_ADDRESSES_PER_FAMILY, RequestReason, Wish, read_wish
from metallb.net.addresses import Family
from support.objects import service_object

DUAL = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}


def _wish(**service: Any) -> Wish:
    return read_wish(read_service(service_object(**service)))


def _reasons(wish: Wish) -> list[RequestReason]:
    return [problem.reason for problem in wish.problems]


@pytest.mark.parametrize(
    ("text", "count"), [(None, 1), ("1", 1), (" 4 ", 4), ("256", 256), ("007", 7)]
)
def test_a_count_is_read(text: str | None, count: int) -> None:
    wish = _wish(count=text)
    assert wish.count == count
    assert wish.problems == ()


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "many", "257", "1000000", "9" * 5000, "٣"])
def test_a_count_that_makes_no_sense_is_named_and_means_nothing(text: str) -> None:
    wish = _wish(count=text)
    assert wish.count is None
    assert _reasons(wish) == [RequestReason.INVALID_COUNT]
    assert f"1 to {MAX_ADDRESSES_PER_FAMILY}" in wish.problems[0].message
    assert len(wish.problems[0].message) < 300


@pytest.mark.parametrize(
    ("spec", "families", "is_optional"),
    [
        ({"ipFamilies": ["IPv4"]}, (Family.IPV4,), False),
        ({"ipFamilies": ["IPv6"]}, (Family.IPV6,), False),
        (DUAL, (Family.IPV4, Family.IPV6), False),
        ({**DUAL, "ipFamilyPolicy": "PreferDualStack"}, (Family.IPV4, Family.IPV6), True),
        ({**DUAL, "ipFamilies": ["IPv6", "IPv4"]}, (Family.IPV6, Family.IPV4), False),
        ({"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "SingleStack"}, (Family.IPV4,), False),
        ({"ipFamilies": [], "clusterIPs": ["fd96::1"]}, (Family.IPV6,), False),
        ({"ipFamilies": [], "clusterIPs": ["10.96.0.1"]}, (Family.IPV4,), False),
        ({"ipFamilies": [], "clusterIPs": ["None"]}, (Family.IPV4,), False),
        ({"ipFamilies": ["IPv8"]}, (Family.IPV4,), False),
    ],
)
def test_the_families_are_those_of_the_service(
    spec: dict[str, Any], families: tuple[Family, ...], is_optional: bool
) -> None:
    wish = _wish(**spec)
    assert wish.families == families
    assert wish.is_second_family_optional is is_optional


def test_requested_addresses_are_read_with_or_without_spaces() -> None:
    wish = _wish(ips=" 10.0.0.2 ,10.0.0.1", count="2")
    assert wish.requested == (ip_address("10.0.0.2"), ip_address("10.0.0.1"))
    assert wish.problems == ()
    assert _wish(ips="  ").requested == ()


@pytest.mark.parametrize("ips", ["10.0.0.1,,10.0.0.2", ", 10.0.0.1,10.0.0.2", "10.0.0.1,10.0.0.2,"])
def test_an_empty_item_asks_for_any_address(ips: str) -> None:
    wish = _wish(ips=ips, count="3")
    assert [str(item) for item in wish.requested] == ["10.0.0.1", "10.0.0.2"]
    assert wish.problems == ()


@pytest.mark.parametrize(
    ("ips", "extra", "kept", "reason"),
    [
        ("10.0.0.1,x", {"count": "2"}, ["10.0.0.1"], RequestReason.INVALID_ADDRESS),
        ("10.0.0.1/32", {}, [], RequestReason.INVALID_ADDRESS),
        ("10.0.0.1,fd00::1", {}, ["10.0.0.1"], RequestReason.FAMILY_NOT_USED),
    ],
)  # fmt: skip
def test_what_is_wrong_of_a_request_is_named_and_the_rest_stays(
    ips: str, extra: dict[str, Any], kept: list[str], reason: RequestReason
) -> None:
    wish = _wish(ips=ips, **extra)
    assert [str(item) for item in wish.requested] == kept
    assert _reasons(wish) == [reason]


def test_an_address_requested_twice_counts_once() -> None:
    wish = _wish(ips="10.0.0.1,10.0.0.1,10.0.0.1")
    assert [str(item) for item in wish.requested] == ["10.0.0.1"]
    assert wish.problems == ()


def test_the_count_is_for_each_family() -> None:
    wish = _wish(ips="10.0.0.1,fd00::1", **DUAL)
    assert len(wish.requested) == 2
    assert wish.problems == ()


def test_a_sharing_key_is_trimmed_and_bounded() -> None:
    assert _wish(key=" k ").sharing_key == "k"
    assert _wish().sharing_key == ""
    long = _wish(key="k" * 254)
    assert long.sharing_key == ""
    assert _reasons(long) == [RequestReason.INVALID_SHARING_KEY]


@given(st.text(), st.text(), st.text())
def test_no_annotation_makes_reading_raise(count: str, ips: str, key: str) -> None:
    wish = _wish(count=count, ips=ips, key=key)
    assert wish.count is None or 1 <= wish.count <= MAX_ADDRESSES_PER_FAMILY
    assert len(set(wish.requested)) == len(wish.requested)
