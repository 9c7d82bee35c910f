"""Which children stay in the API, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.meta import ObjectKey
from metallb.api.services import read_service
from metallb.api.virtual_ips import VirtualIP, VirtualIPSpec, new_virtual_ip
from metallb.domain.deckhouse_children import FINALIZER, KIND
from metallb.net.addresses import parse_address
from metallb_controller.migrate.children import read_child
from metallb_controller.migrate.cluster import Origin
from metallb_controller.migrate.holds import Hold, adopted, holds, lost
from metallb_controller.migrate.move import plan_addresses
from support.objects import bound_condition, class_object, service_object
from support.situations import NOW

if TYPE_CHECKING:
    from metallb.net.addresses import IPAddress
    from metallb_controller.migrate.children import Child
    from metallb_controller.migrate.cluster import Objects
    from metallb_controller.migrate.plan import Plan

JsonObject = dict[str, Any]
WEB = ObjectKey("default", "web")


def child_object(
    service: str, number: int, *addresses: str, held: bool = True, others: tuple[str, ...] = ()
) -> JsonObject:
    name = f"{service}-ingress-{number}"
    return {
        "apiVersion": "internal.network.deckhouse.io/v1alpha1",
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "finalizers": [*others, *([FINALIZER] if held else [])],
        },
        "spec": {"serviceRef": {"name": service, "namespace": "default"}},
        "status": {"loadBalancer": {"ingress": [{"ip": item} for item in addresses]}},
    }


def bound(name: str, *ingress: str, count: str | None = None, **more: Any) -> JsonObject:
    return service_object(
        name, ingress=ingress, count=count, conditions=(bound_condition("ingress"),), **more
    )


def planned(services: list[JsonObject], children: list[JsonObject]) -> tuple[list[Child], Plan]:
    objects: Objects = {
        "MetalLoadBalancerClass": [class_object()],
        "Service": services,
        KIND: children,
    }
    return [*map(read_child, children)], plan_addresses(objects, Origin.DECKHOUSE, NOW, "")


def addresses(*texts: str) -> tuple[IPAddress, ...]:
    return tuple(parse_address(item) for item in texts)


def vip(address: str, *services: ObjectKey) -> VirtualIP:
    return new_virtual_ip(VirtualIPSpec(parse_address(address), "ingress", services))


def test_children_are_held_for_addresses_that_their_services_keep() -> None:
    children, plan = planned(
        [bound("web", "10.0.0.1", count="2"), bound("waits")],
        [
            child_object("web", 0, "10.0.0.1"),
            child_object("web", 1, "10.0.0.7"),
            child_object("web", 2, "10.0.0.8", held=False),
            child_object("waits", 0),
            child_object("gone", 0, "10.0.0.9"),
        ],
    )
    assert [(hold.child.key.name, hold.kept) for hold in holds(children, plan)] == [
        ("web-ingress-0", addresses("10.0.0.1")),
        ("web-ingress-1", addresses("10.0.0.7")),
        ("waits-ingress-0", ()),
        ("gone-ingress-0", ()),
    ]


def test_children_of_addresses_that_could_not_be_entered_stay() -> None:
    children, plan = planned(
        [bound("web", count="2")],
        [child_object("web", 0, "10.0.0.1"), child_object("web", 1, "10.0.0.7")],
    )
    [hold] = holds(children, plan, frozenset(addresses("10.0.0.1")))
    assert hold.child.key.name == "web-ingress-1"


HOLD = Hold(read_child(child_object("web", 1, "10.0.0.7")), addresses("10.0.0.7"))


@pytest.mark.parametrize(
    ("shown", "held_by", "is_over"),
    [
        ((), (WEB,), False),
        (("10.0.0.1",), (WEB,), False),
        (("10.0.0.1", "10.0.0.7"), (WEB,), True),
        ((), (ObjectKey("default", "other"),), True),
        ((), None, True),
    ],
)
def test_a_hold_is_over_when_the_address_is_shown_or_given_up(
    shown: tuple[str, ...], held_by: tuple[ObjectKey, ...] | None, is_over: bool
) -> None:
    service = read_service(bound("web", *shown))
    entry = None if held_by is None else vip("10.0.0.7", *held_by)
    assert HOLD.is_over(service, lambda address: entry) is is_over


def test_a_hold_is_over_when_the_service_is_gone() -> None:
    assert HOLD.is_over(None, lambda address: vip(str(address), WEB))


def test_a_child_that_has_nothing_to_tell_may_go() -> None:
    assert Hold(HOLD.child, ()).is_over(read_service(bound("web")), lambda address: None)


def test_only_our_finalizer_is_taken_off_and_only_as_it_was_seen() -> None:
    child = read_child(child_object("web", 1, others=("example.com/theirs",)))
    assert Hold(child, ()).release() == {
        "metadata": {
            "uid": "uid-web-ingress-1",
            "resourceVersion": "7",
            "finalizers": ["example.com/theirs"],
        }
    }


def test_what_is_adopted_is_told_when_it_is_entered() -> None:
    children, plan = planned(
        [bound("web", "10.0.0.1", count="2"), bound("plain", "10.0.0.2")],
        [child_object("web", 1, "10.0.0.7"), child_object("plain", 0, "10.0.0.2")],
    )
    assert dict(adopted(plan)) == {WEB: "10.0.0.7 of a child object of the module before is kept"}
    assert dict(lost(children, plan)) == {}


def test_what_is_not_kept_is_told_with_the_reason() -> None:
    children, plan = planned(
        [bound("web", "10.0.0.1"), bound("theirs", loadBalancerClass="example.com/x")],
        [
            child_object("web", 0, "10.0.0.1"),
            child_object("web", 1, "10.0.0.7"),
            child_object("gone", 0, "10.0.0.9"),
        ],
    )
    assert dict(adopted(plan)) == {}
    [(key, words)] = lost(children, plan)
    assert key == WEB
    assert words.startswith("10.0.0.7 of a child object is not kept: ")
    assert "10.0.0.7 is of class ingress" in words
