"""What a test of BGP does in a scene, and what the routers beside the cluster then believe.

Addresses are 10.60.N.X and fd60::N:X for scene N: on no link, so only a route leads to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab import objects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metallb_lab.fabric import Fabric
    from metallb_lab.routers.model import Router, RouterRoute
    from support.scene import Scene

SECONDS = 40.0


class Routed:
    """A scene whose addresses are announced by BGP."""

    def __init__(self, scene: Scene, fabric: Fabric) -> None:
        self.scene = scene
        self.fabric = fabric
        self.bird, self.frr = fabric.bird, fabric.frr

    def ipv4(self, last: int) -> str:
        """Give an IPv4 address of this scene."""
        return f"10.60.{self.scene.number % 256}.{last}"

    def ipv6(self, last: int) -> str:
        """Give an IPv6 address of this scene."""
        return f"fd60::{self.scene.number:x}:{last:x}"

    async def pool(self, *addresses: str, name: str = "pool", **spec: Any) -> None:
        """Make a pool; without addresses one of some IPv4 addresses."""
        given = addresses or (f"{self.ipv4(1)}-{self.ipv4(9)}",)
        await self.scene.make_pool(*given, name=name, is_advertised=False, **spec)

    async def advertise(self, name: str = "pool", of: str = "pool", **spec: Any) -> None:
        """Make an advertisement of a pool of this scene."""
        full = [self.scene.name(of)]
        await self.scene.make(
            objects.bgp_advertisement(self.scene.name(name), ipAddressPools=full, **spec)
        )

    async def change(self, name: str = "pool", **spec: Any) -> None:
        """Change an advertisement of this scene."""
        body = {"spec": spec}
        await self.scene.cluster.patch(
            "BGPAdvertisement", self.scene.name(name), body, objects.NAMESPACE
        )

    async def service(self, name: str = "web", pool: str = "pool", **rest: Any) -> None:
        """Make a Service that names a pool of this scene."""
        notes = {"metallb.io/address-pool": self.scene.name(pool), **rest.pop("annotations", {})}
        await self.scene.make_service(name, None, annotations=notes, **rest)

    # -- what routers believe ----------------------------------------------------------------------

    async def nodes(self, router: Router, prefix: str) -> dict[str, RouterRoute]:
        """Give the routes to a prefix by the node that is the next hop."""
        return {
            self.node_of(route.next_hop): route
            for route in await router.routes()
            if route.prefix == prefix
        }

    def node_of(self, next_hop: str) -> str:
        """Name the node that has an address."""
        hosts = self.fabric.cluster.topology.nodes
        return next((item.name for item in hosts if next_hop in (item.ipv4, item.ipv6)), next_hop)

    async def heard(
        self,
        prefix: str,
        nodes: Sequence[str],
        *,
        by: Router | None = None,
        as_is: Callable[[RouterRoute], object] = lambda _: True,
    ) -> dict[str, RouterRoute]:
        """Wait until a router has a prefix of exactly these nodes, each route as is wanted."""
        router = by or self.bird
        found: dict[str, RouterRoute] = {}

        async def is_so() -> bool:
            found.clear()
            found.update(await self.nodes(router, prefix))
            return sorted(found) == sorted(nodes) and all(map(as_is, found.values()))

        await router.until(is_so, lambda: f"{prefix} by {nodes}: {found}", SECONDS)
        return found

    async def both_heard(self, prefix: str, nodes: Sequence[str]) -> None:
        """Wait until both routers have a prefix of exactly these nodes."""
        await self.heard(prefix, nodes, by=self.bird)
        await self.heard(prefix, nodes, by=self.frr)
