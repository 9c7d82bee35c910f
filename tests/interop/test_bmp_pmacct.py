"""BMP with pmbmpd: what a collector of others understands of what we tell of a session with BIRD.

pmbmpd writes what it hears as JSON, and that is what is asserted; so is that it complains of
nothing. Two things its release 1.7.7 cannot read, though both OPENs in the Peer Up announce them:
path identifiers of routes that a peer is sent (it takes them for prefixes), and an IPv6 next hop of
IPv4 routes (it leaves it empty).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from interop.test_bgp_bird import configuration
from metallb_lab.routers.bird import Bird
from metallb_lab.routers.pmbmpd import PORT, Pmbmpd
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.peering.config import Collector
from support.bgp_end import OUR_ASN, THEIR_ASN, BgpEnd, wanted
from support.bgp_routers import OTHER, PLAIN, RICH, ROUTE, SIX, gone, joined, route
from support.cable import FAR_IPV4, FAR_IPV6, NEAR_IPV4, NEAR_IPV6

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from interop.conftest import Site

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

COLLECTOR = Collector(FAR_IPV4, PORT, "node-1")
ABOUT_PEER = {"peer_ip": FAR_IPV4, "bmp_router": NEAR_IPV4}
ADJ_RIB_OUT = {"is_out": 1, "is_post": 1}
"""RFC 8671: what the peer is sent, after all policy."""


@contextlib.asynccontextmanager
async def collecting(site: Site, address: str = FAR_IPV4) -> AsyncIterator[Pmbmpd]:
    """A collector beside the router; it must have understood all that it was told."""
    async with Pmbmpd(site.instance, site.namespace, address) as collector:
        yield collector
        assert collector.complaints() == []


async def test_a_session_is_told_from_its_beginning_to_its_end(site: Site) -> None:
    end = BgpEnd(wanted(), {ROUTE: RICH, SIX: PLAIN}, collector=COLLECTOR)
    async with collecting(site) as collector:
        async with joined(Bird, site, configuration(), end) as bird:
            [said] = await collector.heard("init")
            assert said["bmp_init_info_sysdescr"] == "metallb speaker"
            assert said["bmp_init_info_sysname"] == "node-1"
            [up] = await collector.heard("peer_up", **ABOUT_PEER)
            assert (up["peer_asn"], up["bgp_id"]) == (THEIR_ASN, FAR_IPV4)
            assert up["local_ip"] == NEAR_IPV4
            assert 179 in (up["local_port"], up["remote_port"])
            [four] = await collector.heard("route_monitor", ip_prefix=str(ROUTE), **ABOUT_PEER)
            assert four["log_type"] == "update"
            assert four["bgp_nexthop"] == NEAR_IPV4
            assert four["as_path"] == " ".join([str(OUR_ASN)] * 3)
            assert four["med"] == 7
            assert four["comms"] == "64512:1 64513:2"
            assert four["lcomms"] == f"{OUR_ASN}:1:2"
            assert four["ecomms"] == "RT:65001:9"
            assert ADJ_RIB_OUT.items() <= four.items()
            [six] = await collector.heard("route_monitor", ip_prefix=str(SIX), **ABOUT_PEER)
            assert (six["bgp_nexthop"], six["as_path"]) == (NEAR_IPV6, str(OUR_ASN))
            end.routes({ROUTE: None, OTHER: PLAIN})
            await gone(bird, ROUTE)
            await collector.heard("route_monitor", log_type="withdraw", ip_prefix=str(ROUTE))
            await collector.heard("route_monitor", log_type="update", ip_prefix=str(OTHER))
            end.peering.apply({})
            [down] = await collector.heard("peer_down", **ABOUT_PEER)
            assert down["reason_type"] == 1, "we closed it, and said so"
        [over] = await collector.heard("term")
        assert over["bmp_term_info_reason"] == "Session administratively closed"


@pytest.mark.parametrize(
    ("is_told", "reason"), [(True, 3), (False, 4)], ids=["NOTIFICATION", "connection gone"]
)
async def test_an_end_that_the_router_makes_has_its_reason(
    site: Site, is_told: bool, reason: int
) -> None:
    """RFC 7854 §4.9."""
    end = BgpEnd(wanted(), collector=COLLECTOR)
    async with collecting(site) as collector, joined(Bird, site, configuration(), end) as bird:
        await collector.heard("peer_up")
        if is_told:
            await bird.birdc("disable ours")
        else:
            await bird.kill()
        [down] = await collector.heard("peer_down", **ABOUT_PEER)
        assert down["reason_type"] == reason


async def test_a_collector_that_comes_later_hears_what_the_router_has(site: Site) -> None:
    """All three speak over IPv6."""
    text = configuration(NEAR_IPV6, FAR_IPV6)
    collector_at = Collector(FAR_IPV6, PORT, "node-1")
    end = BgpEnd(wanted(FAR_IPV6), {ROUTE: RICH, SIX: PLAIN}, collector=collector_at)
    async with joined(Bird, site, text, end, NEAR_IPV6) as bird:
        await route(bird, ROUTE)
        await route(bird, SIX)
        async with collecting(site, FAR_IPV6) as collector:
            [up] = await collector.heard("peer_up", peer_ip=FAR_IPV6, bmp_router=NEAR_IPV6)
            assert up["local_ip"] == NEAR_IPV6
            for prefix, next_hop in ((ROUTE, NEAR_IPV4), (SIX, NEAR_IPV6)):
                [told] = await collector.heard("route_monitor", ip_prefix=str(prefix))
                assert told["bgp_nexthop"] == next_hop


async def test_long_messages_are_understood(site: Site) -> None:
    """RFC 8654: thousands of prefixes in an UPDATE."""
    prefixes = [Prefix.of(f"10.0.{n >> 8}.{n & 255}/32") for n in range(3_000)]
    end = BgpEnd(wanted(), dict.fromkeys(prefixes, PLAIN), collector=COLLECTOR)
    text = configuration(settings="enable extended messages on;")
    async with collecting(site) as collector, joined(Bird, site, text, end):
        await collector.heard("route_monitor", ip_prefix=str(prefixes[-1]))

        async def all_there() -> bool:
            told = {item.get("ip_prefix") for item in collector.messages()}
            return told >= {str(prefix) for prefix in prefixes}

        await collector.until(all_there, lambda: f"{len(collector.messages())} messages")
