"""The controller is killed at each write, frozen, deposed: no address changes, none is lost.

The replicas reach the API server through an interceptor, which knows who writes what, kills the
writer before its n-th write is carried out, or holds a write up until another leads. On each
write it looks whether the ledger is ahead of the statuses.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiohttp import web

from metallb.api.services import SHARING_ANNOTATION
from metallb.kube.errors import NotFoundError
from metallb.net.addresses import address_from_name
from metallb_controller.app.settings import CONCURRENT_WRITES
from metallb_lab.cluster import ClusterOptions
from metallb_lab.objects import LEASES, NAMESPACE, SERVICES
from support.interceptor import InterceptedCluster
from support.scene import WAIT_SECONDS, Scene
from support.site import all_present, revive_controllers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.interceptor import Write

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
    pytest.mark.netns,
    pytest.mark.real,
]

KEY = {SHARING_ANNOTATION: "edge"}
TCP, UDP = (("TCP", 80),), (("UDP", 80),)
LEASE = ("--lease-seconds", "1.5", "--lease-retry-seconds", "0.3")
LEAST_WRITES = 9
"""Of one life: two created, a third holder, three statuses, and all of it taken back."""
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[InterceptedCluster]:
    options = ClusterOptions(nodes=2, data_path=False, controller_arguments=LEASE)
    async with InterceptedCluster(options) as cluster:
        await all_present(cluster)
        yield cluster


@pytest_asyncio.fixture(loop_scope="module")
async def scene(cluster: InterceptedCluster) -> AsyncIterator[Scene]:
    scene = Scene(cluster, next(_numbers))
    yield scene
    cluster.interceptor.on_write, cluster.interceptor.is_serial = None, False
    await revive_controllers(cluster)
    await scene.close()


async def leader(cluster: InterceptedCluster) -> str:
    """Name the replica that holds the Lease; waits while nobody does."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                lease = await cluster.client.get(LEASES, "metallb-controller", NAMESPACE)
                if holder := lease["spec"].get("holderIdentity"):
                    return str(holder)
            except NotFoundError:
                pass
            await asyncio.sleep(0.05)


async def other_leads(cluster: InterceptedCluster, than: str) -> str:
    async with asyncio.timeout(WAIT_SECONDS):
        while (holder := await leader(cluster)) == than:
            await asyncio.sleep(0.05)
    return holder


class Saboteur:
    """Kills whoever sends the n-th write, and watches that the ledger is always ahead."""

    def __init__(self, cluster: InterceptedCluster, at: int) -> None:
        self._cluster = cluster
        self._at = at
        self.seen: list[Write] = []
        self.killed = ""
        self.faults: list[str] = []

    async def on_write(self, write: Write) -> None:
        self.seen.append(write)
        if len(self.seen) == self._at:
            self.killed = write.writer
            await self._cluster.controllers[write.writer].kill()
            raise web.HTTPServiceUnavailable  # to nobody
        await self._check(write)

    async def _check(self, write: Write) -> None:
        if write.is_a("PATCH", "/services/[^/]+/status"):
            namespace, name = write.path.split("/")[4], write.path.split("/")[6]
            for item in write.body["status"].get("loadBalancer", {}).get("ingress") or []:
                vip = self._cluster.vip(item["ip"])
                fresh = await self._cluster.get("VirtualIP", item["ip"].replace(":", "-"))
                holders = [(one["namespace"], one["name"]) for one in fresh["spec"]["services"]]
                if (namespace, name) not in holders:
                    self.faults.append(f"{write} shows {item['ip']}, held by {holders}, {vip}")
        elif write.is_a("DELETE", "/virtualips/[^/]+"):
            address = str(address_from_name(write.path.rpartition("/")[2]))
            async for page in self._cluster.client.list_pages(SERVICES):
                for service in page.items:
                    ingress = service["status"].get("loadBalancer", {}).get("ingress") or []
                    if address in [item["ip"] for item in ingress]:
                        self.faults.append(f"{write} while {service['metadata']['name']} shows it")


