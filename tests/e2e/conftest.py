"""One cluster for the whole directory: the real API server, kube-proxy, three nodes.

Tests share it by scenes (`support.scene`). `scene` is for tests that leave the cluster itself
alone; `rough` is for those that kill and cut, and heals the cluster afterwards. Tests that change
what all the others stand on (leaders, the API server) make clusters of their own.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from metallb_lab import objects, preflight, tools
from metallb_lab.cluster import Cluster, ClusterOptions
from metallb_lab.fabric import (
    BIRD_ADDRESS,
    BIRD_ASN,
    FRR_ADDRESS,
    FRR_ASN,
    NODE_ASN,
    Fabric,
    FabricOptions,
)
from support.routed import Routed
from support.scene import Scene
from support.site import Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PROGRAMS = ("kube-apiserver", "etcd", "kubectl", "kube-controller-manager", "kube-proxy")
PATIENCE = (
    *("--heartbeat-milliseconds", "100", "--heartbeat-multiplier", "5"),
    *("--bgp-kube-proxy-wait-seconds", "120"),
)
"""Half a second of silence is a death here: a busy machine may stop all for a while. How fast a
take-over is by default is measured by the benchmarks. For the same reason kube-proxy has more time
than by default."""
_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _needs() -> None:
    """Fail, and do not skip, where these tests cannot run: nobody is to lose them in silence."""
    if lacking := preflight.missing():
        pytest.fail("\n".join(map(str, lacking)), pytrace=False)
    try:
        for name in PROGRAMS:
            tools.find(name)
    except tools.ToolError as error:
        pytest.fail(str(error), pytrace=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site() -> AsyncIterator[Site]:
    """The shared cluster."""
    options = ClusterOptions(control_plane="real", speaker_arguments=PATIENCE)
    async with Cluster(options) as cluster, Site(cluster) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def scene(site: Site) -> AsyncIterator[Scene]:
    """A scene in the shared cluster."""
    scene = Scene(site.cluster, next(_numbers))
    yield scene
    await scene.close()


@pytest_asyncio.fixture(loop_scope="session")
async def rough(site: Site) -> AsyncIterator[Scene]:
    """A scene of a test that hurts the shared cluster."""
    scene = Scene(site.cluster, next(_numbers))
    try:
        yield scene
    finally:
        await site.heal()
    await scene.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fabric(site: Site) -> AsyncIterator[Fabric]:
    """BIRD and FRR beside the shared cluster, each with a session with every node."""
    cluster = site.cluster
    async with Fabric(cluster, FabricOptions(bfd_milliseconds=300, bfd_multiplier=10)) as fabric:
        await cluster.apply(objects.bfd_profile("calm", detectMultiplier=10))
        for name, address, asn in (("bird", BIRD_ADDRESS, BIRD_ASN), ("frr", FRR_ADDRESS, FRR_ASN)):
            spec = {"bfdProfile": "calm", "dualStackAddressFamily": True}
            await cluster.apply(objects.bgp_peer(name, address, NODE_ASN, asn, **spec))
        for host in cluster.topology.nodes:
            await fabric.bird.session_up(host.ipv4, seconds=60)
            await fabric.frr.session_up(host.ipv4, seconds=60)
        yield fabric


@pytest_asyncio.fixture(loop_scope="session")
async def routed(scene: Scene, fabric: Fabric) -> Routed:
    """A scene whose addresses are announced by BGP."""
    return Routed(scene, fabric)
