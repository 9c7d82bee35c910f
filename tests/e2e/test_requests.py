"""Requested addresses: had, outside of the class, taken by others, wrongly written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb.api.conditions import ServiceCondition
from metallb.api.services import ADDRESSES_ANNOTATION

if TYPE_CHECKING:
    from support.scene import Scene

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]


def request(*addresses: str) -> dict[str, str]:
    return {ADDRESSES_ANNOTATION: ",".join(addresses)}


async def test_the_list_may_have_spaces_and_keeps_its_order(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    wanted = (scene.ipv4(7), scene.ipv4(3))
    text = f"  {wanted[0]} ,\t{wanted[1]} "
    await scene.make_service(count=2, annotations={ADDRESSES_ANNOTATION: text})
    assert await scene.served(2) == wanted


async def test_what_is_not_named_is_chosen(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service(count=3, annotations=request(scene.ipv4(5)))
    assert await scene.served(3) == (scene.ipv4(5), scene.ipv4(1), scene.ipv4(2))


async def test_outside_waits_until_the_class_has_it(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    wanted = scene.ipv4(77)
    await scene.make_service(annotations=request(wanted))
    message = await scene.refused("RequestedAddressOutsideClass")
    assert wanted in message
    assert scene.name("pool") in message
    assert scene.addresses() == ()

    await scene.patch_class(addressPool=[scene.range4(1, 9), wanted])
    assert await scene.served() == (wanted,)
    assert scene.said(ServiceCondition.REQUEST) == (True, "RequestMet", "")


async def test_taken_waits_until_it_is_free(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service("holder")
    (address,) = await scene.served(name="holder")
    await scene.make_service(annotations=request(address))
    assert f"default/{scene.name('holder')}" in await scene.refused("RequestedAddressInUse")
    assert scene.addresses() == ()

    await scene.delete("Service", "holder")
    assert await scene.served() == (address,)


async def test_a_wish_that_cannot_be_met_costs_nothing_that_is_held(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service("holder", annotations=request(scene.ipv4(4)))
    await scene.served(name="holder")
    await scene.make_service()
    (before,) = await scene.served()

    await scene.annotate("web", addresses=scene.ipv4(4))
    await scene.refused("RequestedAddressInUse")
    assert scene.addresses() == (before,)

    await scene.annotate("web", addresses=scene.ipv4(8))
    await scene.has([scene.ipv4(8)])
    await scene.until(lambda: scene.cluster.vip(before) is None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.0.0.300", "InvalidRequestedAddress"),
        ("10.10.129.1;10.10.129.2", "InvalidRequestedAddress"),
        ("10.10.129.0/24", "InvalidRequestedAddress"),
        ("fd10::1:1:1", "RequestedFamilyNotUsed"),
    ],
)
async def test_nonsense_is_named_and_the_service_served(
    scene: Scene, text: str, reason: str
) -> None:
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service(annotations={ADDRESSES_ANNOTATION: text})
    assert await scene.served() == (scene.ipv4(1),)
    assert text.partition(";")[0] in await scene.refused(reason)


async def test_more_than_the_count_raise_it(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service(count=1, annotations=request(scene.ipv4(3), scene.ipv4(4)))
    assert await scene.served(2) == (scene.ipv4(3), scene.ipv4(4))
