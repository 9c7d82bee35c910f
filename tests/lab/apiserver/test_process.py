"""The embedded API server as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

READY_SECONDS = 10.0


def fetch(url: str, token: str = "", context: ssl.SSLContext | None = None) -> object:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:
        return json.loads(answer.read())


async def start(*words: str, **options: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *(sys.executable, "-m", "metallb_lab.apiserver", *words),
        stdout=asyncio.subprocess.PIPE,
        **options,  # type: ignore[arg-type]
    )


async def ready_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(READY_SECONDS):
        word, url = (await process.stdout.readline()).decode().split()
    assert word == "ready"
    return url


async def test_it_listens_says_so_and_goes_when_told() -> None:
    process = await start()
    url = await ready_line(process)
    version = await asyncio.to_thread(fetch, f"{url}/version")
    assert version["gitVersion"] == "v1.35.4+lab"  # type: ignore[index]
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        assert await process.wait() == 0


async def test_tls_tokens_and_two_addresses(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.csv"
    tokens.write_text('secret,admin,admin,"system:masters"\n')
    process = await start(
        "--listen", "127.0.0.1:0", "--listen", "127.0.0.3:0",
        f"--tls-dir={tmp_path / 'tls'}", f"--token-file={tokens}",
    )  # fmt: skip
    url = await ready_line(process)
    assert url.startswith("https://127.0.0.1:")
    context = ssl.create_default_context(cafile=str(tmp_path / "tls" / "ca.pem"))
    found = await asyncio.to_thread(fetch, f"{url}/api/v1/namespaces", "secret", context)
    assert len(found["items"]) == 4  # type: ignore[index]
    assert (tmp_path / "tls" / "key.pem").stat().st_mode & 0o077 == 0
    process.terminate()
    assert await process.wait() == 0


async def test_inherited_sockets_and_a_ready_descriptor() -> None:
    """As the lab uses it: sockets made elsewhere, readiness told on a pipe."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        port = listener.getsockname()[1]
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        process = await start(
            f"--fd={listener.fileno()}", f"--ready-fd={writing}",
            pass_fds=(listener.fileno(), writing),
        )  # fmt: skip
        os.close(writing)
        async with asyncio.timeout(READY_SECONDS):
            told = await asyncio.to_thread(os.read, reading, 1)
        os.close(reading)
        assert told == b"1"
    found = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/api/v1/namespaces")
    assert len(found["items"]) == 4  # type: ignore[index]
    process.terminate()
    assert await process.wait() == 0


async def test_it_dies_with_its_parent() -> None:
    code = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL', '--', sys.executable, '-m',"
        " 'metallb_lab.apiserver'], stdout=subprocess.PIPE)\n"
        "print(p.stdout.readline().decode(), end='', flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    url = await ready_line(parent)
    host, port = url.removeprefix("http://").split(":")
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                await writer.wait_closed()
            except ConnectionRefusedError:
                break
            except ConnectionResetError:
                continue
