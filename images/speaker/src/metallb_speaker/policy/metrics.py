"""Metrics of the speaker, under MetalLB's names where it has them.

What reflex counts comes in by lines, and is added up here, so that a series goes on when reflex is
started again. What it says anew to a policy that has just connected is the past and is not counted.

MetalLB's counters have no `_total` at their ends, which the format that we write demands of
counters; so they are written as untyped, and `rate()` and dashboards take them as they are.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from metallb.api.virtual_ips import AnnounceReason
from metallb_speaker.announce.model import WithdrawReason
from metallb_speaker.bfd.errors import DropReason as BFDDropReason
from metallb_speaker.control import LATENESS_BOUNDS_SECONDS
from metallb_speaker.liveness.errors import DropReason
from metallb_speaker.liveness.events import DownReason
from metallb_speaker.liveness.messages import NodeState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.reflector import Reflector
    from metallb.net.addresses import IPAddress
    from metallb_speaker.control import AnnouncedLine, Line
    from metallb_speaker.policy.bfd import BFDSessions
    from metallb_speaker.policy.bgp_metrics import BgpMetrics
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
    "dropped_bfd": ("metallb_bfd_packets_dropped", "BFD datagrams not taken.", "reason"),
    "heartbeats": ("metallb_speaker_heartbeats", "Heartbeats sent and taken.", "direction"),
    "announced": (
        "metallb_speaker_announcements",
        "Addresses that this node began to announce.",
        "reason",
    ),
    "withdrawn": (
        "metallb_speaker_withdrawals",
        "Addresses that this node stopped announcing.",
        "reason",
    ),
    "peers_lost": ("metallb_speaker_peers_lost", "Peers that were alive no more.", "reason"),
}
_FROM_THE_START: dict[str, Iterable[str]] = {
    "lost": ("frames", "heartbeats", "bfd"),
    "dropped_heartbeats": tuple(DropReason),
    "dropped_bfd": tuple(BFDDropReason),
    "heartbeats": ("sent", "received"),
    "announced": tuple(AnnounceReason),
    "withdrawn": tuple(WithdrawReason),
    "peers_lost": tuple(DownReason),
}
"""Series that are there as 0 before the first one is counted, so that `increase()` sees it."""
_COUNTED_BY_REFLEX = ("lost", "dropped_frames", "dropped_heartbeats", "dropped_bfd", "heartbeats")
_OUTAGE_BUCKETS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics(Collector):
    """All metrics of one speaker; what reflex counts comes in by `add`."""

    def __init__(
        self,
        node: str,
        reports: Reports,
        find: Callable[[IPAddress], VirtualIP | None],
        mirrors: Iterable[Reflector[Any]],
    ) -> None:
        disable_created_metrics()
        self._node = node
        self._reports = reports
        self._find = find
        self._mirrors = tuple(mirrors)
        self._by_address: dict[IPAddress, list[int]] = {}
        self._by_word: dict[str, Counter[str]] = {
            key: Counter(dict.fromkeys(_FROM_THE_START.get(key, ()), 0)) for key in _BY_WORD
        }
        self._late_timers = [0] * (len(LATENESS_BOUNDS_SECONDS) + 1)
        self._late_seconds = 0.0
        self._peers: dict[str, bool] = {}
        self._connections = 0
        self._is_told = False
        self.bfd: BFDSessions | None = None
        """Gives the metrics of BFD, if there is any."""
        self.bgp: BgpMetrics | None = None
        """Gives the metrics of BGP, if there is any."""
        self.state = NodeState.STARTING.name
        """What this node says of itself."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(self)
        self._outage_seconds = Histogram(
            "metallb_speaker_outage_seconds",
            "How long nobody announced an address that this node took over from a dead one.",
            buckets=_OUTAGE_BUCKETS,
            registry=self.registry,
        )

    # -- what happens ------------------------------------------------------------------------------

    def set_peers(self, nodes: Iterable[str]) -> None:
        """Take in all peers that there are; the others' series go."""
        self._peers = {node: self._peers.get(node, False) for node in nodes}

    def set_peer(self, node: str, is_alive: bool, reason: str) -> None:
        """Take in whether a peer lives."""
        if node in self._peers:
            self._peers[node] = is_alive
        if not is_alive:
            self._by_word["peers_lost"][reason] += 1

    def reflex_connected(self) -> None:
        """Take in that reflex is there, and will say what was before."""
        self._connections += 1
        self._is_told = False

    def told(self) -> None:
        """Take in that from now on reflex says what happens."""
        self._is_told = True

    def announced(self, line: AnnouncedLine) -> None:
        """Count an address that is announced, unless only its interfaces are others."""
        if not self._is_told or line.previous == self._node:
            return
        self._by_word["announced"][line.reason] += 1
        if line.outage_seconds is not None:
            self._outage_seconds.observe(line.outage_seconds)

    def withdrawn(self, reason: str) -> None:
        """Count an address that is announced no more."""
        self._by_word["withdrawn"][reason] += 1

    def add(self, line: Line) -> None:
        """Add what reflex has counted."""
        for address, counts in line["addresses"].items():
            found = self._by_address.setdefault(ip_address(address), [0] * len(counts))
            found[:] = _sums(found, counts)
        for key in _COUNTED_BY_REFLEX:
            self._by_word[key].update(line[key])
        self._late_timers = _sums(self._late_timers, line["late_timers"])
        self._late_seconds += line["late_seconds"]
        if self.bfd is not None:
            self.bfd.add_counts(line)

    def forget(self, address: IPAddress) -> None:
        """Let the series of an address go."""
        self._by_address.pop(address, None)

    # -- what is asked -----------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """Give the metrics that are read when asked."""
        yield self._announced()
        yield self._conflicts()
        text = "1 while heartbeats of the peer come in, else 0."
        yield _ones("metallb_speaker_peer_alive", text, "peer", self._peers)
        states = {state.name: state.name == self.state for state in NodeState}
        text = "1 for what this node says of itself, 0 for the others."
        yield _ones("metallb_speaker_state", text, "state", states)
        for place, (name, text) in enumerate(_BY_ADDRESS):
            family = Metric(name, text, "untyped")
            for address, counts in self._by_address.items():
                family.add_sample(name, {"ip": str(address)}, counts[place])
            yield family
        for key, (name, text, label) in _BY_WORD.items():
            yield _counter(name, text, label, self._by_word[key])
        yield self._lateness()
        yield CounterMetricFamily(
            "metallb_speaker_reflex_connections",
            "How often the reflex process was connected to.",
            value=self._connections,
        )
        yield CounterMetricFamily(
            "metallb_speaker_status_writes_failed",
            "Statuses that could not be written, and are written later.",
            value=self._reports.failures,
        )
        yield from self._client()
        if self.bfd is not None:
            yield from self.bfd.metrics()
        if self.bgp is not None:
            yield from self.bgp.metrics()

    def _announced(self) -> Metric:
        family = GaugeMetricFamily(
            "metallb_speaker_announced",
            "Services announced from this node, by address.",
            labels=["service", "protocol", "node", "ip"],
        )
        by_bgp = () if self.bgp is None else self.bgp.announced()
        for protocol, addresses in (("layer2", self._reports.announced), ("bgp", by_bgp)):
            for address in addresses:
                vip = self._find(address)
                for key in vip.spec.services if vip is not None else ():
                    family.add_metric([str(key), protocol, self._node, str(address)], 1)
        return family

    def _conflicts(self) -> Metric:
        claimed = {str(address): True for address in self._reports.conflicts}
        text = "1 while another station claims an address that this node announces."
        return _ones("metallb_speaker_address_conflict", text, "ip", claimed)

    def _lateness(self) -> Metric:
        bounds = [*map(str, LATENESS_BOUNDS_SECONDS), "+Inf"]
        return HistogramMetricFamily(
            "metallb_speaker_timer_lateness_seconds",
            "How much later than it was to a timer of the reflex process fired.",
            buckets=list(zip(bounds, accumulate(self._late_timers), strict=True)),
            sum_value=self._late_seconds,
        )

    def _client(self) -> Iterator[Metric]:
        counts = [mirror.counts for mirror in self._mirrors]
        yield CounterMetricFamily(
            "metallb_k8s_client_updates",
            "Changes of objects taken in.",
            value=sum(item.events for item in counts),
        )
        yield CounterMetricFamily(
            "metallb_k8s_client_update_errors",
            "Objects that could not be read.",
            value=sum(item.unreadable for item in counts),
        )
        yield GaugeMetricFamily(
            "metallb_k8s_client_config_loaded_bool",
            "1 when all objects have been read, else 0.",
            value=int(all(mirror.synced.is_set() for mirror in self._mirrors)),
        )
        yield GaugeMetricFamily(
            "metallb_k8s_client_config_stale_bool",
            "1 while the API server is not followed, else 0.",
            value=int(any(mirror.is_failing for mirror in self._mirrors)),
        )


def _sums(before: Iterable[int], more: Iterable[int]) -> list[int]:
    return [one + other for one, other in zip(before, more, strict=True)]


def _ones(name: str, text: str, label: str, values: Mapping[str, bool]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for word, value in values.items():
        family.add_metric([word], int(value))
    return family


def _counter(name: str, text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for word, count in sorted(counts.items()):
        family.add_metric([word], count)
    return family
