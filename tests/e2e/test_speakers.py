"""Speakers stop, are killed, are frozen, in whole and in part: who answers, what clients lose."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from support.site import children_of, gone, lost

if TYPE_CHECKING:
    from support.scene import Scene
    from support.site import Site

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
    pytest.mark.netns,
    pytest.mark.real,
]

FEW = 5
"""Probes, 10 ms apart, that a take-over which was said in time may cost on a busy machine."""


async def three(scene: Scene) -> dict[str, str]:
    """Make a Service with an address on each node; gives node -> address."""
    await scene.make_class(scene.range4(1, 9))
    await scene.make_service(count=3)
    await scene.served(3)
    return {node: address for address, node in scene.announcers().items()}


def second_choice(scene: Scene, address: str) -> str:
    vip = scene.cluster.vip(address)
    assert vip is not None
    return vip.spec.layer2.nodes[1]


def last_transition(scene: Scene, address: str) -> tuple[str, str, str]:
    vip = scene.cluster.vip(address)
    assert vip is not None
    latest = vip.status.transitions[0]
    return latest["from"], latest["to"], latest["reason"]


def part(scene: Scene, node: str, word: str) -> int:
    (found,) = children_of(scene.cluster.speakers[node].pid, word)
    return found


async def test_killed_speaker_is_replaced_and_takes_its_share_again(
    site: Site, rough: Scene
) -> None:
    address_on = await three(rough)
    address = address_on["n1"]
    successor = second_choice(rough, address)
    reflex, policy = part(rough, "n1", "reflex"), part(rough, "n1", "policy")

    async with site.probing(list(address_on.values())) as seen:
        await rough.cluster.speakers["n1"].kill()
        await gone([reflex, policy])  # both die with their supervisor
        await rough.until(lambda: rough.cluster.announcer(address) == successor)
        await site.answered_by(address, successor)
        assert last_transition(rough, address) == ("n1", successor, "NodeDown")
        await rough.cluster.start_speaker("n1")
        await rough.until(
            lambda: "n1" in rough.announcers().values() and rough.is_served(3), "n1 has its share"
        )
        (taken,) = (item for item, node in rough.announcers().items() if node == "n1")
        await site.answered_by(taken, "n1")  # its own, or another's: both are one step to balance
    assert [lost(seen[address_on[node]]) for node in ("n2", "n3")] == [0, 0]
    assert seen[address].received > 0
    assert sorted(rough.announcers().values()) == ["n1", "n2", "n3"]


async def test_stopped_speaker_hands_over_before_it_ends(site: Site, rough: Scene) -> None:
    address_on = await three(rough)
    address = address_on["n2"]
    successor = second_choice(rough, address)
    async with site.probing(list(address_on.values())) as seen:
        assert await rough.cluster.speakers["n2"].stop() == 0
        await site.answered_by(address, successor)
        await rough.until(lambda: rough.cluster.announcer(address) == successor)
    assert last_transition(rough, address) == ("n2", successor, "NodeLeft")
    assert lost(seen[address]) <= FEW
    assert [lost(seen[address_on[node]]) for node in ("n1", "n3")] == [0, 0]
    entry = next(item for item in rough.cluster.roll if item.node == "n2")
    assert not entry.is_present


async def test_killed_reflex_is_replaced_and_gets_its_share_again(site: Site, rough: Scene) -> None:
    address_on = await three(rough)
    address = address_on["n3"]
    reflex = part(rough, "n3", "reflex")
    os.kill(reflex, signal.SIGKILL)
    await gone([reflex])
    await rough.until(
        lambda: children_of(rough.cluster.speakers["n3"].pid, "reflex") not in ([], [reflex])
    )
    await rough.until(lambda: rough.cluster.announcer(address) in ("n1", "n2"))
    await site.heal()
    await rough.until(
        lambda: sorted(rough.announcers().values()) == sorted(site.nodes) and rough.is_served(3)
    )
    assert set(rough.announcers()) == set(address_on.values())
    for item, node in rough.announcers().items():  # n3 has its share again, not the same one
        await site.answered_by(item, node)


async def test_killed_policy_is_not_noticed_by_clients(site: Site, rough: Scene) -> None:
    address_on = await three(rough)
    pids = [part(rough, node, "policy") for node in site.nodes]
    async with site.probing(list(address_on.values())) as seen:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        await gone(pids)
        for node, address in address_on.items():
            assert await site.nodes_answering(address) == [node]
        await rough.make_service("next")
        await rough.served(name="next")  # by new policy processes
    assert {node: lost(seen[item]) for node, item in address_on.items()} == dict.fromkeys(
        site.nodes, 0
    )
    assert rough.announcers() == {item: node for node, item in address_on.items()}


async def test_frozen_policy_does_not_hold_a_take_over_up(site: Site, rough: Scene) -> None:
    """All three policy processes stand still as a speaker dies: reflex goes by its last orders."""
    address_on = await three(rough)
    address = address_on["n1"]
    successor = second_choice(rough, address)
    frozen = [part(rough, node, "policy") for node in ("n2", "n3")]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        for node, item in address_on.items():
            assert await site.nodes_answering(item) == [node]
        await rough.cluster.speakers["n1"].kill()
        await site.answered_by(address, successor)
        assert rough.cluster.announcer(address) == "n1"  # nobody was there to write it down
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    await rough.until(lambda: rough.cluster.announcer(address) == successor)
    assert last_transition(rough, address)[:2] == ("n1", successor)
