"""What is found of the old installation, and what is told to be done with it."""

from __future__ import annotations

from typing import Any

import pytest

from metallb.domain.dead_kinds import DECKHOUSE_KIND
from metallb_controller.migrate.cluster import Origin
from metallb_controller.migrate.leftovers import VIRTUAL_IP_CRD, find_leftovers
from metallb_controller.migrate.move import Move, plan_move
from metallb_controller.migrate.words import next_steps, plan_text
from support.objects import (
    NAMESPACE,
    advertisement_object,
    bound_condition,
    class_object,
    pool_object,
    service_object,
)
from support.situations import NOW

JsonObject = dict[str, Any]
OURS = {"heritage": "deckhouse", "module": "metallb"}


def workload(
    name: str, labels: dict[str, str], *arguments: str, pods: int = 1, counted: str = "replicas"
) -> JsonObject:
    containers = [{"name": name, "args": list(arguments)}]
    return {
        "metadata": {"name": name, "namespace": "metallb-system", "labels": labels},
        "spec": {"template": {"spec": {"containers": containers}}},
        "status": {counted: pods},
    }


def definition(name: str, **spec: Any) -> JsonObject:
    return {"metadata": {"name": name}, "spec": spec}


def conversion(namespace: str) -> JsonObject:
    service = {"name": "webhook", "namespace": namespace}
    webhook = {"clientConfig": {"service": service}}
    return definition("bgppeers.metallb.io", conversion={"strategy": "Webhook", "webhook": webhook})


def webhooks(name: str, group: str) -> JsonObject:
    return {"metadata": {"name": name}, "webhooks": [{"rules": [{"apiGroups": [group]}]}]}


LEDGER = definition(VIRTUAL_IP_CRD)
CONTROLLER = workload("controller", {"app": "metallb"}, "--port=7472")
SPEAKER = workload("speaker", {"app": "metallb"}, counted="desiredNumberScheduled")


@pytest.mark.parametrize(
    ("labels", "arguments", "is_old"),
    [
        ({"app": "metallb", "component": "controller"}, ["--port=7472"], True),
        ({"app.kubernetes.io/name": "metallb"}, ["--port=7472"], True),
        ({"app.kubernetes.io/name": "frr-k8s"}, [], True),
        ({"app": "nginx"}, [], False),
        ({**OURS, "app": "l2lb-controller"}, ["--port=7472"], True),
        ({**OURS, "app": "controller"}, ["--port=7472"], True),
        ({**OURS, "app": "controller"}, ["--namespace=x", "--metrics-port=7472"], False),
    ],
)
def test_programs(labels: dict[str, str], arguments: list[str], is_old: bool) -> None:
    found = find_leftovers({"Deployment": [workload("x", labels, *arguments)]})
    assert [item.key.name for item in found.programs] == (["x"] if is_old else [])


def test_programs_are_there_with_their_pods() -> None:
    stopped = workload("controller", {"app": "metallb"}, "--lb-class=ours", pods=0)
    found = find_leftovers({"Deployment": [stopped], "DaemonSet": [SPEAKER]})
    assert [(item.key.name, item.pods) for item in found.programs] == [
        ("speaker", 1),
        ("controller", 0),
    ]
    assert found.load_balancer_class == "ours"


def test_webhooks_of_others_for_the_kinds_of_metallb() -> None:
    found = [webhooks("metallb-webhook-configuration", "metallb.io"), webhooks("x", "apps"),
             webhooks("metallb", "metallb.io")]  # fmt: skip
    leftovers = find_leftovers({"ValidatingWebhookConfiguration": found})
    assert leftovers.webhooks == ("metallb-webhook-configuration",)


@pytest.mark.parametrize(("namespace", "converter"), [(NAMESPACE, ""), ("old", "old")])
def test_who_converts(namespace: str, converter: str) -> None:
    found = find_leftovers({"CustomResourceDefinition": [conversion(namespace)]})
    assert found.converter == converter


