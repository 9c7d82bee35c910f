"""Children of Deckhouse's own module are held until their addresses are safe.

Its children (SDNInternalL2LBService) are of its release, so the release of this module removes
them, and then the kind goes (`metallb.domain.dead_kinds`). A child may have an address that the
status of its Service does not show. No hook can read it: one that watches a kind which may be
missing stops the operator. The leading controller can, but it starts when the children are gone.

So before the release a finalizer is put on them. Whoever deletes them then, they stay in the API
until the controller has adopted their addresses and takes it off; the kind waits for its objects by
itself. Names of children follow from their Services: `<service>-<class>-<number>`, in the namespace
of the Service, numbers from 0 to one less than the count that the Service asks for.

Limits: only children of a Service that shows fewer addresses than it asks for are held, for others
have nothing to tell; one that is beyond the count, or whose Service is gone, is not held.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from metallb.api.label_syntax import is_object_name
from metallb.api.meta import GROUP
from metallb.domain.adoption import bound_class, read_services, running_addresses
from metallb.domain.decisions import Decision, MergePatch, Target
from metallb.domain.requests import MAX_ADDRESSES_PER_FAMILY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metallb.api.services import Service
    from metallb.domain.decisions import Situation

KIND = "SDNInternalL2LBService"
API_GROUP, VERSION = f"internal.{GROUP}", "v1alpha1"
FINALIZER = f"{GROUP}/metallb-adoption"

_COUNT = re.compile(r"\+?[0-9]{1,9}")


def children_hold(situation: Situation) -> Decision:
    """Hold the children of Services that do not show all their addresses.

    Snapshots: `old-kind` (whether it is there, and stays as yet), `services`, cut-down objects.
    """
    if not situation.snapshot("old-kind"):
        return Decision()
    return Decision(
        operations=[
            _with_finalizers(child, [FINALIZER])
            for service in read_services(situation)
            if len(running_addresses(service)) < _count(service)
            for child in _children(service)
        ]
    )


def children_release(situation: Situation) -> Decision:
    """Hold no child any more: the controller that would have let it go is gone.

    Snapshots: `old-kind` (whether it is there), `services`, cut-down objects.
    """
    if not situation.snapshot("old-kind"):
        return Decision()
    return Decision(
        operations=[
            _with_finalizers(child, None)
            for service in read_services(situation)
            for child in _children(service)
        ]
    )


def _count(service: Service) -> int:
    """Read the count as Deckhouse does: what is no number above one is one."""
    text = service.count_annotation or ""
    found = int(text) if _COUNT.fullmatch(text) else 1
    return min(max(found, 1), MAX_ADDRESSES_PER_FAMILY)


def _children(service: Service) -> Iterator[Target]:
    """Name the children of a Service; one that is bound to no class has none."""
    bound = bound_class(service)
    namespace, name = service.meta.key
    for number in range(_count(service)) if bound else ():
        child = f"{name}-{bound}-{number}"
        if is_object_name(child):
            yield Target(f"{API_GROUP}/{VERSION}", KIND, child, namespace)


def _with_finalizers(child: Target, finalizers: Sequence[str] | None) -> MergePatch:
    return MergePatch(child, {"metadata": {"finalizers": finalizers}})
