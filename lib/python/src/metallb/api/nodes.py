"""Nodes and EndpointSlices as placement sees them: who could announce, where endpoints serve."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NewType, TypedDict

from metallb.api.fields import Fields
from metallb.api.meta import Metadata, MetadataObject, ObjectKey, read_metadata
from metallb.net.addresses import IPAddress, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metallb.api.fields import JsonObject

NodeName = NewType("NodeName", str)

ZONE_LABEL = "topology.kubernetes.io/zone"
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
SERVICE_LABEL = "kubernetes.io/service-name"


class _StatusObject(TypedDict, total=False):
    conditions: Any
    addresses: Any


class NodeObject(TypedDict, total=False):
    """The fields of a Node that `read_node` reads, as JSON (`metallb.kube.decoding`)."""

    metadata: MetadataObject
    status: _StatusObject


@dataclass(frozen=True, slots=True)
class Node:
    """A Node: its labels, and the two conditions that concern us."""

    meta: Metadata
    labels: Mapping[str, str]
    is_ready: bool
    is_network_available: bool
    addresses: tuple[IPAddress, ...] = ()
    """Its addresses inside the cluster (`InternalIP`)."""

    @property
    def name(self) -> NodeName:
        """Name of the node."""
        return NodeName(self.meta.key.name)

    @property
    def zone(self) -> str:
        """Zone of the node; empty when it has none."""
        return self.labels.get(ZONE_LABEL, "")

    @property
    def is_excluded(self) -> bool:
        """Whether somebody excluded the node from external load balancers (any value of the
        label).
        """
        return EXCLUDE_LABEL in self.labels

    def places_like(self, other: Node | None) -> bool:
        """Tell whether nothing that placement reads differs."""
        return other is not None and (
            (self.labels, self.is_ready, self.is_network_available)
            == (other.labels, other.is_ready, other.is_network_available)
        )


def read_node(value: JsonObject) -> Node:
    """Read a Node object."""
    fields = Fields(value)
    status = fields.child("status")
    states = {item.text("type"): item.text("status") for item in status.children("conditions")}
    return Node(
        meta=read_metadata(fields),
        labels=fields.child("metadata").mapping("labels"),
        is_ready=states.get("Ready") == "True",
        is_network_available=states.get("NetworkUnavailable") != "True",
        addresses=tuple(_internal_addresses(status)),
    )


def _internal_addresses(status: Fields) -> Iterator[IPAddress]:
    for item in status.children("addresses"):
        if item.text("type") == "InternalIP":
            with suppress(ValueError):
                yield parse_address(item.text("address"))


class EndpointSliceObject(TypedDict, total=False):
    """The fields of one that `read_endpoint_slice` reads, as JSON (`metallb.kube.decoding`)."""

    metadata: MetadataObject
    endpoints: Any


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """An EndpointSlice: which Service it belongs to, and the nodes on which endpoints can serve.

    `has_endpoint` also counts endpoints that name no node. `counts` are how many are on each node.
    """

    key: ObjectKey
    service: ObjectKey
    nodes: frozenset[NodeName]
    has_endpoint: bool
    counts: tuple[tuple[NodeName, int], ...] = ()


def read_endpoint_slice(value: JsonObject) -> EndpointSlice:
    """Read an EndpointSlice object.

    An endpoint can serve when `ready` is true or unset, or `serving` is true: pods that terminate
    and still serve count.
    """
    fields = Fields(value)
    meta = fields.child("metadata")
    key = ObjectKey(meta.word("namespace"), meta.text("name"))
    counts: Counter[NodeName] = Counter()
    has_endpoint = False
    for endpoint in fields.children("endpoints"):
        conditions = endpoint.child("conditions")
        if conditions.boolean("ready", default=True) or conditions.boolean("serving"):
            has_endpoint = True
            if node := endpoint.word("nodeName"):
                counts[NodeName(node)] += 1
    service = ObjectKey(key.namespace, meta.mapping("labels").get(SERVICE_LABEL, ""))
    nodes, found = _once(tuple(sorted(counts.items())))
    return EndpointSlice(key, service, nodes, has_endpoint, found)


@lru_cache(4096)
def _once(
    counts: tuple[tuple[NodeName, int], ...],
) -> tuple[frozenset[NodeName], tuple[tuple[NodeName, int], ...]]:
    """Keep what is equal once: most Services are on the same few nodes."""
    return frozenset(node for node, _ in counts), counts
