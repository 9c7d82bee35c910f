"""How liveness works; the same on all speakers, or nearly so while settings are changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LivenessSettings:
    """Times in seconds."""

    interval_seconds: float = 0.05
    multiplier: int = 3
    startup_seconds: float = 0.3
    """How long a new speaker listens before it may announce: twice the detection time."""
    hold_down_seconds: float = 2.0
    """How long one that is back takes nothing from others: the controller decides meanwhile."""

    @property
    def detection_seconds(self) -> float:
        """How long we may be silent before others take us for dead."""
        return self.interval_seconds * self.multiplier
