"""What the demo measured, as values and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb_lab.probes import ProbeResult


@dataclass(frozen=True, slots=True)
class VipShown:
    """A VIP as the client sees it."""

    address: str
    service: str
    owner: str
    mac: str
    answered_by: str
    """Pod that answered HTTP through the VIP."""
    answered_on: str
    """Node of that pod."""


@dataclass(frozen=True, slots=True)
class VipMeasured:
    """What a client that asks each 2 ms saw of a VIP while something happened."""

    address: str
    before: str
    """Node that announced it before."""
    after: str
    sent: int
    lost: int
    longest_gap_milliseconds: float
    recorded_outage_milliseconds: float | None = None
    """What the new owner itself wrote into the VirtualIP, where it took over from a dead node."""

    @property
    def received(self) -> int:
        """Replies."""
        return self.sent - self.lost

    @property
    def has_moved(self) -> bool:
        """Whether another node announces it now."""
        return self.before != self.after


@dataclass(slots=True)
class Outcome:
    """What every demo tells."""

    control_plane: str
    nodes: int
    module_seconds: dict[str, float] = field(default_factory=dict)
    """With the module: how long its steps took, by step."""
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        return {**asdict(self), "ok": not self.failures}


@dataclass(slots=True)
class Figures(Outcome):
    """All of the demo of L2 mode."""

    vips: list[VipShown] = field(default_factory=list)
    planned_move: list[VipMeasured] = field(default_factory=list)
    node_loss: list[VipMeasured] = field(default_factory=list)
    node_return: list[VipMeasured] = field(default_factory=list)
    speakers_rolled: list[VipMeasured] = field(default_factory=list)


def measured(
    before: Mapping[str, str],
    after: Mapping[str, str],
    seen: Mapping[str, ProbeResult],
    outages: Mapping[str, float | None] | None = None,
) -> list[VipMeasured]:
    """Put together who announced each address, before and after, and what the client saw."""
    return [
        VipMeasured(
            address=address,
            before=before[address],
            after=after[address],
            sent=result.sent,
            lost=result.sent - result.received,
            longest_gap_milliseconds=round(result.longest.milliseconds, 1),
            recorded_outage_milliseconds=(outages or {}).get(address),
        )
        for address, result in seen.items()
    ]
