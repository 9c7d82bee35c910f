"""Metrics: pools as the reconciler of the moment has them, writes and leadership."""

from __future__ import annotations

from prometheus_client import generate_latest

from metallb.api.classes import read_class
from metallb.api.meta import ObjectKey
from metallb_controller.app.metrics import Metrics
from metallb_controller.reconcile.engine import Reconciler
from metallb_controller.reconcile.ledger import vip_target
from metallb_controller.reconcile.model import DeleteVirtualIP, Outcome
from support.objects import class_object, service_object
from support.outcomes import settled


def test_who_does_not_lead_has_no_pools() -> None:
    text = generate_latest(Metrics(lambda: None).registry).decode()
    assert "metallb_allocator_addresses_total{" not in text
    assert "metallb_controller_leader 0.0" in text


def test_pools_are_counted_by_class() -> None:
    _, leader = settled(
        class_object("one", ("10.0.0.1-10.0.0.9",)),
        class_object("two", ("10.1.0.1",)),
        service_object("web", class_annotation="one", count="2"),
    )
    metrics = Metrics(lambda: leader.reconciler)
    names = ("metallb_allocator_addresses_total", "metallb_allocator_addresses_in_use_total")
    values = [
        [metrics.registry.get_sample_value(name, {"pool": pool}) for name in names]
        for pool in ("one", "two")
    ]
    assert values == [[9, 2], [1, 0]]


def test_a_class_without_addresses_counts_none() -> None:
    reconciler = Reconciler()
    reconciler.observe_class("empty", read_class(class_object("empty", ())))
    reconciler.start(0.0)
    metrics = Metrics(lambda: reconciler)
    name = "metallb_allocator_addresses_total"
    assert metrics.registry.get_sample_value(name, {"pool": "empty"}) == 0


def test_writes_are_counted_by_kind_and_outcome() -> None:
    world, _ = settled(class_object(isDefault=True), service_object("web", namespace="default"))
    vip = world.vips()["10.0.0.1"]
    assert vip.spec.services == (ObjectKey("default", "web"),)
    metrics = Metrics(lambda: None)
    for outcome in (Outcome.DONE, Outcome.DONE, Outcome.STALE):
        metrics.count_write(DeleteVirtualIP(vip_target(vip.spec.address), vip), outcome)
    name = "metallb_controller_writes_total"
    assert metrics.registry.get_sample_value(name, {"kind": "VirtualIP", "outcome": "Done"}) == 2
    assert metrics.registry.get_sample_value(name, {"kind": "VirtualIP", "outcome": "Stale"}) == 1
