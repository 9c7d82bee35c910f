"""Log lines for machines and people: one line an event, `key=value` behind the message.

    2026-11-23T21:41:05.123Z INFO  metallb_controller.app service=web/nginx …: message

Extra fields are given as `log.info("message", extra={"fields": {"service": key}})`.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TextIO


class LineFormatter(logging.Formatter):
    """Formats records as one line each; line breaks in messages become `⏎`."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = getattr(record, "fields", None) or {}
        pairs = "".join(f" {name}={value}" for name, value in fields.items())
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        at = at.removesuffix("+00:00") + "Z"
        line = f"{at} {record.levelname:<7} {record.name}{pairs}: {text}"
        return line.replace("\n", " ⏎ ")


_TALKATIVE = ("aiohttp", "asyncio", "pyroute2")
"""Libraries that tell more than anybody wants; their warnings are kept."""


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    library = record.name.partition(".")[0]
    return record.levelno >= logging.WARNING or library not in _TALKATIVE


def set_up_logging(level: str, stream: TextIO | None = None) -> None:
    """Send all log lines of the level and above to a stream, standard error by default."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter())
    handler.addFilter(_is_worth_a_line)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
