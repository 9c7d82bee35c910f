"""Modules with a chart on the real API server: releases by the real helm."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from lab.operator.modules import ModuleTree
from metallb.kube.client import ApiClient, Resource
from metallb.kube.config import load_connection
from metallb.kube.errors import NotFoundError
from metallb_lab.operator import ModuleConfig, ModuleOperator, NotConvergedError, Patience
from metallb_lab.operator.crds import CRDS
from metallb_lab.operator.helm import checksum_of
from metallb_lab.realserver import RealServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
MAPS = Resource("", "v1", "configmaps")
SECRETS = Resource("", "v1", "secrets")
NUMBERS = count()
TEMPLATE = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Chart.Name }}
  namespace: default
data:
  replicas: {{ .Values.helloWorld.replicas | quote }}
  names: {{ .Values.helloWorld.internal.names | join "," | quote }}
  domain: {{ .Values.global.discovery.clusterDomain | quote }}
  {{- if eq .Values.helloWorld.mood "furious" }}{{ fail "this mood is too much" }}{{ end }}
"""
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Cluster",
        "names": {"kind": "Thing", "plural": "things"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }
        ],
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kubeconfig() -> AsyncIterator[Path]:
    async with RealServer() as server:
        yield server.write_kubeconfig()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(kubeconfig: Path) -> AsyncIterator[ApiClient]:
    async with ApiClient(load_connection(str(kubeconfig))) as opened:
        yield opened


class Place:
    """A module with a chart, and where its operators are started."""

    def __init__(self, kubeconfig: Path, client: ApiClient, directory: Path) -> None:
        self.kubeconfig = kubeconfig
        self.client = client
        self.tree = ModuleTree(directory)
        self.tree.chart(TEMPLATE)

    @asynccontextmanager
    async def operator(self, config: ModuleConfig | None = None) -> AsyncIterator[ModuleOperator]:
        async with ModuleOperator(
            self.kubeconfig,
            self.tree.path,
            config,
            shared={"discovery": {"clusterDomain": "x"}},
            patience=Patience(0.1, 0.2),
        ) as found:
            yield found

    async def data(self) -> dict[str, str]:
        found: dict[str, str] = (await self.client.get(MAPS, "hello-world", "default"))["data"]
        return found


@pytest_asyncio.fixture(loop_scope="module")
async def place(kubeconfig: Path, client: ApiClient, tmp_path: Path) -> AsyncIterator[Place]:
    found = Place(kubeconfig, client, tmp_path)
    yield found
    async with found.operator(ModuleConfig(enabled=False)) as operator:
        await operator.converged()
        if await operator.release.revision() is not None:
            await operator.release.uninstall()


async def _number(operator: ModuleOperator) -> int:
    revision = await operator.release.revision()
    return 0 if revision is None else revision.number


async def test_a_module_is_installed_changed_and_left_alone(place: Place) -> None:
    config = ModuleConfig(settings={"replicas": 2}, version=1)
    async with place.operator(config) as operator:
        await operator.converged()
        assert await place.data() == {"replicas": "2", "names": "", "domain": "x"}
        revision = await operator.release.revision()
        assert revision is not None
        assert (revision.number, revision.status) == (1, "deployed")
        assert revision.checksum == checksum_of(operator.release.manifest)
        await operator.configure({"replicas": 3}, 1)
        await operator.converged()
        assert (await place.data())["replicas"] == "3"
        assert await _number(operator) == 2
        await operator.configure({"replicas": 3, "mood": "merry"}, 1)
        await operator.converged()
        assert operator.values["mood"] == "merry"
        assert await _number(operator) == 2, "nothing that is rendered has changed"
    async with place.operator() as restarted:
        await restarted.converged()
        assert restarted.is_on
        assert await _number(restarted) == 2, "a restart releases nothing anew"


async def test_what_somebody_deleted_comes_back(place: Place) -> None:
    async with place.operator(ModuleConfig()) as operator:
        await operator.converged()
        await operator.inspect_release()
        await operator.converged()
        assert await _number(operator) == 1
        await place.client.delete(MAPS, "hello-world", "default")
        await operator.inspect_release()
        await operator.converged()
        assert (await place.data())["replicas"] == "1"
        assert await _number(operator) == 2


async def test_objects_that_are_there_are_taken_over(place: Place) -> None:
    body = {"metadata": {"name": "hello-world"}, "data": {"mine": "yes", "replicas": "0"}}
    await place.client.create(MAPS, body, "default")
    async with place.operator(ModuleConfig()) as operator:
        await operator.converged()
        assert (await place.data())["replicas"] == "1"


