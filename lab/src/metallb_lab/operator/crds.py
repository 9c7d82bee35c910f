"""CRDs of a module are there before anything else runs (deckhouse-platform.md §1.6, §3.3).

They are applied with Deckhouse's label, and waited for until the server serves them. Nobody takes
them away again: CRDs stay when the module is disabled.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from metallb.kube.client import Resource
from metallb.kube.errors import AlreadyExistsError
from metallb_lab.operator.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb.kube.client import ApiClient

Document = dict[str, Any]

CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", is_namespaced=False)
LABEL = {"heritage": "deckhouse"}
ESTABLISHED_SECONDS = 30.0


async def ensure_crds(client: ApiClient, crds: Sequence[Document]) -> None:
    """Apply CRDs and wait until their kinds are served."""
    for crd in crds:
        await _apply(client, crd)
    try:
        async with asyncio.timeout(ESTABLISHED_SECONDS):
            for crd in crds:
                await _wait_established(client, crd["metadata"]["name"])
    except TimeoutError:
        raise OperatorError("a CRD was not established in time") from None


async def _apply(client: ApiClient, crd: Document) -> None:
    meta = crd["metadata"]
    wanted = {**crd, "metadata": {**meta, "labels": {**meta.get("labels", {}), **LABEL}}}
    try:
        await client.create(CRDS, wanted)
        return
    except AlreadyExistsError:
        present = await client.get(CRDS, meta["name"])
    patch = {"metadata": {"labels": wanted["metadata"]["labels"]}, "spec": crd["spec"]}
    if any(_differs(patch[part], present.get(part)) for part in patch):
        await client.patch(CRDS, meta["name"], patch)


def _differs(wanted: Any, present: Any) -> bool:
    """Tell whether something wanted is not there; what the server has added does not count."""
    if isinstance(wanted, dict) and isinstance(present, dict):
        return any(_differs(value, present.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(present, list):
        return len(wanted) != len(present) or any(map(_differs, wanted, present))
    return bool(wanted != present)


async def _wait_established(client: ApiClient, name: str) -> None:
    while True:
        found = await client.get(CRDS, name)
        conditions = found.get("status", {}).get("conditions") or []
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        await asyncio.sleep(0.05)
