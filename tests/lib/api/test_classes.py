from __future__ import annotations

from metallb.api.classes import (
    ClassStatus,
    Rebalancing,
    RebalancingPolicy,
    read_class,
    status_object,
)
from metallb.api.conditions import Condition
from metallb.api.meta import ObjectKey
from metallb.api.selectors import NodeSelector
from support.objects import class_object


def test_a_whole_class_is_read() -> None:
    found = read_class(
        class_object(
            "front",
            ("10.0.0.0/29", "fd00::1"),
            isDefault=True,
            type="L2",
            l2={
                "interfaces": ["eth1", "eth0.100"],
                "rebalancing": {"policy": "Never", "delaySeconds": 5, "movesPerMinute": 1},
            },
            nodeSelector={"role": "front", "a": "b"},
        )
    )
    assert found.name == "front"
    assert found.is_default
    assert found.is_layer2
    assert [str(item.range) for item in found.ranges] == ["10.0.0.1-10.0.0.6", "fd00::1"]
    assert found.interfaces == ("eth1", "eth0.100")
    assert found.node_selector == NodeSelector((("a", "b"), ("role", "front")))
    assert found.rebalancing == Rebalancing(RebalancingPolicy.NEVER, 5, 1)
    assert found.problems == ()
    assert found.reference().to_object() == {
        "apiVersion": "network.deckhouse.io/v1alpha1",
        "kind": "MetalLoadBalancerClass",
        "name": "front",
        "uid": "uid-front",
        "resourceVersion": "1",
    }


def test_a_malformed_range_is_named_and_the_others_serve() -> None:
    found = read_class(class_object(ranges=("10.0.0.1", "bad", "10.0.0.9-10.0.0.3", "10.0.0.2")))
    assert [item.text for item in found.ranges] == ["10.0.0.1", "10.0.0.2"]
    assert [problem.path for problem in found.problems] == [
        ".spec.addressPool[1]",
        ".spec.addressPool[2]",
    ]


def test_a_name_that_no_interface_can_have_is_named_and_does_not_become_every_interface() -> None:
    names = ["", "a/b", "with space", "x" * 16]
    found = read_class(class_object(l2={"interfaces": names}))
    assert found.interfaces == tuple(names)
    assert [problem.path for problem in found.problems] == [
        f".spec.l2.interfaces[{index}]" for index in range(4)
    ]
    assert "'a/b' cannot be the name of an interface" in found.problems[1].message


def test_a_class_of_another_type_serves_nothing() -> None:
    found = read_class(class_object(type="BGP"))
    assert not found.is_layer2
    assert "'BGP' is not one of L2" in str(found.problems[0])


def test_wrong_settings_fall_back_and_are_named() -> None:
    found = read_class(
        class_object(l2={"rebalancing": {"policy": "Often", "delaySeconds": -1}}, isDefault="yes")
    )
    assert found.rebalancing == Rebalancing()
    assert not found.is_default
    assert sorted(problem.path for problem in found.problems) == [
        ".spec.isDefault",
        ".spec.l2.rebalancing.delaySeconds",
        ".spec.l2.rebalancing.policy",
    ]


def test_an_empty_object_is_read() -> None:
    found = read_class({"metadata": {"name": "x"}})
    assert found.ranges == ()
    assert found.is_layer2
    assert found.meta.key == ObjectKey("", "x")


def test_a_status_is_written_and_read_back() -> None:
    status = ClassStatus(9, 2, 7, 3, 4, (Condition("Ready", True, "Serving", "m", "t", 0),))
    assert read_class(class_object(status=status_object(status))).status == status


def test_conditions_of_others_are_written_as_they_were_read() -> None:
    other = {"type": "AddressesValid", "status": "True", "reason": "AllRight"}
    ready = Condition("Ready", True, "Serving", "m", "t", 0)
    there = {"conditions": [ready.to_object(), other, {"status": "True"}, "odd"]}
    status = read_class(class_object(status=there)).status
    assert (status.conditions, status.others) == ((ready,), (other,))
    assert status_object(status)["conditions"] == [other, ready.to_object()]


def test_counts_saturate_where_int64_ends() -> None:
    status = status_object(ClassStatus(2**64, 1, 2**64))
    assert status["addresses"] == {"total": 2**63 - 1, "used": 1, "free": 2**63 - 1}


def test_what_a_class_does_not_say_of_rebalancing_is_as_the_settings_say() -> None:
    settings = Rebalancing(RebalancingPolicy.NEVER, 77, 9)
    silent = read_class(class_object(), settings)
    assert silent.rebalancing == settings
    partly = read_class(class_object(l2={"rebalancing": {"delaySeconds": 5}}), settings)
    assert partly.rebalancing == Rebalancing(RebalancingPolicy.NEVER, 5, 9)
