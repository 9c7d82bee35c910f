"""Metrics of the speaker, under MetalLB's names where it has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from metallb_speaker.policy.reports import Reports

_DROPPED_FRAMES = "dropped_frames_"
_DROPPED_HEARTBEATS = "dropped_heartbeats_"


class Metrics(Collector):
    """All metrics of one speaker; reflex's counters come in by `set_counters`."""

    def __init__(self, node: str, reports: Reports) -> None:
        self._node = node
        self._reports = reports
        self._counters: dict[str, int] = {}
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._peers = Gauge(
            "metallb_speaker_peer_alive",
            "1 while heartbeats of the peer come in, else 0.",
            ["peer"],
            registry=self.registry,
        )
        self.registry.register(self)

    def set_counters(self, counters: dict[str, int]) -> None:
        """Take in reflex's counters."""
        self._counters = counters

    def set_peer(self, node: str, is_alive: bool) -> None:
        """Take in whether a peer lives."""
        self._peers.labels(node).set(int(is_alive))

    def collect(self) -> Iterable[Metric]:
        """Give the metrics that are read when asked."""
        announced = GaugeMetricFamily(
            "metallb_speaker_announced",
            "Services announced from this node, by address.",
            labels=["protocol", "node", "ip"],
        )
        for address in self._reports.announced:
            announced.add_metric(["layer2", self._node, str(address)], 1)
        yield announced
        for name, key, text in (
            ("metallb_layer2_responses_sent", "answers", "Answers to ARP and NDP requests."),
            ("metallb_layer2_gratuitous_sent", "announcements", "Announcements by ARP and NDP."),
            ("metallb_speaker_frames_lost", "lost_frames", "Frames that could not be sent."),
        ):
            yield CounterMetricFamily(name, text, value=self._counters.get(key, 0))
        for name, prefix, text in (
            ("metallb_layer2_dropped", _DROPPED_FRAMES, "Frames not answered, by reason."),
            ("metallb_speaker_heartbeats_dropped", _DROPPED_HEARTBEATS, "Heartbeats not taken."),
        ):
            family = CounterMetricFamily(name, text, labels=["reason"])
            for key, value in sorted(self._counters.items()):
                if key.startswith(prefix):
                    family.add_metric([key.removeprefix(prefix)], value)
            yield family
