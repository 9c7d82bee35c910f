"""BGP end to end: what peers and advertisements have beyond MetalLB's, on what BIRD believes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab import objects
from metallb_lab.fabric import NODE_ASN
from support.lone_router import SECONDS, LoneRouter
from support.waiting import until_it

if TYPE_CHECKING:
    from metallb_lab.routers.model import RouterSession
    from support.routed import Routed
    from support.site import Site

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]

ALL = ("n1", "n2", "n3")


async def announced(routed: Routed, **attributes: Any) -> str:
    """Have a Service announced; gives its prefix."""
    await routed.pool()
    await routed.advertise(**attributes)
    await routed.service()
    return f"{routed.ipv4(1)}/32"


async def test_med_and_prepending_are_announced_and_changed(routed: Routed) -> None:
    prefix = await announced(routed, med=5, prepend=2, extendedCommunities=["rt:64500:9"])
    await routed.heard(
        prefix, ALL, as_is=lambda route: (route.med, route.as_path) == (5, (NODE_ASN,) * 3)
    )
    await routed.heard(
        prefix, ALL, as_is=lambda route: route.extended_communities == ("rt 64500:9",)
    )
    await routed.change(med=0, prepend=None)
    await routed.heard(
        prefix, ALL, as_is=lambda route: (route.med, route.as_path) == (0, (NODE_ASN,))
    )


async def test_a_router_with_ttl_security_hears_a_peer_that_has_it_too(routed: Routed) -> None:
    prefix = await announced(routed)
    async with LoneRouter(routed, "ttl security on;") as router:
        await router.peer(ttlSecurityHops=1)
        await router.up()
        await routed.heard(prefix, ALL, by=router.bird)


def is_waiting(session: RouterSession | None) -> bool:
    """An OPEN may come through before the router has set its limit; no KEEPALIVE does."""
    return session is not None and session.state in ("OpenSent", "OpenConfirm")


async def test_and_is_deaf_to_one_that_has_not(routed: Routed) -> None:
    """It takes the connection, and drops whatever comes on it, also the end of it."""
    async with LoneRouter(routed, "ttl security on;") as router:
        await router.peer()
        for node in routed.scene.cluster.topology.nodes:
            await router.bird.session(node.ipv4, is_waiting, SECONDS)


async def test_roles_that_agree_open_a_session_and_others_do_not(routed: Routed) -> None:
    prefix = await announced(routed)
    async with LoneRouter(routed, "local role provider; require roles on;") as router:
        await router.peer(role="Provider")

        async def is_refused() -> bool:
            return "ROLE_MISMATCH" in (await router.status()).get("lastError", "")

        await until_it(is_refused, "it is refused")
        await router.peer(role="Customer", strictRole=True)
        await router.up()
        await routed.heard(prefix, ALL, by=router.bird)


async def test_a_peer_that_is_to_dial_us_is_refused_where_nobody_listens(routed: Routed) -> None:
    async with LoneRouter(routed) as router:
        await router.peer(passive=True)

        async def is_refused() -> bool:
            return (await router.status()).get("state") == "Refused"

        await until_it(is_refused, "it is refused")
        assert "NobodyDials" in (await router.status())["lastError"]


async def test_a_restart_under_bfd_keeps_the_routes_where_bfd_is_told_of_it(
    routed: Routed, site: Site
) -> None:
    """The speaker says that BFD ends on purpose; BIRD minds only if it is told to be graceful."""
    scene, cluster = routed.scene, routed.scene.cluster
    prefix = await announced(routed)
    profile = scene.name("bfd")
    await scene.make(
        objects.bfd_profile(profile, receiveInterval=100, transmitInterval=100, detectMultiplier=20)
    )
    async with LoneRouter(routed, "bfd graceful; graceful restart on;") as router:
        await router.peer(enableGracefulRestart=True, bfdProfile=profile)
        await routed.heard(prefix, ALL, by=router.bird)

        async def is_watched() -> bool:
            return (await router.status("n2")).get("bfd") == "Up"

        await until_it(is_watched, "BFD is up")
        await cluster.speakers["n2"].stop()
        await router.down("n2")
        kept = await routed.nodes(router.bird, prefix)
        assert sorted(kept) == sorted(ALL), "the router keeps the routes meanwhile"
        await cluster.start_speaker("n2")
        await router.up("n2")
        await routed.heard(prefix, ALL, by=router.bird)
    await site.heal()
