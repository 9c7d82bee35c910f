"""BFD with BIRD 2: what it believes of the session is asserted, and what we do."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab.routers.bird import Bird
from metallb_speaker.bfd.config import Authentication, AuthenticationKey, BFDConfig, Endpoint
from metallb_speaker.bfd.iana import AuthenticationType, Diagnostic, State
from support.bfd_cut import cut
from support.bfd_end import BfdEnd
from support.cable import FAR_IPV4, FAR_IPV6, NEAR_IPV4, NEAR_IPV6, NEAR_LINK_LOCAL
from support.waiting import until

if TYPE_CHECKING:
    from interop.conftest import Site

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

PEER = Endpoint(ip_address(FAR_IPV4))
MULTIHOP = Endpoint(ip_address(FAR_IPV4), ip_address(NEAR_IPV4), is_multihop=True)
FAR_LINK_LOCAL = "fe80::ff:fe00:2"
SETTINGS = "interval 50 ms; multiplier 3;"
DIRECT = f'{NEAR_IPV4} dev "eth0" local {FAR_IPV4}'


def configuration(settings: str = SETTINGS, neighbor: str = DIRECT) -> str:
    return f"""
log stderr all;
debug protocols {{ states, events }};
router id {FAR_IPV4};
protocol device {{}}
protocol bfd bfd1 {{
  interface "eth0" {{ {settings} }};
  multihop {{ {settings} }};
  neighbor {neighbor};
}}
"""


def wanted(endpoint: Endpoint = PEER, interval_us: int = 50_000, **given: Any) -> BFDConfig:
    return BFDConfig(endpoint, interval_us, interval_us, **given)


async def bird_says(bird: Bird, *words: str, peer: str = NEAR_IPV4) -> str:
    """Wait until BIRD's line about the session has all the words; gives it."""
    found: list[str] = []

    async def look() -> bool:
        item = (await bird.bfd()).get(peer)
        found[:] = [item.raw] if item is not None else []
        return bool(found) and set(words) <= set(found[0].split())

    await bird.until(look, lambda: f"BFD is not {words}: {found}")
    return found[0]


@pytest.mark.parametrize(
    ("endpoint", "neighbor", "peer"),
    [
        (PEER, DIRECT, NEAR_IPV4),
        (Endpoint(ip_address(FAR_IPV6)), f'{NEAR_IPV6} dev "eth0" local {FAR_IPV6}', NEAR_IPV6),
        (
            Endpoint(ip_address(FAR_LINK_LOCAL), interface="eth0"),
            f'{NEAR_LINK_LOCAL} dev "eth0" local {FAR_LINK_LOCAL}',
            NEAR_LINK_LOCAL,
        ),
        (MULTIHOP, f"{NEAR_IPV4} local {FAR_IPV4} multihop on", NEAR_IPV4),
    ],
    ids=["IPv4", "IPv6", "link-local", "multihop"],
)
async def test_it_comes_up(site: Site, endpoint: Endpoint, neighbor: str, peer: str) -> None:
    text = configuration(neighbor=neighbor)
    async with Bird(site.instance, site.namespace, text) as bird, BfdEnd() as end:
        end.order(wanted(endpoint, minimum_ttl=64))  # what BIRD sends on multihop sessions
        await end.reaches(endpoint, State.UP)
        await bird_says(bird, "Up", "0.050", "0.150", peer=peer)  # its interval and timeout
        counts, _ = end.counts()
        control_in, control_out, *_ = counts[endpoint]
        assert control_in > 0
        assert control_out > 0
        told = end.last(endpoint)
        assert told is not None
        assert (told.transmit_us, told.detection_us) == (50_000, 150_000)
        assert end.downs(endpoint) == 0


async def test_on_multihop_sessions_a_lower_ttl_is_dropped(site: Site) -> None:
    text = configuration(neighbor=f"{NEAR_IPV4} local {FAR_IPV4} multihop on")
    async with Bird(site.instance, site.namespace, text) as bird, BfdEnd() as end:
        end.order(wanted(MULTIHOP, minimum_ttl=65))
        await bird_says(bird, "Init")
        await until(lambda: end.counts()[1].get("TTL"), "drops for a low TTL")
        assert end.states(MULTIHOP) == [State.DOWN]


async def test_a_cut_is_found_by_both_within_the_detection_time(site: Site) -> None:
    async with Bird(site.instance, site.namespace, configuration()) as bird, BfdEnd() as end:
        end.order(wanted())
        await end.reaches(PEER, State.UP)
        await bird_says(bird, "Up", "0.150")
        began_at = asyncio.get_running_loop().time()
        with cut(site.namespace, "input", "output"):
            cut_at = asyncio.get_running_loop().time()
            told = await end.reaches(PEER, State.DOWN)
            [at] = [at for at, line in end.told if line == told]
            assert told.diagnostic is Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
            assert at - began_at >= 0.1
            assert at - cut_at <= 0.15 + 1.0  # the arithmetic, and a machine that is busy
            await bird_says(bird, "Down")
        await end.reaches(PEER, State.UP)
        await bird_says(bird, "Up")


