from __future__ import annotations

import pytest

from metallb.api.durations import parse_duration, read_duration
from metallb.api.fields import Fields

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("90s", 90 * SECOND),
        ("1m30s", 90 * SECOND),
        ("1.5h", 5400 * SECOND),
        (".5s", SECOND // 2),
        ("1.s", SECOND),
        ("300ms", 300_000_000),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("1\u03bcs", 1_000),
        ("7ns", 7),
        ("0", 0),
        ("-0", 0),
        ("0s", 0),
        ("+3s", 3 * SECOND),
        ("-3s", -3 * SECOND),
        ("2562047h47m16.854775807s", 2**63 - 1),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    ["", "3", "s", ".s", "3 s", "3d", "-", "+", "--3s", "3s4", "٣s", "3s" * 33, "2562048h", "1e3s"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write 90s, 1m30s or 300ms"):
        parse_duration(text)


def test_a_field_is_read_or_noted() -> None:
    fields = Fields({"a": "3s", "b": "x", "c": None}, ".spec")
    found = [read_duration(fields, name) for name in "abcd"]
    assert found == [3 * SECOND, None, None, None]
    assert [str(item).partition(" is")[0] for item in fields.problems] == [".spec.b: 'x'"]
