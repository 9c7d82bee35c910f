"""Children that are held (`metallb.domain.deckhouse_children`), and until when.

A child is let go when it has nothing to tell any more: each of its addresses that its Service keeps
is in the ledger and in the Service's status, or the Service has given it up since. Addresses that
the Service does not keep are not waited for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.domain.deckhouse_children import FINALIZER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from metallb.api.fields import JsonObject
    from metallb.api.meta import ObjectKey
    from metallb.api.services import Service
    from metallb.api.virtual_ips import VirtualIP
    from metallb.net.addresses import IPAddress
    from metallb_controller.migrate.children import Child
    from metallb_controller.migrate.plan import Plan


@dataclass(frozen=True, slots=True)
class Hold:
    """A child that is held, and those of its addresses that its Service keeps."""

    child: Child
    kept: tuple[IPAddress, ...]

    def is_over(
        self, service: Service | None, vip_of: Callable[[IPAddress], VirtualIP | None]
    ) -> bool:
        """Tell whether the child may go; `service` is its Service, None when that is gone."""
        if service is None:
            return True
        shown = {item.ip for item in service.ingress}
        return all(str(item) in shown or not self._has(vip_of(item)) for item in self.kept)

    def _has(self, vip: VirtualIP | None) -> bool:
        return vip is not None and self.child.service in vip.spec.services

    def release(self) -> JsonObject:
        """Give the merge patch that lets the child go, if it is as it was seen."""
        meta = self.child.meta
        others = [item for item in self.child.finalizers if item != FINALIZER]
        seen = {"uid": meta.uid, "resourceVersion": meta.resource_version}
        return {"metadata": {**seen, "finalizers": others}}


def holds(
    children: Iterable[Child], plan: Plan, missing: frozenset[IPAddress] = frozenset()
) -> Iterator[Hold]:
    """Give the children that are held and may be let go some time.

    `missing` are addresses that could not be entered: their children stay for the next leader.
    """
    kept = {row.key: row.kept for row in plan.services}
    for child in children:
        found = tuple(item for item in child.addresses if item in kept.get(child.service, {}))
        if child.is_held and missing.isdisjoint(found):
            yield Hold(child, found)


def adopted(plan: Plan) -> Iterator[tuple[ObjectKey, str]]:
    """Tell which addresses that no Service shows are entered, and of which Service."""
    entered = {vip.spec.address for vip in plan.entries}
    for row in plan.services:
        if found := [str(item) for item in row.hidden if item in entered]:
            yield row.key, f"{', '.join(found)} of a child object of the module before is kept"


def lost(children: Iterable[Child], plan: Plan) -> Iterator[tuple[ObjectKey, str]]:
    """Tell which addresses of children their Services do not keep, and why."""
    theirs: dict[ObjectKey, list[IPAddress]] = {}
    for child in children:
        theirs.setdefault(child.service, []).extend(child.addresses)
    for row in plan.services:
        found = [str(item) for item in theirs.get(row.key, ()) if item not in row.kept]
        if found:
            reasons = "; ".join(row.reasons or row.notes)
            yield row.key, f"{', '.join(found)} of a child object is not kept: {reasons}"