def test_kinds() -> None:
    found = find_leftovers({"CustomResourceDefinition": [LEDGER, definition(DECKHOUSE_KIND)]})
    assert (found.has_ledger, found.has_old_kind) == (True, True)
    assert not find_leftovers({}).has_ledger


# -- words -----------------------------------------------------------------------------------------


def move_of(objects: dict[str, list[JsonObject]], origin: Origin = Origin.METALLB) -> Move:
    return plan_move(dict(objects), origin, NOW, namespace=NAMESPACE)


RUNNING: dict[str, list[JsonObject]] = {
    "IPAddressPool": [pool_object()],
    "L2Advertisement": [advertisement_object()],
    "Service": [service_object(ingress=("10.0.0.7",))],
    "CustomResourceDefinition": [LEDGER],
}


def steps(move: Move, origin: Origin = Origin.METALLB, *, is_applied: bool = False) -> list[str]:
    text = next_steps(origin, move, is_applied=is_applied)
    return [line.partition(". ")[2] for line in text.splitlines()[1:] if line]


def test_the_old_controller_is_stopped_before_addresses_are_entered() -> None:
    programs: dict[str, list[JsonObject]] = {"Deployment": [CONTROLLER], "DaemonSet": [SPEAKER]}
    hooks = [webhooks("old", "metallb.io")]
    move = move_of({**RUNNING, **programs, "ValidatingWebhookConfiguration": hooks})
    told = steps(move)
    assert "scale deployment controller --replicas=0" in told[0]
    assert told[1:] == [
        "run this with --apply",
        "kubectl delete validatingwebhookconfiguration old",
        "kubectl --namespace metallb-system delete daemonset speaker",
        "kubectl --namespace metallb-system delete deployment controller",
        "install this module, and keep the kinds, pools and advertisements where they are",
    ]
    assert steps(move, is_applied=True)[1] == "run this with --apply again"


def test_frr_k8s_may_be_somebody_elses_too() -> None:
    router = workload("frr-k8s", {"app.kubernetes.io/name": "frr-k8s"})
    webhook = workload("frr-k8s-webhook-server", {"app": "frr-k8s"})
    told = steps(move_of({**RUNNING, "DaemonSet": [router], "Deployment": [webhook]}))
    assert [text.partition(",")[0] for text in told] == [
        "run this with --apply",
        "delete the FRRConfigurations that MetalLB made",
        "install this module",
    ]


def test_without_leftovers_there_is_little_to_do() -> None:
    assert steps(move_of(RUNNING), is_applied=True) == [
        "install this module, and keep the kinds, pools and advertisements where they are"
    ]


def test_what_stands_in_the_way_comes_first() -> None:
    definitions = [conversion("old")]
    move = move_of({**RUNNING, "IPAddressPool": [], "CustomResourceDefinition": definitions})
    told = steps(move)
    assert told[0].startswith("settle what is told above")
    assert told[1].startswith("apply the module's kinds")
    assert told[2].startswith("take the old conversion away: kubectl patch crd bgppeers")


def test_deckhouse_switches_by_itself() -> None:
    bound = service_object(ingress=("10.0.0.7",), conditions=(bound_condition("ingress"),))
    child = {
        "metadata": {"name": "web-0", "namespace": "default"},
        "spec": {"serviceRef": {"name": "web", "namespace": "default"}},
        "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.8"}]}},
    }
    objects: dict[str, list[JsonObject]] = {
        "MetalLoadBalancerClass": [class_object()],
        "Service": [bound],
        "CustomResourceDefinition": [LEDGER, definition(DECKHOUSE_KIND)],
    }
    switch = "switch the module's source; the old programs and the internal kind go by themselves"
    assert steps(move_of(objects, Origin.DECKHOUSE), Origin.DECKHOUSE) == [switch]
    bound["metadata"]["annotations"]["network.deckhouse.io/l2-load-balancer-external-ips-count"] = (
        "2"
    )
    move = move_of({**objects, "SDNInternalL2LBService": [child]}, Origin.DECKHOUSE)
    assert steps(move, Origin.DECKHOUSE) == [switch], "the controller adopts it"
    text = plan_text(Origin.DECKHOUSE, move)
    assert "not in its status yet, but of a child object: 10.0.0.8" in text
    assert "the internal kind SDNInternalL2LBService" in text


