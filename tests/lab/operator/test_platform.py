from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.kube.client import Resource
from metallb_lab.operator.module import load_module
from metallb_lab.operator.platform import ensure_platform, global_values, merged

if TYPE_CHECKING:
    from lab.operator.modules import ModuleTree
    from metallb.kube.client import ApiClient
    from metallb_lab.operator.kinds import Kinds


async def test_what_every_cluster_has(client: ApiClient, kinds: Kinds) -> None:
    for _ in range(2):
        await ensure_platform(client, kinds)
    namespaces = Resource("", "v1", "namespaces", is_namespaced=False)
    for name in ("d8-system", "d8-monitoring"):
        await client.get(namespaces, name)
    roles = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", is_namespaced=False)
    assert len((await client.get(roles, "d8:rbac-proxy"))["rules"]) == 2


def test_trees_are_laid_over_each_other() -> None:
    below = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    above = {"a": {"c": [3], "e": {}}, "d": {"f": 5}}
    assert merged(below, above) == {"a": {"b": 1, "c": [3], "e": {}}, "d": {"f": 5}}
    assert below == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


def test_global_values_of_a_module(tree: ModuleTree) -> None:
    tree.write("images/controller/Dockerfile", "FROM scratch\n")
    module = load_module(tree.path)
    over = {"enabledModules": ["prometheus"], "discovery": {"clusterMasterCount": 3}}
    found = global_values(module, over)
    assert found["enabledModules"] == ["hello-world", "prometheus"]
    assert found["discovery"]["clusterMasterCount"] == 3
    assert found["discovery"]["prometheusScrapeInterval"] == 30
    assert list(found["modulesImages"]["digests"]["helloWorld"]) == ["controller"]
    assert "kubeRbacProxy" in found["modulesImages"]["digests"]["common"]
