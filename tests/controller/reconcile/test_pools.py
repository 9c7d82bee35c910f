"""Services that pools serve: addresses, ledger, orders and words, over the whole reconciler."""

from __future__ import annotations

from typing import Any

import pytest

from metallb.api.services import ALLOCATED_FROM_ANNOTATION
from metallb.api.virtual_ips import BGPOrders, Suspension
from support.objects import (
    advertisement_object,
    class_object,
    namespace_object,
    node_object,
    pool_object,
    service_object,
    slice_object,
)
from support.outcomes import ASSIGNED, CLASS, REQUEST, settled, told, words
from support.world import Leader, World

ADV = advertisement_object()


def spec(world: World, address: str = "10.0.0.1") -> Any:
    return world.vips()[address].spec


def source(world: World, name: str = "web") -> str | None:
    annotations: dict[str, str] = world.service(name)["metadata"]["annotations"]
    return annotations.get(ALLOCATED_FROM_ANNOTATION)


def pool_status(world: World, name: str = "front", kind: str = "IPAddressPool") -> Any:
    namespace = "d8-metallb" if kind == "IPAddressPool" else ""
    return world.objects[(kind, namespace, name)].get("status", {})


def pool_words(world: World, name: str, kind: str, of: str = "IPAddressPool") -> tuple[str, ...]:
    conditions = pool_status(world, name, of)["conditions"]
    (found,) = (item for item in conditions if item["type"] == kind)
    return found["status"], found["reason"], found["message"]


def selector(**labels: str) -> dict[str, Any]:
    return {"matchLabels": labels}


# -- addresses -------------------------------------------------------------------------------------


def test_a_service_of_nobody_gets_an_address_of_a_pool_and_is_announced() -> None:
    world, leader = settled(pool_object(), ADV, service_object(), slice_object("web"))
    assert world.addresses("web") == ["10.0.0.1"]
    entry = spec(world)
    assert (entry.pool, entry.bgp) == ("IPAddressPool/front", None)
    assert sorted(entry.layer2.nodes) == ["a", "b", "c"]
    assert entry.layer2.suspended is None
    assert source(world) == "front"
    assert world.condition("web", CLASS) is None
    assert words(world, "web", ASSIGNED) == (
        "True", "AllIPsAssigned", "1 of 1 public IPs were assigned",
    )  # fmt: skip
    assert pool_status(world) == pool_status(world) | {
        "assignedIPv4": 1, "assignedIPv6": 0, "availableIPv4": 8, "availableIPv6": 0,
    }  # fmt: skip
    assert pool_words(world, "front", "Ready")[:2] == ("True", "Serving")
    leader.reconciler.allocator.check_invariants()


def test_nothing_is_written_again_by_the_next_leader() -> None:
    world, _ = settled(pool_object(), ADV, service_object(), slice_object("web"))
    before = len(world.history)
    Leader(world).settle()
    assert world.history[before:] == []


def test_a_service_that_is_of_no_pool_any_more_gives_everything_back() -> None:
    world, leader = settled(pool_object(), ADV, service_object(), slice_object("web"))
    world.put({**world.service("web"), "spec": {"type": "ClusterIP"}})
    leader.settle()
    assert world.addresses("web") == []
    assert world.vips() == {}
    assert source(world) is None
    assert world.condition("web", ASSIGNED) is None


def test_a_pool_that_goes_takes_its_addresses_along_and_another_gives_one() -> None:
    """metallb.md §8.5.34."""
    world, leader = settled(pool_object(), ADV, service_object(), slice_object("web"))
    world.put(pool_object("later", ("10.0.1.1-10.0.1.9",)))
    world.delete("IPAddressPool", "front", "d8-metallb")
    leader.settle()
    assert world.addresses("web") == ["10.0.1.1"]
    assert set(world.vips()) == {"10.0.1.1"}
    assert source(world) == "later"
    assert ("IPAddressPool", "front", "LoadBalancerClassDeleted") in told(world)


def test_a_range_that_moves_to_another_pool_keeps_its_holder() -> None:
    """metallb.md §1.11: re-labelled without touching the Service's address."""
    world, leader = settled(pool_object(), ADV, service_object(), slice_object("web"))
    world.delete("IPAddressPool", "front", "d8-metallb")
    world.put(pool_object("renamed"))
    leader.settle()
    assert world.addresses("web") == ["10.0.0.1"]
    assert spec(world).pool == "IPAddressPool/renamed"
    assert source(world) == "renamed"


