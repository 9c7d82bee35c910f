"""The HTTP side of resources: one handler for every path under ``/api`` and ``/apis``.

Negotiation, verbs and bodies here; what a verb does is in :mod:`.writes`, :mod:`.deletes`,
:mod:`.lists` and :mod:`.watching`. Faults that were ordered are obeyed on the way in, before a
watch sends, and after a write was done.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.answers import answer, document, failure
from metallb_lab.apiserver.deletes import DeleteOptions
from metallb_lab.apiserver.documents import decode
from metallb_lab.apiserver.faults import Subject
from metallb_lab.apiserver.lists import selection
from metallb_lab.apiserver.patches import (
    APPLY_PATCHES,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    apply_patch,
)
from metallb_lab.apiserver.representations import (
    JSON,
    Representation,
    encode_list,
    encode_object,
    negotiate,
)
from metallb_lab.apiserver.requests import (
    Call,
    Target,
    check_list_options,
    check_write_options,
    is_true,
    parse_query,
)
from metallb_lab.apiserver.store import Key, Stored
from metallb_lab.apiserver.watching import Watch, WatchDropped

if TYPE_CHECKING:
    from metallb_lab.apiserver.auth import User
    from metallb_lab.apiserver.server import ApiServer

LOG = logging.getLogger(__name__)
COLLECTION_VERBS = {"POST": "create", "DELETE": "deletecollection"}
OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
TOO_MANY = "the server has received too many requests and has asked us to try again later"


class ConnectionCut(Exception):  # noqa: N818 - a fault that was ordered, not an error
    """The connection is to be closed without an answer."""


def verb_of(method: str, target: Target, query: dict[str, str]) -> str:
    """Kubernetes' verb for a method; 405 when the path has none."""
    if target.name:
        verb = OBJECT_VERBS.get(method, "")
        subresource = target.subresource
        allowed = target.resource.subresources[subresource] if subresource else None
        if verb and (allowed is None or verb in allowed):
            return verb
    elif method == "GET":
        return "watch" if is_true(query, "watch") else "list"
    elif method in COLLECTION_VERBS and (target.namespace or not target.resource.namespaced):
        return COLLECTION_VERBS[method]
    raise errors.method_not_allowed()


