"""Each router of the lab beside a BIRD that says all there is to say: what is read back is that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb_lab import netns
from metallb_lab.instance import Instance
from metallb_lab.routers.bird import Bird
from metallb_lab.routers.exabgp import ExaBgp
from metallb_lab.routers.frr import Frr
from metallb_lab.routers.gobgp import GoBgp
from metallb_lab.routers.model import RouterError
from metallb_lab.routers.openbgpd import OpenBgpd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metallb_lab.routers.model import Router, RouterRoute

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120), pytest.mark.netns]

SPEAKER = """
log stderr all;
router id 10.9.0.1;
protocol device {{}}
protocol static s4 {{ ipv4; route 192.0.2.1/32 blackhole; }}
protocol static s6 {{ ipv6; route 2001:db8::1/128 blackhole; }}
protocol bfd {{ interface "eth0" {{ interval 100 ms; }}; }}
protocol bgp tor {{
  local 10.9.0.1 as 65001;
  neighbor 10.9.0.2 as 65002;
  {bfd}
  connect delay time 1;
  error wait time 1, 2;
  ipv4 {{ import all; export filter {{
    bgp_community.add((65001,7));
    bgp_large_community.add((65001,1,2));
    bgp_ext_community.add((rt,65001,9));
    bgp_med = 7;
    accept;
  }}; }};
  ipv6 {{ import all; export all; next hop address fd09::1; }};
}}
"""
FRR = """
router bgp 65002
 bgp router-id 10.9.0.2
 no bgp ebgp-requires-policy
 neighbor 10.9.0.1 remote-as 65001
 address-family ipv6 unicast
  neighbor 10.9.0.1 activate
"""
GOBGP = """
[global.config]
  as = 65002
  router-id = "10.9.0.2"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.9.0.1"
    peer-as = 65001
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
"""
OPENBGPD = """
AS 65002
router-id 10.9.0.2
neighbor 10.9.0.1 {
  remote-as 65001
  announce IPv4 unicast
  announce IPv6 unicast
}
allow from any
"""
EXABGP = """
neighbor 10.9.0.1 {
  router-id 10.9.0.2; local-address 10.9.0.2; local-as 65002; peer-as 65001;
  family { ipv4 unicast; ipv6 unicast; }
  {api}
}
"""
BIRD = """
log stderr all;
router id 10.9.0.2;
protocol device {}
protocol bgp node { local 10.9.0.2 as 65002; neighbor 10.9.0.1 as 65001;
  connect delay time 1;
  ipv4 { import all; export none; }; ipv6 { import all; export none; }; }
"""
ROUTERS = {
    "bird": (Bird, BIRD), "frr": (Frr, FRR), "gobgp": (GoBgp, GOBGP),
    "openbgpd": (OpenBgpd, OPENBGPD), "exabgp": (ExaBgp, EXABGP),
}  # fmt: skip


@pytest.fixture
def instance() -> Iterator[Instance]:
    """Two namespaces, a wire between them."""
    with Instance() as lab:
        names = [lab.namespace("a"), lab.namespace("b")]
        for name in names:
            netns.run("ip", "netns", "add", name)
        peer = f"peer name eth0 netns {names[1]}"
        netns.ip_batch([f"link add eth0 type veth {peer}"], names[0])
        for number, name in enumerate(names, 1):
            netns.ip_batch(
                [
                    f"addr add 10.9.0.{number}/24 dev eth0",
                    f"addr add fd09::{number}/64 dev eth0 nodad",
                    "link set eth0 up",
                    "link set lo up",
                ],
                name,
            )
        yield lab


def speaker(instance: Instance, *, bfd: bool = False) -> Bird:
    """Make the BIRD that says all there is to say."""
    text = SPEAKER.format(bfd="bfd on;" if bfd else "")
    return Bird(instance, instance.namespace("a"), text, name="speaker")


@pytest.mark.parametrize("kind", ROUTERS)
async def test_what_it_hears_is_read_back(instance: Instance, kind: str) -> None:
    make, configuration = ROUTERS[kind]
    async with make(instance, instance.namespace("b"), configuration) as router:
        assert not any(item.is_up for item in (await router.sessions()).values())
        async with speaker(instance):
            await router.session_up("10.9.0.1")
            found = {route.prefix: route for route in await router.routes_are(_both)}
            _check(router, found["192.0.2.1/32"])
            assert found["2001:db8::1/128"].next_hop == "fd09::1"
            assert found["2001:db8::1/128"].as_path == (65001,)
        await router.session("10.9.0.1", lambda item: item is not None and not item.is_up)
        assert await router.routes_are(lambda routes: not routes) == []


def _both(routes: list[RouterRoute]) -> bool:
    return len(routes) == 2


def _check(router: Router, route: RouterRoute) -> None:
    assert route.next_hop == "10.9.0.1"
    assert route.peer == ("node" if isinstance(router, Bird) else "10.9.0.1")
    assert (route.as_path, route.med) == ((65001,), 7)
    assert (route.communities, route.large_communities) == (("65001:7",), ("65001:1:2",))
    assert [item.lower().endswith("65001:9") for item in route.extended_communities] == [True]


async def test_bfd_is_read_on_both_sides(instance: Instance) -> None:
    with_bfd = FRR.replace(" remote-as 65001", " remote-as 65001\n neighbor 10.9.0.1 bfd")
    async with (
        Frr(instance, instance.namespace("b"), with_bfd) as frr,
        speaker(instance, bfd=True) as bird,
    ):
        await frr.session_up("10.9.0.1")

        async def both_up() -> bool:
            ours, theirs = await bird.bfd(), await frr.bfd()
            return ours["10.9.0.2"].is_up and theirs["10.9.0.1"].is_up

        await frr.until(both_up, lambda: "BFD is not up on both sides")


async def test_a_configuration_that_is_none_is_told_with_the_log(instance: Instance) -> None:
    with pytest.raises(RouterError, match="syntax error"):
        async with Bird(instance, instance.namespace("b"), "protocol nonsense {"):
            raise AssertionError("bird must not start")
