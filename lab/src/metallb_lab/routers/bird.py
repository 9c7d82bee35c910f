"""BIRD 2, read through `birdc`.

Its answers are text for people: a route begins at the margin (or goes on with another way to the
same prefix), its attributes are lines `BGP.name: value` below it, behind a tab.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from metallb_lab.routers.model import Router, RouterBfd, RouterError, RouterRoute, RouterSession

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PROTOCOL = re.compile(r"^(?P<name>\S+)\s+BGP\s+\S+\s+(?P<state>\S+)\s+\S+\s*(?P<info>.*)$")
_ROUTE = re.compile(r"^(?P<prefix>[0-9a-f:.]+/\d+)?\s+(?P<how>\S+) \[(?P<protocol>\S+) ")
_BFD = re.compile(r"^(?P<address>[0-9a-f:.]+(?:%\S+)?)\s+(?P<interface>\S+)\s+(?P<state>\S+)\s+")
_PAIR = re.compile(r"\(([^()]*)\)")


class Bird(Router):
    """BIRD in a namespace."""

    name = "bird"

    async def start(self) -> None:
        """Start bird, and wait until birdc is answered."""
        path = self.write("bird.conf", self.configuration)
        await self.run_process(
            "bird", "bird", "-f", "-c", str(path), "-s", str(self._socket), "-P", f"{path}.pid"
        )
        await self.answering(lambda: self.birdc("show status"))

    @property
    def _socket(self) -> str:
        return str(self.directory / "bird.sock")

    async def birdc(self, command: str) -> str:
        """Ask bird; raises RouterError."""
        said = await self.ask("birdc", "-s", self._socket, *command.split())
        if "Unable to connect" in said:
            raise RouterError(said.strip())
        return said

    async def configure(self, configuration: str) -> None:
        """Give bird another configuration; raises RouterError when it refuses."""
        self.configuration = configuration
        self.write("bird.conf", configuration)
        said = await self.birdc("configure")
        if "Reconfigur" not in said:
            raise RouterError(said.strip())

    async def sessions(self) -> Mapping[str, RouterSession]:
        """Give the BGP sessions by the peer's address."""
        return dict(_read_protocols(await self.birdc("show protocols all")))

    async def routes(self) -> list[RouterRoute]:
        """Give the routes that came from peers."""
        return list(_read_routes(await self.birdc("show route all")))

    async def bfd(self) -> Mapping[str, RouterBfd]:
        """Give the BFD sessions by the peer's address."""
        lines = (await self.birdc("show bfd sessions")).splitlines()
        return {
            found["address"]: RouterBfd(found["state"], found["state"] == "Up", line)
            for line in lines
            if (found := _BFD.match(line))
        }


def _read_protocols(text: str) -> Iterator[tuple[str, RouterSession]]:
    """Read `show protocols all`: each protocol begins at the margin."""
    for block in re.split(r"\n(?=\S)", text):
        if not _PROTOCOL.match(block.splitlines()[0] if block else ""):
            continue
        address = re.search(r"Neighbor address: (\S+)", block)
        state = re.search(r"BGP state: +(\S+)", block)
        if address and state:
            yield address[1], RouterSession(state[1], state[1] == "Established", block)


def _read_routes(text: str) -> Iterator[RouterRoute]:
    prefix = ""
    lines: list[str] = []
    for line in [*text.splitlines(), "Table end:"]:
        found = _ROUTE.match(line)
        if found or line.startswith("Table"):
            yield from _route_of(prefix, lines)
            lines = []
            if found:
                prefix = found["prefix"] or prefix
        if prefix and line.strip():
            lines.append(line)


def _route_of(prefix: str, lines: list[str]) -> Iterator[RouterRoute]:
    """Read one route; routes that came by no BGP session are left out."""
    block = "\n".join(lines)
    says = dict(re.findall(r"^\tBGP\.(\S+): ?(.*)$", block, re.MULTILINE))
    if not says:
        return
    source = re.search(r"\[(\S+) \S+(?: from ([0-9a-f:.%\w]+))?\]", lines[0])
    yield RouterRoute(
        prefix=prefix,
        next_hop=(says.get("next_hop", "").split() or [""])[0],
        peer=(source[2] or source[1]) if source else "",
        as_path=tuple(int(item) for item in says.get("as_path", "").split() if item.isdigit()),
        local_pref=_number(says.get("local_pref")),
        med=_number(says.get("med")),
        communities=tuple(
            item.replace(",", ":") for item in _PAIR.findall(says.get("community", ""))
        ),
        large_communities=tuple(
            ":".join(item.split(", ")) for item in _PAIR.findall(says.get("large_community", ""))
        ),
        extended_communities=tuple(
            _extended(item) for item in _PAIR.findall(says.get("ext_community", ""))
        ),
        raw=block,
    )


def _extended(text: str) -> str:
    """Write `rt, 65001, 9` as people do."""
    kind, _, rest = text.partition(", ")
    return f"{kind} {':'.join(rest.split(', '))}"


def _number(text: str | None) -> int | None:
    return int(text) if text else None
