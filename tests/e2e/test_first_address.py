"""A Service gets its address: in status, in the ledger, on the wire, and through kube-proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, IPv6
from scapy.layers.l2 import ARP, Ether

from metallb.api.conditions import ServiceCondition
from metallb_lab import probes
from support.scene import WAIT_SECONDS

if TYPE_CHECKING:
    from support.scene import Scene
    from support.site import Site

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]


async def test_status_ledger_and_wire_agree(site: Site, scene: Scene) -> None:
    cluster = scene.cluster
    await scene.make_class(scene.range4(1, 20))
    await scene.make_service()
    (address,) = await scene.served()

    assert address == scene.ipv4(1)  # the first free one
    service = await cluster.get("Service", scene.name("web"))
    assert service["status"]["loadBalancer"]["ingress"] == [{"ip": address, "ipMode": "VIP"}]
    assert scene.said(ServiceCondition.CLASS) == (
        True, "LoadBalancerClassBound", scene.name("pool"),
    )  # fmt: skip
    assert scene.said(ServiceCondition.ASSIGNED) == (
        True, "AllIPsAssigned", "1 of 1 public IPs were assigned",
    )  # fmt: skip

    node = cluster.announcer(address)
    host = cluster.topology.hosts[node]
    claims = await site.claims(address)
    assert {item.mac for item in claims} == {host.mac()}
    answer = next(item for item in claims if item.is_answer).frame
    assert (answer[Ether].src, answer[ARP].op, answer[ARP].hwsrc) == (host.mac(), 2, host.mac())
    assert (answer[ARP].pdst, answer[ARP].hwdst) == ("10.10.0.100", answer[Ether].dst)

    seen = await scene.http(address)
    assert seen.pod in ("web-1", "web-2", "web-3")
    client = cluster.topology.hosts["client"].namespace
    assert probes.neighbour(client, address) == host.mac()


async def test_ipv6_is_answered_by_a_solicited_advertisement(site: Site, scene: Scene) -> None:
    await scene.make_class(scene.range6(1, 20))
    await scene.make_service(ipFamilies=["IPv6"])
    (address,) = await scene.served()

    host = scene.cluster.topology.hosts[scene.cluster.announcer(address)]
    claims = await site.claims(address)
    assert {item.mac for item in claims} == {host.mac()}
    answer = next(item for item in claims if item.is_answer).frame
    assert (answer[ICMPv6ND_NA].S, answer[ICMPv6ND_NA].tgt) == (1, address)
    assert answer[ICMPv6ND_NA].R == 0  # a VIP is no router
    assert answer[IPv6].hlim == 255
    await scene.http(address)
    client = scene.cluster.topology.hosts["client"].namespace
    assert probes.neighbour(client, address) == host.mac()


async def test_a_new_owner_tells_the_link_unasked(site: Site, scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 1), scene.range6(1, 1))
    begin = len(site.wire.claims)

    def heard(address: str) -> list[str]:
        return [item.mac for item in site.wire.claims[begin:] if item.address == address]

    await scene.make_service(ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4", "IPv6"])
    addresses = await scene.served(2)
    await site.wire.until(lambda: all(len(heard(item)) >= 2 for item in addresses), WAIT_SECONDS)
    for address in addresses:
        assert {site.node_of(mac) for mac in heard(address)} == {scene.cluster.announcer(address)}


@pytest.mark.parametrize("count", [3, 7])
async def test_many_addresses_are_spread_evenly(site: Site, scene: Scene, count: int) -> None:
    """N up to the nodes: all on different nodes; N beyond: at most one more on one than another."""
    await scene.make_class(scene.range4(1, 20))
    await scene.make_service(count=count)
    addresses = await scene.served(count)

    assert addresses == tuple(scene.ipv4(last) for last in range(1, count + 1))
    loads = [list(scene.announcers().values()).count(node) for node in site.nodes]
    assert sum(loads) == count
    assert max(loads) - min(loads) <= 1
    for address in addresses:
        await site.answered_by(address, scene.cluster.announcer(address))
        await scene.http(address)


async def test_more_addresses_than_the_class_has(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 2))
    await scene.make_service(count=3)
    await scene.served(2)
    assert "add a range to the class" in await scene.refused("NoFreeAddress")
    assert scene.said(ServiceCondition.ASSIGNED) == (
        False, "NotAllIPsAssigned", "2 of 3 public IPs were assigned",
    )  # fmt: skip

    await scene.patch_class(addressPool=[scene.range4(1, 3)])
    assert await scene.served(3) == tuple(scene.ipv4(last) for last in (1, 2, 3))
    await scene.until(lambda: scene.reason(ServiceCondition.ASSIGNED) == "AllIPsAssigned")


@pytest.mark.parametrize("text", ["million", "0", "-3", "1000000", "2.5"])
async def test_a_wrong_count_costs_no_address(scene: Scene, text: str) -> None:
    await scene.make_class(scene.range4(1, 20))
    await scene.make_service(count=2)
    before = await scene.served(2)
    await scene.annotate("web", count=text)
    message = await scene.refused("InvalidAddressCount")
    assert text in message
    assert "from 1 to 256" in message
    assert scene.addresses() == before


async def test_deleted_service_releases_its_addresses(site: Site, scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 2))
    await scene.make_service(count=2)
    addresses = await scene.served(2)
    await scene.delete("Service", "web")
    await scene.until(lambda: not any(scene.cluster.vip(item) for item in addresses))
    for address in addresses:
        await site.unanswered(address)

    await scene.make_service("next", count=2)
    assert await scene.served(2, "next") == addresses


async def test_type_change_releases_and_takes_our_words_away(site: Site, scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 2))
    await scene.make_service()
    (address,) = await scene.served()
    await scene.cluster.patch(
        "Service", scene.name("web"),
        {"spec": {"type": "ClusterIP", "loadBalancerClass": None,
                  "allocateLoadBalancerNodePorts": None}},
        "default",
    )  # fmt: skip
    await scene.until(lambda: scene.cluster.vip(address) is None)
    await scene.until(lambda: not scene.reason(ServiceCondition.CLASS))
    await site.unanswered(address)
    service = await scene.cluster.get("Service", scene.name("web"))
    assert service["status"]["loadBalancer"] == {}
    assert not service["status"].get("conditions")
