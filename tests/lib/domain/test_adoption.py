from __future__ import annotations

from typing import Any

import pytest

from metallb.api.virtual_ips import BGPOrders, VirtualIP, read_virtual_ip
from metallb.domain.adoption import adoption
from metallb.domain.decisions import CreateIfNotExists, Decision
from support.objects import bound_condition, service_object
from support.situations import HOSTILE, situation

OLD_KIND = [{"name": "sdninternall2lbservices.internal.network.deckhouse.io"}]
FRONT = [{"name": "front"}]
EDGE = "MetalLoadBalancerPool/edge"
POOLS = [
    {"name": "edge", "addresses": ["192.0.2.0/24", "198.51.100.1-198.51.100.9"]},
    {"name": "six", "addresses": ["2001:db8::/120", "no address", "198.51.100.7/300"]},
]


def _service(name: str, *ingress: str, bound: str = "front", **more: Any) -> dict[str, Any]:
    return service_object(name, ingress=ingress, conditions=(bound_condition(bound),), **more)


def _entries(decision: Decision) -> list[VirtualIP]:
    found = []
    for item in decision.operations:
        assert isinstance(item, CreateIfNotExists)
        vip = read_virtual_ip(item.object)
        assert isinstance(vip, VirtualIP)
        found.append(vip)
    return found


def _said(decision: Decision) -> list[tuple[str, str, list[str], str]]:
    return [
        (vip.name, vip.spec.pool, [str(key) for key in vip.spec.services], vip.spec.traffic_policy)
        for vip in _entries(decision)
    ]


def _decide(services: list[Any], **more: Any) -> Decision:
    given: dict[str, Any] = {
        "old_kind": OLD_KIND, "classes": FRONT, "pools": POOLS, "virtual_ips": [], **more
    }  # fmt: skip
    return adoption(situation(services=services, **given))


def test_every_running_address_gets_an_entry() -> None:
    decision = _decide(
        [
            _service("b", "10.0.0.9", "10.0.0.2"),
            _service("a", "fd00::1", externalTrafficPolicy="Local"),
        ]
    )
    assert _said(decision) == [
        ("10.0.0.2", "front", ["default/b"], "Cluster"),
        ("10.0.0.9", "front", ["default/b"], "Cluster"),
        ("fd00--1", "front", ["default/a"], "Local"),
    ]


def test_a_shared_address_has_one_entry_with_the_oldest_first() -> None:
    services = [
        _service("young", "10.0.0.2", created="2026-02-01T00:00:00Z"),
        _service("old", "10.0.0.2", created="2026-01-01T00:00:00Z", externalTrafficPolicy="Local"),
    ]
    assert _said(_decide(services)) == [
        ("10.0.0.2", "front", ["default/old", "default/young"], "Local")
    ]


def test_an_address_of_two_classes_stays_with_the_oldest_service() -> None:
    services = [
        _service("young", "10.0.0.2", bound="back", created="2026-02-01T00:00:00Z"),
        _service("old", "10.0.0.2", created="2026-01-01T00:00:00Z"),
    ]
    decision = _decide(services, classes=[{"name": "front"}, {"name": "back"}])
    assert _said(decision) == [("10.0.0.2", "front", ["default/old"], "Cluster")]


def test_what_the_ledger_has_is_not_written_again() -> None:
    known = [{"name": "10.0.0.2"}]
    decision = _decide([_service("a", "10.0.0.2", "10.0.0.3")], virtual_ips=known)
    assert [vip.name for vip in _entries(decision)] == ["10.0.0.3"]


def test_who_is_not_bound_to_a_class_that_exists_is_left_out() -> None:
    services = [
        _service("gone", "10.0.0.2", bound="gone"),
        service_object("unbound", ingress=("10.0.0.3",)),
        service_object(
            "unknown",
            ingress=("10.0.0.4",),
            conditions=(bound_condition("front", "LoadBalancerClassUnknown"),),
        ),
        _service("internal", "10.0.0.5", type="ClusterIP"),
        _service("nothing"),
        _service("a-name", "lb.example.com"),
    ]
    assert _decide(services) == Decision()


