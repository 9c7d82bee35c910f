"""Where the endpoints of Services can serve, from EndpointSlices: by Service, slices merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb.api.meta import ObjectKey
    from metallb.api.nodes import EndpointSlice, NodeName


class Endpoints:
    """The slices of all Services; a Service has one for each 100 endpoints and each family."""

    def __init__(self) -> None:
        self._slices: dict[ObjectKey, dict[ObjectKey, EndpointSlice]] = {}

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
            if old is None or _says(old) != _says(new):
                changed.add(new.service)
        return changed

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


def _says(item: EndpointSlice) -> tuple[ObjectKey, frozenset[NodeName], bool]:
    return item.service, item.nodes, item.has_endpoint
