"""A small NetBox: what its REST API does with IP addresses and tags, as far as we use it.

What we count on is asked of this one by a test, and can be asked of a real one: see
`support.netbox_check`. It also misbehaves, on order: `faults` has one item for each of the next
requests, None for one that is served as usual.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

JsonObject = dict[str, Any]

NOT_UNIQUE = ("anycast", "vip", "vrrp", "hsrp", "glbp", "carp")
"""Roles of addresses of which there may be several."""

ROLES = (*NOT_UNIQUE, "loopback", "secondary", "", None)
STATUSES = ("active", "reserved", "deprecated", "dhcp", "slaac")
HOSTNAME = re.compile(r"([0-9A-Za-z_-]+|\*)(\.[0-9A-Za-z_-]+)*\.?")


@dataclass(frozen=True)
class Fault:
    """How a request goes wrong: an answer with a status, or none at all.

    `is_done`: what was asked for is done before, and only the answer is lost.
    """

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    is_done: bool = False
    body: bytes = b""


@dataclass
class NetBoxServer:
    """The server; `addresses` and `tags` are its objects by ID."""

    token: str = "0123456789abcdef0123456789abcdef01234567"
    page_limit: int = 1000
    addresses: dict[int, JsonObject] = field(default_factory=dict)
    tags: dict[int, JsonObject] = field(default_factory=dict)
    vrfs: dict[int, JsonObject] = field(default_factory=dict)
    faults: deque[Fault | None] = field(default_factory=deque)
    requests: list[str] = field(default_factory=list)
    is_down: bool = False
    before: Callable[[web.Request], None] | None = None
    url: str = ""
    _numbers: int = 0
    _runner: web.AppRunner | None = None

    async def start(
        self, tls: ssl.SSLContext | None = None, listening: socket.socket | None = None
    ) -> None:
        """Begin to serve, on any port of loopback, or on a socket that is bound already."""
        app = web.Application(middlewares=[self._serve])
        app.router.add_get("/api/ipam/ip-addresses/", self._list_addresses)
        app.router.add_post("/api/ipam/ip-addresses/", self._create_address)
        app.router.add_get(r"/api/ipam/ip-addresses/{id:\d+}/", self._get_address)
        app.router.add_patch(r"/api/ipam/ip-addresses/{id:\d+}/", self._patch_address)
        app.router.add_delete(r"/api/ipam/ip-addresses/{id:\d+}/", self._delete_address)
        app.router.add_get("/api/extras/tags/", self._list_tags)
        app.router.add_post("/api/extras/tags/", self._create_tag)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        bound = listening or socket.create_server(("127.0.0.1", 0))
        await web.SockSite(self._runner, bound, ssl_context=tls).start()
        host, port = bound.getsockname()
        self.url = f"{'http' if tls is None else 'https'}://{host}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    # -- what people do in it ----------------------------------------------------------------------

    def put(self, address: str, vrf: int | None = None, **rest: Any) -> JsonObject:
        """Enter an address as somebody else would."""
        self._numbers += 1
        found = {
            "id": self._numbers, "address": address, "vrf": vrf, "status": "active", "role": None,
            "description": "", "dns_name": "", "tags": [], **rest,
        }  # fmt: skip
        self.addresses[self._numbers] = found
        return found

    def tagged(self, slug: str) -> dict[str, JsonObject]:
        """Give the addresses that have a tag, by their text without a mask."""
        return {
            item["address"].partition("/")[0]: item
            for item in self.addresses.values()
            if slug in item["tags"]
        }

    # -- requests ----------------------------------------------------------------------------------

    @web.middleware
    async def _serve(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        if self.before is not None:
            self.before(request)
        fault = Fault() if self.is_down else self.faults.popleft() if self.faults else None
        if fault is not None and not fault.is_done:
            return self._fail(request, fault)
        if request.headers.get("Authorization") != f"Token {self.token}":
            return web.json_response({"detail": "Invalid token"}, status=403)
        try:
            response: web.StreamResponse = await handler(request)
        except _InvalidError as error:
            response = web.json_response(error.args[0], status=400)
        except web.HTTPNotFound:
            detail = {"detail": "No IPAddress matches the given query."}
            response = web.json_response(detail, status=404)
        return response if fault is None else self._fail(request, fault)

    @staticmethod
    def _fail(request: web.Request, fault: Fault) -> web.Response:
        if fault.status is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=fault.status, headers=dict(fault.headers), body=fault.body)

    def _page(self, request: web.Request, found: list[JsonObject]) -> web.Response:
        limit = min(int(request.query.get("limit", 50)) or self.page_limit, self.page_limit)
        offset = int(request.query.get("offset", 0))
        following = None
        if offset + limit < len(found):
            rest = [(k, v) for k, v in request.query.items() if k not in ("limit", "offset")]
            query = urlencode([*rest, ("limit", limit), ("offset", offset + limit)])
            following = f"{self.url}{request.path}?{query}"
        page = found[offset : offset + limit]
        return web.json_response(
            {"count": len(found), "next": following, "previous": None, "results": page}
        )

    # -- addresses ---------------------------------------------------------------------------------

    async def _list_addresses(self, request: web.Request) -> web.Response:
        query = request.query
        parents = [ipaddress.ip_network(item, strict=False) for item in query.getall("parent", [])]
        tags, vrfs = query.getall("tag", []), query.getall("vrf_id", [])
        if unknown := set(tags) - {tag["slug"] for tag in self.tags.values()}:
            raise _InvalidError({"tag": [f"Select a valid choice. {min(unknown)} is not one."]})
        found = [
            self._shown(item)
            for number, item in sorted(self.addresses.items())
            if all(tag in item["tags"] for tag in tags)
            and (not vrfs or str(item["vrf"] or "null") in vrfs)
            and (not parents or any(_is_within(item, parent) for parent in parents))
        ]
        return self._page(request, found)

    def _found(self, request: web.Request) -> JsonObject:
        found = self.addresses.get(int(request.match_info["id"]))
        if found is None:
            raise web.HTTPNotFound
        return found

    async def _get_address(self, request: web.Request) -> web.Response:
        return web.json_response(self._shown(self._found(request)))

    async def _create_address(self, request: web.Request) -> web.Response:
        body = await request.json()
        if "address" not in body:
            raise _InvalidError({"address": ["This field is required."]})
        made = {
            "address": body["address"], "vrf": None, "status": "active", "role": None,
            "description": "", "dns_name": "", "tags": [],
        }  # fmt: skip
        self._take(made, body)
        self._numbers += 1
        self.addresses[self._numbers] = {"id": self._numbers, **made}
        return web.json_response(self._shown(self.addresses[self._numbers]), status=201)

    async def _patch_address(self, request: web.Request) -> web.Response:
        found = self._found(request)
        made = dict(found)
        self._take(made, await request.json())
        found.update(made)
        return web.json_response(self._shown(found))

    async def _delete_address(self, request: web.Request) -> web.Response:
        del self.addresses[self._found(request)["id"]]
        return web.Response(status=204)

    def _take(self, made: JsonObject, body: JsonObject) -> None:
        """Take in fields as NetBox's serializer and model do; raises _InvalidError."""
        for name in made.keys() & body.keys() - {"id", "tags", "vrf"}:
            made[name] = body[name]
        if body.get("vrf") is not None and body["vrf"] not in self.vrfs:
            raise _InvalidError({"vrf": [f"Related object not found using ID: {body['vrf']}"]})
        made["vrf"] = body.get("vrf", made["vrf"])
        if "tags" in body:
            made["tags"] = [self._slug(item) for item in body["tags"]]
        if len(made["description"]) > 200:
            limit = "Ensure this field has no more than 200 characters."
            raise _InvalidError({"description": [limit]})
        if made["dns_name"] and not HOSTNAME.fullmatch(made["dns_name"]):
            raise _InvalidError({"dns_name": ["Only alphanumeric characters, … are allowed"]})
        made["dns_name"] = made["dns_name"].lower()
        for name, choices in (("status", STATUSES), ("role", ROLES)):
            if made[name] not in choices:
                raise _InvalidError({name: [f"{made[name]} is not a valid choice."]})
        self._refuse_duplicates(made)

    def _refuse_duplicates(self, made: JsonObject) -> None:
        mine = ipaddress.ip_interface(made["address"])
        others = [
            item
            for item in self.addresses.values()
            if item["id"] != made.get("id")
            and item["vrf"] == made["vrf"]
            and ipaddress.ip_interface(item["address"]).ip == mine.ip
        ]
        is_shared = made["role"] in NOT_UNIQUE
        if others and not (is_shared and all(item["role"] in NOT_UNIQUE for item in others)):
            where = "global table" if made["vrf"] is None else f"VRF {made['vrf']}"
            words = f"Duplicate IP address found in {where}: {others[0]['address']}"
            raise _InvalidError({"address": [words]})

    def _slug(self, item: Any) -> str:
        slugs = {tag["slug"] for tag in self.tags.values()}
        if item.get("slug") not in slugs:
            raise _InvalidError(
                {"tags": [f"Related object not found using the provided attributes: {item}"]}
            )
        return str(item["slug"])

    def _shown(self, item: JsonObject) -> JsonObject:
        version = ipaddress.ip_interface(item["address"]).version
        vrf = None if item["vrf"] is None else self.vrfs[item["vrf"]]
        return {
            **item,
            "family": {"value": version, "label": f"IPv{version}"},
            "vrf": vrf,
            "status": {"value": item["status"], "label": item["status"].capitalize()},
            "role": item["role"] and {"value": item["role"], "label": item["role"].upper()},
            "tags": [tag for tag in self.tags.values() if tag["slug"] in item["tags"]],
            "assigned_object": None,
        }

    # -- tags --------------------------------------------------------------------------------------

    async def _list_tags(self, request: web.Request) -> web.Response:
        slugs = request.query.getall("slug", [])
        return self._page(
            request, [tag for tag in self.tags.values() if not slugs or tag["slug"] in slugs]
        )

    async def _create_tag(self, request: web.Request) -> web.Response:
        body = await request.json()
        if any(tag["slug"] == body["slug"] for tag in self.tags.values()):
            raise _InvalidError({"slug": ["tag with this slug already exists."]})
        return web.json_response(self.put_tag(body["slug"], body["name"]), status=201)

    def put_tag(self, slug: str, name: str = "") -> JsonObject:
        """Make a tag."""
        number = len(self.tags) + 1
        self.tags[number] = {"id": number, "name": name or slug, "slug": slug}
        return self.tags[number]


class _InvalidError(Exception):
    """What was sent is not valid: the body of the answer."""


def _is_within(item: JsonObject, parent: Any) -> bool:
    address = ipaddress.ip_interface(item["address"]).ip
    return address.version == parent.version and address in parent
