"""Every object of every combination is accepted by the real API server, as a dry run.

The server checks what no schema says: names, selectors, certificates, references between fields.
Field validation is strict, so an unknown field is an error here too. Kinds of other modules
(VerticalPodAutoscaler and the like) are stood in for by CRDs that take any fields: their schemas
are not ours to keep.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from metallb.kube.client import ApiClient
from metallb.kube.config import load_connection
from metallb.kube.errors import ApiError
from metallb_lab.operator.crds import ensure_crds
from metallb_lab.operator.kinds import Kinds
from metallb_lab.realserver import RealServer
from module.templates.rendering import FOREIGN, NAMESPACE, Case, Chart, Manifest, find

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


CLUSTER_SCOPED = {"GrafanaDashboardDefinition"}


def _stand_in(kind: str, api_version: str) -> Manifest:
    group, version = api_version.split("/")
    plural = f"{kind.lower()}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            # `k8s.io` is a protected group: without this the server refuses its CRDs
            "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in of a test"},
        },
        "spec": {
            "group": group,
            "scope": "Cluster" if kind in CLUSTER_SCOPED else "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [
                {"name": version, "served": True, "storage": True,
                 "schema": {"openAPIV3Schema": anything}}
            ],
        },
    }  # fmt: skip


class Judge:
    """The server, asked once for each different object."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._kinds = Kinds(client)
        self.accepted: set[str] = set()

    async def accept(self, item: Manifest) -> None:
        """Create it as a dry run; raises ApiError when the server refuses."""
        text = json.dumps(item, sort_keys=True)
        if text in self.accepted:
            return
        resource = await self._kinds.resource(item["kind"], item["apiVersion"])
        path = resource.path(item["metadata"].get("namespace", ""))
        params = {"dryRun": "All", "fieldValidation": "Strict"}
        answer: Any = await self._client.request("POST", path, params=params, body=item)
        assert answer["metadata"]["name"] == item["metadata"]["name"]
        self.accepted.add(text)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def judge() -> AsyncIterator[Judge]:
    async with RealServer() as server:
        kubeconfig = str(server.write_kubeconfig())
        async with ApiClient(load_connection(kubeconfig)) as client:
            await ensure_crds(client, [_stand_in(*item) for item in FOREIGN.items()])
            for name in (NAMESPACE, "d8-monitoring"):
                body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                await client.request("POST", "/api/v1/namespaces", body=body)
            yield Judge(client)


async def test_every_object_is_accepted(judge: Judge, rendered: list[Manifest]) -> None:
    ours = [item for item in rendered if item["kind"] != "Namespace"]
    assert len(ours) >= 18
    for item in ours:
        await judge.accept(item)


async def test_all_kinds_were_asked_about(judge: Judge, chart: Chart) -> None:
    for item in chart.render(Case(bgp=True, network_policy=True)):
        if item["kind"] != "Namespace":
            await judge.accept(item)
    asked = {json.loads(text)["kind"] for text in judge.accepted}
    assert asked >= {
        "ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet", "Deployment",
        "NetworkPolicy", "PodMonitor", "PodDisruptionBudget", "Role", "RoleBinding", "Secret",
        "SecurityPolicyException", "Service", "ServiceAccount",
        "ValidatingWebhookConfiguration", "VerticalPodAutoscaler",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "template", "spec", "containers", 0, "imagee"), "x"),
        (
            ("spec", "template", "spec", "containers", 0, "ports", 0, "name"),
            "no name of a port",
        ),
        (("spec", "selector", "matchLabels", "app"), "another"),
        (("spec", "template", "spec", "volumes"), []),
    ],
    ids=lambda value: str(value[-1]) if isinstance(value, tuple) else "",
)
async def test_a_wrong_object_is_refused(
    judge: Judge, chart: Chart, path: tuple[str | int, ...], value: Any
) -> None:
    broken = copy.deepcopy(find(chart.render(Case()), "Deployment", "controller"))
    parent: Any = broken
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    with pytest.raises(ApiError):
        await judge.accept(broken)
