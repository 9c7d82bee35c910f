"""Admission webhooks: asked over HTTPS with ``AdmissionReview`` v1.

Mutating ones run one after the other and may answer with a JSON patch; validating ones run side by
side.
"""

from __future__ import annotations

import asyncio
import base64
import uuid
from typing import TYPE_CHECKING, Any

import jsonpatch
from jsonpointer import JsonPointerException

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.callouts import CallError
from metallb_lab.apiserver.documents import copied, decode
from metallb_lab.apiserver.webhook_rules import Invocation, relevant

if TYPE_CHECKING:
    from metallb_lab.apiserver.callouts import Callouts
    from metallb_lab.apiserver.conversion import Conversion
    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.registry import Registry
    from metallb_lab.apiserver.requests import Call
    from metallb_lab.apiserver.resources import Resource
    from metallb_lab.apiserver.store import Store

REVIEW = "admission.k8s.io/v1"
OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}
MUTATING, VALIDATING = "mutatingwebhookconfigurations", "validatingwebhookconfigurations"


class Admission:
    """Finds and calls the webhooks of a request."""

    def __init__(
        self, store: Store, registry: Registry, callouts: Callouts, conversion: Conversion
    ) -> None:
        self._store = store
        self._registry = registry
        self._callouts = callouts
        self._conversion = conversion

    async def mutate(
        self, call: Call, operation: str, new: Document, old: Document | None
    ) -> Document | None:
        """The object as mutating webhooks made it, in the request's version; None: unchanged."""
        hooks = self._hooks(MUTATING, call, operation, new, old)
        if not hooks:
            return None
        current: Document = copied(call.resource.strategy.on_read(new))
        changed_by = [
            hook.name
            for hook in hooks
            if await self._mutate_once(hook, call, operation, current, old)
        ]
        for hook in hooks:
            again = hook.hook.get("reinvocationPolicy") == "IfNeeded"
            later = [n for n in changed_by if n != hook.name]
            if again and later and hooks_after(hooks, hook, later):
                await self._mutate_once(hook, call, operation, current, old)
        return current if changed_by else None

    async def validate(
        self, call: Call, operation: str, new: Document | None, old: Document | None
    ) -> None:
        """Asks validating webhooks; the first refusal counts."""
        if operation == "DELETE":
            for hook in self._hooks(MUTATING, call, operation, new, old):
                await self._ask(hook, call, operation, new, old)
        hooks = self._hooks(VALIDATING, call, operation, new, old)
        if hooks:
            asked = [self._ask(hook, call, operation, new, old) for hook in hooks]
            for result in await asyncio.gather(*asked, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result

    def _hooks(
        self,
        kind: str,
        call: Call,
        operation: str,
        new: Document | None,
        old: Document | None,
    ) -> list[Invocation]:
        return relevant(self._store, self._registry, kind, call, operation, new, old)

    async def _mutate_once(
        self,
        hook: Invocation,
        call: Call,
        operation: str,
        current: Document,
        old: Document | None,
    ) -> bool:
        response = await self._ask(hook, call, operation, current, old)
        if not response or not response.get("patch"):
            return False
        try:
            patch = decode(base64.b64decode(response["patch"]))
            patched = jsonpatch.apply_patch(copied(current), patch)
        except (
            ValueError,
            TypeError,
            KeyError,
            jsonpatch.JsonPatchException,
            JsonPointerException,
        ) as error:
            raise errors.internal(f"webhook {hook.name}: {error}") from None
        if patched == current:
            return False
        current.clear()
        current.update(patched)
        return True

    # ------------------------------------------------------------ one call

    async def _ask(
        self,
        hook: Invocation,
        call: Call,
        operation: str,
        new: Document | None,
        old: Document | None,
    ) -> Document | None:
        """The response, or None when a failure is to be ignored; refusals are raised."""
        own = call.resource
        new, old = [await self._versioned(hook.resource, own, o) for o in (new, old)]
        review = make_review(hook, call, operation, new, old)
        uid = review["request"]["uid"]
        try:
            seconds = float(hook.hook.get("timeoutSeconds", 10))
            answer = await self._callouts.post(hook.hook["clientConfig"], review, seconds)
            response = checked(answer, uid, mutating="reinvocationPolicy" in hook.hook)
        except CallError as error:
            if hook.hook.get("failurePolicy") == "Ignore":
                return None
            text = f'failed calling webhook "{hook.name}": {error}'
            raise errors.internal(text) from None
        for warning in response.get("warnings") or ():
            call.warn(str(warning))
        if not response.get("allowed"):
            raise refusal(hook.name, response.get("status") or {})
        return response

    async def _versioned(
        self, resource: Resource, own: Resource, obj: Document | None
    ) -> Document | None:
        """An object in the version that a webhook's rules name."""
        if obj is None or resource.strategy.conversion is None:
            return versioned(resource, own, obj)
        [converted] = await self._conversion.convert(resource, [obj], resource.gv)
        return obj if converted is obj else resource.strategy.on_read(converted)


def hooks_after(hooks: list[Invocation], hook: Invocation, names: list[str]) -> bool:
    """Whether any of some webhooks comes after one."""
    at = hooks.index(hook)
    return any(other.name in names for other in hooks[at + 1 :])


# ---------------------------------------------------------------- the review


def make_review(
    hook: Invocation, call: Call, operation: str, new: Document | None, old: Document | None
) -> Document:
    """The AdmissionReview that a webhook gets; the objects are in its version."""
    target, user, resource = call.target, call.user, hook.resource
    groups = list(user.groups)
    options: Document = {"kind": OPTIONS[operation], "apiVersion": "meta.k8s.io/v1"}
    for name in ("fieldManager", "fieldValidation", "propagationPolicy"):
        if call.query.get(name):
            options[name] = call.query[name]
    if call.dry_run:
        options["dryRun"] = ["All"]
    name = target.name or (new or {}).get("metadata", {}).get("name", "")
    request = {
        "uid": str(uuid.uuid4()),
        "kind": kind_of(resource),
        "resource": resource_of(resource),
        "requestKind": kind_of(target.resource),
        "requestResource": resource_of(target.resource),
        "name": name,
        "namespace": target.namespace,
        "operation": operation,
        "userInfo": {"username": user.name, "uid": user.uid, "groups": groups},
        "object": new,
        "oldObject": old,
        "dryRun": call.dry_run,
        "options": options,
    }
    if target.resource.table == "namespaces":
        request["namespace"] = name
    if target.subresource:
        request["subResource"] = request["requestSubResource"] = target.subresource
    kept = {k: v for k, v in request.items() if v != "" or k in ("name",)}
    return {"kind": "AdmissionReview", "apiVersion": REVIEW, "request": kept}


def kind_of(resource: Resource) -> Document:
    """A GroupVersionKind."""
    return {"group": resource.group, "version": resource.gv.version, "kind": resource.kind}


def resource_of(resource: Resource) -> Document:
    """A GroupVersionResource."""
    return {
        "group": resource.group,
        "version": resource.gv.version,
        "resource": resource.plural,
    }


def versioned(resource: Resource, own: Resource, obj: Document | None) -> Document | None:
    """An object in the version that a webhook's rules name."""
    if obj is None:
        return None
    if resource is own and obj.get("apiVersion") == str(resource.gv):
        return obj
    stored = obj
    if obj.get("apiVersion") == str(own.gv) and resource is not own and not own.custom:
        stored = own.strategy.decode(copied(obj), [])
    return resource.strategy.on_read(stored)


def checked(answer: Any, uid: str, *, mutating: bool) -> Document:
    """``VerifyAdmissionResponse``."""
    invalid = "received invalid webhook response: "
    if not isinstance(answer, dict) or not isinstance(answer.get("response"), dict):
        raise CallError(f"{invalid}webhook response was absent")
    response: Document = answer["response"]
    if response.get("uid") != uid:
        raise CallError(f'{invalid}expected response.uid="{uid}", got "{response.get("uid", "")}"')
    actual = (answer.get("apiVersion"), answer.get("kind"))
    if actual != (REVIEW, "AdmissionReview"):
        wanted = f"{REVIEW}, Kind=AdmissionReview"
        raise CallError(
            f"{invalid}expected webhook response of {wanted}, got {actual[0]}, Kind={actual[1]}"
        )
    patch, patch_type = response.get("patch"), response.get("patchType")
    if not mutating and (patch or patch_type):
        name = "patch" if patch else "patchType"
        raise CallError(f"{invalid}validating webhook may not return response.{name}")
    if bool(patch) != bool(patch_type):
        has, lacks = ("patch", "patchType") if patch else ("patchType", "patch")
        raise CallError(f"{invalid}webhook returned response.{has} but not response.{lacks}")
    if patch_type and patch_type != "JSONPatch":
        raise CallError(f'unsupported patch type "{patch_type}"')
    return response


def refusal(name: str, status: Document) -> errors.ApiError:
    """``ToStatusErr``."""
    denied = f'admission webhook "{name}" denied the request'
    if status.get("message"):
        text = f"{denied}: {status['message']}"
    elif status.get("reason"):
        text = f"{denied}: {status['reason']}"
    else:
        text = f"{denied} without explanation"
    code = max(int(status.get("code") or 0), 400)
    return errors.ApiError(code, status.get("reason", ""), text, status.get("details"))
