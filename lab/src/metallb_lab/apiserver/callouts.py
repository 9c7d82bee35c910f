"""How the server calls webhooks, for admission and for conversion: HTTPS, a caBundle, a deadline.

A Service in a configuration is reached through a resolver that the lab sets (no cluster network
here); the certificate is still checked against ``<service>.<namespace>.svc``.
"""

from __future__ import annotations

import base64
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from metallb_lab.apiserver.documents import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_lab.apiserver.documents import Document

    Resolver = Callable[[str, str, int], tuple[str, int] | None]


class CallError(Exception):
    """A webhook could not be asked, or gave no usable answer."""


class Callouts:
    """Posts reviews, over connections that are kept."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self.resolver: Resolver = lambda namespace, name, port: None

    async def close(self) -> None:
        """Closes connections to webhooks."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, client: Document, review: Document, seconds: float) -> Any:
        """The JSON that a ``clientConfig`` answers with; ``CallError`` when there is none."""
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


@lru_cache(maxsize=64)
def trust(bundle: str) -> ssl.SSLContext:
    """A context that trusts a caBundle; the system's authorities without one."""
    if not bundle:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cadata=base64.b64decode(bundle).decode())
    except (ValueError, ssl.SSLError) as error:
        raise CallError(f"unable to load root certificates: {error}") from None
