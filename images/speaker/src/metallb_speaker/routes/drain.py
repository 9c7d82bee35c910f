"""A node that is taken out of load balancing on purpose leaves in two steps (RFC 8326 §4).

First its routes ask for other ways (GRACEFUL_SHUTDOWN, the lowest local preference), so that
routers move their flows while the node still forwards; a little later they are withdrawn. A node
whose network is not available, or that is gone, has no time for that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metallb.api.nodes import EXCLUDE_LABEL

if TYPE_CHECKING:
    from metallb.api.nodes import Node


@dataclass(frozen=True, slots=True)
class Shown:
    """What the routes are to be decided by."""

    node: Node | None
    is_draining: bool = False


class NodeDrain:
    """Follows a node; times are monotonic seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._was_in = False
        self._until: float | None = None

    def look(self, node: Node | None, now: float) -> Shown:
        """Take in what the node is like now; gives what its routes are to be decided by."""
        is_leaving = node is not None and node.is_excluded and node.is_network_available
        if node is None or not is_leaving:
            self._was_in = node is not None and not node.is_excluded
            self._until = None
            return Shown(node)
        if self._was_in:
            self._was_in = False
            self._until = now + self._seconds
        if self._until is None or now >= self._until:
            self._until = None
            return Shown(node)
        labels = {name: text for name, text in node.labels.items() if name != EXCLUDE_LABEL}
        return Shown(replace(node, labels=labels), is_draining=True)

    def get_timer(self) -> float | None:
        """Tell when to look again; None: when the node changes."""
        return self._until
