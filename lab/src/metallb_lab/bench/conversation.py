"""A process that is told a line of JSON and answers with one.

The measuring processes of the benchmarks (the asker of ARP, the bare clients) run apart from the
benchmark itself, so that its work does not disturb their clocks, and some of them in a namespace.
CLOCK_MONOTONIC is the same in all processes of a machine, so their times can be compared.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Self

from metallb_lab.bench.benchmark import BenchmarkError

LINE_BYTES = 1 << 20


class Conversation:
    """Runs a module of ours; use as an async context manager. It dies with this process."""

    def __init__(self, module: str, *arguments: str, namespace: str | None = None) -> None:
        inside = ("ip", "netns", "exec", namespace) if namespace else ()
        self._name = module
        self._command = (
            *inside,
            *("setpriv", "--pdeathsig", "KILL", "--"),
            *(sys.executable, "-m", module, *arguments),
        )
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._running.returncode is None:
            self._running.kill()
        await self._running.communicate()

    @property
    def pid(self) -> int:
        """Pid of the process."""
        return self._running.pid

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError(f"{self._name} was never started")
        return self._process

    def tell(self, **order: Any) -> None:
        """Say something."""
        assert self._running.stdin is not None
        self._running.stdin.write(json.dumps(order).encode() + b"\n")

    async def hear(self, seconds: float) -> dict[str, Any]:
        """Wait for the next thing it says; raises BenchmarkError when it does not, or ends."""
        assert self._running.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                line = await self._running.stdout.readline()
        except TimeoutError:
            raise BenchmarkError(f"{self._name} said nothing for {seconds} s") from None
        if not line:
            code = await self._running.wait()
            raise BenchmarkError(f"{self._name} ended with exit code {code}")
        said = json.loads(line)
        if not isinstance(said, dict):
            raise BenchmarkError(f"{self._name} said {said!r}")
        return said

    async def ask(self, seconds: float, /, **order: Any) -> dict[str, Any]:
        """Say something and wait for the answer."""
        self.tell(**order)
        return await self.hear(seconds)


def say(**value: Any) -> None:
    """Say something, from within such a process."""
    print(json.dumps(value), flush=True)
