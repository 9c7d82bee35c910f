"""What advertisements say of one VIP, without the rest of the reconciler."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from metallb.api.meta import Metadata, ObjectKey
from metallb.api.nodes import NodeName, read_node
from metallb.api.selectors import LabelSelector
from metallb.api.virtual_ips import BGPOrders, Suspension
from metallb.domain.address_pools import (
    AddressPool,
    BGPAdvertisement,
    Layer2Advertisement,
    NodePreference,
    PoolKind,
)
from metallb_controller.reconcile.advertisements import Coverage, Reach, bgp_orders
from support.objects import node_object

RED = LabelSelector.of({"rack": "red"})
NODES = [
    read_node(node_object("a", labels={"rack": "red"})),
    read_node(node_object("b")),
]
A, B = NodeName("a"), NodeName("b")


def test_without_differences_all_vips_have_one_answer() -> None:
    found = Coverage.of((Layer2Advertisement("x", (RED,), interfaces=("eth1",)),), NODES)
    assert found.items == ()
    assert found.reach([{}]) == Reach(None, ("eth1",), {})
    assert found.matches({"rack": "red"})
    assert not found.matches({})


def test_a_preference_for_nodes_that_are_not_there_prefers_nobody() -> None:
    wish = NodePreference(10, LabelSelector.of({"rack": "blue"}))
    reach = Coverage.of((Layer2Advertisement("x", preferences=(wish,)),), NODES).reach([{}])
    assert reach.split((A, B), None) == (None, ())


def test_preferred_nodes_that_may_not_announce_are_passed_over() -> None:
    wish = NodePreference(10, RED)
    reach = Coverage.of((Layer2Advertisement("x", preferences=(wish,)),), NODES).reach([{}])
    assert reach.split((A, B), None) == (frozenset([A]), (B,))
    assert reach.split((B,), None) == (None, ())
    assert reach.split((A, B), frozenset([B])) == (frozenset([B]), ())
    assert reach.split((), frozenset([B])) == (frozenset([B]), ())


def test_a_pool_that_is_gone_is_not_announced_by_bgp() -> None:
    assert (
        bgp_orders(None, [{}], serving=None, can_serve=True, counts={}, health_check_ports=())
        is None
    )


BY_BGP = AddressPool(
    PoolKind.NATIVE,
    Metadata(ObjectKey("m", "edge"), "", "", 0, "", False),
    (),
    bgp=(BGPAdvertisement("web", service_selectors=(LabelSelector.of({"app": "web"}),)),),
)
WEB = {"app": "web"}


@pytest.mark.parametrize(
    ("labels", "serving", "can_serve", "orders"),
    [
        ([WEB], None, True, BGPOrders(("web",))),
        ([WEB], None, False, BGPOrders(("web",), None, Suspension.NO_READY_ENDPOINTS)),
        ([WEB], frozenset([B, A]), True, BGPOrders(("web",), (A, B))),
        ([WEB], frozenset(), True, BGPOrders(("web",), (), Suspension.NO_READY_ENDPOINTS)),
        ([WEB, {}], None, True, BGPOrders((), None, Suspension.NOT_ADVERTISED)),
    ],
)
def test_orders_for_bgp_say_by_what_by_whom_and_why_not(
    labels: list[dict[str, str]],
    serving: frozenset[NodeName] | None,
    can_serve: bool,
    orders: BGPOrders,
) -> None:
    found = bgp_orders(
        BY_BGP, labels, serving=serving, can_serve=can_serve, counts={A: 3}, health_check_ports=()
    )
    assert found == orders


def test_endpoints_are_told_where_an_advertisement_wants_them_and_ports_with_nodes() -> None:
    weighing = replace(BY_BGP.bgp[0], name="weighing", is_weighted=True)
    pool = replace(BY_BGP, bgp=(*BY_BGP.bgp, weighing))
    counts = Counter({A: 3, B: 1})
    both = frozenset([A, B])
    asked = frozenset([30_200, 30_100])
    found = bgp_orders(
        pool, [WEB], serving=both, can_serve=True, counts=counts, health_check_ports=asked
    )
    weights = ((A, 3), (B, 1))
    assert found == BGPOrders(("web", "weighing"), (A, B), None, weights, (30_100, 30_200))
    assert found.weight_of(A) == 3
    assert found.weight_of("c") == 0
    anywhere = bgp_orders(
        pool, [WEB], serving=None, can_serve=True, counts=counts, health_check_ports=asked
    )
    assert anywhere == BGPOrders(("web", "weighing"))