def test_the_default_class_goes_before_pools_and_a_named_pool_before_it() -> None:
    world, _ = settled(
        pool_object(),
        ADV,
        class_object("usual", ("10.0.1.1-10.0.1.9",), isDefault=True),
        service_object("a"),
        service_object("b", annotations={"metallb.io/address-pool": "front"}),
        service_object("c", annotations={"metallb.universe.tf/loadBalancerIPs": "10.0.0.7"}),
        service_object("d", loadBalancerIP="10.0.0.8"),
    )
    assert [world.addresses(name)[0] for name in "abcd"] == [
        "10.0.1.1", "10.0.0.1", "10.0.0.7", "10.0.0.8",
    ]  # fmt: skip
    assert world.condition("b", CLASS) is None


def test_a_service_of_another_controller_is_left_alone() -> None:
    """metallb.md §1.14, §8.5.39."""
    world, _ = settled(pool_object(), ADV, service_object(loadBalancerClass="other.example/lb"))
    assert world.vips() == {}
    assert "loadBalancer" in world.service("web")["status"]
    assert world.condition("web", ASSIGNED) is None


def test_an_unknown_pool_is_refused_with_a_reason() -> None:
    world, _ = settled(
        pool_object(), ADV, service_object(annotations={"metallb.io/address-pool": "nowhere"})
    )
    status, reason, message = words(world, "web", REQUEST)
    assert (status, reason) == ("False", "UnknownPool")
    assert "unknown pool 'nowhere'" in message
    assert "front" in message
    assert ("Service", "web", "UnknownPool") in told(world)


def test_a_condition_that_bound_it_to_no_class_goes_when_pools_serve_it() -> None:
    world, leader = settled(pool_object(), ADV, service_object(class_annotation="nowhere"))
    assert words(world, "web", CLASS)[1] == "LoadBalancerClassUnknown"
    world.put(service_object())
    leader.settle()
    assert world.addresses("web") == ["10.0.0.1"]
    assert world.condition("web", CLASS) is None


def test_namespaces_choose_pools_and_labels_that_change_choose_anew() -> None:
    """metallb.md §1.5, with the namespace's labels as they are now."""
    pinned = {"namespaceSelectors": [selector(team="red")]}
    world, leader = settled(
        pool_object("red", ("10.0.1.1-10.0.1.9",), serviceAllocation=pinned),
        ADV,
        namespace_object("default", team="blue"),
        service_object(),
    )
    assert world.addresses("web") == []
    assert words(world, "web", REQUEST)[1] == "NoPoolServes"
    world.put(namespace_object("default", team="red"))
    leader.settle()
    assert world.addresses("web") == ["10.0.1.1"]
    world.delete("Namespace", "default")
    leader.settle()
    assert world.addresses("web") == []


# -- running clusters ------------------------------------------------------------------------------


def test_addresses_of_a_running_cluster_are_adopted_before_anything_else() -> None:
    """Statuses that MetalLB wrote, and a Service without an address that is older."""
    world, _ = settled(
        pool_object(),
        ADV,
        service_object("waits", created="2025-01-01T00:00:00Z"),
        service_object("b", ingress=("10.0.0.1",)),
        service_object("a", ingress=("10.0.0.5",)),
    )
    assert world.addresses("b") == ["10.0.0.1"]
    assert world.addresses("a") == ["10.0.0.5"]
    assert world.addresses("waits") == ["10.0.0.2"]
    assert spec(world).pool == "IPAddressPool/front"


# -- advertisements --------------------------------------------------------------------------------


def test_a_pool_that_nobody_advertises_says_so() -> None:
    world, _ = settled(pool_object(), service_object(), slice_object("web"))
    assert world.addresses("web") == ["10.0.0.1"]  # as MetalLB does
    assert spec(world).layer2.suspended == "NotAdvertised"
    assert pool_words(world, "front", "Ready")[:2] == ("False", "NotAdvertised")


