"""Timers, their jitter, and the wait that doubles."""

from __future__ import annotations

import pytest

from metallb_speaker.bgp.timers import Backoff, Timer, Timers, shortened


def test_the_first_to_end_is_the_next() -> None:
    timers = Timers()
    assert timers.next() is None
    timers.start(Timer.HOLD, 90.0)
    timers.start(Timer.KEEPALIVE, 30.0)
    assert timers.next() == 30.0
    assert timers.pop_expired(29.9) is None
    assert timers.pop_expired(90.0) is Timer.KEEPALIVE
    assert timers.pop_expired(90.0) is Timer.HOLD
    assert timers.pop_expired(90.0) is None


def test_a_timer_can_be_started_anew_and_stopped() -> None:
    timers = Timers()
    timers.start(Timer.HOLD, 1.0)
    timers.start(Timer.HOLD, 2.0)
    assert timers.next() == 2.0
    assert timers.runs(Timer.HOLD)
    timers.stop(Timer.HOLD)
    timers.stop(Timer.HOLD)
    assert not timers.runs(Timer.HOLD)
    timers.start(Timer.HOLD, 1.0)
    timers.stop_all()
    assert timers.next() is None


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 75.0), (0.5, 87.5), (1.0, 100.0)])
def test_jitter_takes_up_to_a_quarter(chance: float, seconds: float) -> None:
    """RFC 4271 §10: "a random value ... uniformly distributed in the range from 0.75 to 1.0"."""
    assert shortened(100.0, lambda: chance) == seconds


def test_the_wait_doubles_up_to_the_most() -> None:
    backoff, waits = Backoff(), []
    for _ in range(9):
        backoff.counter += 1
        waits.append(backoff.seconds(120.0, lambda: 1.0))
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0, 120.0]
    backoff.counter = 10**6
    assert backoff.seconds(120.0, lambda: 0.0) == 90.0
    backoff.counter = 0
    assert backoff.seconds(0.5, lambda: 1.0) == 0.5
