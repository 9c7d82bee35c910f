"""Waits until this node's kube-proxy has rules for the endpoints of VIPs (`externalTrafficPolicy:
Local`), before the node announces them.

kube-proxy, or what stands in for it, serves `/healthz` at the `healthCheckNodePort` of each Service
with this policy: 200 when it has given the kernel rules for endpoints of this node, 503 while there
are none. It listens on all addresses, or on those of the node alone (`nodePortAddresses`), so the
loopback is asked first, then the addresses of the Node. Rules for IPv4 and for IPv6 are made by two
halves of kube-proxy, each at its own pace; the half of a family listens on the node's addresses of
this family, so a VIP is asked for at addresses of its own.

Limits: nobody waits for ever. A node without kube-proxy, or whose proxy has no such server, refuses
connections, and so does a kube-proxy that has just started or has not heard of the Service yet;
they cannot be told apart, so both are waited for equally long, and then the VIP is announced and it
is logged why that took so long. A kube-proxy that listens on all addresses has one listener, of the
half that was first, and nobody tells which: the other half may be a moment later. What kube-proxy
says may be of a moment ago: rules for a pod that was here before count too.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from metallb.runtime.health import HealthClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from metallb.net.addresses import IPAddress

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
SHORTEST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.25
ANSWER_SECONDS = 0.5
"""How long kube-proxy has for an answer; it is asked again after that."""
AT_ONCE = 16
"""So many questions are under way at once."""

log = logging.getLogger(__name__)


def pauses() -> Iterator[float]:
    """Give the pauses between questions about one VIP, in seconds: longer and longer."""
    pause = SHORTEST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)


class KubeProxy:
    """Asks for VIPs that wait.

    `hosts` gives the addresses of this node; `on_rules` is told of each VIP that need not wait any
    more: kube-proxy has rules for it, or `limit_seconds` have passed.
    """

    def __init__(
        self,
        limit_seconds: float,
        hosts: Callable[[], Sequence[IPAddress]],
        on_rules: Callable[[IPAddress], None],
    ) -> None:
        self._limit_seconds = limit_seconds
        self._hosts = hosts
        self._on_rules = on_rules
        self._client = HealthClient(ANSWER_SECONDS)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting: dict[IPAddress, tuple[tuple[int, ...], asyncio.Task[None]]] = {}

    def follow(self, held: Mapping[IPAddress, tuple[int, ...]]) -> None:
        """Take in which VIPs wait, and the ports to ask at for each."""
        for address, (ports, task) in list(self._waiting.items()):
            if held.get(address) != ports:
                task.cancel()
                del self._waiting[address]
        for address, ports in held.items():
            if address not in self._waiting:
                work = self._wait(address, ports)
                task = asyncio.create_task(work, name=f"kube-proxy-{address}")
                self._waiting[address] = ports, task

    async def settled(self) -> None:
        """Wait until none of those that wait now does any more."""
        if tasks := [task for _, task in self._waiting.values()]:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Ask no more."""
        tasks = [task for _, task in self._waiting.values()]
        self._waiting.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

    async def _wait(self, address: IPAddress, ports: tuple[int, ...]) -> None:
        missing = dict.fromkeys(ports, "was not asked")
        try:
            async with asyncio.timeout(self._limit_seconds):
                await self._ask_until_all_is_well(missing, address.version)
        except TimeoutError:
            port, wrong = next(iter(missing.items()))
            log.warning(
                "%s is announced before kube-proxy said that it has rules for it: port %d %s",
                *(address, port, wrong),
            )
        del self._waiting[address]
        self._on_rules(address)

    async def _ask_until_all_is_well(self, missing: dict[int, str], version: int) -> None:
        """Ask at the ports again and again; those where all is well are taken out of `missing`."""
        for pause in pauses():
            for port in tuple(missing):
                async with self._turns:
                    ours = (str(item) for item in self._hosts() if item.version == version)
                    hosts = (LOOPBACK[version], *ours)
                    wrong = await self._client.ask(hosts, port, "/healthz")
                if wrong is None:
                    del missing[port]
                else:
                    missing[port] = wrong
            if not missing:
                return
            await asyncio.sleep(pause)
