"""The controller itself adopts addresses that only children of Deckhouse's own module have, on the
real API server: the recorded cluster, its children held and deleted as hooks and release do it.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from metallb.domain.deckhouse_children import FINALIZER
from metallb.kube.reflector import Reflector
from metallb_controller.app.migration import list_all
from metallb_controller.app.resources import CHILDREN, LEASES, VIRTUAL_IPS
from metallb_lab.objects import NAMESPACE
from metallb_lab.realserver import RealServer
from migration.recorded import POLL_SECONDS, SECONDS, RecordedCluster, key, recorded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

STATE = recorded("deckhouse-1.77")
CLASS = "--load-balancer-class=example.com/bgp"
HELD = ("late-front-0", "late-front-1", "waits-front-0")
HIDDEN = "10.10.0.2"
"""An address that only a child of `late` has, and that `waits` would get if nobody knew of it."""


@asynccontextmanager
async def taken_over() -> AsyncIterator[RecordedCluster]:
    """A cluster whose children are held, and are being deleted."""
    async with (
        RealServer() as server,
        RecordedCluster.loaded(server.write_kubeconfig(), STATE) as cluster,
    ):
        for name in HELD:
            patch = {"metadata": {"finalizers": [FINALIZER]}}
            await cluster.client.patch(CHILDREN, name, patch, namespace="web")
        for item in await list_all(cluster.client, CHILDREN):
            await cluster.client.delete(CHILDREN, item["metadata"]["name"], "web")
        assert {key(item) for item in await list_all(cluster.client, CHILDREN)} == {
            f"web/{name}" for name in HELD
        }
        yield cluster


async def until_no_child_is_left(cluster: RecordedCluster) -> None:
    async with asyncio.timeout(SECONDS):
        while await list_all(cluster.client, CHILDREN):
            await asyncio.sleep(POLL_SECONDS)


async def settled(cluster: RecordedCluster, statuses: Any) -> None:
    """See that everybody has what it had, and the child's address is its Service's."""
    await statuses.until("web/late", "10.10.0.6", HIDDEN)
    await statuses.until("web/waits", "10.10.0.1")
    await until_no_child_is_left(cluster)
    ledger = await cluster.ledger()
    assert ledger[HIDDEN] == {"web/late"}
    for name, addresses in cluster.before.items():
        if name != "web/theirs":
            assert all(name in ledger[address] for address in addresses)


async def test_an_address_that_only_a_child_has_is_adopted() -> None:
    async with (
        taken_over() as cluster,
        cluster.watched(grows={"web/late"}) as statuses,
        cluster.controller(CLASS),
    ):
        await settled(cluster, statuses)


async def test_of_two_replicas_the_other_goes_on_when_the_leader_is_killed_at_the_entry() -> None:
    async with taken_over() as cluster, cluster.watched(grows={"web/late"}) as statuses:
        async with (
            entered(cluster) as is_entered,
            cluster.controller(CLASS, "--identity=a", may_die=True) as first,
            cluster.controller(CLASS, "--identity=b", may_die=True) as second,
        ):
            async with asyncio.timeout(SECONDS):
                await is_entered.wait()
            lease = await cluster.client.get(LEASES, "metallb-controller", NAMESPACE)
            leader = {"a": first, "b": second}[lease["spec"]["holderIdentity"]]
            leader.kill()
            await settled(cluster, statuses)
            assert first.returncode is None or second.returncode is None
        [uid] = {
            item["metadata"]["uid"]
            for item in await list_all(cluster.client, VIRTUAL_IPS)
            if item["spec"]["address"] == HIDDEN
        }
        assert uid == is_entered.uid, "the entry is that of the first leader"


class Entered:
    """When the hidden address was first entered, and by which object."""

    def __init__(self) -> None:
        self.uid = ""
        self._event = asyncio.Event()

    async def wait(self) -> None:
        await self._event.wait()

    def on_change(self, name: Any, old: Any, new: Any) -> None:
        if name[1] == HIDDEN and new is not None and not self.uid:
            self.uid = new["metadata"]["uid"]
            self._event.set()


@asynccontextmanager
async def entered(cluster: RecordedCluster) -> AsyncIterator[Entered]:
    """Watch the ledger."""
    found = Entered()
    mirror: Reflector[Any] = Reflector(
        cluster.client, VIRTUAL_IPS, dict, found.on_change, chance=random.random
    )
    task = asyncio.create_task(mirror.run())
    try:
        await mirror.synced.wait()
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
