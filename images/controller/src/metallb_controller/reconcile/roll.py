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
        self.present: frozenset[NodeName] = frozenset()

    def observe(self, name: NodeName, speaker: Speaker | None, now: float) -> None:
        """Take in an entry, or that it is gone."""
        before = self._entries.get(name)
        if speaker is None:
            self._entries.pop(name, None)
            self._renewed_at.pop(name, None)
            return
        self._entries[name] = speaker
        if before is None or (speaker.renewed_at, speaker.holder) != (
            before.renewed_at,
            before.holder,
        ):
            self._renewed_at[name] = now

    def refresh(self, now: float) -> bool:
        """Work out who is present; tell whether that is news."""
        present = frozenset(
            name
            for name, item in self._entries.items()
            if item.is_present and now - self._renewed_at[name] < LEASE_SECONDS
        )
        changed = present != self.present
        self.present = present
        return changed

    def next_at(self) -> float | None:
        """Tell when the next entry runs out unless it is renewed."""
        return min((self._renewed_at[name] + LEASE_SECONDS for name in self.present), default=None)
