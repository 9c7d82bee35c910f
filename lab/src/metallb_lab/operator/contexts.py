"""Binding contexts: what a hook is told about why it runs (deckhouse-platform.md §2.5).

A run gets an array, because waiting tasks of one hook are put together. A binding of a group gives
one context of the group, with the snapshots of all its bindings; several of one group in a row
are one. Snapshots are taken when the hook starts, not when its reason arose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metallb_lab.operator.hook_config import HookConfig
    from metallb_lab.operator.monitors import WatchEvent

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a hook runs: one of its bindings, and what happened to it."""

    binding: str
    type: str = ""
    """`Synchronization`, `Event`, `Schedule`; empty for a moment such as `beforeHelm`."""
    group: str = ""
    include: tuple[str, ...] = ()
    event: WatchEvent | None = None


def binding_contexts(
    config: HookConfig, reasons: Sequence[Reason], snapshots: Mapping[str, list[Document]]
) -> list[Document]:
    """Give the array for one run; `snapshots` are those of all bindings of the hook."""
    contexts: list[Document] = []
    for reason in reasons:
        context = _context(config, reason, snapshots)
        is_same_group = (
            bool(reason.group) and bool(contexts) and contexts[-1].get("groupName") == reason.group
        )
        if is_same_group:
            contexts[-1] = context
        else:
            contexts.append(context)
    return contexts


def _context(
    config: HookConfig, reason: Reason, snapshots: Mapping[str, list[Document]]
) -> Document:
    if not reason.type:
        context: Document = {"binding": reason.binding}
        return context if reason.binding == "onStartup" else context | {"snapshots": snapshots}
    names = config.snapshots_for(reason.group, reason.include)
    included = {name: snapshots[name] for name in names}
    if reason.group:
        return {
            "binding": reason.group,
            "type": "Group",
            "groupName": reason.group,
            "snapshots": included,
        }
    context = {"binding": reason.binding, "type": reason.type}
    if reason.type == "Synchronization":
        context["objects"] = snapshots[reason.binding]
    if reason.event is not None:
        context |= {"watchEvent": reason.event.kind, **reason.event.watched.to_object()}
    return context | ({"snapshots": included} if names else {})
