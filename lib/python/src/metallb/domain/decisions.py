"""What a hook of the module sees in one run, and what it decides: values in, values out.

A hook is a process that the module operator starts with files of JSON. Everything that it decides
is a function `decide(Situation) -> Decision` in this package; reading and writing the files is
`metallb.hook`'s. A decision is complete: the values it wants, however they are now, and all series
of the metric groups that it keeps, so that a second run of the same situation changes nothing.

Limits: values are written whole by the path of a key that exists (the operator refuses a patch
below a missing parent), and only below the module's own key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metallb.api.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from metallb.api.fields import JsonObject

OUR_LABELS = {"heritage": "deckhouse", "module": "metallb"}
"""Labels of every object that the module makes."""

NAMESPACE = "d8-metallb"
UPSTREAM_NAMESPACE = "metallb-system"
"""Where MetalLB's manifests put objects; they are applied unchanged."""
PLATFORM_NAMESPACE = "d8-system"
"""The module operator's own; what is to outlive the module is there."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a hook sees: filter results of its bindings by name, values, settings, the time.

    `values` are the module's own (defaults, settings and `internal`), `settings` what the user
    wrote, `shared` the values under the key `global`. `now` has a time zone.
    """

    now: datetime
    snapshots: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    values: JsonObject = field(default_factory=dict)
    settings: JsonObject = field(default_factory=dict)
    shared: JsonObject = field(default_factory=dict)

    def snapshot(self, binding: str) -> list[Fields]:
        """Give the filter results of a binding; what is no object is left out."""
        return [Fields(item) for item in self.snapshots.get(binding, ()) if isinstance(item, dict)]

    def internal(self) -> Fields:
        """Give the values that hooks wrote."""
        return Fields(self.values).child("internal")


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """An object in the cluster; the namespace of a cluster-scoped one is empty."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    def to_object(self) -> dict[str, Any]:
        """Give the address as patch files have it."""
        found = {"apiVersion": self.api_version, "kind": self.kind, "name": self.name}
        return found | ({"namespace": self.namespace} if self.namespace else {})


@dataclass(frozen=True, slots=True)
class CreateIfNotExists:
    """Make an object unless one of that name is there."""

    object: JsonObject

    def to_object(self) -> dict[str, Any]:
        """Give the operation as patch files have it."""
        return {"operation": "CreateIfNotExists", "object": self.object}


@dataclass(frozen=True, slots=True)
class CreateOrUpdate:
    """Make an object, or replace the one of that name."""

    object: JsonObject

    def to_object(self) -> dict[str, Any]:
        """Give the operation as patch files have it."""
        return {"operation": "CreateOrUpdate", "object": self.object}


@dataclass(frozen=True, slots=True)
class MergePatch:
    """Patch an object (RFC 7396) unless it is gone."""

    target: Target
    patch: JsonObject
    subresource: str = ""

    def to_object(self) -> dict[str, Any]:
        """Give the operation as patch files have it."""
        found = {
            "operation": "MergePatch",
            **self.target.to_object(),
            "mergePatch": self.patch,
            "ignoreMissingObject": True,
        }
        return found | ({"subresource": self.subresource} if self.subresource else {})


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an object, if it is there, without waiting until it is gone."""

    target: Target

    def to_object(self) -> dict[str, Any]:
        """Give the operation as patch files have it."""
        return {"operation": "DeleteInBackground", **self.target.to_object()}


Operation = CreateIfNotExists | CreateOrUpdate | MergePatch | Delete


@dataclass(frozen=True, slots=True)
class Metric:
    """One series; it stands until the next decision about its group."""

    name: str
    labels: Mapping[str, str]
    value: float = 1.0


@dataclass(slots=True)
class Decision:
    """What a hook wants: nothing by default.

    `values` are by dotted path below the module's key (``internal.l2Enabled``). `metrics` are by
    group; a group without series is emptied.
    """

    values: dict[str, Any] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    metrics: dict[str, list[Metric]] = field(default_factory=dict)
