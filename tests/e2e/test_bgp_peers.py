"""BGP end to end: what peers are like (metallb.md §8.7), each test with a router of its own."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

import pytest

from metallb_lab import netns, objects
from metallb_lab.fabric import NODE_ASN
from metallb_lab.objects import NAMESPACE
from metallb_lab.probes import Prober
from support.lone_router import ASN, LoneRouter
from support.site import lost
from support.waiting import until, until_it

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from metallb_lab.probes import ProbeResult
    from support.routed import Routed
    from support.site import Site

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]

ALL = ("n1", "n2", "n3")


async def announced(routed: Routed) -> str:
    """Have a Service announced; gives its prefix."""
    await routed.pool(f"{routed.ipv4(0)}/29", f"{routed.ipv6(0)}/125")
    await routed.advertise()
    await routed.service(ipFamilyPolicy="RequireDualStack")
    return f"{routed.ipv4(0)}/32"


async def test_55_a_router_id_and_a_local_asn(routed: Routed) -> None:
    prefix = await announced(routed)
    async with LoneRouter(routed, node_asn=65_009) as router:
        await router.peer(routerID="192.0.2.77", localASN=65_009)
        session = await router.up()
        assert "192.0.2.77" in session.raw
        await routed.heard(
            prefix, ALL, by=router.bird, as_is=lambda route: route.as_path == (65_009,)
        )


async def test_55_a_password_from_a_secret_changes_without_a_restart(routed: Routed) -> None:
    scene = routed.scene
    prefix = await announced(routed)
    secret = scene.name("secret")
    await scene.make(objects.password_secret(secret, "first-Pa55"))
    async with LoneRouter(routed, 'password "first-Pa55";') as router:
        await router.peer(passwordSecret={"name": secret})
        await routed.heard(prefix, ALL, by=router.bird)
        await scene.cluster.patch(
            "Secret", secret, {"stringData": {"password": "second-Pa55"}}, NAMESPACE
        )
        await router.bird.configure(router.configuration('password "second-Pa55";'))

        async def is_again() -> bool:
            found = await router.status()
            return bool(found.get("establishedCount", 0) >= 2 and found["state"] == "Established")

        await until_it(is_again, "a session by the new password")
        await routed.heard(prefix, ALL, by=router.bird)
        logs = [process.log.read_text() for process in scene.cluster.speakers.values()]
        assert not any("Pa55" in text for text in logs)
        await scene.cluster.delete("Secret", secret, NAMESPACE)
        await router.down()

        async def is_told() -> bool:
            return "PasswordSecretNotFound" in (await router.status()).get("lastError", "")

        await until_it(is_told, "the session's object says what is missing")


@pytest.mark.parametrize(("kind", "is_up"), [("external", True), ("internal", False)])
async def test_55_a_dynamic_asn(routed: Routed, kind: str, *, is_up: bool) -> None:
    prefix = await announced(routed)
    async with LoneRouter(routed) as router:
        await router.peer(peerASN=0, dynamicASN=kind)
        if is_up:
            await routed.heard(prefix, ALL, by=router.bird)
            return

        async def is_refused() -> bool:
            return "BAD_PEER_AS" in (await router.status()).get("lastError", "")

        await until_it(is_refused, "an external router is none of our AS")
        assert await routed.nodes(router.bird, prefix) == {}


async def test_57_bfd_that_goes_down_ends_the_session(routed: Routed) -> None:
    """The node notices after 2 s, and says why; the router would notice after 50 s. Where both may
    be the first, a router that is tells us with a NOTIFICATION, and BIRD's does not say why.
    """
    prefix = await announced(routed)
    scene = routed.scene
    await scene.make(
        objects.bfd_profile(scene.name("bfd"), receiveInterval=100, transmitInterval=1000,
                            detectMultiplier=50)
    )  # fmt: skip
    async with LoneRouter(routed, "bfd on;") as router:
        await router.peer(bfdProfile=scene.name("bfd"))
        await routed.heard(prefix, ALL, by=router.bird)
        node = scene.cluster.topology.hosts["n1"]

        async def is_up() -> bool:
            found = (await router.bird.bfd()).get(node.ipv4)
            return found is not None and found.is_up

        def is_told() -> bool:
            return f"peer {router.name}: NOTIFICATION sent in Established: CEASE/BFD_DOWN" in (
                scene.cluster.speakers["n1"].log.read_text()
            )

        def is_heard() -> bool:
            return "n1v4: Received: " in router.bird.processes[0].log.read_text()

        await router.bird.until(is_up, lambda: "BFD is up")
        assert not is_heard()
        with without_bfd(node.namespace, router.host.ipv4):
            await until(is_told, "the node ends the session, and says why")
            await until(is_heard, "the router is told")
        await routed.heard(prefix, ALL, by=router.bird)


@contextlib.contextmanager
def without_bfd(namespace: str, address: str) -> Iterator[None]:
    """Drop all BFD between a namespace and an address."""
    chains = "\n".join(
        f"chain {hook} {{\ntype filter hook {hook} priority 0\n"
        f"ip {side} {address} udp dport 3784 drop\n}}"
        for hook, side in (("input", "saddr"), ("output", "daddr"))
    )
    enter = ("ip", "netns", "exec", namespace, "nft")
    netns.run(*enter, f"table inet silence {{\n{chains}\n}}")
    try:
        yield
    finally:
        netns.run(*enter, "delete table inet silence")


async def test_61_timers_change_and_the_port_is_179(routed: Routed) -> None:
    prefix = await announced(routed)
    async with LoneRouter(routed, "hold time 240;") as router:
        await router.peer(holdTime="180s", keepaliveTime="60s")
        await routed.heard(prefix, ALL, by=router.bird)
        assert "/180" in (await router.up()).raw
        await router.peer(holdTime="30s", keepaliveTime="10s")

        async def is_thirty() -> bool:
            found = (await router.bird.sessions()).get(
                routed.scene.cluster.topology.hosts["n1"].ipv4
            )
            return found is not None and found.is_up and "/30" in found.raw

        await router.bird.until(is_thirty, lambda: "the hold time is 30 s")

        async def is_told() -> bool:
            found = await router.status()
            return (found.get("holdTimeSeconds"), found.get("keepaliveTimeSeconds")) == (30, 10)

        await until_it(is_told, "the session's object says so")


@pytest.mark.parametrize(
    ("version", "dual", "families"), [(4, False, {4}), (6, False, {6}), (6, True, {4, 6})]
)
async def test_63_families_over_sessions_of_either(
    routed: Routed, version: int, families: set[int], *, dual: bool
) -> None:
    prefixes = {4: await announced(routed), 6: f"{routed.ipv6(0)}/128"}
    session = "ipv4 { import all; export none; extended next hop on; };" if dual else ""
    async with LoneRouter(routed) as router:
        if session:
            text = router.configuration("").replace("ipv4 { import all; export none; };", session)
            await router.bird.configure(text)
        address = router.host.ipv4 if version == 4 else router.host.ipv6
        await router.peer(peerAddress=address, dualStackAddressFamily=dual)
        await router.up(version=version)
        for family in sorted(families):
            await routed.heard(prefixes[family], ALL, by=router.bird)
        for family in {4, 6} - families:
            assert await routed.nodes(router.bird, prefixes[family]) == {}


async def test_65_node_selectors_of_peers(routed: Routed) -> None:
    prefix = await announced(routed)
    async with LoneRouter(routed) as router:
        chosen = {"matchLabels": {"kubernetes.io/hostname": "n2"}}
        await router.peer(nodeSelectors=[chosen])
        await routed.heard(prefix, ["n2"], by=router.bird)
        await router.peer(nodeSelectors=None)
        await routed.heard(prefix, ALL, by=router.bird)
        await routed.scene.cluster.delete("BGPPeer", router.name, NAMESPACE)
        await routed.heard(prefix, [], by=router.bird)

        async def is_gone() -> bool:
            return await router.status() == {}

        await until_it(is_gone, "the session's object is gone too")


async def test_in_deckhouses_dialect(routed: Routed) -> None:
    scene = routed.scene
    async with LoneRouter(routed) as router:
        await scene.make(objects.load_balancer_pool(scene.name("edge"), [f"{routed.ipv4(0)}/29"]))
        await scene.make(
            objects.load_balancer_peer(scene.name("tor"), router.host.ipv4, NODE_ASN, ASN)
        )
        await scene.make(
            objects.load_balancer_configuration(
                scene.name("one"), [scene.name("edge")], peers=[scene.name("tor")],
                node_selector={"kubernetes.io/hostname": "n3"}, communities=["64500:3"],
                localPref=5,
            )
        )  # fmt: skip
        notes = {"network.deckhouse.io/load-balancer-pool": scene.name("edge")}
        await scene.make_service("web", None, annotations=notes)
        found = await routed.heard(f"{routed.ipv4(0)}/32", ["n3"], by=router.bird)
        assert found["n3"].communities == ("64500:3",)


@contextlib.asynccontextmanager
async def probed(router: LoneRouter, address: str) -> AsyncIterator[dict[str, ProbeResult]]:
    """Ask a VIP over and over from the router itself."""
    results: dict[str, ProbeResult] = {}
    prober = Prober(sys.executable, router.host.namespace, [(address, 80)], 0.01)
    await prober.start()
    try:
        yield results
    finally:
        results.update(await prober.stop())


async def test_52_a_graceful_restart_of_a_speaker_loses_nothing(routed: Routed, site: Site) -> None:
    prefix = await announced(routed)
    cluster = routed.scene.cluster
    kernel = "graceful restart on;"
    async with LoneRouter(routed, kernel) as router:
        text = router.configuration(kernel) + (
            "protocol kernel { ipv4 { export where source = RTS_BGP; }; merge paths on; }\n"
        )
        await router.bird.configure(text)
        await router.peer(enableGracefulRestart=True)
        await routed.heard(prefix, ALL, by=router.bird)
        await site.has_rules(routed.ipv4(0))
        async with probed(router, routed.ipv4(0)) as results:
            await asyncio.sleep(0)
            await cluster.speakers["n2"].stop()
            await router.down("n2")
            kept = await routed.nodes(router.bird, prefix)
            assert sorted(kept) == sorted(ALL), "the router keeps the routes meanwhile"
            await cluster.start_speaker("n2")
            await router.up("n2")
            await routed.heard(prefix, ALL, by=router.bird)
        await site.heal()
        assert {address: lost(item) for address, item in results.items()} == {routed.ipv4(0): 0}
        assert results[routed.ipv4(0)].sent > 10
