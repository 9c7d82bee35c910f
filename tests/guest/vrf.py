"""BGP through a VRF, with BIRD. Runs in a guest: `tests/guest/test_vrf.py` starts it there.

Our end of the cable is in the VRF `red`, and so in none of the node's own tables: only a socket
that is bound to `red` finds a way to the router.
"""

from __future__ import annotations

import pytest

from interop.conftest import Site, site
from interop.test_bgp_bird import FAR_LINK_LOCAL, configuration
from metallb_lab import netns
from metallb_lab.routers.bird import Bird
from support.bgp_end import BgpEnd, wanted
from support.bgp_routers import PLAIN, RICH, ROUTE, SIX, gone, joined, route
from support.cable import FAR_IPV4, FAR_IPV6, NEAR_IPV4, NEAR_IPV6, NEAR_LINK_LOCAL
from support.waiting import until

__all__ = ["site"]

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

VRF, TABLE = "red", "10"


@pytest.fixture(autouse=True)
def _in_vrf(site: Site) -> None:
    """Put our end of the cable into the VRF."""
    ip = site.cable.ip
    ip("link", "add", VRF, "type", "vrf", "table", TABLE)
    ip("link", "set", VRF, "up")
    ip("link", "set", "eth0", "master", VRF)
    ip("addr", "replace", f"{NEAR_IPV6}/64", "dev", "eth0", "nodad")


@pytest.mark.parametrize(
    ("near", "far", "neighbor"),
    [
        (NEAR_IPV4, FAR_IPV4, NEAR_IPV4),
        (NEAR_IPV6, FAR_IPV6, NEAR_IPV6),
        (NEAR_LINK_LOCAL, FAR_LINK_LOCAL, f"{NEAR_LINK_LOCAL}%eth0"),
    ],
    ids=["IPv4", "IPv6", "link-local"],
)
async def test_a_session_goes_through_the_vrf(
    site: Site, near: str, far: str, neighbor: str
) -> None:
    text = configuration(neighbor, far, settings="passive on;")
    end = BgpEnd(wanted(far, bind_interface=VRF), {ROUTE: RICH, SIX: PLAIN})
    async with joined(Bird, site, text, end, neighbor) as bird:
        assert str(end.status.local_address) == near
        assert (await route(bird, SIX)).prefix == str(SIX)
        end.routes({SIX: None})
        await gone(bird, SIX)


async def test_without_the_vrf_the_router_is_not_reached(site: Site) -> None:
    text = configuration(settings="passive on;")
    end = BgpEnd(wanted(), {ROUTE: PLAIN})
    async with Bird(site.instance, site.namespace, text) as bird, end:
        await end.ended("Network is unreachable")
        assert not (await bird.sessions())[NEAR_IPV4].is_up
        end.apply(wanted(bind_interface=VRF))
        await bird.session_up(NEAR_IPV4)
        await route(bird, ROUTE)


async def test_a_vrf_that_is_not_there_is_told_in_words(site: Site) -> None:
    end = BgpEnd(wanted(bind_interface="blue"))
    async with end:
        await end.ended("No such device")


async def test_a_password_is_checked_in_a_vrf(site: Site) -> None:
    """RFC 2385."""
    text = configuration(settings='passive on; password "first";')
    end = BgpEnd(wanted(bind_interface=VRF, password=b"wrong", connect_seconds=0.5))
    async with Bird(site.instance, site.namespace, text) as bird, end:
        await end.ended("ConnectRetryTimer expired in Connect")
        end.apply(wanted(bind_interface=VRF, password=b"first"))
        await bird.session_up(NEAR_IPV4)


async def test_a_router_in_a_vrf_dials_us_where_the_node_lets_it(site: Site) -> None:
    """`net.ipv4.tcp_l3mdev_accept`: a listener of no VRF is one of all."""
    end = BgpEnd(wanted(bind_interface=VRF, passive=True), {ROUTE: PLAIN})
    async with Bird(site.instance, site.namespace, configuration()) as bird, end:
        await bird.session(NEAR_IPV4, lambda item: item is not None and "refused" in item.raw)
        assert end.peering.strangers == 0, "the kernel refused it"
        netns.run("sysctl", "-qw", "net.ipv4.tcp_l3mdev_accept=1")
        await bird.session_up(NEAR_IPV4)
        await until(lambda: end.status.is_up)
        assert not end.status.is_dialled
        await route(bird, ROUTE)