def test_nodes_of_all_advertisements_announce() -> None:
    """metallb.md §8.6.47: several selectors are ORed, labels count when they change."""
    world, leader = settled(
        pool_object(),
        advertisement_object("one", nodeSelectors=[selector(zone="x")], interfaces=["eth1"]),
        advertisement_object("two", nodeSelectors=[selector(zone="y")], interfaces=["eth2"]),
        service_object(),
        slice_object("web"),
    )
    assert spec(world).layer2.nodes == ()
    assert spec(world).layer2.suspended == "NoEligibleNodes"
    assert pool_words(world, "front", "Ready") == (
        "False", "NoEligibleNodes", "advertisements one, two: NotSelected: a, b, c",
    )  # fmt: skip
    world.put(node_object("a", labels={"zone": "x"}))
    world.put(node_object("c", labels={"zone": "y"}))
    leader.settle()
    assert sorted(spec(world).layer2.nodes) == ["a", "c"]
    assert spec(world).layer2.suspended is None
    layer2 = spec(world).layer2
    assert layer2.interfaces == ("eth1", "eth2")
    assert [layer2.interfaces_of(node) for node in "ac"] == [("eth1",), ("eth2",)]
    world.put(advertisement_object("three"))
    leader.settle()
    assert sorted(spec(world).layer2.nodes) == ["a", "b", "c"]
    assert spec(world).layer2.interfaces == ()


def test_an_advertisement_may_be_for_some_services() -> None:
    """metallb.md §8.6.49."""
    world, leader = settled(
        pool_object(),
        advertisement_object(
            "red", serviceSelectors=[selector(color="red")], nodeSelectors=[selector(zone="x")]
        ),
        node_object("a", labels={"zone": "x"}),
        service_object("red", labels={"color": "red"}),
        slice_object("red"),
        service_object("blue", labels={"color": "blue"}, created="2026-01-02T00:00:00Z"),
        slice_object("blue"),
    )
    assert spec(world).layer2.nodes == ("a",)
    assert spec(world, "10.0.0.2").layer2.suspended == "NotAdvertised"
    world.put(service_object("blue", labels={"color": "red"}, created="2026-01-02T00:00:00Z"))
    leader.settle()
    assert spec(world, "10.0.0.2").layer2.nodes == ("a",)
    assert spec(world, "10.0.0.2").layer2.suspended is None


def test_preferred_nodes_share_the_load_and_the_others_follow() -> None:
    """metallb.md §3.2, §8.6.48; weights of two advertisements add."""
    wish = {"weight": 60, "preference": selector(zone="x")}
    services = [service_object(f"s{number}") for number in range(4)]
    world, leader = settled(
        pool_object(),
        advertisement_object("one", preferredNodeSelectors=[wish]),
        advertisement_object(
            "two", preferredNodeSelectors=[{"weight": 50, "preference": selector(rack="r")}]
        ),
        node_object("a", labels={"zone": "x"}),
        node_object("b", labels={"zone": "x"}),
        node_object("c", labels={"rack": "r"}),
        *services,
        *(slice_object(f"s{number}") for number in range(4)),
    )
    orders = [vip.spec.layer2.nodes for vip in world.vips().values()]
    assert sorted(order[0] for order in orders) == ["a", "a", "b", "b"]
    assert {order[-1] for order in orders} == {"c"}
    world.put(node_object("c", labels={"rack": "r", "zone": "x"}))  # 110 beats 60
    leader.settle()
    assert {vip.spec.layer2.nodes[0] for vip in world.vips().values()} == {"c"}
    assert all(len(vip.spec.layer2.nodes) == 3 for vip in world.vips().values())


def test_services_that_share_are_announced_where_each_of_them_may_be() -> None:
    """Better than metallb.md §3.1.3, which never announces them."""
    key = {"metallb.io/allow-shared-ip": "k", "metallb.io/loadBalancerIPs": "10.0.0.1"}
    world, _ = settled(
        pool_object(),
        advertisement_object(
            "red", serviceSelectors=[selector(color="red")],
            nodeSelectors=[selector(zone="x"), selector(zone="y")],
        ),
        advertisement_object(
            "blue", serviceSelectors=[selector(color="blue")], nodeSelectors=[selector(zone="y")]
        ),
        node_object("a", labels={"zone": "x"}),
        node_object("b", labels={"zone": "y"}),
        service_object("r", labels={"color": "red"}, annotations=key),
        service_object("b", labels={"color": "blue"}, annotations=key, ports=(("TCP", 81),)),
        slice_object("r"),
        slice_object("b"),
    )  # fmt: skip
    assert len(spec(world).services) == 2
    assert spec(world).layer2.nodes == ("b",)


def test_with_policy_local_advertised_nodes_without_endpoints_do_not_announce() -> None:
    world, leader = settled(
        pool_object(),
        advertisement_object("one", serviceSelectors=[selector(color="red")]),
        service_object(labels={"color": "red"}, externalTrafficPolicy="Local"),
        slice_object("web", nodes=("b",)),
    )
    assert spec(world).layer2.nodes == ("b",)
    world.put(slice_object("web", nodes=()))
    leader.settle()
    assert spec(world).layer2.suspended == "NoReadyEndpoints"


