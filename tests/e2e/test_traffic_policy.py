"""Where endpoints are decides who may announce: `externalTrafficPolicy`, and no endpoints at all.

kube-proxy drops what comes to a node without a ready endpoint under Local, so a wrong announcer
shows at once as a client that gets no answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.scene import Scene
    from support.site import Site

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]

CLIENT = "10.10.0.100"
LOCAL = {"externalTrafficPolicy": "Local"}


async def make_local(scene: Scene, *nodes: str, count: int = 1) -> tuple[str, ...]:
    await scene.make_class(scene.range4(1, 9))
    for node in nodes:
        await scene.make_pod(f"on-{node}", node, "app")
    await scene.make_service(count=count, app=scene.name("app"), **LOCAL)
    return await scene.served(count)


async def test_only_nodes_with_endpoints_announce_and_the_client_is_seen(
    site: Site, scene: Scene
) -> None:
    addresses = await make_local(scene, "n1", "n3", count=4)
    assert sorted(scene.announcers().values()) == ["n1", "n1", "n3", "n3"]
    for address in addresses:
        node = scene.cluster.announcer(address)
        await site.answered_by(address, node)
        seen = await scene.http(address)
        assert (seen.client, seen.node) == (CLIENT, node)


async def test_address_follows_the_endpoints_and_falls_silent_without(
    site: Site, scene: Scene
) -> None:
    (address,) = await make_local(scene, "n1", "n2")
    first = scene.cluster.announcer(address)
    second = {"n1": "n2", "n2": "n1"}[first]

    await scene.cluster.set_pod_ready(scene.name(f"on-{first}"), is_ready=False)
    await scene.until(lambda: scene.cluster.announcer(address) == second)
    await site.answered_by(address, second)
    assert (await scene.http(address)).node == second

    await scene.cluster.set_pod_ready(scene.name(f"on-{second}"), is_ready=False)
    await scene.until(lambda: scene.cluster.announcer(address) == "")
    await site.unanswered(address)
    assert scene.addresses() == (address,)  # held, though nobody answers
    vip = scene.cluster.vip(address)
    assert vip is not None
    assert vip.spec.layer2.suspended == "NoReadyEndpoints"

    await scene.cluster.set_pod_ready(scene.name(f"on-{first}"), is_ready=True)
    await scene.until(lambda: scene.cluster.announcer(address) == first)
    await site.answered_by(address, first)
    seen = await scene.http(address)
    assert (seen.client, seen.node) == (CLIENT, first)


async def test_cluster_policy_needs_an_endpoint_anywhere(site: Site, scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    await scene.make_pod("only", "n2", "app")
    await scene.make_service(count=3, app=scene.name("app"))
    addresses = await scene.served(3)
    assert sorted(scene.announcers().values()) == site.nodes
    for address in addresses:
        assert (await scene.http(address)).node == "n2"
    before = scene.announcers()

    await scene.cluster.set_pod_ready(scene.name("only"), is_ready=False)
    await scene.until(lambda: set(scene.announcers().values()) == {""})
    for address in addresses:
        await site.unanswered(address)

    await scene.cluster.set_pod_ready(scene.name("only"), is_ready=True)
    await scene.until(lambda: scene.announcers() == before)  # all are back in their places
    for address in addresses:
        await scene.http(address)


async def test_policy_is_changed_under_traffic(site: Site, scene: Scene) -> None:
    (address,) = await make_local(scene, "n2")
    assert (await scene.http(address)).client == CLIENT

    def policy() -> str:
        vip = scene.cluster.vip(address)
        return "" if vip is None else vip.spec.traffic_policy

    async def change(wanted: str) -> None:
        await scene.cluster.patch(
            "Service", scene.name("web"), {"spec": {"externalTrafficPolicy": wanted}}, "default"
        )
        await scene.until(lambda: policy() == wanted and scene.is_served())
        assert scene.addresses() == (address,)
        await site.answered_by(address, scene.cluster.announcer(address))

    await change("Cluster")
    await change("Local")
    assert scene.cluster.announcer(address) == "n2"
