"""Peers that are slow, silent, rude or broken: they cost themselves the session, others nothing."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.fsm import State
from metallb_speaker.bgp.iana import MessageType
from metallb_speaker.bgp.messages import KEEPALIVE, Notification, encode_open, frame
from metallb_speaker.bgp.open import OpenMessage
from metallb_speaker.bgp.prefixes import Prefix
from support.bgp_nodes import Node, Robot, addresses, both_up
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PLAIN = RouteAttributes()
ROUTE = Prefix.of("203.0.113.1/32")
MANY = 30_000
FLOOD = 100_000


@pytest.fixture
async def scene() -> AsyncIterator[tuple[Node, Robot, Node]]:
    """A speaker, a robot that it waits for, and a good peer with which it has a session."""
    here, there, good = list(addresses())[:3]
    async with Node(here, 64513) as node, Robot(there, 64512) as robot, Node(good, 64514) as well:
        node.peers_with(robot, passive=True)
        node.peers_with(well)
        well.peers_with(node, passive=True)
        await both_up(node, well)
        yield node, robot, well
        assert node.status(well).established_count == 1


async def heard(robot: Robot) -> Notification | None:
    """Read up to the NOTIFICATION, or the end."""
    while (message := await robot.hear()) is not None:
        if isinstance(message, Notification):
            return message
    return None


async def test_garbage_is_answered_and_ends_the_connection(scene: tuple[Node, Robot, Node]) -> None:
    node, robot, _ = scene
    await robot.dial(node)
    robot.say(b"GET / HTTP/1.1\r\nHost: router\r\n\r\n")
    assert await heard(robot) == Notification(1, 1)
    await node.ended(robot, "MESSAGE_HEADER_ERROR/CONNECTION_NOT_SYNCHRONIZED")


async def test_another_as_is_refused_by_name(scene: tuple[Node, Robot, Node]) -> None:
    node, robot, _ = scene
    await robot.dial(node)
    robot.say(encode_open(OpenMessage(64999, 90, 7)))
    assert await heard(robot) == Notification(2, 2)
    await node.ended(robot, "BAD_PEER_AS: AS 64999 in place of 64512")


async def test_one_that_is_silent_after_connecting_holds_nobody_up(
    scene: tuple[Node, Robot, Node],
) -> None:
    """A half-open peer: the next connection that it makes takes the place of the first."""
    node, robot, well = scene
    await robot.dial(node)
    await until(lambda: node.status(robot).state is State.OPEN_SENT)
    async with Robot(robot.address, robot.asn) as again:
        await again.dial(node)
        await again.establish(node)
        assert await heard(robot) == Notification(6, 7)
    node.routes(well, {ROUTE: PLAIN})
    await until(lambda: well.status(node).received[MessageType.UPDATE] == 3)


async def test_a_new_connection_of_a_peer_with_graceful_restart_replaces_the_old(
    scene: tuple[Node, Robot, Node],
) -> None:
    """RFC 4724 §5: it restarts, and we had not noticed yet that it was gone."""
    node, robot, _ = scene
    await robot.dial(node)
    await robot.establish(node)
    async with Robot(robot.address, robot.asn) as again:
        await again.dial(node)
        assert await heard(robot) is None  # without a NOTIFICATION
        again.say(encode_open(again.open(node)) + KEEPALIVE)
        await until(lambda: node.status(robot).established_count == 2)


async def test_a_new_connection_of_any_other_peer_is_refused(
    scene: tuple[Node, Robot, Node],
) -> None:
    """RFC 4271 §6.8: an Established session stays."""
    node, robot, _ = scene
    await robot.dial(node)
    await robot.establish(node, graceful_restart_seconds=None)
    async with Robot(robot.address, robot.asn) as again:
        await again.dial(node)
        again.say(encode_open(again.open(node)))
        assert await heard(again) == Notification(6, 7)
    assert node.status(robot).is_up
    assert node.status(robot).established_count == 1


async def test_a_peer_that_does_not_read_is_owed_its_routes_and_others_get_theirs(
    scene: tuple[Node, Robot, Node],
) -> None:
    node, robot, well = scene
    await robot.dial(node)
    await robot.establish(node)
    routes = {
        Prefix.of(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32"): RouteAttributes(med=n)
        for n in range(MANY)
    }
    robot.pause()
    node.routes(robot, routes)
    node.routes(well, {ROUTE: PLAIN})
    await until(lambda: well.status(node).received[MessageType.UPDATE] == 3)
    assert node.status(robot).unsent_routes > MANY // 2  # they wait where changes can merge
    before = node.status(robot).unsent_routes
    node.routes(robot, dict.fromkeys(routes))
    assert node.status(robot).unsent_routes < before  # what was never said needs no withdrawal
    robot.resume()
    await until(lambda: node.status(robot).unsent_routes == 0)


async def test_one_that_never_reads_is_given_up(scene: tuple[Node, Robot, Node]) -> None:
    """RFC 9687."""
    node, robot, _ = scene
    node.peers_with(robot, passive=True, send_hold_seconds=0.5)
    await robot.dial(node)
    await robot.establish(node)
    robot.pause()
    node.routes(
        robot,
        {
            Prefix.of(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32"): RouteAttributes(med=n)
            for n in range(MANY)
        },
    )
    await node.ended(robot, "SEND_HOLD_TIMER_EXPIRED")
    await until(lambda: node.peering.open_connections == 1)  # it lingers no longer


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_a_flood_of_updates_harms_nobody(scene: tuple[Node, Robot, Node]) -> None:
    node, robot, well = scene
    await robot.dial(node)
    await robot.establish(node)
    update = frame(
        MessageType.UPDATE,
        bytes.fromhex("0000 0014 40010100 40020602010000fc00 400304c0000202 20cb007107"),
    )
    for _ in range(FLOOD // 1000):
        robot.say(update * 1000)
    node.routes(well, {ROUTE: PLAIN})
    await until(lambda: well.status(node).received[MessageType.UPDATE] == 3)
    heard_then = node.status(robot).received[MessageType.UPDATE]
    await robot.flush()
    await until(lambda: node.status(robot).received[MessageType.UPDATE] == FLOOD)
    assert heard_then < FLOOD  # the good peer had not to wait for all of it
    assert node.status(robot).is_up
    assert node.status(robot).malformed_updates == 0


async def test_a_storm_of_resets_is_met_with_patience(scene: tuple[Node, Robot, Node]) -> None:
    """Each ends a connection and makes the wait longer: no tight loop, no connection left over."""
    node, robot, _ = scene
    await robot.listen()
    node.peers_with(robot)
    for _ in range(3):
        await robot.answer()
        robot.say(encode_open(robot.open(node)))
        robot.reset()
    await until(lambda: node.status(robot).sent[MessageType.OPEN] == 3)
    await until(lambda: node.status(robot).retry_at is not None)
    retry_at = node.status(robot).retry_at
    assert retry_at is not None
    assert retry_at - asyncio.get_running_loop().time() > 1.0
    await until(lambda: node.peering.open_connections == 1)


async def test_a_crowd_of_connections_leaves_one(scene: tuple[Node, Robot, Node]) -> None:
    node, robot, _ = scene
    crowd = []
    for _ in range(100):
        tcp = socket.socket()
        tcp.setblocking(False)
        tcp.bind((str(robot.address), 0))
        await asyncio.get_running_loop().sock_connect(tcp, (str(node.address), 1790))
        crowd.append(tcp)
    await until(lambda: node.peering.open_connections <= 3)
    for tcp in crowd:
        tcp.close()
    await until(lambda: node.peering.open_connections == 1)
    await robot.dial(node)
    await robot.establish(node)


async def test_the_last_word_arrives_though_the_peer_still_talks(
    scene: tuple[Node, Robot, Node],
) -> None:
    """Closing with unread octets would send a RST, which can overtake the NOTIFICATION."""
    node, robot, _ = scene
    await robot.dial(node)
    await robot.establish(node)
    robot.say(KEEPALIVE * 50_000)
    node.parts_from(robot)
    robot.say(KEEPALIVE * 50_000)
    told = await heard(robot)
    assert told is not None
    assert told.hard_reset_reason == Notification(6, 3)


async def test_a_flood_of_malformed_updates_is_counted_and_said_now_and_then(
    scene: tuple[Node, Robot, Node], caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 7606: a bad ORIGIN is treated as a withdrawal; the session goes on, the log too."""
    node, robot, _ = scene
    await robot.dial(node)
    await robot.establish(node)
    update = frame(
        MessageType.UPDATE,
        bytes.fromhex("0000 0014 40010109 40020602010000fc00 400304c0000202 20cb007107"),
    )
    robot.say(update * 1000)
    await until(lambda: node.status(robot).malformed_updates == 1000)
    assert node.status(robot).is_up
    assert caplog.text.count("UPDATE with a fault in ORIGIN") == 10
