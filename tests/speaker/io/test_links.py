"""The table of interfaces by invented messages, and the monitor by those of a real kernel."""

from __future__ import annotations

import asyncio
import contextlib
from ipaddress import IPv6Address, ip_interface
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab import netns
from metallb_speaker.io.links import LinkMonitor, LinkTable, UsableLink
from support.cable import DEADLINE_SECONDS, NEAR_IPV4, NEAR_IPV6, NEAR_LINK_LOCAL, NEAR_MAC

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.cable import Cable

UP, BROADCAST, LOOPBACK, NOARP, LOWER_UP = 0x1, 0x2, 0x8, 0x80, 0x10000
USUAL = UP | BROADCAST | LOWER_UP
TENTATIVE, DAD_FAILED, PERMANENT = 0x40, 0x08, 0x80
OTHER_MAC = "02:00:00:00:00:55"


def link(index: int = 2, event: str = "RTM_NEWLINK", **rest: Any) -> dict[Any, Any]:
    usual = {"ifname": "eth0", "flags": USUAL, "address": NEAR_MAC}
    return {"event": event, "index": index, **usual, **rest}


def member(kind: str) -> dict[Any, Any]:
    return link(master=7) | {("linkinfo", "slave_kind"): kind}


def address(
    text: str | None,
    length: int = 24,
    event: str = "RTM_NEWADDR",
    flags: int = PERMANENT,
    **rest: Any,
) -> dict[str, Any]:
    usual = {"index": 2, "address": text, "prefixlen": length, "flags": flags}
    return {"event": event, **usual, **rest}


def table(*messages: dict[Any, Any]) -> LinkTable:
    made = LinkTable()
    for message in messages:
        made.apply(message)
    return made


class TestTable:
    def test_an_interface_with_its_addresses(self) -> None:
        made = table(
            link(),
            address("fd09::1", 64),
            address(NEAR_LINK_LOCAL, 64),
            address("10.9.0.7", local="10.9.0.1"),
        )
        found = made.usable()["eth0"]
        assert (found.name, found.link.index, str(found.link.mac)) == ("eth0", 2, NEAR_MAC)
        assert found.link.link_local == IPv6Address(NEAR_LINK_LOCAL)
        assert found.addresses == (ip_interface("10.9.0.1/24"), ip_interface("fd09::1/64"))

    @pytest.mark.parametrize(
        "message",
        [
            link(flags=BROADCAST | LOWER_UP),
            link(flags=UP | BROADCAST),
            link(flags=UP | LOWER_UP),
            link(flags=USUAL | LOOPBACK),
            link(flags=USUAL | NOARP),
            link(address=None),
            link(address="00:00:00:00"),
            link(ifname="veth0815"),
            link(ifname="cali123"),
            link(ifname="lo"),
            link(ifname="docker0"),
            member("bridge"),
            member("bond"),
        ],
        ids=lambda message: str({key: message[key] for key in message if key != "event"}),
    )
    def test_interfaces_on_which_nothing_is_announced(self, message: dict[Any, Any]) -> None:
        assert table(message).usable() == {}

    def test_a_member_of_a_vrf_is_an_interface_like_others(self) -> None:
        assert list(table(member("vrf")).usable()) == ["eth0"]

    def test_what_is_excluded_can_be_said(self) -> None:
        made = LinkTable("^eth0$")
        assert not made.apply(link())
        assert made.apply(link(3, ifname="eth1"))
        assert list(made.usable()) == ["eth1"]

    @pytest.mark.parametrize(
        "message",
        [
            link(),  # as it is
            link(family=7, flags=0),  # as a bridge port
            {"event": "RTM_NEWROUTE", "index": 2},
            address("10.9.0.3", index=99),
            address(None),
            address("10.9.0.99", event="RTM_DELADDR"),
            link(9, "RTM_DELLINK"),
        ],
    )
    def test_messages_that_change_nothing(self, message: dict[Any, Any]) -> None:
        made = table(link(), address("10.9.0.1"))
        before = made.usable()
        assert not made.apply(message)
        assert made.usable() == before

    @pytest.mark.parametrize(
        ("message", "mac", "addresses"),
        [
            (link(address=OTHER_MAC), OTHER_MAC, ["10.9.0.1/24"]),
            (address("10.9.1.1"), NEAR_MAC, ["10.9.0.1/24", "10.9.1.1/24"]),
            (address("10.9.0.1", event="RTM_DELADDR"), NEAR_MAC, []),
            (address("10.9.0.1", flags=TENTATIVE), NEAR_MAC, []),
            (address("10.9.0.1", flags=DAD_FAILED), NEAR_MAC, []),
        ],
    )
    def test_messages_that_change_an_interface(
        self, message: dict[Any, Any], mac: str, addresses: list[str]
    ) -> None:
        made = table(link(), address("10.9.0.1"))
        assert made.apply(message)
        found = made.usable()["eth0"]
        assert str(found.link.mac) == mac
        assert [str(item) for item in found.addresses] == addresses

    def test_an_interface_is_renamed_and_goes(self) -> None:
        made = table(link())
        assert made.apply(link(ifname="lan0"))
        assert list(made.usable()) == ["lan0"]
        assert made.apply(link(event="RTM_DELLINK", ifname="lan0"))
        assert made.usable() == {}


