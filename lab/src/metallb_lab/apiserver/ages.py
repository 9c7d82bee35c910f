"""Ages as kubectl shows them: ``duration.HumanDuration``."""

from __future__ import annotations

from datetime import UTC, datetime

MINUTE, HOUR, DAY = 60, 3600, 86400
YEAR = 365 * DAY


def human_age(timestamp: str | None) -> str:
    """How long ago a Time was."""
    if not timestamp:
        return "<unknown>"
    try:
        then = datetime.fromisoformat(timestamp)
    except ValueError:
        return "<invalid>"
    return human_duration(int((datetime.now(UTC) - then).total_seconds()))


def human_duration(seconds: int) -> str:
    """``3m25s`` and the like: two units while the number is small."""
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if seconds < 2 * MINUTE:
        return f"{seconds}s"
    if seconds < 10 * MINUTE:
        return two(seconds, MINUTE, "m", 1, "s")
    if seconds < 3 * HOUR:
        return f"{seconds // MINUTE}m"
    if seconds < 8 * HOUR:
        return two(seconds, HOUR, "h", MINUTE, "m")
    if seconds < 2 * DAY:
        return f"{seconds // HOUR}h"
    if seconds < 8 * DAY:
        return two(seconds, DAY, "d", HOUR, "h")
    if seconds < 2 * YEAR:
        return f"{seconds // DAY}d"
    if seconds < 8 * YEAR:
        return two(seconds, YEAR, "y", DAY, "d")
    return f"{seconds // YEAR}y"


def two(seconds: int, unit: int, letter: str, smaller: int, second: str) -> str:
    """Two units, the second only when there is something of it."""
    rest = seconds % unit // smaller
    return f"{seconds // unit}{letter}" + (f"{rest}{second}" if rest else "")
