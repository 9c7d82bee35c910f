from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from metallb.api.conditions import Condition
from metallb.api.fields import Problem
from metallb.api.meta import ObjectKey
from metallb.api.virtual_ips import (
    Announcer,
    BGPAnnouncer,
    BGPOrders,
    Layer2Orders,
    Retained,
    Suspension,
    TrafficPolicy,
    VirtualIP,
    VirtualIPSpec,
    new_virtual_ip,
    read_virtual_ip,
    to_object,
)

SPEC = VirtualIPSpec(
    address=ip_address("fd00::1"),
    pool="front",
    services=(ObjectKey("web", "a"), ObjectKey("web", "b")),
    traffic_policy=TrafficPolicy.LOCAL,
    layer2=Layer2Orders(("n1", "n2"), ("eth1",), Suspension.NO_READY_ENDPOINTS),
)


def test_a_spec_is_written_and_read_back() -> None:
    made = new_virtual_ip(SPEC)
    assert made.name == "fd00--1"
    found = read_virtual_ip(to_object(made))
    assert isinstance(found, VirtualIP)
    assert found.spec == SPEC
    plain = VirtualIPSpec(ip_address("10.0.0.1"), "p", ())
    again = read_virtual_ip(to_object(new_virtual_ip(plain)))
    assert isinstance(again, VirtualIP)
    assert again.spec == plain


EDGE = "MetalLoadBalancerPool/edge"


def test_orders_for_bgp_alone_take_the_place_of_those_for_layer2() -> None:
    spec = VirtualIPSpec(ip_address("10.0.0.1"), EDGE, (), bgp=BGPOrders(("edge-adv-0",)))
    value = to_object(new_virtual_ip(spec))
    assert "layer2" not in value["spec"]
    assert value["spec"]["bgp"] == {"advertisements": ["edge-adv-0"]}
    found = read_virtual_ip(value)
    assert isinstance(found, VirtualIP)
    assert found.spec == spec


def test_orders_for_bgp_may_name_nodes_or_say_that_nobody_is_to() -> None:
    orders = BGPOrders(("edge",), ("n1", "n2"), Suspension.NO_READY_ENDPOINTS)
    spec = VirtualIPSpec(ip_address("10.0.0.1"), EDGE, (), bgp=orders)
    value = to_object(new_virtual_ip(spec))
    assert value["spec"]["bgp"] == {
        "advertisements": ["edge"], "nodes": ["n1", "n2"], "suspended": "NoReadyEndpoints",
    }  # fmt: skip
    found = read_virtual_ip(value)
    assert isinstance(found, VirtualIP)
    assert found.spec.bgp == orders
    weighed = replace(orders, suspended=None, weights=(("n1", 3), ("n2", 1)))
    value = to_object(new_virtual_ip(replace(spec, bgp=weighed)))
    assert value["spec"]["bgp"]["weights"] == [
        {"node": "n1", "endpoints": 3}, {"node": "n2", "endpoints": 1},
    ]  # fmt: skip
    found = read_virtual_ip(value)
    assert isinstance(found, VirtualIP)
    assert found.spec.bgp == weighed
    assert (weighed.weight_of("n1"), weighed.weight_of("n3")) == (3, 0)
    asking = replace(orders, suspended=None, health_check_ports=(30_100, 30_200))
    value = to_object(new_virtual_ip(replace(spec, bgp=asking)))
    assert value["spec"]["bgp"]["healthCheckPorts"] == [30_100, 30_200]
    found = read_virtual_ip(value)
    assert isinstance(found, VirtualIP)
    assert found.spec.bgp == asking
    nobody = replace(orders, nodes=(), suspended=None)
    found = read_virtual_ip(to_object(new_virtual_ip(replace(spec, bgp=nobody))))
    assert isinstance(found, VirtualIP)
    assert found.spec.bgp == nobody


def test_an_address_may_be_announced_both_ways() -> None:
    spec = replace(SPEC, pool="IPAddressPool/front", bgp=BGPOrders(("edge",)))
    value = to_object(new_virtual_ip(spec))
    assert value["spec"]["layer2"]["nodes"] == ["n1", "n2"]
    assert (value["spec"]["pool"], value["spec"]["poolKind"]) == ("front", "IPAddressPool")
    found = read_virtual_ip(value)
    assert isinstance(found, VirtualIP)
    assert found.spec == spec


def test_an_entry_of_bgp_from_before_there_were_kinds_is_of_deckhouses() -> None:
    spec = VirtualIPSpec(ip_address("10.0.0.1"), EDGE, (), bgp=BGPOrders())
    value = to_object(new_virtual_ip(spec))
    del value["spec"]["poolKind"]
    found = read_virtual_ip(value)
    assert isinstance(found, VirtualIP)
    assert found.spec.pool == EDGE


