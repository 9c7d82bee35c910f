"""BGP end to end: metallb.md §8.7, its numbers in the names, on what BIRD and FRR believe.

Both routers have one session with each node, which all tests share; a test changes routes, not
peers. What changes peers is in `test_bgp_peers.py`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab import objects, probes
from metallb_lab.objects import BGP_SESSIONS, NAMESPACE, SERVICE_BGP_STATUSES
from support.site import EXCLUDE_LABEL
from support.waiting import until_it

if TYPE_CHECKING:
    from metallb_lab.routers.model import RouterRoute
    from support.routed import Routed

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]

ALL = ("n1", "n2", "n3")


async def answers(routed: Routed, address: str, behind: str = "bird") -> set[str]:
    """Ask a VIP often enough through a router; gives the nodes of the pods that answered."""
    namespace = routed.fabric.clients[behind]
    found: set[str] = set()
    for _ in range(40):
        async with asyncio.timeout(20):
            while True:
                try:
                    answer = await asyncio.to_thread(probes.http_get, namespace, address, 80, 1.0)
                    break
                except (OSError, ValueError):
                    await asyncio.sleep(0.05)
        found.add(answer.node)
        if len(found) == len(ALL):
            break
    return found


async def test_51_all_nodes_are_next_hops_and_clients_reach_all_pods(routed: Routed) -> None:
    await routed.pool()
    await routed.advertise()
    await routed.service()
    await routed.both_heard(f"{routed.ipv4(1)}/32", ALL)
    assert await answers(routed, routed.ipv4(1)) == set(ALL)
    assert await answers(routed, routed.ipv4(1), "frr") == set(ALL)


async def test_51_with_local_only_nodes_with_pods_are_next_hops(routed: Routed) -> None:
    scene = routed.scene
    await routed.pool()
    await routed.advertise()
    await scene.make_pod("a", "n1", "own")
    await routed.service(app=scene.name("own"), externalTrafficPolicy="Local")
    await routed.both_heard(f"{routed.ipv4(1)}/32", ["n1"])
    await scene.make_pod("b", "n3", "own")
    await routed.both_heard(f"{routed.ipv4(1)}/32", ["n1", "n3"])
    await scene.cluster.set_pod_ready(scene.name("a"), is_ready=False)
    await routed.both_heard(f"{routed.ipv4(1)}/32", ["n3"])


async def test_a_node_is_a_next_hop_only_when_its_kube_proxy_knows_the_pod(
    routed: Routed,
) -> None:
    scene, cluster = routed.scene, routed.scene.cluster
    await routed.pool()
    await routed.advertise()
    await scene.make_pod("a", "n3", "own")
    await routed.service(app=scene.name("own"), externalTrafficPolicy="Local")
    prefix = f"{routed.ipv4(1)}/32"
    await routed.both_heard(prefix, ["n3"])
    with cluster.stalled_proxy("n1"):
        await scene.make_pod("b", "n1", "own")

        async def waits() -> bool:
            return 'metallb_bgp_silent_vips{reason="kubeProxyNotReady"}' in await metrics(routed)

        await until_it(waits, "n1 has the pod and waits for kube-proxy")
        assert not cluster.rules_know(scene.name("b"), "n1")
        await routed.change(communities=["64500:1"])  # what is said after that has no n1 either
        await routed.heard(prefix, ["n3"], as_is=lambda item: item.communities == ("64500:1",))
        await routed.both_heard(prefix, ["n3"])
    await routed.heard(prefix, ["n1", "n3"])
    assert await asyncio.to_thread(cluster.rules_know, scene.name("b"), "n1")
    found = await metrics(routed)
    assert 'metallb_bgp_silent_vips{reason="kubeProxyNotReady"}' not in found


async def test_peers_may_hear_how_many_endpoints_a_node_has(routed: Routed) -> None:
    scene = routed.scene
    await routed.pool()
    await routed.advertise(weightByEndpoints=True)
    for number, node in enumerate(("n1", "n3", "n3")):
        await scene.make_pod(f"p{number}", node, "own")
    await routed.service(app=scene.name("own"), externalTrafficPolicy="Local")

    def weighs(route: RouterRoute) -> bool:
        count = {"n1": 1, "n3": 2}[routed.node_of(route.next_hop)]
        return f"LB:64500:{count * 125_000_000}" in route.extended_communities

    await routed.heard(f"{routed.ipv4(1)}/32", ["n1", "n3"], by=routed.frr, as_is=weighs)


async def test_51_a_requested_address_of_either_family(routed: Routed) -> None:
    await routed.pool(f"{routed.ipv4(0)}/28", f"{routed.ipv6(0)}/124")
    await routed.advertise()
    wanted = f"{routed.ipv4(7)},{routed.ipv6(9)}"
    notes = {"metallb.io/loadBalancerIPs": wanted}
    await routed.service(annotations=notes, ipFamilyPolicy="RequireDualStack")
    await routed.both_heard(f"{routed.ipv4(7)}/32", ALL)
    await routed.both_heard(f"{routed.ipv6(9)}/128", ALL)


async def test_53_a_node_that_may_not_disappears_from_the_next_hops_and_returns(
    routed: Routed,
) -> None:
    await routed.pool()
    await routed.advertise()
    await routed.service()
    prefix = f"{routed.ipv4(1)}/32"
    await routed.both_heard(prefix, ALL)
    cluster = routed.scene.cluster
    try:
        await cluster.label("n2", **{EXCLUDE_LABEL: "true"})
        await routed.bird.until(
            lambda: _asks_for_other_ways(routed, prefix, "n2"), lambda: "n2 asks for other ways"
        )
        await routed.both_heard(prefix, ["n1", "n3"])
    finally:
        await cluster.label("n2", **{EXCLUDE_LABEL: None})
    await routed.both_heard(prefix, ALL)


async def _asks_for_other_ways(routed: Routed, prefix: str, node: str) -> bool:
    """RFC 8326: the routes are there still, with the community that says so."""
    found = (await routed.nodes(routed.bird, prefix)).get(node)
    return found is not None and found.communities == ("65535:0",)


async def test_54_two_services_on_one_address(routed: Routed) -> None:
    await routed.pool()
    await routed.advertise()
    notes = {"metallb.io/allow-shared-ip": "key"}
    await routed.service("one", annotations=notes, ports=(("TCP", 80),))
    await routed.service("two", annotations=notes, ports=(("TCP", 8080),))
    await routed.both_heard(f"{routed.ipv4(1)}/32", ALL)
    scene = routed.scene
    await scene.until(lambda: scene.addresses("one") == scene.addresses("two") != ())
    await scene.delete("Service", "one")
    await scene.until(lambda: not scene.addresses("one"))
    await routed.both_heard(f"{routed.ipv4(1)}/32", ALL)
    await scene.delete("Service", "two")
    await routed.both_heard(f"{routed.ipv4(1)}/32", [])


async def test_56_statuses_say_who_announces_to_whom(routed: Routed) -> None:
    await routed.pool()
    await routed.advertise()
    await routed.service()
    cluster, name = routed.scene.cluster, routed.scene.name("web")

    async def statuses() -> dict[str, list[str]]:
        pages = [page.items async for page in cluster.client.list_pages(SERVICE_BGP_STATUSES)]
        found = [item.get("status", {}) for items in pages for item in items]
        return {item["node"]: item["peers"] for item in found if item.get("serviceName") == name}

    async def all_say() -> bool:
        return await statuses() == {node: ["bird", "frr"] for node in ALL}

    await until_it(all_say, "each node says both peers")
    vip = cluster.vip(routed.ipv4(1))
    assert vip is not None
    assert {item.node: item.peers for item in vip.status.bgp} == dict.fromkeys(ALL, ("bird", "frr"))
    await routed.change(peers=["frr"])

    async def one_peer() -> bool:
        return await statuses() == {node: ["frr"] for node in ALL}

    await until_it(one_peer, "only the named peer is left")
    await routed.scene.delete("Service", "web")

    async def none() -> bool:
        return await statuses() == {}

    await until_it(none, "they go with the Service")


async def test_56_sessions_can_be_read(routed: Routed) -> None:
    client = routed.scene.cluster.client

    async def established() -> bool:
        pages = [page.items async for page in client.list_pages(BGP_SESSIONS)]
        states = {
            (item["spec"]["node"], item["spec"]["peer"]): item.get("status", {}).get("state")
            for items in pages
            for item in items
        }
        return states == {(node, peer): "Established" for node in ALL for peer in ("bird", "frr")}

    await until_it(established, "six sessions are established, and no others are there")


async def test_57_bfd_is_up_with_the_profiles_timers_and_services_do_not_flap_it(
    routed: Routed,
) -> None:
    async def all_up() -> bool:
        of_bird, of_frr = await routed.bird.bfd(), await routed.frr.bfd()
        return all(item.is_up for item in (*of_bird.values(), *of_frr.values()))

    await routed.frr.until(all_up, lambda: "BFD is up on both routers")
    before = {name: item.raw for name, item in (await routed.frr.bfd()).items()}
    assert {item["remote-transmit-interval"] for item in before.values()} == {300}
    assert {item["remote-receive-interval"] for item in before.values()} == {300}
    assert {item["remote-detect-multiplier"] for item in before.values()} == {10}
    await routed.pool()
    await routed.advertise()
    await routed.service()
    await routed.both_heard(f"{routed.ipv4(1)}/32", ALL)
    await routed.change(communities=["64500:1"])
    await routed.heard(
        f"{routed.ipv4(1)}/32", ALL, as_is=lambda route: route.communities == ("64500:1",)
    )
    after = {name: item.raw for name, item in (await routed.frr.bfd()).items()}
    assert {name: item["id"] for name, item in after.items()} == {
        name: item["id"] for name, item in before.items()
    }
    assert all(item["uptime"] >= before[name]["uptime"] for name, item in after.items())


async def test_58_pools_that_are_added_keep_earlier_addresses(routed: Routed) -> None:
    await routed.pool(f"{routed.ipv4(1)}-{routed.ipv4(1)}", name="one")
    await routed.advertise("one", "one")
    await routed.service("a", "one")
    await routed.both_heard(f"{routed.ipv4(1)}/32", ALL)
    await routed.pool(f"{routed.ipv4(2)}-{routed.ipv4(2)}", name="two")
    await routed.advertise("two", "two")
    await routed.service("b", "two")
    await routed.both_heard(f"{routed.ipv4(2)}/32", ALL)
    await routed.both_heard(f"{routed.ipv4(1)}/32", ALL)


async def test_59_attributes_are_those_of_the_advertisement_and_follow_its_edits(
    routed: Routed,
) -> None:
    scene = routed.scene
    await scene.make(objects.community(scene.name("names"), **{scene.name("c"): "64500:42"}))
    await routed.pool(labels=None)
    await routed.advertise(
        communities=["64500:1", "large:64500:2:3", scene.name("c")], localPref=77
    )
    await routed.service()
    prefix = f"{routed.ipv4(1)}/32"

    def said(route: RouterRoute) -> bool:
        return (route.communities, route.large_communities) == (
            ("64500:1", "64500:42"), ("64500:2:3",),
        )  # fmt: skip

    await routed.heard(prefix, ALL, as_is=said)
    await routed.heard(prefix, ALL, by=routed.frr, as_is=said)
    found = await routed.nodes(routed.frr, prefix)
    assert {route.as_path for route in found.values()} == {(64500,)}
    assert {route.local_pref for route in found.values()} == {None}, "of internal peers only"

    await routed.change(communities=["64500:9"], aggregationLength=24)
    wide = f"{routed.ipv4(0)}/24"
    await routed.heard(wide, [], by=routed.frr)  # it would be wider than the pool's range
    await routed.heard(prefix, ALL, as_is=lambda route: route.communities == ("64500:9",))


async def test_59_two_advertisements_of_one_prefix_unite_their_communities(routed: Routed) -> None:
    await routed.pool(f"{routed.ipv4(0)}/24", f"{routed.ipv6(0)}/112")
    await routed.advertise("one", communities=["64500:1"], aggregationLength=24)
    await routed.advertise(
        "two", communities=["64500:2"], aggregationLength=24, aggregationLengthV6=124
    )
    await routed.service(ipFamilyPolicy="RequireDualStack")
    united = ("64500:1", "64500:2")
    await routed.heard(f"{routed.ipv4(0)}/24", ALL, as_is=lambda item: item.communities == united)
    await routed.heard(
        f"{routed.ipv6(0)}/124", ALL, as_is=lambda item: item.communities == united[1:]
    )
    await routed.heard(
        f"{routed.ipv6(0)}/128", ALL, as_is=lambda item: item.communities == united[:1]
    )
    await routed.change("one", aggregationLength=32)
    await routed.heard(
        f"{routed.ipv4(0)}/32", ALL, as_is=lambda item: item.communities == united[:1]
    )
    await routed.heard(
        f"{routed.ipv4(0)}/24", ALL, as_is=lambda item: item.communities == united[1:]
    )


async def test_60_routes_of_the_peer_are_not_installed(routed: Routed) -> None:
    prefix = f"10.61.{routed.scene.number}.0/24"
    await routed.frr.configure(
        "router bgp 64502", "no bgp network import-check",
        "address-family ipv4 unicast", f"network {prefix}",
    )  # fmt: skip
    try:

        async def sent() -> bool:
            found = await routed.frr.vtysh(
                "show bgp ipv4 unicast neighbors 10.10.0.11 advertised-routes"
            )
            return prefix in found

        await until_it(sent, "FRR announces it to the node")
        await routed.pool()
        await routed.advertise()
        await routed.service()  # what comes after it on the session has been dealt with
        await routed.heard(f"{routed.ipv4(1)}/32", ALL, by=routed.frr)
        table = routed.scene.cluster.topology.hosts["n1"].run("ip", "route", "show", "table", "all")
        assert prefix.removesuffix("/24") not in table
    finally:
        await routed.frr.configure(
            "router bgp 64502", "address-family ipv4 unicast", f"no network {prefix}",
        )  # fmt: skip


async def test_62_by_arp_and_by_bgp_at_once(routed: Routed) -> None:
    scene = routed.scene
    address = scene.ipv4(200)
    await routed.pool(f"{address}-{address}")
    await routed.advertise()
    await scene.make(
        objects.l2_advertisement(scene.name("l2"), ipAddressPools=[scene.name("pool")])
    )
    await routed.service()
    await routed.both_heard(f"{address}/32", ALL)
    await scene.until(lambda: scene.cluster.announcer(address) in ALL)
    answer = await scene.http(address)
    assert answer.node in ALL


async def test_64_named_peers_hear_it_alone(routed: Routed) -> None:
    await routed.pool()
    await routed.advertise("one", peers=["bird"], communities=["64500:1"])
    await routed.service()
    prefix = f"{routed.ipv4(1)}/32"
    await routed.heard(prefix, ALL)
    await routed.heard(prefix, [], by=routed.frr)
    await routed.advertise("two", peers=["frr"], communities=["64500:2"])
    await routed.heard(
        prefix, ALL, by=routed.frr, as_is=lambda route: route.communities == ("64500:2",)
    )
    await routed.heard(prefix, ALL, as_is=lambda route: route.communities == ("64500:1",))
    await routed.change("one", peers=None)
    await routed.heard(
        prefix, ALL, by=routed.frr,
        as_is=lambda route: route.communities == ("64500:1", "64500:2"),
    )  # fmt: skip


async def test_65_node_selectors_of_advertisements(routed: Routed) -> None:
    scene = routed.scene
    label = f"test/t{scene.number}"

    def chosen(value: str) -> dict[str, Any]:
        return {"nodeSelectors": [{"matchLabels": {label: value}}]}

    cluster = scene.cluster
    try:
        await cluster.label("n1", **{label: "a"})
        await cluster.label("n2", **{label: "b"})
        await routed.pool()
        await routed.advertise("one", **chosen("a"))
        await routed.service()
        prefix = f"{routed.ipv4(1)}/32"
        await routed.both_heard(prefix, ["n1"])
        await routed.advertise("two", **chosen("b"))
        await routed.both_heard(prefix, ["n1", "n2"])
        await cluster.label("n3", **{label: "b"})
        await routed.both_heard(prefix, ALL)
        await routed.change("two", **chosen("nobody"))
        await routed.both_heard(prefix, ["n1"])
    finally:
        for node in ALL:
            await cluster.label(node, **{label: None})


async def test_66_service_selectors_of_advertisements(routed: Routed) -> None:
    scene = routed.scene
    await routed.pool(f"{routed.ipv4(0)}/24")
    await routed.advertise("wide", aggregationLength=24)
    await routed.advertise(
        "host", communities=["64500:5"],
        serviceSelectors=[{"matchLabels": {"kind": "host"}}, {"matchLabels": {"kind": "other"}}],
    )  # fmt: skip
    await routed.service("a")
    await routed.service("b")
    host_a, host_b = f"{routed.ipv4(0)}/32", f"{routed.ipv4(1)}/32"
    await routed.both_heard(f"{routed.ipv4(0)}/24", ALL)
    await scene.cluster.patch(
        "Service", scene.name("b"), {"metadata": {"labels": {"kind": "host"}}}, "default"
    )
    await routed.heard(host_b, ALL, as_is=lambda route: route.communities == ("64500:5",))
    await routed.heard(host_a, [])
    await scene.cluster.patch(
        "Service", scene.name("b"), {"metadata": {"labels": {"kind": None}}}, "default"
    )
    await routed.both_heard(host_b, [])
    await routed.both_heard(f"{routed.ipv4(0)}/24", ALL)


async def test_conflicting_local_preferences_are_not_announced(routed: Routed) -> None:
    await routed.pool()
    await routed.advertise("one", localPref=100)
    await routed.service()
    prefix = f"{routed.ipv4(1)}/32"
    await routed.both_heard(prefix, ALL)
    await routed.advertise("two", localPref=200)
    await routed.both_heard(prefix, [])
    cluster = routed.scene.cluster

    def says_why() -> bool:
        vip = cluster.vip(routed.ipv4(1))
        reasons = {item.reason for item in vip.status.bgp} if vip is not None else set()
        return reasons == {"conflictingAdvertisements"}

    await routed.scene.until(says_why, "each node says why in the VIP's status")
    assert routed.ipv4(1) in await routed.scene.event("web", "conflictingAdvertisements")
    found = await metrics(routed)
    assert found['metallb_bgp_silent_vips{reason="conflictingAdvertisements"}'] == 1
    await routed.scene.cluster.delete("BGPAdvertisement", routed.scene.name("two"), NAMESPACE)
    await routed.both_heard(prefix, ALL)


async def test_in_deckhouses_dialect(routed: Routed) -> None:
    """The peers are those of metallb.io; the pool and what is announced are Deckhouse's."""
    scene = routed.scene
    await scene.make(objects.load_balancer_pool(scene.name("edge"), [f"{routed.ipv4(0)}/29"]))
    notes = {"network.deckhouse.io/load-balancer-pool": scene.name("edge")}
    await scene.make_service("web", None, annotations=notes)
    await scene.until(lambda: scene.addresses() != ())
    await routed.both_heard(f"{routed.ipv4(0)}/32", [])


