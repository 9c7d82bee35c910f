"""Unnumbered peers: Router Advertisements on a real link, ours and a router's."""

from __future__ import annotations

import contextlib
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any

import pytest
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6ND_RS, IPv6
from scapy.layers.l2 import Ether

from metallb_speaker.peering.discovery import Discovery
from support.cable import FAR_MAC, NEAR_LINK_LOCAL
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cable import Cable

pytestmark = pytest.mark.netns

ROUTER = "fe80::ff:fe00:2"


class Found(list[tuple[str, IPv6Address]]):
    """What was found."""

    def take(self, interface: str, address: IPv6Address) -> None:
        """Take it down."""
        self.append((interface, address))


@pytest.fixture
def found() -> Found:
    return Found()


@pytest.fixture
async def discovery(near: Cable, found: Found) -> Any:
    made = Discovery("eth0", found.take)
    yield made
    made.close()


def say(
    near: Cable, message: Any, *, hops: int = 255, source: str = ROUTER, to: str = "ff02::1"
) -> None:
    mac = "33:33:00:00:00:01" if to == "ff02::1" else "33:33:00:00:00:02"
    frame = Ether(src=FAR_MAC, dst=mac) / IPv6(src=source, dst=to, hlim=hops) / message
    near.raw.send(bytes(frame))


def heard(near: Cable) -> Iterator[Any]:
    """The Router Advertisements that come out of our end."""
    while True:
        frame = Ether(near.raw.recv(2048))
        if ICMPv6ND_RA in frame and frame[IPv6].src == NEAR_LINK_LOCAL:
            yield frame


async def test_a_router_is_found_by_its_advertisement(
    near: Cable, discovery: Discovery, found: Found
) -> None:
    say(near, ICMPv6ND_RA())
    await until(lambda: found)
    assert found == [("eth0", IPv6Address(ROUTER))]


async def test_ours_makes_nobody_take_us_for_its_router(near: Cable, discovery: Discovery) -> None:
    frame = next(heard(near))
    assert frame[IPv6].hlim == 255
    assert frame[IPv6].dst == "ff02::1"
    assert frame[ICMPv6ND_RA].routerlifetime == 0
    assert not frame[ICMPv6ND_RA].payload


async def test_a_solicitation_is_answered_at_once(
    near: Cable, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metallb_speaker.peering.discovery._FAST_SECONDS", 3600.0)
    discovery = Discovery("eth0", found.take)
    advertisements = heard(near)
    next(advertisements)
    say(near, ICMPv6ND_RS(), to="ff02::2")
    near.raw.setblocking(False)
    answers: list[Any] = []

    def answered() -> bool:
        with contextlib.suppress(BlockingIOError):
            answers.append(next(heard(near)))
        return bool(answers)

    await until(answered)
    discovery.close()


async def test_what_came_from_afar_or_is_none_is_passed_over(
    near: Cable, discovery: Discovery, found: Found
) -> None:
    say(near, ICMPv6ND_RA(), hops=254)
    say(near, ICMPv6ND_RA(), source="fd10::100")
    say(near, ICMPv6ND_RA(), source="fe80::77")  # good, and comes last
    await until(lambda: found)
    assert found == [("eth0", IPv6Address("fe80::77"))]


async def test_an_interface_that_is_not_there_yet_is_waited_for(
    near: Cable, found: Found, caplog: pytest.LogCaptureFixture
) -> None:
    discovery = Discovery("late0", found.take)
    assert "interface late0: no peer can be found" in caplog.text
    near.ip("link", "add", "late0", "type", "veth", "peer", "name", "late1")
    near.ip("link", "set", "late1", "up")
    near.ip("link", "set", "late0", "up")
    await until(lambda: discovery.is_open)
    discovery.close()
    assert not discovery.is_open
