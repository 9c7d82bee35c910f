"""Probes: how one is made, and what comes of their results.

`Verdict` is pure: it counts results in a row against the thresholds. A probe over the network is
made from the node, as a kubelet does, with sockets in the node's namespace.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from metallb_lab import netns

if TYPE_CHECKING:
    from metallb_lab.pods.model import ContainerSpec, ProbeSpec
    from metallb_lab.pods.runc import Container


@dataclass(slots=True)
class Verdict:
    """What a probe says so far; None: nothing yet."""

    spec: ProbeSpec
    holds: bool | None = None
    reason: str = ""
    _in_a_row: int = 0
    _last: bool | None = None

    def take(self, is_good: bool, reason: str = "") -> bool:
        """Take in a result; tell whether the verdict is another now."""
        self._in_a_row = self._in_a_row + 1 if is_good == self._last else 1
        self._last = is_good
        spec = self.spec
        enough = spec.success_threshold if is_good else spec.failure_threshold
        if self._in_a_row < enough or self.holds == is_good:
            return False
        self.holds, self.reason = is_good, reason
        return True


def port_of(spec: ProbeSpec, container: ContainerSpec) -> int:
    """Give the number of a probe's port, which may be named; raises ValueError."""
    if isinstance(spec.port, int):
        return spec.port
    named = dict(container.ports)
    if spec.port not in named:
        raise ValueError(f"container {container.name} has no port {spec.port!r}")
    return named[str(spec.port)]


class Prober:
    """Makes the probes of one container."""

    def __init__(
        self, namespace: str, address: str, container: ContainerSpec, running: Container
    ) -> None:
        self._namespace = namespace
        self._address = address
        self._container = container
        self._running = running

    async def probe(self, spec: ProbeSpec) -> tuple[bool, str]:
        """Make one probe; tells whether it was good, and why not."""
        try:
            async with asyncio.timeout(spec.timeout_seconds):
                if spec.command:
                    return await self._execute(spec)
                if not spec.scheme:
                    return await self._connect(spec)
                return await self._get(spec)
        except TimeoutError:
            return False, f"no answer in {spec.timeout_seconds} s"
        except (OSError, ValueError, aiohttp.ClientError) as error:
            return False, str(error)

    async def _execute(self, spec: ProbeSpec) -> tuple[bool, str]:
        code, said = await self._running.execute(spec.command, spec.timeout_seconds)
        return code == 0, said.strip()

    async def _connect(self, spec: ProbeSpec) -> tuple[bool, str]:
        tcp = netns.make_socket(self._namespace, socket.AF_INET, socket.SOCK_STREAM)
        try:
            tcp.setblocking(False)
            target = (spec.host or self._address, port_of(spec, self._container))
            await asyncio.get_running_loop().sock_connect(tcp, target)
        finally:
            tcp.close()
        return True, ""

    async def _get(self, spec: ProbeSpec) -> tuple[bool, str]:
        host, port = spec.host or self._address, port_of(spec, self._container)
        url = f"{spec.scheme.lower()}://{host}:{port}{spec.path}"
        connector = aiohttp.TCPConnector(
            ssl=_anybody(), force_close=True, socket_factory=self._make_socket
        )
        headers = {"User-Agent": "kube-probe/1.35", **dict(spec.headers)}
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            body = await answer.content.read(200)
        is_good = 200 <= answer.status < 400
        return is_good, f"{answer.status} {body.decode(errors='replace').strip()}"

    def _make_socket(self, info: Any) -> socket.socket:
        made = netns.make_socket(self._namespace, info[0], info[1], info[2])
        made.setblocking(False)
        return made


def _anybody() -> ssl.SSLContext:
    """A probe believes every certificate, as a kubelet's does."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