async def test_a_chart_that_fails_leaves_the_old_release(place: Place) -> None:
    async with place.operator(ModuleConfig()) as operator:
        await operator.converged()
        await operator.configure({"mood": "furious", "replicas": 4}, 1)
        with pytest.raises(NotConvergedError, match="this mood is too much"):
            await operator.converged()
        assert (await place.data())["replicas"] == "1"
        await operator.configure({"replicas": 4}, 1)
        await operator.converged()
        assert (await place.data())["replicas"] == "4"


async def test_a_release_that_was_begun_and_never_ended(place: Place) -> None:
    async with place.operator(ModuleConfig()) as operator:
        await operator.converged()
        labels = {"metadata": {"labels": {"status": "pending-install"}}}
        name = "sh.helm.release.v1.hello-world.v1"
        await place.client.patch(SECRETS, name, labels, namespace="d8-system")
        await operator.configure({"replicas": 5}, 1)
        await operator.converged()
        assert (await place.data())["replicas"] == "5"
        revision = await operator.release.revision()
        assert revision is not None
        assert revision.status == "deployed"


async def test_disabling_removes_the_release_and_leaves_crds(place: Place) -> None:
    place.tree.write("crds/things.yaml", CRD)
    record = f"""
    with open({str(place.tree.path.parent / "runs")!r}, "a") as file:
        file.write(contexts[0]["binding"] + str(sorted(contexts[0]["snapshots"])) + chr(10))
    """
    watch = {"name": "things", "apiVersion": "example.com/v1", "kind": "Thing"}
    config = {"configVersion": "v1", "beforeDeleteHelm": 1, "afterDeleteHelm": 1}
    binding = {**watch, "executeHookOnSynchronization": False}
    place.tree.hook("end.py", {**config, "kubernetes": [binding]}, record)
    async with place.operator(ModuleConfig()) as operator:
        await operator.converged()
        await place.data()
        await operator.disable()
        with pytest.raises(NotFoundError):
            await place.data()
        assert await operator.release.revision() is None
        crd = await place.client.get(CRDS, "things.example.com")
        assert crd["metadata"]["labels"] == {"heritage": "deckhouse"}
        runs = (place.tree.path.parent / "runs").read_text().splitlines()
        assert runs == ["beforeDeleteHelm['things']", "afterDeleteHelm['things']"]


async def test_nothing_that_the_end_causes_runs_a_hook(place: Place) -> None:
    """What hooks of the end change would be changed back by those that watch it."""
    runs = place.tree.path.parent / "runs"
    record = f"""
    with open({str(runs)!r}, "a") as file:
        file.write(contexts[0]["binding"] + chr(10))
    """
    made = {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "left", "namespace": "default"}}  # fmt: skip
    operation = {"operation": "CreateIfNotExists", "object": made}
    end = f"{record}    write('KUBERNETES_PATCH_PATH', {operation!r})\n"
    watch = {"name": "maps", "apiVersion": "v1", "kind": "ConfigMap", "queue": "/maps"}
    place.tree.hook("end.py", {"configVersion": "v1", "afterDeleteHelm": 1}, end)
    place.tree.hook("watch.py", {"configVersion": "v1", "kubernetes": [watch]}, record)
    async with place.operator(ModuleConfig()) as operator:
        await operator.converged()
        runs.write_text("")
        await operator.disable()
        assert runs.read_text().splitlines() == ["afterDeleteHelm"]
    await place.client.delete(MAPS, "left", "default")


async def test_values_of_hooks_reach_the_chart(place: Place) -> None:
    name = f"seen-{next(NUMBERS)}"
    watch = {
        "name": "maps",
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "jqFilter": ".metadata.name",
        "labelSelector": {"matchLabels": {"seen": "yes"}},
        "group": "g",
    }
    place.tree.hook("names.py", {"configVersion": "v1", "kubernetes": [watch]}, """
    names = [item["filterResult"] for item in contexts[-1]["snapshots"]["maps"]]
    path = "/helloWorld/internal/names"
    write("VALUES_JSON_PATCH_PATH", {"op": "add", "path": path, "value": names})
    """)  # fmt: skip
    async with place.operator(ModuleConfig()) as operator:
        await operator.converged()
        body = {"metadata": {"name": name, "labels": {"seen": "yes"}}}
        await place.client.create(MAPS, body, "default")
        await operator.converged()
        assert (await place.data())["names"] == name


async def test_a_checksum_does_not_depend_on_the_order_of_files() -> None:
    parts = ["---\nkind: A\nx: 1\n", "---\nkind: B\n", "---\n# nothing\n"]
    assert checksum_of("".join(parts)) == checksum_of("".join(reversed(parts)))
    assert checksum_of(parts[0]) != checksum_of("---\nkind: A\nx: 2\n")
