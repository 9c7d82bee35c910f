"""The servers behind the Services: HTTP that tells who is asked and who asks, and a UDP echo."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from metallb_lab import backends, netns, probes
from metallb_lab.instance import Instance
from metallb_lab.probes import HttpAnswer
from metallb_lab.processes import Process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.netns

DEADLINE_SECONDS = 20.0
HERE, HERE6 = "127.0.0.1", "::1"


@pytest_asyncio.fixture
async def lab() -> AsyncIterator[Instance]:
    """A lab with two namespaces and running backends."""
    with Instance() as made:
        for name in ("one", "two"):
            netns.run("ip", "netns", "add", made.namespace(name))
            netns.run("ip", "-n", made.namespace(name), "link", "set", "lo", "up")
        command = [sys.executable, "-m", "metallb_lab.backends", "--socket", str(path_of(made))]
        process = Process(made, "backends", command)
        await process.start()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not path_of(made).exists():
                await asyncio.sleep(0.01)
        yield made
        await process.kill()


def path_of(lab: Instance) -> Path:
    return lab.directory / "backends.sock"


async def serve(lab: Instance) -> None:
    for name in ("one", "two"):
        await backends.ask(path_of(lab), f"web-{name}", "n1", lab.namespace(name))


async def test_each_pod_answers_for_itself_in_both_families(lab: Instance) -> None:
    await serve(lab)
    for name in ("one", "two"):
        for address in (HERE, HERE6):
            answer = await asyncio.to_thread(
                probes.http_get, lab.namespace(name), address, backends.PORT, DEADLINE_SECONDS
            )
            assert answer == HttpAnswer(f"web-{name}", "n1", address)


async def test_udp_comes_back_with_the_name(lab: Instance) -> None:
    await serve(lab)
    for name in ("one", "two"):
        with netns.make_socket(lab.namespace(name), socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(DEADLINE_SECONDS)
            udp.sendto(b"17", (HERE, backends.PORT))
            assert udp.recv(64) == f"17 web-{name}".encode()


@pytest.mark.parametrize(
    ("request_line", "headers", "answers"),
    [
        (b"GET / HTTP/1.1", b"", 2),
        (b"GET / HTTP/1.1", b"Connection: close\r\n", 1),
        (b"GET / HTTP/1.0", b"", 1),
    ],
)
async def test_connections_are_kept_as_http_says(
    lab: Instance, request_line: bytes, headers: bytes, answers: int
) -> None:
    await serve(lab)
    tcp = netns.make_socket(lab.namespace("one"), socket.AF_INET, socket.SOCK_STREAM)
    tcp.setblocking(False)
    await asyncio.get_running_loop().sock_connect(tcp, (HERE, backends.PORT))
    reader, writer = await asyncio.open_connection(sock=tcp)
    one = request_line + b"\r\nHost: x\r\n" + headers + b"\r\n"
    writer.write(one + one)
    writer.write_eof()
    async with asyncio.timeout(DEADLINE_SECONDS):
        data = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert data.count(b"HTTP/1.1 200 OK") == answers
    assert data.count(b'"pod": "web-one"') == answers


async def test_a_pod_without_a_namespace_is_refused_and_the_others_serve(lab: Instance) -> None:
    with pytest.raises(RuntimeError, match="no backend in pod web-none"):
        await backends.ask(path_of(lab), "web-none", "n1", "mlab-nowhere")
    await serve(lab)
    answer = await asyncio.to_thread(
        probes.http_get, lab.namespace("two"), HERE, backends.PORT, DEADLINE_SECONDS
    )
    assert answer.pod == "web-two"
