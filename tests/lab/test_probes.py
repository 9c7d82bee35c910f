"""What a client sees of an address: replies, gaps, answers over HTTP, neighbours."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from metallb_lab import netns, probes
from metallb_lab.flows import FLOWS, Pace
from metallb_lab.instance import Instance
from metallb_lab.probes import Prober

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.netns

DEADLINE_SECONDS = 20.0
INTERVAL_SECONDS = 0.002
HERE, HERE6 = "127.0.0.1", "::1"


class Echo:
    """A UDP echo that can be deaf for a while, and counts what it did not answer."""

    def __init__(self, namespace: str, family: socket.AddressFamily, address: str) -> None:
        self._socket = netns.make_socket(namespace, family, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        self.is_deaf = False
        self.deaf_to: set[object] = set()
        self.name = b" web"
        self.answered = self.unanswered = 0
        self.askers: set[object] = set()
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def _receive(self) -> None:
        data, asker = self._socket.recvfrom(64)
        self.askers.add(asker)
        if self.is_deaf or asker in self.deaf_to:
            self.unanswered += 1
        else:
            self.answered += 1
            self._socket.sendto(data + self.name, asker)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_answered(self, count: int) -> None:
        await self.until(lambda: self.answered >= count)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


@pytest_asyncio.fixture
async def namespace() -> AsyncIterator[str]:
    with Instance() as lab:
        name = lab.namespace("x")
        netns.run("ip", "netns", "add", name)
        netns.run("ip", "-n", name, "link", "set", "lo", "up")
        yield name


async def test_every_question_is_counted(namespace: str) -> None:
    both = [
        (Echo(namespace, socket.AF_INET, HERE), HERE),
        (Echo(namespace, socket.AF_INET6, HERE6), HERE6),
    ]
    prober = Prober(
        sys.executable, namespace, [(address, echo.port) for echo, address in both],
        INTERVAL_SECONDS,
    )  # fmt: skip
    await prober.start()
    for echo, _ in both:
        await echo.until_answered(100)
    results = await prober.stop()
    for echo, address in both:
        assert results[address].sent == results[address].received >= 100
        assert len(echo.askers) == FLOWS  # as many flows, taking turns
        echo.close()


async def test_each_flow_is_told_apart(namespace: str) -> None:
    echo = Echo(namespace, socket.AF_INET, HERE)
    pace = Pace(INTERVAL_SECONDS, flows=3, burst=3, first_port=40_000)
    prober = Prober(sys.executable, namespace, [(HERE, echo.port)], pace)
    await prober.start()
    await echo.until_answered(30)
    echo.deaf_to = {(HERE, 40_001)}
    await echo.until(lambda: echo.unanswered >= 10)
    echo.name = b" other"
    await echo.until_answered(echo.answered + 30)
    found = (await prober.stop())[HERE]
    assert echo.askers == {(HERE, 40_000), (HERE, 40_001), (HERE, 40_002)}
    assert [flow.pods for flow in found.flows] == [("web", "other"), ("web",), ("web", "other")]
    assert [flow.sent - flow.received for flow in found.flows] == [0, echo.unanswered, 0]
    assert sum(flow.sent for flow in found.flows) == found.sent
    longest = [flow.longest.milliseconds for flow in found.flows]
    assert longest[1] == max(longest) > found.longest.milliseconds
    echo.close()


async def test_a_silence_is_the_longest_gap(namespace: str) -> None:
    echo = Echo(namespace, socket.AF_INET, HERE)
    prober = Prober(sys.executable, namespace, [(HERE, echo.port)], INTERVAL_SECONDS)
    await prober.start()
    await echo.until(lambda: echo.answered >= 20)
    echo.is_deaf = True
    began_at = asyncio.get_running_loop().time()
    await echo.until(lambda: echo.unanswered >= 200)
    silent_seconds = asyncio.get_running_loop().time() - began_at
    echo.is_deaf = False
    so_far = echo.answered
    await echo.until(lambda: echo.answered >= so_far + 20)
    result = (await prober.stop())[HERE]
    assert result.sent - result.received == echo.unanswered
    assert result.longest.milliseconds >= 200 * INTERVAL_SECONDS * 1000 * 0.5
    # it began at the last answer before, on the clock that all processes share
    assert result.longest.began_at <= began_at + 0.5
    assert result.longest.milliseconds >= silent_seconds * 1000 * 0.5
    echo.close()


async def test_a_silence_that_lasts_till_the_end_counts(namespace: str) -> None:
    echo = Echo(namespace, socket.AF_INET, HERE)
    prober = Prober(sys.executable, namespace, [(HERE, echo.port)], INTERVAL_SECONDS)
    await prober.start()
    await echo.until(lambda: echo.answered >= 20)
    echo.is_deaf = True
    await echo.until(lambda: echo.unanswered >= 200)
    result = (await prober.stop())[HERE]
    assert result.received == echo.answered
    assert result.longest.milliseconds >= 200 * INTERVAL_SECONDS * 1000 * 0.5
    echo.close()


async def test_nobody_there_is_no_error(namespace: str) -> None:
    prober = Prober(sys.executable, namespace, [(HERE, 9), (HERE6, 9)], INTERVAL_SECONDS)
    await prober.start()
    results = await prober.stop()
    assert {result.received for result in results.values()} == {0}
    assert set(results) == {HERE, HERE6}


async def test_a_prober_that_cannot_start_says_so() -> None:
    prober = Prober(sys.executable, "mlab-nowhere", [(HERE, 9)], INTERVAL_SECONDS)
    with pytest.raises(RuntimeError, match="did not start"):
        await prober.start()


def test_http_without_an_answer_raises() -> None:
    with Instance() as lab:
        name = lab.namespace("x")
        netns.run("ip", "netns", "add", name)
        netns.run("ip", "-n", name, "link", "set", "lo", "up")
        with pytest.raises(ConnectionRefusedError):
            probes.http_get(name, HERE, 80, 1)


async def test_neighbours_are_read_from_the_kernel(namespace: str) -> None:
    netns.run("ip", "-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    netns.run("ip", "-n", namespace, "link", "set", "eth0", "up")
    assert probes.neighbour(namespace, "10.9.9.9") == ""
    for address in ("10.9.9.9", "fd99::9"):
        netns.run("ip", "-n", namespace, "neigh", "add", address, "lladdr", "02:00:00:00:00:09",
                  "dev", "eth0")  # fmt: skip
        assert probes.neighbour(namespace, address) == "02:00:00:00:00:09"