# -- BGP -------------------------------------------------------------------------------------------


def test_a_pool_may_be_announced_by_bgp_alone() -> None:
    world, _ = settled(
        pool_object(),
        advertisement_object("peers", kind="BGPAdvertisement"),
        service_object(),
        slice_object("web"),
    )
    assert spec(world).layer2.nodes == ()
    assert spec(world).layer2.suspended is None
    assert spec(world).bgp.advertisements == ("peers",)
    assert pool_words(world, "front", "Ready")[:2] == ("True", "Serving")


def test_by_bgp_an_address_is_announced_where_its_endpoints_can_serve() -> None:
    """metallb.md §8.7.51."""
    world, leader = settled(
        pool_object(),
        advertisement_object("peers", kind="BGPAdvertisement"),
        service_object(externalTrafficPolicy="Local"),
        slice_object("web", nodes=("b",)),
    )
    assert spec(world).bgp == BGPOrders(("peers",), ("b",))
    world.put(slice_object("web", nodes=("a", "c")))
    leader.settle()
    assert spec(world).bgp == BGPOrders(("peers",), ("a", "c"))
    world.put(slice_object("web", nodes=()))
    leader.settle()
    assert spec(world).bgp == BGPOrders(("peers",), (), Suspension.NO_READY_ENDPOINTS)


def test_by_bgp_peers_may_hear_how_many_endpoints_a_node_has() -> None:
    world, leader = settled(
        pool_object(),
        advertisement_object("peers", kind="BGPAdvertisement", weightByEndpoints=True),
        service_object(externalTrafficPolicy="Local"),
        slice_object("web", nodes=("a", "b", "a")),
    )
    assert spec(world).bgp == BGPOrders(("peers",), ("a", "b"), None, (("a", 2), ("b", 1)))
    world.put(slice_object("web", nodes=("a", "b", "b")))
    leader.settle()
    assert spec(world).bgp.weights == (("a", 1), ("b", 2))
    world.put(advertisement_object("peers", kind="BGPAdvertisement"))
    leader.settle()
    assert spec(world).bgp == BGPOrders(("peers",), ("a", "b"))


def test_by_bgp_speakers_hear_where_kube_proxy_says_whether_it_has_rules() -> None:
    world, leader = settled(
        pool_object(),
        advertisement_object("peers", kind="BGPAdvertisement"),
        service_object(externalTrafficPolicy="Local", healthCheckNodePort=30_100),
        slice_object("web", nodes=("a",)),
    )
    assert spec(world).bgp == BGPOrders(("peers",), ("a",), health_check_ports=(30_100,))
    world.put(service_object(externalTrafficPolicy="Local", healthCheckNodePort=30_200))
    leader.settle()
    assert spec(world).bgp == BGPOrders(("peers",), ("a",), health_check_ports=(30_200,))
    world.put(service_object())
    leader.settle()
    assert spec(world).bgp == BGPOrders(("peers",))


def test_orders_for_bgp_follow_advertisements_and_labels_of_services() -> None:
    world, leader = settled(
        pool_object(),
        advertisement_object("all", kind="BGPAdvertisement"),
        service_object(),
        slice_object("web"),
    )
    assert spec(world).bgp == BGPOrders(("all",))
    red = [selector(color="red")]
    world.put(advertisement_object("red", kind="BGPAdvertisement", serviceSelectors=red))
    leader.settle()
    assert spec(world).bgp == BGPOrders(("all",))
    world.put(service_object(labels={"color": "red"}))
    leader.settle()
    assert spec(world).bgp == BGPOrders(("all", "red"))
    world.put(advertisement_object("more", kind="BGPAdvertisement"))
    leader.settle()
    assert spec(world).bgp == BGPOrders(("all", "more", "red"))
    world.put(service_object())
    leader.settle()
    assert spec(world).bgp == BGPOrders(("all", "more"))


def test_by_bgp_nobody_announces_what_no_endpoint_can_serve() -> None:
    world, leader = settled(
        pool_object(),
        advertisement_object("peers", kind="BGPAdvertisement"),
        service_object(),
        slice_object("web", nodes=("b",)),
    )
    assert spec(world).bgp == BGPOrders(("peers",))
    world.put(slice_object("web", nodes=()))
    leader.settle()
    assert spec(world).bgp == BGPOrders(("peers",), None, Suspension.NO_READY_ENDPOINTS)


