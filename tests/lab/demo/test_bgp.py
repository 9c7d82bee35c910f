"""The demo of BGP mode: what it measured, and the routers' tables in terms of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from metallb_lab.demo import bgp_site
from metallb_lab.demo.bgp_figures import BgpFigures, RouteShown, Spread, flows_measured
from metallb_lab.demo.bgp_tables import RouterTables, prefix_of
from metallb_lab.probes import FlowResult, Gap, ProbeResult
from metallb_lab.routers.model import Router, RouterBfd, RouterRoute, RouterSession
from metallb_lab.topology import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from metallb_lab.routers.bird import Bird

NODES = [Host(f"n{number}", "", "", 10 + number) for number in (1, 2)]
WEB = "198.51.100.0/32"


class FakeRouter:
    """A router whose tables are given."""

    def __init__(self, routes: list[RouterRoute], watched: list[str]) -> None:
        self.its_routes = routes
        self.watched = watched

    async def sessions(self) -> Mapping[str, RouterSession]:
        return {host.ipv4: RouterSession("Established", True) for host in NODES}

    async def session_up(self, peer: str, *, seconds: float) -> RouterSession:
        return (await self.sessions())[peer]

    async def bfd(self) -> Mapping[str, RouterBfd]:
        return {host.ipv4: RouterBfd("Up", host.name in self.watched) for host in NODES}

    async def routes(self) -> list[RouterRoute]:
        return self.its_routes

    async def routes_are(
        self, holds: Callable[[list[RouterRoute]], bool], seconds: float
    ) -> list[RouterRoute]:
        assert holds(self.its_routes)
        return self.its_routes

    until = Router.until
    name = "bird"
    processes = ()


def way(prefix: str, hop: str, *communities: str) -> RouterRoute:
    return RouterRoute(prefix, hop, as_path=(64500,), communities=communities)


def tables(routes: list[RouterRoute], watched: tuple[str, ...] = ("n1", "n2")) -> RouterTables:
    fake = FakeRouter(routes, list(watched))
    return RouterTables({"bird": cast("Bird", fake)}, NODES)


async def test_next_hops_are_told_as_nodes_and_only_common_communities_count() -> None:
    routes = [
        way("2001:db8::1/128", NODES[0].ipv6),
        way(WEB, NODES[1].ipv4, "64500:7", "64500:8"),
        way(WEB, NODES[0].ipv4, "64500:7"),
    ]
    assert await tables(routes).routes() == [
        RouteShown("bird", WEB, ("n1", "n2"), ((64500,),), ("64500:7",)),
        RouteShown("bird", "2001:db8::1/128", ("n1",), ((64500,),), ()),
    ]


@pytest.mark.parametrize(
    ("prefixes", "is_so"),
    [
        ([(WEB, 0), (WEB, 1)], True),
        ([(WEB, 0)], False),
        ([], False),
        ([(WEB, 0), (WEB, 1), ("198.51.100.9/32", 0)], False),
    ],
)
async def test_ways_are_those_wanted_and_no_others(
    prefixes: list[tuple[str, int]], is_so: bool
) -> None:
    found = tables([way(prefix, NODES[index].ipv4) for prefix, index in prefixes])
    if is_so:
        await found.until_ways("bird", ["198.51.100.0"], ["n1", "n2"], 1)
    else:
        with pytest.raises(AssertionError):
            await found.until_ways("bird", ["198.51.100.0"], ["n1", "n2"], 1)


async def test_a_session_that_is_not_watched_is_waited_for_and_named() -> None:
    await tables([]).until_up(1)
    with pytest.raises(RuntimeError, match=NODES[1].ipv4):
        await tables([], ("n1",)).until_up(0)


def test_an_address_alone_is_a_prefix_of_all_its_bits() -> None:
    assert [prefix_of("198.51.100.1"), prefix_of("::1")] == ["198.51.100.1/32", "::1/128"]


def test_flows_are_told_apart_by_who_answered_first() -> None:
    flows = (
        FlowResult(50, 40, Gap(210.26, 1.0), ("web-n1", "web-n2")),
        FlowResult(50, 50, Gap(20.0, 1.0), ("web-n2", "web-n1")),
        FlowResult(50, 0, Gap(0.0, 0.0), ()),
    )
    seen = ProbeResult(150, 90, Gap(5.0, 1.0), flows)
    found = flows_measured("bird", "192.0.2.1", seen, "n1", {"web-n1": "n1", "web-n2": "n2"})
    assert (found.flows, found.requests, found.lost) == (1, 50, 10)
    assert found.longest_gap_milliseconds == 210.3
    assert (found.other_flows, found.other_requests, found.other_lost) == (2, 100, 50)
    assert found.other_longest_gap_milliseconds == 20.0


def test_the_busiest_node_is_counted_over_all_clients() -> None:
    spread = [Spread("bird", "a", {"n1": 5, "n2": 6}), Spread("frr", "a", {"n1": 5, "n2": 3})]
    assert BgpFigures("embedded", 2, spread=spread).busiest() == "n1"


def test_each_router_is_to_hear_what_its_dialect_says() -> None:
    heard = bgp_site.to_be_heard({"web": ("198.51.100.0", "2001:db8::1"), "shop": ("192.0.2.9",)})
    assert {name: list(found) for name, found in heard.items()} == {
        "bird": ["198.51.100.0", "2001:db8::1"],
        "frr": ["198.51.100.0", "192.0.2.9"],
    }
    assert heard["frr"]["192.0.2.9"] == bgp_site.SHOP_COMMUNITIES
