"""A connection reads no faster than what it has read is taken."""

from __future__ import annotations

import asyncio
import socket

from metallb_speaker.peering.connection import READ_BYTES, READS_HELD_MAX, Connection
from support.waiting import until

TURNS = 20


class Slow:
    """Takes nothing before the test does."""

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self.ends: list[str] = []

    def received(self, connection: Connection, data: bytes) -> None:
        self.held.append(data)

    def writable(self, connection: Connection) -> None: ...

    def lost(self, connection: Connection, why: str) -> None:
        self.ends.append(why)


def fill(end: socket.socket) -> int:
    """Write until the other side takes no more; gives how much."""
    written = 0
    try:
        while True:
            written += end.send(bytes(READ_BYTES))
    except BlockingIOError:
        return written


async def connected() -> tuple[Connection, Slow, socket.socket]:
    """Make a connection; gives it, who hears of it, and the peer's end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    slow = Slow()
    connection = Connection(ours, slow, lambda _: None, lambda _: None)
    await asyncio.get_running_loop().create_connection(lambda: connection, sock=ours)
    return connection, slow, theirs


async def test_reading_waits_for_what_was_read_to_be_taken() -> None:
    connection, slow, theirs = await connected()
    written = fill(theirs)
    assert written > 2 * READS_HELD_MAX * READ_BYTES
    await until(lambda: len(slow.held) == READS_HELD_MAX)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert len(slow.held) == READS_HELD_MAX
    taken = 0
    while taken < written:
        await until(lambda: slow.held)
        taken += len(slow.held.pop())
        connection.taken()
        assert len(slow.held) <= READS_HELD_MAX
    theirs.close()
    await until(lambda: slow.ends == ["the peer closed the connection"])


async def test_the_end_of_a_peer_that_was_not_read_is_heard() -> None:
    """What lies unread at the end is thrown away, or nobody would see that the peer closes."""
    connection, slow, theirs = await connected()
    fill(theirs)
    await until(lambda: len(slow.held) == READS_HELD_MAX)
    connection.finish(b"bye")
    theirs.shutdown(socket.SHUT_WR)
    await until(connection.closed.is_set)
    assert (theirs.recv(9), theirs.recv(9)) == (b"bye", b"")
    theirs.close()
