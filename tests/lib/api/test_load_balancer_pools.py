"""MetalLoadBalancerPool (deckhouse-metallb.md §1.2)."""

from __future__ import annotations

from typing import Any

from metallb.api.classes import ClassStatus, status_object
from metallb.api.load_balancer_pools import MetalLoadBalancerPool, read_load_balancer_pool
from support.objects import metal_object


def read(**spec: Any) -> MetalLoadBalancerPool:
    return read_load_balancer_pool(metal_object("MetalLoadBalancerPool", "edge", **spec))


def test_a_whole_pool_is_read() -> None:
    found = read(
        addresses=["10.0.0.0/24", "fd00::1"],
        autoAssign=False,
        avoidBuggyIPs=True,
        namespaceQuota=2,
    )
    assert found.name == "edge"
    assert [str(item.range) for item in found.ranges] == ["10.0.0.0-10.0.0.255", "fd00::1"]
    assert (found.auto_assign, found.avoid_buggy_ips) == (False, True)
    assert found.options.namespace_quota == 2
    assert found.problems == ()
    assert found.reference().api_version == "network.deckhouse.io/v1alpha1"


def test_defaults() -> None:
    found = read()
    assert (found.auto_assign, found.avoid_buggy_ips, found.ranges) == (True, False, ())


def test_a_malformed_range_is_named_and_the_others_serve() -> None:
    found = read(addresses=["10.0.0.1", "10.0.0.256", "10.0.0.2"])
    assert [item.text for item in found.ranges] == ["10.0.0.1", "10.0.0.2"]
    assert [problem.path for problem in found.problems] == [".spec.addresses[1]"]


def test_the_status_is_read() -> None:
    status = ClassStatus(9, 2, 7)
    value = metal_object("MetalLoadBalancerPool", "edge") | {"status": status_object(status)}
    assert read_load_balancer_pool(value).status == status
