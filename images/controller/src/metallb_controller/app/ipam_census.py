"""What is known of the IPAM, as series; there are none without an IPAM."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from metallb_controller.ipam.model import Failure
from metallb_controller.ipam.plan import Disagreement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from metallb_controller.app.ipam import IpamSync


def ipam_families(ipam: IpamSync | None) -> Iterator[Metric]:
    """Give all families."""
    last = GaugeMetricFamily(
        "metallb_ipam_last_success_timestamp_seconds",
        "When the IPAM last had all that it is to have, in seconds since 1970; 0: not yet.",
    )
    errors = CounterMetricFamily(
        "metallb_ipam_errors",
        "Attempts that the IPAM did not answer as it should, in this term, by reason.",
        labels=["reason"],
    )
    conflicts = GaugeMetricFamily(
        "metallb_ipam_conflicts",
        "Addresses that we hold and the IPAM does not let us have, by reason.",
        labels=["reason"],
    )
    objects = GaugeMetricFamily("metallb_ipam_objects", "Objects of ours in the IPAM.")
    foreign = GaugeMetricFamily(
        "metallb_ipam_foreign_addresses",
        "Addresses in the ranges of pools that others use, as the IPAM says.",
    )
    if ipam is not None:
        last.add_metric([], ipam.last_success_at)
        counts = Counter(item.reason for item in ipam.conflicts)
        for disagreement in Disagreement:
            conflicts.add_metric([disagreement], counts[disagreement])
        for failure in Failure:
            errors.add_metric([failure], ipam.errors[failure])
        objects.add_metric([], ipam.objects)
        foreign.add_metric([], ipam.foreign)
    yield from (last, errors, conflicts, objects, foreign)
