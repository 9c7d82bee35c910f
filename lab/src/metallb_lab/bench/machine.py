"""The machine that figures come from: what it is, how busy others keep it, what a process uses.

All of it is read from /proc. The parsers are pure; times are in seconds, memory in MiB.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
QUIET_SHARE = 0.12
"""More than this share of the processors in use by others disturbs figures."""


@dataclass(frozen=True, slots=True)
class Ticks:
    """What all processors together have spent since boot, in clock ticks."""

    busy: int
    total: int


def parse_ticks(text: str) -> Ticks:
    """Read the first line of /proc/stat."""
    fields = [int(word) for word in text.partition("\n")[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return Ticks(sum(fields) - idle, sum(fields))


def busy_share(before: Ticks, after: Ticks) -> float:
    """Give the share of the processors in use between two looks."""
    total = after.total - before.total
    return (after.busy - before.busy) / total if total else 0.0


def parse_cpu_seconds(text: str, ticks_per_second: int = TICKS_PER_SECOND) -> float:
    """Read user and system time from /proc/PID/stat."""
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / ticks_per_second


def parse_mebibytes(text: str, name: str) -> float:
    """Read a size (VmHWM, VmRSS) from /proc/PID/status."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.M)
    if found is None:
        raise ValueError(f"no {name} in a process's status")
    return int(found.group(1)) / 1024


def cpu_seconds(pids: Iterable[int]) -> float:
    """Give the processor time that processes have used."""
    return sum(parse_cpu_seconds((PROC / str(pid) / "stat").read_text()) for pid in pids)


def peak_mebibytes(pid: int) -> float:
    """Give the most memory that a process ever had resident."""
    return parse_mebibytes((PROC / str(pid) / "status").read_text(), "VmHWM")


async def others_share(seconds: float = 1.0) -> float:
    """Watch for a while how much of the processors is in use, as long as we do nothing."""
    before = parse_ticks((PROC / "stat").read_text())
    await asyncio.sleep(seconds)
    return busy_share(before, parse_ticks((PROC / "stat").read_text()))


def describe() -> str:
    """Name the machine in a line."""
    model = re.search(r"^model name\s*: (.+)$", (PROC / "cpuinfo").read_text(), re.M)
    memory = parse_mebibytes((PROC / "meminfo").read_text(), "MemTotal") / 1024
    return (
        f"{os.cpu_count()} processors ({model.group(1) if model else platform.machine()}), "
        f"{memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"
    )


def load_text(share: float) -> str:
    """Put the load by others into words."""
    warning = "" if share <= QUIET_SHARE else ": figures of a busy machine are worth little"
    return f"{share:.0%} of the processors in use by others{warning}"
