"""ALLOC: what is timed is the allocator, and what was not allocated is noticed."""

from __future__ import annotations

import pytest

from metallb_lab.bench import allocation
from metallb_lab.bench.allocation import SMALL, Run, Size
from metallb_lab.bench.benchmark import BenchmarkError

TINY = Size(100, (60, 100), 100, 1)


def test_a_run_fills_the_pool_and_gives_the_curve() -> None:
    run = allocation.run_ours(SMALL)
    assert len(run.tenths) == 10
    assert len(run.curve) == len(SMALL.points)
    assert all(value > 0 for value in (run.mean, run.processor, *run.tenths, *run.curve))
    assert allocation.run_limit(TINY) > 0


def test_services_that_share_have_one_address_for_so_many() -> None:
    assert len(allocation.run_other(TINY, shares=True)) == 2
    assert len(allocation.run_other(TINY, shares=False)) == 2


def test_too_few_addresses_are_noticed() -> None:
    allocator = allocation.new_allocator("10.0.0.0/30")
    keys = allocation.services(5)
    with pytest.raises(BenchmarkError, match="no address left for default/service-4"):
        allocation.allocate(allocator, keys, [allocation.claim_of(0, shares=False)] * 5)
    with pytest.raises(BenchmarkError, match="4 addresses are held and 3 should be"):
        allocation.check(allocator, 3, 3)
    with pytest.raises(BenchmarkError, match="service-4 got nothing"):
        allocation.check(allocator, 4, 5)


def test_the_curve_is_told_by_its_points() -> None:
    runs = [Run(1.0, 1.0, (1.0,) * 10, (5.0, 6.0)), Run(1.0, 1.0, (1.0,) * 10, (4.0, 7.0))]
    note = allocation.curve_note(TINY, runs)
    assert note.endswith("when so many are held, us: 60: 4.0, 100: 6.0")


def test_a_point_is_the_mean_of_the_tenth_before_it() -> None:
    assert (allocation.window(100), allocation.window(100_000)) == (50, 10_000)
