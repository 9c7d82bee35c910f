"""Quantities of bytes as Kubernetes writes them: `64Mi`, `1G`, `4096`."""

from __future__ import annotations

import re

from metallb_lab.pods.errors import UnsupportedError

_FACTORS: dict[str, int] = {
    "": 1,
    **{f"{letter}i": 2 ** (10 * power) for power, letter in enumerate("KMGT", 1)},
    **{letter: 1000**power for power, letter in enumerate("kMGT", 1)},
}
_QUANTITY = re.compile(r"([0-9]+)([A-Za-z]*)")


def whole_bytes(quantity: str | int) -> int:
    """Read a quantity that is a whole number of bytes; raises UnsupportedError."""
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None or found[2] not in _FACTORS:
        raise UnsupportedError(f"quantity {quantity!r}: a whole number of bytes is wanted")
    return int(found[1]) * _FACTORS[found[2]]
