"""Two replicas of the controller and an IPAM that speaks NetBox's API: each may die and return."""

from __future__ import annotations

import itertools
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from metallb.api.conditions import ServiceCondition
from metallb_lab import netns
from metallb_lab.cluster import Cluster, ClusterOptions
from support.native import eventually
from support.netbox import NetBoxServer
from support.scene import Scene
from support.site import all_present, revive_controllers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), pytest.mark.netns]

TAG = "cluster-a"
PORT = 8000
LEASE = ("--lease-seconds", "3", "--lease-retry-seconds", "0.5")
_numbers = itertools.count(1)


class ClusterWithIpam(Cluster):
    """A cluster with a NetBox beside its API server."""

    def __init__(self, options: ClusterOptions) -> None:
        super().__init__(options)
        self.netbox = NetBoxServer()

    async def start_mirrors(self) -> None:
        """Start NetBox too: the controllers are started after this."""
        await super().start_mirrors()
        host = self.topology.hosts["api"]
        listening = netns.make_socket(host.namespace, socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((str(host.ipv4), PORT))
        await self.netbox.start(listening=listening)
        secret = self.instance.directory / "ipam"
        secret.mkdir()
        (secret / "token").write_text(self.netbox.token)
        arguments = (
            *self.options.controller_arguments, f"--ipam-netbox-url={self.netbox.url}",
            f"--ipam-netbox-tag={TAG}", f"--ipam-secret-dir={secret}", "--ipam-interval-seconds=1",
        )  # fmt: skip
        self.options = replace(self.options, controller_arguments=arguments)

    async def __aexit__(self, *rest: object) -> None:
        await self.netbox.stop()
        await super().__aexit__(*rest)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[ClusterWithIpam]:
    options = ClusterOptions(nodes=2, data_path=False, controller_arguments=LEASE)
    async with ClusterWithIpam(options) as cluster:
        await all_present(cluster)
        yield cluster


@pytest_asyncio.fixture(loop_scope="module")
async def scene(cluster: ClusterWithIpam) -> AsyncIterator[Scene]:
    scene = Scene(cluster, next(_numbers))
    yield scene
    cluster.netbox.is_down = False
    await revive_controllers(cluster)
    await scene.close()
    await _registered(cluster, {})
    cluster.netbox.addresses.clear()


async def _registered(cluster: ClusterWithIpam, expected: dict[str, str]) -> None:
    async def are_there() -> bool:
        found = cluster.netbox.tagged(TAG).items()
        return {address: item["description"] for address, item in found} == expected

    await eventually(are_there, f"the IPAM has {expected}")


def _words(scene: Scene, name: str) -> str:
    return f"default/{scene.name(name)}"


async def _web(scene: Scene, cluster: ClusterWithIpam) -> str:
    """Have a Service served and registered; gives its address."""
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service("web")
    await scene.until(lambda: scene.addresses("web"))
    (held,) = scene.addresses("web")
    await _registered(cluster, {held: _words(scene, "web")})
    return held


async def test_used_addresses_are_avoided_ours_appear_and_go(
    scene: Scene, cluster: ClusterWithIpam
) -> None:
    router = cluster.netbox.put(f"{scene.ipv4(1)}/24", description="router-1")
    before = dict(router)
    await scene.make_class(scene.range4(1, 3))
    await eventually(lambda: _has_read(cluster, scene), "the controller has read the new range")
    await scene.make_service("web")
    await scene.make_service("api")
    await scene.until(lambda: scene.addresses("web") and scene.addresses("api"))
    one, two = scene.addresses("web")[0], scene.addresses("api")[0]
    assert {one, two} == {scene.ipv4(2), scene.ipv4(3)}
    await _registered(cluster, {one: _words(scene, "web"), two: _words(scene, "api")})
    await scene.make_service("third")
    assert "1 of them reserved in IPAM" in await scene.refused("NoFreeAddress", "third")
    await scene.delete("Service", "web")
    await scene.until(lambda: scene.addresses("third") == (one,))
    await _registered(cluster, {one: _words(scene, "third"), two: _words(scene, "api")})
    assert router == before
    await scene.make_service("fourth")
    await scene.refused("NoFreeAddress", "fourth")
    del cluster.netbox.addresses[router["id"]]
    await scene.until(lambda: scene.addresses("fourth") == (scene.ipv4(1),))
    assert not scene.reason(ServiceCondition.REQUEST, "fourth").startswith("NoFree")


async def _has_read(cluster: ClusterWithIpam, scene: Scene) -> bool:
    return any(scene.ipv4(1) in line for line in cluster.netbox.requests)


async def test_an_ipam_that_is_down_changes_nothing_and_catches_up(
    scene: Scene, cluster: ClusterWithIpam
) -> None:
    held = await _web(scene, cluster)
    cluster.netbox.is_down = True
    await scene.make_service("api")
    await scene.until(lambda: scene.addresses("api"))
    await scene.delete("Service", "web")
    await scene.until(lambda: held not in {str(vip.spec.address) for vip in cluster.vips})
    assert list(cluster.netbox.tagged(TAG)) == [held]
    cluster.netbox.is_down = False
    await _registered(cluster, {scene.addresses("api")[0]: _words(scene, "api")})


async def test_who_takes_over_goes_on_where_the_other_was(
    scene: Scene, cluster: ClusterWithIpam
) -> None:
    held = await _web(scene, cluster)
    number = cluster.netbox.tagged(TAG)[held]["id"]
    for process in cluster.controllers.values():
        await process.kill()
    rival = cluster.netbox.put(f"{scene.ipv4(9)}/24", description="printer")
    await scene.make_service("api")
    await cluster.start_controller("ctl1")
    await scene.until(lambda: scene.addresses("api"))
    api = scene.addresses("api")[0]
    await _registered(cluster, {held: _words(scene, "web"), api: _words(scene, "api")})
    assert cluster.netbox.tagged(TAG)[held]["id"] == number
    assert cluster.netbox.addresses[rival["id"]]["description"] == "printer"


async def test_an_address_that_the_ipam_gives_to_another_stays(
    scene: Scene, cluster: ClusterWithIpam
) -> None:
    held = await _web(scene, cluster)
    cluster.netbox.put(f"{held}/24", description="printer")
    assert "used by printer" in await scene.event("web", "IPAMConflict")
    assert scene.addresses("web") == (held,)