def test_a_pool_may_be_announced_both_ways() -> None:
    """metallb.md §8.7.62."""
    world, _ = settled(
        pool_object(),
        ADV,
        advertisement_object(
            "red", kind="BGPAdvertisement", serviceSelectors=[selector(color="red")]
        ),
        service_object(),
        slice_object("web"),
    )
    assert sorted(spec(world).layer2.nodes) == ["a", "b", "c"]
    assert spec(world).bgp.advertisements == ()


def mlb_pool(*ranges: str) -> dict[str, Any]:
    return {
        "apiVersion": "network.deckhouse.io/v1alpha1",
        "kind": "MetalLoadBalancerPool",
        "metadata": {"name": "edge", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"addresses": list(ranges)},
    }


def mlb_configuration() -> dict[str, Any]:
    return {
        "apiVersion": "network.deckhouse.io/v1alpha1",
        "kind": "MetalLoadBalancerConfiguration",
        "metadata": {"name": "rack", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "mode": "BGP",
            "bgp": {"peerNames": ["tor"]},
            "advertisements": [{"poolNames": ["edge"]}],
        },
    }


def test_deckhouses_pools_are_the_same_model() -> None:
    world, _ = settled(
        mlb_pool("10.0.0.0/29"),
        mlb_configuration(),
        service_object(annotations={"network.deckhouse.io/load-balancer-pool": "edge"}),
        slice_object("web"),
    )
    (address,) = world.addresses("web")
    assert spec(world, address).pool == "MetalLoadBalancerPool/edge"
    assert spec(world, address).bgp.advertisements == ("rack-adv-0",)
    status = pool_status(world, "edge", "MetalLoadBalancerPool")
    assert status["addresses"]["used"] == 1
    assert pool_words(world, "edge", "Ready", "MetalLoadBalancerPool")[:2] == ("True", "Serving")


def test_what_a_hook_says_in_the_status_of_a_pool_stays_there() -> None:
    said = {"type": "AddressesValid", "status": "True", "reason": "AllRight"}
    world, leader = settled({**mlb_pool("10.0.0.0/29"), "status": {"conditions": [said]}})
    world.put(service_object(annotations={"network.deckhouse.io/load-balancer-pool": "edge"}))
    leader.settle()
    status = pool_status(world, "edge", "MetalLoadBalancerPool")
    assert status["addresses"]["used"] == 1
    assert said in status["conditions"]
    before = len(world.history)
    leader.settle()
    assert len(world.history) == before


# -- what does not fit -----------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["class", "pool"])
def test_a_conflict_is_told_to_both_and_the_rest_of_both_serves(first: str) -> None:
    old, new = "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
    older, younger = (old, new) if first == "class" else (new, old)
    world, _ = settled(
        class_object("c", ("10.0.0.1-10.0.0.3",), created=older),
        pool_object("p", ("10.0.0.3-10.0.0.5",), created=younger),
        ADV,
    )
    found = world.class_condition("c", "Conflict")
    assert found is not None
    assert "pool p" in found["message"]
    status, reason, message = pool_words(world, "p", "Conflict")
    assert (status, reason) == ("True", "OverlappingRanges")
    assert "class c" in message
    free = pool_status(world, "p")["availableIPv4"]
    assert free == (2 if first == "class" else 3)


def test_metallb_would_refuse_the_younger_of_two_pools_of_its_own_that_overlap() -> None:
    _, leader = settled(
        pool_object("old", ("10.0.0.0/24",)),
        pool_object("new", ("10.0.0.9", "10.1.0.0/24"), created="2026-01-02T00:00:00Z"),
        class_object("own", ("10.1.0.1",), created="2026-01-03T00:00:00Z"),
        ADV,
    )
    said = (
        ".spec.addresses[0]: '10.0.0.9' overlaps with '10.0.0.0/24' of pool old, "
        "which is older and keeps 10.0.0.9"
    )
    refusals = leader.reconciler.catalogue.refusals()
    assert {(kind, key.name): texts for (kind, key), texts in refusals.items()} == {
        ("IPAddressPool", "new"): (said,)
    }


def test_a_range_of_ipv6_without_end_is_counted_and_written_once() -> None:
    """metallb.md §1.13: counts saturate, and do not overflow."""
    world, leader = settled(pool_object("six", ("fd00::/64", "fd01::/120")), ADV)
    assert pool_status(world, "six")["availableIPv6"] == 2**63 - 1
    before = len(world.history)
    for _ in range(3):
        leader.now += 60
        leader.settle()
    assert world.history[before:] == []


