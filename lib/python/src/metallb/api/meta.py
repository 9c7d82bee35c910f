"""What every Kubernetes object has: its key, its metadata, references to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypedDict

if TYPE_CHECKING:
    from metallb.api.fields import Fields

GROUP = "network.deckhouse.io"
"""API group of our objects and prefix of our annotations and conditions."""

NATIVE_GROUP = "metallb.io"
"""API group of MetalLB's objects."""

NATIVE_VERSION = f"{NATIVE_GROUP}/v1beta1"
"""Group and version of all of them but BGPPeer."""


class ObjectKey(NamedTuple):
    """Namespace and name; the namespace of a cluster-scoped object is empty.

    A tuple, because it is hashed more often than anything else.
    """

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class MetadataObject(TypedDict, total=False):
    """The fields of ``metadata`` that are read, as JSON (`metallb.kube.decoding`)."""

    namespace: Any
    name: Any
    uid: Any
    resourceVersion: Any
    generation: Any
    creationTimestamp: Any
    deletionTimestamp: Any
    labels: Any
    annotations: Any


@dataclass(frozen=True, slots=True)
class Metadata:
    """The part of ``metadata`` that decisions and writes need.

    `resource_version` is opaque but for equality and, as of Kubernetes 1.35, comparison as a
    decimal. `created_at` is the API's RFC 3339 text: it sorts by time as it is.
    """

    key: ObjectKey
    uid: str
    resource_version: str
    generation: int
    created_at: str
    is_deleting: bool

    @property
    def seniority(self) -> tuple[str, str, str]:
        """Sort key: the older object first, ties by namespace and name."""
        return (self.created_at, self.key.namespace, self.key.name)


def read_metadata(fields: Fields) -> Metadata:
    """Read ``metadata`` of a top object."""
    meta = fields.child("metadata")
    return Metadata(
        key=ObjectKey(meta.word("namespace"), meta.text("name")),
        uid=meta.text("uid"),
        resource_version=meta.text("resourceVersion"),
        generation=meta.integer("generation", 0, 0, 2**63 - 1),
        created_at=meta.word("creationTimestamp"),
        is_deleting=meta.value.get("deletionTimestamp") is not None,
    )


@dataclass(frozen=True, slots=True)
class Reference:
    """Enough of an object to write an Event about it."""

    api_version: str
    kind: str
    key: ObjectKey
    uid: str
    resource_version: str = ""

    def to_object(self) -> dict[str, Any]:
        """Give the ``involvedObject`` of an Event."""
        found = {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.key.name,
            "uid": self.uid,
            "resourceVersion": self.resource_version,
        }
        if self.key.namespace:
            found["namespace"] = self.key.namespace
        return {name: value for name, value in found.items() if value}


class Named:
    """What readers' values have in common: the kind that their class is of, and a name.

    For frozen classes with `meta`; they say `api_version` and `object_kind`.
    """

    __slots__ = ()

    api_version: ClassVar[str]
    object_kind: ClassVar[str]
    meta: Metadata

    @property
    def name(self) -> str:
        """Name of the object."""
        return self.meta.key.name

    def reference(self) -> Reference:
        """Reference for Events."""
        meta = self.meta
        return Reference(
            self.api_version, self.object_kind, meta.key, meta.uid, meta.resource_version
        )
