"""F11: the random cases are the same for everybody, and MetalLB's rule is its own."""

from __future__ import annotations

import hashlib

from metallb_lab.bench import balance
from metallb_lab.bench.balance import Spreads


def test_metallb_takes_the_smallest_hash_of_node_and_address() -> None:
    nodes = ["a", "b", "c"]
    digests = {hashlib.sha256(f"{node}#192.0.2.1".encode()).hexdigest(): node for node in nodes}
    assert balance.hashed_node("192.0.2.1", nodes) == digests[min(digests)]
    assert balance.hashed_spread(["192.0.2.1"], nodes) == 1


def test_a_hundred_vips_on_ten_nodes_are_ten_on_each() -> None:
    first, lost, back, joined = balance.hundred_on_ten(0)
    assert first.ours == 0
    assert max(lost.ours, back.ours, joined.ours) <= 1
    assert first.theirs > 1


def test_random_cases_are_the_same_each_time_and_differ_by_seed() -> None:
    assert balance.random_case(1) == balance.random_case(1)
    assert balance.random_case(1) != balance.random_case(2)
    assert len(balance.random_case(1)) == balance.CHANGES_OF_A_CASE + 1


def test_a_figure_counts_what_is_even() -> None:
    found = balance.figure("F11", "work", [Spreads(0, 9), Spreads(1, 1), Spreads(3, 12)])
    assert not found.is_met
    assert found.ours.worst == 3
    assert found.notes == ("even within one: ours 2 of 3 states, MetalLB's rule 1",)
