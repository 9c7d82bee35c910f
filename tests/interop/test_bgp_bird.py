"""BGP with BIRD 2: what it has of ours is asserted, and what we have to say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb_lab.routers.bird import Bird
from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.capabilities import AddPath
from metallb_speaker.bgp.iana import Afi, MessageType
from metallb_speaker.bgp.prefixes import Prefix
from support.bgp_end import OUR_ASN, THEIR_ASN, BgpEnd, wanted
from support.bgp_routers import OTHER, PLAIN, RICH, ROUTE, SIX, WEIGHTED, gone, joined, route
from support.cable import FAR_IPV4, FAR_IPV6, NEAR_IPV4, NEAR_IPV6, NEAR_LINK_LOCAL
from support.waiting import until

if TYPE_CHECKING:
    from interop.conftest import Site

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

FAR_LINK_LOCAL = "fe80::ff:fe00:2"


def configuration(
    neighbor: str = NEAR_IPV4,
    local: str = FAR_IPV4,
    asn: int = OUR_ASN,
    settings: str = "",
    channel: str = "",
) -> str:
    return f"""
log stderr all;
router id {FAR_IPV4};
protocol device {{}}
protocol bgp ours {{
  debug {{ states, events }};
  local {local} as {THEIR_ASN};
  neighbor {neighbor} as {asn};
  connect delay time 1;
  error wait time 1, 2;
  {settings}
  ipv4 {{ import all; export none; {channel} }};
  ipv6 {{ import all; export none; {channel} }};
}}
"""


async def test_routes_arrive_with_every_attribute_and_go(site: Site) -> None:
    end = BgpEnd(wanted(), {ROUTE: RICH, SIX: PLAIN})
    async with joined(Bird, site, configuration(), end) as bird:
        four = await route(bird, ROUTE)
        assert four.next_hop == NEAR_IPV4
        assert four.as_path == (OUR_ASN, OUR_ASN, OUR_ASN)
        assert four.med == 7
        assert four.communities == ("64512:1", "64513:2")
        assert four.large_communities == (f"{OUR_ASN}:1:2",)
        assert four.extended_communities == ("rt 65001:9",)
        six = await route(bird, SIX)
        assert six.next_hop == NEAR_IPV6
        assert six.as_path == (OUR_ASN,)
        end.routes({ROUTE: None, OTHER: PLAIN})
        await gone(bird, ROUTE)
        await route(bird, OTHER)


async def test_a_big_as_tells_its_link_bandwidth(site: Site) -> None:
    end = BgpEnd(wanted(), {ROUTE: WEIGHTED})
    async with joined(Bird, site, configuration(), end) as bird:
        found = await route(bird, ROUTE)
        assert found.as_path == (OUR_ASN,)
        assert found.extended_communities == ("unknown 0x4004 23456:1303564382",), (
            "the float's bits"
        )


async def test_an_extended_link_bandwidth_costs_no_route(site: Site) -> None:
    """draft-li-idr-link-bandwidth-ext, which BIRD does not read."""
    end = BgpEnd(wanted(extended_link_bandwidth=True), {ROUTE: WEIGHTED})
    async with joined(Bird, site, configuration(), end) as bird:
        found = await route(bird, ROUTE)
        assert found.as_path == (OUR_ASN,)
        assert end.status.established_count == 1


async def test_an_internal_peer_hears_the_local_preference(site: Site) -> None:
    end = BgpEnd(
        wanted(my_asn=THEIR_ASN),
        {ROUTE: RouteAttributes(local_pref=321), OTHER: PLAIN},
    )
    async with joined(Bird, site, configuration(asn=THEIR_ASN), end) as bird:
        assert (await route(bird, ROUTE)).local_pref == 321
        other = await route(bird, OTHER)
        assert (other.local_pref, other.as_path) == (100, ())


@pytest.mark.parametrize(
    ("neighbor", "local", "hop"),
    [
        (NEAR_IPV6, FAR_IPV6, NEAR_IPV6),
        (f"{NEAR_LINK_LOCAL}%eth0", FAR_LINK_LOCAL, NEAR_LINK_LOCAL),
    ],
    ids=["IPv6", "link-local"],
)
async def test_ipv4_routes_go_over_ipv6_with_an_ipv6_next_hop(
    site: Site, neighbor: str, local: str, hop: str
) -> None:
    """RFC 8950."""
    text = configuration(neighbor, local, channel="extended next hop on;")
    end = BgpEnd(wanted(local), {ROUTE: PLAIN, SIX: PLAIN})
    async with joined(Bird, site, text, end, neighbor) as bird:
        for prefix in (ROUTE, SIX):
            found = await route(bird, prefix)
            assert hop in found.raw


async def test_ipv4_routes_go_over_ipv6_with_an_ipv4_next_hop_to_others(site: Site) -> None:
    end = BgpEnd(wanted(FAR_IPV6), {ROUTE: PLAIN})
    async with joined(Bird, site, configuration(NEAR_IPV6, FAR_IPV6), end, NEAR_IPV6) as bird:
        assert (await route(bird, ROUTE)).next_hop == NEAR_IPV4


async def test_a_route_refresh_brings_everything_again(site: Site) -> None:
    """RFC 2918, RFC 7313: BIRD has both."""
    end = BgpEnd(wanted(), {ROUTE: PLAIN, SIX: PLAIN})
    async with joined(Bird, site, configuration(), end) as bird:
        await route(bird, SIX)
        assert end.status.negotiated is not None
        assert end.status.negotiated.enhanced_refresh
        before = end.status.sent[MessageType.UPDATE]
        await bird.birdc("reload in ours")
        await until(lambda: end.status.sent[MessageType.UPDATE] == before + 2)
        await until(lambda: end.status.sent[MessageType.ROUTE_REFRESH] == 4)
        assert {item.prefix for item in await bird.routes()} == {str(ROUTE), str(SIX)}


@pytest.mark.parametrize(
    ("settings", "size"), [("enable extended messages on;", 65535), ("", 4096)]
)
async def test_ten_thousand_prefixes_come_and_go(site: Site, settings: str, size: int) -> None:
    """RFC 8654, and without it."""
    routes = {
        Prefix.of(f"10.0.{n >> 8}.{n & 255}/32"): RouteAttributes(med=n % 7) for n in range(10_000)
    }
    end = BgpEnd(wanted(), routes)
    async with joined(Bird, site, configuration(settings=settings), end) as bird:
        assert end.status.negotiated is not None
        assert end.status.negotiated.max_message == size
        await counted(bird, 10_000)
        end.routes(dict.fromkeys(routes))
        await counted(bird, 0)


async def counted(bird: Bird, number: int) -> None:
    """Wait until BIRD has so many routes."""

    async def look() -> bool:
        return f"{number} of {number} routes" in await bird.birdc("show route count")

    await bird.until(look, lambda: f"{number} routes")


async def test_paths_have_identifiers_where_bird_wants_them(site: Site) -> None:
    """RFC 7911."""
    end = BgpEnd(wanted(), {ROUTE: PLAIN, SIX: PLAIN})
    async with joined(Bird, site, configuration(channel="add paths rx;"), end) as bird:
        negotiated = end.status.negotiated
        assert negotiated is not None
        assert negotiated.add_path == set(Afi)
        assert any(isinstance(item, AddPath) for item in negotiated.peer_capabilities)
        await route(bird, ROUTE)
        end.routes({ROUTE: None})
        await gone(bird, ROUTE)
        await route(bird, SIX)


async def test_a_password_is_checked(site: Site) -> None:
    """RFC 2385."""
    text = configuration(settings='password "first";')
    end = BgpEnd(wanted(connect_seconds=0.5))
    async with Bird(site.instance, site.namespace, text) as bird, end:
        await end.ended("ConnectRetryTimer expired in Connect")
        end.apply(wanted(password=b"wrong", connect_seconds=0.5))
        await end.ended("ConnectRetryTimer expired in Connect")
        assert not (await bird.sessions())[NEAR_IPV4].is_up
        end.apply(wanted(password=b"first"))
        await bird.session_up(NEAR_IPV4)


async def test_ttl_security(site: Site) -> None:
    """RFC 5082, asserted on BIRD: it must hear us."""
    text = configuration(settings="ttl security on;")
    end = BgpEnd(wanted(ttl_security_hops=1), {ROUTE: PLAIN})
    async with joined(Bird, site, text, end) as bird:
        await route(bird, ROUTE)
        end.apply(wanted())  # TTL 1 from now on: BIRD may hear an OPEN, and then no KEEPALIVE
        await until(lambda: end.status.received[MessageType.OPEN] == 1)
        assert not (await bird.sessions())[NEAR_IPV4].is_up


async def test_bird_dials_us(site: Site) -> None:
    async with joined(
        Bird, site, configuration(), BgpEnd(wanted(passive=True), {ROUTE: PLAIN})
    ) as bird:
        await route(bird, ROUTE)


async def test_bird_waits_for_us(site: Site) -> None:
    end = BgpEnd(wanted(), {ROUTE: PLAIN}, listen_port=0)
    async with joined(Bird, site, configuration(settings="passive on;"), end) as bird:
        assert end.status.is_dialled
        await route(bird, ROUTE)


async def test_when_both_dial_one_session_stays(site: Site) -> None:
    """RFC 4271 §6.8: again and again, both at once."""
    end = BgpEnd(wanted(), {ROUTE: PLAIN})
    async with joined(Bird, site, configuration(settings="connect delay time 0;"), end) as bird:
        for _ in range(3):
            await bird.birdc("disable ours")
            await until(lambda: not end.status.is_up)
            await bird.birdc("enable ours")
            await bird.session_up(NEAR_IPV4)
            await route(bird, ROUTE)
            await end.up()


async def test_a_stop_is_told_in_the_operators_words(site: Site) -> None:
    """RFC 9003, both ways."""
    end = BgpEnd(wanted())
    async with joined(Bird, site, configuration(), end) as bird:
        await bird.birdc('disable ours "maintenance"')
        await end.ended("ADMINISTRATIVE_SHUTDOWN 'maintenance'")
        await bird.birdc("enable ours")
        await bird.session_up(NEAR_IPV4)
        await end.up()
        await end.peering.close(communication="drained")

        async def heard() -> bool:
            return "drained" in bird.processes[0].log.read_text()

        await bird.until(heard, lambda: "no word of the shutdown")


async def test_a_restart_of_ours_keeps_the_routes(site: Site) -> None:
    """RFC 4724: BIRD keeps them as stale ones, and drops those that do not come again."""
    text = configuration()
    end = BgpEnd(wanted(), {ROUTE: PLAIN, OTHER: PLAIN})
    async with joined(Bird, site, text, end) as bird:
        await route(bird, OTHER)
        await end.peering.close(is_restart=True)
        await bird.session(NEAR_IPV4, lambda item: item is not None and not item.is_up)
        assert {item.prefix for item in await bird.routes()} == {str(ROUTE), str(OTHER)}
        again = BgpEnd(wanted(), {ROUTE: PLAIN}, is_restarting=True, is_complete=False)
        async with again:
            await bird.session_up(NEAR_IPV4)
            await again.up()
            assert {item.prefix for item in await bird.routes()} == {str(ROUTE), str(OTHER)}
            again.peering.routes_complete()
            await gone(bird, OTHER)
            await route(bird, ROUTE)


async def test_a_wrong_as_is_refused_by_both_names(site: Site) -> None:
    end = BgpEnd(wanted())
    async with Bird(site.instance, site.namespace, configuration(asn=64999)) as bird, end:
        await end.ended("BAD_PEER_AS")
        assert not (await bird.sessions())[NEAR_IPV4].is_up


async def test_a_changed_community_costs_no_session(site: Site) -> None:
    end = BgpEnd(wanted(), {ROUTE: PLAIN})
    async with joined(Bird, site, configuration(), end) as bird:
        await route(bird, ROUTE)
        end.routes({ROUTE: RouteAttributes(communities=(0xFFFF0000,))})
        await bird.routes_are(lambda routes: routes[0].communities == ("65535:0",))
        assert end.status.established_count == 1
