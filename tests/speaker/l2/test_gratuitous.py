"""When announcements go out."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from metallb_speaker.l2.gratuitous import (
    ARP_ROUNDS_SECONDS,
    BURST_FRAMES,
    FRAMES_PER_SECOND,
    NA_ROUNDS_SECONDS,
    Burst,
    Schedule,
)

MANY = 1_000_000


def v4(number: int) -> bytes:
    return (IPv4Address("10.0.0.0") + number).packed


def v6(number: int) -> bytes:
    return (IPv6Address("fd09::") + number).packed


def played(schedule: Schedule, now: float = 0.0, limit: int = MANY) -> list[tuple[float, bytes]]:
    """Ask at each `next_at` until nothing is left; what was due when."""
    rounds: list[tuple[float, bytes]] = []
    while (at := schedule.next_at()) is not None:
        now = max(now, at)
        due = schedule.due(now, limit)
        assert due, "woken for nothing"
        rounds += [(now, address) for address in due]
    return rounds


def times(rounds: list[tuple[float, bytes]], address: bytes) -> list[float]:
    return [at for at, each in rounds if each == address]


@pytest.mark.parametrize(
    ("address", "rounds_seconds"), [(v4(1), ARP_ROUNDS_SECONDS), (v6(1), NA_ROUNDS_SECONDS)]
)
def test_one_address_is_announced_at_once_and_repeated(
    address: bytes, rounds_seconds: tuple[float, ...]
) -> None:
    schedule = Schedule()
    schedule.add(address, 100.0)
    assert schedule.next_at() == 100.0
    sent = times(played(schedule, 100.0), address)
    assert sent == pytest.approx([100.0 + offset for offset in rounds_seconds])
    assert len(schedule) == 0


def test_advertisements_keep_to_the_limits_of_rfc_4861() -> None:
    max_neighbor_advertisement, retrans_timer_seconds = 3, 1.0  # §10
    assert len(NA_ROUNDS_SECONDS) <= max_neighbor_advertisement
    burst = Burst(v6(1))
    late = 5.25
    assert burst.advance(late) == late + retrans_timer_seconds


def test_round_that_was_late_moves_the_next_ones() -> None:
    schedule = Schedule()
    schedule.add(v6(1), 0.0)
    assert schedule.due(0.0, MANY) == [v6(1)]
    assert schedule.due(1.75, MANY) == [v6(1)]
    assert schedule.next_at() == 2.75
    assert schedule.due(2.5, MANY) == []


def test_nothing_to_announce_has_no_deadline() -> None:
    schedule = Schedule()
    assert schedule.next_at() is None
    assert schedule.due(0.0, MANY) == []


def test_limit_leaves_the_rest_due() -> None:
    schedule = Schedule()
    for number in range(5):
        schedule.add(v4(number), 0.0)
    assert schedule.due(0.0, 2) == [v4(0), v4(1)]
    assert schedule.next_at() == 0.0
    assert schedule.due(0.0, 0) == []
    assert schedule.due(0.0, MANY) == [v4(2), v4(3), v4(4)]


def test_cancelled_address_is_silent() -> None:
    schedule = Schedule()
    schedule.add(v4(1), 0.0)
    schedule.add(v4(2), 0.0)
    schedule.cancel(v4(1))
    schedule.cancel(v4(3))
    assert schedule.due(0.0, MANY) == [v4(2)]
    schedule.cancel(v4(2))
    assert len(schedule) == 0
    assert schedule.next_at() is None
    assert schedule.due(9.0, MANY) == []


def test_address_added_again_after_its_first_round_starts_anew() -> None:
    schedule = Schedule()
    schedule.add(v4(1), 0.0)
    assert schedule.due(0.0, MANY) == [v4(1)]
    schedule.add(v4(1), 0.05)
    assert times(played(schedule, 0.05), v4(1)) == pytest.approx(
        [0.05 + offset for offset in ARP_ROUNDS_SECONDS]
    )


def test_address_added_again_before_its_first_round_keeps_its_place() -> None:
    schedule = Schedule()
    schedule.add(v4(1), 0.0)
    schedule.add(v4(2), 0.0)
    schedule.add(v4(1), 0.0)
    assert schedule.due(0.0, MANY) == [v4(1), v4(2)]


def test_address_cancelled_and_added_again_is_announced_once_a_round() -> None:
    schedule = Schedule()
    schedule.add(v4(1), 0.0)
    schedule.cancel(v4(1))
    schedule.add(v4(1), 0.0)
    assert len(played(schedule)) == len(ARP_ROUNDS_SECONDS)


def test_hundred_addresses_leave_without_waiting() -> None:
    schedule = Schedule()
    for number in range(100):
        schedule.add(v4(number), 0.0)
    assert len(schedule.due(0.0, MANY)) == 100


def test_first_rounds_go_before_repeats() -> None:
    schedule = Schedule()
    schedule.add(v4(0), 0.0)
    schedule.due(0.0, MANY)
    for number in range(1, 4):
        schedule.add(v4(number), 1.0)
    assert schedule.due(1.0, MANY) == [v4(1), v4(2), v4(3), v4(0)]


def test_out_of_budget_it_wakes_for_half_a_burst() -> None:
    schedule = Schedule()
    for number in range(1000):
        schedule.add(v6(number), 0.0)
    assert len(schedule.due(0.0, MANY)) == BURST_FRAMES + 1
    at = schedule.next_at()
    assert at is not None
    assert schedule.due(at * 0.001, MANY) == []
    assert len(schedule.due(at, MANY)) == pytest.approx(BURST_FRAMES / 2, abs=2)


def test_ten_thousand_addresses_are_paced() -> None:
    schedule = Schedule()
    count = 10_000
    for number in range(count):
        schedule.add(v4(number), 0.0)
    rounds = played(schedule)
    assert len(rounds) == count * len(ARP_ROUNDS_SECONDS)
    first = rounds[:count]
    assert [address for _, address in first] == [v4(number) for number in range(count)]
    assert first[-1][0] == pytest.approx(2 * count / FRAMES_PER_SECOND, abs=0.02)
    in_each_tenth = [0] * 100
    for at, _ in rounds:
        in_each_tenth[int(at * 10)] += 2
    assert max(in_each_tenth) <= FRAMES_PER_SECOND / 10 + BURST_FRAMES + 2


def test_heap_does_not_grow_with_addresses_that_come_and_go() -> None:
    schedule = Schedule()
    schedule.add(v4(0), 0.0)
    for _ in range(10_000):
        schedule.add(v4(1), 0.0)
        schedule.cancel(v4(1))
        schedule.next_at()
    assert len(schedule._heap) < 100
    assert schedule.due(0.0, MANY) == [v4(0)]


def test_heap_that_was_rebuilt_keeps_the_order() -> None:
    schedule = Schedule()
    kept = [v4(number) for number in range(5)]
    gone = [v4(number) for number in range(100, 300)]
    for address in (*gone[:100], *kept, *gone[100:]):
        schedule.add(address, 0.0)
    for address in gone:
        schedule.cancel(address)
    assert schedule.next_at() == 0.0
    assert len(schedule._heap) == len(kept)
    assert schedule.due(0.0, MANY) == kept
