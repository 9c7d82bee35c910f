"""Metrics: what is counted as it happens, and who shows series at all."""

from __future__ import annotations

from prometheus_client import generate_latest

from metallb.api.meta import ObjectKey
from metallb_controller.app.metrics import Metrics
from metallb_controller.reconcile.ledger import vip_target
from metallb_controller.reconcile.model import DeleteVirtualIP, Outcome
from support.objects import class_object, service_object
from support.outcomes import settled


def test_who_does_not_lead_has_no_pools() -> None:
    text = generate_latest(Metrics(lambda: None).registry).decode()
    assert "metallb_allocator_addresses_total{" not in text
    assert "\nmetallb_k8s_client_config_loaded_bool " not in text
    assert "metallb_controller_leader 0.0" in text


def test_writes_are_counted_by_kind_and_outcome() -> None:
    world, _ = settled(class_object(isDefault=True), service_object("web", namespace="default"))
    vip = world.vips()["10.0.0.1"]
    assert vip.spec.services == (ObjectKey("default", "web"),)
    metrics = Metrics(lambda: None)
    for outcome in (Outcome.DONE, Outcome.DONE, Outcome.STALE):
        metrics.count_write(DeleteVirtualIP(vip_target(vip.spec.address), vip), outcome, 0.02)
    name = "metallb_controller_writes_total"
    assert metrics.registry.get_sample_value(name, {"kind": "VirtualIP", "outcome": "Done"}) == 2
    assert metrics.registry.get_sample_value(name, {"kind": "VirtualIP", "outcome": "Stale"}) == 1
    bucket = "metallb_controller_write_duration_seconds_bucket"
    assert metrics.registry.get_sample_value(bucket, {"le": "0.01"}) == 0
    assert metrics.registry.get_sample_value(bucket, {"le": "0.025"}) == 3
