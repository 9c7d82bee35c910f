"""Those that a speaker's processes speak with, played: policy and a peer for reflex; and reflex."""

from __future__ import annotations

import asyncio
import contextlib
import time
from ipaddress import ip_address, ip_interface
from typing import TYPE_CHECKING, Any, Self

from metallb_lab import netns
from metallb_speaker import control
from metallb_speaker.io.datagram import HeartbeatPort
from metallb_speaker.l2.ethernet import MacAddress
from metallb_speaker.liveness.members import Liveness
from metallb_speaker.liveness.paths import LocalLink, Peer, PeerLink
from metallb_speaker.reflex.server import ControlServer
from support.cable import DEADLINE_SECONDS, FAR_IPV4, FAR_MAC, NEAR_IPV4
from support.waiting import until

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from metallb_speaker.announce.model import Orders
    from metallb_speaker.control import Line
    from metallb_speaker.liveness.messages import NodeState
    from metallb_speaker.liveness.settings import LivenessSettings
from support.cable import Cable

HEARTBEAT_PORT = 4225
NEAR_PEER = Peer(HEARTBEAT_PORT, (PeerLink("eth0", (ip_address(NEAR_IPV4),)),))
FAR_PEER = Peer(HEARTBEAT_PORT, (PeerLink("eth0", (ip_address(FAR_IPV4),)),))


class Policy:
    """Calls reflex, tells it a table, and keeps what it says; an async context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._heard = asyncio.Event()
        self.lines: list[Line] = []
        self.is_over = False

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                try:
                    self._reader, self._writer = await asyncio.open_unix_connection(str(self._path))
                    break
                except OSError:
                    await asyncio.sleep(0.01)
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()

    async def _listen(self) -> None:
        while data := await self._reader.readline():
            self.lines.append(control.decode(data))
            self._heard.set()
        self.is_over = True
        self._heard.set()

    def say(self, *lines: Line) -> None:
        """Tell reflex something."""
        for line in lines:
            self._writer.write(control.encode(line))

    def say_table(self, *orders: Orders, peers: dict[str, Peer] | None = None) -> None:
        """Tell reflex all."""
        vips = [control.vip_line(item) for item in orders]
        self.say(control.peers_line(peers or {}), control.RESET, *vips, control.synced_line(1))

    def said(self, do: str, **wanted: Any) -> list[Line]:
        """Give the lines of a kind that say what is wanted, so far."""
        return [line for line in self.lines if line["do"] == do and wanted.items() <= line.items()]

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for a condition over what was said."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not condition():
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            raise AssertionError(f"never said: {what}; but {self.lines}") from None

    async def hear(self, do: str, **wanted: Any) -> Line:
        """Wait for a line of a kind that says what is wanted."""
        await self.until(lambda: self.said(do, **wanted), f"{do} {wanted}")
        return self.said(do, **wanted)[-1]


class FarSpeaker:
    """A peer's heartbeats; what it announces, the test says by scapy."""

    def __init__(self, cable: Cable, settings: LivenessSettings, keys: list[bytes]) -> None:
        self.core = Liveness("far", time.time_ns(), keys, settings=settings)
        with netns.inside(cable.far.namespace):
            self._port = HeartbeatPort("eth0", HEARTBEAT_PORT)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        mac = MacAddress.parse(FAR_MAC).packed
        self.core.set_links([LocalLink("eth0", (ip_interface(f"{FAR_IPV4}/16"),), mac)], 0.0)
        self.core.set_peers({"near": NEAR_PEER}, 0.0)
        for udp in self._port.sockets:
            self._loop.add_reader(udp, self._receive, udp)
        self.core.begin(self._loop.time())
        self.pump()

    def _receive(self, udp: socket.socket) -> None:
        for data in self._port.datagrams(udp):
            self.core.receive_datagram(data, self._loop.time())
        self.pump()

    def _fire(self) -> None:
        self.core.handle_timer(self._loop.time())
        self.pump()

    def pump(self) -> None:
        """Send what is to be sent, and wait for what comes."""
        for datagram in self.core.datagrams_to_send():
            self._port.send(datagram.data, datagram.path.address, datagram.path.port)
        if self._timer is not None:
            self._timer.cancel()
        due_at = self.core.get_timer()
        self._timer = None if due_at is None else self._loop.call_at(due_at, self._fire)
        self._changed.set()

    def near_state(self) -> NodeState | None:
        """Tell what the near end says of itself; None when it is not alive."""
        member = self.core.members().get("near")
        return None if member is None else member.state

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition over what this speaker knows."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def stop(self) -> None:
        """Fall silent."""
        if self._timer is not None:
            self._timer.cancel()
        for udp in self._port.sockets:
            self._loop.remove_reader(udp)
        self._port.close()


class PlayedReflex:
    """The end of the control socket that policy calls; an async context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.calls = 0
        self.state = "READY"
        self.announced: list[Line] = []
        """What it says that it announces when it is called."""
        self.lines: list[Line] = []

    async def __aenter__(self) -> Self:
        self._server = ControlServer(self._path, self._greet, self.lines.extend)
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()

    def _greet(self) -> None:
        self.calls += 1
        links = control.links_line([("eth0", [ip_address(NEAR_IPV4)])])
        self.say(control.state_line(self.state), links, *self.announced, control.TOLD)

    def say(self, *lines: Line) -> None:
        """Tell policy something."""
        for line in lines:
            self._server.say(line)

    def told(self, do: str, **wanted: Any) -> list[Line]:
        """Give the lines of a kind that say what is wanted, so far."""
        return [line for line in self.lines if line["do"] == do and wanted.items() <= line.items()]

    async def hear(self, do: str, count: int = 1, **wanted: Any) -> Line:
        """Wait for so many lines of a kind that say what is wanted; gives the last."""
        await until(lambda: len(self.told(do, **wanted)) >= count, f"{do} {wanted} in {self.lines}")
        return self.told(do, **wanted)[-1]
