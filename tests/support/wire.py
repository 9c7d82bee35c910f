"""What is said about addresses on a link: questions sent, claims heard, decoded by scapy.

A `Wire` is a raw socket on a host's interface. A *claim* is any frame that says which MAC has an
address: an ARP reply, gratuitous ARP, a neighbour advertisement. Silence is proved by order, not
by time: a speaker answers frames in the order in which they come, so once it has answered a later
question it will not answer an earlier one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Self

from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether

from metallb_lab import netns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metallb_lab.topology import Host

ETH_P_ALL = 3
ARP_REPLY = 2
FRAME_BYTES = 2048
ASK_AGAIN_SECONDS = 2.0
_ARP, _IPV6 = b"\x08\x06", b"\x86\xdd"
_ICMPV6, _ADVERTISEMENT = 58, 136
_BROADCAST = "ff:ff:ff:ff:ff:ff"


@dataclass(frozen=True, slots=True)
class Claim:
    """A frame that says that a MAC has an address; `is_answer` when it was sent to us."""

    address: str
    mac: str
    is_answer: bool
    frame: Any


class Wire:
    """A host's view of its link; use as an async context manager."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._mac = host.mac()
        self._changed = asyncio.Event()
        self.claims: list[Claim] = []

    async def __aenter__(self) -> Self:
        self._raw = netns.make_socket(
            self._host.namespace, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)
        )
        self._raw.setblocking(False)
        self._raw.bind(("eth0", ETH_P_ALL))
        asyncio.get_running_loop().add_reader(self._raw, self._receive)
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._raw)
        self._raw.close()

    # -- hearing -----------------------------------------------------------------------------------

    def _receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, where = self._raw.recvfrom(FRAME_BYTES)
                if where[2] == socket.PACKET_OUTGOING:
                    continue
                claim = self._read(data)
                if claim is not None:
                    self.claims.append(claim)
                    self._changed.set()

    def _read(self, data: bytes) -> Claim | None:
        if data[12:14] == _ARP:
            return self._read_arp(Ether(data))
        if data[12:14] == _IPV6 and data[20] == _ICMPV6 and data[54] == _ADVERTISEMENT:
            return self._read_advertisement(Ether(data))
        return None

    def _read_arp(self, frame: Any) -> Claim | None:
        arp = frame[ARP]
        if arp.op != ARP_REPLY and arp.psrc != arp.pdst:
            return None  # a question: who asks claims nothing
        is_answer = arp.op == ARP_REPLY and frame.dst == self._mac
        return Claim(arp.psrc, arp.hwsrc, is_answer, frame)

    def _read_advertisement(self, frame: Any) -> Claim:
        said = frame[ICMPv6ND_NA]
        mac = said[ICMPv6NDOptDstLLAddr].lladdr if ICMPv6NDOptDstLLAddr in said else frame.src
        return Claim(said.tgt, mac, bool(said.S) and frame.dst == self._mac, frame)

    # -- asking ------------------------------------------------------------------------------------

    def ask(self, address: str) -> None:
        """Send one question: who has the address?"""
        self._raw.send(bytes(self._question(address)))

    def _question(self, address: str) -> Any:
        if ":" not in address:
            asked = ARP(op=1, hwsrc=self._mac, psrc=self._host.ipv4, pdst=address)
            return Ether(src=self._mac, dst=_BROADCAST) / asked
        last = IPv6Address(address).packed[-3:]
        group = str(IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:-3] + last))
        return (
            Ether(src=self._mac, dst=f"33:33:ff:{last.hex(':')}")
            / IPv6(src=self._host.ipv6, dst=group, hlim=255)
            / ICMPv6ND_NS(tgt=address)
            / ICMPv6NDOptSrcLLAddr(lladdr=self._mac)
        )

    async def until(self, condition: Callable[[], object], seconds: float) -> None:
        """Wait until a condition over `claims` holds; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def answers(self, address: str, seconds: float) -> list[Claim]:
        """Ask for an address until somebody answers; gives the claims that came since."""
        begin = len(self.claims)

        def answered() -> bool:
            return any(item.is_answer and item.address == address for item in self.claims[begin:])

        await self._ask_until([address], answered, seconds, address)
        return [item for item in self.claims[begin:] if item.address == address]

    async def who_answers(self, address: str, fences: Iterable[str], seconds: float) -> list[Claim]:
        """Ask for an address, then for the fences; gives who had answered when all fences had.

        Fences are addresses of the same family, at least one with each node.
        """
        asked = [address, *fences]
        begin = len(self.claims)

        def fences_answered() -> bool:
            heard = {item.address for item in self.claims[begin:] if item.is_answer}
            return heard.issuperset(asked[1:])

        await self._ask_until(asked, fences_answered, seconds, f"fences {asked[1:]}")
        return [item for item in self.claims[begin:] if item.address == address]

    async def _ask_until(
        self, asked: list[str], condition: Callable[[], bool], seconds: float, what: str
    ) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"no answer on the wire within {seconds} s: {what}")
            for item in asked:
                self.ask(item)
            with contextlib.suppress(TimeoutError):
                await self.until(condition, ASK_AGAIN_SECONDS)
