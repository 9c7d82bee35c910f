from __future__ import annotations

from datetime import UTC, datetime

import pytest

from metallb_lab.operator.crontab import next_due
from metallb_lab.operator.errors import HookError

AT = datetime(2026, 11, 26, 12, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("crontab", "due"),
    [
        ("*/15 * * * *", "2026-11-26 12:15"),
        ("42 4 * * *", "2026-11-27 04:42"),
        ("0 0 1 1 *", "2027-01-01 00:00"),
    ],
)
def test_the_next_time(crontab: str, due: str) -> None:
    assert next_due(crontab, AT) == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_a_time_that_is_due_is_not_due_again() -> None:
    due = next_due("*/15 * * * *", AT)
    assert next_due("*/15 * * * *", due) > due


@pytest.mark.parametrize("crontab", ["", "* * * *", "61 * * * *", "0 0 30 2 *"])
def test_what_is_no_crontab(crontab: str) -> None:
    with pytest.raises(HookError, match="crontab"):
        next_due(crontab, AT)