async def live(scene: Scene) -> None:
    """Two addresses, a second holder of one, and all of it taken back: every kind of write."""
    await scene.make_class(scene.range4(1, 4))
    await scene.make_service("first", count=2, ports=TCP, annotations=KEY)
    both = {scene.ipv4(1), scene.ipv4(2)}
    await scene.until(lambda: set(scene.addresses("first")) == both, f"first has {both}")
    kept, _ = scene.addresses("first")
    await scene.make_service("second", ports=UDP, annotations=KEY)
    await scene.until(lambda: len(scene.addresses("second")) == 1, "second shares one")
    (shared,) = scene.addresses("second")
    assert shared in both
    await scene.annotate("first", count="1")
    await scene.has([kept], "first")
    await scene.until(lambda: ledger(scene) == {kept, shared}, "the other one is released")
    await scene.delete("Service", "first")
    await scene.until(lambda: ledger(scene) == {shared}, f"only {shared} is left")
    await scene.until(lambda: holders(scene, shared) == [scene.name("second")])
    assert scene.addresses("second") == (shared,)
    await scene.delete("Service", "second")
    await scene.until(lambda: not ledger(scene), "nothing is left")


def ledger(scene: Scene) -> set[str]:
    """Give the addresses that the ledger has for Services of a scene."""
    return {
        str(vip.spec.address)
        for vip in scene.cluster.vips
        if any(key.name.startswith(scene.name("")) for key in vip.spec.services)
    }


def holders(scene: Scene, address: str) -> list[str]:
    vip = scene.cluster.vip(address)
    return [] if vip is None else [key.name for key in vip.spec.services]


@pytest.mark.slow
async def test_killed_at_each_write(cluster: InterceptedCluster, scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 4), name="bystanders")
    await scene.make_service("bystander", "bystanders", count=3)
    await scene.has([scene.ipv4(last) for last in (1, 2, 3)], "bystander")
    before = {str(vip.spec.address): vip.spec.services for vip in cluster.vips}
    interceptor = cluster.interceptor
    interceptor.is_serial = True
    killed_before: list[str] = []
    for at in itertools.count(1):
        saboteur = Saboteur(cluster, at)
        interceptor.on_write = saboteur.on_write
        act = Scene(cluster, next(_numbers))
        life = asyncio.create_task(live(act))
        while not life.done():
            if saboteur.killed and not cluster.controllers[saboteur.killed].is_running:
                await cluster.start_controller(saboteur.killed)
            await asyncio.wait([life], timeout=0.05)
        await life
        await act.close()
        assert saboteur.faults == []
        assert {str(vip.spec.address): vip.spec.services for vip in cluster.vips} == before
        if not saboteur.killed:
            break
        killed_before.append(str(saboteur.seen[at - 1]))
    assert scene.addresses("bystander") == tuple(scene.ipv4(last) for last in (1, 2, 3))
    assert len(killed_before) >= LEAST_WRITES, killed_before
    kinds = {(text.split()[0], text.split("/")[1]) for text in killed_before}
    assert kinds >= {("POST", "virtualips"), ("PATCH", "virtualips"), ("DELETE", "virtualips")}
    assert ("PATCH", "namespaces") in kinds  # statuses of Services


async def test_leader_that_stops_hands_the_lease_over(
    cluster: InterceptedCluster, scene: Scene
) -> None:
    await scene.make_class(scene.range4(1, 4))
    first = await leader(cluster)
    assert await cluster.controllers[first].stop() == 0
    assert await other_leads(cluster, first) != first
    await scene.make_service()
    await scene.has([scene.ipv4(1)])


class Holder:
    """Holds up writes of a kind by one writer, the first ones or all, until told to go on."""

    def __init__(self, writer: str, method: str = "", pattern: str = "", most: int = 1) -> None:
        self._wanted = (writer, method, pattern)
        self._most = most
        self._changed = asyncio.Condition()
        self._is_released = False
        self.held: list[Write] = []

    async def on_write(self, write: Write) -> None:
        writer, method, pattern = self._wanted
        is_wanted = not method or write.is_a(method, pattern)
        if write.writer != writer or not is_wanted or len(self.held) == self._most:
            return
        async with self._changed:
            self.held.append(write)
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._is_released)

    async def until_held(self, count: int = 1) -> None:
        async with asyncio.timeout(WAIT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: len(self.held) >= count)

    async def release(self) -> None:
        async with self._changed:
            self._is_released = True
            self._changed.notify_all()


