"""Intervals in use against what is said: RFC 5880 §6.8.3, §6.8.4, §6.8.7, §6.5."""

from __future__ import annotations

import pytest

from metallb_speaker.bfd.timing import Timing


def up(transmit_us: int = 50_000, receive_us: int = 60_000) -> Timing:
    """Intervals of a session that is Up with a peer that wants 3 x 40 ms and takes each 10 ms."""
    found = Timing(transmit_us, receive_us)
    found.learn(3, 40_000, 10_000)
    return found


def in_use(timing: Timing) -> tuple[int, int, bool]:
    return timing.transmit_us, timing.detection_us, timing.is_polling


def test_the_slower_of_both_sides_counts() -> None:
    found = up()
    assert (found.transmit_us, found.detection_us) == (50_000, 3 * 60_000)
    found.learn(5, 70_000, 80_000)
    assert (found.transmit_us, found.detection_us) == (80_000, 5 * 70_000)


def test_a_peer_may_want_no_periodic_packets() -> None:
    found = up()
    found.learn(3, 40_000, 0)
    assert found.transmit_us == 0


def test_before_the_peer_is_heard_there_is_no_detection_time() -> None:
    found = Timing(1_000_000, 60_000)
    assert (found.transmit_us, found.detection_us) == (1_000_000, 0)


@pytest.mark.parametrize(
    ("transmit_us", "receive_us", "before", "after"),
    [
        (20_000, 60_000, (20_000, 180_000), (20_000, 180_000)),  # faster: at once
        (90_000, 60_000, (50_000, 180_000), (90_000, 180_000)),  # slower: when the peer knows
        (50_000, 100_000, (50_000, 300_000), (50_000, 300_000)),  # more patient: at once
        (50_000, 45_000, (50_000, 180_000), (50_000, 135_000)),  # less: when the peer knows
    ],
)
def test_a_change_while_up_is_polled(
    transmit_us: int, receive_us: int, before: tuple[int, int], after: tuple[int, int]
) -> None:
    found = up()
    assert found.say(transmit_us, receive_us, is_up=True, is_known=True)
    assert (found.desired_min_tx_us, found.required_min_rx_us) == (transmit_us, receive_us)
    assert in_use(found) == (*before, True)
    assert not found.heard(is_final=False)
    assert in_use(found) == (*before, True)
    assert found.heard(is_final=True)
    assert in_use(found) == (*after, False)


def test_a_change_while_not_up_is_used_at_once_and_polled() -> None:
    found = up(20_000, 100_000)
    assert found.say(1_000_000, 50_000, is_up=False, is_known=True)
    assert (found.transmit_us, found.detection_us, found.is_polling) == (1_000_000, 150_000, True)


def test_nobody_is_polled_who_does_not_know_us() -> None:
    found = up()
    assert found.say(90_000, 20_000, is_up=True, is_known=False)
    assert (found.transmit_us, found.detection_us, found.is_polling) == (90_000, 120_000, False)


def test_what_is_said_again_is_no_change() -> None:
    found = up()
    assert not found.say(50_000, 60_000, is_up=True, is_known=True)
    assert not found.is_polling


def test_a_second_change_is_polled_by_a_sequence_of_its_own() -> None:
    found = up()
    found.say(90_000, 60_000, is_up=True, is_known=True)
    found.say(70_000, 60_000, is_up=True, is_known=True)
    assert found.heard(is_final=True)
    assert in_use(found) == (50_000, 180_000, False)  # the peer may not know of the second yet
    assert not found.heard(is_final=True)  # the same F, come twice
    assert found.heard(is_final=False)
    assert in_use(found) == (50_000, 180_000, True)
    assert found.heard(is_final=True)
    assert in_use(found) == (70_000, 180_000, False)


def test_a_peer_that_is_gone_is_forgotten() -> None:
    found = up()
    found.say(90_000, 20_000, is_up=True, is_known=True)
    found.forget()
    assert (found.transmit_us, found.detection_us, found.is_polling) == (90_000, 0, False)
