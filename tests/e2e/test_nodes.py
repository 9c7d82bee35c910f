"""Nodes come, go and are labelled: who may announce, and how few addresses move for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb.api.conditions import ClassCondition
from support.scene import WAIT_SECONDS
from support.site import EXCLUDE_LABEL, lost

if TYPE_CHECKING:
    from support.scene import Scene
    from support.site import Site

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
    pytest.mark.netns,
    pytest.mark.real,
]


def held_by(placed: dict[str, str], node: str) -> list[str]:
    return [address for address, owner in placed.items() if owner == node]


async def test_planned_move_loses_no_probe(site: Site, rough: Scene) -> None:
    """Away from an excluded node and back to it, with questions on all addresses meanwhile."""
    cluster = rough.cluster
    await rough.make_class(rough.range4(1, 9), rough.range6(1, 9))
    await rough.make_service(count=3, ipFamilyPolicy="RequireDualStack")
    addresses = await rough.served(6)
    before = rough.announcers()
    leaving = held_by(before, "n1")
    assert len(leaving) == 2

    async with site.probing(addresses) as seen:
        await cluster.label("n1", **{EXCLUDE_LABEL: ""})
        await rough.until(lambda: "n1" not in rough.announcers().values() and rough.is_served(6))
        moved = rough.announcers()
        for address in leaving:
            await site.answered_by(address, moved[address])
        await cluster.label("n1", **{EXCLUDE_LABEL: None})
        await rough.until(
            lambda: len(held_by(rough.announcers(), "n1")) == 2 and rough.is_served(6)
        )
    assert [address for address in addresses if moved[address] != before[address]] == leaving
    assert {address: lost(result) for address, result in seen.items()} == dict.fromkeys(
        addresses, 0
    )
    assert all(result.sent > 0 for result in seen.values())


async def test_class_selects_nodes_by_label(site: Site, rough: Scene) -> None:
    label = f"example.com/{rough.name('edge')}"
    for node in ("n1", "n2"):
        await rough.cluster.label(node, **{label: "yes"})
    await rough.make_class(rough.range4(1, 9), node_selector={label: "yes"})
    await rough.make_service(count=4)
    addresses = await rough.served(4)
    assert sorted(rough.announcers().values()) == ["n1", "n1", "n2", "n2"]

    await rough.cluster.label("n3", **{label: "yes"})
    await rough.until(lambda: len(held_by(rough.announcers(), "n3")) == 1 and rough.is_served(4))

    before = rough.announcers()
    await rough.cluster.label("n1", **{label: None})
    await rough.until(lambda: not held_by(rough.announcers(), "n1") and rough.is_served(4))
    after = rough.announcers()
    assert all(after[item] == before[item] for item in addresses if before[item] != "n1")
    assert rough.addresses() == addresses
    for address in addresses:
        await site.answered_by(address, after[address])

    for node in ("n2", "n3"):
        await rough.cluster.label(node, **{label: None})
    await rough.until(lambda: set(rough.announcers().values()) == {""})
    await rough.until(
        lambda: rough.class_says(ClassCondition.READY)[:2] == (False, "NoEligibleNodes")
    )
    assert "NotSelected: n1, n2, n3" in rough.class_says(ClassCondition.READY)[2]
    for address in addresses:
        await site.unanswered(address)
    assert rough.addresses() == addresses


async def test_node_that_is_not_ready_is_left_unless_none_is(site: Site, rough: Scene) -> None:
    await rough.make_class(rough.range4(1, 9))
    await rough.make_service(count=3)
    await rough.served(3)
    await rough.cluster.set_node_ready("n2", is_ready=False)
    await rough.until(lambda: not held_by(rough.announcers(), "n2") and rough.is_served(3))

    for node in ("n1", "n3"):
        await rough.cluster.set_node_ready(node, is_ready=False)
    await rough.until(lambda: rough.is_served(3) and len(set(rough.announcers().values())) == 3)
    for address, node in rough.announcers().items():
        await site.answered_by(address, node)


async def test_new_node_takes_its_share_and_its_removal_moves_only_that(
    site: Site, rough: Scene
) -> None:
    cluster = rough.cluster
    await rough.make_class(rough.range4(1, 9))
    await rough.make_service(count=8)
    addresses = await rough.served(8)
    before = rough.announcers()

    host = cluster.topology.add_node(4)
    try:
        await cluster.add_node_object("n4")
        await cluster.start_proxy("n4")
        await cluster.start_speaker("n4")
        await rough.until(
            lambda: len(held_by(rough.announcers(), "n4")) == 2 and rough.is_served(8),
            "n4 has its share of eight",
        )
        joined = rough.announcers()
        moved = [item for item in addresses if joined[item] != before[item]]
        assert moved == held_by(joined, "n4")  # nothing moved but what it took
        loads = sorted(list(joined.values()).count(node) for node in (*site.nodes, "n4"))
        assert loads == [2, 2, 2, 2]
        for address in moved:
            await site.answered_by(address, "n4")

        await cluster.delete("Node", "n4")
        assert await cluster.speakers["n4"].stop() == 0
        await rough.until(lambda: "n4" not in rough.announcers().values() and rough.is_served(8))
        left = rough.announcers()
        assert [item for item in addresses if left[item] != joined[item]] == moved
        for address in moved:
            await site.answered_by(address, left[address])
        await cluster.until(
            lambda: all(item.node != "n4" for item in cluster.roll), WAIT_SECONDS,
            "the entry of n4 in the roll goes with its Node",
        )  # fmt: skip
    finally:
        await cluster.speakers.pop("n4").kill()
        host.set_port(is_up=False)
        del cluster.topology.hosts["n4"]
    assert rough.addresses() == addresses
