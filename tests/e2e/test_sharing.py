"""Services that share an address by a key, and those that may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.conditions import ServiceCondition
from metallb.api.services import ADDRESSES_ANNOTATION, SHARING_ANNOTATION

if TYPE_CHECKING:
    from support.scene import Scene
    from support.site import Site

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]

TCP, UDP = (("TCP", 80),), (("UDP", 80),)
KEY = {SHARING_ANNOTATION: "edge"}


async def test_one_key_and_other_ports_share(site: Site, scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service("tcp", ports=TCP, annotations=KEY)
    await scene.make_service("udp", ports=UDP, annotations=KEY)
    (address,) = await scene.served(name="tcp")
    assert await scene.served(name="udp") == (address,)

    vip = scene.cluster.vip(address)
    assert vip is not None
    assert {key.name for key in vip.spec.services} == {scene.name("tcp"), scene.name("udp")}
    await site.answered_by(address, scene.cluster.announcer(address))
    await scene.http(address)


async def test_the_one_that_stays_keeps_address_and_announcer(site: Site, scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service("first", ports=TCP, annotations=KEY)
    (address,) = await scene.served(name="first")
    await scene.make_service("second", ports=UDP, annotations=KEY)
    await scene.served(name="second")
    node = scene.cluster.announcer(address)

    await scene.delete("Service", "first")
    await scene.until(lambda: len(scene.cluster.vips_of(scene.name("first"))) == 0)
    assert scene.addresses("second") == (address,)
    assert scene.cluster.announcer(address) == node
    await site.answered_by(address, node)

    await scene.make_service("third", ports=TCP, annotations=KEY)
    assert await scene.served(name="third") == (address,)


async def test_a_clash_of_ports_is_refused_in_words(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service("first", ports=TCP, annotations=KEY)
    (address,) = await scene.served(name="first")
    await scene.make_service("second", ports=TCP, annotations=KEY)
    assert await scene.served(name="second") != (address,)
    message = await scene.refused("SharingRefused", "second")
    assert all(
        word in message for word in (address, "'edge'", f"default/{scene.name('first')}", "TCP/80")
    )
    assert scene.addresses("first") == (address,)


async def test_a_requested_address_waits_for_the_port(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service("first", ports=TCP, annotations=KEY)
    (address,) = await scene.served(name="first")
    await scene.make_service(
        "second", ports=TCP, annotations={**KEY, ADDRESSES_ANNOTATION: address}
    )
    assert address in await scene.refused("SharingRefused", "second")
    assert scene.addresses("second") == ()

    await scene.delete("Service", "first")
    assert await scene.served(name="second") == (address,)
    assert scene.said(ServiceCondition.REQUEST, "second") == (True, "RequestMet", "")


async def test_local_traffic_is_shared_only_with_the_same_pods(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    local: dict[str, Any] = {"externalTrafficPolicy": "Local", "annotations": KEY}
    await scene.make_service("first", ports=TCP, **local)
    (address,) = await scene.served(name="first")
    await scene.make_service("same", ports=UDP, **local)
    assert await scene.served(name="same") == (address,)
    await scene.make_service("other", ports=(("TCP", 81),), app="other", **local)
    await scene.until(lambda: len(scene.addresses("other")) == 1)
    assert scene.addresses("other") != (address,)
    assert "the same selector" in await scene.refused("SharingRefused", "other")


async def test_another_key_does_not_share(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 1))
    await scene.make_service("first", ports=TCP, annotations=KEY)
    (address,) = await scene.served(name="first")
    for name, key in (("other", {SHARING_ANNOTATION: "back"}), ("none", {})):
        await scene.make_service(
            name, ports=UDP, annotations={**key, ADDRESSES_ANNOTATION: address}
        )
        assert scene.name("first") in await scene.refused("RequestedAddressInUse", name)
        assert scene.addresses(name) == ()
