"""The pace of reports: bounded, one after the other for each VIP, and only the newest."""

from __future__ import annotations

import asyncio
import contextlib
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.meta import Metadata, ObjectKey
from metallb.api.virtual_ips import VirtualIP, VirtualIPSpec
from metallb.kube.errors import ConflictError, NotFoundError, api_error
from metallb.net.addresses import object_name
from metallb_speaker import control
from metallb_speaker.policy import reports
from metallb_speaker.policy.reports import Reports
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.net.addresses import IPAddress

VIP = ip_address("10.0.0.1")


def virtual_ip(address: IPAddress) -> VirtualIP:
    key = ObjectKey("", object_name(address))
    return VirtualIP(Metadata(key, "uid", "1", 1, "", False), VirtualIPSpec(address, "", ()))


class Client:
    """Takes patches; `gate` holds them up while it is closed, `errors` refuse them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, float]] = []
        self.errors: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def patch(self, resource: Any, name: str, body: Any, *, subresource: str) -> Any:
        assert subresource == "status"
        since = body["status"]["announcers"][0]["since"]
        self.sent.append((name, since, asyncio.get_running_loop().time()))
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        return {}


class Rig:
    """Reports, what they know and what they write."""

    def __init__(self) -> None:
        self.client = Client()
        self.released: set[IPAddress] = set()
        client: Any = self.client
        self.reports = Reports(client, "n1", self._find, lambda _: None, lambda: 0.0)
        self.task = asyncio.create_task(self.reports.run())

    def _find(self, address: IPAddress) -> VirtualIP | None:
        return None if address in self.released else virtual_ip(address)

    def announce(self, address: IPAddress, at: float) -> None:
        line = control.AnnouncedLine(address, at, "Preferred", "", None, ("eth0",))
        self.reports.announce(line)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    made.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await made.task


@pytest.fixture
def slow_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "WRITES_PER_SECOND", 100.0)
    monkeypatch.setattr(reports, "WRITES_BURST", 5)


async def test_writes_have_a_bounded_rate_after_a_burst(slow_pace: None, rig: Rig) -> None:
    for number in range(15):
        rig.announce(ip_address(f"10.0.1.{number}"), 1.0)
    await rig.reports.written()
    times = [at for _, _, at in rig.client.sent]
    assert len(times) == 15
    assert times[-1] - times[0] >= 0.09  # ten more than the burst, 10 ms apart


async def test_only_the_newest_of_what_waits_is_written(rig: Rig) -> None:
    rig.client.gate.clear()
    rig.announce(VIP, 1.0)
    await until(lambda: len(rig.client.sent) == 1)
    for at in (2.0, 3.0, 4.0):
        rig.announce(VIP, at)
    rig.client.gate.set()
    await rig.reports.written()
    assert [since for _, since, _ in rig.client.sent] == [
        reports.time_text(1.0),
        reports.time_text(4.0),
    ]


async def test_other_addresses_do_not_wait_for_one_that_hangs(rig: Rig) -> None:
    rig.client.gate.clear()
    rig.announce(VIP, 1.0)
    await until(lambda: len(rig.client.sent) == 1)
    rig.announce(VIP, 2.0)
    rig.announce(ip_address("10.0.0.2"), 1.0)
    await until(lambda: len(rig.client.sent) == 2)
    assert [name for name, _, _ in rig.client.sent] == ["10.0.0.1", "10.0.0.2"]
    rig.client.gate.set()
    await rig.reports.written()


async def test_a_failed_write_is_made_again_and_counted(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "RETRY_SECONDS", 0.01)
    rig.client.errors = [api_error(503, {}), TimeoutError()]
    rig.announce(VIP, 1.0)
    await rig.reports.written()
    assert len(rig.client.sent) == 3
    assert rig.reports.failures == 2


@pytest.mark.parametrize("kind", [NotFoundError, ConflictError])
async def test_what_is_another_object_by_now_is_left_alone(
    rig: Rig, kind: type[NotFoundError | ConflictError]
) -> None:
    rig.client.errors = [api_error(404 if kind is NotFoundError else 409, {})]
    assert isinstance(rig.client.errors[0], kind)
    rig.announce(VIP, 1.0)
    await rig.reports.written()
    assert len(rig.client.sent) == 1
    assert rig.reports.failures == 0


async def test_nothing_is_written_for_a_vip_that_is_not_known(rig: Rig) -> None:
    rig.released.add(VIP)
    rig.announce(VIP, 1.0)
    await rig.reports.written()
    assert rig.client.sent == []
