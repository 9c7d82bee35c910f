"""A whole term beside an IPAM: the embedded API server, and a server that speaks NetBox's API."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from metallb.kube.events import EVENTS, EventPoster
from metallb_controller.app import ipam, leadership
from metallb_controller.app.leadership import Leadership
from metallb_controller.app.metrics import Metrics
from metallb_controller.app.netbox import NetBox, NetBoxSettings
from metallb_controller.app.resources import CLASSES, SERVICES
from metallb_controller.app.settings import Settings
from metallb_controller.ipam.netbox import Labels
from support.netbox import Fault, NetBoxServer
from support.objects import NAMESPACE, class_object, service_object
from support.waiting import DEADLINE_SECONDS, until, until_it

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web

    from metallb.kube.client import ApiClient
    from metallb_controller.ipam.model import Contents

TAG = "cluster-a"
HOSTNAME = "network.deckhouse.io/load-balancer-hostname"
IPS = "network.deckhouse.io/load-balancer-ips"


@pytest.fixture
async def netbox() -> AsyncIterator[NetBoxServer]:
    made = NetBoxServer()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collect changes for a moment, and try again soon."""
    monkeypatch.setattr(ipam, "DELAY_SECONDS", 0.02)
    monkeypatch.setattr(ipam, "LONGEST_DELAY_SECONDS", 0.05)


