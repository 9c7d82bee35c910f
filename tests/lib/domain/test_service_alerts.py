from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb.domain.hook_metrics import MetricGroup
from metallb.domain.service_alerts import UNSUPPORTED, service_alerts
from support.situations import HOSTILE, situation

if TYPE_CHECKING:
    from metallb.domain.decisions import Decision


def _service(name: str, *annotations: str, bound: str | None = None) -> dict[str, Any]:
    return {"namespace": "web", "name": name, "annotations": list(annotations), "class": bound}


def _series(decision: Decision, group: MetricGroup) -> list[dict[str, str]]:
    assert decision.operations == []
    assert decision.values == {}
    assert set(decision.metrics) == {
        MetricGroup.UNSUPPORTED_ANNOTATIONS,
        MetricGroup.ORPHAN_SERVICES,
    }
    return [dict(item.labels) for item in decision.metrics[group]]


def test_each_annotation_that_does_nothing_is_a_series() -> None:
    services = [
        _service("b", "metallb.universe.tf/address-pool", "metallb.io/loadBalancerIPs", bound="c"),
        _service("a", "metallb.io/allow-shared-ip", bound="c"),
        _service("fine", "network.deckhouse.io/load-balancer-ips", bound="c"),
        _service("of pools", "metallb.io/allow-shared-ip"),
    ]
    decision = service_alerts(situation(services=services, classes=[{"name": "c"}]))
    assert _series(decision, MetricGroup.UNSUPPORTED_ANNOTATIONS) == [
        {"name": "a", "namespace": "web", "annotation": "metallb.io/allow-shared-ip"},
        {"name": "b", "namespace": "web", "annotation": "metallb.io/loadBalancerIPs"},
        {"name": "b", "namespace": "web", "annotation": "metallb.universe.tf/address-pool"},
    ]
    assert decision.metrics[MetricGroup.UNSUPPORTED_ANNOTATIONS][0].name == (
        "d8_metallb_not_supported_service_annotations_detected"
    )
    assert len(UNSUPPORTED) == 6


def test_a_service_whose_class_is_gone_is_an_orphan() -> None:
    services = [_service("lost", bound="old"), _service("kept", bound="new"), _service("free")]
    decision = service_alerts(situation(services=services, classes=[{"name": "new"}]))
    orphans = decision.metrics[MetricGroup.ORPHAN_SERVICES]
    assert [item.name for item in orphans] == ["d8_l2_load_balancer_orphan_service"]
    assert _series(decision, MetricGroup.ORPHAN_SERVICES) == [{"name": "lost", "namespace": "web"}]


def test_without_services_both_groups_are_emptied() -> None:
    for given in (situation(), situation(services=list(HOSTILE[:5]), classes=list(HOSTILE))):
        decision = service_alerts(given)
        assert _series(decision, MetricGroup.UNSUPPORTED_ANNOTATIONS) == []
        assert _series(decision, MetricGroup.ORPHAN_SERVICES) == []