# -- with a kernel ---------------------------------------------------------------------------------


class Seen:
    """What the monitor has told, and waiting for it."""

    def __init__(self) -> None:
        self.usable: dict[str, UsableLink] = {}
        self.count = 0
        self._changed = asyncio.Event()

    def take(self, usable: dict[str, UsableLink]) -> None:
        self.usable = usable
        self.count += 1
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def addresses(self) -> set[str]:
        return {str(item) for item in self.usable["eth0"].addresses}


@pytest.fixture
async def seen(near: Cable) -> AsyncIterator[Seen]:
    found = Seen()
    task = asyncio.create_task(LinkMonitor(found.take).run())
    await found.until(lambda: found.count)
    yield found
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.netns
class TestMonitor:
    async def test_what_is_there_is_told_at_once(self, near: Cable, seen: Seen) -> None:
        assert list(seen.usable) == ["eth0"]
        assert str(seen.usable["eth0"].link.mac) == NEAR_MAC
        await seen.until(lambda: seen.usable["eth0"].link.link_local)
        assert seen.usable["eth0"].link.link_local == IPv6Address(NEAR_LINK_LOCAL)
        await seen.until(lambda: seen.addresses() == {f"{NEAR_IPV4}/16", f"{NEAR_IPV6}/64"})

    async def test_an_interface_appears_and_disappears(self, near: Cable, seen: Seen) -> None:
        near.ip("link", "add", "eth1", "type", "veth", "peer", "name", "p1")
        near.ip("link", "set", "p1", "up")
        near.ip("link", "set", "eth1", "up")
        await seen.until(lambda: set(seen.usable) == {"eth0", "eth1", "p1"})
        near.ip("link", "del", "eth1")
        await seen.until(lambda: set(seen.usable) == {"eth0"})

    async def test_carrier_is_lost_and_found(self, near: Cable, seen: Seen) -> None:
        near.far_ip("link", "set", "eth0", "down")
        await seen.until(lambda: not seen.usable)
        near.far_ip("link", "set", "eth0", "up")
        await seen.until(lambda: seen.usable)

    async def test_an_interface_is_set_down_and_up(self, near: Cable, seen: Seen) -> None:
        near.ip("link", "set", "eth0", "down")
        await seen.until(lambda: not seen.usable)
        near.ip("link", "set", "eth0", "up")
        await seen.until(lambda: seen.usable)

    async def test_the_mac_changes(self, near: Cable, seen: Seen) -> None:
        near.ip("link", "set", "eth0", "address", OTHER_MAC)
        await seen.until(lambda: str(seen.usable["eth0"].link.mac) == OTHER_MAC)

    async def test_addresses_come_and_go(self, near: Cable, seen: Seen) -> None:
        near.ip("addr", "add", "10.9.1.1/24", "dev", "eth0")
        await seen.until(lambda: "10.9.1.1/24" in seen.addresses())
        near.ip("addr", "del", "10.9.1.1/24", "dev", "eth0")
        await seen.until(lambda: "10.9.1.1/24" not in seen.addresses())

    async def test_an_interface_joins_a_bridge(self, near: Cable, seen: Seen) -> None:
        near.ip("link", "add", "br9", "type", "bridge")
        near.ip("link", "set", "eth0", "master", "br9")
        near.ip("link", "set", "br9", "up")
        await seen.until(lambda: set(seen.usable) == {"br9"})

    async def test_lost_messages_are_made_up_for(
        self, near: Cable, seen: Seen, caplog: pytest.LogCaptureFixture
    ) -> None:
        """While the loop stands still the kernel has more to say than its buffer holds."""
        steps = [f"addr {word} 10.9.2.1/24 dev eth0" for word in ("add", "del")] * 3000
        netns.ip_batch([*steps, "addr add 10.9.3.1/24 dev eth0"], near.near.namespace)
        await seen.until(lambda: "10.9.3.1/24" in seen.addresses())
        assert "10.9.2.1/24" not in seen.addresses()
        assert "the kernel has lost messages" in caplog.text
