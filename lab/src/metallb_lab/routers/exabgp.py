"""ExaBGP, which says what it hears as lines of JSON.

It keeps no table: the routes are those that its lines announced and did not withdraw since the
session came up. A neighbour of the configuration needs ``{api}``, which is replaced by the block
that asks for these lines.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metallb_lab.routers.model import Router, RouterRoute, RouterSession

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_API = "api { processes [ watch ]; neighbor-changes; receive { parsed; update; notification; } }"
_ENVIRONMENT = {
    "exabgp.api.ack": "false",
    "exabgp.api.cli": "false",
    "exabgp.daemon.drop": "false",
    "exabgp.daemon.user": "root",
    "exabgp.log.level": "WARNING",
}
_WRITER = """#!{python} -SE
import os, sys
while data := os.read(0, 65536):
    with open({path!r}, "ab") as file:
        file.write(data)
"""


class ExaBgp(Router):
    """ExaBGP in a namespace."""

    name = "exabgp"

    async def start(self) -> None:
        """Start exabgp; it has nothing that could be asked."""
        self._said.touch()
        writer = self.write("watch", _WRITER.format(python=sys.executable, path=str(self._said)))
        writer.chmod(0o700)
        process = f"process watch {{ run {writer}; encoder json; }}\n"
        path = self.write("exabgp.conf", process + self.configuration.replace("{api}", _API))
        program = str(Path(sys.executable).with_name("exabgp"))
        await self.run_process("exabgp", program, "server", str(path), environment=_ENVIRONMENT)

    @property
    def _said(self) -> Path:
        return self.directory / "said.json"

    def lines(self) -> list[Any]:
        """Give all that was said so far."""
        whole = self._said.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.strip()]

    async def sessions(self) -> Mapping[str, RouterSession]:
        """Give the BGP sessions by the peer's address."""
        return {
            line["neighbor"]["address"]["peer"]: RouterSession(
                line["neighbor"]["state"], line["neighbor"]["state"] == "up", line
            )
            for line in self.lines()
            if line["type"] == "state"
        }

    async def routes(self) -> list[RouterRoute]:
        """Give the routes that came from peers."""
        found: dict[tuple[str, str], RouterRoute] = {}
        for line in self.lines():
            peer = line.get("neighbor", {}).get("address", {}).get("peer", "")
            if line["type"] == "state" and line["neighbor"]["state"] != "up":
                found = {key: route for key, route in found.items() if key[0] != peer}
            if line["type"] == "update":
                update = line["neighbor"]["message"].get("update", {})
                for prefix in _withdrawn(update):
                    found.pop((peer, prefix), None)
                # of an IPv6 route it names both next hops, the global one first
                first = {route.prefix: route for route in reversed([*_announced(update, peer)])}
                found |= {(peer, prefix): route for prefix, route in first.items()}
        return list(found.values())


def _withdrawn(update: Any) -> Iterator[str]:
    for items in update.get("withdraw", {}).values():
        yield from (item["nlri"] for item in items)


def _announced(update: Any, peer: str) -> Iterator[RouterRoute]:
    says = update.get("attribute", {})
    path = says.get("as-path") or {}
    for by_next_hop in update.get("announce", {}).values():
        for next_hop, items in by_next_hop.items():
            for item in items:
                yield RouterRoute(
                    prefix=item["nlri"],
                    next_hop=next_hop,
                    peer=peer,
                    as_path=tuple(
                        number for segment in path.values() for number in segment["value"]
                    ),
                    local_pref=says.get("local-preference"),
                    med=says.get("med"),
                    communities=_joined(says.get("community", ())),
                    large_communities=_joined(says.get("large-community", ())),
                    extended_communities=tuple(
                        each["string"] for each in says.get("extended-community", ())
                    ),
                    raw=update,
                )


def _joined(items: Any) -> tuple[str, ...]:
    return tuple(":".join(str(number) for number in item) for item in items)
