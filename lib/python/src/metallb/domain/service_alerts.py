"""Services that say what nobody listens to, or that nobody serves any more: metrics for alerts.

MetalLB's own annotations for pool, addresses and sharing do nothing for a Service that is bound to
a class, as in Deckhouse's module; where pools serve, they are read. A Service that was bound to a
class which is gone is an orphan: it keeps its binding, and gets no addresses until the class is
back or the binding is taken away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.domain.decisions import Decision, Metric
from metallb.domain.hook_metrics import HookMetric, MetricGroup

if TYPE_CHECKING:
    from metallb.domain.decisions import Situation

UNSUPPORTED = tuple(
    f"{prefix}/{name}"
    for prefix in ("metallb.io", "metallb.universe.tf")
    for name in ("address-pool", "allow-shared-ip", "loadBalancerIPs")
)


def service_alerts(situation: Situation) -> Decision:
    """Give the series of both metrics.

    Snapshots: `services` with `namespace`, `name`, `annotations` (their keys) and `class` (the
    class they are bound to); `classes` with `name`.
    """
    classes = {item.text("name") for item in situation.snapshot("classes")}
    unsupported: list[Metric] = []
    orphans: list[Metric] = []
    services = situation.snapshot("services")
    for item in sorted(services, key=lambda found: (found.text("namespace"), found.text("name"))):
        labels = {"name": item.text("name"), "namespace": item.text("namespace")}
        bound = item.text("class")
        said = item.texts("annotations") if bound else ()
        unsupported += [
            Metric(HookMetric.UNSUPPORTED_ANNOTATION, {**labels, "annotation": annotation})
            for annotation in UNSUPPORTED
            if annotation in said
        ]
        if bound and bound not in classes:
            orphans.append(Metric(HookMetric.ORPHAN_SERVICE, labels))
    return Decision(
        metrics={
            MetricGroup.UNSUPPORTED_ANNOTATIONS: unsupported,
            MetricGroup.ORPHAN_SERVICES: orphans,
        }
    )
