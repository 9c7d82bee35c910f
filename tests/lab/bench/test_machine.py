"""Reading /proc: the parsers on recorded text, and the real files of this process."""

from __future__ import annotations

import os

import pytest

from metallb_lab.bench import machine
from metallb_lab.bench.machine import Ticks

STAT = "cpu  100 5 50 800 40 1 4 0 7 7\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
PROCESS = "4242 (a (very) odd name) S 1 2 3 4 5 6 7 8 9 10 150 50 3 4 20 0 1 0 77 99 11"
STATUS = "Name:\tpython\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n"


def test_ticks_are_busy_unless_idle_or_waiting_for_a_disk() -> None:
    assert machine.parse_ticks(STAT) == Ticks(busy=160, total=1000)


def test_the_busy_share_is_of_all_processors() -> None:
    assert machine.busy_share(Ticks(10, 100), Ticks(60, 300)) == 0.25
    assert machine.busy_share(Ticks(10, 100), Ticks(10, 100)) == 0.0


def test_processor_time_survives_an_odd_name() -> None:
    assert machine.parse_cpu_seconds(PROCESS, ticks_per_second=100) == 2.0


def test_sizes() -> None:
    assert machine.parse_mebibytes(STATUS, "VmHWM") == 200.0
    assert machine.parse_mebibytes(STATUS, "VmRSS") == 100.0
    with pytest.raises(ValueError, match="no VmSwap"):
        machine.parse_mebibytes(STATUS, "VmSwap")


def test_this_process_uses_something() -> None:
    before = machine.cpu_seconds([os.getpid()])
    while machine.cpu_seconds([os.getpid()]) == before:
        pass
    assert machine.peak_mebibytes(os.getpid()) > 1


async def test_the_load_is_a_share() -> None:
    assert 0.0 <= await machine.others_share(0.05) <= 1.0


def test_a_busy_machine_is_called_so() -> None:
    assert machine.load_text(0.04) == "4% of the processors in use by others"
    assert "worth little" in machine.load_text(0.5)


def test_the_machine_is_named() -> None:
    assert f"{os.cpu_count()} processors" in machine.describe()
