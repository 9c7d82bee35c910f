"""The embedded API server: all parts put together, on sockets of this process.

Use it in a test as ``async with ApiServer() as server``; ``server.url`` and
``server.kubeconfig()`` are for clients, ``server.faults`` and ``server.store`` for the test
itself. ``python -m metallb_lab.apiserver`` is the same as a process of its own.
"""

from __future__ import annotations

import base64
import logging
import platform
import ssl
from typing import TYPE_CHECKING, Self

from aiohttp import web

from metallb_lab.apiserver import discovery, errors, openapi
from metallb_lab.apiserver.answers import answer, document, failure, plain_text
from metallb_lab.apiserver.auth import ADMIN_GROUP, Authenticator, User
from metallb_lab.apiserver.bootstrap import bootstrap
from metallb_lab.apiserver.callouts import Callouts
from metallb_lab.apiserver.conversion import Conversion
from metallb_lab.apiserver.custom.definition import definition_resource
from metallb_lab.apiserver.definitions import Definitions
from metallb_lab.apiserver.deletes import Deleter
from metallb_lab.apiserver.documents import encode
from metallb_lab.apiserver.faults import Faults
from metallb_lab.apiserver.handler import ResourceHandler
from metallb_lab.apiserver.kinds import builtin_resources
from metallb_lab.apiserver.kinds.service_allocation import ServiceAllocation
from metallb_lab.apiserver.lab_endpoints import LabEndpoints
from metallb_lab.apiserver.lists import Lister
from metallb_lab.apiserver.registry import Registry
from metallb_lab.apiserver.requests import Target, parse_target
from metallb_lab.apiserver.store import HISTORY_LIMIT, Store
from metallb_lab.apiserver.tables import give_columns
from metallb_lab.apiserver.watching import BOOKMARK_SECONDS, Watch
from metallb_lab.apiserver.webhooks import Admission
from metallb_lab.apiserver.writes import Writer

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from metallb_lab.apiserver.resources import Resource

VERSION = {
    "major": "1",
    "minor": "35",
    "emulationMajor": "1",
    "emulationMinor": "35",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "34",
    "gitVersion": "v1.35.4+lab",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": f"python{platform.python_version()}",
    "compiler": "cpython",
    "platform": "linux/amd64",
}
HEALTH = ("/healthz", "/livez", "/readyz")
LOG = logging.getLogger(__name__)
BODY_LIMIT = 3 * 1024 * 1024
KEEPALIVE_SECONDS = 300.0
SERVICE_CIDRS = ("10.96.0.0/12", "fd96::/108")
NODE_PORTS = (30000, 32767)


