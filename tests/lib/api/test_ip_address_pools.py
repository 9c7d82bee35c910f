from __future__ import annotations

from typing import Any

import pytest

from metallb.api.conditions import Condition
from metallb.api.ip_address_pools import (
    PoolCounts,
    PoolStatus,
    ServiceAllocation,
    pool_status_object,
    read_ip_address_pool,
)
from metallb.api.selectors import NOTHING, LabelSelector
from support.objects import native_object


def pool(**spec: Any) -> dict[str, Any]:
    return native_object("IPAddressPool", "edge", **({"addresses": ["10.0.0.0/24"]} | spec))


def test_a_whole_pool_is_read() -> None:
    """metallb.md §2, IPAddressPool."""
    found = read_ip_address_pool(
        native_object(
            "IPAddressPool",
            "edge",
            labels={"zone": "a"},
            addresses=["10.0.0.0/24", "10.1.0.1 - 10.1.0.9", "fd00::/126"],
            autoAssign=False,
            avoidBuggyIPs=True,
            serviceAllocation={
                "priority": 20,
                "namespaces": ["web"],
                "namespaceSelectors": [{"matchLabels": {"tier": "front"}}],
                "serviceSelectors": [{"matchLabels": {"app": "site"}}],
            },
            disabled=True,
        )
    )
    assert found.name == "edge"
    assert found.labels == {"zone": "a"}
    assert [str(item.range) for item in found.ranges] == [
        "10.0.0.0-10.0.0.255",
        "10.1.0.1-10.1.0.9",
        "fd00::-fd00::3",
    ]
    assert not found.auto_assign
    assert found.avoid_buggy_ips
    assert found.options.is_disabled
    assert found.allocation == ServiceAllocation(
        20,
        frozenset({"web"}),
        (LabelSelector.of({"tier": "front"}),),
        (LabelSelector.of({"app": "site"}),),
    )
    assert found.problems == ()
    assert found.reference().to_object() == {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "name": "edge",
        "namespace": "metallb-system",
        "uid": "uid-edge",
        "resourceVersion": "1",
    }


def test_defaults() -> None:
    """metallb.md §2, IPAddressPool: autoAssign true, avoidBuggyIPs false."""
    found = read_ip_address_pool(pool())
    assert found.auto_assign
    assert not found.avoid_buggy_ips
    assert found.allocation is None
    assert found.problems == ()


@pytest.mark.parametrize(
    ("row", "spec", "complaint"),
    [
        (
            "§1.12 v4 to v6",
            {"addresses": ["10.0.0.1-fd00::1"]},
            "goes from IPv4 to IPv6",
        ),
        ("§1.12 backwards", {"addresses": ["10.0.0.9-10.0.0.1"]}, "did you mean 10.0.0.1-10.0.0.9"),
        ("§1.12 no address", {"addresses": ["x"]}, ".spec.addresses[0]: 'x' is not a range"),
        ("§1.12 length", {"addresses": ["10.0.0.0/33"]}, "'10.0.0.0/33' is not a prefix"),
        ("§2 type", {"autoAssign": "no"}, ".spec.autoAssign: true or false is wanted"),
        ("§2 priority", {"serviceAllocation": {"priority": "1"}}, ".priority: a whole number"),
        (
            "§2 namespaces twice",
            {"serviceAllocation": {"namespaces": ["a", "b", "a"]}},
            ".namespaces[2]: 'a' is there already, in .spec.serviceAllocation.namespaces[0]",
        ),
        (
            "§2 selectors twice",
            {"serviceAllocation": {"serviceSelectors": [{}, {}]}},
            ".serviceSelectors[1]: the same selector as .spec.serviceAllocation",
        ),
    ],
)
def test_what_is_wrong_is_named(row: str, spec: dict[str, Any], complaint: str) -> None:
    found = read_ip_address_pool(pool(**spec))
    assert complaint in str(found.problems[0]), row


@pytest.mark.parametrize(
    ("row", "text", "range_text"),
    [
        ("§1.12 a lone address is one address (looser than MetalLB)", "10.0.0.7", "10.0.0.7"),
        ("§1.12 blanks around a prefix (looser)", " 10.0.0.0/31 ", "10.0.0.0-10.0.0.1"),
        ("§1.12 host bits", "10.0.0.3/30", "10.0.0.0-10.0.0.3"),
        ("§1.15 /032", "10.0.0.7/032", "10.0.0.7"),
        ("§1.15 IPv4 in IPv6", "::ffff:10.0.0.0/126", "10.0.0.0-10.0.0.3"),
        ("§1.15 tabs", "10.0.0.1\t-\t10.0.0.2", "10.0.0.1-10.0.0.2"),
        ("§1.15 multicast", "224.0.0.1/32", "224.0.0.1"),
        ("§1.15 loopback", "127.0.0.0/31", "127.0.0.0-127.0.0.1"),
        ("§1.15 unspecified", "0.0.0.0/32", "0.0.0.0"),
    ],
)
def test_what_is_taken_as_a_range(row: str, text: str, range_text: str) -> None:
    found = read_ip_address_pool(pool(addresses=[text]))
    assert [str(item.range) for item in found.ranges] == [range_text], row
    assert not found.problems


@pytest.mark.parametrize("value", [{}, {"priority": 5}])
def test_an_empty_allocation_pins_the_pool_to_every_service(value: dict[str, Any]) -> None:
    """metallb.md §1.5."""
    found = read_ip_address_pool(pool(serviceAllocation=value)).allocation
    assert found == ServiceAllocation(value.get("priority", 0))


def test_a_malformed_allocation_pins_the_pool_to_nobody() -> None:
    read = read_ip_address_pool(pool(serviceAllocation="web"))
    assert read.allocation == ServiceAllocation(service_selectors=(NOTHING,))
    names = read_ip_address_pool(pool(serviceAllocation={"namespaces": [7, ""]}))
    assert names.allocation == ServiceAllocation(namespace_selectors=(NOTHING,))
    assert len(names.problems) == 2


def test_a_status_is_written_and_read_back() -> None:
    conditions = (Condition("Ready", True, "Serving", "m", "t", 4),)
    status = PoolStatus(PoolCounts(1, 2, 3, 4), 5, conditions)
    assert read_ip_address_pool(pool() | {"status": pool_status_object(status)}).status == status


def test_counts_saturate_where_int64_ends() -> None:
    """metallb.md §1.13."""
    status = pool_status_object(PoolStatus(PoolCounts(2**70, 0, 2**64, 2**63), 0, ()))
    assert {status[name] for name in ("assignedIPv4", "availableIPv4", "availableIPv6")} == {
        2**63 - 1
    }
