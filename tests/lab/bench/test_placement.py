"""F10: what is timed is the controller's placement, and a wrong one is refused."""

from __future__ import annotations

import gc
from ipaddress import IPv4Address

import pytest

from metallb_controller.placement import PREFERENCE_LIMIT
from metallb_lab.bench import placement
from metallb_lab.bench.benchmark import BenchmarkError
from metallb_lab.bench.placement import Cluster, Size, node_names

NODES = node_names(10)
LOST = NODES[3]


def placed() -> tuple[placement.Orders, placement.Orders]:
    cluster = Cluster(60, NODES)
    before = cluster.place_all()
    cluster.set_speakers(name for name in NODES if name != LOST)
    return before, cluster.take_in_nodes(1.0)


def test_all_vips_get_an_order_and_those_with_the_lost_node_another() -> None:
    before, changed = placed()
    assert len(before) == 60
    assert {len(order) for order in before.values()} == {PREFERENCE_LIMIT}
    assert {vip for vip, order in before.items() if LOST in order} <= set(changed)
    placement.check(before, changed, NODES, LOST)


def test_an_uneven_placement_is_refused() -> None:
    before, changed = placed()
    same = dict.fromkeys(before, next(iter(before.values())))
    with pytest.raises(BenchmarkError, match="not balanced"):
        placement.check(same, changed, NODES, LOST)


def test_a_short_order_is_refused() -> None:
    before, changed = placed()
    short = {vip: order[:-1] for vip, order in before.items()}
    with pytest.raises(BenchmarkError, match="too short"):
        placement.check(short, changed, NODES, LOST)


def test_a_lost_node_that_stays_in_an_order_is_refused() -> None:
    before, _ = placed()
    with pytest.raises(BenchmarkError, match=f"{LOST} is still in an order"):
        placement.check(before, {}, NODES, LOST)


def test_a_move_without_need_is_refused() -> None:
    before, changed = placed()
    vip = next(item for item, order in before.items() if order[0] != LOST)
    moved = {**changed, vip: tuple(name for name in reversed(before[vip]) if name != LOST)}
    with pytest.raises(BenchmarkError, match="others than the VIPs of the lost node"):
        placement.check(before, moved, NODES, LOST)


def test_unevenness_counts_nodes_without_a_vip() -> None:
    orders = {IPv4Address(number): ("a", "b") for number in range(3)}
    assert placement.unevenness(orders, ["a", "b"]) == 3


def test_both_sides_take_time() -> None:
    size = Size(40, 8, 1)
    for run in (placement.run_ours(size, 0), placement.run_limit(size, 0)):
        assert min(run.place.clock, run.loss.clock) > 0


def test_the_collector_is_as_before_afterwards() -> None:
    at_first, before = gc.get_threshold(), (701, 11, 12)
    gc.set_threshold(*before)
    try:
        with placement.collector_of_the_controller():
            assert gc.get_threshold() == placement.GC_THRESHOLD != before
        assert gc.get_threshold() == before
    finally:
        gc.set_threshold(*at_first)
