"""A session and the TCP connection that it has: what it asks for is done, what comes in goes to it.

A peer has one leg, and a second one while two connections collide. A fault of ours in a session (an
exception) ends its connection, is logged with its traceback, and leaves the other peers alone.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from metallb_speaker.bgp.events import Dial, Drop
from metallb_speaker.peering import sockets
from metallb_speaker.peering.addresses import endpoints_of
from metallb_speaker.peering.connection import Connection

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from ipaddress import IPv4Address, IPv6Address

    from metallb_speaker.bgp.events import Event
    from metallb_speaker.bgp.next_hops import Endpoints
    from metallb_speaker.bgp.packing import Encoder
    from metallb_speaker.bgp.session import Session
    from metallb_speaker.bgp.timers import Jitter
    from metallb_speaker.peering.config import PeerConfig
    from metallb_speaker.peering.monitor import Monitor
    from metallb_speaker.peering.session_task import SessionTask

KEY_SECONDS: Final = 10.0
"""How long a peer has to change its key too, once ours is another."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all peers have in common."""

    jitter: Jitter
    encoder: Encoder
    on_change: Callable[[str], None]
    """Called with a peer's name when its status has changed."""
    connections: set[Connection]
    """All that are open, those that only say their last word too."""
    monitor: Monitor | None = None
    """Who is told of all this."""


class Owner(Protocol):
    """Whose leg it is."""

    config: PeerConfig
    address: IPv4Address | IPv6Address | None

    def happened(self, leg: Leg, event: Event) -> None:
        """The session has something to tell."""

    def sent(self, leg: Leg, data: bytes) -> None:
        """These messages have been written."""


