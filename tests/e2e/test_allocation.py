"""metallb.md §8.1: allocator and controller, as users see them on the real API server.

Names of the tests say which line of the inventory it is; `docs/internal/COMPATIBILITY.md` has all
lines, with those that tests elsewhere cover.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.services import ALLOCATED_FROM_ANNOTATION
from metallb_lab import objects
from support.native import POOL, REQUEST, SHARE, annotate, eventually, make, patch, patch_pool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb.kube.client import JsonObject
    from support.scene import Scene

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]

PREFER: Mapping[str, Any] = {"ipFamilyPolicy": "PreferDualStack"}
REQUIRE: Mapping[str, Any] = {"ipFamilyPolicy": "RequireDualStack"}
WEB, DNS, SIDE = [("TCP", 80)], [("UDP", 53)], [("TCP", 81)]


async def version(scene: Scene, name: str) -> str:
    """Give the resourceVersion of a Service."""
    value = await scene.cluster.get("Service", scene.name(name), "default")
    text: str = value["metadata"]["resourceVersion"]
    return text


async def fenced(scene: Scene, name: str) -> None:
    """Wait until a new Service is served: all that came before it has been decided and written."""
    await make(scene, name)
    await scene.until(lambda: scene.addresses(name) != (), f"{name} is served")


# -- 1, 2, 3: which address ------------------------------------------------------------------------


async def test_8_1_1_an_address_is_asked_for_refused_freed_and_had(scene: Scene) -> None:
    """A failed request costs nothing that is held."""
    await scene.make_pool(scene.range4(1, 9))
    await make(scene, "a", annotations={REQUEST: scene.ipv4(5)})
    await scene.has([scene.ipv4(5)], "a")
    await make(scene, "b")
    await scene.has([scene.ipv4(1)], "b")
    await annotate(scene, "b", request=scene.ipv4(5))
    assert scene.name("a") in await scene.refused("RequestedAddressInUse", "b")
    assert scene.addresses("b") == (scene.ipv4(1),)
    await annotate(scene, "a", request=scene.ipv4(6))
    await scene.has([scene.ipv4(6)], "a")
    await scene.has([scene.ipv4(5)], "b")


async def test_8_1_1_both_families_are_asked_for(scene: Scene) -> None:
    await scene.make_pool(scene.range4(1, 9), scene.range6(1, 9))
    wanted = [scene.ipv4(4), scene.ipv6(7)]
    await make(scene, "web", annotations={REQUEST: ",".join(reversed(wanted))}, **REQUIRE)
    await scene.has(wanted)


async def test_8_1_1_a_port_is_had_once_on_a_shared_address(scene: Scene) -> None:
    await scene.make_pool(scene.range4(1, 9))
    share = {SHARE: "share", REQUEST: scene.ipv4(3)}
    await make(scene, "a", annotations=share, ports=WEB)
    await scene.has([scene.ipv4(3)], "a")
    await make(scene, "b", annotations=share, ports=WEB)
    assert "TCP/80" in await scene.refused("SharingRefused", "b")
    await make(scene, "c", annotations=share, ports=DNS)
    await scene.has([scene.ipv4(3)], "c")
    await make(scene, "d", annotations={**share, SHARE: "other"}, ports=SIDE)
    await scene.refused("RequestedAddressInUse", "d")


async def test_8_1_2_a_named_pool_and_when_it_is_exhausted(scene: Scene) -> None:
    await scene.make_pool(f"{scene.ipv4(1)}/32", f"{scene.ipv6(1)}/128", name="named")
    await scene.make_pool(scene.range4(11, 19), name="other", autoAssign=False)
    named = {POOL: scene.name("named")}
    await make(scene, "both", annotations={**named, SHARE: "k"}, ports=WEB, **REQUIRE)
    await scene.has([scene.ipv4(1), scene.ipv6(1)], "both")
    await make(scene, "alone", annotations=named)
    words = await scene.refused("NoFreeAddress", "alone")
    assert f"pool {scene.name('other')} has 9 free" in words
    await make(scene, "shares", annotations={**named, SHARE: "k"}, ports=DNS, **PREFER)
    await scene.has([scene.ipv4(1), scene.ipv6(1)], "shares")
    await make(scene, "lost", annotations={POOL: scene.name("nowhere")})
    assert scene.name("nowhere") in await scene.refused("UnknownPool", "lost")


async def test_8_1_3_what_is_not_given_by_itself_and_what_is_buggy(scene: Scene) -> None:
    await scene.make_pool(scene.range4(1, 9), name="quiet", autoAssign=False)
    await scene.make_pool(scene.range6(1, 9), name="six")
    await make(scene, "four")
    await scene.refused("FamilyNotInPools", "four")
    await make(scene, "six", ipFamilies=["IPv6"])
    await scene.has([scene.ipv6(1)], "six")
    await scene.make_pool(f"{scene.ipv4(254)}-{scene.ipv4(255)}", name="buggy", avoidBuggyIPs=True)
    await scene.has([scene.ipv4(254)], "four")
    await make(scene, "more")
    await scene.refused("NoFreeAddress", "more")


# -- 4, 9, 10: pools that change -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "place"),
    [
        pytest.param({"pool": (1, 20)}, 5, id="grows"),
        pytest.param({"pool": (3, 6)}, 5, id="shrinks-beside-it"),
        pytest.param({"pool": (6, 9)}, 6, id="shrinks-under-it"),
        pytest.param({"new": (1, 9)}, 5, id="is-renamed"),
        pytest.param({"pool": (1, 4), "new": (5, 9)}, 5, id="is-split"),
        pytest.param({"pool": (1, 4)}, 1, id="loses-its-range"),
        pytest.param({}, 0, id="is-deleted"),
    ],
)
async def test_8_1_4_pools_are_replaced_while_in_use(
    scene: Scene, after: dict[str, tuple[int, int]], place: int
) -> None:
    await scene.make_pool(scene.range4(1, 9))
    await make(scene, "web", annotations={REQUEST: scene.ipv4(5)})
    await scene.has([scene.ipv4(5)])
    await annotate(scene, "web", request=None)
    if "new" in after:  # the older of two that overlap has the addresses
        await scene.make_pool(scene.range4(*after["new"]), name="new")
    if "pool" in after:
        await patch_pool(scene, addresses=[scene.range4(*after["pool"])])
    else:
        await scene.delete("IPAddressPool", "pool")
    await scene.has([scene.ipv4(place)] if place else [])
    owner = scene.name("new" if "new" in after else "pool")

    def is_entered() -> bool:
        vip = scene.cluster.vip(scene.ipv4(place or 5))
        return vip is None if not place else vip is not None and vip.spec.pool.endswith(f"/{owner}")

    await scene.until(is_entered, f"the ledger says {owner if place else 'nothing'}")


async def test_8_1_9_a_second_pool_changes_nothing_until_the_first_goes(scene: Scene) -> None:
    await scene.make_pool(scene.range4(11, 19), name="first")
    await make(scene, "web")
    await scene.has([scene.ipv4(11)])
    before = await version(scene, "web")
    await scene.make_pool(scene.range4(1, 9), name="a-second")
    await fenced(scene, "fence")
    assert await version(scene, "web") == before
    await scene.delete("IPAddressPool", "first")
    assert scene.addresses("fence") == (scene.ipv4(1),)
    await scene.has([scene.ipv4(2)])


async def test_8_1_10_dual_services_wait_for_a_range_of_the_other_family(scene: Scene) -> None:
    await scene.make_pool(scene.range4(1, 9))
    for name in "ab":
        await make(scene, name, **REQUIRE)
        await scene.refused("FamilyNotInPools", name)
    await patch_pool(scene, addresses=[scene.range4(1, 9), scene.range6(1, 9)])
    await scene.until(
        lambda: (
            {scene.addresses(name) for name in "ab"}
            == {(scene.ipv4(place), scene.ipv6(place)) for place in (1, 2)}
        ),
        "both have both families",
    )


# -- 5, 6, 7: convergence --------------------------------------------------------------------------


async def test_8_1_5_a_shared_address_counts_once(scene: Scene) -> None:
    async def counts(free: int, held: int) -> None:
        async def look() -> bool:
            status = await scene.pool_status()
            return (status.get("availableIPv4"), status.get("assignedIPv4")) == (free, held)

        await eventually(look, f"{free} available, {held} assigned")

    await scene.make_pool(f"{scene.ipv4(0)}/29", avoidBuggyIPs=True)
    await counts(7, 0)
    share = {SHARE: "k", REQUEST: scene.ipv4(1)}
    for name, ports in (("a", WEB), ("b", DNS)):
        await make(scene, name, annotations=share, ports=ports)
        await scene.has([scene.ipv4(1)], name)
    await counts(6, 1)
    await scene.delete("Service", "a")
    await fenced(scene, "c")
    await counts(5, 2)
    await scene.delete("Service", "b")
    await scene.delete("Service", "c")
    await counts(7, 0)


async def test_8_1_6_nothing_is_written_when_nothing_changes(scene: Scene) -> None:
    """Nothing changes once it is announced: before that the Service's endpoints may come later
    than its address, and they change the order in the ledger.
    """
    await scene.make_pool(scene.range4(1, 9))
    await make(scene, "web")
    await scene.served()
    vip = scene.cluster.vip(scene.ipv4(1))
    assert vip is not None
    touched = await patch(scene, "web", {"metadata": {"labels": {"touched": "yes"}}})
    await fenced(scene, "fence")
    assert await version(scene, "web") == touched["metadata"]["resourceVersion"]
    after = scene.cluster.vip(scene.ipv4(1))
    assert after is not None
    assert after.meta.generation == vip.meta.generation


@pytest.mark.parametrize("by_hand", [[], ["elsewhere"], ["mine", "elsewhere"], ["text"]])
async def test_8_1_6_a_status_that_is_edited_by_hand_is_put_back(
    scene: Scene, by_hand: list[str]
) -> None:
    await scene.make_pool(scene.range4(1, 9))
    await make(scene, "web")
    await scene.has([scene.ipv4(1)])
    known = {"elsewhere": scene.ipv4(200), "mine": scene.ipv4(1)}
    shown: list[JsonObject] = [
        {"ip": known[word]} if word in known else {"hostname": "by-hand.example.org"}
        for word in by_hand
    ]
    edited = await patch(scene, "web", {"status": {"loadBalancer": {"ingress": shown}}}, "status")

    async def is_put_back() -> bool:
        value = await scene.cluster.get("Service", scene.name("web"), "default")
        found = value["status"]["loadBalancer"].get("ingress", [])
        is_newer = value["metadata"]["resourceVersion"] != edited["metadata"]["resourceVersion"]
        return is_newer and [item.get("ip") for item in found] == [scene.ipv4(1)]

    await eventually(is_put_back, "the status shows what the ledger has")


async def test_8_1_6_another_type_and_back(scene: Scene) -> None:
    await scene.make_pool(scene.range4(1, 9))
    await make(scene, "web")
    await scene.has([scene.ipv4(1)])
    await patch(scene, "web", {"spec": {"type": "ClusterIP"}})
    await scene.until(lambda: scene.cluster.vip(scene.ipv4(1)) is None, "it is let go")
    value = await scene.cluster.get("Service", scene.name("web"), "default")
    assert not value["status"]["loadBalancer"]
    assert not value["status"].get("conditions")
    assert ALLOCATED_FROM_ANNOTATION not in value["metadata"].get("annotations", {})
    await patch(scene, "web", {"spec": {"type": "LoadBalancer"}})
    await scene.has([scene.ipv4(1)])


async def test_8_1_7_without_a_pool_nothing_is_given_and_nothing_is_written(scene: Scene) -> None:
    """A Service that nobody serves may be another load balancer's."""
    made = await make(scene, "web")
    await scene.make_class(scene.range4(21, 29))
    await scene.make_service("fence")
    await scene.has([scene.ipv4(21)], "fence")
    assert await version(scene, "web") == made["metadata"]["resourceVersion"]
    await scene.make_pool(scene.range4(1, 9))
    await scene.has([scene.ipv4(1)])
    await scene.delete("IPAddressPool", "pool")
    await scene.has([])


