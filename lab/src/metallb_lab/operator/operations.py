"""What hooks write to the cluster (deckhouse-platform.md §2.7).

Operations are done one after another when the hook has ended well. Stricter than the operator in
one thing: a key that it does not know vanishes there without a word, and is refused here.

The traps that the operator has are kept: an empty merge patch is refused, and so is a JSON patch
whose first operation has no value, unless it is given as text; `Delete` waits up to 20 s for the
object to be gone, and fails if it is not.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import yaml

from metallb.kube.client import PatchType
from metallb.kube.errors import AlreadyExistsError, NotFoundError
from metallb_lab.operator.errors import PatchRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb.kube.client import ApiClient, Resource
    from metallb_lab.operator.jq import Jq
    from metallb_lab.operator.kinds import Kinds

Document = dict[str, Any]

GONE_SECONDS = 20.0
ADDRESS = {"operation", "apiVersion", "kind", "namespace", "name", "subresource"}
PATCH = ADDRESS | {"ignoreMissingObject", "ignoreHookError"}
KEYS = {
    "Create": {"operation", "object", "subresource"},
    "CreateOrUpdate": {"operation", "object", "subresource"},
    "CreateIfNotExists": {"operation", "object", "subresource"},
    "Delete": ADDRESS,
    "DeleteInBackground": ADDRESS,
    "DeleteNonCascading": ADDRESS,
    "JQPatch": PATCH | {"jqFilter"},
    "MergePatch": PATCH | {"mergePatch"},
    "JSONPatch": PATCH | {"jsonPatch"},
}
PROPAGATION = {
    "Delete": "Foreground",
    "DeleteInBackground": "Background",
    "DeleteNonCascading": "Orphan",
}


class Operations:
    """Does operations on one cluster."""

    def __init__(self, client: ApiClient, kinds: Kinds, jq: Jq) -> None:
        self._client = client
        self._kinds = kinds
        self._jq = jq

    async def apply(self, operations: Iterable[Document]) -> None:
        """Do all; raises PatchRefusedError before the first one, ApiError at the one that fails."""
        checked = [_checked(item) for item in operations]
        for item in checked:
            await self._apply(item)

    async def _apply(self, item: Document) -> None:
        operation = item["operation"]
        if "object" in item:
            await self._create(operation, item["object"])
        elif operation in PROPAGATION:
            await self._delete(item)
        else:
            await self._patch(item)

    # -- create --------------------------------------------------------------------------------

    async def _create(self, operation: str, made: Document) -> None:
        meta = made.get("metadata") or {}
        resource = await self._kinds.resource(made["kind"], made.get("apiVersion", ""))
        namespace = meta.get("namespace", "")
        try:
            await self._client.create(resource, made, namespace)
        except AlreadyExistsError:
            if operation == "Create":
                raise
            if operation == "CreateOrUpdate":
                await self._update(resource, made, namespace)

    async def _update(self, resource: Resource, made: Document, namespace: str) -> None:
        name = made["metadata"]["name"]
        present = await self._client.get(resource, name, namespace)
        version = present["metadata"]["resourceVersion"]
        body = {**made, "metadata": {**made["metadata"], "resourceVersion": version}}
        await self._client.replace(resource, name, body, namespace)

    # -- delete --------------------------------------------------------------------------------

    async def _delete(self, item: Document) -> None:
        resource, name, namespace = await self._address(item)
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": PROPAGATION[item["operation"]],
        }
        path = resource.path(namespace, name)
        try:
            await self._client.request("DELETE", path, body=body)
            if item["operation"] == "Delete":
                await self._wait_until_gone(path)
        except NotFoundError:
            return

    async def _wait_until_gone(self, path: str) -> None:
        try:
            async with asyncio.timeout(GONE_SECONDS):
                while True:
                    await self._client.request("GET", path)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise PatchRefusedError(f"Delete {path}: it is still there after 20 s") from None

    # -- patch ---------------------------------------------------------------------------------

    async def _patch(self, item: Document) -> None:
        resource, name, namespace = await self._address(item)
        subresource = (item.get("subresource") or "").strip("/")
        try:
            if item["operation"] == "JQPatch":
                await self._jq_patch(resource, name, namespace, item["jqFilter"], subresource)
                return
            is_merge = item["operation"] == "MergePatch"
            await self._client.patch(
                resource,
                name,
                item["mergePatch"] if is_merge else item["jsonPatch"],
                namespace=namespace,
                subresource=subresource,
                kind=PatchType.MERGE if is_merge else PatchType.JSON,
            )
        except NotFoundError:
            if not item.get("ignoreMissingObject"):
                raise

    async def _jq_patch(
        self, resource: Resource, name: str, namespace: str, program: str, subresource: str
    ) -> None:
        present = await self._client.get(resource, name, namespace)
        [wanted] = await self._jq.filter(program, [present])
        if wanted != present:
            await self._client.replace(resource, name, wanted, namespace, subresource)

    async def _address(self, item: Document) -> tuple[Resource, str, str]:
        resource = await self._kinds.resource(item["kind"], item.get("apiVersion") or "")
        return resource, item["name"], item.get("namespace") or ""


def _checked(item: Document) -> Document:
    operation = item.get("operation")
    if operation not in KEYS:
        raise PatchRefusedError(f"operation {operation!r} is not one of {', '.join(KEYS)}")
    if unknown := item.keys() - KEYS[operation]:
        raise PatchRefusedError(f"{operation}: unknown keys {', '.join(sorted(unknown))}")
    if "object" in KEYS[operation]:
        made = _parsed(item.get("object"))
        if not isinstance(made, dict) or not made.get("kind"):
            raise PatchRefusedError(f"{operation}: object {made!r} is no object")
        if item.get("subresource"):
            raise PatchRefusedError(f"{operation}: this runner makes no subresources")
        return {**item, "object": made}
    if not item.get("kind") or not item.get("name"):
        raise PatchRefusedError(f"{operation}: kind and name are needed")
    return _checked_patch(item)


def _checked_patch(item: Document) -> Document:
    match item["operation"]:
        case "MergePatch":
            patch = _parsed(item.get("mergePatch"))
            if not isinstance(patch, dict) or not patch:
                raise PatchRefusedError(
                    "MergePatch: mergePatch must be an object that is not empty"
                )
            return {**item, "mergePatch": patch}
        case "JSONPatch":
            given = item.get("jsonPatch")
            patch = _parsed(given)
            if not isinstance(patch, list) or not patch:
                raise PatchRefusedError("JSONPatch: jsonPatch must be a list that is not empty")
            if not isinstance(given, str) and not {"op", "path", "value"} <= patch[0].keys():
                raise PatchRefusedError("JSONPatch: its first operation needs op, path and value")
            return {**item, "jsonPatch": patch}
        case "JQPatch" if not isinstance(item.get("jqFilter"), str):
            raise PatchRefusedError("JQPatch: jqFilter must be a text")
    return item


def _parsed(value: Any) -> Any:
    """Read a value that may be given as text, JSON or YAML."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return yaml.safe_load(value)
