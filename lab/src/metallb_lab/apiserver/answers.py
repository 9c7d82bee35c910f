"""Answers: bodies, headers, compression."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any

from aiohttp import web
from multidict import CIMultiDict

from metallb_lab.apiserver.documents import encode
from metallb_lab.apiserver.representations import JSON

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_lab.apiserver.errors import ApiError

COMPRESS_FROM_BYTES = 128 * 1024
NO_CACHE = "no-cache, private"


def warning_headers(warnings: Iterable[str]) -> list[tuple[str, str]]:
    """``Warning: 299 - "text"``, one header each."""
    out = []
    for text in warnings:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        out.append(("Warning", f'299 - "{quoted}"'))
    return out


def plain_text(text: str, code: int = 200) -> web.Response:
    """Health checks and the like."""
    return web.Response(text=text, status=code)


def document(value: Any, code: int = 200, content_type: str = JSON) -> web.Response:
    """A JSON document that is small."""
    headers = {"Content-Type": content_type, "Cache-Control": NO_CACHE}
    return web.Response(body=encode(value), status=code, headers=headers)


def failure(error: ApiError, warnings: Iterable[str] = ()) -> web.Response:
    """A Status."""
    headers = CIMultiDict({"Content-Type": JSON, "Cache-Control": NO_CACHE})
    headers.extend(error.headers)
    headers.extend(warning_headers(warnings))
    return web.Response(body=encode(error.status()), status=error.code, headers=headers)


async def answer(
    request: web.Request, body: bytes, code: int = 200, warnings: Iterable[str] = ()
) -> web.Response:
    """A body that may be large: compressed when the client can read that."""
    headers = CIMultiDict({"Content-Type": JSON, "Cache-Control": NO_CACHE})
    headers.extend(warning_headers(warnings))
    accepted = request.headers.get("Accept-Encoding", "")
    if len(body) >= COMPRESS_FROM_BYTES and "gzip" in accepted:
        body = await asyncio.to_thread(gzip.compress, body, 1)
        headers["Content-Encoding"] = "gzip"
        headers["Vary"] = "Accept-Encoding"
    return web.Response(body=body, status=code, headers=headers)
