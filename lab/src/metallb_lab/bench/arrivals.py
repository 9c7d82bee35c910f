"""When Services get their addresses, as a watch of the same server shows it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING

from metallb.kube.reflector import Reflector
from metallb_lab import objects
from metallb_lab.bench.benchmark import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from metallb.kube.client import ApiClient, JsonObject
    from metallb.kube.reflector import Key

DONE_SECONDS = 900.0


class Arrivals:
    """Watches Services until each has an address."""

    def __init__(self, client: ApiClient, wanted: int) -> None:
        self._wanted = wanted
        self._with_address = 0
        self._mirror: Reflector[str] = Reflector(
            client, objects.SERVICES, _address, self._on_change, chance=random.random
        )
        self.first_at = 0.0
        self.complete_at = 0.0
        self.complete = asyncio.Event()

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch for the time of the context; Services that are there already are seen first."""
        task = asyncio.create_task(self._mirror.run())
        try:
            await self._mirror.synced.wait()
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _on_change(self, key: Key, old: str | None, new: str | None) -> None:
        self._with_address += bool(new) - bool(old)
        if new and not self.first_at:
            self.first_at = time.monotonic()
        if self._with_address == self._wanted and not self.complete.is_set():
            self.complete_at = time.monotonic()
            self.complete.set()

    async def wait(self, say: Callable[[str], None]) -> None:
        """Wait until all have one; raises BenchmarkError."""
        ends_at = time.monotonic() + DONE_SECONDS
        while not self.complete.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self.complete.wait()
            if not self.complete.is_set():
                say(f"{self._with_address} of {self._wanted} have an address")
                if time.monotonic() > ends_at:
                    raise BenchmarkError(f"not all have an address after {DONE_SECONDS} s")

    def check(self) -> None:
        """See that no address was given twice; raises BenchmarkError."""
        found = [address for address in self._mirror if address]
        if len(set(found)) != len(found):
            raise BenchmarkError("an address was given twice")


def _address(service: JsonObject) -> str:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress")
    return ingress[0]["ip"] if ingress else ""