class Leg:
    """One session with its connection, its dialling and its timer.

    What these bring is taken by the peer's task.
    """

    def __init__(
        self, session: Session, owner: Owner, around: Surroundings, task: SessionTask
    ) -> None:
        self.session = session
        self._task = task
        self.connection: Connection | None = None
        self._owner = owner
        self._around = around
        self._loop = asyncio.get_running_loop()
        self._making: asyncio.Task[None] | None = None
        self._accepted: socket.socket | None = None
        """Taken, and not in a task's hands yet."""
        self._made: Connection | None = None
        """Made, and not told to the session yet."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_retired = False

    @property
    def is_taking(self) -> bool:
        """A connection is being made, by us or with one that was accepted."""
        return self._making is not None

    def pump(self) -> None:
        """Do what the session asks for, write what it has, and set its timer."""
        self._do(lambda now: None)

    def _do(self, step: Callable[[float], None]) -> None:
        """Let the session take something in, and do what follows.

        A fault of ours ends the connection, and no more.
        """
        try:
            step(self._loop.time())
            while (event := self.session.next_event()) is not None:
                self._happened(event)
            self._write()
        except Exception:
            log.exception("peer %s: fault in its session, which ends", self._owner.config.name)
            self.abort()
            self.session.connection_lost("fault in our session", self._loop.time())
        self._arm()

    def _happened(self, event: Event) -> None:
        match event:
            case Dial():
                self._cancel()
                self._making = self._loop.create_task(self._dial())
            case Drop():
                self._drop()
            case _:
                self._owner.happened(self, event)

    def _write(self) -> None:
        while self.connection is not None and self.connection.can_write:
            data = self.session.data_to_send()
            if not data:
                return
            self.connection.write(data)
            self._owner.sent(self, data)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_at = self.session.get_timer()
        if due_at is not None and not self._is_retired:
            self._timer = self._loop.call_at(due_at, self._task.put, self._ticked)

    def _ticked(self) -> None:
        """Let the session see what is due; it may have been put off since."""
        if not self._is_retired:
            self._do(self.session.handle_timer)

    def retire(self) -> None:
        """Another leg is the peer's from now on: no more timers, no more tries."""
        self._is_retired = True
        self._cancel()
        self._arm()

    def abort(self) -> None:
        """End the connection, or the making of one, without a word."""
        self._cancel()
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()

    def _cancel(self) -> None:
        making, self._making = self._making, None
        if making is not None:
            making.cancel()
        made, self._made = self._made, None
        if made is not None:
            made.abort()
        accepted, self._accepted = self._accepted, None
        if accepted is not None:
            accepted.close()

    def _drop(self) -> None:
        self._cancel()
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.finish(self.session.data_to_send())

    def change_password(self, address: IPv4Address | IPv6Address) -> None:
        """Change the key of a running connection; retransmissions bridge the peer's own change.

        A peer may have ended the connection by its old key, which we did not hear, or may never
        change: octets that it does not take in time end the connection.
        """
        if self.connection is None:
            return
        tcp, config = self.connection.tcp, self._owner.config
        try:
            sockets.set_md5_key(tcp, address, config.password)
            sockets.set_user_timeout(tcp, KEY_SECONDS)
        except OSError as error:
            log.warning("peer %s: password not changed: %s", config.name, error)
            return
        self.session.say_alive()
        self.pump()
        self._loop.call_later(2 * KEY_SECONDS, _trust_again, tcp)

    # ------------------------------------------------------------ connections

    def take(self, tcp: socket.socket) -> None:
        """Take a connection that was accepted."""
        self._accepted = tcp
        self._making = self._loop.create_task(self._answer())

    async def _answer(self) -> None:
        tcp, self._accepted = self._accepted, None
        assert tcp is not None
        await self._connect(tcp, is_dialled=False)

    async def _dial(self) -> None:
        config, address = self._owner.config, self._owner.address
        assert address is not None
        try:
            tcp = sockets.dialling(config, address)
            try:
                where = sockets.scoped(address, config.port, config.interface)
                await self._loop.sock_connect(tcp, where)
            except BaseException:
                tcp.close()
                raise
        except OSError as error:
            self._failed(error)
            return
        await self._connect(tcp, is_dialled=True)

    async def _connect(self, tcp: socket.socket, *, is_dialled: bool) -> None:
        def made(connection: Connection) -> None:
            """Have the session told, before what the peer has said already."""
            if making is self._making:
                self._made = connection
                self._task.put(partial(self._take_connection, connection, ends, is_dialled))
            else:  # given up meanwhile, and has yet to hear of it
                connection.abort()

        connections, making = self._around.connections, asyncio.current_task()
        connection = Connection(tcp, self, made, connections.discard)
        try:
            ends = endpoints_of(tcp)
            connections.add(connection)
            await self._loop.create_connection(lambda: connection, sock=tcp)
        except BaseException as error:
            connection.abort()
            connections.discard(connection)
            tcp.close()
            if not isinstance(error, OSError):
                raise
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        making = asyncio.current_task()
        self._task.put(partial(self._take_failure, making, sockets.words(error)))

    def _take_failure(self, making: asyncio.Task[None] | None, why: str) -> None:
        if making is self._making:
            self._making = None
            self.lose(why)

    def _take_connection(self, connection: Connection, ends: Endpoints, is_dialled: bool) -> None:
        if connection is self._made:
            self.connection, self._made, self._making = connection, None, None
            self._do(partial(self.session.connection_made, ends, is_dialled=is_dialled))

    # ------------------------------------------------------------ what a connection brings

    def received(self, connection: Connection, data: bytes) -> None:
        """Octets have come."""
        self._task.put(partial(self._take_octets, connection, data))

    def _take_octets(self, connection: Connection, data: bytes) -> None:
        connection.taken()
        if connection is self.connection:
            self._do(partial(self.session.receive_data, data))

    def writable(self, connection: Connection) -> None:
        """All that was written has left."""
        self._task.put(self.pump)

    def lost(self, connection: Connection, why: str) -> None:
        """The connection has ended."""
        self._task.put(partial(self._take_loss, connection, why))

    def _take_loss(self, connection: Connection, why: str) -> None:
        if connection is self.connection:
            self.connection = None
            self.lose(why)

    def lose(self, why: str) -> None:
        """Count the connection as ended."""
        self._do(partial(self.session.connection_lost, why))


def _trust_again(tcp: socket.socket) -> None:
    """Let octets be unacknowledged for as long as usual; the connection may be gone."""
    with suppress(OSError):
        sockets.set_user_timeout(tcp, 0)
