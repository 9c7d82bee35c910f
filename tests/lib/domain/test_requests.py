from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb.api.services import read_service
from metallb.domain.requests import (
    MAX_ADDRESSES_PER_FAMILY,
    Dialect,
    RequestReason,
    Wish,
    pool_annotation,
    read_wish,
    requested_pool,
)
from metallb.net.addresses import Family
from support.objects import service_object

DUAL = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}


def _wish(**service: Any) -> Wish:
    return read_wish(read_service(service_object(**service)))


def _pool_wish(notes: dict[str, str] | None = None, **service: Any) -> Wish:
    value = service_object(**service)
    value["metadata"]["annotations"].update(notes or {})
    return read_wish(read_service(value), Dialect.POOL)


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


def test_more_requested_addresses_than_the_count_raise_it() -> None:
    wish = _wish(ips="10.0.0.1,10.0.0.2,fd00::1", count="1", **DUAL)
    assert (wish.count, len(wish.requested), wish.problems) == (2, 3, ())
    assert _wish(ips="10.0.0.1,10.0.0.2", count="x").count is None


def test_more_addresses_than_anybody_needs_are_left_out() -> None:
    wish = _wish(ips=",".join(f"10.0.{number // 250}.{number % 250}" for number in range(300)))
    assert wish.count == len(wish.requested) == MAX_ADDRESSES_PER_FAMILY
    assert set(_reasons(wish)) == {RequestReason.TOO_MANY_ADDRESSES}
    assert "10.0.1.6 is left out: at most 256 IPv4 addresses" in wish.problems[0].message


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


@pytest.mark.parametrize(
    ("text", "seconds", "reasons"),
    [
        (None, None, []),
        ("0", 0, []),
        (" 604800 ", 604800, []),
        ("604801", None, [RequestReason.INVALID_RETENTION]),
        ("a day", None, [RequestReason.INVALID_RETENTION]),
    ],
)
def test_a_retention_is_read(
    text: str | None, seconds: int | None, reasons: list[RequestReason]
) -> None:
    notes = {} if text is None else {"network.deckhouse.io/load-balancer-retention-seconds": text}
    wish = _pool_wish(notes)
    assert (wish.retention_seconds, _reasons(wish)) == (seconds, reasons)


@pytest.mark.parametrize(
    ("notes", "name", "place"),
    [
        ({}, None, "metallb.io/address-pool"),
        ({"metallb.io/address-pool": " p "}, "p", "metallb.io/address-pool"),
        ({"metallb.io/address-pool": ""}, None, "metallb.io/address-pool"),
        (
            {"metallb.io/address-pool": "p", "network.deckhouse.io/load-balancer-pool": "q"},
            "q",
            "network.deckhouse.io/load-balancer-pool",
        ),
        (
            {"metallb.io/address-pool": "p", "network.deckhouse.io/load-balancer-pool": " "},
            None,
            "network.deckhouse.io/load-balancer-pool",
        ),
    ],
)
def test_the_pool_that_a_service_names(notes: dict[str, str], name: str | None, place: str) -> None:
    value = service_object()
    value["metadata"]["annotations"] = notes
    service = read_service(value)
    assert (requested_pool(service), pool_annotation(service)) == (name, place)


IPS = "metallb.io/loadBalancerIPs"


@pytest.mark.parametrize(
    ("notes", "service", "requested", "reasons"),
    [
        pytest.param({IPS: "10.0.0.1"}, {}, ["10.0.0.1"], [], id="1.7-metallb"),
        pytest.param({}, {"loadBalancerIP": "10.0.0.1"}, ["10.0.0.1"], [], id="1.7-spec"),
        pytest.param({IPS: ""}, {"loadBalancerIP": "10.0.0.1"}, ["10.0.0.1"], [], id="1.15-empty"),
        pytest.param({IPS: "10.0.0.1"}, {"ips": ""}, [], [], id="deckhouse-first-though-empty"),
        pytest.param(
            {IPS: "10.0.0.1"}, {"loadBalancerIP": "10.0.0.1"},
            [], [RequestReason.TWO_REQUESTS], id="1.7-both",
        ),
        pytest.param({IPS: "10.0.0.1,"}, {}, [], [RequestReason.INVALID_ADDRESS], id="1.15-comma"),
        pytest.param(
            {IPS: "10.0.0.1,fe80::1%eth0"}, {}, [], [RequestReason.INVALID_ADDRESS], id="1.15-zone",
        ),
        pytest.param(
            {IPS: "10.0.0.1"}, DUAL, [], [RequestReason.FAMILY_NOT_REQUESTED], id="1.7-dual",
        ),
        pytest.param({IPS: "fd00::1"}, {}, [], [RequestReason.FAMILY_NOT_USED], id="1.7-family"),
        pytest.param(
            {IPS: "10.0.0.1"}, {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "RequireDualStack"},
            [], [RequestReason.NOT_ENOUGH_FAMILIES, RequestReason.FAMILY_NOT_USED], id="1.8.4",
        ),
    ],
)  # fmt: skip
def test_a_request_to_pools_is_read_as_a_whole(
    notes: dict[str, str],
    service: dict[str, Any],
    requested: list[str],
    reasons: list[RequestReason],
) -> None:
    wish = _pool_wish(notes, **service)
    assert [str(item) for item in wish.requested] == requested
    assert _reasons(wish) == reasons
    assert wish.is_malformed is (reasons != [])


def test_a_class_does_not_read_what_is_metallbs() -> None:
    value = service_object(loadBalancerIP="10.0.0.1")
    value["metadata"]["annotations"] = {IPS: "10.0.0.1", "metallb.io/allow-shared-ip": "k"}
    wish = read_wish(read_service(value))
    assert (wish.requested, wish.sharing_key, wish.problems) == ((), "", ())
    wish = _pool_wish({"metallb.io/allow-shared-ip": "k" * 254})
    assert "metallb.io/allow-shared-ip has 254 characters" in wish.problems[0].message


@given(st.text(), st.text(), st.text(), st.sampled_from(Dialect))
def test_no_annotation_makes_reading_raise(
    count: str, ips: str, key: str, dialect: Dialect
) -> None:
    wish = read_wish(read_service(service_object(count=count, ips=ips, key=key)), dialect)
    assert wish.count is None or 1 <= wish.count <= MAX_ADDRESSES_PER_FAMILY
    assert len(set(wish.requested)) == len(wish.requested)


@pytest.mark.parametrize(
    ("text", "hostname", "reasons"),
    [
        (None, None, []),
        ("", "", []),
        ("web.example.com", "web.example.com", []),
        ("Web_1", None, [RequestReason.INVALID_HOSTNAME]),
    ],
)
def test_a_hostname_is_read(
    text: str | None, hostname: str | None, reasons: list[RequestReason]
) -> None:
    notes = {} if text is None else {"network.deckhouse.io/load-balancer-hostname": text}
    wish = _pool_wish(notes)
    assert (wish.hostname, _reasons(wish)) == (hostname, reasons)
