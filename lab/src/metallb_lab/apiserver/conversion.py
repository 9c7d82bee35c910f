"""Conversion of custom resources by webhook: asked over HTTPS with ``ConversionReview`` v1.

Objects are stored in the storage version. Where a CRD's strategy is ``Webhook``, a request works
on objects in its own version from its body to validation: ``prepare`` converts what was stored,
and keeps the result with it, before anybody looks at it; ``stored_form`` converts what is written.
With strategy ``None`` neither does anything, see :mod:`.custom.strategy`.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.callouts import CallError, Callouts
from metallb_lab.apiserver.representations import has_view, remember_view

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.resources import GroupVersion, Resource
    from metallb_lab.apiserver.store import Stored

REVIEW = "apiextensions.k8s.io/v1"
SECONDS = 30.0
"""The real server's fixed deadline."""


class Conversion:
    """Converts between the versions of CRDs."""

    def __init__(self, callouts: Callouts) -> None:
        self._callouts = callouts

    async def prepare(self, resource: Resource, found: Iterable[Stored]) -> None:
        """Sees to it that stored objects can be shown in the version of a resource."""
        if resource.strategy.conversion is None:
            return
        version = str(resource.gv)
        waiting = [
            stored
            for stored in found
            if stored.value.get("apiVersion") != version and not has_view(resource, stored)
        ]
        converted = await self.convert(resource, [s.value for s in waiting], resource.gv)
        for stored, value in zip(waiting, converted, strict=True):
            remember_view(resource, stored, resource.strategy.on_read(value))

    async def stored_form(self, resource: Resource, new: Document) -> Document:
        """An object in the version that it is stored in."""
        if resource.strategy.conversion is None:
            return new
        [converted] = await self.convert(resource, [new], resource.strategy.storage)
        return converted

    async def convert(
        self, resource: Resource, values: list[Document], version: GroupVersion
    ) -> list[Document]:
        """Objects in another version; those that are in it already are not asked about."""
        asked = [value for value in values if value.get("apiVersion") != str(version)]
        if not asked:
            return values
        try:
            answers = iter(await self._ask(resource, asked, version))
        except CallError as error:
            kind = f"{asked[0]['apiVersion']}, Kind={resource.kind}"
            text = f"conversion webhook for {kind} {error}"
            raise errors.ApiError(500, "", text) from None
        return [v if v.get("apiVersion") == str(version) else next(answers) for v in values]

    async def _ask(
        self, resource: Resource, values: list[Document], version: GroupVersion
    ) -> list[Document]:
        hook = resource.strategy.conversion
        assert hook is not None
        uid = str(uuid.uuid4())
        request = {"uid": uid, "desiredAPIVersion": str(version), "objects": values}
        review = {"kind": "ConversionReview", "apiVersion": REVIEW, "request": request}
        try:
            answer = await self._callouts.post(hook["clientConfig"], review, SECONDS)
            found = converted_objects(answer, uid)
        except CallError as error:
            why = str(error).removeprefix("failed to call webhook: ")
            raise CallError(f"failed: {why}") from None
        if len(found) != len(values):
            raise CallError(f"returned {len(found)} objects, expected {len(values)}")
        return [
            checked(before, after, str(version), index)
            for index, (before, after) in enumerate(zip(values, found, strict=True))
        ]


def converted_objects(answer: Any, uid: str) -> list[Any]:
    """``getConvertedObjectsFromResponse``."""
    if not isinstance(answer, dict) or not isinstance(answer.get("response"), dict):
        raise CallError("no response provided")
    response: Document = answer["response"]
    if response.get("uid") != uid:
        raise CallError(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    result = response.get("result") or {}
    if result.get("status") != "Success":
        status = f"response.result.status was '{result.get('status', '')}', not 'Success'"
        raise CallError(str(result.get("message") or status))
    return list(response.get("convertedObjects") or ())


def checked(before: Document, after: Any, version: str, index: int) -> Document:
    """One converted object: of metadata only labels and annotations are the webhook's."""
    where = f"returned invalid converted object at index {index}: "
    if not isinstance(after, dict) or not isinstance(after.get("metadata"), dict):
        raise CallError(f"{where}invalid metadata")
    group_version, kind = after.get("apiVersion", ""), after.get("kind", "")
    if group_version != version:
        why = f"invalid groupVersion (expected {version}, received {group_version})"
        raise CallError(where + why)
    if kind != before["kind"]:
        raise CallError(f"{where}invalid kind (expected {before['kind']}, received {kind})")
    given, own = after["metadata"], before["metadata"]
    for name in ("name", "namespace", "uid"):
        if given.get(name, "") != own.get(name, ""):
            raise CallError(f"{where}invalid metadata.{name}")
    metadata = {k: v for k, v in own.items() if k not in ("labels", "annotations")}
    metadata |= {k: given[k] for k in ("labels", "annotations") if given.get(k)}
    return {**after, "metadata": metadata}
