"""The servers behind the Services of a lab: HTTP and a UDP echo in each pod, in one process.

    python -m metallb_lab.backends --socket PATH

Told by JSON lines over a unix socket, which is there as soon as it can be connected to:
{"pod": NAME, "node": NODE, "netns": NAMESPACE}; answered by "ok". From then on the pod answers HTTP
on port 8080 with who it is and who asked, and echoes UDP there, over IPv4 and IPv6. The sockets are
made inside the pods' namespaces, so the traffic is real.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
from pathlib import Path
from typing import cast

from metallb_lab import netns

PORT = 8080
SO_RCVBUFFORCE = 33
"""Not in Python's socket module."""
WAITING_BYTES = 4 << 20
"""Questions may wait while this process does not run: a busy machine is no lost request."""


async def _answer(
    name: str, node: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    peer = writer.get_extra_info("peername")[0]
    try:
        while line := await reader.readline():
            keep_alive = line.endswith(b"HTTP/1.1\r\n")
            while (header := await reader.readline()) not in (b"\r\n", b""):
                if header.lower().startswith(b"connection: close"):
                    keep_alive = False
            body = json.dumps({"pod": name, "node": node, "client": peer}).encode() + b"\n"
            connection = b"keep-alive" if keep_alive else b"close"
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: "
                + connection
                + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
                + body
            )
            await writer.drain()
            if not keep_alive:
                break
    except OSError:
        pass
    finally:
        writer.close()


class _Echo(asyncio.DatagramProtocol):
    def __init__(self, name: str) -> None:
        self._name = name.encode()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str | object, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(data + b" " + self._name, address)


async def serve_pod(name: str, node: str, namespace: str) -> None:
    """Begin to serve in a pod."""
    loop = asyncio.get_running_loop()
    for family, anywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        tcp = netns.make_socket(namespace, family, socket.SOCK_STREAM)
        udp = netns.make_socket(namespace, family, socket.SOCK_DGRAM)
        for item in (tcp, udp):
            item.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                item.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            item.setblocking(False)
            item.bind((anywhere, PORT))
        udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, WAITING_BYTES)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _answer(name, node, reader, writer)

        await asyncio.start_server(answer, sock=tcp, backlog=1024)
        await loop.create_datagram_endpoint(lambda: _Echo(name), sock=udp)


async def _listen(path: Path) -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                order = json.loads(line)
                await serve_pod(order["pod"], order["node"], order["netns"])
                writer.write(b"ok\n")
        finally:  # the Pythons before 3.11.4 leave it open after an exception
            writer.close()

    draft = path.with_suffix(".draft")
    server = await asyncio.start_unix_server(take, path=str(draft))
    draft.rename(path)  # whoever sees it can connect
    async with server:
        await server.serve_forever()


async def ask(path: Path, pod: str, node: str, namespace: str) -> None:
    """Ask a running backends process to serve a pod; returns when it does."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(json.dumps({"pod": pod, "node": node, "netns": namespace}).encode() + b"\n")
    answer = await reader.readline()
    writer.close()
    if answer != b"ok\n":
        raise RuntimeError(f"no backend in pod {pod}: {answer!r}")


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_listen(parser.parse_args().socket))


if __name__ == "__main__":
    main()
