"""The demo itself: Services get addresses, a planned move, a node that dies, and its return.

Each act waits for what the cluster says of itself (VirtualIPs), and then believes only what the
client saw: the MAC in its neighbour table, the answers of the pods, the gaps between replies.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import TYPE_CHECKING

from metallb_lab import objects, probes
from metallb_lab.demo.figures import Figures, VipMeasured, VipShown, measured
from metallb_lab.demo.play import (
    AFTERWARDS_SECONDS,
    EXCLUDE_LABEL,
    LONGEST_OUTAGE_MILLISECONDS,
    WAIT_SECONDS,
    Play,
    but_not,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb_lab.cluster import Cluster
    from metallb_lab.demo.screen import Screen
    from metallb_lab.probes import ProbeResult

CLASS = "ingress"
IPV4_RANGE, IPV6_RANGE = "10.10.128.10-10.10.128.99", "fd10::1:0:10-fd10::1:0:99"
SERVICES = {"shop": 1, "web": 4, "dual": 2}
"""Service -> how many addresses it gets."""

PROBE_SECONDS = 0.002
CLIENT_LEARNS_SECONDS = 2.0
"""An announcement is repeated within this time, ARP's and NDP's."""


class Demo(Play):
    """One run on one cluster, in L2 mode."""

    figures: Figures
    probe_seconds = PROBE_SECONDS

    def __init__(self, cluster: Cluster, screen: Screen) -> None:
        super().__init__(cluster, screen)
        self._client = cluster.topology.hosts["client"].namespace
        self.figures = Figures(cluster.options.control_plane, len(self._nodes))

    async def run(self) -> None:
        """Play all acts; what did not hold is with the screen."""
        await self._start_pods()
        await self._services_get_addresses()
        await self._planned_move()
        lost = await self._node_dies()
        await self._node_returns(lost)

    # -- act one -----------------------------------------------------------------------------------

    async def _services_get_addresses(self) -> None:
        cluster, screen = self._cluster, self._screen
        screen.heading("Services get addresses, and the client reaches the pods through them")
        settled = {"delaySeconds": 1, "movesPerMinute": 600}
        ranges = [IPV4_RANGE, IPV6_RANGE]
        await cluster.apply(objects.load_balancer_class(CLASS, ranges, rebalancing=settled))
        screen.step(f"MetalLoadBalancerClass {CLASS}: {' and '.join(ranges)}")
        for service in self._services():
            await cluster.apply(service)
        await cluster.until(self._all_served, WAIT_SECONDS, "every address is announced")
        screen.step(f"{len(SERVICES)} Services have {len(list(cluster.vips))} addresses")
        for vip in sorted(cluster.vips, key=lambda vip: vip.spec.address.packed.rjust(16, b"\0")):
            self.figures.vips.append(await self._look_at(str(vip.spec.address)))
        headers = ("VIP", "Service", "Owner", "MAC at the client", "HTTP 200 through the VIP from")
        screen.table(
            headers,
            [
                (vip.address, vip.service, vip.owner, vip.mac, f"{vip.answered_by}")
                for vip in self.figures.vips
            ],
        )
        self._check_macs()
        self._check_balance()

    @staticmethod
    def _services() -> list[dict[str, object]]:
        return [
            objects.service("shop", loadBalancerClass=CLASS),
            objects.service("web", count=4, loadBalancerClass=CLASS),
            objects.service("dual", ipFamilyPolicy="RequireDualStack", loadBalancerClass=CLASS),
        ]

    def _all_served(self) -> bool:
        cluster = self._cluster
        given = all(len(cluster.addresses(name)) == count for name, count in SERVICES.items())
        return given and cluster.all_announced()

    async def _look_at(self, address: str) -> VipShown:
        cluster = self._cluster
        answer = await asyncio.to_thread(probes.wait_for_http, self._client, address, 80)
        vip = cluster.vip(address)
        holders = [] if vip is None else [key.name for key in vip.spec.services]
        mac = await self._learnt_mac(address)
        return VipShown(
            address=address,
            service=",".join(holders),
            owner=cluster.announcer(address),
            mac=mac,
            answered_by=answer.pod,
            answered_on=answer.node,
        )

    async def _learnt_mac(self, address: str) -> str:
        """Give the MAC in the client's neighbour table, once it is the announcer's or time is up.

        A client that asks while a VIP moves is answered by both, and may believe the old one until
        the new one's next announcement.
        """
        learns_until = self._screen.seconds + CLIENT_LEARNS_SECONDS
        while True:
            owner = self._cluster.announcer(address)
            expected = owner and self._cluster.topology.hosts[owner].mac()
            mac = probes.neighbour(self._client, address)
            if mac == expected or self._screen.seconds > learns_until:
                return mac
            await asyncio.sleep(0.05)

    def _check_macs(self) -> None:
        hosts = self._cluster.topology.hosts
        wrong = [vip.address for vip in self.figures.vips if hosts[vip.owner].mac() != vip.mac]
        self._screen.check(
            not wrong, "each VIP's MAC at the client is its owner's" + but_not(wrong)
        )

    def _check_balance(self) -> None:
        counts = self._counts()
        each = ", ".join(f"{node}: {counts[node]}" for node in self._nodes)
        spread = max(counts[node] for node in self._nodes) - min(
            counts[node] for node in self._nodes
        )
        self._screen.check(spread <= 1, f"VIPs are spread evenly ({each})")

    def _counts(self) -> Counter[str]:
        return Counter(self._cluster.announcers().values())

    def _fullest(self, among: Sequence[str]) -> str:
        counts = self._counts()
        return max(among, key=lambda node: counts[node])

    # -- act two -----------------------------------------------------------------------------------

    async def _planned_move(self) -> None:
        cluster, screen = self._cluster, self._screen
        node = self._fullest(self._nodes)
        screen.heading(f"A planned move: {node} is to give up its VIPs, as before maintenance")
        prober, before = await self._start_probing()
        await cluster.label(node, **{EXCLUDE_LABEL: ""})
        screen.step(f"kubectl label node {node} {EXCLUDE_LABEL}=")
        await cluster.until(
            lambda: node not in self._counts() and cluster.all_announced(),
            WAIT_SECONDS, f"no VIP is left on {node}",
        )  # fmt: skip
        self.figures.planned_move = await self._finish(prober, before)
        self._show(self.figures.planned_move)
        moved = [vip for vip in self.figures.planned_move if vip.has_moved]
        lost = sum(vip.lost for vip in self.figures.planned_move)
        sent = sum(vip.sent for vip in self.figures.planned_move)
        screen.check(
            bool(moved) and lost == 0,
            f"{len(moved)} VIPs moved and {lost} of {sent} requests were lost",
        )
        await cluster.label(node, **{EXCLUDE_LABEL: None})
        await self._until_balanced()
        screen.step(f"label taken away: {node} has its share again")

    # -- act three ---------------------------------------------------------------------------------

    async def _node_dies(self) -> str:
        cluster, screen = self._cluster, self._screen
        node = self._fullest(self._nodes)
        screen.heading(f"A node dies without warning: {node}")
        prober, before = await self._start_probing()
        held = [address for address, owner in before.items() if owner == node]
        pods = [pod for pod in cluster.topology.pods.values() if pod.node == node]
        await cluster.power_off(node)
        screen.step(f"{node} has no cable any more, and its programs are killed")
        await cluster.until(
            lambda: all(cluster.announcer(address) not in ("", node) for address in held),
            WAIT_SECONDS, f"the VIPs of {node} are announced by others",
        )  # fmt: skip
        await self._pod_counts_no_more(node)
        screen.step("all its VIPs are announced by others; its pod no longer counts as ready")
        self.figures.node_loss = await self._finish(prober, before)
        others = [name for name in self._nodes if name != node]
        for pod in pods:
            await cluster.until_rules_forget(pod, others)
        self._show(self.figures.node_loss)
        self._check_loss(node)
        return node

    def _check_loss(self, node: str) -> None:
        taken = [vip for vip in self.figures.node_loss if vip.before == node]
        others = [vip for vip in self.figures.node_loss if vip.before != node]
        longest = max(vip.longest_gap_milliseconds for vip in taken)
        self._screen.check(
            all(vip.has_moved for vip in taken) and longest <= LONGEST_OUTAGE_MILLISECONDS,
            f"{len(taken)} VIPs were taken over, the longest outage was {longest:.0f} ms",
        )
        hosts = self._cluster.topology.hosts
        touched = [
            vip.address
            for vip in others
            if vip.has_moved
            or vip.received == 0
            or probes.neighbour(self._client, vip.address) != hosts[vip.before].mac()
        ]
        self._screen.check(
            not touched,
            f"the {len(others)} VIPs of other nodes stayed where they were and went on answering "
            f"(what they lost went to the pod of {node}){but_not(touched)}",
        )

    # -- act four ----------------------------------------------------------------------------------

    async def _node_returns(self, node: str) -> None:
        cluster, screen = self._cluster, self._screen
        screen.heading(f"{node} returns")
        prober, before = await self._start_probing()
        await cluster.power_on(node)
        await cluster.until_in_touch(node)
        await self._pod_counts_again(node)
        screen.step("cable and programs are back")
        await self._until_balanced()
        self.figures.node_return = await self._finish(prober, before)
        self._show([vip for vip in self.figures.node_return if vip.has_moved])
        lost = sum(vip.lost for vip in self.figures.node_return)
        sent = sum(vip.sent for vip in self.figures.node_return)
        screen.check(lost == 0, f"{node} has its share again; {lost} of {sent} requests were lost")
        self._check_balance()

    # -- the client --------------------------------------------------------------------------------

    async def _start_probing(self) -> tuple[probes.Prober, dict[str, str]]:
        before = self._cluster.announcers()
        targets = [(address, 80) for address in sorted(before)]
        prober = probes.Prober(sys.executable, self._client, targets, self.probe_seconds)
        await prober.start()
        return prober, before

    async def _finish(self, prober: probes.Prober, before: dict[str, str]) -> list[VipMeasured]:
        await asyncio.sleep(AFTERWARDS_SECONDS)
        seen: dict[str, ProbeResult] = await prober.stop()
        outages = {address: self._recorded_outage(address) for address in before}
        return measured(before, self._cluster.announcers(), seen, outages)

    def _recorded_outage(self, address: str) -> float | None:
        vip = self._cluster.vip(address)
        newest = vip.status.transitions[0] if vip and vip.status.transitions else {}
        return newest.get("outageMilliseconds")

    def _show(self, vips: Sequence[VipMeasured]) -> None:
        self._screen.table(
            ("VIP", "Owner", "Requests", "Lost", "Longest gap"),
            [
                (
                    vip.address,
                    f"{vip.before} -> {vip.after}" if vip.has_moved else vip.after,
                    str(vip.sent),
                    str(vip.lost),
                    f"{vip.longest_gap_milliseconds:.0f} ms",
                )
                for vip in vips
            ],
        )

    def _is_balanced(self) -> bool:
        counts = self._counts()
        each = [counts[node] for node in self._nodes]
        return self._cluster.all_announced() and max(each) - min(each) <= 1

    async def _until_balanced(self) -> None:
        await self._cluster.until(self._is_balanced, WAIT_SECONDS, "VIPs are spread evenly again")
