"""Malformed messages of every kind on real sockets, many peers at once, beside one that is good."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from ipaddress import IPv4Address
from itertools import islice

import pytest

from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.errors import NotificationError
from metallb_speaker.bgp.iana import MessageType
from metallb_speaker.bgp.messages import MessageReader, Notification, RawUpdate
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.bgp.update import parse_update
from support.bgp_mutants import GOOD, Mutant, mutants
from support.bgp_nodes import Node, Robot, addresses, both_up
from support.waiting import until
from vectors.bgp.updates import EXTERNAL

ROUTE = Prefix.of("203.0.113.1/32")
PEERS = 20


def verdict(mutant: Mutant) -> Notification | bool:
    """What the codec alone makes of it: our NOTIFICATION; or whether the session goes on."""
    reader = MessageReader(65535)
    reader.feed(mutant.octets)
    try:
        while (message := reader.next_message()) is not None:
            if isinstance(message, Notification):
                return False
            if isinstance(message, RawUpdate):
                parse_update(message.body, EXTERNAL)
    except NotificationError as error:
        return Notification(error.code, error.subcode, error.data)
    return True


def crowd() -> list[IPv4Address]:
    """Addresses for the peers that misbehave."""
    first = IPv4Address("127.40.0.0") + os.getpid() % 2**10 * 2**5
    return [first + number for number in range(1, PEERS + 1)]


async def last_word(robot: Robot) -> Notification | None:
    while (message := await robot.hear()) is not None:
        if isinstance(message, Notification):
            return message
    return None


@pytest.mark.parametrize("kind", [kind for kind in GOOD if kind.startswith(("UPDATE", "ROUTE"))])
async def test_each_gets_its_answer_and_the_good_peer_its_routes(kind: str) -> None:
    known = list(mutants(kind))
    some = list(islice(known, 0, None, len(known) // PEERS))[:PEERS]
    here, good = list(addresses())[:2]
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(Node(here, 64513))
        well = await stack.enter_async_context(Node(good, 64514))
        node.peers_with(well)
        well.peers_with(node, passive=True)
        robots = [await stack.enter_async_context(Robot(at, 65010)) for at in crowd()]
        for robot in robots:
            node.peers_with(robot, passive=True)
        await both_up(node, well)
        for robot in robots:
            await robot.dial(node)
            await robot.establish(node)
        for robot, mutant in zip(robots, some, strict=True):
            robot.say(mutant.octets)
            await robot.flush()
        for robot, mutant in zip(robots, some, strict=True):
            expected = verdict(mutant)
            if isinstance(expected, Notification):
                assert await last_word(robot) == expected, mutant.name
        node.routes(well, {ROUTE: RouteAttributes()})
        await until(lambda: well.status(node).received[MessageType.UPDATE] == 3)
        for robot, mutant in zip(robots, some, strict=True):
            assert node.status(robot).is_up is (verdict(mutant) is True), mutant.name
        assert node.status(well).established_count == 1
