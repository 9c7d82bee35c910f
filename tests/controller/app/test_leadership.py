"""A whole term of leadership on the embedded API server: from watch to write, and back."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest

from metallb.kube.events import EVENTS
from metallb_controller.app.resources import CLASSES, ENDPOINT_SLICES, SERVICES, VIRTUAL_IPS
from metallb_controller.reconcile.model import TargetKind
from metallb_lab.apiserver import Match
from support.objects import class_object, service_object, slice_object
from support.terms import Term
from support.waiting import DEADLINE_SECONDS, until

if TYPE_CHECKING:
    from metallb.kube.client import ApiClient
    from metallb_controller.reconcile.model import Result, Write
    from metallb_lab.apiserver import ApiServer

ALICE = Match(user="alice")


@pytest.fixture
async def term(alice: ApiClient, admin: ApiClient) -> Term:
    return Term(alice, admin)


async def test_a_service_gets_its_address_and_loses_it_when_it_goes(term: Term) -> None:
    await term.put(CLASSES, class_object(isDefault=True))
    async with term.running():
        await term.put(SERVICES, service_object("web"))
        await term.put(ENDPOINT_SLICES, slice_object("web"))
        await term.until_addresses("web", "10.0.0.1")
        await until(lambda: not term.leadership.reconciler.has_work())
        spec = (await term.admin.get(VIRTUAL_IPS, "10.0.0.1"))["spec"]
        assert spec["services"] == [{"namespace": "default", "name": "web"}]
        assert sorted(spec["layer2"]["nodes"]) == ["a", "b", "c"]
        await term.admin.delete(SERVICES, "web", "default")
        await term.until_gone("10.0.0.1")


async def test_endpoints_that_come_later_lift_the_suspension(term: Term) -> None:
    await term.put(CLASSES, class_object(isDefault=True))
    async with term.running():
        await term.put(SERVICES, service_object("web"))
        await term.until_addresses("web", "10.0.0.1")
        layer2 = (await term.admin.get(VIRTUAL_IPS, "10.0.0.1"))["spec"]["layer2"]
        assert layer2["suspended"] == "NoReadyEndpoints"
        await term.put(ENDPOINT_SLICES, slice_object("web"))
        async with asyncio.timeout(DEADLINE_SECONDS):
            while "suspended" in layer2:
                layer2 = (await term.admin.get(VIRTUAL_IPS, "10.0.0.1"))["spec"]["layer2"]


async def test_nothing_changes_when_another_term_begins(
    term: Term, alice: ApiClient, admin: ApiClient, server: ApiServer
) -> None:
    await term.put(CLASSES, class_object(isDefault=True))
    for name in ("a", "b", "c"):
        await term.put(SERVICES, service_object(name, count="2"))
    async with term.running():
        for name in ("a", "b", "c"):
            async with asyncio.timeout(DEADLINE_SECONDS):
                while len(await term.addresses(name)) < 2:
                    await asyncio.sleep(0.01)
        await _until_class_status_says(admin, used=6)
    before = {name: await term.addresses(name) for name in ("a", "b", "c")}
    version = server.store.version
    again = Term(alice, admin)
    async with again.running():
        await until(lambda: len(again.leadership.reconciler.assignments.verdicts) == 3)
        await until(lambda: not again.leadership.reconciler.has_work())
        for _ in range(20):
            await admin.get(CLASSES, "ingress")
    assert {name: await term.addresses(name) for name in ("a", "b", "c")} == before
    assert server.store.version == version


async def _until_class_status_says(admin: ApiClient, *, used: int) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            status = (await admin.get(CLASSES, "ingress")).get("status", {})
            if status.get("addresses", {}).get("used") == used:
                return
            await asyncio.sleep(0.01)


async def test_whatever_the_server_does_everything_is_done_in_the_end(
    term: Term, server: ApiServer
) -> None:
    await term.put(CLASSES, class_object(ranges=("10.0.0.0/24",), isDefault=True))
    names = [f"s{number:02}" for number in range(20)]
    async with term.running():
        await until(lambda: server.watches)
        writes = Match(user="alice", verb="create,patch")
        server.faults.add("status", writes, code=503, count=5)
        server.faults.add("lose-answer", writes, count=5)
        server.faults.add("partition-reset", writes, count=3)
        server.faults.add("drop-watch", ALICE, count=3)
        for name in names:
            await term.put(SERVICES, service_object(name))
        server.faults.add("gone", Match(user="alice", verb="watch"), count=2)
        server.faults.add("drop-watch", ALICE, count=2)
        found: set[str] = set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            for name in names:
                while not (shown := await term.addresses(name)):
                    await asyncio.sleep(0.01)
                found.update(shown)
    assert len(found) == len(names)


async def test_bad_input_is_an_event_too(term: Term) -> None:
    await term.put(CLASSES, class_object(ranges=("10.0.0.x", "10.0.0.1/29"), isDefault=True))
    async with term.running():
        await term.put(SERVICES, service_object("web", count="many"))
        found: dict[str, str] = {}
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(found) < 2:
                pages = [page async for page in term.admin.list_pages(EVENTS, "default")]
                items = [item for page in pages for item in page.items]
                found = {item["involvedObject"]["kind"]: item["reason"] for item in items}
    assert found == {
        "MetalLoadBalancerClass": "InvalidSpec",
        "Service": "InvalidAddressCount",
    }


async def test_a_virtual_ip_that_is_not_what_its_name_says_is_nobodys(
    term: Term, caplog: pytest.LogCaptureFixture
) -> None:
    value = {
        "apiVersion": "network.deckhouse.io/v1alpha1",
        "kind": "VirtualIP",
        "metadata": {"name": "10.0.0.1"},
        "spec": {"address": "10.0.0.2", "pool": "ingress", "services": []},
    }
    await term.put(VIRTUAL_IPS, value)
    await term.put(CLASSES, class_object(isDefault=True))
    async with term.running():
        await term.put(SERVICES, service_object("web", ips="10.0.0.2"))
        await term.until_addresses("web", "10.0.0.2")
    assert "VirtualIP 10.0.0.1 is left out: .spec.address" in caplog.text


async def test_pools_and_writes_are_counted(term: Term) -> None:
    await term.put(CLASSES, class_object(isDefault=True))
    async with term.running():
        await term.put(SERVICES, service_object("web"))
        await term.until_addresses("web", "10.0.0.1")
        await _until_class_status_says(term.admin, used=1)
        assert term.sample("metallb_allocator_addresses_total", pool="ingress") == 9
        assert term.sample("metallb_allocator_addresses_in_use_total", pool="ingress") == 1
        name = "metallb_controller_writes_total"
        assert term.sample(name, kind="VirtualIP", outcome="Done") == 1
        assert term.sample(name, kind="Service", outcome="Done") == 1


async def test_who_has_its_entry_does_not_wait_for_others_to_get_theirs(
    alice: ApiClient, admin: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    term = Term(alice, admin, concurrent_writes=1)
    names = [f"s{number:02}" for number in range(20)]
    for name in names:
        await term.put(SERVICES, service_object(name))
    writer = term.leadership._writer
    carry_out, kinds = writer.carry_out, []

    async def noted(write: Write) -> Result:
        kinds.append(write.target.kind)
        return await carry_out(write)

    monkeypatch.setattr(writer, "carry_out", noted)
    async with term.running():
        await until(lambda: len(term.leadership.reconciler.observed.services) == len(names))
        await term.put(CLASSES, class_object(ranges=("10.0.0.0/24",), isDefault=True))
        for name in names:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not await term.addresses(name):
                    await asyncio.sleep(0.01)
    written = [kind for kind in kinds if kind is not TargetKind.CLASS_STATUS]
    assert written.count(TargetKind.VIRTUAL_IP) == written.count(TargetKind.SERVICE_STATUS) == 20
    assert written.index(TargetKind.SERVICE_STATUS) < 5


async def test_what_is_known_at_the_start_is_no_garbage_collectors_business(term: Term) -> None:
    await term.put(CLASSES, class_object(isDefault=True))
    async with term.running():
        await until(gc.get_freeze_count)
    assert gc.get_freeze_count() == 0


async def test_a_mirror_that_breaks_ends_the_term(
    term: Term, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(term.leadership.mirrors[0], "run", broken)
    with pytest.raises(Exception, match="task mirror-0 has ended"):
        await term.leadership.run()