def _plain(name: str, *ingress: str, **more: Any) -> dict[str, Any]:
    return service_object(name, ingress=ingress, **more)


def test_addresses_of_bgp_are_entered_under_the_pool_that_contains_them() -> None:
    decision = _decide(
        [
            _plain("a", "192.0.2.0", "192.0.2.255", "2001:db8::"),
            _plain("b", "198.51.100.9", externalTrafficPolicy="Local"),
            _plain("nowhere", "203.0.113.1"),
        ]
    )
    assert _said(decision) == [
        ("192.0.2.0", EDGE, ["default/a"], "Cluster"),
        ("192.0.2.255", EDGE, ["default/a"], "Cluster"),
        ("198.51.100.9", EDGE, ["default/b"], "Local"),
        ("2001-db8--0", "MetalLoadBalancerPool/six", ["default/a"], "Cluster"),
    ]
    assert all(vip.spec.bgp == BGPOrders() for vip in _entries(decision))


def test_entries_of_layer2_have_no_orders_for_bgp() -> None:
    assert [vip.spec.bgp for vip in _entries(_decide([_service("a", "192.0.2.7")]))] == [None]


@pytest.mark.parametrize(
    ("setting", "named", "is_served"),
    [("", "", True), ("edge", "edge", True), ("edge", "", False), ("", "edge", False),
     (None, "", True), ("edge", "other", False)],
)  # fmt: skip
def test_bgp_serves_the_class_of_the_settings(
    setting: str | None, named: str, is_served: bool
) -> None:
    service = _plain("a", "192.0.2.1", loadBalancerClass=named)
    decision = _decide([service], values={"loadBalancerClass": setting})
    assert bool(_entries(decision)) is is_served


def test_a_service_of_a_class_that_is_gone_is_not_taken_for_one_of_bgp() -> None:
    assert _decide([_service("gone", "192.0.2.1", bound="gone")]) == Decision()


def test_an_address_of_both_modes_stays_with_layer2() -> None:
    decision = _decide([_plain("a", "192.0.2.1", created="2020-01-01T00:00:00Z"),
                        _service("b", "192.0.2.1")])  # fmt: skip
    assert _said(decision) == [("192.0.2.1", "front", ["default/b"], "Cluster")]


def test_an_address_of_bgp_that_is_entered_already_is_not_written_again() -> None:
    known = [{"name": "192.0.2.1"}]
    assert _decide([_plain("a", "192.0.2.1")], virtual_ips=known) == Decision()


@pytest.mark.parametrize("version", [1, 2, 3])
def test_pools_of_old_settings_count_before_they_are_objects(version: int) -> None:
    old = [
        {"name": "old", "protocol": "bgp", "addresses": ["192.0.2.0/24", "203.0.113.0/24"]},
        {"name": "l2", "protocol": "layer2", "addresses": ["203.0.114.0/24"]},
    ]
    config = [{"uid": "u", "version": version, "settings": {"addressPools": old}}]
    decision = _decide([_plain("a", "203.0.113.7", "203.0.114.7", "192.0.2.7")],
                       module_config=config)  # fmt: skip
    expected = [("192.0.2.7", EDGE, ["default/a"], "Cluster")]
    if version < 3:
        expected.append(("203.0.113.7", "MetalLoadBalancerPool/old", ["default/a"], "Cluster"))
    assert _said(decision) == expected


def test_pools_that_are_none_stop_nothing() -> None:
    decision = _decide([_plain("a", "192.0.2.1")], pools=[*HOSTILE, *POOLS])
    assert [vip.name for vip in _entries(decision)] == ["192.0.2.1"]


def test_once_the_old_kind_is_gone_there_is_nothing_to_adopt() -> None:
    assert _decide([_service("a", "10.0.0.2")], old_kind=[]) == Decision()
    assert adoption(situation()) == Decision()


def test_what_is_no_service_stops_nothing() -> None:
    decision = _decide([*HOSTILE, _service("a", "10.0.0.2")])
    assert [vip.name for vip in _entries(decision)] == ["10.0.0.2"]
