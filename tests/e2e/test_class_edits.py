"""A class is edited under those who hold its addresses: widened, narrowed, spoilt, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb.api.conditions import ClassCondition, ServiceCondition

if TYPE_CHECKING:
    from support.scene import Scene
    from support.site import Site

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]


async def test_counts_and_readiness_are_in_the_status(site: Site, scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 4))
    await scene.make_service(count=3)
    await scene.served(3)

    def counts() -> object:
        found = scene.cluster.classes.get(("", scene.name("pool"))) or {}
        status = found.get("status", {})
        return status.get("addresses"), status.get("eligibleNodes")

    wanted = {"total": 4, "used": 3, "free": 1}, len(site.nodes)
    await scene.until(lambda: counts() == wanted, f"the class counts {wanted}")
    await scene.until(lambda: scene.class_says(ClassCondition.READY)[:2] == (True, "Serving"))
    await scene.annotate("web", count="4")
    await scene.until(
        lambda: scene.class_says(ClassCondition.EXHAUSTED)[:2] == (True, "NoFreeAddress")
    )
    assert "4 of 4" in await scene.event("pool", "NoFreeAddress")


async def test_widening_serves_those_who_wait_and_moves_nobody(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 1))
    await scene.make_service("first")
    await scene.served(name="first")
    for name in ("second", "third"):
        await scene.make_service(name)
        await scene.refused("NoFreeAddress", name)

    await scene.patch_class(addressPool=[scene.range4(1, 1), scene.range4(7, 8)])
    assert await scene.served(name="second") == (scene.ipv4(7),)
    assert await scene.served(name="third") == (scene.ipv4(8),)
    assert scene.addresses("first") == (scene.ipv4(1),)
    assert scene.reason(ServiceCondition.REQUEST, "second") == "RequestMet"


async def test_narrowing_leaves_the_holder_its_address(site: Site, scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 4))
    await scene.make_service("holder")
    (held,) = await scene.served(name="holder")
    await scene.patch_class(addressPool=[scene.range4(3, 4)])
    await scene.until(
        lambda: scene.class_says(ClassCondition.HELD_OUTSIDE)[:2] == (True, "RangesNarrowed")
    )
    assert held in scene.class_says(ClassCondition.HELD_OUTSIDE)[2]
    assert held in await scene.event("pool", "RangesNarrowed")
    assert scene.addresses("holder") == (held,)
    await site.answered_by(held, scene.cluster.announcer(held))
    await scene.http(held)

    await scene.delete("Service", "holder")
    await scene.until(lambda: not scene.class_says(ClassCondition.HELD_OUTSIDE)[0])
    await scene.make_service("next", count=3)  # two are left, the old one is not given again
    assert await scene.served(2, "next") == (scene.ipv4(3), scene.ipv4(4))
    await scene.refused("NoFreeAddress", "next")


async def test_deleted_class_releases_with_a_reason_and_serves_again(
    site: Site, scene: Scene
) -> None:
    await scene.make_class(scene.range4(1, 4))
    await scene.make_service(count=2)
    addresses = await scene.served(2)
    await scene.delete("MetalLoadBalancerClass", "pool")
    await scene.has([])
    await scene.until(lambda: not any(scene.cluster.vip(item) for item in addresses))
    assert scene.said(ServiceCondition.CLASS) == (
        False, "LoadBalancerClassDeleted", scene.name("pool"),
    )  # fmt: skip
    assert scene.name("pool") in await scene.event("web", "LoadBalancerClassDeleted")
    for address in addresses:
        await site.unanswered(address)

    await scene.make_class(scene.range4(1, 4))
    assert await scene.served(2) == addresses
    assert scene.reason(ServiceCondition.CLASS) == "LoadBalancerClassBound"


async def test_a_malformed_range_is_named_and_the_others_serve(scene: Scene) -> None:
    await scene.make_class("10.10.128.300-10.10.128.301", scene.range4(1, 4), "fd10::/abc")
    await scene.make_service()
    assert await scene.served() == (scene.ipv4(1),)
    await scene.until(lambda: scene.class_says(ClassCondition.VALID)[1] == "InvalidSpec")
    message = scene.class_says(ClassCondition.VALID)[2]
    assert ".spec.addressPool[0]" in message
    assert "10.10.128.300" in message
    assert ".spec.addressPool[2]" in message
    assert await scene.event("pool", "InvalidSpec") == message

    await scene.patch_class(addressPool=[scene.range4(1, 4)])
    await scene.until(lambda: scene.class_says(ClassCondition.VALID)[:2] == (True, "Valid"))


async def test_of_overlapping_classes_the_older_keeps_what_both_want(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 4), name="a-older")
    await scene.make_class(scene.range4(3, 6), name="b-younger")
    await scene.until(lambda: scene.class_says(ClassCondition.CONFLICT, "b-younger")[0])
    message = scene.class_says(ClassCondition.CONFLICT, "b-younger")[2]
    assert scene.name("a-older") in message
    assert scene.range4(3, 4) in message
    assert await scene.event("b-younger", "OverlappingRanges") == message
    await scene.make_service("old", "a-older", count=4)
    await scene.make_service("new", "b-younger", count=2)
    assert await scene.served(4, "old") == tuple(scene.ipv4(last) for last in (1, 2, 3, 4))
    assert await scene.served(2, "new") == (scene.ipv4(5), scene.ipv4(6))


async def test_interfaces_are_obeyed(site: Site, scene: Scene) -> None:
    """On an interface that no node has, nobody answers; the address is held all the same."""
    await scene.make_class(scene.range4(1, 4))
    await scene.make_service()
    (address,) = await scene.served()
    await scene.patch_class(l2={"interfaces": ["eth7"]})
    await scene.until(lambda: scene.cluster.announcer(address) == "")
    await site.unanswered(address)
    assert scene.addresses() == (address,)

    await scene.patch_class(l2={"interfaces": ["eth7", "eth0"]})
    await scene.served()
    await site.answered_by(address, scene.cluster.announcer(address))
