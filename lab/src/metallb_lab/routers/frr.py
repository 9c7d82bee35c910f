"""FRR: zebra, bgpd and bfdd of one router, read through `vtysh` as JSON.

Sockets and pids are in the lab's own directory, so any number of routers run beside each other and
beside one of the machine's. The daemons run as the user `frr`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING, Any

from metallb_lab.routers.model import Router, RouterBfd, RouterError, RouterRoute, RouterSession

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DAEMONS = "/usr/lib/frr"
USER = "frr"


class Frr(Router):
    """FRR in a namespace; `bfdd` has a configuration of its own, which may be empty."""

    name = "frr"
    bfd_configuration = ""

    async def start(self) -> None:
        """Start the daemons, and wait until bgpd is answered."""
        shutil.chown(self.directory, USER, USER)
        await self._start_daemon("zebra", "")
        await self.answering(self._zebra_is_there)
        await self._start_daemon(
            "bfdd", self.bfd_configuration, "--bfdctl", self._path("bfdd.sock")
        )
        await self._start_daemon("bgpd", self.configuration)
        await self.answering(lambda: self.vtysh("show bgp summary", daemon="bgpd"))
        await self.answering(lambda: self.vtysh("show bfd peers", daemon="bfdd"))

    async def _zebra_is_there(self) -> None:
        if not (self.directory / "zserv.api").exists():
            raise RouterError("zebra has no socket yet")

    def _path(self, name: str) -> str:
        return str(self.directory / name)

    async def _start_daemon(self, name: str, configuration: str, *arguments: str) -> None:
        path = self.write(f"{name}.conf", configuration)
        shutil.chown(path, USER, USER)
        await self.run_process(
            name,
            f"{DAEMONS}/{name}",
            *("-f", str(path), "-z", self._path("zserv.api"), "--vty_socket", str(self.directory)),
            *("-i", self._path(f"{name}.pid"), "-A", "127.0.0.1"),
            *arguments,
        )

    async def vtysh(self, *commands: str, daemon: str | None = None) -> str:
        """Run commands, in order; raises RouterError."""
        which = ("-d", daemon) if daemon else ()
        each = [word for command in commands for word in ("-c", command)]
        said = await self.ask("vtysh", "--vty_socket", str(self.directory), *which, *each)
        if said.startswith("%") or "Unknown command" in said:
            raise RouterError(f"{commands}: {said.strip()}")
        return said

    async def show(self, command: str, form: str = "json") -> Any:
        """Ask for something as JSON; raises RouterError."""
        said = await self.vtysh(f"show {command} {form}")
        return json.loads(said) if said.strip() else {}

    async def configure(self, *lines: str) -> None:
        """Give configuration commands, as at the terminal."""
        await self.vtysh("configure terminal", *lines)

    async def sessions(self) -> Mapping[str, RouterSession]:
        """Give the BGP sessions by the peer's address or interface."""
        return {
            name: RouterSession(item["bgpState"], item["bgpState"] == "Established", item)
            for name, item in (await self.show("bgp neighbors")).items()
            if isinstance(item, dict) and "bgpState" in item
        }

    async def routes(self) -> list[RouterRoute]:
        """Give the routes that came from peers."""
        both = await asyncio.gather(
            *(self.show(f"bgp {family} unicast", "json detail") for family in ("ipv4", "ipv6"))
        )
        return [route for found in both for route in _read_routes(found)]

    async def bfd(self) -> Mapping[str, RouterBfd]:
        """Give the BFD sessions by the peer's address."""
        return {
            item["peer"]: RouterBfd(item["status"], item["status"] == "up", item)
            for item in await self.show("bfd peers")
        }


def _read_routes(found: Any) -> Iterator[RouterRoute]:
    for prefix, ways in (found.get("routes") or {}).items():
        for way in ways:
            if "nexthops" in way and way.get("peer", {}).get("peerId", "(unspec)") != "(unspec)":
                yield _route_of(prefix, way)


def _route_of(prefix: str, way: Any) -> RouterRoute:
    segments = way.get("aspath", {}).get("segments", ())
    extended = way.get("extendedCommunity", {}).get("string", "")
    return RouterRoute(
        prefix=prefix,
        next_hop=way["nexthops"][0].get("ip", ""),
        peer=way["peer"]["peerId"],
        as_path=tuple(number for segment in segments for number in segment["list"]),
        local_pref=way.get("locPrf"),
        med=way.get("metric"),
        communities=tuple(way.get("community", {}).get("list", ())),
        large_communities=tuple(way.get("largeCommunity", {}).get("list", ())),
        extended_communities=tuple(extended.split()),
        raw=way,
    )
