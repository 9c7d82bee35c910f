"""One TCP connection under asyncio: octets in and out, and an end that lets the last word arrive.

Nothing is given to the transport while it still holds something: what is not written yet stays with
the session, where later changes merge with it. Reading goes by small pieces and stops while too
many of them wait to be taken, so that a peer that floods gets its turn and no more. At the end our
side is shut first and what the peer still sends is thrown away for a while: closing with unread
octets would make the kernel send a RST that can overtake the NOTIFICATION.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, cast

from metallb_speaker.peering.sockets import words

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

READ_BYTES: Final = 16_384
READS_HELD_MAX: Final = 4
"""Pieces that may wait to be taken; then nothing more is read until all are."""

LINGER_SECONDS: Final = 2.0


class Listener(Protocol):
    """Who hears of a connection."""

    def received(self, connection: Connection, data: bytes) -> None:
        """Octets have come; `Connection.taken` is to be called for them."""

    def writable(self, connection: Connection) -> None:
        """All that was written has left."""

    def lost(self, connection: Connection, why: str) -> None:
        """The connection has ended, not by us."""


class Connection(asyncio.BufferedProtocol):
    """A connection.

    `on_made` is called before anything is read, `on_closed` once it is gone for good, whoever ended
    it.
    """

    def __init__(
        self,
        tcp: socket.socket,
        listener: Listener,
        on_made: Callable[[Connection], None],
        on_closed: Callable[[Connection], None],
    ) -> None:
        self.tcp = tcp
        """The socket, for its options; reading and writing are the transport's."""
        self._listener: Listener | None = listener
        self._on_made = on_made
        self._on_closed = on_closed
        self._buffer = bytearray(READ_BYTES)
        self._transport: asyncio.Transport | None = None
        self._is_paused = False
        self._reads_held = 0
        self._is_reading = True
        self._patience: asyncio.TimerHandle | None = None
        self.closed = asyncio.Event()

    @property
    def can_write(self) -> bool:
        """All that was written has left."""
        return self._transport is not None and not self._is_paused

    def write(self, data: bytes) -> None:
        """Write; look at `can_write` before."""
        if self._transport is not None:
            self._transport.write(data)

    def finish(self, last: bytes) -> None:
        """Say the last word, and end the connection."""
        self._listener = None
        if self._transport is None:
            return
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(LINGER_SECONDS, self._transport.abort)
        self._read(is_wanted=True)  # and throw it away
        if last:
            self._transport.write(last)
        try:
            self._transport.write_eof()
        except OSError:  # the peer was faster
            self._transport.abort()

    def abort(self) -> None:
        """End the connection without a word."""
        self._listener = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: there is a connection; uvloop's transports are no subclass of asyncio's."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)
        if self._listener is None:  # given up meanwhile
            self._transport.abort()
        else:
            self._on_made(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Asyncio: where to read into."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Asyncio: octets have come."""
        if self._listener is not None:
            self._reads_held += 1
            if self._reads_held == READS_HELD_MAX:
                self._read(is_wanted=False)
            self._listener.received(self, bytes(self._buffer[:nbytes]))

    def taken(self) -> None:
        """Take in that a piece that was read has been taken."""
        self._reads_held -= 1
        if not self._reads_held:
            self._read(is_wanted=True)

    def _read(self, *, is_wanted: bool) -> None:
        """Go on reading, or stop it; a transport that closes takes no such word."""
        transport = self._transport
        if is_wanted is self._is_reading or transport is None or transport.is_closing():
            return
        self._is_reading = is_wanted
        if is_wanted:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def eof_received(self) -> None:
        """Asyncio: the peer has shut its side; the transport closes after this."""

    def pause_writing(self) -> None:
        """Asyncio: not all could be written."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Asyncio: all is written."""
        self._is_paused = False
        if self._listener is not None:
            self._listener.writable(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio: the connection is gone."""
        if self._patience is not None:
            self._patience.cancel()
        self._transport = None
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.lost(self, _why(exc))
        self.closed.set()
        self._on_closed(self)


def _why(exc: Exception | None) -> str:
    if exc is None:
        return "the peer closed the connection"
    return words(exc) if isinstance(exc, OSError) else str(exc)