class ApiServer:
    """One server: its objects, its clients, its faults."""

    def __init__(
        self,
        *,
        auth: Authenticator | None = None,
        service_cidrs: tuple[str, ...] = SERVICE_CIDRS,
        node_ports: tuple[int, int] = NODE_PORTS,
        history_limit: int = HISTORY_LIMIT,
        bookmark_seconds: float = BOOKMARK_SECONDS,
        tls_dir: Path | None = None,
    ) -> None:
        self.auth = auth or Authenticator()
        self.store = Store(history_limit)
        self.faults = Faults()
        self.bookmark_seconds = bookmark_seconds
        self.watches: set[Watch] = set()
        allocation = ServiceAllocation(service_cidrs, node_ports)
        builtin = [*builtin_resources(allocation), definition_resource()]
        give_columns(builtin)
        self.registry = Registry(builtin)
        self.callouts = Callouts()
        self.conversion = Conversion(self.callouts)
        admission = Admission(self.store, self.registry, self.callouts, self.conversion)
        self.lister = Lister(self.store, self.conversion)
        self.writer = Writer(self.store, admission, self.conversion)
        self.deleter = Deleter(self.store, admission)
        self._definitions = Definitions(self.store, self.registry, self._withdrawn)
        self._resources = ResourceHandler(self)
        self._lab = LabEndpoints(self)
        self._tls_dir = tls_dir
        self._runner: web.AppRunner | None = None
        self._addresses: list[tuple[str, int]] = []
        self._openapi: dict[str, tuple[int, bytes]] = {}
        bootstrap(self.registry, self.store, service_cidrs)

    # ------------------------------------------------------------ life

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listens on an address (port 0 picks one); may be called for several."""
        runner = await self._started()
        site = web.TCPSite(runner, host, port, ssl_context=self._tls())
        await site.start()
        return self._listening(runner)

    async def listen_on(self, listener: socket.socket) -> tuple[str, int]:
        """Listens on a socket that somebody else made, such as inside a network namespace."""
        listener.setblocking(False)
        runner = await self._started()
        await web.SockSite(runner, listener, ssl_context=self._tls()).start()
        return self._listening(runner)

    async def stop(self) -> None:
        """Ends watches and connections."""
        self.faults.clear()
        for watch in tuple(self.watches):
            watch.finish()
        await self.callouts.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _started(self) -> web.AppRunner:
        if self._runner is None:
            self._runner = web.AppRunner(
                self.application(),
                access_log=None,
                handler_cancellation=True,
                keepalive_timeout=KEEPALIVE_SECONDS,
                shutdown_timeout=1.0,
            )
            await self._runner.setup()
        return self._runner

    def _listening(self, runner: web.AppRunner) -> tuple[str, int]:
        self._addresses = [(str(a[0]), int(a[1])) for a in runner.addresses]
        return self._addresses[-1]

    def _tls(self) -> ssl.SSLContext | None:
        if self._tls_dir is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._tls_dir / "cert.pem", self._tls_dir / "key.pem")
        return context

    # ------------------------------------------------------------ for clients

    @property
    def url(self) -> str:
        """Where the first listener is."""
        host, port = self._addresses[0]
        scheme = "https" if self._tls_dir is not None else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def admin_token(self) -> str:
        """A token of the admin, made now unless there is one; "" when none is needed."""
        for token, user in self.auth.tokens.items():
            if ADMIN_GROUP in user.groups:
                return token
        return self.auth.add("admin", ADMIN_GROUP) if self.auth.tokens else ""

    def kubeconfig(self, token: str | None = None) -> str:
        """A kubeconfig for a token, the admin's by default."""
        ca = ""
        if self._tls_dir is not None:
            encoded = base64.b64encode((self._tls_dir / "ca.pem").read_bytes()).decode()
            ca = f", certificate-authority-data: {encoded}"
        secret = self.admin_token() if token is None else token
        user = f"{{token: {secret}}}" if secret else "{}"
        return (
            "apiVersion: v1\nkind: Config\nclusters:\n- name: lab\n"
            f'  cluster: {{server: "{self.url}"{ca}}}\n'
            f"users:\n- name: lab\n  user: {user}\n"
            "contexts:\n- name: lab\n  context: {cluster: lab, user: lab}\ncurrent-context: lab\n"
        )

    # ------------------------------------------------------------ requests

    def application(self) -> web.Application:
        """The server as an aiohttp application."""
        app = web.Application(client_max_size=BODY_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        try:
            user = self.auth.identify(request.headers.get("Authorization", ""), path)
            if path.startswith("/api"):
                target = parse_target(path, self.registry)
                if target is not None:
                    return await self._resources.handle(request, target, user)
            if path.startswith("/lab/"):
                return await self._lab.handle(request, user)
            return await self._other(request, path, user)
        except errors.ApiError as error:
            return failure(error)
        except web.HTTPRequestEntityTooLarge:
            text = f"Request entity too large: limit is {BODY_LIMIT}"
            return failure(errors.ApiError(413, "RequestEntityTooLarge", text))
        except Exception as error:
            if isinstance(error, (web.HTTPException, ConnectionError)):
                raise
            LOG.exception("%s %s", request.method, request.path_qs)
            return failure(errors.internal(f"{type(error).__name__}: {error}"))

    async def _other(self, request: web.Request, path: str, user: User) -> web.StreamResponse:
        """Paths that are no resource's."""
        self._refuse_unserved(path)
        if request.method not in ("GET", "HEAD"):
            raise errors.path_not_found()
        path = path.rstrip("/") or "/"
        if path.startswith(HEALTH):
            return plain_text("ok")
        if path == "/version":
            return document(VERSION)
        if path.startswith("/openapi"):
            return await self._serve_openapi(request, path)
        if path == "/":
            return document({"paths": ["/api", "/apis", "/healthz", "/openapi/v3", "/version"]})
        return self._serve_discovery(request, path)

    def _refuse_unserved(self, path: str) -> None:
        """Paths that the real server has and this one does not: 501, so that nobody is misled."""
        parts = path.strip("/").split("/")
        if len(parts) < 3 or parts[0] not in ("api", "apis"):
            return
        parent = parse_target(path.rpartition("/")[0], self.registry)
        if isinstance(parent, Target) and parent.name and not parent.subresource:
            known = {"scale", "token", "exec", "log", "attach", "portforward", "proxy", "eviction",
                     "binding", "ephemeralcontainers", "resize", "approval"}  # fmt: skip
            if parts[-1] in known:
                raise errors.not_implemented(f"the subresource {parts[-1]}")

    def _serve_discovery(self, request: web.Request, path: str) -> web.Response:
        groups = self.registry.groups()
        aggregated = discovery.wants_aggregated(request.headers.get("Accept", ""))
        if path in ("/api", "/apis") and aggregated:
            found = discovery.aggregated(self.registry, core=path == "/api")
            return document(found, content_type=discovery.AGGREGATED_TYPE)
        if path == "/api":
            return document(discovery.api_versions())
        if path == "/apis":
            return document(discovery.api_group_list(self.registry))
        parts = path.strip("/").split("/")
        if parts == ["api", "v1"]:
            return document(discovery.api_resource_list("v1", self.registry.of_version("", "v1")))
        if len(parts) == 2 and parts[0] == "apis" and parts[1] in groups:
            head = {"kind": "APIGroup", "apiVersion": "v1"}
            return document(head | discovery.api_group(parts[1], groups[parts[1]]))
        if len(parts) == 3 and parts[0] == "apis" and parts[2] in groups.get(parts[1], []):
            listed = self.registry.of_version(parts[1], parts[2])
            return document(discovery.api_resource_list(f"{parts[1]}/{parts[2]}", listed))
        raise errors.path_not_found()

    async def _serve_openapi(self, request: web.Request, path: str) -> web.Response:
        accept = request.headers.get("Accept", "")
        if accept and not any(kind in accept for kind in ("json", "*/*", "application/*")):
            raise errors.not_acceptable(["application/json"])
        body = self._openapi_body(path)
        return await answer(request, body)

    def _openapi_body(self, path: str) -> bytes:
        """Documents are put together at the first request and after each change of the registry."""
        cached = self._openapi.get(path)
        if cached is not None and cached[0] == self.registry.revision:
            return cached[1]
        parts = path.strip("/").split("/")[1:]
        match parts:
            case ["v3"]:
                found = openapi.index(self.registry)
            case ["v2"]:
                found = openapi.document_v2(self.registry)
            case ["v3", "api", version]:
                found = self._openapi_v3("", version)
            case ["v3", "apis", group, version]:
                found = self._openapi_v3(group, version)
            case _:
                raise errors.path_not_found()
        body = encode(found)
        self._openapi[path] = (self.registry.revision, body)
        return body

    def _openapi_v3(self, group: str, version: str) -> dict[str, object]:
        resources = self.registry.of_version(group, version)
        if not resources:
            raise errors.path_not_found()
        return openapi.document_v3(resources)

    # ------------------------------------------------------------ CRDs that go

    def _withdrawn(self, gone: list[Resource]) -> None:
        """Ends the watches of resources that are no longer served."""
        for watch in tuple(self.watches):
            if watch.call.resource in gone:
                watch.finish()


def make_tls_dir(directory: Path, hosts: list[str]) -> None:
    """Certificates in a directory, unless they are there."""
    from metallb_lab.apiserver import certificates  # only here: it takes 0.07 s to import

    if not (directory / "cert.pem").exists():
        names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        addresses = {h for h in hosts if h not in ("0.0.0.0", "::")} | {"127.0.0.1", "::1"}
        certificates.write_serving(directory, names, sorted(addresses))
