"""What a hook tells the module operator about itself, and the habits that all of our hooks keep.

Every binding of a hook is in one group, so each run sees the snapshots of all of them, whatever
caused it; a schedule is in the group too, else it would see nothing and believe that nothing is
there. Whole objects are never kept, only what a filter of jq makes of them, which is also what
decides whether a change is one: a Node that reports itself alive does not run a hook.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

GROUP = "snapshots"
QUEUE_PREFIX = "/modules/metallb"


@dataclass(frozen=True, slots=True)
class Binding:
    """Objects that a hook watches; `jq` makes the filter result.

    `is_silent`: changes do not run the hook, it only sees the objects when it runs.
    """

    name: str
    api_version: str
    kind: str
    jq: str
    namespace: str = ""
    names: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    is_silent: bool = False

    def to_object(self, queue: str, *, runs_at_start: bool) -> dict[str, Any]:
        """Give the binding as the operator reads it."""
        found: dict[str, Any] = {
            "name": self.name,
            "apiVersion": self.api_version,
            "kind": self.kind,
            "jqFilter": self.jq,
            "group": GROUP,
            "queue": queue,
            "keepFullObjectsInMemory": False,
            "executeHookOnSynchronization": runs_at_start and not self.is_silent,
        }
        if self.namespace:
            found["namespace"] = {"nameSelector": {"matchNames": [self.namespace]}}
        if self.names:
            found["nameSelector"] = {"matchNames": list(self.names)}
        if self.labels:
            found["labelSelector"] = {"matchLabels": dict(self.labels)}
        if self.is_silent:
            found["executeHookOnEvent"] = []
        return found


@dataclass(frozen=True, slots=True)
class HookConfig:
    """When a hook runs: at which moments of a module's life, on which objects, at what times.

    A moment is given by its order among the hooks of the module. A hook with no moment of its own
    runs once when its objects have been seen first.
    """

    queue: str = "main"
    on_startup: int | None = None
    before_helm: int | None = None
    after_helm: int | None = None
    after_delete_helm: int | None = None
    crontab: str = ""
    bindings: tuple[Binding, ...] = field(default_factory=tuple)

    def needs(self) -> frozenset[str]:
        """Name the snapshots without which a decision would be blind."""
        return frozenset(binding.name for binding in self.bindings)

    def to_json(self) -> str:
        """Give what the operator reads at registration."""
        moments = {
            "onStartup": self.on_startup,
            "beforeHelm": self.before_helm,
            "afterHelm": self.after_helm,
            "afterDeleteHelm": self.after_delete_helm,
        }
        found: dict[str, Any] = {"configVersion": "v1"}
        found.update((name, order) for name, order in moments.items() if order is not None)
        queue = self.queue if self.queue == "main" else f"{QUEUE_PREFIX}/{self.queue}"
        if self.bindings:
            runs_at_start = len(found) == 1
            found["kubernetes"] = [
                binding.to_object(queue, runs_at_start=runs_at_start) for binding in self.bindings
            ]
        if self.crontab:
            found["schedule"] = [
                {"name": "schedule", "crontab": self.crontab, "group": GROUP, "queue": queue}
            ]
        return json.dumps(found, indent=2)
