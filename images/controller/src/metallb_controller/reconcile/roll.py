"""Which speakers are present, from the roll of Leases: said by the holder, unsaid by anybody.

A holder that is not renewed for `LEASE_SECONDS`, by our own clock, is taken for absent; this is
the last resort for a cluster in which nobody is left to say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.api.speakers import LEASE_SECONDS

if TYPE_CHECKING:
    from metallb.api.nodes import NodeName
    from metallb.api.speakers import Speaker


class Roll:
    """The speakers' roll; times are monotonic seconds."""

    def __init__(self) -> None:
        self._entries: dict[NodeName, Speaker] = {}
        self._renewed_at: dict[NodeName, float] = {}
        self._next_at: float | None = None
        self.present: frozenset[NodeName] = frozenset()

    def observe(self, name: NodeName, speaker: Speaker | None, now: float) -> bool:
        """Take in an entry, or that it is gone; tell whether others are present than before."""
        before = self._entries.get(name)
        if speaker is None:
            self._entries.pop(name, None)
            self._renewed_at.pop(name, None)
        else:
            self._entries[name] = speaker
            if before is None or _sign_of_life(speaker) != _sign_of_life(before):
                self._renewed_at[name] = now
        return self._refresh(now)

    def expire(self, now: float) -> bool:
        """Take in that time has passed; tell whether others are present than before."""
        return self._next_at is not None and self._next_at <= now and self._refresh(now)

    def next_at(self) -> float | None:
        """Tell when the next entry may run out."""
        return self._next_at

    def _refresh(self, now: float) -> bool:
        before = self.present
        self.present = frozenset(
            name
            for name, item in self._entries.items()
            if item.is_present and now - self._renewed_at[name] < LEASE_SECONDS
        )
        renewals = (self._renewed_at[name] + LEASE_SECONDS for name in self.present)
        self._next_at = min(renewals, default=None)
        return self.present != before


def _sign_of_life(speaker: Speaker) -> tuple[str, str]:
    return speaker.renewed_at, speaker.holder
