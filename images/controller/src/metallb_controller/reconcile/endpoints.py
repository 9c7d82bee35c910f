"""Where the endpoints of Services can serve, from EndpointSlices: by Service, slices merged."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb.api.meta import ObjectKey
    from metallb.api.nodes import EndpointSlice, NodeName


class Endpoints:
    """The slices of all Services; a Service has one for each 100 endpoints and each family."""

    def __init__(self) -> None:
        self._slices: dict[ObjectKey, dict[ObjectKey, EndpointSlice]] = {}
        self.are_counted = False
        """Whether it is a change that a node has more endpoints, or fewer."""

    def observe(self, old: EndpointSlice | None, new: EndpointSlice | None) -> set[ObjectKey]:
        """Take in a change of a slice; give the Services for which anything is different now."""
        changed: set[ObjectKey] = set()
        if old is not None and (new is None or new.service != old.service):
            found = self._slices[old.service]
            del found[old.key]
            if not found:
                del self._slices[old.service]
            changed.add(old.service)
        if new is not None:
            self._slices.setdefault(new.service, {})[new.key] = new
            if old is None or self._says(old) != self._says(new):
                changed.add(new.service)
        return changed

    def _says(self, item: EndpointSlice) -> tuple[object, ...]:
        counts = item.counts if self.are_counted else ()
        return item.service, item.nodes, item.has_endpoint, counts

    def can_serve(self, services: Iterable[ObjectKey]) -> bool:
        """Tell whether any of the Services has an endpoint that can serve, anywhere."""
        return any(
            item.has_endpoint for key in services for item in self._slices.get(key, {}).values()
        )

    def nodes(self, services: Iterable[ObjectKey]) -> frozenset[NodeName]:
        """Give the nodes with endpoints of every one of the Services; if there is none, of any."""
        each = [
            frozenset().union(*(item.nodes for item in self._slices.get(key, {}).values()))
            for key in services
        ]
        every = frozenset.intersection(*each) if each else frozenset()
        return every or frozenset().union(*each)

    def counts(self, services: Iterable[ObjectKey]) -> Counter[NodeName]:
        """Count the endpoints of Services that can serve, by node."""
        found: Counter[NodeName] = Counter()
        for key in services:
            for item in self._slices.get(key, {}).values():
                found.update(dict(item.counts))
        return found
