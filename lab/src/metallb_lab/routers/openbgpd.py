"""OpenBGPD, read through `bgpctl` as JSON.

Its configuration gets the lines that a lab needs: where its socket is, and that the routes of the
kernel are left alone. It gives up its rights in a directory that Debian makes at boot.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metallb_lab.routers.model import Router, RouterRoute, RouterSession

if TYPE_CHECKING:
    from collections.abc import Mapping

DAEMON = "/usr/sbin/bgpd"
CHROOT = Path("/run/openbgpd")


class OpenBgpd(Router):
    """OpenBGPD in a namespace."""

    name = "openbgpd"

    async def start(self) -> None:
        """Start bgpd, and wait until bgpctl is answered."""
        _make_chroot()
        added = f'socket "{self._socket}"\nfib-update no\n'
        path = self.write("bgpd.conf", self.configuration.rstrip() + "\n" + added)
        await self.run_process("openbgpd", DAEMON, "-d", "-f", str(path))
        await self.answering(lambda: self.bgpctl("show", "neighbor"))

    @property
    def _socket(self) -> str:
        return str(self.directory / "bgpd.sock")

    async def bgpctl(self, *command: str) -> Any:
        """Ask bgpd for something as JSON; raises RouterError."""
        return json.loads(await self.ask("bgpctl", "-s", self._socket, "-j", *command))

    async def sessions(self) -> Mapping[str, RouterSession]:
        """Give the BGP sessions by the peer's address."""
        found = await self.bgpctl("show", "neighbor")
        return {
            item["remote_addr"]: RouterSession(item["state"], item["state"] == "Established", item)
            for item in found.get("neighbors", ())
        }

    async def routes(self) -> list[RouterRoute]:
        """Give the routes that came from peers."""
        found = await self.bgpctl("show", "rib", "in", "detail")
        return [_route_of(item) for item in found.get("rib", ())]


def _make_chroot() -> None:
    CHROOT.mkdir(exist_ok=True)


def _route_of(item: Any) -> RouterRoute:
    return RouterRoute(
        prefix=item["prefix"],
        next_hop=item["exit_nexthop"],
        peer=item["neighbor"]["remote_addr"],
        as_path=tuple(int(word) for word in item.get("aspath", "").split() if word.isdigit()),
        local_pref=item.get("localpref"),
        med=item.get("metric"),
        communities=tuple(item.get("communities", ())),
        large_communities=tuple(item.get("large_communities", ())),
        extended_communities=tuple(item.get("extended_communities", ())),
        raw=item,
    )
