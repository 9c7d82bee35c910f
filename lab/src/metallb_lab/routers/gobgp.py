"""GoBGP, read through `gobgp` as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from metallb_lab.routers.model import Router, RouterRoute, RouterSession

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

API_PORT = 50051
_STATES = ("unknown", "idle", "connect", "active", "opensent", "openconfirm", "established")
_AS_PATH, _NEXT_HOP, _MED, _LOCAL_PREF, _COMMUNITIES, _MP_REACH = 2, 3, 4, 5, 8, 14
_EXTENDED, _LARGE = 16, 32


class GoBgp(Router):
    """GoBGP in a namespace; its configuration is TOML."""

    name = "gobgp"

    async def start(self) -> None:
        """Start gobgpd, and wait until gobgp is answered."""
        path = self.write("gobgp.toml", self.configuration)
        await self.run_process(
            "gobgp", "gobgpd", "-f", str(path), "--api-hosts", f"127.0.0.1:{API_PORT}"
        )
        await self.answering(lambda: self.gobgp("global"))

    async def gobgp(self, *command: str) -> Any:
        """Ask gobgpd for something as JSON; raises RouterError."""
        return json.loads(await self.ask("gobgp", "-p", str(API_PORT), *command, "-j"))

    async def sessions(self) -> Mapping[str, RouterSession]:
        """Give the BGP sessions by the peer's address."""
        return {
            item["state"]["neighbor_address"]: _session_of(item)
            for item in await self.gobgp("neighbor") or ()
        }

    async def routes(self) -> list[RouterRoute]:
        """Give the routes that came from peers."""
        found: list[RouterRoute] = []
        for family in ("ipv4", "ipv6"):
            table = await self.gobgp("global", "rib", "-a", family) or {}
            for prefix, ways in table.items():
                found += _read_ways(prefix, ways)
        return found


def _session_of(item: Any) -> RouterSession:
    number = item["state"].get("session_state", 0)
    return RouterSession(_STATES[number], number == len(_STATES) - 1, item)


def _read_ways(prefix: str, ways: Any) -> Iterator[RouterRoute]:
    for way in ways:
        says = {item["type"]: item for item in way["attrs"]}
        reach = says.get(_MP_REACH, {})
        yield RouterRoute(
            prefix=prefix,
            next_hop=says.get(_NEXT_HOP, {}).get("nexthop") or reach.get("nexthop", ""),
            peer=way.get("neighbor-ip") or way.get("source-id", ""),
            as_path=tuple(
                number
                for segment in says.get(_AS_PATH, {}).get("as_paths", ())
                for number in segment["asns"]
            ),
            local_pref=says.get(_LOCAL_PREF, {}).get("value"),
            med=says.get(_MED, {}).get("metric"),
            communities=tuple(
                f"{item >> 16}:{item & 0xFFFF}"
                for item in says.get(_COMMUNITIES, {}).get("communities", ())
            ),
            large_communities=tuple(_large(item) for item in says.get(_LARGE, {}).get("value", ())),
            extended_communities=tuple(
                str(item.get("value", "")) for item in says.get(_EXTENDED, {}).get("value", ())
            ),
            raw=way,
        )


def _large(item: Any) -> str:
    return f"{item['ASN']}:{item['LocalData1']}:{item['LocalData2']}"
