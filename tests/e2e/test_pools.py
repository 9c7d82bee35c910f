"""Services that MetalLB's pools serve; names of the tests say which part of metallb.md §8 it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb.api.conditions import ServiceCondition
from metallb.api.services import ALLOCATED_FROM_ANNOTATION
from metallb_lab import objects, probes
from support.native import POOL, REQUEST, SHARE, eventually, make, patch, patch_pool

if TYPE_CHECKING:
    from support.scene import Scene
    from support.site import Site

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]


async def test_manifests_of_metallb_are_all_that_it_takes(scene: Scene, site: Site) -> None:
    """§8.6.40, 41: reachable, and ServiceL2Status tells the node that owns the answering MAC."""
    await scene.make_pool(scene.range4(1, 9), scene.range6(1, 9))
    await make(scene, "web", ipFamilyPolicy="RequireDualStack")
    addresses = await scene.served(2)
    assert addresses == (scene.ipv4(1), scene.ipv6(1))
    for address in addresses:
        assert (await scene.http(address)).pod.startswith("web-")
    hosts = scene.cluster.topology.hosts

    async def is_told() -> bool:
        path = f"/apis/metallb.io/v1beta1/namespaces/{objects.NAMESPACE}/servicel2statuses"
        items = (await scene.cluster.client.request("GET", path))["items"]
        mine = [item for item in items if item["status"].get("serviceName") == scene.name("web")]
        nodes = {item["status"]["node"] for item in mine}
        answering = {probes.neighbour(hosts["client"].namespace, address) for address in addresses}
        return {hosts[node].mac() for node in nodes} == answering

    await eventually(is_told, "ServiceL2Status names the nodes that answer")
    value = await scene.cluster.get("Service", scene.name("web"), "default")
    assert value["metadata"]["annotations"][ALLOCATED_FROM_ANNOTATION] == scene.name("pool")


@pytest.mark.parametrize("how", ["ClusterIP", "deleted"])
async def test_8_5_31_who_waits_gets_the_address_that_comes_free(scene: Scene, how: str) -> None:
    await scene.make_pool(f"{scene.ipv4(1)}/32")
    await make(scene, "a")
    await scene.has([scene.ipv4(1)], "a")
    await make(scene, "b")
    words = await scene.refused("NoFreeAddress", "b")
    assert scene.name("pool") in words
    if how == "deleted":
        await scene.delete("Service", "a")
    else:
        await patch(scene, "a", {"spec": {"type": "ClusterIP"}})
    await scene.has([scene.ipv4(1)], "b")


async def test_8_5_33_a_shared_address_and_who_may_stay_on_it(scene: Scene) -> None:
    key = {SHARE: "share"}
    await scene.make_pool(f"{scene.ipv4(1)}/32")
    await make(scene, "a", annotations=key, ports=[("TCP", 80)])
    await scene.has([scene.ipv4(1)], "a")
    await make(scene, "b", annotations=key, ports=[("TCP", 81)])
    await scene.has([scene.ipv4(1)], "b")
    await patch(scene, "b", {"spec": {"externalTrafficPolicy": "Local"}})
    await scene.has([], "b")
    assert scene.addresses("a") == (scene.ipv4(1),)
    await patch(scene, "a", {"spec": {"externalTrafficPolicy": "Local"}})
    await scene.has([scene.ipv4(1)], "b")
    assert scene.addresses("a") == (scene.ipv4(1),)
    await patch(scene, "a", {"spec": {"selector": {"app": "other"}}})
    await scene.until(
        lambda: sorted(map(scene.addresses, "ab")) == [(), (scene.ipv4(1),)], "one of them is off"
    )
    await patch(scene, "b", {"spec": {"selector": {"app": "other"}}})
    await scene.has([scene.ipv4(1)], "a")
    await scene.has([scene.ipv4(1)], "b")


async def test_8_5_34_pools_that_are_deleted(scene: Scene) -> None:
    await scene.make_pool(scene.range4(1, 9), name="one")
    await make(scene, "web")
    await scene.has([scene.ipv4(1)])
    await scene.make_pool(scene.range4(11, 19), name="two")
    await scene.delete("IPAddressPool", "one")
    await scene.has([scene.ipv4(11)])
    await scene.delete("IPAddressPool", "two")
    await scene.has([])


async def test_8_5_35_pinned_pools_by_priority(scene: Scene) -> None:
    for number, allocation in enumerate(({"priority": 20}, {"priority": 10}, {}), 1):
        await scene.make_pool(
            f"{scene.ipv4(number)}/32", name=f"p{number}", serviceAllocation=allocation
        )
    for name, number in (("a", 2), ("b", 1), ("c", 3)):
        await make(scene, name)
        await scene.has([scene.ipv4(number)], name)


async def test_8_5_35_pinned_pools_by_namespace_and_by_labels(scene: Scene) -> None:
    red = {"matchLabels": {"color": scene.name("red")}}
    await scene.make_pool(
        scene.range4(1, 1), name="elsewhere", serviceAllocation={"namespaces": ["elsewhere"]}
    )
    await scene.make_pool(
        scene.range4(2, 2), name="red", serviceAllocation={"serviceSelectors": [red]}
    )
    await make(scene, "plain")
    await scene.refused("NoPoolServes", "plain")
    await patch(scene, "plain", {"metadata": {"labels": red["matchLabels"]}})
    await scene.has([scene.ipv4(2)], "plain")
    selected = {"namespaceSelectors": [red], "serviceSelectors": [red], "priority": 1}
    await scene.make_pool(scene.range4(3, 3), name="both", serviceAllocation=selected)
    await scene.cluster.patch("Namespace", "default", {"metadata": {"labels": red["matchLabels"]}})
    try:
        await make(scene, "later")
        await scene.refused("NoPoolServes", "later")
        await patch(scene, "later", {"metadata": {"labels": red["matchLabels"]}})
        await scene.has([scene.ipv4(3)], "later")
        assert scene.addresses("plain") == (scene.ipv4(2),)  # a stronger pool moves nobody
    finally:
        nothing = {"metadata": {"labels": {"color": None}}}
        await scene.cluster.patch("Namespace", "default", nothing)


async def test_8_5_36_prefer_dual_stack(scene: Scene) -> None:
    await scene.make_pool(scene.range4(1, 9), name="four")
    await make(scene, "web", ipFamilyPolicy="PreferDualStack")
    await scene.has([scene.ipv4(1)])
    await patch_pool(scene, "four", addresses=[scene.range4(1, 9), scene.range6(1, 9)])
    await scene.has([scene.ipv4(1), scene.ipv6(1)])
    await scene.make_pool(scene.range4(21, 29), scene.range6(21, 29), name="both")
    await patch_pool(scene, "four", addresses=[scene.range6(1, 9)])
    await scene.has([scene.ipv4(21), scene.ipv6(0x15)])


async def test_8_5_37_counts_in_the_status_of_a_pool(scene: Scene) -> None:
    async def says(free: tuple[int, int], held: int) -> None:
        async def look() -> bool:
            status = await scene.pool_status()
            return [
                status.get(name)
                for name in ("availableIPv4", "availableIPv6", "assignedIPv4", "assignedIPv6")
            ] == [*free, held, held]

        await eventually(look, f"{free} available, {held} assigned")

    await scene.make_pool(f"{scene.ipv4(0)}/30", f"{scene.ipv6(0)}/126")
    await says((4, 4), 0)
    await make(scene, "web", ipFamilyPolicy="RequireDualStack")
    await says((3, 3), 1)
    await patch_pool(scene, addresses=[f"{scene.ipv4(0)}/29", f"{scene.ipv6(0)}/125"])
    await says((7, 7), 1)
    await scene.delete("Service", "web")
    await says((8, 8), 0)
    by_hand = {"status": {"availableIPv4": 77}}
    await scene.cluster.patch(
        "IPAddressPool", scene.name("pool"), by_hand, objects.NAMESPACE, "status"
    )
    await says((8, 8), 0)


@pytest.mark.parametrize("is_automatic", [True, False])
async def test_8_5_38_a_pool_may_be_named(scene: Scene, is_automatic: bool) -> None:
    await scene.make_pool(scene.range4(1, 9), name="other")
    await make(scene, "before")
    await scene.make_pool(scene.range4(11, 19), name="pool", autoAssign=is_automatic)
    await make(scene, "web", annotations={POOL: scene.name("pool")})
    await scene.has([scene.ipv4(11)])
    assert scene.addresses("before") == (scene.ipv4(1),)
    await make(scene, "asks", annotations={REQUEST: scene.ipv4(15)})
    await scene.has([scene.ipv4(15)], "asks")


async def test_8_5_39_a_service_of_another_class_gets_nothing(scene: Scene) -> None:
    await scene.make_pool(scene.range4(1, 9))
    await make(scene, "foreign", loadBalancerClass="example.com/other")
    await make(scene, "own")
    await scene.has([scene.ipv4(1)], "own")
    assert scene.addresses("foreign") == ()
    assert scene.reason(ServiceCondition.REQUEST, "foreign") == ""