class Term:
    """Terms of leadership, one after another, with an IPAM; and what people see of them."""

    def __init__(
        self, client: ApiClient, netbox: NetBoxServer, secret: Path, interval: float
    ) -> None:
        self.client = client
        self.netbox = netbox
        (secret / "token").write_text(netbox.token)
        self.settings = Settings(
            NAMESPACE,
            "alice",
            netbox=NetBoxSettings(netbox.url, Labels(TAG), secret),
            ipam_interval_seconds=interval,
        )
        self.leadership: Leadership | None = None
        self.metrics = Metrics(lambda: self.leadership)
        self._numbers = itertools.count()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Term]:
        events = EventPoster(self.client, "controller", "alice", lambda: f"e{next(self._numbers)}")
        made = Leadership(self.settings, self.client, self.client, events, self.metrics)
        self.leadership = made
        tasks = [asyncio.create_task(work) for work in (made.run(), events.run())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.leadership = None

    async def serve(self, name: str, **rest: Any) -> None:
        value = service_object(name, **rest)
        for field in ("uid", "resourceVersion", "creationTimestamp", "generation"):
            value["metadata"].pop(field, None)
        value["spec"]["allocateLoadBalancerNodePorts"] = False
        await self.client.create(SERVICES, value, "default")

    async def pool(self, *ranges: str) -> None:
        value = class_object("front", ranges, isDefault=True)
        for field in ("uid", "resourceVersion", "creationTimestamp", "generation"):
            value["metadata"].pop(field, None)
        await self.client.create(CLASSES, value)

    async def address(self, name: str, number: int = 1) -> str:
        """Wait until a Service has an address, and give it."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                status = (await self.client.get(SERVICES, name, "default"))["status"]
                if found := status.get("loadBalancer", {}).get("ingress"):
                    return str(found[0]["ip"])
                await asyncio.sleep(0.01)

    async def until_registered(self, expected: dict[str, str]) -> None:
        """Wait until our objects in the IPAM are these, by address, with their descriptions."""

        def said() -> dict[str, str]:
            return {key: item["description"] for key, item in self.netbox.tagged(TAG).items()}

        await until(lambda: said() == expected)

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    async def events(self) -> list[str]:
        pages = [page async for page in self.client.list_pages(EVENTS, "default")]
        items = (item for page in pages for item in page.items)
        return [item["message"] for item in items if item["reason"] == ipam.EVENT_REASON]


@pytest.fixture
def term(admin: ApiClient, netbox: NetBoxServer, tmp_path: Path) -> Term:
    return Term(admin, netbox, tmp_path, 3600.0)


@pytest.fixture
def busy_term(admin: ApiClient, netbox: NetBoxServer, tmp_path: Path) -> Term:
    """One that reads all the time."""
    return Term(admin, netbox, tmp_path, 0.02)


async def test_used_addresses_are_avoided_ours_appear_and_go(
    term: Term, netbox: NetBoxServer
) -> None:
    netbox.put("10.0.0.1/24", description="router-1")
    strangers = {number: dict(item) for number, item in netbox.addresses.items()}
    await term.pool("10.0.0.1-10.0.0.9")
    async with term.running():
        await term.serve("web", annotations={HOSTNAME: "web.example.com"})
        assert await term.address("web") == "10.0.0.2"
        await term.until_registered({"10.0.0.2": "default/web"})
        assert netbox.tagged(TAG)["10.0.0.2"]["dns_name"] == "web.example.com"
        await term.serve("api")
        await term.until_registered({"10.0.0.2": "default/web", "10.0.0.3": "default/api"})
        await term.client.delete(SERVICES, "web", "default")
        await term.until_registered({"10.0.0.3": "default/api"})
        await term.client.patch(
            SERVICES, "api", {"metadata": {"annotations": {HOSTNAME: "api.example.com"}}},
            namespace="default",
        )  # fmt: skip
        await until(lambda: netbox.tagged(TAG)["10.0.0.3"]["dns_name"] == "api.example.com")
    assert {number: netbox.addresses[number] for number in strangers} == strangers


async def test_an_address_that_the_ipam_gives_to_another_stays_and_is_told_of(
    busy_term: Term, netbox: NetBoxServer
) -> None:
    term = busy_term
    await term.pool("10.0.0.1-10.0.0.9")
    async with term.running():
        await term.serve("web")
        await term.until_registered({"10.0.0.1": "default/web"})
        rival = netbox.put("10.0.0.1/24", description="printer")
        await until(lambda: term.sample("metallb_ipam_conflicts", reason="UsedByOthers") == 1)
        assert term.sample("metallb_ipam_foreign_addresses") == 1
        assert await term.address("web") == "10.0.0.1"
        await until_it(term.events)
        reads = len(netbox.requests) + 12
        await until(lambda: len(netbox.requests) > reads)
        (message,) = await term.events()
        assert message.startswith("10.0.0.1 stays with its Service, but in the IPAM it is used by")
        assert "printer" in message
        assert term.sample("metallb_ipam_objects") == 1
        del netbox.addresses[rival["id"]]
        await until(lambda: term.sample("metallb_ipam_conflicts", reason="UsedByOthers") == 0)
        assert term.sample("metallb_ipam_errors_total", reason="Unexpected") == 0


async def test_a_refused_registration_is_a_conflict_and_holds_up_nobody(
    term: Term, netbox: NetBoxServer
) -> None:
    def rival(request: web.Request) -> None:
        if request.method == "POST" and "ip-addresses" in request.path:
            netbox.before = None
            netbox.put("10.0.0.1/24", description="printer")

    await term.pool("10.0.0.1-10.0.0.9")
    async with term.running():
        await until(lambda: term.sample("metallb_ipam_last_success_timestamp_seconds"))
        netbox.before = rival
        await term.serve("web")
        await until(lambda: term.sample("metallb_ipam_conflicts", reason="Refused") == 1)
        assert await term.address("web") == "10.0.0.1"
        await term.serve("api")
        await term.until_registered({"10.0.0.2": "default/api"})
        await until_it(term.events)
        (message,) = await term.events()
        assert "Duplicate IP address found in global table" in message
        posts = [line for line in netbox.requests if line.startswith("POST /api/ipam")]
        assert len(posts) == 2


async def test_while_the_ipam_is_down_services_are_served_and_then_it_catches_up(
    term: Term, netbox: NetBoxServer
) -> None:
    netbox.is_down = True
    await term.pool("10.0.0.1-10.0.0.9")
    async with term.running():
        await term.serve("web")
        assert await term.address("web") == "10.0.0.1"
        assert term.sample("metallb_ipam_last_success_timestamp_seconds") == 0
        netbox.is_down = False
        await term.until_registered({"10.0.0.1": "default/web"})
        netbox.is_down = True
        before = len(netbox.requests)
        await term.serve("api")
        await term.client.delete(SERVICES, "web", "default")
        assert await term.address("api") == "10.0.0.2"
        await until(lambda: len(netbox.requests) > before + 2)
        assert term.sample("metallb_ipam_errors_total", reason="Unreachable")
        netbox.is_down = False
        await term.until_registered({"10.0.0.2": "default/api"})
        await until(lambda: term.sample("metallb_ipam_last_success_timestamp_seconds"))


async def test_a_new_leader_asks_before_it_gives_and_puts_right_what_it_finds(
    term: Term, netbox: NetBoxServer
) -> None:
    netbox.put_tag(TAG)
    netbox.put("10.0.0.1/24", description="router-1")
    netbox.put("10.0.0.8/32", description="default/gone", tags=[TAG], role="vip")
    netbox.put("10.0.0.2/24", description="edited", tags=[TAG])
    await term.pool("10.0.0.1-10.0.0.9")
    await term.serve("web")
    async with term.running():
        assert await term.address("web") == "10.0.0.2"
        await term.until_registered({"10.0.0.2": "default/web"})
        assert netbox.tagged(TAG)["10.0.0.2"]["address"] == "10.0.0.2/32"
    assert len(netbox.addresses) == 2
    assert term.sample("metallb_ipam_objects") is None
    async with term.running():
        await until(lambda: term.sample("metallb_ipam_objects") == 1)
        assert await term.address("web") == "10.0.0.2"


async def test_an_ipam_that_hangs_is_not_waited_for(
    term: Term, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leadership, "FIRST_READ_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert term.settings.netbox is not None
        where = replace(term.settings.netbox, url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        term.settings = replace(term.settings, netbox=where)
        await term.pool("10.0.0.1-10.0.0.9")
        await term.serve("web")
        async with term.running():
            assert await term.address("web") == "10.0.0.1"


async def test_an_object_that_cannot_be_deleted_holds_up_nobody(
    term: Term, netbox: NetBoxServer
) -> None:
    def protect(request: web.Request) -> None:
        if request.method == "DELETE":
            netbox.faults.append(Fault(409, body=b'{"detail": "it is the primary IP of a host"}'))

    await term.pool("10.0.0.1-10.0.0.9")
    async with term.running():
        await term.serve("web")
        await term.until_registered({"10.0.0.1": "default/web"})
        netbox.before = protect
        await term.client.delete(SERVICES, "web", "default")
        await until(lambda: any(line.startswith("DELETE") for line in netbox.requests))
        await term.serve("api")
        assert await term.address("api") == "10.0.0.1"
        await term.until_registered({"10.0.0.1": "default/api"})


async def test_more_writes_than_one_round_has_are_done_in_several(
    term: Term, netbox: NetBoxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipam, "WRITES_PER_ROUND", 2)
    await term.pool("10.0.0.1-10.0.0.9")
    for name in "abcde":
        await term.serve(name)
    async with term.running():
        await until(lambda: term.sample("metallb_ipam_objects") == 5)
        assert len(netbox.tagged(TAG)) == 5
        await until(lambda: term.sample("metallb_ipam_last_success_timestamp_seconds"))


async def test_a_fault_of_our_own_does_not_end_the_term(
    term: Term, netbox: NetBoxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = NetBox.read
    calls = itertools.count()

    async def broken(self: NetBox, ranges: Any) -> Contents:
        if next(calls) < 2:
            raise RuntimeError("a bug")
        return await whole(self, ranges)

    monkeypatch.setattr(NetBox, "read", broken)
    await term.pool("10.0.0.1-10.0.0.9")
    async with term.running():
        await term.serve("web")
        await term.until_registered({"10.0.0.1": "default/web"})
        assert term.sample("metallb_ipam_errors_total", reason="Unexpected") == 2


async def test_a_new_pool_is_asked_about(term: Term, netbox: NetBoxServer) -> None:
    netbox.put("10.0.0.1/24", description="router-1")
    async with term.running():
        await until(lambda: term.sample("metallb_ipam_last_success_timestamp_seconds"))
        await term.pool("10.0.0.1-10.0.0.9")
        await until(lambda: term.sample("metallb_ipam_foreign_addresses") == 1)
        await term.serve("web", annotations={IPS: "10.0.0.1"})

        async def condition() -> bool:
            found = (await term.client.get(SERVICES, "web", "default")).get("status", {})
            return any(
                "10.0.0.1 is reserved in IPAM by router-1" in item["message"]
                for item in found.get("conditions", [])
            )

        await until_it(condition)


FATES = (
    Fault(), Fault(is_done=True), Fault(500), Fault(503, is_done=True), Fault(429),
    Fault(200, body=b"<html>"), Fault(200, body=b"{}", is_done=True), None, None, None,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
async def test_after_any_faults_the_ipam_says_what_the_ledger_says(
    busy_term: Term, netbox: NetBoxServer, seed: int
) -> None:
    term, chance = busy_term, random.Random(seed)
    netbox.put("10.0.0.3/24", description="router-1")
    stranger = dict(netbox.addresses[1])
    await term.pool("10.0.0.1-10.0.0.9")
    async with term.running():
        await until(lambda: term.sample("metallb_ipam_last_success_timestamp_seconds"))
        netbox.faults.extend(chance.choices(FATES, k=80))
        for number in range(6):
            await term.serve(f"s{number}")
            if number % 2:
                await term.client.delete(SERVICES, f"s{number - 1}", "default")
        expected = {await term.address(f"s{number}"): f"default/s{number}" for number in (1, 3, 5)}
        assert "10.0.0.3" not in expected
        await until(lambda: not netbox.faults)
        await term.until_registered(expected)
        assert sum(TAG in item["tags"] for item in netbox.addresses.values()) == 3
    assert netbox.addresses[1] == stranger
