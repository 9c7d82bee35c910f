"""pmbmpd of pmacct, a collector of BMP (RFC 7854) that writes what it hears as lines of JSON.

It is no router and takes no questions: what it has understood is in the file that it writes. What
it could not make sense of is in its log, in words. SIGTERM is nothing to it; SIGINT ends it.
"""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

from metallb_lab.routers.model import Program, RouterError

if TYPE_CHECKING:
    from pathlib import Path

PORT = 11_019
_CONFIGURATION = """
bmp_daemon_ip: {address}
bmp_daemon_port: {port}
bmp_daemon_msglog_file: {messages}
bmp_daemon_msglog_output: json
"""
_READY = "waiting for BMP data on"
_COMPLAINTS = ("WARN", "ERROR")


class Pmbmpd(Program):
    """pmbmpd in a namespace; its configuration is the address that it listens at."""

    name = "pmbmpd"

    async def start(self) -> None:
        """Start pmbmpd, and wait until it listens."""
        text = _CONFIGURATION.format(address=self.configuration, port=PORT, messages=self._messages)
        path = self.write("pmbmpd.conf", text)
        await self.run_process("pmbmpd", "pmbmpd", "-f", str(path))
        await self.answering(self._listens)

    async def stop(self) -> None:
        """End pmbmpd."""
        for process in self.processes:
            if process.is_running:
                process.send_signal(signal.SIGINT)
                await process.wait()

    async def _listens(self) -> None:
        if _READY not in self.said:
            raise RouterError("pmbmpd does not listen")

    @property
    def _messages(self) -> Path:
        return self.directory / "messages.json"

    @property
    def said(self) -> str:
        """What it told its operator."""
        return self.processes[0].log.read_text(errors="replace")

    def complaints(self) -> list[str]:
        """Give its warnings and errors."""
        return [line for line in self.said.splitlines() if line.startswith(_COMPLAINTS)]

    def messages(self) -> list[dict[str, Any]]:
        """Give what it has understood so far, in order."""
        if not self._messages.exists():
            return []
        whole = self._messages.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    async def heard(self, kind: str, **values: Any) -> list[dict[str, Any]]:
        """Wait for messages of a kind that say this; raises RouterError, with all that it heard.

        `kind` is pmacct's `bmp_msg_type`: init, term, peer_up, peer_down, route_monitor.
        """
        wanted = {"bmp_msg_type": kind, **values}
        found: list[dict[str, Any]] = []

        async def look() -> bool:
            found[:] = [item for item in self.messages() if wanted.items() <= item.items()]
            return bool(found)

        await self.until(look, lambda: f"{wanted} among {self.messages()}")
        return found