async def test_67_metrics_are_under_metallbs_names(routed: Routed) -> None:
    before = await metrics(routed)
    peers = {"10.10.0.1:179", "10.10.0.2:179"}
    of_peer = [f'{{peer="{peer}",vrf=""}}' for peer in sorted(peers)]
    found = [name for name in before if name.startswith("metallb_bgp_session_up")]
    labels = [name.removeprefix("metallb_bgp_session_up") for name in found]
    assert sorted(labels) == of_peer
    assert {before[name] for name in found} == {1.0}
    await routed.pool()
    await routed.advertise()
    await routed.service()
    await routed.both_heard(f"{routed.ipv4(1)}/32", ALL)
    after = await metrics(routed)
    for label in labels:
        prefixes = f"metallb_bgp_announced_prefixes_total{label}"
        assert after[prefixes] == before[prefixes] + 1
        updates = f"metallb_bgp_updates_total{label}"
        assert after[updates] > before[updates]
        for name in ("opens_sent", "opens_received", "keepalives_sent", "total_received"):
            assert after[f"metallb_bgp_{name}{label}"] >= 1
        assert after[f"metallb_bgp_pending_prefixes_total{label}"] == 0
    assert after_of(after, "metallb_bfd_session_up") == {1.0}
    name = f"default/{routed.scene.name('web')}"
    told = [item for item in after if "speaker_announced" in item and name in item]
    assert [('protocol="bgp"' in item) for item in told] == [True]
    await routed.scene.delete("Service", "web")
    await routed.both_heard(f"{routed.ipv4(1)}/32", [])
    last = await metrics(routed)
    assert not [item for item in last if "speaker_announced" in item and name in item]


def after_of(found: dict[str, float], name: str) -> set[float]:
    """Give the values of all series of a name."""
    return {value for item, value in found.items() if item.startswith(name + "{")}


async def metrics(routed: Routed) -> dict[str, float]:
    """Read the metrics of n1's speaker, by series."""
    host = routed.scene.cluster.topology.hosts["n1"]
    url = "http://127.0.0.1:7474/metrics"
    text = await asyncio.to_thread(host.run, "curl", "-sf", "--max-time", "10", url)
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}
