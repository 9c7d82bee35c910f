"""Fleets of speakers in virtual time: failures, moves, splits, and what a client would see."""

from __future__ import annotations

import os
import random
from ipaddress import ip_address

import pytest

from metallb_speaker.announce.model import Orders
from support.fleet import Fleet, orders

SEEDS = int(os.environ.get("METALLB_SIM_SEEDS", "30"))
DETECTION = 0.15
VIPS = [ip_address(f"10.1.0.{number}") for number in range(1, 7)]


def _fleet(count: int, seed: int = 0) -> Fleet:
    fleet = Fleet(count, seed=seed)
    for index, address in enumerate(VIPS):
        names = fleet.names[index % count :] + fleet.names[: index % count]
        fleet.set_orders(Orders(address, tuple(names)))
    fleet.run_for(5)
    return fleet


def _one_each(fleet: Fleet) -> None:
    """Each VIP has one announcer, and the client knows which."""
    for address in VIPS:
        assert fleet.announcers(address) == [fleet.client[address]], address


def test_each_vip_has_one_announcer_the_first_of_its_order() -> None:
    fleet = _fleet(3)
    for address in VIPS:
        assert fleet.announcers(address) == [fleet.orders[address].nodes[0]]


@pytest.mark.parametrize("seed", range(10))
def test_a_dead_node_is_replaced_by_the_second_of_each_order(seed: int) -> None:
    fleet = _fleet(3, seed)
    fleet.kill("n0")
    fleet.run_for(DETECTION + 0.002)
    for address in VIPS:
        wanted = next(name for name in fleet.orders[address].nodes if name != "n0")
        assert fleet.announcers(address) == [wanted]


def test_two_dead_nodes_leave_everything_to_the_third() -> None:
    fleet = _fleet(3)
    fleet.kill("n0")
    fleet.kill("n1")
    fleet.run_for(DETECTION + 0.002)
    assert all(fleet.announcers(address) == ["n2"] for address in VIPS)


@pytest.mark.parametrize("seed", range(10))
def test_a_planned_move_leaves_no_moment_without_an_announcer(seed: int) -> None:
    fleet = _fleet(3, seed)
    chance = random.Random(seed)
    for address in VIPS:
        before = fleet.orders[address].nodes
        names = list(fleet.names)
        chance.shuffle(names)
        fleet.set_orders(Orders(address, (*before[1:], before[0])), late=names)
        for name in names:  # the speakers hear of it one after the other
            fleet.catch_up(name)
            fleet.run_for(chance.random() * 0.05, check=lambda: _nobody_missing(fleet))
    fleet.run_for(3, check=lambda: _nobody_missing(fleet))
    for address in VIPS:
        assert fleet.announcers(address) == [fleet.orders[address].nodes[0]]


def _nobody_missing(fleet: Fleet) -> None:
    for address in VIPS:
        assert fleet.announcers(address), f"nobody announces {address}"


