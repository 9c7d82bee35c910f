"""BFD's shell with a real kernel: two of them at the ends of a cable, and what is told."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab import netns
from metallb_speaker.bfd.config import BFDConfig, Endpoint
from metallb_speaker.bfd.iana import CONTROL_PORT, State
from metallb_speaker.io.bfd import PortKey, ReceivePort, SendPort
from metallb_speaker.reflex import bfd as shell
from support.bfd_cut import cut
from support.bfd_end import BfdEnd
from support.cable import FAR_IPV4, FAR_IPV6, NEAR_IPV4, NEAR_IPV6
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.cable import Cable

pytestmark = pytest.mark.netns

FAR, NEAR = Endpoint(ip_address(FAR_IPV4)), Endpoint(ip_address(NEAR_IPV4))
FAR6, NEAR6 = Endpoint(ip_address(FAR_IPV6)), Endpoint(ip_address(NEAR_IPV6))


def wanted(endpoint: Endpoint, interval_us: int = 50_000, **given: Any) -> BFDConfig:
    return BFDConfig(endpoint, interval_us, interval_us, **{"multiplier": 20, **given})


@pytest.fixture
async def here(near: Cable) -> AsyncIterator[BfdEnd]:
    async with BfdEnd() as end:
        yield end


@pytest.fixture
async def there(near: Cable, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BfdEnd]:
    """The other end: its sockets are made in the other namespace."""

    class FarReceivePort(ReceivePort):
        def __init__(self, key: PortKey) -> None:
            with netns.inside(near.far.namespace):
                super().__init__(key)

    class FarSendPort(SendPort):
        def send(self, data: bytes) -> bool:
            with netns.inside(near.far.namespace):
                return super().send(data)

    async with BfdEnd() as end:
        order = end.bfd.order

        def order_there(configs: list[BFDConfig]) -> None:
            with monkeypatch.context() as patch:
                patch.setattr(shell, "ReceivePort", FarReceivePort)
                patch.setattr(shell, "SendPort", FarSendPort)
                order(configs)

        find = end.bfd._echoes._find

        def find_there(*arguments: Any) -> Any:
            with netns.inside(near.far.namespace):
                return find(*arguments)

        monkeypatch.setattr(end.bfd, "order", order_there)
        monkeypatch.setattr(end.bfd._echoes, "_find", find_there)
        yield end


async def both_up(here: BfdEnd, there: BfdEnd, far: Endpoint, near: Endpoint) -> None:
    await here.reaches(far, State.UP)
    await there.reaches(near, State.UP)


async def echoes_come_back(end: BfdEnd, endpoint: Endpoint) -> None:
    found = 0

    def are_some() -> bool:
        nonlocal found
        counts, _ = end.counts()
        found += counts[endpoint][2]
        return found > 2

    await until(are_some, "echoes")


@pytest.mark.parametrize(("far", "near_end"), [(FAR, NEAR), (FAR6, NEAR6)])
async def test_two_ends_come_up_and_echo(
    near: Cable, here: BfdEnd, there: BfdEnd, far: Endpoint, near_end: Endpoint
) -> None:
    for host in (near.near, near.far):
        host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")  # over IPv4 kernels send echoes back
    here.order(wanted(far, is_echo=True))
    there.order(wanted(near_end, is_echo=True))
    await both_up(here, there, far, near_end)
    for end, endpoint in ((here, far), (there, near_end)):
        await echoes_come_back(end, endpoint)
        assert end.downs(endpoint) == 0
        told = end.last(endpoint)
        assert told is not None
        assert told.transmit_us == 1_000_000


async def test_the_state_is_told_at_once_and_again(here: BfdEnd, there: BfdEnd) -> None:
    here.order(wanted(FAR))
    assert here.states(FAR) == [State.DOWN]
    there.order(wanted(NEAR))
    await both_up(here, there, FAR, NEAR)
    here.counts()
    last = here.last(FAR)
    here.told.clear()
    here.bfd.tell_all()
    assert [line for _, line in here.told] == [last]
    here.order(wanted(FAR))
    assert len(here.told) == 1


async def test_silence_is_told_with_its_reason(here: BfdEnd, there: BfdEnd, near: Cable) -> None:
    here.order(wanted(FAR, multiplier=3))
    there.order(wanted(NEAR, multiplier=3))
    await both_up(here, there, FAR, NEAR)
    with cut(near.far.namespace, "input", "output"):
        told = await here.reaches(FAR, State.DOWN)
    assert told.diagnostic.name == "CONTROL_DETECTION_TIME_EXPIRED"
    await both_up(here, there, FAR, NEAR)


async def test_what_is_ordered_no_more_leaves_no_socket(here: BfdEnd, there: BfdEnd) -> None:
    here.order(wanted(FAR, multiplier=3))
    there.order(wanted(NEAR))
    await both_up(here, there, FAR, NEAR)
    here.order()
    told = await there.reaches(NEAR, State.DOWN)
    assert told.remote_state is State.ADMIN_DOWN
    here.bfd.tell_all()
    assert here.last(FAR) == here.told[-1][1]

    def is_free() -> bool:
        try:
            ReceivePort(PortKey(CONTROL_PORT, 4)).close()
        except OSError:
            return False
        return True

    await until(is_free, "the port is given back")


async def test_its_end_is_told_to_peers(here: BfdEnd, there: BfdEnd) -> None:
    here.order(wanted(FAR))
    there.order(wanted(NEAR))
    await both_up(here, there, FAR, NEAR)
    here.bfd.stop()
    told = await there.reaches(NEAR, State.DOWN)
    assert told.remote_state is State.ADMIN_DOWN


async def test_a_port_that_somebody_has_is_tried_again(
    here: BfdEnd,
    there: BfdEnd,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(shell, "RETRY_SECONDS", 0.01)
    somebody = ReceivePort(PortKey(CONTROL_PORT, 4))
    with caplog.at_level(logging.INFO, logger=shell.log.name):
        here.order(wanted(FAR))
        there.order(wanted(NEAR))
        await asyncio.sleep(0.1)
        somebody.close()
        await both_up(here, there, FAR, NEAR)
    faults = [record.message for record in caplog.records if "in use" in record.message]
    assert len(faults) == 1
    assert any("works" in record.message for record in caplog.records)


async def test_what_cannot_be_sent_is_counted_and_said_once(
    here: BfdEnd, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = Endpoint(ip_address("10.99.0.1"))
    here.order(wanted(nowhere), wanted(Endpoint(ip_address("fe80::9"), None, "eth7")))
    await until(lambda: here.counters.lost["bfd"] >= 3, "lost packets")
    faults = [record for record in caplog.records if "unreachable" in record.message]
    assert len(faults) == 1


async def test_strangers_are_dropped_and_counted(here: BfdEnd, near: Cable) -> None:
    here.order(wanted(Endpoint(ip_address("10.10.0.200")), is_echo=True))
    with netns.inside(near.far.namespace):
        stranger = SendPort(NEAR, lambda: 0.5)
        assert stranger.send(b"not BFD at all")
        key = PortKey(3785, 4)
        echoes = ReceivePort(key)
    assert echoes.send(b"echo", 255, (NEAR_IPV4, 3785), None)
    dropped: dict[str, int] = {}

    def are_counted() -> bool:
        dropped.update(here.counts()[1])  # each is counted once, so nothing is overwritten
        return dropped == {"TooShort": 1, "Echo": 1}

    await until(are_counted, "drops")
    stranger.close()
    echoes.close()
