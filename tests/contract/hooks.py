"""An HTTPS server that plays admission webhooks, and what tests tell it to answer."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from contract.api import Document, config_map, eventually
from metallb_lab.apiserver.certificates import write_serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contract.api import Api

GROUP = "/apis/admissionregistration.k8s.io/v1"


@dataclass
class Hooks:
    """The server; ``calls`` has every review of a path."""

    directory: Path
    answers: dict[str, Callable[[Document], Any]] = field(default_factory=dict)
    calls: dict[str, list[Document]] = field(default_factory=dict)
    port: int = 0
    _runner: web.AppRunner | None = None
    _sockets: list[Any] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        write_serving(self.directory, ["localhost", "hook.lab.svc"], ["127.0.0.1"])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.directory / "cert.pem", self.directory / "key.pem")
        app = web.Application()
        app.router.add_post("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        server = self._runner.server
        assert server is not None
        await self._runner.cleanup()
        await shaken()
        for item in server.connections:
            self._note(item.transport)
        for item in self._sockets:  # else they wait for the other side's end of TLS
            with contextlib.suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)
        for _turn in range(5):  # connections are closed by the loop's next turns
            await asyncio.sleep(0)

    def _note(self, transport: asyncio.Transport | None) -> None:
        if transport is not None:
            self._sockets.append(transport.get_extra_info("socket"))

    async def _handle(self, request: web.Request) -> web.Response:
        self._note(request.transport)
        review = await request.json()
        path = request.match_info["path"]
        self.calls.setdefault(path, []).append(review)
        answer: Any = self.answers.get(path, allow)(review["request"])
        if isinstance(answer, web.Response):
            return answer
        if hasattr(answer, "__await__"):
            answer = await answer
        if "response" not in answer:
            answer = {"response": {"uid": review["request"]["uid"], **answer}}
        head = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        done = web.json_response(head | answer)
        done.force_close()  # nothing is left open when the test is over
        return done

    def requests(self, path: str) -> list[Document]:
        return [call["request"] for call in self.calls.get(path, [])]

    def client_config(self, path: str) -> Document:
        bundle = base64.b64encode((self.directory / "ca.pem").read_bytes()).decode()
        return {"url": f"https://127.0.0.1:{self.port}/{path}", "caBundle": bundle}


async def shaken() -> None:
    """Waits for TLS handshakes that have begun; those that are cut off leave open sockets."""
    tasks = [t for t in asyncio.all_tasks() if "_accept_connection" in repr(t.get_coro())]
    if tasks:
        await asyncio.wait(tasks, timeout=20)


def allow(request: Document) -> Document:
    return {"allowed": True}


def patch(*operations: Document) -> Document:
    """The answer of a mutating webhook."""
    encoded = base64.b64encode(json.dumps(list(operations)).encode()).decode()
    return {"allowed": True, "patch": encoded, "patchType": "JSONPatch"}


def rule(resource: str, *operations: str, group: str = "", version: str = "v1") -> Document:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "resources": [resource],
        "operations": list(operations or ("CREATE", "UPDATE")),
    }


class Configuration:
    """A webhook configuration for one namespace, in force when the block begins."""

    def __init__(self, api: Api, hooks: Hooks, kind: str, *webhooks: Document) -> None:
        self._api = api
        self._hooks = hooks
        self._plural = f"{kind.lower()}webhookconfigurations"
        self._name = f"{kind.lower()}-{api.namespace}"
        own = {"matchLabels": {"kubernetes.io/metadata.name": api.namespace}}
        made = []
        for index, hook in enumerate(webhooks):
            path = hook.pop("path", f"{kind.lower()}-{index}")
            made.append(
                {
                    "name": f"h{index}.lab.example.com",
                    "clientConfig": hooks.client_config(path),
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                    "namespaceSelector": own,
                    "timeoutSeconds": 5,
                    **hook,
                }
            )
        made.insert(
            0,
            {
                **made[0],
                "name": "probe.lab.example.com",
                "clientConfig": hooks.client_config("probe"),
                "rules": [rule("configmaps", "CREATE")],
                "objectSelector": {"matchLabels": {"probe": "yes"}},
                "failurePolicy": "Fail",
                "timeoutSeconds": 5,
                "matchPolicy": "Exact",
                "namespaceSelector": own,
            },
        )
        made[0].pop("reinvocationPolicy", None)
        self._body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{kind}WebhookConfiguration",
            "metadata": {"name": self._name},
            "webhooks": made,
        }

    async def __aenter__(self) -> Self:
        (await self._api.post(f"{GROUP}/{self._plural}", self._body)).ok(201)
        before = len(self._hooks.calls.get("probe", []))

        async def in_force() -> bool:
            body = config_map("probe", labels={"probe": "yes"})
            await self._api.post(f"{self._api.core}/configmaps", body, dryRun="All")
            return len(self._hooks.calls.get("probe", [])) > before

        await eventually(in_force)
        self._hooks.calls.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        (await self._api.delete(f"{GROUP}/{self._plural}/{self._name}")).ok()