async def test_a_path_that_works_one_way_only_is_down_on_both_sides(site: Site) -> None:
    async with Bird(site.instance, site.namespace, configuration()) as bird, BfdEnd() as end:
        end.order(wanted())
        await end.reaches(PEER, State.UP)
        await bird_says(bird, "Up", "0.150")
        with cut(site.namespace, "input"):  # BIRD hears nothing, we hear it
            told = await end.reaches(PEER, State.DOWN)
            assert told.diagnostic is Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN
            await bird_says(bird, "Down")


async def test_timers_change_without_a_flap(site: Site) -> None:
    async with Bird(site.instance, site.namespace, configuration()) as bird, BfdEnd() as end:
        end.order(wanted())
        await end.reaches(PEER, State.UP)
        line = await bird_says(bird, "Up", "0.050", "0.150")
        since = line.split()[3]
        for interval_us, multiplier, text in (
            (200_000, 3, ("0.200", "0.600")),
            (100_000, 5, ("0.100", "0.500")),
            (50_000, 3, ("0.050", "0.150")),
        ):
            end.order(wanted(interval_us=interval_us, multiplier=multiplier))
            await bird_says(bird, "Up", since, *text)
        await bird.configure(configuration("interval 300 ms; multiplier 4;"))
        await bird_says(bird, "Up", since, "0.300", "0.900")
        end.counts()
        told = end.last(PEER)
        assert told is not None
        assert (told.transmit_us, told.detection_us) == (300_000, 1_200_000)
        assert end.states(PEER)[-1] is State.UP
        assert end.downs(PEER) == 0


@pytest.mark.parametrize(("settings", "is_passive"), [(SETTINGS, True), ("passive;", False)])
async def test_either_side_may_be_passive(site: Site, settings: str, *, is_passive: bool) -> None:
    text = configuration(f"{SETTINGS} {settings}")
    async with Bird(site.instance, site.namespace, text) as bird, BfdEnd() as end:
        end.order(wanted(is_passive=is_passive))
        await end.reaches(PEER, State.UP)
        await bird_says(bird, "Up")


KINDS = {
    AuthenticationType.SIMPLE_PASSWORD: "simple",
    AuthenticationType.KEYED_MD5: "keyed md5",
    AuthenticationType.METICULOUS_KEYED_MD5: "meticulous keyed md5",
    AuthenticationType.KEYED_SHA1: "keyed sha1",
    AuthenticationType.METICULOUS_KEYED_SHA1: "meticulous keyed sha1",
}


@pytest.mark.parametrize("kind", AuthenticationType)
async def test_authentication(site: Site, kind: AuthenticationType) -> None:
    secret = f'authentication {KINDS[kind]}; password "secret" {{ id 7; }};'
    text = configuration(f"{SETTINGS} {secret}")
    right = Authentication(kind, (AuthenticationKey(7, b"secret"),))
    wrong = Authentication(kind, (AuthenticationKey(7, b"other"),))
    async with Bird(site.instance, site.namespace, text) as bird, BfdEnd() as end:
        end.order(wanted(authentication=wrong))
        for _ in range(2):
            await asyncio.sleep(1.1)  # BIRD speaks once a second
        _, dropped = end.counts()
        assert dropped["AuthenticationDigest"] > 0
        await bird_says(bird, "Down")
        end.order(wanted(authentication=right))
        await end.reaches(PEER, State.UP)
        await bird_says(bird, "Up", "0.150")
        await asyncio.sleep(1.0)  # many more than a window of sequence numbers
        assert end.downs(PEER) == 0


async def test_what_is_taken_away_is_told_at_once(site: Site) -> None:
    async with Bird(site.instance, site.namespace, configuration()) as bird, BfdEnd() as end:
        slow = wanted(interval_us=5_000_000)
        end.order(slow)
        await end.reaches(PEER, State.UP)
        await bird_says(bird, "Up", "15.000")
        end.order()
        await bird_says(bird, "Down")  # long before its 15 s have passed


async def test_one_who_was_stalled_himself_accuses_nobody(site: Site) -> None:
    """All that BIRD sent meanwhile is read before its session is found silent."""
    async with Bird(site.instance, site.namespace, configuration()) as bird, BfdEnd() as end:
        end.order(wanted(multiplier=40))
        await end.reaches(PEER, State.UP)
        await bird_says(bird, "Up", "0.050", "2.000")
        loop = asyncio.get_running_loop()
        for _ in range(3):
            stalled_until = loop.time() + 0.5  # our detection time is 0.15 s
            while loop.time() < stalled_until:
                pass
            await asyncio.sleep(0.2)
        assert end.downs(PEER) == 0
