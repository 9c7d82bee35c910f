"""A certificate for loopback, made once, and what a client sees of a server's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from metallb.tls.certificates import make_pair

if TYPE_CHECKING:
    from pathlib import Path

    from metallb.domain.webhook_certificate import TlsPair

HOST = "127.0.0.1"
NAMES = ["localhost", HOST]
PAIR = make_pair(NAMES, datetime.now(UTC), "")


def write_pair(directory: Path, pair: TlsPair) -> None:
    """Put a pair into a directory, replacing what is there, file by file."""
    for name, text in (("tls.crt", pair.crt), ("tls.key", pair.key), ("ca.crt", pair.ca)):
        new = directory / f".{name}"
        new.write_text(text)
        os.replace(new, directory / name)


async def trusts(bundle: str, context: ssl.SSLContext) -> bool:
    """Tell whether a client that trusts a bundle accepts what a context serves with."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(talk, HOST, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        client = ssl.create_default_context(cadata=bundle)
        _reader, writer = await asyncio.open_connection(HOST, port, ssl=client)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True
    except ssl.SSLError:
        return False
    finally:
        server.close()
        await server.wait_closed()
