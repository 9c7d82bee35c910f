"""Echoes of one session."""

from __future__ import annotations

import pytest

from metallb_speaker.bfd.echo import Echo, discriminator_of

COOKIE = 0x1122334455667788


def started() -> Echo:
    found = Echo(0x01020304, COOKIE)
    found.start(5.0)
    return found


def test_an_echo_is_written_as_it_is_drawn() -> None:
    echo = started()
    assert echo.next_at == 5.0
    data = echo.make(5.05)
    assert data == bytes.fromhex("20 18 0000 01020304 00000001 1122334455667788 00000000")
    assert echo.next_at == 5.05
    assert discriminator_of(data) == 0x01020304
    assert discriminator_of(data + b"\0") == 0


def test_the_first_that_comes_back_proves_the_function() -> None:
    echo = started()
    sent = [echo.make(5.0) for _ in range(5)]
    assert not echo.has_failed(3)
    assert echo.take(sent[1])
    assert echo.is_proven
    assert echo.has_failed(3)
    assert echo.take(sent[2])
    assert not echo.has_failed(3)


def test_one_that_came_before_proves_nothing_more() -> None:
    echo = started()
    first, second = echo.make(5.0), echo.make(5.0)
    assert echo.take(second)
    assert not echo.take(second)
    assert not echo.take(first)


@pytest.mark.parametrize("at", [0, 4, 7, 8, 12, 19])
def test_one_that_is_not_ours_proves_nothing(at: int) -> None:
    echo = started()
    data = bytearray(echo.make(5.0))
    data[at] ^= 0x81
    assert not echo.take(bytes(data))
    assert not echo.is_proven


def test_it_begins_anew_unproven() -> None:
    echo = started()
    echo.start(6.0)
    assert echo.next_at == 5.0
    old = echo.make(5.05)
    assert echo.take(old)
    echo.stop()
    assert not echo.is_proven
    echo.start(9.0)
    assert echo.next_at == 9.0
    assert not echo.take(old)
    assert not echo.has_failed(1)
