"""IPv4 and IPv6: Services of both families, of one, and classes that have only one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb.api.conditions import ServiceCondition

if TYPE_CHECKING:
    from support.scene import Scene
    from support.site import Site

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]


@pytest.mark.parametrize("families", [["IPv4", "IPv6"], ["IPv6", "IPv4"]])
async def test_both_families_are_served(site: Site, scene: Scene, families: list[str]) -> None:
    await scene.make_class(scene.range6(1, 9), scene.range4(1, 9))
    await scene.make_service(ipFamilyPolicy="RequireDualStack", ipFamilies=families)
    by_family = {"IPv4": scene.ipv4(1), "IPv6": scene.ipv6(1)}
    assert await scene.served(2) == tuple(by_family[item] for item in families)
    for address in scene.addresses():
        await site.answered_by(address, scene.cluster.announcer(address))
        seen = await scene.http(address)
        assert (":" in seen.client) == (":" in address)


async def test_a_count_is_for_each_family(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9), scene.range6(1, 9))
    await scene.make_service(count=2, ipFamilyPolicy="RequireDualStack")
    assert await scene.served(4) == (
        scene.ipv4(1), scene.ipv4(2), scene.ipv6(1), scene.ipv6(2),
    )  # fmt: skip


async def test_required_family_that_the_class_lacks(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service(ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4", "IPv6"])
    assert await scene.served() == (scene.ipv4(1),)
    message = await scene.refused("FamilyNotInClass")
    assert "IPv6" in message
    assert scene.name("pool") in message
    assert scene.said(ServiceCondition.ASSIGNED) == (
        False, "NotAllIPsAssigned", "1 of 2 public IPs were assigned",
    )  # fmt: skip

    await scene.patch_class(addressPool=[scene.range4(1, 9), scene.range6(1, 9)])
    assert await scene.served(2) == (scene.ipv4(1), scene.ipv6(1))


async def test_preferred_family_comes_when_the_class_has_it(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service(ipFamilyPolicy="PreferDualStack")
    assert await scene.served() == (scene.ipv4(1),)
    assert scene.reason(ServiceCondition.ASSIGNED) == "AllIPsAssigned"
    assert scene.reason(ServiceCondition.REQUEST) == ""

    await scene.patch_class(addressPool=[scene.range4(1, 9), scene.range6(1, 9)])
    assert await scene.served(2) == (scene.ipv4(1), scene.ipv6(1))
    await scene.http(scene.ipv6(1))


async def test_back_to_one_family_releases_the_other(site: Site, scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9), scene.range6(1, 9))
    await scene.make_service(ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4", "IPv6"])
    await scene.served(2)
    service = await scene.cluster.get("Service", scene.name("web"))
    await scene.cluster.patch(
        "Service", scene.name("web"),
        {"spec": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"],
                  "clusterIPs": service["spec"]["clusterIPs"][:1]}},
        "default",
    )  # fmt: skip
    await scene.has([scene.ipv4(1)])
    await scene.until(lambda: scene.cluster.vip(scene.ipv6(1)) is None)
    await site.unanswered(scene.ipv6(1))
    await scene.http(scene.ipv4(1))
