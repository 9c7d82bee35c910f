"""Annotations of MetalLB's old prefix: they are read, and who writes them is told once.

An Event comes when a Service that we serve is made with them, or begins to use others of them. What
a leader finds when it starts was told by the one before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from metallb.api.services import NATIVE_PREFIXES
from metallb_controller.reconcile.model import PostEvent

if TYPE_CHECKING:
    from metallb.api.meta import ObjectKey
    from metallb.api.services import Service

REASON: Final = "deprecatedAnnotation"
"""MetalLB's own word, for those who look for it."""


class Deprecations:
    """Services that are to be told, until they are decided about."""

    def __init__(self) -> None:
        self._waiting: dict[ObjectKey, None] = {}

    def observe(self, key: ObjectKey, before: Service | None, after: Service | None) -> None:
        """Take in that a Service has changed."""
        known = () if before is None else before.deprecated_annotations
        if after is None or not after.deprecated_annotations:
            self._waiting.pop(key, None)
        elif after.deprecated_annotations != known:
            self._waiting[key] = None

    def take(self, service: Service) -> list[PostEvent]:
        """Give the Event about a Service that we serve, once."""
        if service.meta.key not in self._waiting:
            return []
        del self._waiting[service.meta.key]
        said = ", ".join(
            f"{name} is deprecated, write {NATIVE_PREFIXES[0]}/{name.partition('/')[2]}"
            for name in service.deprecated_annotations
        )
        return [PostEvent(service.reference(), True, REASON, said)]
