"""Asking an HTTP health check whether all is well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterable

OK = 200


class HealthClient:
    """Asks health checks; each question is a connection of its own, as those of probes are."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, hosts: Iterable[str], port: int, path: str) -> str | None:
        """Ask the first of some addresses that answers; None: it says 200, else what is wrong."""
        wrong = "no address to ask"
        for host in hosts:
            url = f"http://[{host}]:{port}{path}" if ":" in host else f"http://{host}:{port}{path}"
            try:
                return await self._ask(url)
            except TimeoutError:
                wrong = "does not answer"
            except (aiohttp.ClientConnectorError, OSError):
                wrong = "refuses connections"
            except aiohttp.ClientError as error:
                wrong = f"answers what is no HTTP: {error}"
        return wrong

    async def _ask(self, url: str) -> str | None:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        async with self._session.get(url, allow_redirects=False) as response:
            return None if response.status == OK else f"says {response.status}"