def test_what_is_wrong_in_a_pool_is_in_its_condition_and_the_rest_serves() -> None:
    world, _ = settled(
        pool_object("front", ("10.0.0.300", "10.0.0.5-10.0.0.6")), ADV, service_object()
    )
    assert world.addresses("web") == ["10.0.0.5"]
    status, reason, message = pool_words(world, "front", "Valid")
    assert (status, reason) == ("False", "InvalidSpec")
    assert ".spec.addresses[0]" in message


def test_a_disabled_pool_keeps_its_holders_and_takes_nobody_in() -> None:
    world, leader = settled(pool_object(), ADV, service_object("old"))
    world.put(pool_object(disabled=True))
    world.put(service_object("new"))
    leader.settle()
    assert world.addresses("old") == ["10.0.0.1"]
    assert world.addresses("new") == []
    assert pool_words(world, "front", "Ready")[:2] == ("False", "Disabled")
    assert words(world, "new", REQUEST)[1] == "PoolDisabled"


HOSTNAME = "network.deckhouse.io/load-balancer-hostname"


def hostnames(world: World) -> list[str | None]:
    ingress = world.service("web")["status"]["loadBalancer"]["ingress"]
    return [item.get("hostname") for item in ingress]


def test_a_hostname_in_the_status_is_wished_for_or_anothers() -> None:
    world, leader = settled(pool_object(), ADV, service_object(annotations={HOSTNAME: "web.a.b"}))
    assert hostnames(world) == ["web.a.b"]
    world.put(service_object(annotations={HOSTNAME: ""}))
    leader.settle()
    assert hostnames(world) == [None]
    world.put(service_object())
    leader.settle()
    world.service("web")["status"]["loadBalancer"]["ingress"][0]["hostname"] = "of.others"
    wish = {"network.deckhouse.io/load-balancer-ips": "10.0.0.1,10.0.0.7"}
    world.put(service_object(annotations=wish))
    leader.settle()
    assert world.addresses("web") == ["10.0.0.1", "10.0.0.7"]
    assert hostnames(world) == ["of.others", None]
    world.put(service_object(annotations={HOSTNAME: "Not A Name"}))
    leader.settle()
    assert words(world, "web", REQUEST)[1] == "InvalidHostname"


def test_who_is_leaving_an_address_may_come_back_when_it_can_be_shared_again() -> None:
    """The status has let go of it, the ledger has not, and now the other one fits."""

    def service(name: str, port: int, policy: str = "Cluster") -> dict[str, Any]:
        return service_object(
            name,
            annotations={"metallb.io/allow-shared-ip": "k"},
            ports=(("TCP", port),),
            created=f"2026-01-0{port - 79}T00:00:00Z",
            selector={"app": "web"},
            externalTrafficPolicy=policy,
        )

    world, leader = settled(
        pool_object(ranges=("10.0.0.1",)), ADV, service("a", 80), service("b", 81)
    )
    world.put(service("b", 81, "Local"))
    while world.addresses("b"):
        leader.deliver() if leader.is_late else leader.step()
        while leader.under_way:
            leader.execute()
    world.put(service("a", 80, "Local"))
    leader.settle()
    assert world.addresses("a") == world.addresses("b") == ["10.0.0.1"]


def test_what_is_wrong_between_objects_is_found_by_kind_and_key() -> None:
    _, leader = settled(pool_object(ranges=("10.0.0.300",)), ADV)
    catalogue = leader.reconciler.catalogue
    ((kind, key), problems) = next(iter(catalogue.all_problems().items()))
    assert (kind, str(key)) == ("IPAddressPool", "d8-metallb/front")
    assert problems[0].path == ".spec.addresses[0]"
    assert [item.name for item in catalogue.sources()] == ["front"]


def test_a_refused_service_does_not_go_on_showing_an_address_that_is_anothers() -> None:
    named = {"metallb.io/address-pool": "nowhere"}
    world, _ = settled(
        pool_object(ranges=("10.0.0.5",)), ADV,
        service_object("lost", ingress=("10.0.0.5",), annotations=named),
        service_object("web", created="2026-01-02T00:00:00Z"),
    )  # fmt: skip
    assert world.addresses("lost") == []
    assert world.addresses("web") == ["10.0.0.5"]
