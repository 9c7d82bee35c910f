"""The control socket from both ends: reflex listens, policy calls again and again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from metallb_speaker.control import decode, encode
from metallb_speaker.reflex import server
from metallb_speaker.reflex.server import ControlServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from metallb_speaker.control import Line

DEADLINE_SECONDS = 20.0


class Reflex:
    """The end that listens, and what it is told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.portions: list[list[Line]] = []
        self.server = ControlServer(path, self.greet, self.take)
        self.came = asyncio.Event()
        self.calls: list[asyncio.StreamWriter] = []

    def has_policy(self) -> bool:
        return self.server.is_connected

    def greet(self) -> None:
        self.server.say({"do": "hello"})

    def take(self, lines: list[Line]) -> None:
        self.portions.append(lines)
        self.came.set()
        if lines[-1]["do"] == "bad":
            raise ValueError("what was that?")

    async def call(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Call as policy does; returns when it was greeted."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        self.calls.append(writer)
        assert decode(await reader.readline()) == {"do": "hello"}
        return reader, writer


@pytest.fixture
async def reflex(tmp_path: Path) -> AsyncIterator[Reflex]:
    made = Reflex(tmp_path / "run" / "reflex.sock")
    await made.server.start()
    yield made
    for writer in made.calls:
        writer.close()
    await made.server.stop()


@pytest.fixture(autouse=True)
async def _deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE_SECONDS):
        yield


async def test_only_we_may_call(reflex: Reflex) -> None:
    assert stat.S_IMODE(reflex.path.stat().st_mode) == 0o600


async def test_a_socket_left_by_an_earlier_run_is_replaced(reflex: Reflex) -> None:
    other = ControlServer(reflex.path, lambda: None, lambda _: None)
    await other.start()
    await other.stop()
    assert not reflex.path.exists()


async def test_lines_go_both_ways(reflex: Reflex) -> None:
    assert not reflex.has_policy()
    reflex.server.say({"do": "nobody hears this"})
    reader, writer = await reflex.call()
    assert reflex.has_policy()
    writer.write(encode({"do": "one"}) + encode({"do": "two"})[:5])
    await reflex.came.wait()
    assert reflex.portions == [[{"do": "one"}]]
    reflex.came.clear()
    writer.write(encode({"do": "two"})[5:])
    await reflex.came.wait()
    assert reflex.portions[1:] == [[{"do": "two"}]]
    reflex.server.say({"do": "three"})
    assert decode(await reader.readline()) == {"do": "three"}


async def test_a_whole_table_is_taken_in_portions(reflex: Reflex) -> None:
    _, writer = await reflex.call()
    count = 3 * server.LINES_PER_TURN + 1
    writer.write(b"".join(encode({"do": "vip", "number": number}) for number in range(count)))
    while sum(map(len, reflex.portions)) < count:
        reflex.came.clear()
        await reflex.came.wait()
    assert max(map(len, reflex.portions)) == server.LINES_PER_TURN
    assert [line["number"] for lines in reflex.portions for line in lines] == list(range(count))


async def test_a_new_call_replaces_the_old_one(reflex: Reflex) -> None:
    first, _ = await reflex.call()
    second, _ = await reflex.call()
    assert await first.read() == b""
    reflex.server.say({"do": "still there"})
    assert decode(await second.readline()) == {"do": "still there"}


@pytest.mark.parametrize("data", [b"junk\n", b"[]\n", b"{}\n", encode({"do": "bad"})])
async def test_a_line_that_cannot_be_read_ends_the_call_and_nothing_else(
    reflex: Reflex, data: bytes
) -> None:
    reader, writer = await reflex.call()
    writer.write(data)
    assert await reader.read() == b""
    await reflex.call()


async def test_a_line_without_end_is_given_up(
    reflex: Reflex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LINE_BYTES_LIMIT", 100)
    reader, writer = await reflex.call()
    writer.write(b"x" * 200)
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""


async def test_one_that_does_not_read_is_given_up(
    reflex: Reflex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "UNREAD_BYTES_LIMIT", 1000)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(reflex.path))
        while not reflex.has_policy():
            await asyncio.sleep(0)
        while reflex.has_policy():
            reflex.server.say({"do": "news", "text": "x" * 100_000})
        await reflex.call()


async def test_the_end_is_an_end_for_policy_too(reflex: Reflex) -> None:
    reader, _ = await reflex.call()
    await reflex.server.stop()
    assert await reader.read() == b""
