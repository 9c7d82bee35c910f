"""Creating and changing objects: the order of things in ``registry.Store``.

Decode, admission that mutates, allocation, preparation, validation, admission that validates,
write. Admission may take its time, so a change starts over when the object was changed meanwhile,
as the real server's ``GuaranteedUpdate`` does. A change that changes nothing writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import errors, metadata
from metallb_lab.apiserver.decoding import GoTypeError
from metallb_lab.apiserver.documents import copied, encode, now, repeated_keys, same_but_version
from metallb_lab.apiserver.identity import (
    check_name,
    check_patched_type,
    patch_fault,
    uid_conflict,
)
from metallb_lab.apiserver.representations import remember_view, view
from metallb_lab.apiserver.store import Key, Store, Stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_lab.apiserver.conversion import Conversion
    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.requests import Call
    from metallb_lab.apiserver.resources import Resource, Strategy
    from metallb_lab.apiserver.webhooks import Admission

RETRIES = 5
PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")


class StaleError(Exception):
    """The object changed while admission was asked."""


class Writer:
    """Creates, updates and patches."""

    def __init__(self, store: Store, admission: Admission, conversion: Conversion) -> None:
        self._store = store
        self._admission = admission
        self._conversion = conversion

    # ------------------------------------------------------------ decoding

    def decode(self, call: Call, document: Any, body: bytes, *, patched: str = "") -> Document:
        """A body as the kind holds it; ``patched`` is the result of a patch, for the message."""
        strategy = call.resource.strategy
        kind, version = strategy.kind, call.resource.gv.version
        strict = call.field_validation
        unknown: list[str] = []
        try:
            clean = strategy.decode(document, unknown)
        except GoTypeError as error:
            if patched:
                raise patch_fault(patched, error.message()) from None
            raise errors.bad_request(
                f'{kind} in version "{version}" cannot be handled as a {kind}: {error.message()}'
            ) from None
        if strict == "Ignore":
            return clean
        complaints = [f'duplicate field "{name}"' for name in duplicates(body)]
        listed = sorted(unknown) if call.resource.custom else unknown
        complaints += [f'unknown field "{name}"' for name in listed]
        if complaints and strict == "Warn":
            for complaint in complaints:
                call.warn(complaint)
        elif complaints:
            text = f"strict decoding error: {', '.join(complaints)}"
            if patched:
                raise patch_fault(patched, text)
            raise errors.bad_request(
                f'{kind} in version "{version}" cannot be handled as a {kind}: {text}'
            )
        return clean

    # ------------------------------------------------------------ create

    async def create(self, call: Call, document: Any, body: bytes) -> Stored:
        """POST."""
        resource, namespace = call.resource, call.target.namespace
        new = self.decode(call, document, body)
        if resource.terminating:
            name = new["metadata"].get("name", "")
            why = "create not allowed while custom resource definition is terminating"
            raise errors.forbidden_request(resource.plural, resource.group, name, why)
        self.check_namespace(call, new["metadata"].get("name", ""))
        mutated = await self._admission.mutate(call, "CREATE", new, None)
        if mutated is not None:
            new = self.decode(call, mutated, b"")
        return await self._create(call, new, resource, namespace)

    async def _create(
        self, call: Call, new: Document, resource: Resource, namespace: str
    ) -> Stored:
        strategy = resource.strategy
        metadata.prepare_create(new, namespace, now())
        reservation = strategy.begin(new, None)
        try:
            strategy.prepare_create(new)
            found = metadata.validate_create(new, strategy.name_fault)
            found += strategy.finalizer_faults(new, None)
            found += strategy.validate(new, None)
            if found:
                raise invalid(resource, new, found)
            for warning in strategy.warnings(new, None):
                call.warn(warning)
            await self._admission.validate(call, "CREATE", new, None)
            refuse_version(new)
            key = Key(namespace, new["metadata"]["name"])
            kept = new if call.dry_run else await self._conversion.stored_form(resource, new)
            self._refuse_existing(resource, key)
            if call.dry_run:
                return Stored(key, 0, new)
            stored = self._store.table(resource.table).put(key, kept)
        except BaseException:
            if reservation is not None:
                reservation.revert()
            raise
        finally:
            if reservation is not None and call.dry_run:
                reservation.revert()
        if reservation is not None:
            reservation.commit()
        self._remember(resource, stored)
        return stored

    def _refuse_existing(self, resource: Resource, key: Key) -> None:
        existing = self._store.table(resource.table).get(key)
        if existing is None:
            return
        error = errors.already_exists(resource.plural, resource.group, key.name)
        if "deletionTimestamp" in existing.value["metadata"]:
            error.message = f"object is being deleted: {error.message}"
        raise error

    def check_namespace(self, call: Call, name: str) -> None:
        """The NamespaceLifecycle plugin: no content without a namespace that stays."""
        namespace = call.target.namespace
        if not call.resource.namespaced:
            return
        found = self._store.table("namespaces").get(Key("", namespace))
        if found is None:
            raise errors.not_found("namespaces", "", namespace)
        if "deletionTimestamp" in found.value["metadata"]:
            resource = call.resource
            why = (
                f"unable to create new content in namespace {namespace} because it is being "
                "terminated"
            )
            error = errors.forbidden_request(resource.plural, resource.group, name, why)
            assert error.details is not None
            error.details["causes"] = [
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {namespace} is being terminated",
                    "field": "metadata.namespace",
                }
            ]
            raise error

    # ------------------------------------------------------------ update

    async def update(self, call: Call, document: Any, body: bytes) -> tuple[Stored, bool]:
        """PUT; the flag tells whether the object was created."""
        target = call.target
        given = self.decode(call, document, body)
        check_name(given, target.name)

        def make(current: Document) -> Document:
            new: Document = copied(given)
            uid = new["metadata"].get("uid")
            if uid and uid != current["metadata"]["uid"]:
                raise target.resource.conflict(target.name, uid_conflict(call, uid, current))
            return new

        existing = self._store.table(target.resource.table).get(Key(target.namespace, target.name))
        creates = target.resource.strategy.create_on_update and not target.subresource
        if existing is None and creates:
            self.check_namespace(call, target.name)
            given["metadata"]["name"] = target.name
            mutated = await self._admission.mutate(call, "CREATE", given, None)
            if mutated is not None:
                given = self.decode(call, mutated, b"")
            return await self._create(call, given, target.resource, target.namespace), True
        return await self._change(call, make, patching=False), False

    async def patch(self, call: Call, make: Callable[[Document], Document]) -> Stored:
        """PATCH; ``make`` gets the present object in the request's version."""

        def patched(current: Document) -> Document:
            document = make(current)
            text = "" if document is current else describe(document)
            check_patched_type(call, document, text)
            new = self.decode(call, document, b"", patched=text)
            check_name(new, call.target.name)
            return new

        return await self._change(call, patched, patching=True)

    async def _change(
        self, call: Call, make: Callable[[Document], Document], *, patching: bool
    ) -> Stored:
        target = call.target
        table = self._store.table(target.resource.table)
        key = Key(target.namespace, target.name)
        for _ in range(RETRIES):
            current = table.get(key)
            if current is None:
                raise target.resource.not_found(target.name)
            await self._conversion.prepare(target.resource, [current])
            new = make(copied(view(target.resource, current)))
            pinned = self._check_version(target.resource, new, current, patching=patching)
            try:
                return await self._commit_change(call, new, current)
            except StaleError:
                if pinned:
                    raise target.resource.conflict(target.name) from None
        raise target.resource.conflict(target.name)

    def _check_version(
        self, resource: Resource, new: Document, current: Stored, *, patching: bool
    ) -> bool:
        """Optimistic locking; True when the client named a version itself."""
        version = new["metadata"].get("resourceVersion", "")
        present = str(current.version)
        if version and not version.isdigit():
            text = f'strconv.ParseUint: parsing "{version}": invalid syntax'
            raise errors.ApiError(500, "", text)
        if version in ("", "0"):
            if not resource.strategy.unconditional_update:
                fault = errors.invalid(
                    "metadata.resourceVersion", 0, "must be specified for an update"
                )
                raise errors.invalid_object(
                    resource.plural, resource.group, current.key.name, [fault]
                )
            return False
        if version != present:
            raise resource.conflict(current.key.name)
        return not patching

    async def _commit_change(self, call: Call, new: Document, current: Stored) -> Stored:
        resource, subresource = call.resource, call.target.subresource
        table = self._store.table(resource.table)
        old = current.value if resource.strategy.conversion is None else view(resource, current)
        mutated = await self._admission.mutate(call, "UPDATE", new, old)
        if mutated is not None:
            new = self.decode(call, mutated, b"")
        strategy = resource.strategy
        plain = not subresource
        reservation = strategy.begin(new, old) if plain else None
        done = False
        try:
            self._prepare(strategy, new, old, call)
            for warning in strategy.warnings(new, old) if plain else ():
                call.warn(warning)
            await self._admission.validate(call, "UPDATE", new, old)
            kept = new if call.dry_run else await self._conversion.stored_form(resource, new)
            if table.get(current.key) is not current:
                raise StaleError
            if same_but_version(new, old):
                done = not call.dry_run
                return current
            if call.dry_run:
                new["metadata"]["resourceVersion"] = str(current.version)
                return Stored(current.key, current.version, new)
            stored = self._write(resource, current, kept)
            done = True
            return stored
        finally:
            if reservation is not None:
                if done:
                    reservation.commit()
                else:
                    reservation.revert()

    def _prepare(self, strategy: Strategy, new: Document, old: Document, call: Call) -> None:
        namespace = call.target.namespace
        if call.target.subresource == "status":
            metadata.prepare_update(new, old, namespace)
            strategy.prepare_status(new, old)
            found = metadata.validate_update(new, old) + strategy.validate_status(new, old)
        elif call.target.subresource == "finalize":
            new["status"] = old.get("status", {})
            metadata.prepare_update(new, old, namespace)
            found = metadata.validate_update(new, old)
        else:
            metadata.prepare_update(new, old, namespace)
            strategy.prepare_update(new, old)
            found = metadata.validate_update(new, old)
            found += strategy.finalizer_faults(new, old) + strategy.validate(new, old)
        if found:
            raise invalid(call.resource, new, found)

    def _write(self, resource: Resource, current: Stored, new: Document) -> Stored:
        """Writes, or deletes when the last finalizer of a deleted object went."""
        table = self._store.table(resource.table)
        if finished(resource, new, current.value):
            new["metadata"]["resourceVersion"] = str(current.version)
            table.remove(current.key)
            resource.strategy.deleted(new)
            return Stored(current.key, current.version, new)
        stored = table.put(current.key, new)
        self._remember(resource, stored)
        return stored

    def _remember(self, resource: Resource, stored: Stored) -> None:
        """What was just written through a version needs no reading through it."""
        if stored.value.get("apiVersion") == str(resource.gv):
            remember_view(resource, stored, stored.value)


def invalid(resource: Resource, new: Document, found: list[Any]) -> errors.ApiError:
    """422; a custom resource of the wrong kind is called what it calls itself."""
    name = new["metadata"].get("name", "")
    kind = new.get("kind", resource.kind) if resource.custom else resource.kind
    return errors.invalid_object(kind, resource.group, name, found)


def finished(resource: Resource, new: Document, old: Document) -> bool:
    """Whether an object that is being deleted has nothing left to wait for."""
    before = old["metadata"]
    if "deletionTimestamp" not in before or new["metadata"].get("finalizers"):
        return False
    if before.get("deletionGracePeriodSeconds"):
        return False
    return not (resource.table == "namespaces" and new.get("spec", {}).get("finalizers"))


def refuse_version(new: Document) -> None:
    """The storage's own check, after everybody else's."""
    if new["metadata"].pop("resourceVersion", ""):
        raise errors.ApiError(500, "", "resourceVersion should not be set on objects to be created")


def duplicates(body: bytes) -> list[str]:
    """Keys that a body has twice."""
    return repeated_keys(body) if body else []


def describe(document: Document) -> str:
    """A patched object inside an error message."""
    return encode(document).decode()
