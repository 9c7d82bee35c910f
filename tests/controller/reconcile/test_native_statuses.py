"""What MetalLB's tools read: metallb.md §2, "Status objects" and "ConfigurationState"."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.meta import ObjectKey
from metallb.api.virtual_ips import (
    Announcer,
    BGPAnnouncer,
    Layer2Orders,
    VirtualIP,
    VirtualIPSpec,
    VirtualIPStatus,
    new_virtual_ip,
)
from metallb_controller.reconcile.native_statuses import (
    Difference,
    NativeStatus,
    bgp_statuses,
    configuration_states,
    difference,
    is_told_otherwise,
    layer2_statuses,
    left_behind,
)

if TYPE_CHECKING:
    from metallb.domain.objects import ObjectId

WEB, DNS = ObjectKey("shop", "web"), ObjectKey("shop", "dns")


def vip(
    address: str, node: str, *services: ObjectKey, interfaces: tuple[str, ...] = (), **rest: Any
) -> VirtualIP:
    pool = rest.pop("pool", "IPAddressPool/front")
    orders = Layer2Orders(("a", "b"), interfaces)
    made = new_virtual_ip(VirtualIPSpec(ip_address(address), pool, services, layer2=orders))
    announcers = (Announcer(node, "t", "Preferred", ("eth0", "eth1")),) if node else ()
    return replace(made, status=VirtualIPStatus(announcers))


def everywhere(of: ObjectId, node: str) -> bool:
    return True


def said(found: dict[str, NativeStatus]) -> list[tuple[Any, ...]]:
    return sorted(
        (item.status["node"], item.status["serviceName"], str(item.status.get("interfaces", "")))
        for item in found.values()
    )


def test_each_service_has_one_for_each_node_that_announces_it() -> None:
    found = layer2_statuses(
        [vip("10.0.0.1", "a", WEB, DNS), vip("fd00::1", "b", WEB), vip("10.0.0.2", "a", WEB)]
    )
    assert said(found) == [("a", "dns", ""), ("a", "web", ""), ("b", "web", "")]
    (dns,) = (item for item in found.values() if item.status["serviceName"] == "dns")
    assert dns.name.startswith("l2-")
    assert dict(dns.labels) == {
        "metallb.io/node": "a",
        "metallb.io/service-name": "dns",
        "metallb.io/service-namespace": "shop",
    }
    assert dns.status["serviceNamespace"] == "shop"


def test_what_nobody_announces_and_what_is_of_a_class_has_none() -> None:
    assert layer2_statuses([vip("10.0.0.1", "", WEB)]) == {}
    assert layer2_statuses([vip("10.0.0.1", "a", WEB, pool="front")]) == {}


def test_interfaces_are_told_only_where_advertisements_name_some() -> None:
    found = layer2_statuses([vip("10.0.0.1", "a", WEB, interfaces=("eth1", "eth2"))])
    assert said(found) == [("a", "web", "[{'name': 'eth1'}]")]


def test_a_node_whose_name_no_label_can_hold_has_no_label() -> None:
    (found,) = layer2_statuses([vip("10.0.0.1", "n" * 64, WEB)]).values()
    assert "metallb.io/node" not in dict(found.labels)
    assert found.status["node"] == "n" * 64


BY_BGP = VirtualIPStatus(bgp=(BGPAnnouncer("a", "t", ("p",)),))
CHANGES = {
    "comes": (None, vip("10.0.0.1", "", WEB), False),
    "comes announced": (None, vip("10.0.0.1", "a", WEB), True),
    "goes": (vip("10.0.0.1", "", WEB), None, False),
    "goes announced": (vip("10.0.0.1", "a", WEB), None, True),
    "is announced": (vip("10.0.0.1", "", WEB), vip("10.0.0.1", "a", WEB), True),
    "is not any more": (vip("10.0.0.1", "a", WEB), vip("10.0.0.1", "", WEB), True),
    "moves": (vip("10.0.0.1", "a", WEB), vip("10.0.0.1", "b", WEB), True),
    "is for another": (vip("10.0.0.1", "a", WEB), vip("10.0.0.1", "a", DNS), True),
    "is for another, unannounced": (vip("10.0.0.1", "", WEB), vip("10.0.0.1", "", DNS), False),
    "stays": (vip("10.0.0.1", "a", WEB), vip("10.0.0.1", "a", WEB), False),
    "by BGP": (
        vip("10.0.0.1", "", WEB),
        replace(vip("10.0.0.1", "", WEB), status=BY_BGP),
        True,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_all_are_compared_when_a_change_tells_something_else(change: str) -> None:
    before, after, is_news = CHANGES[change]
    assert is_told_otherwise(before, after) is is_news
    old, new = ([vip for vip in (item,) if vip is not None] for item in (before, after))
    is_same = (layer2_statuses(old), bgp_statuses(old, "a")) == (
        layer2_statuses(new),
        bgp_statuses(new, "a"),
    )
    assert is_news is not is_same


def by_bgp(address: str, *announcers: BGPAnnouncer, pool: str = "IPAddressPool/front") -> VirtualIP:
    made = vip(address, "", WEB, pool=pool)
    return replace(made, status=VirtualIPStatus(bgp=announcers))


def test_each_service_has_one_for_each_node_that_announces_it_by_bgp() -> None:
    """metallb.md §8.7.56."""
    found = bgp_statuses(
        [
            by_bgp("10.0.0.1", BGPAnnouncer("a", "t", ("tor",)), BGPAnnouncer("b", "t", ("tor",))),
            by_bgp("fd00::1", BGPAnnouncer("a", "t", ("six", "tor"))),
            by_bgp("10.0.0.2", BGPAnnouncer("gone", "t", ("tor",))),
            by_bgp("10.0.0.3", BGPAnnouncer("a", "t", ("no",)), pool="MetalLoadBalancerPool/edge"),
        ],
        {"a", "b"},
    )
    assert [item.status for item in found.values()] == [
        {"node": "a", "serviceName": "web", "serviceNamespace": "shop", "peers": ["six", "tor"]},
        {"node": "b", "serviceName": "web", "serviceNamespace": "shop", "peers": ["tor"]},
    ]
    assert all(name.startswith("bgp-") for name in found)


def test_entries_of_nodes_without_a_speaker_are_left_behind() -> None:
    entries = [BGPAnnouncer(node, "t", ("tor",)) for node in ("a", "x", "y")]
    vips = [by_bgp("10.0.0.1", *entries), by_bgp("10.0.0.2", entries[0]), by_bgp("10.0.0.3")]
    assert left_behind(vips, {"a"}) == {"10.0.0.1": ["x", "y"]}


def test_all_is_valid() -> None:
    found = configuration_states({}, ["a", "b"], everywhere)
    assert list(found) == ["controller", "speaker-a", "speaker-b"]
    assert {item.status["result"] for item in found.values()} == {"Valid"}
    assert dict(found["controller"].labels) == {"metallb.io/component-type": "controller"}
    assert dict(found["speaker-a"].labels) == {
        "metallb.io/component-type": "speaker",
        "metallb.io/node-name": "a",
    }
    (condition,) = found["controller"].status["conditions"]
    assert (condition["type"], condition["reason"]) == ("poolReconcilerValid", "Reconciled")


def test_the_controller_is_told_of_pools_and_speakers_of_everything() -> None:
    bad = {
        ("L2Advertisement", ObjectKey("m", "adv")): (".spec.interfaces[0]: is odd",),
    }
    found = configuration_states(bad, ["a"], everywhere)
    assert found["controller"].status["result"] == "Valid"
    speaker = found["speaker-a"].status
    assert speaker["result"] == "Invalid"
    assert speaker["errorSummary"] == (
        "configuration error: L2Advertisement m/adv.spec.interfaces[0]: is odd"
    )
    (condition,) = speaker["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "configReconcilerValid",
        "False",
        "ConfigurationError",
    )
    pool = {("IPAddressPool", ObjectKey("m", "p")): (".spec.addresses[0]: is odd",)}
    states = configuration_states(pool, ["a"], everywhere)
    assert {item.status["result"] for item in states.values()} == {"Invalid"}


def test_a_speaker_is_told_of_what_is_for_its_node() -> None:
    peer = {("BGPPeer", ObjectKey("m", "p")): (".spec.myASN: our AS number is wanted",)}
    states = configuration_states(peer, ["a", "b"], lambda of, node: node == "b")
    assert {name: item.status["result"] for name, item in states.items()} == {
        "controller": "Valid",
        "speaker-a": "Valid",
        "speaker-b": "Invalid",
    }


def test_differences() -> None:
    wanted = configuration_states({}, ["a", "b"], everywhere)
    (condition,) = wanted["controller"].status["conditions"]
    there: dict[str, Any] = {
        "controller": {
            "result": "Valid",
            "conditions": [{**condition, "lastTransitionTime": "t"}, "odd"],
        },
        "speaker-a": {"result": "Unknown"},
        "speaker-c": {},
    }
    found = difference(wanted, there)
    assert found == Difference((wanted["speaker-b"],), (wanted["speaker-a"],), ("speaker-c",))
