"""A BIRD of a test's own on the bridge of the shared cluster, beside the routers that all share.

Its sessions are with all nodes; what they are like, a test says in BIRD's words (`session`) and in
a BGPPeer (`peer`).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self

from metallb.kube.errors import NotFoundError
from metallb_lab import netns, objects
from metallb_lab.fabric import NODE_ASN
from metallb_lab.routers.bird import Bird

if TYPE_CHECKING:
    from metallb_lab.routers.model import RouterSession
    from support.routed import Routed

ASN = 64_900
SECONDS = 60.0
_FIRST, _COUNT = 180, 60
"""Numbers of hosts on the bridge that nobody else has."""


class LoneRouter:
    """A router of one test; use as an async context manager."""

    def __init__(self, routed: Routed, session: str = "", node_asn: int = NODE_ASN) -> None:
        self._cluster = routed.scene.cluster
        self.name = routed.scene.name("tor")
        number = routed.scene.number
        self.host = self._cluster.topology.add_host(f"r{number}", _FIRST + number % _COUNT)
        self._node_asn = node_asn
        self.bird = Bird(
            self._cluster.instance, self.host.namespace, self.configuration(session), name=self.name
        )

    def configuration(self, session: str) -> str:
        """Give BIRD's configuration, with lines that every session has.

        A connection that dies while OPENs are exchanged, as by a key that changes, holds BIRD for
        the startup hold time, which is four minutes if nobody says otherwise.
        """
        sessions = "\n".join(
            f"protocol bgp {node.name}v{version} from node {{"
            f" neighbor {address} as {self._node_asn}; local {ours} as {ASN}; }}"
            for node in self._cluster.topology.nodes
            for version, address, ours in (
                (4, node.ipv4, self.host.ipv4),
                (6, node.ipv6, self.host.ipv6),
            )
        )
        return f"""
log stderr all;
router id {self.host.ipv4};
protocol device {{ scan time 1; }}
protocol direct {{ ipv4; ipv6; }}
protocol bfd {{ interface "eth0" {{ interval 100 ms; multiplier 20; }}; }}
template bgp node {{
  connect delay time 1;
  error wait time 1, 2;
  startup hold time 5;
  ipv4 {{ import all; export none; }};
  ipv6 {{ import all; export none; }};
  {session}
}}
{sessions}
"""

    async def __aenter__(self) -> Self:
        await self.bird.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(NotFoundError):
            await self._cluster.delete("BGPPeer", self.name, objects.NAMESPACE)
        await self.bird.__aexit__()
        del self._cluster.topology.hosts[self.host.name]
        await asyncio.to_thread(netns.remove, [self.host.namespace])

    async def peer(self, **spec: Any) -> None:
        """Make the BGPPeer, or change it."""
        address = spec.pop("peerAddress", self.host.ipv4)
        said = {"connectTime": "1s", **spec}
        await self._cluster.apply(objects.bgp_peer(self.name, address, NODE_ASN, ASN, **said))

    async def up(self, node: str = "n1", version: int = 4) -> RouterSession:
        """Wait until the session with a node is up."""
        host = self._cluster.topology.hosts[node]
        return await self.bird.session_up(host.ipv4 if version == 4 else host.ipv6, seconds=SECONDS)

    async def down(self, node: str = "n1") -> None:
        """Wait until the session with a node is not up."""
        address = self._cluster.topology.hosts[node].ipv4
        await self.bird.session(address, lambda item: item is None or not item.is_up, SECONDS)

    async def status(self, node: str = "n1") -> dict[str, Any]:
        """Give the status of the BGPSession of a node; empty when there is none."""
        async for page in self._cluster.client.list_pages(objects.BGP_SESSIONS):
            for item in page.items:
                if item["spec"] == {"node": node, "peer": self.name}:
                    found: dict[str, Any] = item.get("status", {})
                    return found
        return {}
