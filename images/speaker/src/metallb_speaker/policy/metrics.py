"""Metrics of the speaker, under MetalLB's names where it has them.

MetalLB's counters have no `_total` at their ends, which the format that we write demands of
counters; so they are written as untyped, and `rate()` and dashboards take them as they are.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.reflector import ReflectorCounts
    from metallb.net.addresses import IPAddress
    from metallb_speaker.control import Line
    from metallb_speaker.policy.reports import Reports

_BY_ADDRESS = (
    ("metallb_layer2_requests_received", "ARP and NDP requests for announced addresses."),
    ("metallb_layer2_responses_sent", "Answers to ARP and NDP requests."),
    ("metallb_layer2_gratuitous_sent", "Gratuitous ARP and unsolicited NDP frames."),
)
_BY_WORD = {
    "lost": ("metallb_speaker_sends_lost", "What the kernel would not send.", "kind"),
    "dropped_frames": ("metallb_layer2_frames_dropped", "Frames without an answer.", "reason"),
    "dropped_heartbeats": (
        "metallb_speaker_heartbeats_dropped",
        "Heartbeats not taken.",
        "reason",
    ),
}


class Metrics(Collector):
    """All metrics of one speaker; what reflex counts comes in by `add`."""

    def __init__(
        self,
        node: str,
        reports: Reports,
        find: Callable[[IPAddress], VirtualIP | None],
        mirrors: Iterable[ReflectorCounts],
    ) -> None:
        self._node = node
        self._reports = reports
        self._find = find
        self._mirrors = tuple(mirrors)
        self._by_address: dict[IPAddress, list[int]] = {}
        self._by_word: dict[str, Counter[str]] = {key: Counter() for key in _BY_WORD}
        self._peers: dict[str, bool] = {}
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(self)

    def set_peers(self, nodes: Iterable[str]) -> None:
        """Take in all peers that there are; the others' series go."""
        self._peers = {node: self._peers.get(node, False) for node in nodes}

    def set_peer(self, node: str, is_alive: bool) -> None:
        """Take in whether a peer lives."""
        if node in self._peers:
            self._peers[node] = is_alive

    def add(self, line: Line) -> None:
        """Add what reflex has counted."""
        for address, counts in line["addresses"].items():
            found = self._by_address.setdefault(ip_address(address), [0] * len(counts))
            found[:] = [before + more for before, more in zip(found, counts, strict=True)]
        for key, counter in self._by_word.items():
            counter.update(line[key])

    def forget(self, address: IPAddress) -> None:
        """Let the series of an address go."""
        self._by_address.pop(address, None)

    def collect(self) -> Iterable[Metric]:
        """Give the metrics that are read when asked."""
        yield self._announced()
        peers = GaugeMetricFamily(
            "metallb_speaker_peer_alive",
            "1 while heartbeats of the peer come in, else 0.",
            labels=["peer"],
        )
        for node, is_alive in self._peers.items():
            peers.add_metric([node], int(is_alive))
        yield peers
        for place, (name, text) in enumerate(_BY_ADDRESS):
            family = Metric(name, text, "untyped")
            for address, counts in self._by_address.items():
                family.add_sample(name, {"ip": str(address)}, counts[place])
            yield family
        for key, (name, text, label) in _BY_WORD.items():
            yield _counter(name, text, label, self._by_word[key])
        handled = sum(counts.events for counts in self._mirrors)
        failed = sum(counts.unreadable for counts in self._mirrors)
        yield CounterMetricFamily("metallb_k8s_client_updates", "Objects handled.", value=handled)
        yield CounterMetricFamily(
            "metallb_k8s_client_update_errors", "Objects that could not be read.", value=failed
        )
        yield CounterMetricFamily(
            "metallb_speaker_status_writes_failed",
            "Statuses that could not be written, and are written later.",
            value=self._reports.failures,
        )

    def _announced(self) -> Metric:
        family = GaugeMetricFamily(
            "metallb_speaker_announced",
            "Services announced from this node, by address.",
            labels=["service", "protocol", "node", "ip"],
        )
        for address in self._reports.announced:
            vip = self._find(address)
            for key in vip.spec.services if vip is not None else ():
                family.add_metric([str(key), "layer2", self._node, str(address)], 1)
        return family


def _counter(name: str, text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for word, count in sorted(counts.items()):
        family.add_metric([word], count)
    return family
