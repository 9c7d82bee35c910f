"""BFD sessions as policy sees them: what it ordered of reflex, and what reflex told.

    BGP peers ──► order() ──► bfd line ──► reflex ──► bfd_state lines ──► take() ──► on_change

A session that goes from Up to Down is a failure of its peer, unless the peer has said that it was
shut down there (RFC 5882 §3.2): then BFD has nothing to say, and BGP's own timers go on. Nor is it
one when reflex is started anew: its sessions begin Down, with no diagnostic. Peers that have one
endpoint share a session, which works as the first of them (by name) wants.

Order nothing before all is known that says what to order: what is not named is taken away.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, Protocol

from prometheus_client.core import GaugeMetricFamily, Metric

from metallb_speaker import control
from metallb_speaker.bfd.iana import State
from metallb_speaker.control import BFDStateLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from metallb_speaker.bfd.config import BFDConfig, Endpoint
    from metallb_speaker.control import Line

_COUNTS: Final = (
    ("metallb_bfd_control_packet_input", "BFD control packets received."),
    ("metallb_bfd_control_packet_output", "BFD control packets sent."),
    ("metallb_bfd_echo_packet_input", "BFD echo packets that came back."),
    ("metallb_bfd_echo_packet_output", "BFD echo packets sent."),
    ("metallb_bfd_session_up_events", "How often the BFD session came up."),
    ("metallb_bfd_session_down_events", "How often the BFD session went down."),
)
"""In the order of `metallb_speaker.bfd.events.Counts`."""

_LABELS: Final = ("peer", "vrf")


class OnChange(Protocol):
    """Told when BFD finds that a peer can be reached, or cannot any more."""

    def __call__(self, name: str, *, is_up: bool) -> None:
        """Take it in."""


class BFDSessions:
    """The BFD sessions of this node's BGP peers, by the peers' names."""

    def __init__(self, say: Callable[[Line], None], on_change: OnChange) -> None:
        self._say = say
        self._on_change = on_change
        self._ordered: dict[str, BFDConfig] | None = None
        """None: it is not known yet what to order."""
        self._told: dict[Endpoint, BFDStateLine] = {}
        self._up: set[str] = set()
        """Of whom it was told last that they are up."""
        self._counts: dict[Endpoint, list[int]] = defaultdict(lambda: [0] * len(_COUNTS))
        self._notifications: dict[Endpoint, int] = defaultdict(int)

    # -- to reflex ---------------------------------------------------------------------------------

    def order(self, wanted: Mapping[str, BFDConfig]) -> None:
        """Say whom to watch, each time all of them."""
        before, self._ordered = self._ordered, dict(sorted(wanted.items()))
        if self._ordered == before:
            return
        endpoints = {config.endpoint for config in wanted.values()}
        for found in (self._told, self._counts, self._notifications):
            for endpoint in found.keys() - endpoints:
                del found[endpoint]
        self._up = {name for name in self._up if self._is_same(name, before)}
        self._tell_reflex()
        for name, config in self._ordered.items():
            told = self._told.get(config.endpoint)
            if told is not None:
                self._judge(name, told)

    def _is_same(self, name: str, before: Mapping[str, BFDConfig] | None) -> bool:
        """Tell whether a peer has the session that it had."""
        was, now = (before or {}).get(name), (self._ordered or {}).get(name)
        return was is not None and now is not None and was.endpoint == now.endpoint

    def reflex_connected(self) -> None:
        """Take in that reflex is there: it is told whom to watch, and says how they are."""
        self._told.clear()
        if self._ordered is not None:
            self._tell_reflex()

    def _tell_reflex(self) -> None:
        by_endpoint: dict[Endpoint, BFDConfig] = {}
        for config in (self._ordered or {}).values():
            by_endpoint.setdefault(config.endpoint, config)
        self._say(control.bfd_line(by_endpoint.values()))

    # -- from reflex -------------------------------------------------------------------------------

    def take(self, line: Line) -> None:
        """Take in how a session is."""
        told = BFDStateLine.of(line)
        before = self._told.get(told.endpoint)
        self._told[told.endpoint] = told
        if before is not None and before.state is not told.state:
            self._notifications[told.endpoint] += 1
        for name, config in (self._ordered or {}).items():
            if config.endpoint == told.endpoint:
                self._judge(name, told)

    def _judge(self, name: str, told: BFDStateLine) -> None:
        if told.state is State.UP:
            if name not in self._up:
                self._up.add(name)
                self._on_change(name, is_up=True)
        elif name in self._up and told.state is State.DOWN and told.diagnostic:
            self._up.discard(name)
            if told.remote_state is not State.ADMIN_DOWN:
                self._on_change(name, is_up=False)

    def status(self, name: str) -> BFDStateLine | None:
        """Tell how the session with a peer is; None: there is none, or reflex is not there."""
        config = (self._ordered or {}).get(name)
        return None if config is None else self._told.get(config.endpoint)

    # -- metrics -----------------------------------------------------------------------------------

    def add_counts(self, line: Line) -> None:
        """Add what reflex has counted; of sessions that are ordered no more nothing is kept."""
        ordered = {config.endpoint for config in (self._ordered or {}).values()}
        for endpoint, counts in control.bfd_counts_of(line):
            if endpoint in ordered:
                found = self._counts[endpoint]
                found[:] = [one + more for one, more in zip(found, counts, strict=True)]

    def metrics(self) -> Iterator[Metric]:
        """Give the metrics, under the names and labels that MetalLB's exporter has."""
        endpoints = sorted({config.endpoint for config in (self._ordered or {}).values()}, key=str)
        up = GaugeMetricFamily(
            "metallb_bfd_session_up", "1 while the BFD session is Up, else 0.", labels=_LABELS
        )
        for endpoint in endpoints:
            told = self._told.get(endpoint)
            is_up = told is not None and told.state is State.UP
            up.add_metric(_labels(endpoint), int(is_up))
        yield up
        for place, (name, text) in enumerate(_COUNTS):
            yield _untyped(name, text, {item: self._counts[item][place] for item in endpoints})
        name = "metallb_bfd_zebra_notifications"
        text = "Changes of state that BGP was told of."
        yield _untyped(name, text, {item: self._notifications[item] for item in endpoints})


def _labels(endpoint: Endpoint) -> tuple[str, str]:
    return str(endpoint.peer_address), endpoint.vrf


def _untyped(name: str, text: str, values: Mapping[Endpoint, int]) -> Metric:
    """Make a counter whose name, MetalLB's, has no `_total` at its end."""
    family = Metric(name, text, "untyped")
    for endpoint, value in values.items():
        family.add_sample(name, dict(zip(_LABELS, _labels(endpoint), strict=True)), value)
    return family
