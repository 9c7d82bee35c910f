"""Metrics of the controller: pools under MetalLB's names, writes and leadership under ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client import Metric

    from metallb_controller.reconcile.engine import Reconciler
    from metallb_controller.reconcile.model import Outcome, Write


class _Pools(Collector):
    """Reads the pools' counts when asked, from the reconciler of the current term."""

    def __init__(self, reconciler: Callable[[], Reconciler | None]) -> None:
        self._reconciler = reconciler

    def collect(self) -> Iterable[Metric]:
        """Give one sample a pool."""
        prefix = "metallb_allocator_addresses"
        total = GaugeMetricFamily(f"{prefix}_total", "Addresses in the pool.", labels=["pool"])
        used = GaugeMetricFamily(
            f"{prefix}_in_use_total", "Addresses of the pool that Services hold.", labels=["pool"]
        )
        reconciler = self._reconciler()
        if reconciler is not None:
            for name in sorted(reconciler.observed.classes):
                capacity = reconciler.allocator.capacity(name)
                total.add_metric([name], capacity.total)
                used.add_metric([name], capacity.used)
        return [total, used]


class Metrics:
    """All metrics of one controller process."""

    def __init__(self, reconciler: Callable[[], Reconciler | None]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(_Pools(reconciler))
        self.is_leader = Gauge(
            "metallb_controller_leader",
            "1 when this replica leads, else 0.",
            registry=self.registry,
        )
        self._writes = Counter(
            "metallb_controller_writes",
            "Writes to the API server, by kind of object and outcome.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self._counters: dict[tuple[str, str], Counter] = {}

    def count_write(self, write: Write, outcome: Outcome) -> None:
        """Count a write that has ended."""
        key = (write.target.kind, outcome)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._writes.labels(*key)
        counter.inc()
