"""Admission in a replica, with mirrors on an API server: what it knows, and who holds addresses."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metallb.api.meta import NATIVE_GROUP, ObjectKey
from metallb.kube.client import Resource
from metallb_controller.admission.kinds import KINDS
from metallb_controller.app import admission as admission_module
from metallb_controller.app.admission import Admission
from metallb_controller.app.resources import VIRTUAL_IPS
from metallb_lab.apiserver import Match
from support.objects import NAMESPACE, class_object
from support.waiting import DEADLINE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from metallb.kube.client import ApiClient
    from metallb_lab.apiserver import ApiServer

CRDS = Path(__file__).parents[3] / "crds"
DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", False)
POOLS = Resource(NATIVE_GROUP, "v1beta1", "ipaddresspools")


@asynccontextmanager
async def _running(client: ApiClient) -> AsyncIterator[Admission]:
    bgp_peers = (CRDS / "native" / "bgppeers.yaml").read_text()
    await client.create(DEFINITIONS, yaml.safe_load(bgp_peers))
    admission = Admission(client, NAMESPACE)
    tasks = [asyncio.create_task(mirror.run()) for mirror in admission.mirrors]
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            for mirror in admission.mirrors:
                await mirror.synced.wait()
        yield admission
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


def _pool(name: str, *ranges: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{NATIVE_GROUP}/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"addresses": list(ranges)},
    }


def _review(value: Any, before: Any = None) -> dict[str, Any]:
    request = {"uid": "u-1", "object": value, "oldObject": before}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


async def _hold(admin: ApiClient, address: str, pool: dict[str, str], *services: str) -> None:
    keys = [{"namespace": "default", "name": name} for name in services]
    spec = {"address": address, **pool, "services": keys, "trafficPolicy": "Cluster"}
    body = {
        "apiVersion": "network.deckhouse.io/v1alpha1",
        "kind": "VirtualIP",
        "metadata": {"name": address},
        "spec": {**spec, "layer2": {"nodes": []}},
    }
    await admin.create(VIRTUAL_IPS, body)


async def test_every_kind_is_mirrored_and_forgotten(admin: ApiClient) -> None:
    async with _running(admin) as admission:
        assert len(admission.mirrors) == len(KINDS)
        known = admission.everything.of("IPAddressPool")
        await admin.create(POOLS, _pool("edge", "10.9.0.0/24"), NAMESPACE)
        await _until(lambda: ObjectKey(NAMESPACE, "edge") in known)
        await admin.delete(POOLS, "edge", NAMESPACE)
        await _until(lambda: not known)


async def test_7_an_object_is_judged_among_those_that_are_there(admin: ApiClient) -> None:
    async with _running(admin) as admission:
        known = admission.everything.of("IPAddressPool")
        other = _review(_pool("other", "10.9.0.128/25"))
        assert (await admission.review(other))["response"]["allowed"] is True
        await admin.create(POOLS, _pool("edge", "10.9.0.0/24"), NAMESPACE)
        await _until(lambda: bool(known))
        response = (await admission.review(other))["response"]
        assert response["allowed"] is False
        assert "edge" in response["status"]["message"]


async def test_7_who_holds_addresses_of_a_pool_is_told_when_it_is_deleted(
    admin: ApiClient,
) -> None:
    async with _running(admin) as admission:
        native = {"pool": "edge", "poolKind": "IPAddressPool"}
        await _hold(admin, "10.9.0.1", native, "web")
        await _hold(admin, "10.9.0.2", native, "web", "shop")
        await _hold(admin, "10.9.0.3", native)
        await _hold(admin, "10.9.0.4", {"pool": "edge"}, "of-a-class-of-that-name")
        found = await admission.review(_review(None, _pool("edge", "10.9.0.0/24")))
        assert found["response"]["allowed"] is True
        [warning] = found["response"]["warnings"]
        assert warning.startswith("2 addresses of this IPAddressPool will be taken from 2 Services")
        assert warning.endswith(": default/shop, default/web")
        of_class = {**class_object("edge"), "kind": "MetalLoadBalancerClass"}
        found = await admission.review(_review(None, of_class))
        [warning] = found["response"]["warnings"]
        assert "1 address of this MetalLoadBalancerClass" in warning
        free = await admission.review(_review(None, _pool("free", "10.9.0.0/24")))
        assert "warnings" not in free["response"]


@pytest.mark.parametrize("fault", ["status", "latency"])
async def test_a_pool_can_be_deleted_though_nobody_knows_who_holds_it(
    admin: ApiClient, server: ApiServer, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    monkeypatch.setattr(admission_module, "HOLDERS_SECONDS", 0.1)
    async with _running(admin) as admission:
        server.faults.add(fault, Match(verb="list", resource="virtualips"), code=503, seconds=5.0)
        found = await admission.review(_review(None, _pool("edge", "10.9.0.0/24")))
        assert found["response"] == {"uid": "u-1", "allowed": True}
