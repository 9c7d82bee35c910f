"""A relay from the machine's loopback into a namespace, so that kubectl reaches a lab's API
server.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from metallb_lab import netns

CHUNK_BYTES = 65_536


class Relay:
    """Listens on 127.0.0.1 and passes connections on to an address inside a namespace."""

    def __init__(self, namespace: str, address: str, port: int) -> None:
        self._namespace = namespace
        self._target = (address, port)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port on loopback."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Begin to listen, on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Stop listening and drop what is connected."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = netns.make_socket(self._namespace, socket.AF_INET, socket.SOCK_STREAM)
        upstream.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(upstream, self._target)
        except OSError:
            upstream.close()
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(sock=upstream)
        for one, other in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(_pass_on(one, other))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()
