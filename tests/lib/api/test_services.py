from __future__ import annotations

import pytest

from metallb.api.conditions import ServiceCondition
from metallb.api.meta import ObjectKey
from metallb.api.services import Ingress, ServicePort, ingress_object, read_service
from metallb.api.virtual_ips import TrafficPolicy
from support.objects import bound_condition, service_object


def test_a_whole_service_is_read() -> None:
    found = read_service(
        service_object(
            "nginx",
            namespace="web",
            count="3",
            ips="10.0.0.1",
            key="k",
            class_annotation="front",
            ports=(("UDP", 53), ("TCP", 53)),
            ingress=("10.0.0.1",),
            conditions=(bound_condition("front"), {"type": "Foreign", "status": "True"}),
            loadBalancerClass="c",
            externalTrafficPolicy="Local",
            clusterIPs=["10.96.0.1"],
            selector={"b": "2", "a": "1"},
        )
    )
    assert found.meta.key == ObjectKey("web", "nginx")
    assert found.is_load_balancer
    assert found.load_balancer_class == "c"
    assert found.count_annotation == "3"
    assert found.addresses_annotation == "10.0.0.1"
    assert found.sharing_annotation == "k"
    assert found.class_annotation == "front"
    assert found.ports == (ServicePort("UDP", 53), ServicePort("TCP", 53))
    assert found.traffic_policy is TrafficPolicy.LOCAL
    assert found.selector == (("a", "1"), ("b", "2"))
    assert found.ingress == (Ingress("10.0.0.1", "VIP"),)
    assert [item.type for item in found.conditions] == [ServiceCondition.CLASS]
    bound = found.condition(ServiceCondition.CLASS)
    assert bound is not None
    assert bound.message == "front"
    assert found.condition(ServiceCondition.REQUEST) is None
    assert str(found.ports[0]) == "UDP/53"
    assert found.reference().to_object()["namespace"] == "web"


def test_a_service_of_another_type_is_read_too() -> None:
    found = read_service({"metadata": {"name": "a", "namespace": "b"}, "spec": {}})
    assert not found.is_load_balancer
    assert found.count_annotation is None
    assert found.traffic_policy is TrafficPolicy.CLUSTER


def test_annotations_that_are_no_text_are_as_good_as_absent() -> None:
    value = service_object()
    value["metadata"]["annotations"] = {"network.deckhouse.io/load-balancer-ips": 7}
    assert read_service(value).addresses_annotation is None


@pytest.mark.parametrize(
    ("spec", "families"),
    [
        ({"ipFamilies": ["IPv6", "IPv4"]}, ("IPv6", "IPv4")),
        ({"ipFamilies": [], "clusterIPs": ["fd00::1", "10.96.0.1"]}, ("IPv6", "IPv4")),
        ({"ipFamilies": [], "clusterIPs": ["None"]}, ()),
        ({"ipFamilies": None}, ()),
    ],
)
def test_a_service_that_names_no_families_has_those_of_its_addresses(
    spec: dict[str, object], families: tuple[str, ...]
) -> None:
    assert read_service(service_object(**spec)).ip_families == families  # type: ignore[arg-type]


@pytest.mark.parametrize(("mode", "is_vip"), [("VIP", True), (None, True), ("Proxy", False)])
def test_an_ingress_entry_is_a_vip_unless_it_says_otherwise(mode: str | None, is_vip: bool) -> None:
    value = service_object()
    value["status"]["loadBalancer"]["ingress"] = [{"ip": "10.0.0.1", "ipMode": mode}]
    (found,) = read_service(value).ingress
    assert found == Ingress("10.0.0.1", mode or "")
    assert found.is_vip is is_vip


def test_what_a_decision_does_not_read_is_no_difference() -> None:
    before = read_service(service_object(version=1))
    after = read_service(service_object(version=2, ingress=("10.0.0.1",)))
    assert after.asks_the_same_as(before)
    bound = read_service(service_object(conditions=(bound_condition("c"),)))
    assert bound.asks_the_same_as(before)
    assert (before.binding_record(), bound.binding_record()) == (
        None,
        ("c", "LoadBalancerClassBound"),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"count": "2"},
        {"ips": "10.0.0.1"},
        {"key": "k"},
        {"class_annotation": "c"},
        {"ports": (("TCP", 81),)},
        {"uid": "other"},
        {"deleting": True},
        {"type": "ClusterIP"},
        {"loadBalancerClass": "c"},
        {"ipFamilies": ["IPv6"]},
        {"ipFamilyPolicy": "PreferDualStack"},
        {"externalTrafficPolicy": "Local"},
        {"selector": {"x": "y"}},
        {"ipFamilies": [], "clusterIPs": ["fd00::1"]},
        {"loadBalancerIP": "10.0.0.1"},
    ],
)
def test_whatever_a_decision_reads_is_a_difference(change: dict[str, object]) -> None:
    before = read_service(service_object())
    after = read_service(service_object(**change))  # type: ignore[arg-type]
    assert not after.asks_the_same_as(before)


@pytest.mark.parametrize(
    "name",
    [
        "network.deckhouse.io/load-balancer-pool",
        "metallb.io/address-pool",
        "metallb.io/loadBalancerIPs",
        "metallb.universe.tf/allow-shared-ip",
    ],
)
def test_annotations_of_both_dialects_are_differences(name: str) -> None:
    value = service_object()
    value["metadata"]["annotations"] = {name: "x"}
    assert not read_service(value).asks_the_same_as(read_service(service_object()))


def test_labels_are_a_difference() -> None:
    value = service_object()
    value["metadata"]["labels"] = {"b": "2", "a": "1"}
    found = read_service(value)
    assert found.labels == (("a", "1"), ("b", "2"))
    assert not found.asks_the_same_as(read_service(service_object()))


def test_annotations_of_metallb_are_read_under_the_prefix_that_is_there_first() -> None:
    value = service_object(loadBalancerIP="10.0.0.9")
    value["metadata"]["annotations"] = {
        "metallb.io/address-pool": "",
        "metallb.universe.tf/address-pool": "old",
        "metallb.universe.tf/loadBalancerIPs": "10.0.0.1",
        "metallb.io/allow-shared-ip": 7,
        "metallb.io/ip-allocated-from-pool": "p",
        "network.deckhouse.io/load-balancer-retention-seconds": "60",
    }
    found = read_service(value)
    assert found.native_pool_annotation == ""
    assert found.native_addresses_annotation == "10.0.0.1"
    assert found.native_sharing_annotation is None
    assert found.allocated_from == "p"
    assert found.retention_annotation == "60"
    assert found.pool_annotation is None
    assert found.load_balancer_ip == "10.0.0.9"
    assert found.requests_addresses
    assert not read_service(service_object()).requests_addresses


def test_addresses_are_written_with_their_mode() -> None:
    assert ingress_object(("10.0.0.1",)) == [{"ip": "10.0.0.1", "ipMode": "VIP"}]


def test_hostnames_stand_beside_their_addresses() -> None:
    found = ingress_object(("10.0.0.1", "10.0.0.2"), ("a.example.com", ""))
    assert found == [
        {"ip": "10.0.0.1", "ipMode": "VIP", "hostname": "a.example.com"},
        {"ip": "10.0.0.2", "ipMode": "VIP"},
    ]