class ResourceHandler:
    """Answers requests on resources."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    async def handle(self, request: web.Request, target: Target, user: User) -> web.StreamResponse:
        """One request."""
        query = parse_query(request.rel_url.raw_query_string)
        call = Call(target, "", user, query, address=request.remote or "")
        for warning in target.resource.strategy.request_warnings():
            call.warn(warning)
        try:
            call.verb = verb_of(request.method, target, query)
            subject = subject_of(request, call)
            self._server.faults.count(subject)
            await self._obey(subject)
            how = negotiate(request.headers.get("Accept", ""), query)
            verb = getattr(self, f"_{call.verb}")
            done: web.StreamResponse = await verb(request, call, how)
        except errors.ApiError as error:
            return failure(error, call.warnings)
        except ConnectionCut:
            return cut(request)
        if request.method != "GET" and self._server.faults.take(subject, "lose-answer"):
            return cut(request)
        return done

    async def _obey(self, subject: Subject) -> None:
        """Faults that come before the request is handled."""
        faults = self._server.faults
        while fault := faults.peek(subject, "partition-hang"):
            await fault.over.wait()
        if faults.take(subject, "partition-reset"):
            raise ConnectionCut
        if fault := faults.take(subject, "latency"):
            await asyncio.sleep(fault.seconds)
        if fault := faults.take(subject, "status"):
            raise ordered_status(fault.code, fault.retry_after)
        if subject.verb == "list" and faults.take(subject, "gone"):
            raise errors.expired("The resourceVersion for the provided list is too old.")

    # ------------------------------------------------------------ reading

    def _find(self, call: Call) -> Stored:
        target = call.target
        table = self._server.store.table(target.resource.table)
        stored = table.get(Key(target.namespace, target.name))
        if stored is None:
            raise target.resource.not_found(target.name)
        return stored

    async def _get(
        self, request: web.Request, call: Call, how: Representation
    ) -> web.StreamResponse:
        await self._server.lister.reach(call.version())
        found = self._find(call)
        await self._server.conversion.prepare(call.resource, [found])
        body = encode_object(call.resource, found, how)
        return await answer(request, body, warnings=call.warnings)

    async def _list(
        self, request: web.Request, call: Call, how: Representation
    ) -> web.StreamResponse:
        check_list_options(call, watch=False)
        page = await self._server.lister.page(call)
        body = encode_list(call.resource, page.items, page.metadata, how)
        return await answer(request, body, warnings=call.warnings)

    async def _watch(
        self, request: web.Request, call: Call, how: Representation
    ) -> web.StreamResponse:
        check_list_options(call, watch=True)
        server = self._server
        watch = Watch(
            server.store,
            server.conversion,
            call,
            selection(call),
            how,
            faults=server.faults,
            subject=subject_of(request, call),
            bookmark_seconds=server.bookmark_seconds,
        )
        response = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache"})
        for warning in call.warnings:
            response.headers.add("Warning", f'299 - "{warning}"')
        response.enable_chunked_encoding()
        await response.prepare(request)
        server.watches.add(watch)
        try:
            async for chunk in watch.chunks():
                if chunk:
                    await response.write(chunk)
        except WatchDropped:
            raise ConnectionCut from None
        except ConnectionError:
            raise
        except Exception:  # too late for a Status: the answer has begun
            LOG.exception("watch of %s", request.path_qs)
            raise ConnectionCut from None
        finally:
            server.watches.discard(watch)
        await response.write_eof()
        return response

    # ------------------------------------------------------------ writing

    async def _create(
        self, request: web.Request, call: Call, how: Representation
    ) -> web.StreamResponse:
        check_write_options(call, "CreateOptions")
        body = await read_body(request)
        parsed = parse_body(body, call)
        stored = await self._server.writer.create(call, parsed, body)
        return await self._written(request, call, stored, how, 201)

    async def _update(
        self, request: web.Request, call: Call, how: Representation
    ) -> web.StreamResponse:
        check_write_options(call, "UpdateOptions")
        body = await read_body(request)
        parsed = parse_body(body, call)
        stored, created = await self._server.writer.update(call, parsed, body)
        return await self._written(request, call, stored, how, 201 if created else 200)

    async def _patch(
        self, request: web.Request, call: Call, how: Representation
    ) -> web.StreamResponse:
        check_write_options(call, "PatchOptions")
        kind = patch_kind(request, call)
        body = await request.read()
        shape = call.resource.strategy.shape if kind == STRATEGIC_PATCH else None
        stored = await self._server.writer.patch(
            call, partial(apply_patch, kind, body, shape=shape)
        )
        return await self._written(request, call, stored, how, 200)

    async def _written(
        self,
        request: web.Request,
        call: Call,
        stored: Stored,
        how: Representation,
        code: int,
    ) -> web.Response:
        await self._server.conversion.prepare(call.resource, [stored])
        body = encode_object(call.resource, stored, how)
        return await answer(request, body, code, call.warnings)

    # ------------------------------------------------------------ deleting

    async def _delete(
        self, request: web.Request, call: Call, how: Representation
    ) -> web.StreamResponse:
        options = await delete_options(request, call)
        current = self._find(call)
        uid = current.value["metadata"]["uid"]
        done = await self._server.deleter.delete(call, current, options)
        if not done.gone or call.resource.strategy.returns_deleted:
            return await self._written(request, call, done.stored, how, 200)
        resource = call.resource
        details = errors.named(call.target.name, resource.group, resource.plural) | {"uid": uid}
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return document(status | {"details": details})

    async def _deletecollection(
        self, request: web.Request, call: Call, how: Representation
    ) -> web.StreamResponse:
        options = await delete_options(request, call)
        check_list_options(call, watch=False)
        page = await self._server.lister.page(call)
        table = self._server.store.table(call.resource.table)
        for stored in page.items:
            current = table.get(stored.key)
            if current is not None:
                target = Target(call.resource, stored.key.namespace, stored.key.name)
                one = Call(target, "delete", call.user, call.query, call.warnings)
                await self._server.deleter.delete(one, current, options)
        body = encode_list(call.resource, page.items, page.metadata, how)
        return await answer(request, body, warnings=call.warnings)


# ---------------------------------------------------------------- requests


def subject_of(request: web.Request, call: Call) -> Subject:
    """What fault matchers look at."""
    resource = call.resource
    return Subject(
        user=call.user.name,
        token=request.headers.get("Authorization", "").rpartition(" ")[2],
        address=call.address,
        verb=call.verb,
        resource=errors.qualified(resource.plural, resource.group),
        namespace=call.target.namespace,
        name=call.target.name,
    )


async def read_body(request: web.Request) -> bytes:
    """The body of a create or update, which must be JSON."""
    kind = request.headers.get("Content-Type", JSON).partition(";")[0].strip()
    if kind not in (JSON, "", "*/*"):
        raise errors.unsupported_media_type([JSON], kind)
    return await request.read()


def parse_body(body: bytes, call: Call) -> Any:
    """An object; 400 for anything else."""
    try:
        parsed = decode(body)
    except ValueError as error:
        shown = body[:200].decode(errors="replace") if body else "<empty>"
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {call.resource.kind}): couldn't "
            f"get version/kind; json parse error: {error} ({shown})"
        ) from None
    if not isinstance(parsed, dict):
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {call.resource.kind}): couldn't "
            "get version/kind; json parse error: not a JSON object"
        )
    return parsed


def patch_kind(request: web.Request, call: Call) -> str:
    """The patch's media type; server-side apply is not one of ours."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip()
    accepted = [JSON_PATCH, MERGE_PATCH]
    if not call.resource.custom:
        accepted.append(STRATEGIC_PATCH)
    if kind in APPLY_PATCHES:
        error = errors.unsupported_media_type(accepted, kind)
        error.message = f"the embedded API server does not do server-side apply; {error.message}"
        raise error
    if kind not in accepted:
        raise errors.unsupported_media_type(accepted, kind)
    return kind


async def delete_options(request: web.Request, call: Call) -> DeleteOptions:
    """From the body, if there is one, and the query."""
    check_write_options(call, "DeleteOptions")
    body = await request.read()
    parsed: Any = None
    if body:
        try:
            parsed = decode(body)
        except ValueError as error:
            raise errors.bad_request(f"error decoding DeleteOptions: {error}") from None
    return DeleteOptions.read(parsed, call)


def ordered_status(code: int, retry_after: int | None) -> errors.ApiError:
    """A fault's answer."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    details = {} if retry_after is None else {"retryAfterSeconds": retry_after}
    if code == 429:
        return errors.ApiError(429, "TooManyRequests", TOO_MANY, details, headers=headers)
    reason = {503: "ServiceUnavailable", 504: "Timeout"}.get(code, "InternalError")
    return errors.ApiError(code, reason, "a fault was ordered", details, headers=headers)


def cut(request: web.Request) -> web.Response:
    """Closes the connection at once; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
