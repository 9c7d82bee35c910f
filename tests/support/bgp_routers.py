"""What tests with real routers ask of each of them alike: a session, a route, its end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

from metallb_lab.routers.model import Router
from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.prefixes import Prefix
from support.bgp_end import OUR_ASN
from support.cable import NEAR_IPV4

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from interop.conftest import Site
    from metallb_lab.routers.model import RouterRoute
    from support.bgp_end import BgpEnd

ROUTE, OTHER = Prefix.of("192.0.2.1/32"), Prefix.of("192.0.2.2/32")
SIX = Prefix.of("2001:db8::1/128")
PLAIN = RouteAttributes()
RICH = RouteAttributes(
    med=7,
    communities=(64512 << 16 | 1, 64513 << 16 | 2),
    large_communities=((OUR_ASN, 1, 2),),
    extended_communities=(bytes.fromhex("0002fde900000009"),),
    prepend=2,
)
"""A route with every attribute that routers tell of."""

WEIGHTED = RouteAttributes(link_bandwidth=375e6)

AnyRouter = TypeVar("AnyRouter", bound=Router)


@contextlib.asynccontextmanager
async def joined(
    make: Callable[..., AnyRouter], site: Site, text: str, end: BgpEnd, neighbor: str = NEAR_IPV4
) -> AsyncIterator[AnyRouter]:
    """A router that has a session with us, as it says itself."""
    async with make(site.instance, site.namespace, text) as router, end:
        await router.session_up(neighbor)
        await end.up()
        yield router


async def route(router: Router, prefix: Prefix) -> RouterRoute:
    """Wait for a route; gives it."""
    found = await router.routes_are(lambda routes: any(r.prefix == str(prefix) for r in routes))
    return next(item for item in found if item.prefix == str(prefix))


async def gone(router: Router, prefix: Prefix) -> None:
    """Wait until a route is there no more."""
    await router.routes_are(lambda routes: all(r.prefix != str(prefix) for r in routes))
