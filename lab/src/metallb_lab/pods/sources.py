"""What pods need from the API server: ConfigMaps, Secrets, and tokens of their service accounts.

ConfigMaps and Secrets are asked for each time; a token is asked for once, and again when four
fifths of its life are over. While the API server cannot be reached, what was got last serves: a
container that ends meanwhile is started again.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.kube.client import Resource
from metallb.kube.errors import TRANSPORT_ERRORS, ApiError, NotFoundError
from metallb_lab.pods.context import ANSWER_SECONDS
from metallb_lab.pods.errors import NotYetError
from metallb_lab.pods.model import Files, Items, KeyRef, Token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb.kube.client import ApiClient, JsonObject
    from metallb_lab.pods.model import PodSpec

RESOURCES = {
    "ConfigMap": Resource("", "v1", "configmaps"),
    "Secret": Resource("", "v1", "secrets"),
}
ACCOUNTS = Resource("", "v1", "serviceaccounts")
RENEWED_AFTER = 0.8
FAULTS = (*TRANSPORT_ERRORS, ApiError)


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    renew_at: float


def references(spec: PodSpec) -> set[tuple[str, str]]:
    """Name the ConfigMaps and Secrets that a pod speaks of, by kind and name."""
    found = {
        (variable.source.kind, variable.source.name)
        for container in spec.containers
        for variable in container.environment
        if isinstance(variable.source, KeyRef)
    }
    found |= {(item.kind, item.name) for item in _sources(spec) if isinstance(item, Items)}
    return found


def _sources(spec: PodSpec) -> Iterable[object]:
    volumes = [volume for volume in spec.volumes.values() if isinstance(volume, Files)]
    return [source for volume in volumes for source in volume.sources]


class Sources:
    """What one pod gets."""

    def __init__(self, client: ApiClient, spec: PodSpec) -> None:
        self._client = client
        self._spec = spec
        self._references = sorted(references(spec))
        self._wanted = sorted({
            (item.audience, item.expiration_seconds)
            for item in _sources(spec)
            if isinstance(item, Token)
        })  # fmt: skip
        self._held: dict[tuple[str, int], _Held] = {}
        self._known: dict[tuple[str, str], dict[str, bytes] | None] = {}

    async def data(self) -> dict[tuple[str, str], dict[str, bytes] | None]:
        """Read the ConfigMaps and Secrets, None for what is not there; raises NotYetError."""
        for key in self._references:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    self._known[key] = await self._read(*key)
            except FAULTS as error:
                if key not in self._known:
                    raise NotYetError("FailedMount", f"{key[0]} {key[1]}: {error}") from error
        return self._known

    async def _read(self, kind: str, name: str) -> dict[str, bytes] | None:
        try:
            found = await self._client.get(RESOURCES[kind], name, self._spec.namespace)
        except NotFoundError:
            return None
        return content_of(found)

    async def tokens(self) -> dict[tuple[str, int], str]:
        """Give the tokens, those that are old renewed; raises NotYetError."""
        now = asyncio.get_running_loop().time()
        for key in self._wanted:
            held = self._held.get(key)
            if held is not None and now < held.renew_at:
                continue
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    self._held[key] = _Held(await self._ask(*key), now + RENEWED_AFTER * key[1])
            except FAULTS as error:
                if held is None:
                    raise NotYetError("FailedMount", f"no token: {error}") from error
        return {key: held.token for key, held in self._held.items()}

    async def _ask(self, audience: str, seconds: int) -> str:
        spec = self._spec
        body: JsonObject = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [audience] if audience else [],
                "expirationSeconds": seconds,
                "boundObjectRef": {
                    "apiVersion": "v1", "kind": "Pod", "name": spec.name, "uid": spec.uid,
                },
            },
        }  # fmt: skip
        path = ACCOUNTS.path(spec.namespace, spec.service_account, "token")
        answer = await self._client.request("POST", path, body=body)
        return str(answer["status"]["token"])


def content_of(value: JsonObject) -> dict[str, bytes]:
    """Give the data of a ConfigMap or Secret."""
    is_secret = value.get("kind") == "Secret"
    data = value.get("data") or {}
    if is_secret:
        return {name: base64.b64decode(text) for name, text in data.items()}
    binary = value.get("binaryData") or {}
    return {
        **{name: text.encode() for name, text in data.items()},
        **{name: base64.b64decode(text) for name, text in binary.items()},
    }