@pytest.mark.parametrize("skew_seconds", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(SEEDS // 3))
def test_moves_that_overtake_each_other_leave_no_moment_either(
    seed: int, skew_seconds: float
) -> None:
    """Orders change faster than all speakers hear of them: some act on the last, some on older."""
    fleet = _fleet(2 + seed % 3, seed)
    for _ in range(40):
        nodes = fleet.chance.sample(fleet.names, len(fleet.names))
        ahead = fleet.chance.choice(["", *fleet.names])
        fleet.spread_orders(Orders(fleet.chance.choice(VIPS), tuple(nodes)), skew_seconds, ahead)
        fleet.run_for(fleet.chance.random() * 0.2, check=lambda: _nobody_missing(fleet))
    fleet.run_for(3, check=lambda: _nobody_missing(fleet))
    for address in VIPS:
        assert fleet.announcers(address) == [fleet.orders[address].nodes[0]]


def test_a_speaker_that_leaves_costs_nothing() -> None:
    fleet = _fleet(3)
    fleet.leave("n0")
    fleet.run_for(0.5, check=lambda: _nobody_missing(fleet))
    assert fleet.stations["n0"].announced() == set()
    fleet.kill("n0")
    fleet.run_for(1, check=lambda: _nobody_missing(fleet))
    _one_each(fleet)


def test_one_that_comes_back_takes_nothing_before_its_time() -> None:
    fleet = _fleet(3)
    fleet.kill("n0")
    fleet.run_for(1)
    holders = {address: fleet.announcers(address) for address in VIPS}
    fleet.start("n0")
    fleet.run_for(1.5, check=lambda: _nobody_missing(fleet))
    assert {address: fleet.announcers(address) for address in VIPS} == holders
    fleet.run_for(3, check=lambda: _nobody_missing(fleet))
    for address in VIPS:
        assert fleet.announcers(address) == [fleet.orders[address].nodes[0]]


def test_both_sides_of_a_split_serve_and_one_winner_remains_when_it_heals() -> None:
    fleet = _fleet(5)
    fleet.isolate("n0", "n1")
    fleet.run_for(1)
    for address in VIPS:
        sides = [name in ("n0", "n1") for name in fleet.announcers(address)]
        assert sorted(sides) == [False, True]
    fleet.heal()
    fleet.run_for(1, check=lambda: _nobody_missing(fleet))
    _one_each(fleet)
    fleet.run_for(3, check=lambda: _nobody_missing(fleet))
    _one_each(fleet)


def test_a_cut_between_two_speakers_ends_with_one_announcer() -> None:
    fleet = _fleet(3)
    fleet.cut("n0", "n1")
    fleet.run_for(1)
    fleet.heal()
    fleet.run_for(5, check=lambda: _nobody_missing(fleet))
    _one_each(fleet)


@pytest.mark.parametrize("away", [0.02, 0.1, 0.2, 1.0, 5.0])
def test_one_whose_cable_is_pulled_claims_nothing_when_it_is_back(away: float) -> None:
    fleet = _fleet(3)
    for address in VIPS:  # as the controller does meanwhile
        nodes = fleet.orders[address].nodes
        if nodes[0] != "n2":
            fleet.set_orders(Orders(address, tuple(name for name in nodes if name != "n2")))
    fleet.unplug("n2")
    fleet.run_for(away)
    before = {address: fleet.client[address] for address in VIPS}
    fleet.plug_in("n2")

    def nobody_is_misled() -> None:
        for address, holder in before.items():
            assert holder == "n2" or fleet.client[address] == holder

    fleet.run_for(1.5, check=nobody_is_misled)
    fleet.run_for(3)
    _one_each(fleet)


def test_one_that_could_not_be_told_is_told_once_it_is_back() -> None:
    """Its claim, made while it knew no better, is answered, though no order names it any more."""
    fleet = _fleet(2)
    fleet.isolate("n1")
    fleet.run_for(0.5)
    fleet.set_orders(*(Orders(address, ("n0",)) for address in VIPS), late=["n1"])
    fleet.run_for(0.5)
    fleet.heal()
    fleet.client.update(dict.fromkeys(VIPS, "n1"))  # it said so when nobody else heard it
    fleet.run_for(0.5)
    fleet.catch_up("n1")
    fleet.run_for(2)
    _one_each(fleet)


def test_a_stalled_speaker_is_replaced_and_comes_back_in_peace() -> None:
    fleet = _fleet(3)
    fleet.stall("n0", 2.0)
    fleet.run_for(1.0)
    for address in VIPS:
        assert [name for name in fleet.announcers(address) if name != "n0"]
    fleet.run_for(6)
    _one_each(fleet)


def test_suspended_vips_are_announced_by_nobody() -> None:
    fleet = _fleet(3)
    fleet.set_orders(orders(str(VIPS[0]), "n0", "n1", suspended=True))
    fleet.run_for(0.1)
    assert fleet.announcers(VIPS[0]) == []


class Hostile:
    """One seed's run of everything that can happen to a fleet."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.fleet = _fleet(self.chance.choice([2, 3, 5, 8]), seed)

    def disturb(self) -> None:
        fleet, chance = self.fleet, self.chance
        name = chance.choice(fleet.names)
        running = fleet.stations[name].is_running
        match chance.randrange(9):
            case 0:
                if running:
                    fleet.kill(name)
            case 1:
                if not running:
                    fleet.start(name)
            case 2:
                fleet.isolate(name)
            case 3:
                fleet.heal()
            case 4:
                if running:
                    fleet.stall(name, chance.random())
            case 5:
                fleet.loss = chance.choice([0.0, 0.0, 0.02, 0.2])
            case 6:
                if name in fleet.unplugged:
                    fleet.plug_in(name)
                else:
                    fleet.unplug(name)
            case 7 | 8:
                nodes = chance.sample(fleet.names, chance.randrange(1, len(fleet.names) + 1))
                late = chance.sample(fleet.names, chance.randrange(len(fleet.names)))
                self.order(Orders(chance.choice(VIPS), tuple(nodes)), late)

    def order(self, orders: Orders, late: list[str]) -> None:
        """Give orders, of which some hear later."""
        fleet = self.fleet
        fleet.set_orders(orders, late=late)
        fleet.run_for(self.chance.random() * 0.3)
        for name in late:
            fleet.catch_up(name)

    def run(self) -> None:
        for _ in range(40):
            self.disturb()
            self.fleet.run_for(self.chance.random() * 0.6)

    def finish(self) -> None:
        """When the network is whole and quiet again, each VIP has one announcer, a rightful one."""
        fleet = self.fleet
        fleet.heal()
        fleet.loss = 0.0
        for name in fleet.names:
            if name in fleet.unplugged:
                fleet.plug_in(name)
            if not fleet.stations[name].is_running:
                fleet.start(name)
        fleet.run_for(10)
        for address in VIPS:
            announcers = fleet.announcers(address)
            assert len(announcers) == 1, f"{address} is announced by {announcers}"
            assert fleet.client[address] == announcers[0], f"{address}: the client was not told"
            assert announcers[0] in fleet.orders[address].nodes


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happened_one_rightful_announcer_remains(seed: int) -> None:
    run = Hostile(seed)
    run.run()
    run.finish()


def test_there_are_enough_runs() -> None:
    assert SEEDS >= 30
