"""Which resource a kind is, asked from the API server, as the operator does.

An `apiVersion` may be left out: then the server's preferred version of the first group that has
the kind is taken. What is found is remembered; what is not is asked again, because a CRD may have
been made since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.kube.client import Resource
from metallb.kube.errors import NotFoundError
from metallb_lab.operator.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import ApiClient


class UnknownKindError(OperatorError):
    """The API server has no such kind."""


class Kinds:
    """The kinds of one server."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._known: dict[tuple[str, str], Resource] = {}

    async def resource(self, kind: str, api_version: str = "") -> Resource:
        """Find the resource of a kind; raises UnknownKindError."""
        found = self._known.get((api_version, kind))
        if found is not None:
            return found
        versions = [api_version] if api_version else [item async for item in self._versions()]
        for version in versions:
            async for item in self._resources(version):
                if item[0] == kind:
                    self._known[api_version, kind] = item[1]
                    return item[1]
        raise UnknownKindError(f"the API server has no kind {kind} in {api_version or 'any group'}")

    async def _versions(self) -> AsyncIterator[str]:
        yield "v1"
        answer = await self._client.request("GET", "/apis")
        for group in answer["groups"]:
            yield group["preferredVersion"]["groupVersion"]

    async def _resources(self, api_version: str) -> AsyncIterator[tuple[str, Resource]]:
        group, _, version = api_version.rpartition("/")
        try:
            answer = await self._client.request(
                "GET", f"/apis/{group}/{version}" if group else f"/api/{version}"
            )
        except NotFoundError:
            return
        for item in answer["resources"]:
            if "/" not in item["name"]:
                yield item["kind"], Resource(group, version, item["name"], item["namespaced"])
