"""Placement of VIPs as classes, nodes and endpoints change, without the rest of the reconciler."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from metallb.api.classes import read_class
from metallb.api.meta import ObjectKey
from metallb.api.nodes import NodeName, read_endpoint_slice, read_node
from metallb.api.services import read_service
from metallb.api.speakers import read_speaker
from metallb.api.virtual_ips import Suspension
from metallb.domain.eligibility import NodeRefusal
from metallb.domain.translation import translate
from metallb_controller.reconcile.layer2 import Layer2
from metallb_controller.reconcile.observed import Observed
from support.objects import (
    class_object,
    lease_of_speaker,
    node_object,
    service_object,
    slice_object,
)

IPS = [ip_address(f"10.0.0.{number}") for number in range(1, 10)]
WEB, API = ObjectKey("default", "web"), ObjectKey("default", "api")


class Site:
    """A `Layer2` over a few nodes; every class may use them all unless it says otherwise."""

    def __init__(self, nodes: str = "ab") -> None:
        self.observed = Observed()
        self.layer2 = Layer2(self.observed)
        for name in nodes:
            self.node(name)

    def node(self, name: str, **rest: Any) -> None:
        self.observed.nodes[NodeName(name)] = read_node(node_object(name, **rest))
        self.observed.roll.observe(NodeName(name), read_speaker(lease_of_speaker(name)), 0.0)

    def class_(self, name: str, now: float = 0.0, **spec: Any) -> None:
        (self.observed.pools[name],) = translate(
            classes=[read_class(class_object(name, **spec))]
        ).pools
        self.layer2.refresh_pool(name, now)

    def service(self, key: ObjectKey, nodes: tuple[str, ...] = ("a", "b"), **spec: Any) -> None:
        self.observed.services[key] = read_service(service_object(key.name, **spec))
        found = read_endpoint_slice(slice_object(key.name, nodes))
        self.observed.endpoints.observe(None, found)


def test_a_vip_may_be_placed_before_its_class_is_known() -> None:
    """A ledger entry of a class that is gone: it keeps what it has until it is released."""
    site = Site()
    site.service(WEB)
    site.layer2.place(IPS[0], "gone", (WEB,))
    assert site.layer2.orders(IPS[0]).nodes == ()
    assert site.layer2.pools() == ["gone"]
    site.layer2.refresh_pool("gone", 0.0)
    site.layer2.discard(IPS[0])
    assert site.layer2.pools() == []


def test_a_class_that_nobody_has_heard_of_is_nothing() -> None:
    layer2 = Site().layer2
    layer2.refresh_pool("never", 0.0)
    layer2.discard(IPS[0])
    assert layer2.pools() == []
    assert layer2.eligible("never") == ()
    assert layer2.refused("never") == {}


def test_a_vip_that_changes_its_class_is_placed_anew() -> None:
    site = Site()
    site.class_("one", nodeSelector={"x": "y"})
    site.class_("two")
    site.service(WEB)
    site.layer2.place(IPS[0], "one", (WEB,))
    assert site.layer2.orders(IPS[0]).nodes == ()
    site.layer2.place(IPS[0], "two", (WEB,))
    assert sorted(site.layer2.orders(IPS[0]).nodes) == ["a", "b"]


def test_a_class_is_forgotten_with_its_last_vip() -> None:
    site = Site()
    site.class_("one")
    site.service(WEB)
    site.layer2.place(IPS[0], "one", (WEB,))
    del site.observed.pools["one"]
    site.layer2.refresh_pool("one", 0.0)
    assert site.layer2.pools() == ["one"]
    site.layer2.discard(IPS[0])
    assert site.layer2.pools() == []


def test_why_nodes_may_not_announce_is_kept() -> None:
    site = Site()
    site.node("c", ready=False)
    site.node("d", network_unavailable=True)
    site.class_("one")
    assert site.layer2.eligible("one") == ("a", "b")
    assert site.layer2.refused("one") == {
        "c": NodeRefusal.NOT_READY,
        "d": NodeRefusal.NETWORK_UNAVAILABLE,
    }


def test_under_local_a_vip_follows_its_endpoints_and_the_nodes() -> None:
    site = Site("abc")
    site.class_("one")
    site.service(WEB, ("b",), externalTrafficPolicy="Local")
    site.layer2.place(IPS[0], "one", (WEB,))
    assert site.layer2.orders(IPS[0]).nodes == ("b",)
    del site.observed.nodes[NodeName("c")]
    site.layer2.refresh_pool("one", 0.0)
    assert site.layer2.orders(IPS[0]).suspended is None
    del site.observed.nodes[NodeName("b")]
    site.layer2.refresh_pool("one", 0.0)
    assert site.layer2.orders(IPS[0]).suspended is Suspension.NO_READY_ENDPOINTS
    site.node("b")
    site.layer2.refresh_pool("one", 0.0)
    orders = site.layer2.orders(IPS[0])
    assert (orders.nodes, orders.suspended) == (("b",), None)


def test_shared_under_local_it_goes_where_all_can_serve() -> None:
    site = Site("abc")
    site.class_("one")
    site.service(WEB, ("a", "b"), externalTrafficPolicy="Local")
    site.service(API, ("b", "c"), externalTrafficPolicy="Local")
    site.layer2.place(IPS[0], "one", (WEB, API))
    assert site.layer2.orders(IPS[0]).nodes == ("b",)


def test_a_change_of_policy_lifts_the_restriction() -> None:
    site = Site("abc")
    site.class_("one")
    site.service(WEB, ("b",), externalTrafficPolicy="Local")
    site.layer2.place(IPS[0], "one", (WEB,))
    site.service(WEB, ("b",))
    site.layer2.place(IPS[0], "one", (WEB,))
    assert sorted(site.layer2.orders(IPS[0]).nodes) == ["a", "b", "c"]
    site.observed.nodes.pop(NodeName("b"))
    site.layer2.refresh_pool("one", 0.0)
    assert site.layer2.orders(IPS[0]).suspended is None


def test_only_what_changed_is_told() -> None:
    site = Site()
    site.class_("one")
    site.service(WEB)
    for address in IPS[:4]:
        site.layer2.place(address, "one", (WEB,))
    assert set(site.layer2.take_changes()) == set(IPS[:4])
    for address in IPS[:4]:
        site.layer2.place(address, "one", (WEB,))
    assert site.layer2.take_changes() == []
    site.class_("one", l2={"interfaces": ["eth1"]})
    assert set(site.layer2.take_changes()) == set(IPS[:4])
    assert site.layer2.orders(IPS[0]).interfaces == ("eth1",)


def test_moves_wait_for_quiet_and_keep_their_pace() -> None:
    site = Site("a")
    rebalancing = {"delaySeconds": 10, "movesPerMinute": 30}
    site.class_("one", l2={"rebalancing": rebalancing})
    for number, address in enumerate(IPS[:6]):
        key = ObjectKey("default", f"s{number}")
        site.service(key)
        site.layer2.place(address, "one", (key,))
    site.layer2.take_changes()
    site.node("b")
    site.layer2.refresh_pool("one", 100.0)
    assert site.layer2.next_move_at() == 110.0
    assert site.layer2.rebalance(109.9) == []
    moves = [site.layer2.rebalance(at) for at in (110.0, 111.9, 112.0, 114.0, 116.0)]
    assert [len(made) for made in moves] == [1, 0, 1, 1, 0]
    assert {move.target for made in moves for move in made} == {"b"}
    assert site.layer2.next_move_at() is None


def test_nodes_that_come_and_go_put_moves_off() -> None:
    site = Site("a")
    site.class_("one", l2={"rebalancing": {"delaySeconds": 10}})
    for address in IPS[:4]:
        site.service(WEB)
        site.layer2.place(address, "one", (WEB,))
    site.layer2.take_changes()
    site.node("b")
    site.layer2.refresh_pool("one", 100.0)
    site.node("c")
    site.layer2.refresh_pool("one", 105.0)
    assert site.layer2.rebalance(110.0) == []
    assert site.layer2.next_move_at() == 115.0
    site.layer2.refresh_pool("one", 112.0)  # nothing new
    assert site.layer2.next_move_at() == 115.0


def test_with_policy_never_there_is_nothing_to_wait_for() -> None:
    site = Site("a")
    site.class_("one", l2={"rebalancing": {"policy": "Never"}})
    site.service(WEB)
    for address in IPS[:4]:
        site.layer2.place(address, "one", (WEB,))
    site.layer2.take_changes()
    site.node("b")
    site.layer2.refresh_pool("one", 100.0)
    assert site.layer2.next_move_at() is None
    assert site.layer2.rebalance(1e9) == []
