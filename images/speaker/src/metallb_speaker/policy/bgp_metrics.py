"""Metrics of BGP sessions, under the names and labels of MetalLB's exporters.

The label `peer` is an address and a port, as MetalLB has it; of a peer that is known by its
interface alone, that. Several peers that are objects of their own may be one address: their counts
are added up then, and the series of their sessions tells of the worst.

Counters begin anew with a session that is made anew.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from metallb_speaker.bgp.iana import MessageType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from metallb.domain.peers import Peer
    from metallb.net.addresses import IPAddress
    from metallb_speaker.peering.status import PeerStatus
    from metallb_speaker.policy.bgp import Bgp

Labels = tuple[str, str]
Count = tuple[str, str, "Callable[[PeerStatus], int]"]

_LABELS: Final = ("peer", "vrf")


def _sent(kind: MessageType) -> Callable[[PeerStatus], int]:
    return lambda status: status.sent[kind]


def _received(kind: MessageType) -> Callable[[PeerStatus], int]:
    return lambda status: status.received[kind]


_COUNTS: Final[tuple[Count, ...]] = (
    ("metallb_bgp_opens_sent", "OPEN messages sent.", _sent(MessageType.OPEN)),
    ("metallb_bgp_opens_received", "OPEN messages received.", _received(MessageType.OPEN)),
    (
        "metallb_bgp_notifications_sent",
        "NOTIFICATION messages sent.",
        _sent(MessageType.NOTIFICATION),
    ),
    (
        "metallb_bgp_updates_total_received",
        "UPDATE messages received.",
        _received(MessageType.UPDATE),
    ),
    ("metallb_bgp_keepalives_sent", "KEEPALIVE messages sent.", _sent(MessageType.KEEPALIVE)),
    (
        "metallb_bgp_keepalives_received",
        "KEEPALIVE messages received.",
        _received(MessageType.KEEPALIVE),
    ),
    (
        "metallb_bgp_route_refresh_sent",
        "ROUTE-REFRESH messages sent.",
        _sent(MessageType.ROUTE_REFRESH),
    ),
    (
        "metallb_bgp_total_sent",
        "Messages sent, of all kinds.",
        lambda status: sum(status.sent.values()),
    ),
    (
        "metallb_bgp_total_received",
        "Messages received, of all kinds.",
        lambda status: sum(status.received.values()),
    ),
)
"""MetalLB's counters without `_total` at their ends."""


class BgpMetrics:
    """Gives the metrics of a node's sessions, as they are when asked."""

    def __init__(self, bgp: Bgp) -> None:
        self._bgp = bgp

    def announced(self) -> Iterator[IPAddress]:
        """Give the VIPs that are announced by BGP, whether or not a session is up."""
        for address, verdict in self._bgp.table.verdicts().items():
            if verdict.shares:
                yield address

    def metrics(self) -> Iterator[Metric]:
        """Give the metrics."""
        peers = self._bgp.peers
        statuses: dict[Labels, list[PeerStatus]] = {}
        for name, status in self._bgp.statuses().items():
            if name in peers:
                statuses.setdefault(_labels(peers[name]), []).append(status)
        refused = {_labels(peers[name]) for name in self._bgp.faults if name in peers}
        yield _gauge(
            "metallb_bgp_session_up",
            "1 while the BGP session is Established, else 0.",
            dict.fromkeys(refused, 0)
            | {labels: int(all(s.is_up for s in found)) for labels, found in statuses.items()},
        )
        yield _gauge(
            "metallb_bgp_announced_prefixes_total",
            "Prefixes that are announced to the peer while the session is Established.",
            _sums(statuses, lambda status: status.routes if status.is_up else 0),
        )
        yield _gauge(
            "metallb_bgp_pending_prefixes_total",
            "Prefixes that the peer has not been told of yet, or not of their withdrawal.",
            _sums(statuses, lambda status: status.unsent_routes),
        )
        yield self._refused()
        yield self._silent()
        updates = CounterMetricFamily(
            "metallb_bgp_updates", "UPDATE messages sent, withdrawals among them.", labels=_LABELS
        )
        for labels, value in _sums(statuses, _sent(MessageType.UPDATE)).items():
            updates.add_metric(labels, value)
        yield updates
        for name, text, count in _COUNTS:
            family = Metric(name, text, "untyped")
            for labels, value in _sums(statuses, count).items():
                family.add_sample(name, dict(zip(_LABELS, labels, strict=True)), value)
            yield family

    def _silent(self) -> Metric:
        """Tell of VIPs that are for BGP and not announced by this node."""
        family = GaugeMetricFamily(
            "metallb_bgp_silent_vips",
            "VIPs that this node does not announce by BGP, by reason.",
            labels=("reason",),
        )
        found = Counter(item.silence for item in self._bgp.table.verdicts().values())
        for reason in filter(None, found):
            family.add_metric((reason,), found[reason])
        return family

    def _refused(self) -> Metric:
        family = GaugeMetricFamily(
            "metallb_bgp_session_refused",
            "1 while this node opens no session with the peer, by reason.",
            labels=(*_LABELS, "reason"),
        )
        peers = self._bgp.peers
        found = {
            (*_labels(peers[name]), str(fault.reason)): None
            for name, fault in self._bgp.faults.items()
            if name in peers
        }
        for labels in found:
            family.add_metric(labels, 1)
        return family


def _labels(peer: Peer) -> Labels:
    if peer.address is None:
        return f"{peer.interface}:{peer.port}", peer.vrf
    host = f"[{peer.address}]" if peer.address.version == 6 else str(peer.address)
    return f"{host}:{peer.port}", peer.vrf


def _sums(
    statuses: Mapping[Labels, Iterable[PeerStatus]], count: Callable[[PeerStatus], int]
) -> dict[Labels, int]:
    return {labels: sum(map(count, found)) for labels, found in statuses.items()}


def _gauge(name: str, text: str, values: Mapping[Labels, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=_LABELS)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
