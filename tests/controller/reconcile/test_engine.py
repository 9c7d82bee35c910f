"""The reconciler through restarts, conflicts and failures: one situation a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb.api.classes import read_class
from metallb.api.meta import ObjectKey
from metallb_controller.reconcile.catalogue import ConfigKind
from metallb_controller.reconcile.engine import Reconciler
from metallb_controller.reconcile.model import Outcome, ReconcilerSettings, Result
from support.objects import bound_condition, class_object, service_object, slice_object
from support.outcomes import ASSIGNED, CLASS, REQUEST, settled, words, world_of
from support.world import WALL, Leader

if TYPE_CHECKING:
    from metallb_controller.reconcile.agenda import Touched
    from metallb_controller.reconcile.model import Write
    from support.world import World


def test_a_new_leader_writes_nothing_when_all_is_right() -> None:
    world, _ = settled(
        class_object(isDefault=True),
        service_object("web", count="5"),
        service_object("api", key="k"),
        slice_object("web"),
    )
    before = world.version
    Leader(world, now=1000.0).settle()
    assert world.version == before


def test_an_entry_that_somebody_deleted_is_written_again() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web", ips="10.0.0.4"))
    del world.objects[("Service", "default", "web")]["metadata"]["annotations"]
    world.delete("VirtualIP", "10.0.0.4")
    leader.settle()
    assert set(world.vips()) == {"10.0.0.4"}
    assert world.addresses("web") == ["10.0.0.4"]


def test_a_status_that_shows_what_the_ledger_lost_gets_the_same_address_from_a_new_leader() -> None:
    world, _ = settled(class_object(isDefault=True), service_object("a"), service_object("b"))
    shown = world.addresses("b")
    world.delete("VirtualIP", shown[0])
    world.put(service_object("c", created="2025-01-01T00:00:00Z"))
    Leader(world).settle()
    assert world.addresses("b") == shown
    assert world.addresses("c") == ["10.0.0.3"]


@pytest.mark.parametrize("how", ["deleted", "being deleted", "retyped"])
def test_a_new_leader_keeps_an_address_beside_a_holder_that_went_meanwhile(how: str) -> None:
    """The one that went is older, and clashes with the one that stays as it is read now."""
    world, _ = settled(
        class_object(isDefault=True),
        service_object("went", key="edge", created="2025-01-01T00:00:00Z"),
        service_object("stays", key="edge", ports=(("UDP", 80),)),
    )
    shared = world.addresses("stays")
    assert shared == world.addresses("went")
    clash = service_object("went", ports=(("UDP", 80),), deleting=how == "being deleted")
    match how:
        case "deleted":
            world.delete("Service", "went", "default")
        case "being deleted":
            world.put(clash)
        case "retyped":
            world.put({**clash, "spec": {**clash["spec"], "type": "ClusterIP"}})
    Leader(world).settle()
    assert world.addresses("stays") == shared
    holders = [key.name for key in world.vips()[shared[0]].spec.services]
    assert holders == (["stays", "went"] if how == "being deleted" else ["stays"])


def test_an_entry_of_nobody_is_struck() -> None:
    world, _ = settled(class_object(isDefault=True), service_object("web"))
    del world.objects[("Service", "default", "web")]
    Leader(world).settle()
    assert world.vips() == {}


def test_an_entry_that_is_there_already_is_respected() -> None:
    world = world_of(class_object(isDefault=True), service_object("web"), service_object("other"))
    leader = Leader(world)
    leader.step()
    create = next(w for w in leader.under_way if w.target.key.name == "10.0.0.1")
    theirs = "other" if "web" in str(create) else "web"
    mine = "web" if theirs == "other" else "other"
    world.put(
        {
            "kind": "VirtualIP",
            "metadata": {"name": "10.0.0.1"},
            "spec": {
                "address": "10.0.0.1",
                "pool": "ingress",
                "services": [{"namespace": "default", "name": theirs}],
                "trafficPolicy": "Cluster",
                "layer2": {"nodes": []},
            },
        }
    )
    leader.settle()
    assert "10.0.0.1" in world.addresses(theirs)
    assert "10.0.0.1" not in world.addresses(mine)
    assert len(world.addresses(mine)) == 1


@pytest.mark.parametrize("lose", ["request", "answer"])
def test_writes_that_fail_are_tried_again(lose: str) -> None:
    world = world_of(class_object(isDefault=True), service_object("web", count="2"))
    leader = Leader(world)
    for _ in range(3):
        leader.step()
        while leader.under_way:
            leader.execute(lose=lose)
        leader.now += 40
        while leader.is_late:
            leader.deliver()
    leader.settle()
    assert len(world.addresses("web")) == 2
    leader.reconciler.allocator.check_invariants()


def test_a_refused_write_is_not_repeated_soon_and_the_rest_goes_on() -> None:
    world = world_of(class_object(isDefault=True), service_object("web", count="2"))
    leader = Leader(world)
    leader.step()
    creates = [w for w in leader.under_way if w.target.kind == "VirtualIP"]
    refused = creates[0]
    leader.under_way.remove(refused)
    leader.reconciler.done(refused, Result(Outcome.REFUSED, words="policy says no"), leader.now)
    while leader.under_way:
        leader.execute()
    leader.step()
    while leader.under_way:
        leader.execute()
    assert words(world, "web", ASSIGNED)[2] == "1 of 2 public IPs were assigned"
    assert words(world, "web", REQUEST)[1:] == (
        "VirtualIPRefused",
        f"the API server refuses the VirtualIP of {refused.target.key.name}: policy says no",
    )
    assert leader.reconciler.get_timer() is not None
    leader.now += 31
    leader.settle()
    assert words(world, "web", ASSIGNED)[2] == "2 of 2 public IPs were assigned"
    assert words(world, "web", REQUEST)[0] == "True"


def test_an_old_view_of_what_was_deleted_brings_nothing_back() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web"))
    vip = world.vips()["10.0.0.1"]
    world.delete("Service", "web", "default")
    leader.settle()
    leader.reconciler.observe_vip(vip.spec.address, vip)
    leader.settle()
    assert leader.reconciler.allocator.holders(vip.spec.address) == ()


def test_many_services_are_served_in_steps() -> None:
    world = world_of(class_object(ranges=("10.0.0.0/16",), isDefault=True))
    for number in range(250):
        world.put(service_object(f"s{number:03}"))
    leader = Leader(world, settings=ReconcilerSettings(services_per_step=100))
    leader.step()
    assert sum(w.target.kind == "VirtualIP" for w in leader.under_way) == 100
    assert leader.reconciler.undecided == 150
    assert leader.reconciler.has_work()
    leader.settle()
    shown = [world.addresses(f"s{number:03}") for number in range(250)]
    assert len({item for addresses in shown for item in addresses}) == 250


def test_a_step_decides_about_no_more_than_is_said() -> None:
    world = world_of(class_object(ranges=("10.0.0.0/16",), isDefault=True))
    for number in range(25):
        world.put(service_object(f"s{number:03}"))
    leader = Leader(world, settings=ReconcilerSettings(services_per_step=10))
    leader.reconciler.step(leader.now, WALL, 3)
    assert leader.reconciler.undecided == 22
    leader.reconciler.step(leader.now, WALL)
    assert leader.reconciler.undecided == 12


def test_what_was_begun_goes_on_while_nothing_new_is_decided() -> None:
    world = world_of(class_object(isDefault=True), service_object("a"), service_object("b"))
    leader = Leader(world, settings=ReconcilerSettings(services_per_step=1))
    leader.step()
    (create,) = [write for write in leader.under_way if write.target.kind == "VirtualIP"]
    leader.execute(leader.under_way.index(create))
    actions = leader.reconciler.step(leader.now, "t", 0)
    assert [getattr(item, "target", create.target).kind for item in actions] == ["Service"]
    assert leader.reconciler.has_work()
    assert leader.reconciler.step(leader.now, "t", 0) == []


def test_nothing_is_decided_before_the_start() -> None:
    reconciler = Reconciler()
    assert reconciler.step(0.0, WALL) == []
    assert not reconciler.has_work()


def test_a_service_of_another_type_that_is_not_ours_is_not_even_remembered() -> None:
    world, leader = settled(service_object("web", type="ClusterIP"))
    assert leader.reconciler.observed.services == {}
    world.put(service_object("web", type="ClusterIP", selector={}))
    leader.settle()
    assert leader.reconciler.observed.services == {}


def test_a_service_that_was_ours_in_an_earlier_life_is_tidied_up() -> None:
    world, _ = settled(
        service_object(
            "web", type="ClusterIP", ingress=(), conditions=(bound_condition("ingress"),)
        )
    )
    assert world.condition("web", CLASS) is None


# -- writes to the ledger that fail ----------------------------------------------------------------


def _narrowed(count: str = "1") -> tuple[World, Leader, Write]:
    """A Service of two addresses that is to have fewer, and the write that strikes an entry."""
    world, leader = settled(class_object(isDefault=True), service_object("web", count="2"))
    world.put(service_object("web", count=count))
    while not any(write.target.kind == "VirtualIP" for write in leader.under_way):
        while leader.is_late:
            leader.deliver()
        while leader.under_way:
            leader.execute()
        leader.step()
    (write,) = leader.under_way
    return world, leader, write


def test_an_entry_that_somebody_else_has_struck_is_forgotten() -> None:
    world, leader, write = _narrowed()
    world.delete("VirtualIP", write.target.key.name)
    leader.under_way.clear()
    leader.reconciler.done(write, Result(Outcome.GONE), leader.now)
    leader.settle()
    assert set(world.vips()) == {"10.0.0.1"}


@pytest.mark.parametrize("outcome", [Outcome.STALE, Outcome.FAILED])
def test_an_entry_that_was_made_anew_meanwhile_is_not_taken_for_the_old_one(
    outcome: Outcome,
) -> None:
    world, leader, write = _narrowed()
    entry = world.objects[("VirtualIP", "", write.target.key.name)]
    world.delete("VirtualIP", write.target.key.name)
    world.put(entry)
    while leader.is_late:
        leader.deliver()
    leader.under_way.clear()
    leader.reconciler.done(write, Result(outcome), leader.now)
    leader.settle()
    assert set(world.vips()) == {"10.0.0.1"}


def test_a_deletion_without_an_answer_is_tried_again() -> None:
    world, leader, _ = _narrowed()
    leader.execute(lose="request")
    leader.settle()
    assert set(world.vips()) == {"10.0.0.1"}


def test_an_update_without_an_answer_is_written_again_though_it_seems_right() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web"))
    world.put(slice_object("web"))
    leader.deliver()
    leader.step()
    leader.execute(lose="answer")
    world.delete("EndpointSlice", "web-1", "default")
    leader.see_at_once(("EndpointSlice", "default", "web-1"))  # what it last saw is right again
    leader.now += 1
    leader.step()
    assert [write.target.kind for write in leader.under_way] == ["VirtualIP"]
    leader.settle()
    assert world.vips()["10.0.0.1"].spec.layer2.suspended is not None


# -- what is no news -------------------------------------------------------------------------------


def test_what_is_no_news_leads_to_no_work() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web"))
    reconciler = leader.reconciler
    vip = world.vips()["10.0.0.1"]
    reconciler.observe_vip(vip.spec.address, vip)
    for name, node in list(reconciler.observed.nodes.items()):
        reconciler.observe_node(name, node)
    reconciler.observe_config(ConfigKind.CLASSES, ObjectKey("", "never"), None)
    reconciler.observe_service(ObjectKey("default", "never"), None)
    for key, service in list(reconciler.observed.services.items()):
        reconciler.observe_service(key, service)
    leader.settle()
    assert leader.under_way == []
    assert world.events == []


def test_a_class_that_goes_before_the_start_is_no_event() -> None:
    reconciler = Reconciler()
    reconciler.observe_config(
        ConfigKind.CLASSES, ObjectKey("", "ingress"), read_class(class_object())
    )
    reconciler.observe_config(ConfigKind.CLASSES, ObjectKey("", "ingress"), None)
    reconciler.start(0.0)
    assert reconciler.step(0.0, WALL) == []


def test_our_own_words_in_a_status_lead_to_no_second_decision() -> None:
    world = world_of(class_object(isDefault=True), service_object("web"))
    leader = Leader(world)
    decided: list[ObjectKey] = []
    decide = leader.reconciler.assignments.decide

    def counted(key: ObjectKey, leaving: str = "") -> Touched:
        decided.append(key)
        return decide(key, leaving)

    leader.reconciler.assignments.decide = counted  # type: ignore[method-assign]
    leader.settle()
    assert world.addresses("web") == ["10.0.0.1"]
    assert decided == [ObjectKey("default", "web")]


def test_another_mode_than_vip_in_a_status_is_mended() -> None:
    world, leader = settled(class_object(isDefault=True), service_object("web"))
    changed = service_object("web")
    world.put(changed)
    shown = world.service("web")["status"]["loadBalancer"]["ingress"][0]
    shown["ipMode"] = "Proxy"
    world.put(changed)
    leader.settle()
    assert world.service("web")["status"]["loadBalancer"]["ingress"] == [
        {"ip": "10.0.0.1", "ipMode": "VIP"}
    ]


def test_a_status_with_a_host_name_in_it_is_ours_to_write_once_the_service_is() -> None:
    world = world_of(class_object(isDefault=True))
    value = service_object("web")
    value["status"] = {"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}
    world.put(value)
    Leader(world).settle()
    assert world.addresses("web") == ["10.0.0.1"]


def test_at_the_start_a_new_service_does_not_wait_for_those_that_are_served_well() -> None:
    names = [f"s{number:03}" for number in range(150)]
    pool = class_object(ranges=("10.0.0.0/23",), isDefault=True)
    world = world_of(pool, *(service_object(name) for name in names))
    Leader(world).settle()
    world.put(service_object("new", created="2026-02-01T00:00:00Z"))
    leader = Leader(world)
    leader.step()
    assert [write.target.key.name for write in leader.under_way] == ["10.0.0.151"]
    leader.settle()
    assert world.addresses("new") == ["10.0.0.151"]


def test_at_the_start_who_lacks_something_goes_before_the_new_ones() -> None:
    pool = class_object(ranges=("10.0.0.1-10.0.0.2",), isDefault=True)
    world = world_of(pool, service_object("old"))
    Leader(world).settle()
    assert world.addresses("old") == ["10.0.0.1"]
    world.service("old")["status"]["conditions"][1]["status"] = "False"
    world.put(service_object("new", created="2025-01-01T00:00:00Z"))
    world.put(service_object("old", count="2"))
    Leader(world).settle()
    assert world.addresses("old") == ["10.0.0.1", "10.0.0.2"]
    assert world.addresses("new") == []
