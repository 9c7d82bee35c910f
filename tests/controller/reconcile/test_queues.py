"""Waiting: for a retry to be due, for a report to be worth it, for an address to come free."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from metallb.api.meta import ObjectKey
from metallb.net.addresses import Family
from metallb_controller.allocator.model import Supply
from metallb_controller.reconcile.model import Target, TargetKind
from metallb_controller.reconcile.queues import POOLS_AT_ONCE, Pace, Retries, Reviews, Waiters

A, B, C = (ObjectKey("n", name) for name in "abc")
ONE, TWO = (Target(TargetKind.SERVICE_STATUS, key) for key in (A, B))
POOL, OTHER = Supply("p", Family.IPV4), Supply("p", Family.IPV6)
IP = ip_address("10.0.0.1")


def _seniority(key: ObjectKey) -> tuple[str, str, str]:
    return ("", key.namespace, key.name)


def test_delays_double_up_to_the_limit_and_begin_anew_after_a_success() -> None:
    retries = Retries(1.0, 3.0)
    due: list[float | None] = []
    for _ in range(4):
        retries.failed(ONE, 10.0)
        due.append(retries.next_at())
        assert retries.take_due(100.0) == [ONE]
    assert due == [11.0, 12.0, 13.0, 13.0]
    retries.succeeded(ONE)
    retries.failed(ONE, 10.0)
    assert retries.next_at() == 11.0


def test_nothing_is_tried_again_sooner_than_the_server_asked_for() -> None:
    retries = Retries(1.0, 3.0)
    retries.failed(ONE, 10.0, at_least=60.0)
    assert retries.next_at() == 70.0


def test_what_is_due_comes_in_the_order_of_its_time() -> None:
    retries = Retries(1.0, 3.0)
    retries.failed(ONE, 11.0)
    retries.failed(TWO, 10.0)
    assert retries.take_due(10.9) == []
    assert retries.take_due(12.0) == [TWO, ONE]
    assert retries.next_at() is None


def test_a_report_is_made_after_its_delay_with_all_that_came_meanwhile() -> None:
    pace = Pace(0.2, 1.0)
    assert pace.take_due(["a"], 10.0) == []
    assert pace.take_due(["a", "b"], 10.1) == []
    assert pace.next_at(["a", "b"]) == 10.2
    assert pace.take_due(["a", "b"], 10.2) == ["a"]
    assert pace.next_at(["b"]) == 10.1 + 0.2
    assert pace.next_at([]) is None


def test_reports_keep_their_distance() -> None:
    pace = Pace(0.2, 1.0)
    pace.take_due(["a"], 10.0)
    assert pace.take_due(["a"], 10.2) == ["a"]
    assert pace.take_due(["a"], 10.3) == []
    assert pace.next_at(["a"]) == 11.2
    assert pace.take_due(["a"], 11.2) == ["a"]
    assert pace.take_due(["a"], 20.0) == []
    assert pace.next_at(["a"]) == 20.2


def test_what_nobody_has_looked_at_is_to_be_looked_at_now() -> None:
    assert Pace(0.2, 1.0).next_at(["a"]) == float("-inf")


def test_those_who_wait_are_found_by_what_they_wait_for() -> None:
    waiters = Waiters()
    waiters.wait(B, (POOL,), ())
    waiters.wait(A, (POOL, OTHER), (IP,))
    waiters.wait(C, (), (IP,))
    assert waiters.supplies() == [POOL, OTHER]
    assert waiters.for_any(POOL, 1, _seniority) == [A]
    assert waiters.for_any(POOL, 9, _seniority) == [A, B]
    assert waiters.for_any(Supply("q", Family.IPV4), 9, _seniority) == []
    assert waiters.for_address(IP) == [A, C]
    assert waiters.for_address(ip_address("10.0.0.2")) == []
    assert [waiters.is_waiting(key) for key in (A, B, C)] == [True, True, False]


def test_who_waits_anew_waits_no_more_for_what_it_waited_for() -> None:
    waiters = Waiters()
    waiters.wait(A, (POOL,), (IP,))
    waiters.wait(A, (OTHER,), ())
    assert (waiters.supplies(), waiters.for_address(IP)) == ([OTHER], [])
    waiters.forget(A)
    waiters.forget(A)
    assert waiters.supplies() == []


def test_who_waits_for_nothing_is_not_remembered() -> None:
    waiters = Waiters()
    waiters.wait(A, (POOL,), ())
    waiters.wait(B, (POOL,), (IP,))
    waiters.wait(C, (POOL,), (IP,))
    waiters.wait(A, (), ())
    waiters.forget(B)
    assert waiters.for_any(POOL, 9, _seniority) == [C]
    assert waiters.for_address(IP) == [C]


def test_a_refusal_is_reviewed_some_time_after_something_has_changed() -> None:
    reviews = Reviews(at_once=10, seconds=2.0)
    reviews.refused(A, 5)
    assert (reviews.next_at(5), reviews.take_due(5, 10.0)) == (None, [])
    assert reviews.next_at(6) == float("-inf")  # to be given its time now
    assert reviews.take_due(6, 11.0) == []
    assert reviews.next_at(7) == 13.0
    assert reviews.take_due(7, 12.9) == []
    assert reviews.take_due(7, 13.0) == [A]
    assert (reviews.next_at(8), reviews.take_due(8, 14.0)) == (None, [])


def test_so_many_are_reviewed_at_a_time_and_those_that_are_up_to_date_are_not() -> None:
    reviews = Reviews(at_once=2, seconds=1.0)
    for service in (A, B, C):
        reviews.refused(service, 1)
    reviews.refused(A, 2)  # looked at meanwhile
    assert reviews.take_due(3, 10.0) == []
    assert reviews.take_due(3, 11.0) == [B, C]
    assert reviews.take_due(2, 12.0) == []
    assert reviews.next_at(2) is None
    assert reviews.take_due(3, 12.0) == []
    assert reviews.take_due(3, 13.0) == [A]


def test_who_is_refused_nothing_any_more_is_not_reviewed() -> None:
    reviews = Reviews(at_once=2, seconds=1.0)
    reviews.refused(A, 1)
    reviews.forget(A)
    reviews.forget(B)
    assert reviews.next_at(2) is None


@pytest.mark.parametrize(
    ("pools", "count"),
    [(0, 3), (POOLS_AT_ONCE // 3, 3), (POOLS_AT_ONCE // 2, 2), (POOLS_AT_ONCE * 5, 1)],
)
def test_fewer_are_reviewed_at_a_time_where_there_are_many_pools(pools: int, count: int) -> None:
    reviews = Reviews(at_once=10, seconds=1.0)
    for service in (A, B, C):
        reviews.refused(service, 1)
    assert reviews.take_due(2, 10.0, pools) == []
    assert reviews.take_due(2, 11.0, pools) == [A, B, C][:count]
