"""BGP with GoBGP 3, OpenBGPD 7.7 and ExaBGP 5: what each of them has of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from metallb_lab.routers.exabgp import ExaBgp
from metallb_lab.routers.gobgp import GoBgp
from metallb_lab.routers.openbgpd import OpenBgpd
from metallb_speaker.bgp.iana import Afi
from metallb_speaker.bgp.prefixes import Prefix
from support.bgp_end import OUR_ASN, THEIR_ASN, BgpEnd, wanted
from support.bgp_routers import OTHER, PLAIN, RICH, ROUTE, SIX, WEIGHTED, joined, route
from support.cable import FAR_IPV4, NEAR_IPV4, NEAR_IPV6
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop.conftest import Site
    from metallb_lab.routers.model import Router

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

PASSWORD = "correct-horse"

GOBGP = """
[global.config]
  as = {asn}
  router-id = "{address}"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{peer}"
    peer-as = {peer_asn}
    auth-password = "{password}"
  [neighbors.timers.config]
    connect-retry = 1
  [neighbors.transport.config]
    passive-mode = {passive}
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
    [neighbors.afi-safis.add-paths.config]
      receive = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
"""
OPENBGPD = """
AS {asn}
router-id {address}
neighbor {peer} {{
  remote-as {peer_asn}
  announce IPv4 unicast
  announce IPv6 unicast
  announce add-path recv yes
  {passive}
  {password}
}}
allow from any
"""
EXABGP = """
neighbor {peer} {{
  router-id {address}; local-address {address}; local-as {asn}; peer-as {peer_asn};
  {password}
  {passive}
  capability {{ add-path receive; graceful-restart 60; route-refresh enable; }}
  family {{ ipv4 unicast; ipv6 unicast; }}
  {{api}}
}}
"""


class Kind(NamedTuple):
    """A router, and how its configuration says things."""

    make: type[Router]
    text: str
    password: str
    passive: str
    active: str

    def configuration(self, *, password: str = "", is_passive: bool = False) -> str:
        """What it is to have."""
        return self.text.format(
            asn=THEIR_ASN,
            address=FAR_IPV4,
            peer=NEAR_IPV4,
            peer_asn=OUR_ASN,
            password=self.password.format(password) if password else "",
            passive=self.passive if is_passive else self.active,
        )


KINDS = {
    "gobgp": Kind(GoBgp, GOBGP, "{}", "true", "false"),
    "openbgpd": Kind(OpenBgpd, OPENBGPD, "tcp md5sig password {}", "passive", ""),
    "exabgp": Kind(ExaBgp, EXABGP, "md5-password {};", "", ""),
}
LISTENING = ("gobgp", "openbgpd")
"""ExaBGP always dials."""
each = pytest.mark.parametrize("kind", KINDS)


@each
async def test_routes_arrive_with_every_attribute_and_go(site: Site, kind: str) -> None:
    end = BgpEnd(wanted(), {ROUTE: RICH, SIX: PLAIN})
    text = KINDS[kind].configuration()
    async with joined(KINDS[kind].make, site, text, end) as router:
        four = await route(router, ROUTE)
        assert four.next_hop == NEAR_IPV4
        assert four.as_path == (OUR_ASN, OUR_ASN, OUR_ASN)
        assert four.med == 7
        assert four.communities == ("64512:1", "64513:2")
        assert four.large_communities == (f"{OUR_ASN}:1:2",)
        assert [item.lower().endswith("65001:9") for item in four.extended_communities] == [True]
        six = await route(router, SIX)
        assert (six.next_hop, six.as_path) == (NEAR_IPV6, (OUR_ASN,))
        assert end.status.negotiated is not None
        assert Afi.IPV4 in end.status.negotiated.add_path
        end.routes({ROUTE: None, OTHER: PLAIN})
        await route(router, OTHER)
        await router.routes_are(lambda routes: all(r.prefix != str(ROUTE) for r in routes))
        assert end.status.established_count == 1


BANDWIDTH_READ: dict[str, Callable[[Any], object]] = {
    "gobgp": lambda raw: next(item["value"] for item in raw["attrs"] if item["type"] == 16),
    "openbgpd": lambda raw: raw.get("extended_communities"),
    "exabgp": lambda raw: [
        item["value"].to_bytes(8, "big") for item in raw["attribute"]["extended-community"]
    ],
}
BANDWIDTH_SHOWN: dict[str, object] = {
    "gobgp": [{"type": 0x40, "subtype": 4, "asn": 23456, "bandwidth": 375_000_000}],
    "openbgpd": None,
    "exabgp": [bytes.fromhex("4004 5ba0 4db2d05e")],
}


@each
async def test_a_big_as_tells_its_link_bandwidth(site: Site, kind: str) -> None:
    """OpenBGPD has none: from an external peer it takes no community that is not transitive."""
    end = BgpEnd(wanted(), {ROUTE: WEIGHTED})
    async with joined(KINDS[kind].make, site, KINDS[kind].configuration(), end) as router:
        found = await route(router, ROUTE)
        assert found.as_path == (OUR_ASN,)
        assert BANDWIDTH_READ[kind](found.raw) == BANDWIDTH_SHOWN[kind]


EXTENDED_BANDWIDTH = bytes.fromhex("4206 0000 00000000165a0bc0 fa56ea01 00000000")
EXTENDED_READ: dict[str, Callable[[Any], object]] = {
    "gobgp": lambda raw: raw["attrs"],
    "openbgpd": lambda raw: bytes.fromhex(raw["attributes"][0]["data"]),
    "exabgp": lambda raw: raw["attribute"]["extended-community-ipv6"][0]["value"].to_bytes(
        20, "big"
    ),
}


@each
async def test_an_extended_link_bandwidth_costs_no_route(site: Site, kind: str) -> None:
    """GoBGP has the route, and its API shows no attribute of it: that is why it is asked for."""
    end = BgpEnd(wanted(extended_link_bandwidth=True), {ROUTE: WEIGHTED})
    async with joined(KINDS[kind].make, site, KINDS[kind].configuration(), end) as router:
        found = await route(router, ROUTE)
        assert EXTENDED_READ[kind](found.raw) == ([] if kind == "gobgp" else EXTENDED_BANDWIDTH)
        assert end.status.established_count == 1


@each
async def test_it_dials_us(site: Site, kind: str) -> None:
    end = BgpEnd(wanted(passive=True), {ROUTE: PLAIN})
    text = KINDS[kind].configuration()
    async with end, KINDS[kind].make(site.instance, site.namespace, text) as router:
        await router.session_up(NEAR_IPV4)
        assert not end.status.is_dialled
        await route(router, ROUTE)


@pytest.mark.parametrize("kind", LISTENING)
async def test_it_waits_for_us(site: Site, kind: str) -> None:
    text = KINDS[kind].configuration(is_passive=True)
    end = BgpEnd(wanted(), {ROUTE: PLAIN}, listen_port=0)
    async with joined(KINDS[kind].make, site, text, end) as router:
        assert end.status.is_dialled
        await route(router, ROUTE)


@each
async def test_a_password_is_checked(site: Site, kind: str) -> None:
    text = KINDS[kind].configuration(password=PASSWORD)
    end = BgpEnd(wanted(password=b"another", connect_seconds=0.5), {ROUTE: PLAIN})
    async with end, KINDS[kind].make(site.instance, site.namespace, text) as router:
        await until(lambda: end.status.last_error)
        assert not any(item.is_up for item in (await router.sessions()).values())
        end.apply(wanted(password=PASSWORD.encode()))
        await router.session_up(NEAR_IPV4)
        await route(router, ROUTE)


@each
async def test_many_prefixes_come_and_go(site: Site, kind: str) -> None:
    """More than one UPDATE can hold, both ways."""
    routes = {Prefix.of(f"10.0.{n >> 8}.{n & 255}/32"): PLAIN for n in range(3_000)}
    end = BgpEnd(wanted(), routes)
    text = KINDS[kind].configuration()
    async with joined(KINDS[kind].make, site, text, end) as router:
        await router.routes_are(lambda found: len(found) == len(routes))
        end.routes(dict.fromkeys(routes))
        await router.routes_are(lambda found: not found)


@each
async def test_an_end_is_told(site: Site, kind: str) -> None:
    end = BgpEnd(wanted(), {ROUTE: PLAIN})
    async with joined(KINDS[kind].make, site, KINDS[kind].configuration(), end) as router:
        await route(router, ROUTE)
        await end.peering.close()
        await router.session(NEAR_IPV4, lambda item: item is None or not item.is_up)
        await router.routes_are(lambda found: not found)


async def test_openbgpd_keeps_our_routes_over_a_restart(site: Site) -> None:
    """RFC 4724; OpenBGPD is a helper by default."""
    kind = KINDS["openbgpd"]
    end = BgpEnd(wanted(), {ROUTE: PLAIN, OTHER: PLAIN})
    async with joined(kind.make, site, kind.configuration(), end) as router:
        await route(router, OTHER)
        await end.peering.close(is_restart=True)
        await router.session(NEAR_IPV4, lambda item: item is not None and not item.is_up)
        assert {item.prefix for item in await router.routes()} == {str(ROUTE), str(OTHER)}
        async with BgpEnd(wanted(), {ROUTE: PLAIN}, is_restarting=True) as again:
            await router.session_up(NEAR_IPV4)
            await again.up()
            await router.routes_are(lambda found: [r.prefix for r in found] == [str(ROUTE)])
