"""From upstream MetalLB 0.16 to this module, played from a recorded cluster on the real API
server.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.conditions import ServiceCondition
from metallb.api.services import ALLOCATED_FROM_ANNOTATION
from metallb.api.virtual_ips import API_VERSION, KIND
from metallb_controller.app.resources import SERVICES, VIRTUAL_IPS
from metallb_lab.objects import DAEMON_SETS, DEPLOYMENTS
from metallb_lab.realserver import RealServer
from migration.recorded import POLL_SECONDS, SECONDS, RecordedCluster, recorded, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(180)]

STATE = recorded("metallb-0.16")
FROM = "--from=metallb"
WAITING = {"web/waits-for-api", "web/waits-for-lone"}


@pytest.fixture
async def cluster() -> AsyncIterator[RecordedCluster]:
    async with (
        RealServer() as server,
        RecordedCluster.loaded(server.write_kubeconfig(), STATE) as found,
    ):
        yield found


def held(cluster: RecordedCluster) -> dict[str, set[str]]:
    """Give who has each address in the recorded state; another load balancer's is not ours."""
    found: dict[str, set[str]] = {}
    for name, addresses in cluster.before.items():
        for address in addresses if name != "web/theirs" else ():
            found.setdefault(address, set()).add(name)
    return found


async def refusal(cluster: RecordedCluster, name: str) -> str:
    """Wait until a Service says why it has no address."""
    namespace, _, name = name.partition("/")
    async with asyncio.timeout(SECONDS):
        while True:
            value = await cluster.client.get(SERVICES, name, namespace)
            for item in value["status"].get("conditions", []):
                if item["type"] == ServiceCondition.REQUEST:
                    return str(item["message"])
            await asyncio.sleep(POLL_SECONDS)


async def test_the_state_is_worth_playing() -> None:
    services = [item for item in STATE if item["kind"] == "Service"]
    assert len(services) >= 16
    assert sum(len(shown(item)) for item in services) >= 15
    kinds = {item["kind"] for item in STATE}
    assert kinds >= {"L2Advertisement", "BGPAdvertisement", "BGPPeer", "BFDProfile", "Community"}
    assert {item["apiVersion"] for item in STATE if item["kind"] == "BGPPeer"} == {
        "metallb.io/v1beta1", "metallb.io/v1beta2",
    }  # fmt: skip


async def test_no_address_changes_from_the_plan_to_the_new_controller(
    cluster: RecordedCluster,
) -> None:
    holders = held(cluster)
    async with cluster.watched() as statuses:
        code, said = await cluster.command(FROM)
        assert code == 0, said
        assert "web/dual: keeps 198.51.100.3 (pool dual), 2001:db8::3 (pool dual)" in said
        assert "web/theirs: left alone" in said
        assert "Deployment metallb-system/controller: 1 pods" in said
        assert "scale deployment controller --replicas=0" in said
        assert await cluster.ledger() == {}, "a plan changes nothing"
        await _stop_the_old(cluster)
        code, said = await cluster.command(FROM, "--apply")
        assert code == 0, said
        assert f"{len(holders)} addresses have been entered into the ledger.\n" in said
        assert await cluster.ledger() == holders
        code, said = await cluster.command(FROM, "--apply")
        assert (code, "0 addresses have been entered" in said) == (0, True)
        async with cluster.controller():
            await statuses.until("web/new")
            words = {name: await refusal(cluster, name) for name in WAITING}
            assert "held by Service web/api" in words["web/waits-for-api"]
            assert "pool lone has no free IPv4 address" in words["web/waits-for-lone"]
            ledger = await cluster.ledger()
            assert {address: ledger[address] for address in holders} == holders
            await cluster.client.delete(SERVICES, "lone", "web")
            await statuses.until("web/waits-for-lone", "203.0.113.77")
        assert statuses.seen["web/theirs"] == [cluster.before["web/theirs"]], "never touched"
    sticky = await cluster.client.get(SERVICES, "sticky", "web")
    assert sticky["metadata"]["annotations"][ALLOCATED_FROM_ANNOTATION] == "first"


async def test_the_controller_adopts_by_itself_what_was_not_entered(
    cluster: RecordedCluster,
) -> None:
    async with cluster.watched() as statuses, cluster.controller():
        new = await statuses.until("web/new")
        for name in WAITING:
            await refusal(cluster, name)
        ledger = await cluster.ledger()
        holders = held(cluster)
        assert {address: ledger[address] for address in holders} == holders
        assert not {*new} & {*holders}


async def test_what_does_not_fit_is_told_and_the_rest_is_entered(cluster: RecordedCluster) -> None:
    await cluster.client.patch(SERVICES, "gap", _status("192.0.2.222"), namespace="web",
                               subresource="status")  # fmt: skip
    await cluster.client.patch(SERVICES, "api", _status("192.0.2.0"), namespace="web",
                               subresource="status")  # fmt: skip
    code, said = await cluster.command(FROM, "--apply")
    assert code == 1
    assert "web/gap: DOES NOT KEEP 192.0.2.222" in said
    assert "no pool has 192.0.2.222" in said
    assert "and the two may not share it" in said
    assert "settle what is told above" in said
    ledger = await cluster.ledger()
    assert "192.0.2.222" not in ledger
    assert ledger["192.0.2.5"] == {"dns/udp", "dns/tcp"}
    assert len(ledger["192.0.2.0"]) == 1


async def test_an_entry_that_is_there_is_never_overwritten(cluster: RecordedCluster) -> None:
    theirs = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": "192.0.2.7"},
        "spec": {
            "address": "192.0.2.7", "pool": "first", "poolKind": "IPAddressPool",
            "services": [{"namespace": "web", "name": "new"}],
        },
    }  # fmt: skip
    made = await cluster.client.create(VIRTUAL_IPS, theirs)
    code, said = await cluster.command(FROM, "--apply")
    assert code == 1
    assert "192.0.2.7 is held by Service web/new, and the two may not share it" in said
    assert await cluster.client.get(VIRTUAL_IPS, "192.0.2.7") == made


def _status(address: str) -> dict[str, Any]:
    return {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}


async def _stop_the_old(cluster: RecordedCluster) -> None:
    """Do what the plan tells about the old programs."""
    await cluster.client.delete(DEPLOYMENTS, "controller", "metallb-system")
    await cluster.client.delete(DAEMON_SETS, "speaker", "metallb-system")
