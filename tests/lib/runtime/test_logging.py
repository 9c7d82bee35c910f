"""Log lines: one a record, whatever is in it."""

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING

import pytest

from metallb.runtime.logging import LineFormatter, set_up_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    found = logging.getLogger()
    handlers, level = found.handlers[:], found.level
    yield found
    found.handlers[:] = handlers
    found.setLevel(level)


def _record(message: str, *values: object, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("metallb.x", logging.INFO, "f", 1, message, values, None)
    record.created = 1_790_000_000.1234
    record.__dict__.update(extra)
    return record


def test_a_line_has_time_level_name_fields_and_message() -> None:
    line = LineFormatter().format(_record("got %d", 3, fields={"service": "web/nginx", "n": 1}))
    assert line == "2026-09-21T14:13:20.123Z INFO    metallb.x service=web/nginx n=1: got 3"


def test_line_breaks_and_tracebacks_stay_on_the_line() -> None:
    try:
        raise ValueError("bad")
    except ValueError:
        record = _record("two\nlines", exc_info=sys.exc_info())
    line = LineFormatter().format(record)
    assert "\n" not in line
    assert "two ⏎ lines" in line
    assert line.endswith("ValueError: bad")


def test_the_level_is_kept_and_talkative_libraries_are_hushed(root: logging.Logger) -> None:
    stream = io.StringIO()
    set_up_logging("info", stream)
    logging.getLogger("metallb.y").debug("not this")
    logging.getLogger("metallb.y").info("this")
    logging.getLogger("aiohttp.access").info("nor this")
    logging.getLogger("aiohttp.access").warning("but this")
    messages = [line.rpartition(": ")[2] for line in stream.getvalue().splitlines()]
    assert messages == ["this", "but this"]


def test_standard_error_is_the_default(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging("warning")
    logging.getLogger("metallb.y").warning("look")
    assert capsys.readouterr().err.endswith("look\n")
