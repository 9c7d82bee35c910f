"""``python -m metallb_lab.apiserver``: the embedded API server as a process of its own.

Listens on ``--listen`` addresses and on inherited sockets (``--fd``), then tells that it is
ready: a byte on ``--ready-fd``, or the line ``ready URL`` on standard output. Ends on SIGTERM and
SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import socket
from pathlib import Path

from metallb_lab.apiserver.auth import Authenticator
from metallb_lab.apiserver.server import ApiServer, make_tls_dir
from metallb_lab.apiserver.store import HISTORY_LIMIT
from metallb_lab.apiserver.watching import BOOKMARK_SECONDS


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(prog="metallb_lab.apiserver", description=__doc__)
    options.add_argument("--listen", action="append", default=[], metavar="HOST:PORT")
    options.add_argument("--fd", action="append", default=[], type=int, metavar="N")
    options.add_argument("--tls-dir", type=Path, help="ca.pem, cert.pem, key.pem; made if missing")
    options.add_argument("--token-file", type=Path, help='token,user,uid,"group,group" a line')
    options.add_argument("--ready-fd", type=int, metavar="N")
    options.add_argument("--service-cidr", action="append", default=[], metavar="CIDR")
    options.add_argument("--history-limit", type=int, default=HISTORY_LIMIT)
    options.add_argument("--bookmark-seconds", type=float, default=BOOKMARK_SECONDS)
    return options


def split_address(text: str) -> tuple[str, int]:
    """``127.0.0.1:6443`` or ``[::1]:6443``."""
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


async def serve(options: argparse.Namespace) -> None:
    """Until a signal comes."""
    listens = [split_address(text) for text in options.listen]
    auth = Authenticator()
    if options.token_file:
        auth.load(options.token_file)
    if options.tls_dir:
        make_tls_dir(options.tls_dir, [host for host, _ in listens])
    more = {"service_cidrs": tuple(options.service_cidr)} if options.service_cidr else {}
    server = ApiServer(
        auth=auth,
        history_limit=options.history_limit,
        bookmark_seconds=options.bookmark_seconds,
        tls_dir=options.tls_dir,
        **more,
    )
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    for host, port in listens or ([] if options.fd else [("127.0.0.1", 0)]):
        await server.listen(host, port)
    for fd in options.fd:
        await server.listen_on(socket.socket(fileno=fd))
    tell_ready(server, options.ready_fd)
    gc.freeze()
    await over.wait()
    await server.stop()


def tell_ready(server: ApiServer, fd: int | None) -> None:
    """Tells whoever started us."""
    if fd is None:
        print(f"ready {server.url}", flush=True)
    else:
        os.write(fd, b"1")
        os.close(fd)


def main() -> None:
    """The command."""
    options = parser().parse_args()
    gc.set_threshold(50_000, 50, 50)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            import uvloop
        except ImportError:
            asyncio.run(serve(options))
        else:
            uvloop.run(serve(options))


if __name__ == "__main__":
    main()
