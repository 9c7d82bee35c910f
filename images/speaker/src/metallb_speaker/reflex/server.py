"""The end of the control socket at which policy calls (see `metallb_speaker.control`)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from metallb_speaker.control import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metallb_speaker.control import Line

LINES_PER_TURN = 50
"""Lines taken before timers and sockets get their turn: a whole table never stalls heartbeats."""

UNREAD_BYTES_LIMIT = 16 * 1024 * 1024
"""A policy that leaves so much unread is given up; it is told all again when it calls anew."""

CHUNK_BYTES = 65_536
LINE_BYTES_LIMIT = 4 * 1024 * 1024

log = logging.getLogger(__name__)


class ControlServer:
    """Takes one connection at a time; a new one replaces the old."""

    def __init__(
        self,
        path: Path,
        on_connect: Callable[[], None],
        on_lines: Callable[[list[Line]], None],
    ) -> None:
        self._path = path
        self._on_connect = on_connect
        self._on_lines = on_lines
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path=str(self._path))
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.close()
        self._path.unlink(missing_ok=True)

    @property
    def is_connected(self) -> bool:
        """Whether policy is there."""
        return self._writer is not None

    def say(self, line: Line) -> None:
        """Tell policy something; when it is not there, it is told on its return."""
        writer = self._writer
        if writer is None:
            return
        writer.write(encode(line))
        if writer.transport.get_write_buffer_size() > UNREAD_BYTES_LIMIT:
            log.warning("policy does not read; giving its connection up")
            writer.transport.abort()
            self._writer = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = writer
        self._on_connect()
        try:
            await self._take_all(reader)
        except (ValueError, KeyError, OSError) as error:
            log.error("the connection from policy ends: %r", error)
        finally:
            if self._writer is writer:
                self._writer = None
            writer.close()

    async def _take_all(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await reader.read(CHUNK_BYTES):
            *whole, rest = (rest + chunk).split(b"\n")
            if len(rest) > LINE_BYTES_LIMIT:
                raise ValueError("a line is too long")
            for start in range(0, len(whole), LINES_PER_TURN):
                self._on_lines([decode(data) for data in whole[start : start + LINES_PER_TURN]])
                await asyncio.sleep(0)
