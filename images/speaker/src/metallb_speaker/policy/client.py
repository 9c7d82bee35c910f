"""The end of the control socket that calls reflex, again and again (see
`metallb_speaker.control`).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from metallb_speaker.control import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metallb_speaker.control import Line

RETRY_SECONDS = 0.05
LINE_BYTES_LIMIT = 4 * 1024 * 1024

log = logging.getLogger(__name__)


class ControlClient:
    """Keeps one connection to reflex."""

    def __init__(
        self,
        path: Path,
        on_connect: Callable[[], None],
        on_line: Callable[[Line], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._path = path
        self._on_connect = on_connect
        self._on_line = on_line
        self._on_gone = on_gone
        self._writer: asyncio.StreamWriter | None = None
        self.gone = asyncio.Event()
        """Set while reflex is not there."""
        self.gone.set()

    @property
    def is_connected(self) -> bool:
        """Whether reflex is there."""
        return self._writer is not None

    def say(self, line: Line) -> None:
        """Tell reflex something; when it is not there, it is told all on its return."""
        if self._writer is not None:
            self._writer.write(encode(line))

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(
                    str(self._path), limit=LINE_BYTES_LIMIT
                )
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._writer = writer
            self.gone.clear()
            log.info("reflex is there")
            try:
                self._on_connect()
                while data := await reader.readline():
                    self._on_line(decode(data))
            except (OSError, ValueError) as error:
                log.warning("the connection to reflex ends: %r", error)
            finally:
                self._writer = None
                self.gone.set()
                writer.close()
            log.warning("reflex is gone")
            self._on_gone()
            await asyncio.sleep(RETRY_SECONDS)
