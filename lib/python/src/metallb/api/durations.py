"""Durations as Go writes them: ``90s``, ``1m30s``, ``1.5h``, ``300ms``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from metallb.api.fields import shown

if TYPE_CHECKING:
    from metallb.api.fields import Fields

_CHARACTERS = 64
_PART = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # the micro sign
    "μs": 1_000,  # the Greek letter
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_INT64 = 2**63 - 1


def parse_duration(text: str) -> int:
    """Read a duration, in nanoseconds; raises ValueError, saying what would be right."""
    malformed = ValueError(f"{shown(text)} is not a duration; write 90s, 1m30s or 300ms")
    if text in {"0", "+0", "-0"}:
        return 0
    if len(text) > _CHARACTERS:
        raise malformed
    rest, sign = (text[1:], -1) if text.startswith("-") else (text.removeprefix("+"), 1)
    if not rest:
        raise malformed
    total, at = 0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None or not (part[1] or part[2]):
            raise malformed
        whole, fraction, unit = part[1] or "0", part[2] or "", _NANOSECONDS[part[3]]
        total += int(whole) * unit + int(fraction or "0") * unit // 10 ** len(fraction)
        at = part.end()
    if total > _INT64:
        raise malformed
    return sign * total


def read_duration(fields: Fields, name: str) -> int | None:
    """Read a duration, in nanoseconds; None when it is absent, or malformed, which is noted."""
    text = fields.text(name)
    if not text:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        fields.note(name, str(error))
        return None
