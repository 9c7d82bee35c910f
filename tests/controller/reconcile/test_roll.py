"""Who is on the speakers' roll, with time as an argument."""

from __future__ import annotations

from metallb.api.nodes import NodeName
from metallb.api.speakers import LEASE_SECONDS, Speaker, read_speaker
from metallb_controller.reconcile.roll import Roll
from support.objects import lease_of_speaker

A, B = NodeName("a"), NodeName("b")


def _entry(node: str = "a", **rest: str) -> Speaker:
    return read_speaker(lease_of_speaker(node, **rest))


def test_a_speaker_is_present_until_somebody_unsays_it() -> None:
    roll = Roll()
    assert roll.observe(A, _entry(), 0.0)
    assert not roll.observe(A, _entry(renewed="t2"), 1.0)
    assert roll.present == {A}
    assert roll.observe(A, _entry(holder=""), 2.0)
    assert roll.present == frozenset()


def test_an_entry_that_is_gone_is_absent() -> None:
    roll = Roll()
    roll.observe(A, _entry(), 0.0)
    assert roll.observe(A, None, 1.0)
    assert not roll.observe(A, None, 1.0)
    assert roll.next_at() is None


def test_a_holder_that_is_not_renewed_runs_out() -> None:
    roll = Roll()
    roll.observe(A, _entry("a"), 0.0)
    roll.observe(B, _entry("b"), 100.0)
    assert roll.next_at() == LEASE_SECONDS
    assert not roll.expire(LEASE_SECONDS - 1)
    assert roll.expire(LEASE_SECONDS)
    assert roll.present == {B}
    assert roll.next_at() == 100.0 + LEASE_SECONDS


def test_a_renewal_counts_from_when_it_was_seen_and_no_news_is_none() -> None:
    roll = Roll()
    roll.observe(A, _entry(renewed="t1"), 0.0)
    roll.observe(A, _entry(renewed="t2"), 100.0)
    roll.observe(A, _entry(renewed="t2", annotation="{}"), 300.0)
    assert not roll.expire(LEASE_SECONDS + 99)
    assert roll.expire(LEASE_SECONDS + 100)


def test_an_empty_roll_expects_nothing() -> None:
    assert not Roll().expire(1e9)
