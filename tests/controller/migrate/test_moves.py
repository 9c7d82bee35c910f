"""What becomes of each Service: the plan of small clusters, one rule at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.meta import ObjectKey
from metallb.api.services import HOSTNAME_ANNOTATION
from metallb.api.virtual_ips import BGPOrders, TrafficPolicy
from metallb_controller.migrate.cluster import Origin
from metallb_controller.migrate.move import Move, plan_move
from metallb_controller.migrate.plan import Fate
from metallb_controller.migrate.words import plan_text
from support.objects import (
    NAMESPACE,
    advertisement_object,
    bound_condition,
    class_object,
    lease_of_speaker,
    metal_object,
    namespace_object,
    native_object,
    pool_object,
    service_object,
)
from support.situations import HOSTILE, NOW

if TYPE_CHECKING:
    from metallb_controller.migrate.plan import ServiceRow

JsonObject = dict[str, Any]


def move_of(
    *objects: JsonObject, origin: Origin = Origin.METALLB, served: str | None = None
) -> Move:
    """Plan the move of a cluster that has some objects."""
    found: dict[str, list[JsonObject]] = {}
    for item in objects:
        found.setdefault(item["kind"], []).append(item)
    return plan_move(dict(found), origin, NOW, served, namespace=NAMESPACE)


def row_of(move: Move, name: str = "web") -> ServiceRow:
    [row] = [row for row in move.plan.services if row.key.name == name]
    return row


def entries_of(move: Move) -> dict[str, list[str]]:
    """Give whom each address is to be entered for."""
    return {str(vip.spec.address): [key.name for key in vip.spec.services] for vip in
            move.plan.entries}  # fmt: skip


def child(service: str, number: int, *addresses: str, pool: str | None = "ingress") -> JsonObject:
    return {
        "kind": "SDNInternalL2LBService",
        "metadata": {
            "name": f"{service}-ingress-{number}",
            "namespace": "default",
            "annotations": {} if pool is None else {"metallb.io/address-pool": pool},
        },
        "spec": {"serviceRef": {"name": service, "namespace": "default"}},
        "status": {"loadBalancer": {"ingress": [{"ip": item} for item in addresses]}},
    }


def entry(address: str, *services: str, pool: str = "front") -> JsonObject:
    named = [{"namespace": "default", "name": name} for name in services]
    spec = {"address": address, "pool": pool, "poolKind": "IPAddressPool", "services": named}
    meta = {"name": address, "uid": f"uid-{address}", "resourceVersion": "7", "generation": 1}
    return {"kind": "VirtualIP", "metadata": meta, "spec": spec}


POOL = pool_object(namespace="metallb-system")
EVERYWHERE = advertisement_object(namespace="metallb-system")


def test_an_address_of_a_pool_is_kept_and_is_to_be_entered() -> None:
    move = move_of(POOL, EVERYWHERE, service_object(ingress=("10.0.0.7",)))
    row = row_of(move)
    assert (row.fate, [*map(str, row.kept)], row.new) == (Fate.KEEPS, ["10.0.0.7"], ())
    [vip] = move.plan.entries
    assert vip.name == "10.0.0.7"
    assert vip.spec.pool == "IPAddressPool/front"
    assert vip.spec.services == (ObjectKey("default", "web"),)
    assert (vip.spec.layer2.nodes, vip.spec.bgp) == ((), None)
    assert move.plan.fits


def test_traffic_policy_and_bgp_are_entered() -> None:
    by_bgp = advertisement_object(kind="BGPAdvertisement", ipAddressPools=["front"])
    service = service_object(ingress=("10.0.0.7",), externalTrafficPolicy="Local")
    [vip] = move_of(POOL, EVERYWHERE, by_bgp, service).plan.entries
    assert vip.spec.traffic_policy is TrafficPolicy.LOCAL
    assert vip.spec.bgp == BGPOrders(), "which advertisements is the controller's to resolve"


@pytest.mark.parametrize("annotations", [{}, {HOSTNAME_ANNOTATION: "web.example.com"}])
def test_hostnames_in_the_status_do_not_matter(annotations: dict[str, str]) -> None:
    service = service_object(ingress=("10.0.0.7",), annotations=annotations)
    service["status"]["loadBalancer"]["ingress"][0]["hostname"] = "old.example.com"
    service["status"]["loadBalancer"]["ingress"].append({"hostname": "more.example.com"})
    row = row_of(move_of(POOL, EVERYWHERE, service))
    assert (row.fate, [*map(str, row.kept)], row.new) == (Fate.KEEPS, ["10.0.0.7"], ())


def test_who_waits_gets_one_or_none_and_nothing_is_entered_for_it() -> None:
    small = pool_object(ranges=("10.0.0.1/32",))
    services = (service_object("a"), service_object("b"))
    move = move_of(small, EVERYWHERE, *services)
    assert (row_of(move, "a").fate, row_of(move, "b").fate) == (Fate.GETS, Fate.WAITS)
    assert [*map(str, row_of(move, "a").new)] == ["10.0.0.1"]
    assert "no free IPv4 address" in row_of(move, "b").reasons[0]
    assert move.plan.entries == ()
    assert move.plan.fits, "they have nothing to lose"


def test_an_address_in_no_pool_is_lost() -> None:
    row = row_of(move_of(POOL, EVERYWHERE, service_object(ingress=("10.9.9.9",))))
    assert row.fate is Fate.LOSES
    assert row.reasons[0] == "no pool has 10.9.9.9"
    assert [*map(str, row.new)] == ["10.0.0.1"]


def test_an_address_of_a_pool_that_is_for_others_is_lost() -> None:
    others = pool_object(serviceAllocation={"namespaces": ["shop"]})
    move = move_of(others, EVERYWHERE, service_object(ingress=("10.0.0.7",)))
    assert row_of(move).reasons[0].startswith("10.0.0.7 is of pool front, which does not serve")
    assert not move.plan.fits


def test_namespaces_are_known_by_their_labels() -> None:
    selectors = [{"matchLabels": {"team": "a"}}]
    ours = pool_object(serviceAllocation={"namespaceSelectors": selectors})
    service = service_object(ingress=("10.0.0.7",))
    move = move_of(ours, EVERYWHERE, service, namespace_object("default", team="a"))
    assert row_of(move).fate is Fate.KEEPS


@pytest.mark.parametrize(("key", "fate"), [("k", Fate.KEEPS), (None, Fate.LOSES)])
def test_an_address_of_two_is_shared_or_one_loses_it(key: str | None, fate: Fate) -> None:
    shared = {} if key is None else {"metallb.io/allow-shared-ip": key}
    older = service_object("a", ingress=("10.0.0.7",), annotations=shared)
    younger = service_object(
        "b", ingress=("10.0.0.7",), annotations=shared, ports=(("UDP", 80),),
        created="2026-01-02T00:00:00Z",
    )  # fmt: skip
    move = move_of(POOL, EVERYWHERE, younger, older)
    assert (row_of(move, "a").fate, row_of(move, "b").fate) == (Fate.KEEPS, fate)
    assert entries_of(move) == {"10.0.0.7": ["a", "b"] if key else ["a"]}
    if key is None:
        words = "10.0.0.7 is held by Service default/a, and the two may not share it"
        assert row_of(move, "b").reasons[0] == words


def test_both_families_are_kept() -> None:
    both = pool_object(ranges=("10.0.0.0/28", "fd00::/124"))
    families = ["IPv4", "IPv6"]
    service = service_object(
        ingress=("10.0.0.3", "fd00::5"), ipFamilies=families, ipFamilyPolicy="RequireDualStack"
    )
    move = move_of(both, EVERYWHERE, service)
    assert row_of(move).fate is Fate.KEEPS
    assert [vip.name for vip in move.plan.entries] == ["10.0.0.3", "fd00--5"]


def test_what_is_in_the_ledger_is_left_as_it_is() -> None:
    service = service_object(ingress=("10.0.0.7", "10.0.0.8"), count="2")
    move = move_of(POOL, EVERYWHERE, service, entry("10.0.0.7", "web"))
    assert row_of(move).fate is Fate.KEEPS
    assert entries_of(move) == {"10.0.0.8": ["web"]}
    assert row_of(move).notes == ("in the ledger already: 10.0.0.7",)


def test_an_address_that_the_ledger_has_for_another_is_lost() -> None:
    theirs = entry("10.0.0.7", "other")
    services = (service_object("other"), service_object(ingress=("10.0.0.7",)))
    move = move_of(POOL, EVERYWHERE, theirs, *services)
    assert row_of(move).fate is Fate.LOSES
    assert row_of(move, "other").new, "it has the address, and shows it soon"
    assert entries_of(move) == {}


def test_an_entry_of_nobody_goes() -> None:
    move = move_of(POOL, EVERYWHERE, entry("10.0.0.7", "gone"), service_object("a"))
    assert [*map(str, row_of(move, "a").new)] == ["10.0.0.1"]
    broken = {**entry("10.0.0.7", "gone"), "spec": {"address": "10.0.0.8"}}
    assert move_of(broken).plan.entries == ()


@pytest.mark.parametrize("prefix", ["metallb.io", "metallb.universe.tf"])
def test_the_pool_that_metallb_wrote_down_is_compared(prefix: str) -> None:
    said = {f"{prefix}/ip-allocated-from-pool": "old"}
    row = row_of(move_of(POOL, EVERYWHERE, service_object(ingress=("10.0.0.7",), annotations=said)))
    assert row.fate is Fate.KEEPS
    assert row.notes == ("was given from pool old; it is pool front that has the address now",)


def test_what_is_another_load_balancers_is_left_alone() -> None:
    service = service_object(ingress=("10.0.0.7",), loadBalancerClass="theirs")
    move = move_of(POOL, EVERYWHERE, service)
    assert (row_of(move).fate, move.plan.entries, move.plan.fits) == (Fate.FOREIGN, (), True)


@pytest.mark.parametrize("argument", [True, False], ids=["told", "of the old controller"])
def test_the_class_of_the_old_installation_counts(argument: bool) -> None:
    service = service_object(ingress=("10.0.0.7",), loadBalancerClass="ours")
    old = _workload("Deployment", "controller", "--lb-class=ours", app="metallb")
    move = move_of(
        POOL, EVERYWHERE, service, *(() if argument else (old,)),
        served="ours" if argument else None,
    )  # fmt: skip
    assert row_of(move).fate is Fate.KEEPS
    assert row_of(move_of(POOL, EVERYWHERE, service, old, served="")).fate is Fate.FOREIGN


def test_without_any_pool_nobody_serves() -> None:
    row = row_of(move_of(service_object(ingress=("10.0.0.7",))))
    assert row.fate is Fate.LOSES
    assert row.reasons == ("no pool has 10.0.0.7", "no pool serves it and no class")


def test_what_bgp_announces_goes_on() -> None:
    by_bgp = advertisement_object(kind="BGPAdvertisement")
    move = move_of(POOL, by_bgp, service_object(ingress=("10.0.0.7",)))
    assert row_of(move).fate is Fate.KEEPS
    assert move.plan.fits


def test_what_is_wrong_in_an_object_is_told() -> None:
    bad = pool_object("bad", ("10.1.0.0/24", "10.2.0.9-10.2.0.1"))
    peer = native_object("BGPPeer", "tor", version="v1beta2", myASN=0, peerASN=1)
    fine = native_object("BFDProfile", "quick")
    move = move_of(bad, peer, fine)
    assert [kind for kind, _ in move.plan.problems] == ["BGPPeer", "IPAddressPool"]
    text = plan_text(Origin.METALLB, move)
    assert "IPAddressPool d8-metallb/bad: .spec.addresses[1]: " in text
    assert not move.plan.fits


def test_only_services_of_type_load_balancer_count() -> None:
    move = move_of(POOL, service_object(type="ClusterIP"), lease_of_speaker("a"))
    assert move.plan.services == ()


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_objects_stop_nothing(value: Any) -> None:
    kinds = (
        "Service", "Namespace", "VirtualIP", "IPAddressPool", "L2Advertisement", "BGPPeer",
        "MetalLoadBalancerClass", "SDNInternalL2LBService", "Deployment", "ModuleConfig",
        "CustomResourceDefinition", "ValidatingWebhookConfiguration",
    )  # fmt: skip
    broken = value if isinstance(value, dict) else {"spec": value, "metadata": value}
    found = {kind: [broken, {**broken, "spec": value, "status": value}] for kind in kinds}
    move = plan_move(dict(found), Origin.DECKHOUSE, NOW, namespace=NAMESPACE)
    assert plan_text(Origin.DECKHOUSE, move)


# -- Deckhouse -------------------------------------------------------------------------------------


def bound(name: str = "web", *addresses: str, to: str = "ingress", **more: Any) -> JsonObject:
    return service_object(name, ingress=addresses, conditions=(bound_condition(to),), **more)


def test_bound_services_keep_what_their_class_has_no_more() -> None:
    move = move_of(class_object(), bound("web", "10.9.9.9"), origin=Origin.DECKHOUSE)
    assert row_of(move).fate is Fate.KEEPS
    [vip] = move.plan.entries
    assert (str(vip.spec.address), vip.spec.pool) == ("10.9.9.9", "ingress")


def test_children_have_addresses_that_the_service_does_not_show() -> None:
    service = bound("web", "10.0.0.3", count="2")
    children = (child("web", 0, "10.0.0.3", "no address"), child("web", 1, "10.0.0.5"))
    move = move_of(class_object(), service, *children, origin=Origin.DECKHOUSE)
    assert row_of(move).fate is Fate.KEEPS
    assert entries_of(move) == {"10.0.0.3": ["web"], "10.0.0.5": ["web"]}
    assert [*map(str, move.plan.hidden)] == ["10.0.0.5"]


def test_a_child_names_the_class_of_a_service_that_is_not_bound_yet() -> None:
    service = service_object("web", class_annotation="ingress")
    unsaid = child("web", 0, pool=None)
    move = move_of(class_object(), service, unsaid, child("web", 1, "10.9.9.9"),
                   origin=Origin.DECKHOUSE)  # fmt: skip
    assert entries_of(move) == {"10.9.9.9": ["web"]}


def test_a_child_of_nobody_is_told() -> None:
    move = move_of(class_object(), child("gone", 0, "10.0.0.3"), child("gone", 1),
                   origin=Origin.DECKHOUSE)  # fmt: skip
    assert [item.key.name for item in move.plan.orphans] == ["gone-ingress-0", "gone-ingress-1"]
    assert move.plan.entries == ()
    text = plan_text(Origin.DECKHOUSE, move)
    assert "default/gone-ingress-0 of Service default/gone: 10.0.0.3" in text
    assert "default/gone-ingress-1 of Service default/gone: no address" in text


def test_what_the_old_release_rendered_is_no_pool_of_anybody() -> None:
    labels = {"heritage": "deckhouse"}
    rendered = (
        pool_object("ingress", labels=labels), native_object("L2Advertisement", labels=labels),
        native_object("BGPPeer", labels=labels),
    )  # fmt: skip
    made_by_hand = pool_object("mine", ("10.7.0.0/24",))
    move = move_of(
        class_object(), *rendered, made_by_hand, bound("web", "10.0.0.3"), origin=Origin.DECKHOUSE
    )
    assert [pool.key for pool in move.plan.pools] == ["IPAddressPool/mine", "ingress"]
    assert move.plan.fits
    assert len(move_of(class_object(), *rendered).plan.pools) == 2, "elsewhere it is a label"


def test_an_address_of_two_classes_is_of_the_older_service() -> None:
    classes = (class_object("a"), class_object("b", ("10.8.0.1-10.8.0.9",)))
    older = bound("x", "10.0.0.3", to="a")
    younger = bound("y", "10.0.0.3", to="b", created="2026-02-01T00:00:00Z")
    move = move_of(*classes, younger, older, origin=Origin.DECKHOUSE)
    [vip] = move.plan.entries
    assert (vip.spec.pool, [key.name for key in vip.spec.services]) == ("a", ["x"])
    assert row_of(move, "y").fate is Fate.LOSES


def test_an_address_of_a_class_that_is_in_the_ledger_is_not_entered_again() -> None:
    there = entry("10.0.0.3", "web", pool="ingress")
    del there["spec"]["poolKind"]
    move = move_of(class_object(), bound("web", "10.0.0.3"), there, origin=Origin.DECKHOUSE)
    assert (row_of(move).fate, move.plan.entries) == (Fate.KEEPS, ())


def test_a_service_of_bgp_is_served_by_the_class_of_the_settings() -> None:
    config = {
        "kind": "ModuleConfig",
        "metadata": {"name": "metallb"},
        "spec": {"version": 3, "settings": {"loadBalancerClass": "bgp"}},
    }
    other = {"kind": "ModuleConfig", "metadata": {"name": "other"}, "spec": {}}
    pool = metal_object("MetalLoadBalancerPool", "edge", addresses=["192.0.2.0/28"])
    service = service_object(
        ingress=("192.0.2.3",), loadBalancerClass="bgp",
        annotations={"network.deckhouse.io/load-balancer-pool": "edge"},
    )  # fmt: skip
    move = move_of(other, config, pool, service, origin=Origin.DECKHOUSE)
    assert row_of(move).fate is Fate.KEEPS
    [vip] = move.plan.entries
    assert vip.spec.pool == "MetalLoadBalancerPool/edge"


def _workload(kind: str, name: str, *arguments: str, pods: int = 1, **labels: str) -> JsonObject:
    counted = "replicas" if kind == "Deployment" else "desiredNumberScheduled"
    containers = [{"name": name, "args": list(arguments)}]
    return {
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "metallb-system",
            "labels": {key.replace("_", "-"): value for key, value in labels.items()},
        },
        "spec": {"template": {"spec": {"containers": containers}}},
        "status": {counted: pods},
    }
