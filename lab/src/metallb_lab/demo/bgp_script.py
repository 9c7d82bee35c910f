"""The demo of BGP mode: routers learn addresses, spread flows over the nodes, and lose a node.

Each act believes only what is outside our programs: the routers' own tables, and what the clients
behind them get. A client's flows are told apart by the node whose pod answers them.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import TYPE_CHECKING

from metallb_lab import objects, probes
from metallb_lab.demo import bgp_site
from metallb_lab.demo.bgp_figures import (
    BgpFigures,
    FlowsMeasured,
    RouteShown,
    Spread,
    flows_measured,
)
from metallb_lab.demo.bgp_tables import RouterTables, prefix_of
from metallb_lab.demo.play import (
    AFTERWARDS_SECONDS,
    EXCLUDE_LABEL,
    LONGEST_OUTAGE_MILLISECONDS,
    WAIT_SECONDS,
    Play,
)
from metallb_lab.fabric import NODE_ASN
from metallb_lab.flows import Pace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metallb.kube.client import JsonObject
    from metallb_lab.cluster import Cluster
    from metallb_lab.demo.screen import Screen
    from metallb_lab.fabric import Fabric

PACE = Pace(interval=0.005, flows=16, burst=4)
"""Each flow is asked each 20 ms."""
BEFORE_SECONDS = 0.3
SHOWN = {"bird": "BIRD", "frr": "FRR"}


class BgpDemo(Play):
    """One run on one cluster with two routers beside it."""

    figures: BgpFigures

    def __init__(self, cluster: Cluster, fabric: Fabric, screen: Screen) -> None:
        super().__init__(cluster, screen)
        self._fabric = fabric
        self._tables = RouterTables(fabric.routers, cluster.topology.nodes)
        self._heard: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
        self.figures = BgpFigures(cluster.options.control_plane, len(self._nodes))

    async def run(self) -> None:
        """Play all acts; what did not hold is with the screen."""
        await self._start_pods()
        await self._routers_have_sessions()
        await self._services_are_routed()
        await self._flows_are_spread()
        node = self.figures.busiest()
        await self._node_is_drained(node)
        await self._node_dies(node)
        await self._node_returns(node)

    # -- act one -----------------------------------------------------------------------------------

    async def _routers_have_sessions(self) -> None:
        screen = self._screen
        screen.heading("Each node opens a session with each router, with a password and BFD")
        await self._cluster.apply(objects.password_secret("routers", bgp_site.PASSWORD))
        await self._apply("MetalLB's words", bgp_site.of_metallb())
        await self._apply("Deckhouse's words", bgp_site.of_deckhouse())
        await self._tables.until_up(WAIT_SECONDS)
        self.figures.sessions = await self._tables.sessions()
        screen.table(
            ("Router", "Node", "Neighbour", "BGP", "BFD"),
            [
                (SHOWN[item.router], item.node, item.address, item.bgp, item.bfd)
                for item in self.figures.sessions
            ],
        )
        screen.check(True, "the routers say that every session is established and watched by BFD")

    async def _apply(self, words: str, bodies: Sequence[JsonObject]) -> None:
        for body in bodies:
            await self._cluster.apply(body)
        self._screen.step(f"in {words}: {', '.join(body['kind'] for body in bodies)}")

    # -- act two -----------------------------------------------------------------------------------

    async def _services_are_routed(self) -> None:
        cluster, screen = self._cluster, self._screen
        screen.heading("Services get addresses, and the routers learn them from every node")
        for service in bgp_site.services():
            await cluster.apply(service)
        await cluster.until(self._all_given, WAIT_SECONDS, "the Services have their addresses")
        given = {name: cluster.addresses(name) for name in bgp_site.SERVICES}
        for name, addresses in given.items():
            screen.step(f"Service {name}: {', '.join(addresses)}")
        self._heard = bgp_site.to_be_heard(given)
        await self._until_ways(self._nodes)
        self.figures.routes = await self._tables.routes()
        screen.table(
            ("Router", "Prefix", "Next hops", "AS path", "Communities"),
            [_route_row(item) for item in self.figures.routes],
        )
        self._check_routes()

    def _all_given(self) -> bool:
        counts = {name: len(self._cluster.addresses(name)) for name in bgp_site.SERVICES}
        return counts == bgp_site.SERVICES

    def _check_routes(self) -> None:
        found = {(item.router, item.prefix): item for item in self.figures.routes}
        wanted = {
            (router, prefix_of(address)): communities
            for router, heard in self._heard.items()
            for address, communities in heard.items()
        }
        self._screen.check(
            {key: set(item.communities) for key, item in found.items()}
            == {key: set(communities) for key, communities in wanted.items()},
            "each router has the prefixes that are for it and no other, with their communities",
        )
        self._screen.check(
            all(
                set(item.nodes) == set(self._nodes) and item.as_paths == ((NODE_ASN,),)
                for item in found.values()
            ),
            f"each prefix has a way through each of the {len(self._nodes)} nodes",
        )

    async def _until_ways(self, nodes: Iterable[str]) -> None:
        """Wait until each router has ways through these nodes, and no other, to each address."""
        for name, heard in self._heard.items():
            await self._tables.until_ways(name, heard, nodes, WAIT_SECONDS)

    # -- act three ---------------------------------------------------------------------------------

    async def _flows_are_spread(self) -> None:
        screen = self._screen
        screen.heading("The routers spread connections over the nodes (ECMP): who answers")
        asked = 15 * len(self._nodes) + 15
        for client, namespace in self._fabric.clients.items():
            for address in self._heard[client]:
                await asyncio.to_thread(probes.wait_for_http, namespace, address, 80)
                answers = await asyncio.to_thread(_ask_often, namespace, address, asked)
                self.figures.spread.append(Spread(client, address, answers))
        screen.table(
            ("Client behind", "Address", *self._nodes),
            [
                (
                    SHOWN[item.client],
                    item.address,
                    *(str(item.answers.get(node, 0)) for node in self._nodes),
                )
                for item in self.figures.spread
            ],
        )
        screen.check(
            all(set(item.answers) == set(self._nodes) for item in self.figures.spread),
            f"every node answered some of the {asked} connections to each address",
        )

    # -- act four ----------------------------------------------------------------------------------

    async def _node_is_drained(self, node: str) -> None:
        cluster, screen = self._cluster, self._screen
        screen.heading(f"A node is drained: {node} is to get no more requests")
        probers = await self._start_probing()
        await cluster.label(node, **{EXCLUDE_LABEL: ""})
        screen.step(f"kubectl label node {node} {EXCLUDE_LABEL}=")
        await self._until_ways(set(self._nodes) - {node})
        screen.step(f"no router has a way through {node}")
        self.figures.drain = await self._finish(probers, node)
        self._show(node, self.figures.drain)
        self._check_nothing_lost(self.figures.drain, f"{node} was drained")
        probers = await self._start_probing()
        await cluster.label(node, **{EXCLUDE_LABEL: None})
        await self._until_ways(self._nodes)
        screen.step(f"label taken away: there are ways through {node} again")
        self.figures.drain_end = await self._finish(probers, node)
        self._check_nothing_lost(self.figures.drain_end, f"{node} is back in service")

    def _check_nothing_lost(self, found: Sequence[FlowsMeasured], what: str) -> None:
        lost = sum(item.lost + item.other_lost for item in found)
        sent = sum(item.requests + item.other_requests for item in found)
        self._screen.check(lost == 0, f"{what}: {lost} of {sent} requests were lost")

    # -- act five ----------------------------------------------------------------------------------

    async def _node_dies(self, node: str) -> None:
        cluster, screen = self._cluster, self._screen
        screen.heading(f"A node dies without warning: {node}")
        probers = await self._start_probing()
        await cluster.power_off(node)
        screen.step(f"{node} has no cable any more, and its programs are killed")
        await self._until_ways(set(self._nodes) - {node})
        screen.step(f"no router has a way through {node}")
        await self._pod_counts_no_more(node)
        self.figures.node_loss = await self._finish(probers, node)
        self._show(node, self.figures.node_loss)
        self._check_loss(node)

    def _check_loss(self, node: str) -> None:
        for client in self._fabric.clients:
            found = [item for item in self.figures.node_loss if item.client == client]
            longest = max(item.longest_gap_milliseconds for item in found)
            flows = sum(item.flows for item in found)
            self._screen.check(
                longest <= LONGEST_OUTAGE_MILLISECONDS,
                f"behind {SHOWN[client]} {flows} flows went through {node}: "
                f"their longest outage was {longest:.0f} ms",
            )
        lost = sum(item.other_lost for item in self.figures.node_loss)
        sent = sum(item.other_requests for item in self.figures.node_loss)
        self._screen.check(
            lost == 0, f"the flows of other nodes noticed nothing: {lost} of {sent} requests lost"
        )

    # -- act six -----------------------------------------------------------------------------------

    async def _node_returns(self, node: str) -> None:
        cluster, screen = self._cluster, self._screen
        screen.heading(f"{node} returns")
        probers = await self._start_probing()
        await cluster.power_on(node)
        await cluster.until_in_touch(node)
        screen.step("cable and programs are back; the node waits for kube-proxy's rules")
        await self._pod_counts_again(node)
        await self._until_ways(self._nodes)
        screen.step(f"the routers have ways through {node} again")
        self.figures.node_return = await self._finish(probers, node)
        self._check_nothing_lost(self.figures.node_return, f"{node} is back")

    # -- the clients -------------------------------------------------------------------------------

    async def _start_probing(self) -> dict[str, probes.Prober]:
        made = {
            client: probes.Prober(
                sys.executable, namespace, [(item, 80) for item in self._heard[client]], PACE
            )
            for client, namespace in self._fabric.clients.items()
        }
        await asyncio.gather(*(prober.start() for prober in made.values()))
        await asyncio.sleep(BEFORE_SECONDS)
        return made

    async def _finish(self, probers: Mapping[str, probes.Prober], node: str) -> list[FlowsMeasured]:
        await asyncio.sleep(AFTERWARDS_SECONDS)
        node_of = {pod.name: pod.node for pod in self._cluster.topology.pods.values()}
        found: list[FlowsMeasured] = []
        for client, prober in probers.items():
            for address, seen in (await prober.stop()).items():
                found.append(flows_measured(client, address, seen, node, node_of))
        return found

    def _show(self, node: str, found: Sequence[FlowsMeasured]) -> None:
        through = f"Through {node}"
        self._screen.table(
            ("Client behind", "Address", through, "Lost", "Longest gap", "Others", "Lost", "Gap"),
            [
                (
                    SHOWN[item.client],
                    item.address,
                    f"{item.flows} flows",
                    f"{item.lost} of {item.requests}",
                    f"{item.longest_gap_milliseconds:.0f} ms",
                    f"{item.other_flows} flows",
                    f"{item.other_lost} of {item.other_requests}",
                    f"{item.other_longest_gap_milliseconds:.0f} ms",
                )
                for item in found
            ],
        )


def _route_row(item: RouteShown) -> tuple[str, ...]:
    return (
        SHOWN[item.router],
        item.prefix,
        ", ".join(item.nodes),
        " or ".join(" ".join(map(str, path)) for path in item.as_paths),
        " ".join(item.communities),
    )


def _ask_often(namespace: str, address: str, times: int) -> dict[str, int]:
    """Ask by so many connections; gives how many of them each node answered."""
    counts = Counter(probes.http_get(namespace, address, 80).node for _ in range(times))
    return dict(sorted(counts.items()))
