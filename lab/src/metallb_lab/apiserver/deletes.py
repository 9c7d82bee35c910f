"""Deleting objects: preconditions, grace, finalizers, propagation, collections.

``propagationPolicy`` does here what it does in the real API server: it sets or clears two
finalizers. Nobody collects garbage, there or here; that is a controller's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.custom.names import FINALIZER, condition, set_condition
from metallb_lab.apiserver.documents import copied, now
from metallb_lab.apiserver.errors import not_supported
from metallb_lab.apiserver.store import Store, Stored
from metallb_lab.apiserver.writes import PROTECTED_NAMESPACES

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.requests import Call
    from metallb_lab.apiserver.resources import Resource
    from metallb_lab.apiserver.webhooks import Admission

POLICIES = ["Foreground", "Background", "Orphan", "nil"]
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


@dataclass(frozen=True)
class DeleteOptions:
    """The body or the query of a DELETE."""

    grace_seconds: int | None = None
    uid: str | None = None
    version: str | None = None
    policy: str | None = None

    @classmethod
    def read(cls, document: Any, call: Call) -> DeleteOptions:
        """From both places; the body wins. ``dryRun`` of the body is put into the call."""
        given: Document = document if isinstance(document, dict) else {}
        if given.get("dryRun"):
            call.query["dryRun"] = given["dryRun"][0]
        conditions = given.get("preconditions") or {}
        grace = given.get("gracePeriodSeconds")
        policy = given.get("propagationPolicy") or call.query.get("propagationPolicy")
        orphan = given.get("orphanDependents")
        found = []
        if policy and orphan is not None:
            why = "orphanDependents and deletionPropagation cannot be both set"
            found.append(errors.invalid("propagationPolicy", policy, why))
        if policy and policy not in POLICIES[:3]:
            found.append(not_supported("propagationPolicy", policy, POLICIES))
        if found:
            raise errors.invalid_object("DeleteOptions", "meta.k8s.io", "", found)
        if orphan is not None:
            policy = "Orphan" if orphan else "Background"
        return cls(
            grace_seconds=call.integer("gracePeriodSeconds") if grace is None else int(grace),
            uid=conditions.get("uid"),
            version=conditions.get("resourceVersion"),
            policy=policy,
        )


@dataclass(frozen=True)
class Deleted:
    """What a DELETE did: the last state, and whether the object is gone."""

    stored: Stored
    gone: bool


class Deleter:
    """Deletes one object at a time."""

    def __init__(self, store: Store, admission: Admission) -> None:
        self._store = store
        self._admission = admission

    async def delete(self, call: Call, current: Stored, options: DeleteOptions) -> Deleted:
        """DELETE of an object that exists."""
        resource = call.resource
        check_preconditions(resource, current, options)
        if resource.table == "namespaces" and current.key.name in PROTECTED_NAMESPACES:
            why = "this namespace may not be deleted"
            raise errors.forbidden_request("namespaces", "", current.key.name, why)
        await self._admission.validate(call, "DELETE", None, current.value)
        table = self._store.table(resource.table)
        if table.get(current.key) is not current:
            present = table.get(current.key)
            if present is None:
                raise resource.not_found(current.key.name)
            check_preconditions(resource, present, options)
            current = present
        new: Document = copied(current.value)
        waits = self._mark(resource, new, options)
        if call.dry_run:
            return Deleted(Stored(current.key, current.version, new), not waits)
        if not waits:
            if "deletionTimestamp" in new["metadata"]:  # pods are told before they go
                current = table.put(current.key, new)
            return Deleted(self._remove(resource, current), gone=True)
        if new == current.value:
            return Deleted(current, gone=False)
        return Deleted(table.put(current.key, new), gone=False)

    def _mark(self, resource: Resource, new: Document, options: DeleteOptions) -> bool:
        """Marks an object as being deleted; False when nothing keeps it."""
        metadata = new["metadata"]
        if resource.table == "namespaces" and new.get("spec", {}).get("finalizers"):
            mark(metadata, None)
            new["status"] = new.get("status", {}) | {"phase": "Terminating"}
            return True
        if resource.plural == "customresourcedefinitions":
            self._mark_definition(new)
            return True
        graceful = self._mark_graceful(resource, new, options)
        finalizers = deletion_finalizers(metadata.get("finalizers", []), options.policy)
        metadata.pop("finalizers", None)
        if finalizers:
            metadata["finalizers"] = finalizers
        if graceful:
            return True
        if finalizers:
            mark(metadata, 0)
            return True
        return False

    def _mark_definition(self, new: Document) -> None:
        """A CRD goes after its objects; the finalizer is put on by the first DELETE."""
        metadata = new["metadata"]
        if "deletionTimestamp" in metadata:
            return
        metadata["deletionTimestamp"] = now()
        finalizers = metadata.setdefault("finalizers", [])
        if FINALIZER not in finalizers:
            finalizers.append(FINALIZER)
        text = (
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
        )
        set_condition(new, condition("Terminating", "True", "InstanceDeletionPending", text, now()))

    def _mark_graceful(self, resource: Resource, new: Document, options: DeleteOptions) -> bool:
        """Pods with a node get time; asking again may only shorten it."""
        metadata = new["metadata"]
        grace = resource.strategy.grace_seconds(new, options.grace_seconds)
        if grace is None:
            return False
        if "deletionTimestamp" in metadata:
            left = metadata.get("deletionGracePeriodSeconds", 0)
            if not left:
                return False
            if options.grace_seconds is None or grace >= left:
                return True
            metadata["deletionGracePeriodSeconds"] = grace
            metadata["deletionTimestamp"] = now() if not grace else later(grace)
            return grace > 0
        mark(metadata, grace)
        metadata["deletionTimestamp"] = later(grace)
        return grace > 0

    def _remove(self, resource: Resource, current: Stored) -> Stored:
        table = self._store.table(resource.table)
        removed = table.remove(current.key)
        resource.strategy.deleted(current.value)
        if resource.table == "services":
            endpoints = self._store.table("endpoints")
            if endpoints.get(current.key) is not None:
                endpoints.remove(current.key)
        return removed


def later(seconds: int) -> str:
    """A moment in the future, as a Time."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def mark(metadata: Document, grace: int | None) -> None:
    """Sets the deletion timestamp once, which counts as a change of the spec."""
    if "deletionTimestamp" not in metadata:
        metadata["deletionTimestamp"] = now()
        if metadata.get("generation"):
            metadata["generation"] += 1
    if grace is not None:
        metadata["deletionGracePeriodSeconds"] = grace


def deletion_finalizers(present: list[str], policy: str | None) -> list[str]:
    """The two finalizers that ask the garbage collector for something."""
    kept = [f for f in present if f not in (FOREGROUND, ORPHAN)]
    if policy == "Orphan" or (policy is None and ORPHAN in present):
        kept.append(ORPHAN)
    if policy == "Foreground" or (policy is None and FOREGROUND in present):
        kept.append(FOREGROUND)
    return kept


def check_preconditions(resource: Resource, current: Stored, options: DeleteOptions) -> None:
    """Uid and resourceVersion, when the client gave them."""
    metadata = current.value["metadata"]
    if options.uid is not None and options.uid != metadata["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({metadata['uid']}). The object might have been deleted and then recreated"
        )
        raise errors.conflict(resource.kind, resource.group, current.key.name, why)
    if options.version is not None and options.version != str(current.version):
        why = (
            f"the ResourceVersion in the precondition ({options.version}) does not match the "
            f"ResourceVersion in record ({current.version}). The object might have been modified"
        )
        raise errors.conflict(resource.kind, resource.group, current.key.name, why)
