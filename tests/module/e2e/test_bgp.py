"""BGP mode of the module as pods, with BIRD as the router: both dialects, passwords from Secrets of
other namespaces, BFD, and a roll-out of the speakers that costs clients nothing.

A cluster of its own, with one class so that all is rolled out; each test leaves the objects as it
found them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from metallb.domain.bgp_passwords import SOURCE_LABEL
from metallb_lab import images, objects, probes
from metallb_lab.fabric import BIRD_ADDRESS, BIRD_ASN, NODE_ASN, Fabric, FabricOptions
from metallb_lab.objects import BGP_SESSIONS, NAMESPACE, SECRETS
from metallb_lab.pods import module
from metallb_lab.pods.cluster import PodCluster
from metallb_lab.pods.context import AgentSettings
from module.e2e.installed import PROBE_SECONDS, SECONDS, Installed, lost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from metallb.kube.client import JsonObject

pytestmark = [
    pytest.mark.netns,
    pytest.mark.alone,
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

SETTINGS = AgentSettings(refresh_seconds=1.0, retry_seconds=0.5)
METALLB, USERS = "metallb-system", "network-team"
PASSWORD = "a-long-password"
BFD = {"receiveInterval": 100, "transmitInterval": 100, "detectMultiplier": 5}
ALL = ["n1", "n2", "n3"]


class Announced:
    """The module in a cluster with a router beside it."""

    def __init__(self, installed: Installed, fabric: Fabric) -> None:
        self.installed = installed
        self.cluster = installed.cluster
        self.fabric = fabric

    async def heard(self, prefix: str, nodes: Sequence[str]) -> None:
        """Wait until the router has a prefix of exactly these nodes."""
        wanted = [h.ipv4 for h in self.cluster.topology.nodes if h.name in nodes]
        found: list[str] = []

        async def is_so() -> bool:
            found[:] = [r.next_hop for r in await self.fabric.bird.routes() if r.prefix == prefix]
            return sorted(found) == sorted(wanted)

        await self.fabric.bird.until(is_so, lambda: f"{prefix} by {nodes}, not {found}", SECONDS)

    async def sessions(self) -> dict[str, dict[str, Any]]:
        """Give the statuses of sessions by node."""
        found = {}
        async for page in self.cluster.client.list_pages(BGP_SESSIONS):
            for item in page.items:
                found[item["spec"]["node"]] = item.get("status") or {}
        return found

    async def copies(self) -> list[str]:
        """Name the copies of passwords in the module's namespace."""
        found = []
        async for page in self.cluster.client.list_pages(SECRETS, NAMESPACE):
            found += [item["metadata"]["name"] for item in page.items]
        return [name for name in found if name.startswith("bgp-pwd-")]

    @contextlib.asynccontextmanager
    async def having(self, *made: JsonObject) -> AsyncIterator[None]:
        """Have objects for a while; all that follows from them is gone afterwards."""
        for value in made:
            await self.cluster.apply(value)
        try:
            yield
        finally:
            for value in reversed(made):
                meta = value["metadata"]
                await self.cluster.delete(value["kind"], meta["name"], meta.get("namespace", ""))

        async def is_forgotten() -> bool:
            return not await self.copies() and not await self.sessions()

        await self.cluster.until_true(is_forgotten, SECONDS, "copies and sessions are gone")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def announced() -> AsyncIterator[Announced]:
    found = {name: images.ensure(name) for name in module.IMAGES}
    options = FabricOptions(password=PASSWORD, bfd_milliseconds=100, bfd_multiplier=5,
                            with_frr=False)  # fmt: skip
    async with (
        PodCluster(found, settings=SETTINGS) as cluster,
        Installed(cluster) as installed,
        Fabric(cluster, options) as fabric,
    ):
        for name in (METALLB, USERS):
            await cluster.apply(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            )
        yield Announced(installed, fabric)


def deckhouse() -> list[JsonObject]:
    """Give a peer of Deckhouse's dialect, with what belongs to it."""
    secret = objects.password_secret("tor", PASSWORD, USERS)
    secret["metadata"]["labels"] = {SOURCE_LABEL: "true"}
    ref = {"name": "tor", "namespace": USERS}
    return [
        secret,
        objects.load_balancer_peer(
            "tor", BIRD_ADDRESS, NODE_ASN, BIRD_ASN, passwordSecretRef=ref, bfd=BFD,
            enableGracefulRestart=True,
        ),
        objects.load_balancer_pool("edge", ["198.51.100.0/28"]),
        objects.load_balancer_configuration(
            "edge", ["edge"], peers=["tor"], communities=["64500:7"], med=5
        ),
        objects.service(
            "edge", annotations={"network.deckhouse.io/load-balancer-pool": "edge"}
        ),
    ]  # fmt: skip


def metallb() -> list[JsonObject]:
    """Give the same in MetalLB's words, where MetalLB's manifests put it."""
    made = [
        objects.password_secret("tor", PASSWORD, METALLB),
        objects.bfd_profile("quick", **BFD),
        objects.bgp_peer(
            "tor", BIRD_ADDRESS, NODE_ASN, BIRD_ASN, passwordSecret={"name": "tor"},
            bfdProfile="quick",
        ),
        objects.ip_address_pool("native", ["198.51.100.16/28"], autoAssign=False),
        objects.bgp_advertisement("native", ipAddressPools=["native"]),
        objects.service("native", annotations={"metallb.io/address-pool": "native"}),
    ]  # fmt: skip
    for value in made[:-1]:
        value["metadata"]["namespace"] = METALLB
    return made


async def test_deckhouses_dialect_reaches_the_router_and_a_roll_out_loses_nothing(
    announced: Announced,
) -> None:
    cluster = announced.cluster
    async with announced.having(*deckhouse()):
        await cluster.until(lambda: bool(cluster.addresses("edge")), SECONDS, "an address")
        [address] = cluster.addresses("edge")
        await announced.heard(f"{address}/32", ALL)
        routes = [r for r in await announced.fabric.bird.routes() if r.prefix == f"{address}/32"]
        assert {(r.med, tuple(r.communities)) for r in routes} == {(5, ("64500:7",))}

        async def is_watched() -> bool:
            found = await announced.sessions()
            states = {node: (s.get("state"), s.get("bfd")) for node, s in found.items()}
            return states == dict.fromkeys(ALL, ("Established", "Up"))

        await cluster.until_true(is_watched, SECONDS, "each session is up, and so is its BFD")
        behind = announced.fabric.clients["bird"]
        answer = await asyncio.to_thread(probes.wait_for_http, behind, address, 80)
        assert answer.pod.startswith("web-")
        prober = probes.Prober(sys.executable, behind, [(address, 80)], PROBE_SECONDS)
        await prober.start()
        try:
            await announced.installed.configure(bgp={"connectTimeSeconds": 1})
            await announced.installed.until_rolled("DaemonSet", "speaker")
            await cluster.until_true(is_watched, SECONDS, "the sessions are up again")
        finally:
            seen = await prober.stop()
        assert lost(seen[address]) == 0
        await announced.heard(f"{address}/32", ALL)


async def test_metallbs_manifests_reach_the_router_with_a_password_of_their_own_namespace(
    announced: Announced,
) -> None:
    cluster = announced.cluster
    async with announced.having(*metallb()):
        await cluster.until(lambda: bool(cluster.addresses("native")), SECONDS, "an address")
        [address] = cluster.addresses("native")
        await announced.heard(f"{address}/32", ALL)
        assert await announced.copies() == [f"bgp-pwd-{METALLB}-tor"]
