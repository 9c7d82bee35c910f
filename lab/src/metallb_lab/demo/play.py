"""What all demos do alike: web servers in pods behind the Services, and what becomes of them.

A demo plays acts on one cluster. What did not hold is with the screen, what was measured is in
`figures`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb_lab.cluster import Cluster
    from metallb_lab.demo.figures import Outcome
    from metallb_lab.demo.screen import Screen

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
LONGEST_OUTAGE_MILLISECONDS = 1000.0
"""More than this is no fraction of a second; what is usual is printed."""
AFTERWARDS_SECONDS = 0.5
"""How long the client goes on asking once the cluster says that all is done."""

WAIT_SECONDS = 40.0


class Play(ABC):
    """One run on one cluster."""

    figures: Outcome

    def __init__(self, cluster: Cluster, screen: Screen) -> None:
        self._cluster = cluster
        self._screen = screen
        self._nodes = [host.name for host in cluster.topology.nodes]

    @abstractmethod
    async def run(self) -> None:
        """Play all acts; what did not hold is with the screen."""

    async def _start_pods(self) -> None:
        cluster = self._cluster
        for node in self._nodes:
            await cluster.add_pod(f"web-{node}", node, {"app": "web"})
        await cluster.until(
            lambda: {item.node for item in cluster.roll if item.is_present} >= set(self._nodes),
            WAIT_SECONDS, "every speaker is on the roll",
        )  # fmt: skip
        self._screen.step(f"{len(self._nodes)} web servers in pods, a speaker alive on each node")

    async def _pod_counts_no_more(self, node: str) -> None:
        """Let the web server of a dead node not count as ready, as its cluster would."""
        await self._cluster.set_pod_ready(f"web-{node}", is_ready=False)

    async def _pod_counts_again(self, node: str) -> None:
        """Let the web server of a node that is back count as ready."""
        await self._cluster.set_pod_ready(f"web-{node}", is_ready=True)


def but_not(names: Sequence[str]) -> str:
    """Name exceptions, if there are any, to what was said just before."""
    return f", but not {', '.join(names)}" if names else ""
