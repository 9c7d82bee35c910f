"""The routers' own tables, in terms of the nodes that are behind neighbours and next hops."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from metallb_lab.demo.bgp_figures import RouteShown, SessionShown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from metallb_lab.routers.bird import Bird
    from metallb_lab.routers.frr import Frr
    from metallb_lab.routers.model import RouterRoute
    from metallb_lab.topology import Host


class RouterTables:
    """The tables of some routers, by their names."""

    def __init__(self, routers: Mapping[str, Bird | Frr], nodes: Sequence[Host]) -> None:
        self._routers = routers
        self._nodes = nodes
        self._node_of_hop = {hop: host.name for host in nodes for hop in (host.ipv4, host.ipv6)}

    async def until_up(self, seconds: float) -> None:
        """Wait until every session is established and watched; raises RouterError."""
        for router in self._routers.values():
            for host in self._nodes:
                await router.session_up(host.ipv4, seconds=seconds)
            await self._until_watched(router, seconds)

    async def _until_watched(self, router: Bird | Frr, seconds: float) -> None:
        missing: list[str] = []

        async def look() -> bool:
            found = await router.bfd()
            missing[:] = [
                host.ipv4
                for host in self._nodes
                if host.ipv4 not in found or not found[host.ipv4].is_up
            ]
            return not missing

        await router.until(look, lambda: f"BFD is not up with {missing}", seconds)

    async def sessions(self) -> list[SessionShown]:
        """Tell of all sessions."""
        found: list[SessionShown] = []
        for name, router in self._routers.items():
            sessions, watched = await router.sessions(), await router.bfd()
            for host in self._nodes:
                bgp, bfd = sessions[host.ipv4].state, watched[host.ipv4].state
                found.append(SessionShown(name, host.name, host.ipv4, bgp, bfd))
        return found

    async def routes(self) -> list[RouteShown]:
        """Tell of all prefixes that came from nodes."""
        return [
            shown
            for name, router in self._routers.items()
            for shown in self._shown(name, await router.routes())
        ]

    def _shown(self, router: str, routes: Sequence[RouterRoute]) -> Iterator[RouteShown]:
        for prefix in sorted({item.prefix for item in routes}, key=_in_order):
            ways = [item for item in routes if item.prefix == prefix]
            said = [{*item.communities, *item.large_communities} for item in ways]
            yield RouteShown(
                router=router,
                prefix=prefix,
                nodes=tuple(sorted(self._node_of_hop[item.next_hop] for item in ways)),
                as_paths=tuple(sorted({item.as_path for item in ways})),
                communities=tuple(sorted(set.intersection(*said), key=len)),
            )

    async def until_ways(
        self, router: str, addresses: Iterable[str], nodes: Iterable[str], seconds: float
    ) -> None:
        """Wait until a router has ways through these nodes, and no other, to these addresses.

        Raises RouterError.
        """
        wanted = {prefix_of(address): set(nodes) for address in addresses}

        def is_so(routes: Sequence[RouterRoute]) -> bool:
            found: dict[str, set[str]] = {prefix: set() for prefix in wanted}
            for item in routes:
                found.setdefault(item.prefix, set()).add(self._node_of_hop[item.next_hop])
            return found == wanted

        await self._routers[router].routes_are(is_so, seconds)


def prefix_of(address: str) -> str:
    """Give the prefix by which an address alone is announced."""
    return str(ipaddress.ip_network(address))


def _in_order(prefix: str) -> tuple[int, int]:
    network = ipaddress.ip_network(prefix)
    return network.version, int(network.network_address)