# -- 11, 13, 14: what is read ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("{v4}.9/32", "{v4}.9", id="one-address"),
        pytest.param("{v4}.7/30", "{v4}.4", id="host-bits-are-ignored"),
        pytest.param("{v4}.3 - {v4}.4", "{v4}.3", id="blanks-around-a-range"),
        pytest.param("::ffff:{v4}.8/126", "{v4}.8", id="mapped-into-ipv6"),
        pytest.param("{v4}.8/032", "{v4}.8", id="zeros-before-the-length"),
    ],
)
async def test_8_1_11_how_addresses_may_be_written(scene: Scene, text: str, place: str) -> None:
    v4 = scene.ipv4(0).removesuffix(".0")
    await scene.make_pool(text.format(v4=v4))
    await make(scene)
    await scene.has([place.format(v4=v4)])


async def test_8_1_13_what_says_the_same_leads_to_no_write(scene: Scene) -> None:
    await scene.make_pool(scene.range4(1, 9))
    await make(scene, "web")
    await scene.served()
    before = await version(scene, "web")
    vip = scene.cluster.vip(scene.ipv4(1))
    note = {"metadata": {"annotations": {"note": "by hand"}, "labels": {"any": "label"}}}
    await scene.cluster.patch("IPAddressPool", scene.name("pool"), note, objects.NAMESPACE)
    await patch_pool(scene, addresses=[f"{scene.ipv4(1)} - {scene.ipv4(9)}"])
    await fenced(scene, "fence")
    assert await version(scene, "web") == before
    after = scene.cluster.vip(scene.ipv4(1))
    assert vip is not None
    assert after is not None
    assert (after.meta.uid, after.spec) == (vip.meta.uid, vip.spec)


async def test_8_1_14_what_is_wrong_is_told_and_the_rest_serves(scene: Scene) -> None:
    """MetalLB stops at the last good configuration; here what is right goes on."""

    async def state() -> tuple[str, str]:
        found = await scene.cluster.get("ConfigurationState", "controller", objects.NAMESPACE)
        status = found.get("status") or {}
        return status.get("result", ""), status.get("errorSummary", "")

    async def is_told() -> bool:
        result, words = await state()
        return result == "Invalid" and scene.name("later") in words

    async def is_over() -> bool:
        return (await state())[0] == "Valid"

    await scene.make_pool(scene.range4(1, 9), name="first")
    await make(scene, "before")
    await scene.has([scene.ipv4(1)], "before")
    await scene.make_pool(scene.range4(5, 19), name="later")
    await eventually(is_told, "ConfigurationState names the pool that is wrong")
    assert scene.addresses("before") == (scene.ipv4(1),)
    await make(scene, "after", annotations={REQUEST: scene.ipv4(15)})
    await scene.has([scene.ipv4(15)], "after")
    await patch_pool(scene, "later", addresses=[scene.range4(10, 19)])
    await eventually(is_over, "ConfigurationState is valid again")
