"""Carrying out the reconciler's writes: one request each, its answer judged.

Every write has a precondition of its own (a unique name, a generation, a resourceVersion), so a
write that was decided on an old view, or by a replica that leads no more, fails at the server. An
answer is given back as an observation (`feed`) before the outcome is told.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metallb.api.services import ALLOCATED_FROM_ANNOTATION, ingress_object
from metallb.api.virtual_ips import spec_object, to_object
from metallb.kube.client import PatchType
from metallb.kube.errors import (
    TRANSPORT_ERRORS,
    AlreadyExistsError,
    ApiError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    NotLeaderError,
)
from metallb_controller.app.resources import POOL_KINDS, SERVICES, VIRTUAL_IPS
from metallb_controller.reconcile.model import (
    CreateVirtualIP,
    DeleteVirtualIP,
    Outcome,
    PatchPoolStatus,
    PatchServiceStatus,
    Result,
    UpdateVirtualIP,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from metallb.kube.client import ApiClient, JsonObject
    from metallb_controller.reconcile.model import TargetKind, Write

log = logging.getLogger(__name__)


class Writer:
    """Carries out writes; `feed_*` are told the server's answers."""

    def __init__(
        self,
        client: ApiClient,
        feed_vip: Callable[[JsonObject], None],
        feed_service: Callable[[JsonObject], None],
        feed_pool: Mapping[TargetKind, Callable[[JsonObject], None]],
    ) -> None:
        self._client = client
        self._feed_vip = feed_vip
        self._feed_service = feed_service
        self._feed_pool = feed_pool

    async def carry_out(self, write: Write) -> Result:
        """Carry out a write; never raises but when cancelled."""
        try:
            await self._send(write)
        except NotLeaderError:
            return Result(Outcome.FAILED)
        except AlreadyExistsError:
            await self._look_again(write)
            return Result(Outcome.EXISTS)
        except ConflictError:
            return Result(Outcome.STALE)
        except NotFoundError:
            return Result(Outcome.DONE if isinstance(write, DeleteVirtualIP) else Outcome.GONE)
        except InvalidError as error:
            if isinstance(write, UpdateVirtualIP) and not error.details.get("causes"):
                return Result(Outcome.STALE)  # a failed "test" of the JSON patch
            return self._refused(write, error)
        except ForbiddenError as error:
            return self._refused(write, error)
        except ApiError as error:
            log.warning("%s: %s", write.target.key, error)
            return Result(Outcome.FAILED, error.retry_after_seconds or 0.0)
        except TRANSPORT_ERRORS as error:
            log.warning("%s: %s (%s)", write.target.key, type(error).__name__, error)
            return Result(Outcome.FAILED)
        return Result(Outcome.DONE)

    def _refused(self, write: Write, error: ApiError) -> Result:
        log.error("%s %s is refused: %s", write.target.kind, write.target.key, error)
        return Result(Outcome.REFUSED, words=error.message)

    async def _look_again(self, write: Write) -> None:
        """Read the object that is there already: the ledger knows something that we do not."""
        try:
            self._feed_vip(await self._client.get(VIRTUAL_IPS, write.target.key.name))
        except (ApiError, *TRANSPORT_ERRORS) as error:
            log.info("%s could not be read: %s", write.target.key, error)

    async def _send(self, write: Write) -> None:
        match write:
            case CreateVirtualIP():
                self._feed_vip(await self._client.create(VIRTUAL_IPS, to_object(write.vip)))
            case UpdateVirtualIP():
                self._feed_vip(await self._update_vip(write))
            case DeleteVirtualIP():
                meta = write.vip.meta
                await self._client.delete(
                    VIRTUAL_IPS,
                    meta.key.name,
                    uid=meta.uid,
                    resource_version=meta.resource_version,
                )
            case PatchServiceStatus():
                self._feed_service(await self._patch_service(write))
            case PatchPoolStatus():
                body = {"metadata": _as_seen(write), "status": write.status}
                kind, key = write.target
                resource = POOL_KINDS[kind]
                answer = await self._client.patch(
                    resource, key.name, body, namespace=key.namespace, subresource="status"
                )
                self._feed_pool[kind](answer)

    async def _update_vip(self, write: UpdateVirtualIP) -> JsonObject:
        """Replace the spec if it is still the one seen; what speakers report does not matter."""
        meta = write.before.meta
        operations: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": meta.uid},
            {"op": "test", "path": "/metadata/generation", "value": meta.generation},
            {"op": "replace", "path": "/spec", "value": spec_object(write.spec)},
        ]
        if write.before.spec.pool != write.spec.pool:
            labels = to_object(replace(write.before, spec=write.spec))["metadata"]["labels"]
            operations.append({"op": "add", "path": "/metadata/labels", "value": labels})
        return await self._client.patch(VIRTUAL_IPS, meta.key.name, operations, kind=PatchType.JSON)

    async def _patch_service(self, write: PatchServiceStatus) -> JsonObject:
        conditions: list[dict[str, Any]] = [item.to_object() for item in write.conditions]
        conditions += [{"$patch": "delete", "type": kind} for kind in write.removed]
        status: dict[str, Any] = {}
        if conditions:
            status["conditions"] = conditions
        if write.addresses is not None:
            status["loadBalancer"] = {
                "ingress": ingress_object(write.addresses, write.hostnames) or None
            }
        metadata: dict[str, Any] = {**_as_seen(write)}
        if write.allocated_from is not None:
            metadata["annotations"] = {ALLOCATED_FROM_ANNOTATION: write.allocated_from or None}
        body = {"metadata": metadata, "status": status}
        return await self._client.patch(
            SERVICES,
            write.target.key.name,
            body,
            namespace=write.target.key.namespace,
            subresource="status",
            kind=PatchType.STRATEGIC,
        )


def _as_seen(write: PatchServiceStatus | PatchPoolStatus) -> dict[str, str]:
    """Give the precondition of a patch: that the object is as it was seen."""
    return {"uid": write.uid, "resourceVersion": write.resource_version}
