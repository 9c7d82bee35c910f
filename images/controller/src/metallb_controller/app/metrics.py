"""Metrics of the controller: what it does, counted as it happens; what there is, in `census`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from metallb_controller.app.census import Census
from metallb_controller.reconcile.model import Outcome, TargetKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_controller.app.census import Term
    from metallb_controller.reconcile.model import Write

_STEP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_WRITE_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """All metrics of one controller process."""

    def __init__(self, term: Callable[[], Term | None]) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(Census(term))
        self.is_leader = Gauge(
            "metallb_controller_leader",
            "1 when this replica leads, else 0.",
            registry=self.registry,
        )
        self.step_seconds = Histogram(
            "metallb_controller_step_duration_seconds",
            "How long one step of deciding took.",
            buckets=_STEP_BUCKETS,
            registry=self.registry,
        )
        self.write_seconds = Histogram(
            "metallb_controller_write_duration_seconds",
            "How long a write to the API server took.",
            buckets=_WRITE_BUCKETS,
            registry=self.registry,
        )
        self._writes = Counter(
            "metallb_controller_writes",
            "Writes to the API server, by kind of object and outcome.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self._counters = {
            (kind, outcome): self._writes.labels(kind, outcome)
            for kind in TargetKind
            for outcome in Outcome
        }
        """All are there as 0 before the first one is counted, so that `increase()` sees it."""

    def count_write(self, write: Write, outcome: Outcome, seconds: float) -> None:
        """Count a write that has ended."""
        self.write_seconds.observe(seconds)
        self._counters[write.target.kind, outcome].inc()
