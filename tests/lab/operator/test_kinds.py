from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb.kube.client import Resource
from metallb_lab.operator.crds import ensure_crds
from metallb_lab.operator.kinds import Kinds, UnknownKindError
from metallb_lab.operator.platform import MODULE_CONFIG_CRD

if TYPE_CHECKING:
    from metallb.kube.client import ApiClient


async def test_kinds_of_the_core_and_of_groups(kinds: Kinds) -> None:
    assert await kinds.resource("Node", "v1") == Resource("", "v1", "nodes", is_namespaced=False)
    assert await kinds.resource("Secret") == Resource("", "v1", "secrets")
    lease = Resource("coordination.k8s.io", "v1", "leases")
    assert await kinds.resource("Lease") == lease
    assert await kinds.resource("Lease", "coordination.k8s.io/v1") == lease


@pytest.mark.parametrize(
    ("kind", "version"),
    [("Unicorn", ""), ("Unicorn", "v1"), ("Pod", "apps/v1"), ("Pod", "no.such/v1")],
)
async def test_a_kind_that_is_not_there(kinds: Kinds, kind: str, version: str) -> None:
    with pytest.raises(UnknownKindError, match=kind):
        await kinds.resource(kind, version)


async def test_a_kind_that_comes_later_is_found(client: ApiClient, kinds: Kinds) -> None:
    with pytest.raises(UnknownKindError):
        await kinds.resource("ModuleConfig", "deckhouse.io/v1alpha1")
    await ensure_crds(client, [MODULE_CONFIG_CRD])
    found = await kinds.resource("ModuleConfig", "deckhouse.io/v1alpha1")
    assert (found.plural, found.is_namespaced) == ("moduleconfigs", False)