async def late_writes(
    cluster: InterceptedCluster, begin: int, writer: str, count: int = 1
) -> list[int]:
    """Wait until so many writes of one writer have reached the server; gives its answers."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            late = [item for item in cluster.interceptor.writes[begin:] if item.writer == writer]
            if len(late) >= count:
                return [item.status for item in late]
            await asyncio.sleep(0.02)


async def test_frozen_leader_writes_nothing_more(cluster: InterceptedCluster, scene: Scene) -> None:
    """It stands still with writes on the way and more of them waiting, and goes on when deposed."""
    await scene.make_class(scene.range4(1, 2 * CONCURRENT_WRITES))
    old = await leader(cluster)
    holder = Holder(old, most=1000)
    cluster.interceptor.on_write = holder.on_write
    await scene.make_service(count=CONCURRENT_WRITES + 20)
    await holder.until_held(CONCURRENT_WRITES)
    process = cluster.controllers[old]
    process.send_signal(signal.SIGSTOP)
    try:
        new = await other_leads(cluster, old)
        await scene.until(
            lambda: len(scene.addresses()) == CONCURRENT_WRITES + 20, "the new one serves"
        )
        before, held = scene.addresses(), len(holder.held)
    finally:
        reads = len(cluster.interceptor.lease_reads)
        process.send_signal(signal.SIGCONT)
    async with asyncio.timeout(WAIT_SECONDS):  # until it has looked at the Lease again, and again
        while cluster.interceptor.lease_reads[reads:].count(old) < 3:
            await asyncio.sleep(0.02)
    assert len(holder.held) == held  # what waited in it was not sent
    begin = len(cluster.interceptor.writes)
    await holder.release()
    assert set(await late_writes(cluster, begin, old, held)) == {409}
    await scene.make_service("next")
    await scene.until(lambda: len(scene.addresses("next")) == 1)
    assert await leader(cluster) == new
    assert process.is_running
    assert scene.addresses() == before


@pytest.mark.parametrize(
    ("method", "pattern", "answer"),
    [
        ("POST", "/virtualips", 409),
        ("PATCH", "/virtualips/[^/]+", 422),
        ("PATCH", "/services/[^/]+/status", 409),
        ("DELETE", "/virtualips/[^/]+", 409),
    ],
    ids=["create", "update", "status", "delete"],
)
async def test_write_of_a_deposed_leader_that_lingers_changes_nothing(
    cluster: InterceptedCluster, scene: Scene, method: str, pattern: str, answer: int
) -> None:
    """The write leaves the old leader in time, and reaches the server after another has led on."""
    one = scene.ipv4(1)
    await scene.make_class(scene.range4(1, 4))
    await scene.make_service("first", ports=TCP, annotations=KEY)
    await scene.has([one], "first")
    old = await leader(cluster)
    holder = Holder(old, method, pattern)
    cluster.interceptor.on_write = holder.on_write
    if method == "DELETE":
        await scene.delete("Service", "first")
    else:
        key = KEY if method == "PATCH" and "virtualips" in pattern else {}
        await scene.make_service("second", ports=UDP, annotations=key)
    await holder.until_held()
    cluster.controllers[old].send_signal(signal.SIGSTOP)
    try:
        await other_leads(cluster, old)
        if method == "DELETE":
            await scene.until(lambda: cluster.vip(one) is None)
            await scene.make_service("second", ports=UDP)  # has the address anew
        await scene.until(lambda: len(scene.addresses("second")) == 1)
        before = await state(scene)
        begin = len(cluster.interceptor.writes)
        await holder.release()
        late = await late_writes(cluster, begin, old)
    finally:
        cluster.controllers[old].send_signal(signal.SIGCONT)
    assert late == [answer]
    assert await state(scene) == before


async def state(scene: Scene) -> dict[str, object]:
    """Read what the ledger and the statuses say of a scene, from the server."""
    found: dict[str, object] = {}
    for name in ("first", "second"):
        try:
            service = await scene.cluster.get("Service", scene.name(name))
        except NotFoundError:
            continue
        found[name] = service["status"].get("loadBalancer")
    for last in range(1, 5):
        try:
            vip = await scene.cluster.get("VirtualIP", scene.ipv4(last))
        except NotFoundError:
            continue
        found[scene.ipv4(last)] = (vip["metadata"]["uid"], vip["spec"])
    return found
