"""The leader tells on each object whether it can be carried out; MetalLB's tools, on each node."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from controller.app.conftest import CRDS, DEFINITIONS
from metallb.kube.errors import NotLeaderError
from metallb.kube.events import EventPoster
from metallb_controller.app.leadership import Leadership
from metallb_controller.app.metrics import Metrics
from metallb_controller.app.resources import (
    BFD_PROFILES,
    BGP_ADVERTISEMENTS,
    COMMUNITIES,
    CONFIGURATION_STATES,
    CONFIGURATIONS,
    LAYER2_ADVERTISEMENTS,
    NATIVE_PEERS,
    NATIVE_POOLS,
    NODES,
    PEERS,
)
from metallb_controller.app.settings import Settings
from metallb_lab.apiserver import Match
from support.objects import NAMESPACE
from support.waiting import DEADLINE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from metallb.kube.client import ApiClient, Resource
    from metallb_lab.apiserver import ApiServer

PEER: dict[str, Any] = {"peerAddress": "10.0.0.1", "peerASN": 64501, "myASN": 64500}
KINDS: dict[str, tuple[Resource, dict[str, Any]]] = {
    "MetalLoadBalancerBGPPeer": (PEERS, PEER),
    "MetalLoadBalancerConfiguration": (CONFIGURATIONS, {"mode": "BGP"}),
    "L2Advertisement": (LAYER2_ADVERTISEMENTS, {}),
    "BGPAdvertisement": (BGP_ADVERTISEMENTS, {}),
    "BGPPeer": (NATIVE_PEERS, PEER),
    "BFDProfile": (BFD_PROFILES, {}),
    "Community": (COMMUNITIES, {}),
}


class Site:
    """A term that leads as alice, and what a person sees of it."""

    def __init__(self, alice: ApiClient, admin: ApiClient) -> None:
        self.alice = alice
        self.admin = admin

    @asynccontextmanager
    async def leading(self, fence: Callable[[], float] = lambda: 30.0) -> AsyncIterator[None]:
        numbers = itertools.count()
        events = EventPoster(self.alice, "controller", "alice", lambda: f"e{next(numbers)}")
        term = Leadership(
            Settings(NAMESPACE, "alice"),
            self.alice,
            self.alice.fenced(fence),
            events,
            Metrics(lambda: term),
        )
        task = asyncio.create_task(term.run())
        try:
            yield
        finally:
            has_ended = task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert not has_ended, "the term has ended by itself"

    async def put(self, kind: str, name: str = "x", **spec: Any) -> None:
        resource, least = KINDS[kind]
        body = {
            "apiVersion": f"{resource.group}/{resource.version}",
            "kind": kind,
            "metadata": {"name": name},
            "spec": {**least, **spec},
        }
        await self.admin.create(resource, body, self.place(resource))

    @staticmethod
    def place(resource: Resource) -> str:
        return NAMESPACE if resource.is_namespaced else ""

    async def until_says(self, kind: str, name: str = "x", *, reason: str) -> dict[str, Any]:
        """Wait until the condition `Valid` has a reason; gives the object."""
        resource, _ = KINDS[kind]
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                found = await self.admin.get(resource, name, self.place(resource))
                for item in found.get("status", {}).get("conditions", ()):
                    if (item["type"], item["reason"]) == ("Valid", reason):
                        return dict(found)
                await asyncio.sleep(0.02)

    async def until_states(self, **results: str) -> dict[str, Any]:
        """Wait until ConfigurationStates have these results; gives their statuses."""
        wanted = {name.replace("_", "-"): result for name, result in results.items()}
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                pages = [
                    page async for page in self.admin.list_pages(CONFIGURATION_STATES, NAMESPACE)
                ]
                found = {
                    item["metadata"]["name"]: item.get("status", {})
                    for page in pages
                    for item in page.items
                }
                if {name: status.get("result") for name, status in found.items()} == wanted:
                    return found
                await asyncio.sleep(0.02)


@pytest.fixture
async def site(alice: ApiClient, admin: ApiClient) -> Site:
    definition = yaml.safe_load((CRDS / "native" / "bgppeers.yaml").read_text())
    await admin.create(DEFINITIONS, definition)
    return Site(alice, admin)


async def test_every_kind_says_that_it_is_valid_and_nothing_is_written_twice(
    site: Site, server: ApiServer
) -> None:
    for kind in KINDS:
        await site.put(kind)
    async with site.leading():
        for kind in KINDS:
            found = await site.until_says(kind, reason="Valid")
            assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 1
        await site.until_states(
            controller="Valid", speaker_a="Valid", speaker_b="Valid", speaker_c="Valid"
        )
    version = server.store.version
    async with site.leading():
        await site.put("BFDProfile", "later")
        await site.until_says("BFDProfile", "later", reason="Valid")
    assert server.store.version == version + 2


async def test_the_next_leader_says_nothing_of_nodes_before_it_has_judged(
    site: Site, server: ApiServer
) -> None:
    await site.put("BGPPeer", bfdProfile="none")
    states = {
        "controller": "Valid",
        "speaker_a": "Invalid",
        "speaker_b": "Invalid",
        "speaker_c": "Invalid",
    }
    async with site.leading():
        await site.until_states(**states)
    version = server.store.version
    server.faults.add(
        "status", Match(user="alice", verb="list", resource="bgppeers"), code=503, count=1
    )
    async with site.leading():
        await site.put("BFDProfile", "later")
        await site.until_says("BFDProfile", "later", reason="Valid")
        await site.until_states(**states)
    assert server.store.version == version + 2


async def test_a_missing_profile_is_told_of_until_it_is_made_to_the_nodes_of_the_peer(
    site: Site,
) -> None:
    await site.admin.patch(NODES, "b", {"metadata": {"labels": {"rack": "1"}}})
    rack = [{"matchLabels": {"rack": "1"}}]
    await site.put("BGPPeer", bfdProfile="fast", nodeSelectors=rack)
    async with site.leading():
        found = await site.until_says("BGPPeer", reason="UnknownReference")
        [condition] = found["status"]["conditions"]
        assert condition["message"] == ".spec.bfdProfile: there is no BFDProfile 'fast' yet"
        states = await site.until_states(
            controller="Valid", speaker_a="Valid", speaker_b="Invalid", speaker_c="Valid"
        )
        assert states["speaker-b"]["errorSummary"] == (
            f"configuration error: BGPPeer {NAMESPACE}/x.spec.bfdProfile: "
            "there is no BFDProfile 'fast' yet"
        )
        await site.admin.patch(NODES, "c", {"metadata": {"labels": {"rack": "1"}}})
        await site.until_states(
            controller="Valid", speaker_a="Valid", speaker_b="Invalid", speaker_c="Invalid"
        )
        await site.put("BFDProfile", "fast")
        await site.until_says("BGPPeer", reason="Valid")
        await site.until_states(
            controller="Valid", speaker_a="Valid", speaker_b="Valid", speaker_c="Valid"
        )


async def test_what_only_shows_between_objects_is_told_on_the_one_that_is_wrong(site: Site) -> None:
    await site.put("BGPAdvertisement", communities=["blue"])
    async with site.leading():
        found = await site.until_says("BGPAdvertisement", reason="InvalidSpec")
        [condition] = found["status"]["conditions"]
        assert "no Community object has the name 'blue'" in condition["message"]
        await site.put("Community", communities=[{"name": "blue", "value": "65000:1"}])
        await site.until_says("BGPAdvertisement", reason="Valid")


async def test_pools_that_overlap_are_told_of_to_metallbs_tools(site: Site) -> None:
    every = ("controller", "speaker_a", "speaker_b", "speaker_c")
    async with site.leading():
        await site.until_states(**dict.fromkeys(every, "Valid"))
        for name in ("front", "other"):
            pool = {
                "apiVersion": "metallb.io/v1beta1",
                "kind": "IPAddressPool",
                "metadata": {"name": name},
                "spec": {"addresses": ["10.0.0.0/30"]},
            }
            await site.admin.create(NATIVE_POOLS, pool, NAMESPACE)
        states = await site.until_states(**dict.fromkeys(every, "Invalid"))
        assert "'10.0.0.0/30' overlaps with" in states["controller"]["errorSummary"]
        await site.admin.delete(NATIVE_POOLS, "other", NAMESPACE)
        await site.until_states(**dict.fromkeys(every, "Valid"))


async def test_a_write_that_fails_is_made_again_and_conditions_of_others_stay(
    site: Site, server: ApiServer
) -> None:
    await site.put("MetalLoadBalancerBGPPeer")
    other = {"type": "ReferencesResolved", "status": "True", "reason": "AllRight"}
    status = {"status": {"conditions": [other]}}
    await site.admin.patch(PEERS, "x", status, subresource="status")
    writes = Match(user="alice", verb="patch", resource="metalloadbalancerbgppeers")
    server.faults.add("status", writes, code=503, count=1)
    server.faults.add("status", writes, code=409, count=1)
    async with site.leading():
        found = await site.until_says("MetalLoadBalancerBGPPeer", reason="Valid")
    assert [item["type"] for item in found["status"]["conditions"]] == [
        "ReferencesResolved",
        "Valid",
    ]


async def test_a_write_that_the_fence_refuses_ends_nothing(site: Site) -> None:
    """Between the end of the Lease and that of the term: else the whole process would go down."""
    refusals = itertools.count(1)

    def fence() -> float:
        if next(refusals) <= 3:
            raise NotLeaderError("alice does not hold the lease")
        return 30.0

    await site.put("MetalLoadBalancerBGPPeer")
    async with site.leading(fence):
        await site.until_says("MetalLoadBalancerBGPPeer", reason="Valid")
        await site.until_states(
            controller="Valid", speaker_a="Valid", speaker_b="Valid", speaker_c="Valid"
        )
