"""The connections to one API server: opened when first needed, kept alive, shared by clients.

A write that its sender has given up may still lie in the kernel, which would send it as soon as
the network lets it, perhaps when somebody else leads. `unacknowledged_seconds` is when the kernel
gives it up too, and the connection with it (TCP_USER_TIMEOUT, RFC 5482).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from metallb.kube.config import Connection

AddressInfo = tuple[Any, ...]
"""One item of what `socket.getaddrinfo` gives."""

SocketFactory = Callable[[AddressInfo], socket.socket]

KEEPALIVE_SECONDS = 60.0
"""Idle connections are closed after this; an API server closes them after 90 s."""


class ConnectionPool:
    """At most `max_connections` connections; more requests than that wait for one."""

    def __init__(
        self,
        connection: Connection,
        user_agent: str,
        max_connections: int,
        unacknowledged_seconds: float | None,
        socket_factory: SocketFactory | None,
    ) -> None:
        self._connection = connection
        self._user_agent = user_agent
        self._max_connections = max_connections
        self._unacknowledged_seconds = unacknowledged_seconds
        self._socket_factory = socket_factory or _make_socket
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        """Give the session that sends requests over these connections."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections,
                    ssl=self._connection.tls or True,
                    keepalive_timeout=KEEPALIVE_SECONDS,
                    socket_factory=self.open_socket,
                ),
                headers={
                    "User-Agent": self._user_agent,
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                },
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def open_socket(self, info: AddressInfo) -> socket.socket:
        """Make a socket for a connection."""
        made = self._socket_factory(info)
        if self._unacknowledged_seconds is not None:
            milliseconds = max(1, int(self._unacknowledged_seconds * 1000))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        return made

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _make_socket(info: AddressInfo) -> socket.socket:
    family, kind, protocol = info[:3]
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made
