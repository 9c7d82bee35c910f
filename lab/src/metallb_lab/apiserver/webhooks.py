"""Admission webhooks: asked over HTTPS with ``AdmissionReview`` v1.

Mutating ones run one after the other and may answer with a JSON patch; validating ones run side by
side. A Service in a configuration is reached through a resolver that the lab sets (no cluster
network here); the certificate is still checked against ``<service>.<namespace>.svc``.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import jsonpatch
from jsonpointer import JsonPointerException

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.documents import copied, decode, encode
from metallb_lab.apiserver.webhook_rules import Invocation, relevant

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.registry import Registry
    from metallb_lab.apiserver.requests import Call
    from metallb_lab.apiserver.resources import Resource
    from metallb_lab.apiserver.store import Store

    Resolver = Callable[[str, str, int], tuple[str, int] | None]

REVIEW = "admission.k8s.io/v1"
OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}
MUTATING, VALIDATING = "mutatingwebhookconfigurations", "validatingwebhookconfigurations"


class CallError(Exception):
    """A webhook could not be asked, or gave no usable answer."""


class Admission:
    """Finds and calls the webhooks of a request."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._session: aiohttp.ClientSession | None = None
        self.resolver: Resolver = lambda namespace, name, port: None

    async def close(self) -> None:
        """Closes connections to webhooks."""
        if self._session is not None:
            await self._session.close()
            self._session = None

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
        review = make_review(hook, call, operation, new, old)
        uid = review["request"]["uid"]
        try:
            answer = await self._post(hook, review)
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

    async def _post(self, hook: Invocation, review: Document) -> Any:
        seconds = float(hook.hook.get("timeoutSeconds", 10))
        client = hook.hook["clientConfig"]
        url, shown, server_name = self._address(client)
        separator = "&" if "?" in url else "?"
        url, shown = (f"{u}{separator}timeout={seconds:.0f}s" for u in (url, shown))
        if self._session is None:
            self._session = aiohttp.ClientSession()
        try:
            async with self._session.post(
                url,
                data=encode(review),
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                ssl=trust(client.get("caBundle", "")),
                server_hostname=server_name,
                timeout=aiohttp.ClientTimeout(total=seconds),
                allow_redirects=False,
            ) as answer:
                body = await answer.read()
                if answer.status != 200:
                    text = body.decode(errors="replace")[:200]
                    why = f"an error on the server ({text!r}) has prevented the request"
                    raise CallError(f"failed to call webhook: {why} from succeeding")
                return decode(body)
        except TimeoutError:
            why = "context deadline exceeded"
            raise CallError(f'failed to call webhook: Post "{shown}": {why}') from None
        except (aiohttp.ClientError, ssl.SSLError, OSError) as error:
            raise CallError(f'failed to call webhook: Post "{shown}": {error}') from None
        except ValueError as error:
            raise CallError(f"received invalid webhook response: {error}") from None

    def _address(self, client: Document) -> tuple[str, str, str | None]:
        """Where to connect, how to call it in messages, and the name that TLS must prove."""
        if url := client.get("url"):
            return str(url), str(url), urlsplit(str(url)).hostname
        service = client["service"]
        name, namespace, port = service["name"], service["namespace"], service.get("port", 443)
        path = "/" + str(service.get("path", "")).lstrip("/")
        host = f"{name}.{namespace}.svc"
        shown = f"https://{host}:{port}{path}"
        found = self.resolver(namespace, name, port)
        if found is None:
            why = f'service "{name}" not found'
            raise CallError(f'failed to call webhook: Post "{shown}": {why}')
        address = f"[{found[0]}]" if ":" in found[0] else found[0]
        return f"https://{address}:{found[1]}{path}", shown, host


def hooks_after(hooks: list[Invocation], hook: Invocation, names: list[str]) -> bool:
    """Whether any of some webhooks comes after one."""
    at = hooks.index(hook)
    return any(other.name in names for other in hooks[at + 1 :])


@lru_cache(maxsize=64)
def trust(bundle: str) -> ssl.SSLContext:
    """A context that trusts a caBundle; the system's authorities without one."""
    if not bundle:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cadata=base64.b64decode(bundle).decode())
    except (ValueError, ssl.SSLError) as error:
        raise CallError(f"unable to load root certificates: {error}") from None


# ---------------------------------------------------------------- the review


def make_review(
    hook: Invocation, call: Call, operation: str, new: Document | None, old: Document | None
) -> Document:
    """The AdmissionReview that a webhook gets."""
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
        "object": versioned(resource, target.resource, new),
        "oldObject": versioned(resource, target.resource, old),
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
