"""VIPs wait for kube-proxy's rules: it is played, on real ports."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from metallb_lab.realserver import free_port
from metallb_speaker.policy.kube_proxy import KubeProxy, pauses
from support.kube_proxy import HOST, PlayedKubeProxy
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from metallb.net.addresses import IPAddress

ONE, TWO, SIX = map(ip_address, ("10.0.0.1", "10.0.0.2", "fd00::1"))
FAR = "127.0.0.9"
LONG = 30.0


class Waits:
    """What is tested, and what it said."""

    def __init__(self) -> None:
        self.hosts: Sequence[IPAddress] = ()
        self.free: list[IPAddress] = []
        self.made: list[KubeProxy] = []

    def watch(self, limit_seconds: float = LONG) -> KubeProxy:
        made = KubeProxy(limit_seconds, lambda: self.hosts, self.free.append)
        self.made.append(made)
        return made


@pytest.fixture
async def waits() -> AsyncIterator[Waits]:
    made = Waits()
    yield made
    for item in made.made:
        await item.close()


@pytest.fixture
async def proxy() -> AsyncIterator[PlayedKubeProxy]:
    async with PlayedKubeProxy() as made:
        yield made


def test_pauses_grow_and_stop_growing() -> None:
    found = list(islice(pauses(), 20))
    assert found[0] == 0.02
    assert found == sorted(found)
    assert set(found[-10:]) == {0.25}


async def test_a_vip_is_free_when_kube_proxy_has_rules(
    waits: Waits, proxy: PlayedKubeProxy
) -> None:
    watch = waits.watch()
    watch.follow({ONE: (proxy.port,), TWO: (proxy.port,)})
    await until(lambda: proxy.questions >= 4, "it is asked again while it has none")
    assert waits.free == []
    proxy.endpoints = 1
    await watch.settled()
    assert sorted(waits.free, key=str) == [ONE, TWO]
    asked = proxy.questions
    watch.follow({})
    await watch.settled()
    assert proxy.questions == asked, "nobody asks any more"


async def test_all_ports_must_say_so(waits: Waits, proxy: PlayedKubeProxy) -> None:
    proxy.endpoints = 1
    watch = waits.watch()
    async with PlayedKubeProxy() as other:
        watch.follow({ONE: (proxy.port, other.port)})
        await until(lambda: other.questions >= 3)
        assert (waits.free, proxy.questions) == ([], 1)
        other.endpoints = 2
        await watch.settled()
    assert waits.free == [ONE]


async def test_a_kube_proxy_that_starts_later_is_found(waits: Waits) -> None:
    later = PlayedKubeProxy()
    later.endpoints, later.port = 1, await free_port(HOST)
    watch = waits.watch()
    watch.follow({ONE: (later.port,)})
    assert waits.free == []
    async with later:
        await watch.settled()
    assert waits.free == [ONE]


async def test_a_kube_proxy_that_listens_on_the_nodes_address_alone_is_found(
    waits: Waits,
) -> None:
    waits.hosts = [ip_address("::1"), ip_address(FAR)]
    watch = waits.watch()
    async with PlayedKubeProxy(FAR) as far:
        far.endpoints = 1
        watch.follow({ONE: (far.port,)})
        await watch.settled()
    assert (waits.free, far.questions) == ([ONE], 1)


async def test_each_family_asks_at_addresses_of_its_own(
    waits: Waits, proxy: PlayedKubeProxy
) -> None:
    """kube-proxy's halves for IPv4 and IPv6 make their rules one before the other."""
    waits.hosts = [ip_address(FAR), ip_address("::1")]
    watch = waits.watch()
    async with PlayedKubeProxy("::1", proxy.port) as of_ipv6:
        of_ipv6.endpoints = 1
        watch.follow({ONE: (proxy.port,), SIX: (proxy.port,)})
        await until(lambda: proxy.questions >= 3 and waits.free)
        assert waits.free == [SIX]
        proxy.endpoints = 1
        await watch.settled()
    assert (waits.free, of_ipv6.questions) == ([SIX, ONE], 1)


@pytest.mark.parametrize("is_there", [True, False])
async def test_after_the_limit_nobody_waits_and_it_is_logged_why(
    waits: Waits, proxy: PlayedKubeProxy, caplog: pytest.LogCaptureFixture, is_there: bool
) -> None:
    port = proxy.port if is_there else await free_port(HOST)
    watch = waits.watch(limit_seconds=0.1)
    watch.follow({ONE: (port,)})
    await watch.settled()
    assert waits.free == [ONE]
    wrong = "says 503" if is_there else "refuses connections"
    (line,) = [item.getMessage() for item in caplog.records]
    assert line == (
        f"{ONE} is announced before kube-proxy said that it has rules for it: port {port} {wrong}"
    )


async def test_a_vip_that_waits_no_more_is_not_asked_for(
    waits: Waits, proxy: PlayedKubeProxy
) -> None:
    watch = waits.watch()
    watch.follow({ONE: (proxy.port,)})
    await until(lambda: proxy.questions)
    watch.follow({})
    await watch.settled()
    proxy.endpoints = 1
    watch.follow({TWO: (proxy.port,)})
    await watch.settled()
    assert waits.free == [TWO]


async def test_a_vip_whose_ports_change_asks_at_the_new_ones(
    waits: Waits, proxy: PlayedKubeProxy
) -> None:
    watch = waits.watch()
    async with PlayedKubeProxy() as other:
        other.endpoints = 1
        watch.follow({ONE: (proxy.port,)})
        await until(lambda: proxy.questions)
        watch.follow({ONE: (other.port,)})
        watch.follow({ONE: (other.port,)})
        await watch.settled()
    assert (waits.free, other.questions) == ([ONE], 1)


async def test_many_wait_at_once(waits: Waits, proxy: PlayedKubeProxy) -> None:
    held = {ip_address(0x0A00_0000 + number): (proxy.port,) for number in range(200)}
    watch = waits.watch()
    watch.follow(held)
    await until(lambda: proxy.questions >= 200)
    proxy.endpoints = 1
    async with asyncio.timeout(20):
        await watch.settled()
    assert set(waits.free) == set(held)
    assert len(waits.free) == 200
