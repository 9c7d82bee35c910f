"""An embedded API server that serves our kinds, and a cluster of three nodes on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from metallb.kube.client import Resource
from metallb_controller.app.resources import LEASES, NODES
from support.apiclients import client_of, new_server
from support.objects import NAMESPACE, lease_of_speaker, node_object

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import ApiClient
    from metallb_lab.apiserver import ApiServer

CRDS = Path(__file__).parents[3] / "crds"
DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", False)
NAMESPACES = Resource("", "v1", "namespaces", False)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with new_server() as running, client_of(running) as client:
        for path in sorted(CRDS.rglob("*.yaml")):
            if not path.name.startswith(("doc-", "bgppeers")):  # which some tests make
                await client.create(
                    DEFINITIONS, yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
                )
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        for name in "abc":
            node = node_object(name)
            del node["metadata"]["uid"]
            await client.create(NODES, node)
            await client.patch(NODES, name, {"status": node["status"]}, subresource="status")
            entry = lease_of_speaker(name, renewed="2026-01-01T00:00:00.000000Z")
            entry["metadata"]["labels"] = {"app.kubernetes.io/component": "speaker"}
            del entry["metadata"]["resourceVersion"]
            await client.create(LEASES, entry, NAMESPACE)
        running.faults.requests.clear()
        yield running


@pytest.fixture
async def admin(server: ApiServer) -> AsyncIterator[ApiClient]:
    async with client_of(server) as client:
        yield client


@pytest.fixture
async def alice(server: ApiServer) -> AsyncIterator[ApiClient]:
    async with client_of(server, "alice") as client:
        yield client
