"""Delays: they double, are spread by chance, obey the server, and begin anew after a success."""

from __future__ import annotations

import random

import pytest

from metallb.kube.backoff import Backoff


def test_delays_double_up_to_the_limit() -> None:
    backoff = Backoff(lambda: 0.999999999, first=0.1, limit=1.0)
    delays = [backoff.next_delay() for _ in range(6)]
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


def test_chance_takes_up_to_half_of_a_delay() -> None:
    chance = random.Random(7)
    backoff = Backoff(chance.random, first=1.0, limit=1.0)
    delays = [backoff.next_delay() for _ in range(500)]
    assert all(0.5 <= delay <= 1.0 for delay in delays)
    assert max(delays) - min(delays) > 0.4


def test_no_delay_is_shorter_than_the_server_asked_for() -> None:
    backoff = Backoff(lambda: 0.0)
    assert backoff.next_delay(at_least=7.0) == 7.0
    assert backoff.next_delay(at_least=None) < 1.0


def test_after_a_success_the_first_delay_comes_again() -> None:
    backoff = Backoff(lambda: 0.0)
    first = backoff.next_delay()
    assert backoff.next_delay() > first
    backoff.reset()
    assert backoff.next_delay() == first


def test_a_failure_that_never_ends_does_not_overflow() -> None:
    backoff = Backoff(lambda: 0.0, failures=10_000)
    assert backoff.next_delay() == 5.0