def test_the_whole_plan_in_words() -> None:
    by_bgp = advertisement_object("b", kind="BGPAdvertisement", ipAddressPools=["edge", "front"])
    layer2 = advertisement_object("a", ipAddressPools=["front"])
    many = [f"10.4.0.{number}/32" for number in range(1, 8)]
    held = [
        service_object(f"e{number}", ingress=(f"10.3.0.{number}",), ips=f"10.3.0.{number}")
        for number in range(1, 8)
    ]
    move = move_of({
        "IPAddressPool": [
            pool_object(autoAssign=False),
            pool_object("edge", ("10.3.0.0/28",), autoAssign=False),
            pool_object("many", tuple(many), autoAssign=False),
            pool_object("none", (), autoAssign=False),
        ],
        "L2Advertisement": [layer2],
        "BGPAdvertisement": [by_bgp],
        "Service": [
            *held,
            service_object("keeps", ingress=("10.0.0.7",)),
            service_object("more", ingress=("10.0.0.8",), count="2",
                           annotations={"metallb.io/address-pool": "front"}),
            service_object("part", ingress=("10.0.0.4", "10.9.9.9"), count="1",
                           annotations={"metallb.io/address-pool": "front"}),
            service_object("moves", ingress=("10.9.9.8",), ips="10.0.0.3"),
            service_object("none", ingress=("10.9.9.7",), ips="10.9.9.7"),
            service_object("theirs", loadBalancerClass="theirs"),
            service_object("waits"),
            service_object("gets", ips="10.0.0.9"),
        ],
        "Deployment": [CONTROLLER],
        "DaemonSet": [{**SPEAKER, "status": {}}],
        "CustomResourceDefinition": [conversion("old")],
        "ValidatingWebhookConfiguration": [webhooks("old", "metallb.io")],
    })  # fmt: skip
    text = plan_text(Origin.METALLB, move)
    for line in (
        "Move from MetalLB. Pools:",
        "  pool front: 10.0.0.1-10.0.0.9; announced by ARP and NDP, and by BGP",
        "  pool edge: 10.3.0.0/28; announced by BGP",
        (
            "  pool many: 10.4.0.1/32, 10.4.0.2/32, 10.4.0.3/32, 10.4.0.4/32, 10.4.0.5/32 and 2 "
            "more; no advertisement covers it, so nobody announces it"
        ),
        "  pool none: no addresses; no advertisement covers it, so nobody announces it",
        "  default/keeps: keeps 10.0.0.7 (pool front)",
        "  default/more: keeps 10.0.0.8 (pool front), gets 10.0.0.1 too",
        "  default/part: DOES NOT KEEP 10.9.9.9, keeps 10.0.0.4 (pool front)",
        "  default/moves: DOES NOT KEEP 10.9.9.8, will get 10.0.0.3",
        "  default/none: DOES NOT KEEP 10.9.9.7",
        "  default/theirs: left alone",
        "  default/waits: has no address, will get none",
        "  default/gets: has no address, will get 10.0.0.9",
        "  Deployment metallb-system/controller: 1 pods",
        "  DaemonSet metallb-system/speaker: no pods",
        "  ValidatingWebhookConfiguration old: refuses writes once its server is gone",
        "  the conversion of BGPPeers, by a server in namespace old",
        "  9 Services keep their addresses, 3 do not",
        "  10 addresses are to be entered into the ledger",
    ):
        assert line in text.splitlines(), f"{line}\n{text}"


def test_an_empty_cluster_in_words() -> None:
    text = plan_text(Origin.METALLB, move_of({}))
    assert "none: no Service can keep an address" in text
    assert "Services:" not in text
