"""BFD with FRR's bfdd: what it believes of the session is asserted, and what we do."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab import netns
from metallb_lab.routers.frr import Frr
from metallb_speaker.bfd.config import BFDConfig, Endpoint
from metallb_speaker.bfd.iana import Diagnostic, State
from support.bfd_cut import cut
from support.bfd_end import BfdEnd
from support.cable import FAR_IPV4, FAR_IPV6, NEAR_IPV4, NEAR_IPV6, NEAR_LINK_LOCAL
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interop.conftest import Site

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

PEER = Endpoint(ip_address(FAR_IPV4))
MULTIHOP = Endpoint(ip_address(FAR_IPV4), ip_address(NEAR_IPV4), is_multihop=True)
FAR_LINK_LOCAL = "fe80::ff:fe00:2"
NOTHING: Mapping[str, Any] = {}
BGP = f"router bgp 65002\n neighbor {NEAR_IPV4} remote-as 65001\n"
"""The lab waits for bgpd too, and it answers when it has a neighbour."""
TIMERS = ("transmit-interval 50", "receive-interval 50", "detect-multiplier 3")


def router(site: Site, peer: str = f"{NEAR_IPV4} interface eth0", *settings: str) -> Frr:
    made = Frr(site.instance, site.namespace, BGP)
    lines = "\n".join(f"  {line}" for line in (*TIMERS, *settings))
    made.bfd_configuration = f"bfd\n peer {peer}\n{lines}\n"
    return made


def wanted(endpoint: Endpoint = PEER, interval_us: int = 50_000, **given: Any) -> BFDConfig:
    return BFDConfig(endpoint, interval_us, interval_us, **given)


async def frr_says(
    frr: Frr, status: str, says: Mapping[str, Any] = NOTHING, peer: str = NEAR_IPV4
) -> Any:
    """Wait until FRR says all that of the session; gives all that it says."""
    found: list[Any] = []

    async def look() -> bool:
        item = (await frr.bfd()).get(peer)
        found[:] = [item.raw] if item is not None else []
        return bool(found) and {"status": status, **says}.items() <= found[0].items()

    await frr.until(look, lambda: f"BFD is not {status}, {says}: {found}")
    return found[0]


async def peer_command(frr: Frr, *commands: str, peer: str = f"{NEAR_IPV4} interface eth0") -> None:
    await frr.vtysh("configure terminal", "bfd", f"peer {peer}", *commands)


async def counters(frr: Frr) -> Any:
    [found] = await frr.show("bfd peers counters")
    return found


@pytest.mark.parametrize(
    ("endpoint", "peer", "address"),
    [
        (PEER, f"{NEAR_IPV4} interface eth0", NEAR_IPV4),
        (
            Endpoint(ip_address(FAR_IPV6)),
            f"{NEAR_IPV6} local-address {FAR_IPV6} interface eth0",
            NEAR_IPV6,
        ),
        (
            Endpoint(ip_address(FAR_LINK_LOCAL), interface="eth0"),
            f"{NEAR_LINK_LOCAL} local-address {FAR_LINK_LOCAL} interface eth0",
            NEAR_LINK_LOCAL,
        ),
        (MULTIHOP, f"{NEAR_IPV4} multihop local-address {FAR_IPV4}", NEAR_IPV4),
    ],
    ids=["IPv4", "IPv6", "link-local", "multihop"],
)
async def test_it_comes_up(site: Site, endpoint: Endpoint, peer: str, address: str) -> None:
    async with router(site, peer) as frr, BfdEnd() as end:
        end.order(wanted(endpoint))
        await end.reaches(endpoint, State.UP)
        intervals = {"remote-receive-interval": 50, "remote-transmit-interval": 50}
        said = await frr_says(frr, "up", intervals, address)
        assert said["remote-detect-multiplier"] == 3
        assert said["remote-echo-receive-interval"] == 0
        assert end.downs(endpoint) == 0


def hop(site: Site) -> None:
    """Put a router between both ends: 10.20.0.1 here, 10.30.0.2 there."""
    near, far = site.cable.near.namespace, site.namespace
    middle = site.instance.namespace("hop")
    netns.run("ip", "netns", "add", middle)
    for namespace, name, ours, theirs, beyond in (
        (near, "east", "10.20.0.1", "10.20.0.254", "10.30.0.0/24"),
        (far, "west", "10.30.0.2", "10.30.0.254", "10.20.0.0/24"),
    ):
        ends = f"link add {name} type veth peer {name} netns {middle}"
        netns.run("ip", "-n", namespace, *ends.split())
        netns.run("ip", "-n", namespace, *f"addr add {ours}/24 dev {name}".split())
        netns.run("ip", "-n", namespace, "link", "set", name, "up")
        netns.run("ip", "-n", namespace, *f"route add {beyond} via {theirs}".split())
        netns.run("ip", "-n", middle, *f"addr add {theirs}/24 dev {name}".split())
        netns.run("ip", "-n", middle, "link", "set", name, "up")
    netns.run("ip", "netns", "exec", middle, "sysctl", "-qw", "net.ipv4.ip_forward=1")


@pytest.mark.parametrize("minimum_ttl", [254, 255])
async def test_over_a_hop_the_ttl_is_one_less(site: Site, minimum_ttl: int) -> None:
    hop(site)
    endpoint = Endpoint(ip_address("10.30.0.2"), ip_address("10.20.0.1"), is_multihop=True)
    async with (
        router(site, "10.20.0.1 multihop local-address 10.30.0.2") as frr,
        BfdEnd() as end,
    ):
        end.order(wanted(endpoint, minimum_ttl=minimum_ttl))
        if minimum_ttl == 254:
            await end.reaches(endpoint, State.UP)
            await frr_says(frr, "up", {"remote-transmit-interval": 50}, "10.20.0.1")
        else:
            await until(lambda: end.counts()[1].get("TTL"), "drops for a low TTL")
            assert end.states(endpoint) == [State.DOWN]


async def test_a_cut_is_found_by_both_within_the_detection_time(site: Site) -> None:
    async with router(site) as frr, BfdEnd() as end:
        end.order(wanted())
        await end.reaches(PEER, State.UP)
        await frr_says(frr, "up", {"remote-transmit-interval": 50})
        began_at = asyncio.get_running_loop().time()
        with cut(site.namespace, "input", "output"):
            cut_at = asyncio.get_running_loop().time()
            told = await end.reaches(PEER, State.DOWN)
            [at] = [at for at, line in end.told if line == told]
            assert told.diagnostic is Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
            assert at - began_at >= 0.1
            assert at - cut_at <= 0.15 + 1.0  # the arithmetic, and a machine that is busy
            await frr_says(frr, "down", {"diagnostic": "control detection time expired"})
        await end.reaches(PEER, State.UP)
        await frr_says(frr, "up")


async def test_timers_change_without_a_flap(site: Site) -> None:
    async with router(site) as frr, BfdEnd() as end:
        end.order(wanted())
        await end.reaches(PEER, State.UP)
        await frr_says(frr, "up", {"remote-transmit-interval": 50})
        for interval_us, multiplier in ((200_000, 3), (100_000, 5), (50_000, 3)):
            end.order(wanted(interval_us=interval_us, multiplier=multiplier))
            said = {
                "remote-receive-interval": interval_us // 1000,
                "remote-transmit-interval": interval_us // 1000,
                "remote-detect-multiplier": multiplier,
            }
            await frr_says(frr, "up", said)
        await peer_command(frr, "transmit-interval 300", "receive-interval 300")
        await end_uses(end, 300_000, 900_000)
        assert (await counters(frr))["session-down"] == 0
        assert end.states(PEER)[-1] is State.UP
        assert end.downs(PEER) == 0


async def end_uses(end: BfdEnd, transmit_us: int, detection_us: int) -> None:
    async with asyncio.timeout(20):
        while True:
            end.counts()
            told = end.last(PEER)
            if told and (told.transmit_us, told.detection_us) == (transmit_us, detection_us):
                return
            await asyncio.sleep(0.02)


async def test_echo_both_ways(site: Site) -> None:
    """Over IPv6 bfdd loops back itself what is addressed to it, and so do we."""
    endpoint = Endpoint(ip_address(FAR_IPV6))
    peer = f"{NEAR_IPV6} local-address {FAR_IPV6} interface eth0"
    async with router(site, peer, "echo-mode") as frr, BfdEnd() as end:
        end.order(wanted(endpoint, is_echo=True, echo_us=50_000))
        await end.reaches(endpoint, State.UP)
        says = {"remote-echo-receive-interval": 50, "remote-receive-interval": 1000}
        await frr_says(frr, "up", says, NEAR_IPV6)
        before = (await counters(frr))["echo-packet-input"]
        await asyncio.sleep(1.0)
        assert (await counters(frr))["echo-packet-input"] > before
        counts, dropped = end.counts()
        _, _, echo_in, echo_out, *_ = counts[endpoint]
        assert echo_out >= echo_in > 10
        assert not dropped
        assert end.downs(endpoint) == 0


async def test_echo_through_both_forwarding_planes(site: Site) -> None:
    """Over IPv4 echoes are addressed to their own sender, and a node forwards as routers do."""
    netns.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    enter = ("ip", "netns", "exec", site.namespace)
    netns.run(*enter, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    async with router(site, f"{NEAR_IPV4} interface eth0", "echo-mode") as frr, BfdEnd() as end:
        end.order(wanted(is_echo=True, echo_us=50_000))
        await end.reaches(PEER, State.UP)
        says = {"remote-echo-receive-interval": 50, "remote-receive-interval": 1000}
        await frr_says(frr, "up", says)
        before = (await counters(frr))["echo-packet-input"]
        await asyncio.sleep(1.0)
        assert (await counters(frr))["echo-packet-input"] > before
        counts, dropped = end.counts()
        _, _, echo_in, echo_out, *_ = counts[PEER]
        assert echo_out >= echo_in > 10
        assert not dropped  # the router's own echoes are not ours to count
        assert end.downs(PEER) == 0
        with cut(site.namespace, "forward"):
            await until(lambda: end.downs(PEER), "a failure")
            [*_, why] = [line.diagnostic for _, line in end.told if line.state is State.DOWN]
            assert why is Diagnostic.ECHO_FUNCTION_FAILED
            await end.reaches(PEER, State.UP)  # watched by control packets


async def test_a_router_that_forwards_nothing_is_watched_by_control_packets(site: Site) -> None:
    async with router(site) as frr, BfdEnd() as end:
        end.order(wanted(is_echo=True, echo_us=50_000))
        await end.reaches(PEER, State.UP)
        await frr_says(frr, "up", {"remote-echo-receive-interval": 50})
        await asyncio.sleep(1.0)
        counts, _ = end.counts()
        _, _, echo_in, echo_out, *_ = counts[PEER]
        assert echo_out > echo_in == 0
        assert end.downs(PEER) == 0
        await frr_says(frr, "up", {"remote-receive-interval": 50})


async def test_either_side_may_be_passive(site: Site) -> None:
    async with router(site) as frr, BfdEnd() as end:
        end.order(wanted(is_passive=True))
        await end.reaches(PEER, State.UP)
        await frr_says(frr, "up")
        end.order()
        await frr_says(frr, "down")
        await peer_command(frr, "passive-mode")
        end.order(wanted())
        await end.reaches(PEER, State.UP)
        await frr_says(frr, "up", {"passive-mode": True})


async def test_a_router_that_is_shut_down_has_not_failed(site: Site) -> None:
    async with router(site) as frr, BfdEnd() as end:
        end.order(wanted())
        await end.reaches(PEER, State.UP)
        await frr_says(frr, "up")
        await peer_command(frr, "shutdown")
        told = await end.reaches(PEER, State.DOWN)
        assert told.remote_state is State.ADMIN_DOWN
        assert told.diagnostic is Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN
        await peer_command(frr, "no shutdown")
        await end.reaches(PEER, State.UP)
        await frr_says(frr, "up")


async def test_what_is_taken_away_is_told_at_once(site: Site) -> None:
    async with router(site) as frr, BfdEnd() as end:
        end.order(wanted(interval_us=5_000_000))
        await end.reaches(PEER, State.UP)
        await frr_says(frr, "up", {"remote-transmit-interval": 5000})
        end.order()
        said = await frr_says(frr, "down")  # long before its 15 s have passed
        assert said["remote-diagnostic"] == "administratively down"
