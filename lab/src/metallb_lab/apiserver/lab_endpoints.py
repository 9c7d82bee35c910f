"""``/lab``: faults to order, history to forget, requests to count; for the separate process.

Only for the admin. ``GET /lab/faults``, ``POST /lab/faults`` with ``{kind, match, count, seconds,
code, retryAfter}``, ``DELETE /lab/faults`` and ``/lab/faults/ID``; ``GET /lab/requests``,
``DELETE /lab/requests``; ``POST /lab/compact``; ``PUT /lab/services`` with
``{"namespace/name": "host:port"}`` tells where webhook Services are reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.answers import document
from metallb_lab.apiserver.documents import decode
from metallb_lab.apiserver.faults import Match

if TYPE_CHECKING:
    from aiohttp import web

    from metallb_lab.apiserver.auth import User
    from metallb_lab.apiserver.server import ApiServer


class LabEndpoints:
    """The admin endpoints of one server."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    async def handle(self, request: web.Request, user: User) -> web.Response:
        """One request below ``/lab``."""
        if not user.admin:
            raise errors.ApiError(403, "Forbidden", "the lab's endpoints are for the admin", {})
        parts = request.path.strip("/").split("/")[1:]
        match request.method, parts:
            case "GET", ["faults"]:
                return document([fault.shown() for fault in self._server.faults])
            case "POST", ["faults"]:
                return self._add(await json_body(request))
            case "DELETE", ["faults"]:
                self._server.faults.clear()
                return document({})
            case "DELETE", ["faults", number] if number.isdigit():
                if not self._server.faults.remove(int(number)):
                    raise errors.ApiError(404, "NotFound", f"no fault {number}", {})
                return document({})
            case "GET", ["requests"]:
                return document(self._requests())
            case "DELETE", ["requests"]:
                self._server.faults.requests.clear()
                return document({})
            case "POST", ["compact"]:
                self._server.store.compact()
                return document({"resourceVersion": str(self._server.store.version)})
            case "PUT", ["services"]:
                return self._services(await json_body(request))
        raise errors.path_not_found()

    def _add(self, body: Any) -> web.Response:
        try:
            fault = self._server.faults.add(
                body["kind"],
                Match(**body.get("match", {})),
                count=body.get("count"),
                seconds=float(body.get("seconds", 0)),
                code=int(body.get("code", 503)),
                retry_after=body.get("retryAfter"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise errors.bad_request(f"not a fault: {error}") from None
        return document(fault.shown(), 201)

    def _requests(self) -> list[dict[str, Any]]:
        return [
            {"user": user, "verb": verb, "resource": resource, "count": count}
            for (user, verb, resource), count in sorted(self._server.faults.requests.items())
        ]

    def _services(self, body: Any) -> web.Response:
        table: dict[tuple[str, str], tuple[str, int]] = {}
        try:
            for service, address in body.items():
                namespace, _, name = service.partition("/")
                host, _, port = address.rpartition(":")
                table[namespace, name] = (host.strip("[]"), int(port))
        except (AttributeError, ValueError) as error:
            raise errors.bad_request(f"not a map of services: {error}") from None
        self._server.callouts.resolver = lambda namespace, name, port: table.get((namespace, name))
        return document({})


async def json_body(request: web.Request) -> Any:
    """A JSON body; 400 for anything else."""
    try:
        return decode(await request.read())
    except ValueError as error:
        raise errors.bad_request(f"not JSON: {error}") from None