def test_an_object_that_exists_is_written_with_its_version() -> None:
    value = to_object(new_virtual_ip(SPEC))
    value["metadata"] |= {"resourceVersion": "7", "uid": "u"}
    found = read_virtual_ip(value)
    assert isinstance(found, VirtualIP)
    assert to_object(found)["metadata"]["resourceVersion"] == "7"
    assert found.reference().uid == "u"


def test_a_class_name_that_no_label_can_hold_is_left_out_of_the_labels() -> None:
    label = "network.deckhouse.io/load-balancer-class"
    assert to_object(new_virtual_ip(SPEC))["metadata"]["labels"][label] == "front"
    long = VirtualIPSpec(ip_address("10.0.0.1"), "x" * 64, ())
    assert label not in to_object(new_virtual_ip(long))["metadata"]["labels"]
    pool = VirtualIPSpec(ip_address("10.0.0.1"), EDGE, ())
    labels = to_object(new_virtual_ip(pool))["metadata"]["labels"]
    assert labels["network.deckhouse.io/address-pool"] == "edge"
    assert label not in labels


@pytest.mark.parametrize(
    ("name", "address"), [("10.0.0.1", "10.0.0.2"), ("10.0.0.1", "x"), ("web", "10.0.0.1")]
)
def test_an_object_whose_name_is_not_its_address_is_nobodys(name: str, address: str) -> None:
    found = read_virtual_ip({"metadata": {"name": name}, "spec": {"address": address}})
    assert isinstance(found, Problem)
    assert found.path == ".spec.address"


def test_a_status_is_read() -> None:
    value: dict[str, Any] = to_object(new_virtual_ip(SPEC))
    value["status"] = {
        "announcers": [{"node": "n1", "since": "t", "reason": "Preferred", "interfaces": ["e"]}],
        "conditions": [{"type": "Announced", "status": "True", "reason": "R"}],
        "transitions": [{"from": "n2", "to": "n1"}],
    }
    found = read_virtual_ip(value)
    assert isinstance(found, VirtualIP)
    assert found.status.announcers == (Announcer("n1", "t", "Preferred", ("e",)),)
    assert found.status.conditions == (Condition("Announced", True, "R"),)
    assert found.status.transitions == ({"from": "n2", "to": "n1"},)


def test_an_unknown_suspension_is_none() -> None:
    value = to_object(new_virtual_ip(SPEC))
    value["spec"]["layer2"]["suspended"] = "Weather"
    found = read_virtual_ip(value)
    assert isinstance(found, VirtualIP)
    assert found.spec.layer2.suspended is None


def test_a_node_may_have_interfaces_of_its_own() -> None:
    layer2 = Layer2Orders(("a", "b"), ("eth0", "eth1"), None, (("b", ("eth1",)),))
    spec = replace(SPEC, layer2=layer2)
    found = read_virtual_ip(to_object(new_virtual_ip(spec)))
    assert isinstance(found, VirtualIP)
    assert found.spec == spec
    assert layer2.interfaces_of("a") == ("eth0", "eth1")
    assert layer2.interfaces_of("b") == ("eth1",)


def test_for_whom_an_address_is_kept() -> None:
    kept = Retained((ObjectKey("web", "a"),), 1_767_225_600)
    spec = VirtualIPSpec(ip_address("10.0.0.1"), "front", (), retained=kept)
    value = to_object(new_virtual_ip(spec))
    assert value["spec"]["retained"] == {
        "services": [{"namespace": "web", "name": "a"}],
        "until": "2026-01-01T00:00:00Z",
    }
    found = read_virtual_ip(value)
    assert isinstance(found, VirtualIP)
    assert found.spec == spec
    for wrong in ("soon", "2026-01-01T00:00:00"):
        value["spec"]["retained"]["until"] = wrong
        again = read_virtual_ip(value)
        assert isinstance(again, VirtualIP)
        assert again.spec.retained is None


def test_each_node_has_its_entry_of_bgp() -> None:
    value = to_object(new_virtual_ip(SPEC))
    since = "2026-11-27T08:00:00Z"
    entry = {"since": since, "peers": ["tor", "spine"]}
    value["status"] = {"bgp": {"n2": {"peers": []}, "n1": entry}}
    found = read_virtual_ip(value)
    assert isinstance(found, VirtualIP)
    assert found.status.bgp == (
        BGPAnnouncer("n1", since, ("tor", "spine")), BGPAnnouncer("n2", "", ()),
    )  # fmt: skip
    assert found.status.by_bgp("n1") == found.status.bgp[0]
    assert found.status.by_bgp("n3") is None
