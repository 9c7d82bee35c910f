"""Nodes that are cut off, die, and return; and an API server that is away while it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb_lab.controlplane import RealControlPlane
from support.site import lost

if TYPE_CHECKING:
    from support.scene import Scene
    from support.site import Site

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
    pytest.mark.netns,
    pytest.mark.real,
]


async def three(scene: Scene, *nodes: str) -> dict[str, str]:
    """Make a Service with an address on each node and pods on some; gives node -> address."""
    await scene.make_class(scene.range4(1, 9))
    for node in nodes:
        await scene.make_pod(f"on-{node}", node, "app")
    await scene.make_service(count=3, app=scene.name("app"))
    await scene.served(3)
    return {node: address for address, node in scene.announcers().items()}


def has_equal_shares(scene: Scene) -> bool:
    """Tell whether each of three nodes announces one of three addresses, by its order."""
    return scene.is_served(3) and len(set(scene.announcers().values())) == 3


async def test_cut_off_node_is_replaced_and_after_the_cut_one_node_answers(
    site: Site, rough: Scene
) -> None:
    """The node that was cut off lives on and believes that it announces: it must give way."""
    address_on = await three(rough, "n2", "n3")
    async with site.probing(list(address_on.values())) as seen:
        await rough.cluster.cut_off("n1")
        await rough.until(
            lambda: rough.cluster.announcer(address_on["n1"]) in ("n2", "n3"), "n1's VIP moves"
        )
        successor = rough.cluster.announcer(address_on["n1"])
        await site.answered_by(address_on["n1"], successor)
        assert rough.cluster.speakers["n1"].is_running
        await rough.cluster.plug_in("n1")
        await rough.until(lambda: has_equal_shares(rough), "n1 has a share again, whichever")
        await rough.until(site.is_fenced)
        for address, node in rough.announcers().items():
            await site.answered_by(address, node)
    assert [lost(seen[address_on[node]]) for node in ("n2", "n3")] == [0, 0]
    assert 0 < lost(seen[address_on["n1"]]) < seen[address_on["n1"]].sent
    for address in address_on.values():
        await rough.http(address)


async def test_last_node_takes_everything(site: Site, rough: Scene) -> None:
    address_on = await three(rough, "n3")
    for node in ("n1", "n2"):
        await rough.cluster.cut_off(node)
    await rough.until(lambda: set(rough.announcers().values()) == {"n3"})
    for address in address_on.values():
        await site.answered_by(address, "n3")
        await rough.http(address)
    for node in ("n1", "n2"):
        await rough.cluster.plug_in(node)
    await rough.until(lambda: has_equal_shares(rough), "each has a share again, whichever")
    await rough.until(site.is_fenced)
    for address, node in rough.announcers().items():
        await site.answered_by(address, node)


@pytest.mark.slow
async def test_node_dies_while_the_api_server_is_away(site: Site, rough: Scene) -> None:
    address_on = await three(rough, "n2", "n3")
    addresses = rough.addresses()
    plane = rough.cluster.plane
    assert isinstance(plane, RealControlPlane)
    vip = rough.cluster.vip(address_on["n1"])
    assert vip is not None
    successor = vip.spec.layer2.nodes[1]

    await plane.pause()
    try:
        await rough.cluster.power_off("n1")
        await site.answered_by(address_on["n1"], successor)
        for address in addresses:
            await rough.http(address)
    finally:
        await plane.resume()
    await rough.until(lambda: rough.cluster.announcer(address_on["n1"]) == successor)
    assert rough.addresses() == addresses
    for node in ("n2", "n3"):
        await site.answered_by(address_on[node], node)

    await rough.cluster.power_on("n1")
    await rough.until(lambda: has_equal_shares(rough), "n1 has its share again")
    assert rough.addresses() == addresses
    await rough.make_service("next")
    await rough.served(name="next")
