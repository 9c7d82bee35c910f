"""Twenty speakers and five routers, a BFD session between each two, in virtual time, by seed."""

from __future__ import annotations

from itertools import product

import pytest

from metallb_speaker.bfd.iana import Diagnostic, State
from support.bfd_wire import BfdWire, Node, config

SPEAKERS, ROUTERS = 20, 5
INTERVAL_US = 300_000
DETECTION_SECONDS = 0.9
SLACK_SECONDS = 0.005
ROUNDS = 3


class Fabric:
    """All nodes; those that die and those that are cut off are taken by chance."""

    def __init__(self, seed: int, loss: float) -> None:
        self.wire = BfdWire(seed)
        self.wire.spread_seconds = 0.002
        self.loss = loss
        self.cuts: set[frozenset[str]] = set()
        self.wire.loses = self._loses
        self.speakers = [self.wire.node(f"10.9.1.{number + 1}") for number in range(SPEAKERS)]
        self.routers = [self.wire.node(f"10.9.2.{number + 1}") for number in range(ROUTERS)]
        for node in (*self.speakers, *self.routers):
            self.start(node)

    def _loses(self, source: Node, target: Node) -> bool:
        pair = frozenset((str(source.address), str(target.address)))
        return pair in self.cuts or self.wire.random.random() < self.loss

    def peers(self, node: Node) -> list[Node]:
        return self.routers if node in self.speakers else self.speakers

    def start(self, node: Node) -> None:
        peers = self.peers(node)
        configs = [config(peer, receive_us=INTERVAL_US, transmit_us=INTERVAL_US) for peer in peers]
        self.wire.order(node, configs)

    def restart(self, node: Node) -> Node:
        """Start a node anew: it has forgotten all."""
        fresh = self.wire.node(str(node.address))
        for place in (self.speakers, self.routers):
            place[:] = [fresh if item is node else item for item in place]
        self.start(fresh)
        return fresh

    def forget_events(self) -> None:
        for node in (*self.speakers, *self.routers):
            node.events.clear()

    def is_up(self, one: Node, other: Node) -> bool:
        return all(
            session.state is State.UP
            for node, peer in ((one, other), (other, one))
            for session in node.sessions
            if session.config.endpoint.peer_address == peer.address
        )

    def downs(self) -> dict[tuple[str, str], Diagnostic]:
        """Name who told of whom that they are down, and why at last."""
        return {
            (str(node.address), str(event.endpoint.peer_address)): event.diagnostic
            for node in (*self.speakers, *self.routers)
            for event in node.events
            if event.state is State.DOWN
        }

    def all_up(self) -> bool:
        return all(self.is_up(*pair) for pair in product(self.speakers, self.routers))


@pytest.mark.parametrize("seed", range(3))
def test_who_dies_is_found_and_nobody_else_is_accused(seed: int) -> None:
    fabric = Fabric(seed, loss=0.0)
    fabric.wire.run(5.0)
    assert fabric.all_up()
    for _ in range(ROUNDS):
        fabric.forget_events()
        dead = fabric.wire.random.choice([*fabric.speakers, *fabric.routers])
        dead.is_frozen = True
        fabric.wire.run(DETECTION_SECONDS + SLACK_SECONDS)
        watchers = {str(peer.address) for peer in fabric.peers(dead)}
        expired = Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
        assert fabric.downs() == {(watcher, str(dead.address)): expired for watcher in watchers}
        fabric.restart(dead)
        fabric.wire.run(5.0)
        assert fabric.all_up()


@pytest.mark.parametrize("seed", range(3))
def test_a_cut_path_costs_its_two_ends_only(seed: int) -> None:
    fabric = Fabric(seed, loss=0.0)
    fabric.wire.run(5.0)
    for _ in range(ROUNDS):
        fabric.forget_events()
        speaker = fabric.wire.random.choice(fabric.speakers)
        router = fabric.wire.random.choice(fabric.routers)
        ends = (str(speaker.address), str(router.address))
        fabric.cuts = {frozenset(ends)}
        fabric.wire.run(DETECTION_SECONDS + SLACK_SECONDS)
        assert set(fabric.downs()) == {ends, ends[::-1]}
        fabric.cuts = set()
        fabric.wire.run(5.0)
        assert fabric.all_up()


@pytest.mark.parametrize("seed", range(3))
def test_a_speaker_that_is_killed_and_started_anew_at_once_costs_one_flap(seed: int) -> None:
    fabric = Fabric(seed, loss=0.0)
    fabric.wire.run(5.0)
    for _ in range(ROUNDS):
        fabric.forget_events()
        speaker = fabric.wire.random.choice(fabric.speakers)
        fabric.restart(speaker)
        fabric.wire.run(5.0)
        assert fabric.all_up()
        told = [event.state for router in fabric.routers for event in router.events]
        assert told.count(State.DOWN) == ROUTERS


@pytest.mark.parametrize("seed", range(3))
def test_lossy_paths_come_back_whenever_they_can(seed: int) -> None:
    fabric = Fabric(seed, loss=0.3)
    for _ in range(ROUNDS):
        fabric.restart(fabric.wire.random.choice(fabric.speakers))
        fabric.wire.run(fabric.wire.random.random() * 3)
    fabric.loss = 0.0
    fabric.wire.run(8.0)
    fabric.forget_events()
    assert fabric.all_up()
    fabric.wire.run(5.0)
    assert fabric.downs() == {}
