"""BGP with FRR 8.4: what bgpd has of ours is asserted, and what we have to say of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from metallb_lab.routers.frr import Frr
from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.config import DynamicAsn
from metallb_speaker.bgp.iana import Afi, MessageType
from support.bgp_end import OUR_ASN, THEIR_ASN, BgpEnd, wanted
from support.bgp_routers import OTHER, PLAIN, RICH, ROUTE, SIX, WEIGHTED, gone, joined, route
from support.cable import FAR_IPV4, FAR_IPV6, NEAR_IPV4, NEAR_IPV6, NEAR_LINK_LOCAL
from support.waiting import until

if TYPE_CHECKING:
    from interop.conftest import Site

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180)]


def configuration(
    neighbor: str = NEAR_IPV4,
    asn: str = str(OUR_ASN),
    *settings: str,
    kind: str = "remote-as",
    router: tuple[str, ...] = (),
) -> str:
    """What bgpd is to have."""
    lines = [
        f"router bgp {THEIR_ASN}",
        f" bgp router-id {FAR_IPV4}",
        " no bgp ebgp-requires-policy",
        " no bgp default ipv4-unicast",
        *(f" {line}" for line in router),
        f" neighbor {neighbor} {kind} {asn}",
        f" neighbor {neighbor} timers connect 1",
        *(f" neighbor {neighbor} {line}" for line in settings),
    ]
    for family in ("ipv4", "ipv6"):
        lines += [
            f" address-family {family} unicast",
            f"  neighbor {neighbor} activate",
            " exit-address-family",
        ]
    return "\n".join([*lines, ""])


async def test_routes_arrive_with_every_attribute_and_go(site: Site) -> None:
    end = BgpEnd(wanted(), {ROUTE: RICH, SIX: PLAIN})
    async with joined(Frr, site, configuration(), end) as frr:
        four = await route(frr, ROUTE)
        assert four.next_hop == NEAR_IPV4
        assert four.as_path == (OUR_ASN, OUR_ASN, OUR_ASN)
        assert four.med == 7
        assert four.communities == ("64512:1", "64513:2")
        assert four.large_communities == (f"{OUR_ASN}:1:2",)
        assert four.extended_communities == ("RT:65001:9",)
        assert (await route(frr, SIX)).as_path == (OUR_ASN,)
        assert end.status.negotiated is not None
        assert end.status.negotiated.add_path == set(Afi)
        assert end.status.negotiated.max_message == 65535
        end.routes({ROUTE: None, OTHER: PLAIN})
        await gone(frr, ROUTE)
        await route(frr, OTHER)


async def test_a_big_as_tells_its_link_bandwidth(site: Site) -> None:
    end = BgpEnd(wanted(), {ROUTE: WEIGHTED})
    async with joined(Frr, site, configuration(), end) as frr:
        found = await route(frr, ROUTE)
        assert found.as_path == (OUR_ASN,)
        assert found.extended_communities[0] == "LB:23456:375000000"


async def test_an_extended_link_bandwidth_costs_no_route(site: Site) -> None:
    """draft-li-idr-link-bandwidth-ext, which FRR reads only in later versions."""
    end = BgpEnd(wanted(extended_link_bandwidth=True), {ROUTE: WEIGHTED})
    async with joined(Frr, site, configuration(), end) as frr:
        found = await route(frr, ROUTE)
        assert found.as_path == (OUR_ASN,)
        assert end.status.established_count == 1


async def test_an_internal_peer_hears_the_local_preference(site: Site) -> None:
    end = BgpEnd(
        wanted(my_asn=THEIR_ASN, peer_asn=DynamicAsn.INTERNAL),
        {ROUTE: RouteAttributes(local_pref=321), OTHER: PLAIN},
    )
    async with joined(Frr, site, configuration(NEAR_IPV4, "internal"), end) as frr:
        assert (await route(frr, ROUTE)).local_pref == 321
        assert (await route(frr, OTHER)).local_pref == 100


@pytest.mark.parametrize("is_passive", [False, True], ids=["we dial", "FRR dials"])
async def test_unnumbered(site: Site, is_passive: bool) -> None:
    """Found by Router Advertisements; IPv4 routes with a link-local next hop (RFC 8950)."""
    end = BgpEnd(
        wanted(None, peer_asn=DynamicAsn.EXTERNAL, passive=is_passive),
        {ROUTE: PLAIN, SIX: PLAIN},
    )
    text = configuration("eth0", "external", kind="interface remote-as")
    async with joined(Frr, site, text, end, "eth0") as frr:
        assert not (is_passive and end.status.is_dialled)
        for prefix in (ROUTE, SIX):
            found = await route(frr, prefix)
            assert NEAR_LINK_LOCAL in json.dumps(found.raw)


async def test_unnumbered_with_a_password(site: Site) -> None:
    """The key follows the address at which the peer is found, on the listener too."""
    end = BgpEnd(wanted(None, passive=True, password=b"secret"), {ROUTE: PLAIN})
    text = configuration("eth0", "external", "password secret", kind="interface remote-as")
    async with joined(Frr, site, text, end, "eth0") as frr:
        await route(frr, ROUTE)
        assert not end.status.is_dialled


async def test_unnumbered_without_the_password_is_not_let_in(site: Site) -> None:
    end = BgpEnd(wanted(None, passive=True, password=b"secret"))
    text = configuration("eth0", "external", kind="interface remote-as")
    async with Frr(site.instance, site.namespace, text) as frr, end:
        await until(lambda: end.status.address is not None)
        state = await frr.session("eth0", lambda item: item is not None and item.state != "Idle")
        assert not state.is_up
        assert end.status.established_count == 0


async def test_over_link_local_addresses(site: Site) -> None:
    text = configuration(
        NEAR_LINK_LOCAL, str(OUR_ASN), "interface eth0", "capability extended-nexthop"
    )
    end = BgpEnd(wanted("fe80::ff:fe00:2"), {ROUTE: PLAIN, SIX: PLAIN})
    async with joined(Frr, site, text, end, NEAR_LINK_LOCAL) as frr:
        await route(frr, ROUTE)
        await route(frr, SIX)


async def test_over_ipv6(site: Site) -> None:
    end = BgpEnd(wanted(FAR_IPV6), {ROUTE: PLAIN, SIX: PLAIN})
    text = configuration(NEAR_IPV6, str(OUR_ASN), "capability extended-nexthop")
    async with joined(Frr, site, text, end, NEAR_IPV6) as frr:
        assert end.status.negotiated is not None
        assert end.status.negotiated.extended_next_hop
        assert NEAR_IPV6 in json.dumps((await route(frr, ROUTE)).raw)
        assert NEAR_IPV6 in json.dumps((await route(frr, SIX)).raw)


async def test_a_route_refresh_brings_everything_again(site: Site) -> None:
    end = BgpEnd(wanted(), {ROUTE: PLAIN, SIX: PLAIN})
    async with joined(Frr, site, configuration(), end) as frr:
        await route(frr, SIX)
        before = end.status.sent[MessageType.UPDATE]
        await frr.vtysh(f"clear bgp {NEAR_IPV4} in")
        await until(lambda: end.status.sent[MessageType.UPDATE] > before)
        await route(frr, ROUTE)
        assert end.status.established_count == 1


async def test_a_password_is_checked(site: Site) -> None:
    text = configuration(NEAR_IPV4, str(OUR_ASN), "password first")
    end = BgpEnd(wanted(connect_seconds=0.5))
    async with Frr(site.instance, site.namespace, text) as frr, end:
        await end.ended("ConnectRetryTimer expired in Connect")
        assert not (await frr.sessions())[NEAR_IPV4].is_up
        end.apply(wanted(password=b"first"))
        await frr.session_up(NEAR_IPV4)


async def test_ttl_security(site: Site) -> None:
    """Asserted on FRR: it must hear us."""
    text = configuration(NEAR_IPV4, str(OUR_ASN), "ttl-security hops 1")
    async with joined(Frr, site, text, BgpEnd(wanted(ttl_security_hops=1), {ROUTE: PLAIN})) as frr:
        await route(frr, ROUTE)


async def test_a_stop_is_told_in_the_operators_words(site: Site) -> None:
    end = BgpEnd(wanted())
    async with joined(Frr, site, configuration(), end) as frr:
        await frr.configure(
            f"router bgp {THEIR_ASN}", f"neighbor {NEAR_IPV4} shutdown message at noon"
        )
        await end.ended("CEASE/HARD_RESET (CEASE/ADMINISTRATIVE_SHUTDOWN) 'at noon'")


async def test_a_restart_of_ours_keeps_the_routes(site: Site) -> None:
    """RFC 4724: FRR is the helper."""
    text = configuration(router=("bgp graceful-restart",))
    end = BgpEnd(wanted(), {ROUTE: PLAIN, OTHER: PLAIN})
    async with joined(Frr, site, text, end) as frr:
        await route(frr, OTHER)
        await end.peering.close(is_restart=True)
        await frr.session(NEAR_IPV4, lambda item: item is not None and not item.is_up)
        assert {item.prefix for item in await frr.routes()} == {str(ROUTE), str(OTHER)}
        again = BgpEnd(wanted(), {ROUTE: PLAIN}, is_restarting=True, is_complete=False)
        async with again:
            await frr.session_up(NEAR_IPV4)
            await again.up()
            assert {item.prefix for item in await frr.routes()} == {str(ROUTE), str(OTHER)}
            again.peering.routes_complete()
            await gone(frr, OTHER)
            await route(frr, ROUTE)


async def test_a_changed_local_asn_says_why(site: Site) -> None:
    end = BgpEnd(wanted(local_asn=64999))
    text = configuration(NEAR_IPV4, "64999", "passive")
    async with joined(Frr, site, text, end) as frr:
        end.apply(wanted(passive=True))  # nobody dials, or a refused OPEN may be the last reset
        await frr.session(NEAR_IPV4, lambda item: item is not None and not item.is_up)
        raw = (await frr.sessions())[NEAR_IPV4].raw
        assert "Other Configuration Change" in json.dumps(raw)


async def test_when_both_dial_one_session_stays(site: Site) -> None:
    end = BgpEnd(wanted(), {ROUTE: PLAIN})
    async with joined(Frr, site, configuration(), end) as frr:
        for _ in range(3):
            await frr.vtysh(f"clear bgp {NEAR_IPV4}")
            await until(lambda: not end.status.is_up)
            await frr.session_up(NEAR_IPV4)
            await end.up()
            await route(frr, ROUTE)
