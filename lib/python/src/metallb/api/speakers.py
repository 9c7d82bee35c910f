"""The speakers' roll: one Lease (coordination.k8s.io/v1) a node, in the module's namespace.

A speaker that is ready to announce puts its name and incarnation into `spec.holderIdentity` and
its heartbeat addresses into an annotation. When peers find it dead, the first of them empties the
holder; so does the speaker itself when it leaves. The Lease is renewed seldom (`RENEW_SECONDS`):
liveness is decided by heartbeats on the wire, and the roll only tells the controller of it, and
speakers of each other's addresses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb.api.fields import Fields
from metallb.api.meta import GROUP, Metadata, read_metadata
from metallb.api.nodes import NodeName
from metallb.net.addresses import IPAddress, parse_address

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

LEASE_PREFIX = "metallb-speaker-"
COMPONENT_LABEL = "app.kubernetes.io/component"
COMPONENT = "speaker"
LINKS_ANNOTATION = f"{GROUP}/heartbeat-links"
RENEW_SECONDS = 120
LEASE_SECONDS = 400
"""A holder that was not renewed for so long is taken for dead even if nobody said so."""


@dataclass(frozen=True, slots=True)
class HeartbeatLink:
    """One interface over which a speaker can be reached: its name on that node, and its
    addresses.
    """

    interface: str
    addresses: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True)
class Speaker:
    """A node's entry in the roll; `holder` is empty when the speaker is known to be gone."""

    meta: Metadata
    node: NodeName
    holder: str
    port: int
    links: tuple[HeartbeatLink, ...]
    renewed_at: str = ""

    @property
    def is_present(self) -> bool:
        """Whether the speaker says that it is there, and nobody says otherwise."""
        return bool(self.holder)


def lease_name(node: str) -> str:
    """Name of the Lease of a node's speaker."""
    return LEASE_PREFIX + node


def read_speaker(value: JsonObject) -> Speaker:
    """Read a Lease of the roll; what cannot be read of its links is left out."""
    fields = Fields(value)
    meta = read_metadata(fields)
    spec = fields.child("spec")
    text = fields.child("metadata").mapping("annotations").get(LINKS_ANNOTATION, "{}")
    try:
        roll = Fields({"roll": json.loads(text)}).child("roll")
    except ValueError:
        roll = Fields({})
    return Speaker(
        meta=meta,
        node=NodeName(meta.key.name.removeprefix(LEASE_PREFIX)),
        holder=spec.text("holderIdentity"),
        port=roll.integer("port", 0, 0, 65_535),
        links=tuple(_read_link(item) for item in roll.children("links")),
        renewed_at=spec.text("renewTime"),
    )


def _read_link(fields: Fields) -> HeartbeatLink:
    addresses: list[IPAddress] = []
    for text in fields.texts("addresses"):
        try:
            addresses.append(parse_address(text))
        except ValueError:
            continue
    return HeartbeatLink(fields.text("interface"), tuple(addresses))


def links_text(port: int, links: tuple[HeartbeatLink, ...]) -> str:
    """Give the text of the annotation."""
    entries = [
        {"interface": link.interface, "addresses": [str(address) for address in link.addresses]}
        for link in links
    ]
    return json.dumps({"port": port, "links": entries}, separators=(",", ":"), sort_keys=True)


def lease_object(
    speaker: Speaker, namespace: str, now: str, owner: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Give the JSON form of a Lease of the roll.

    `now` is RFC 3339 text with microseconds (MicroTime); `owner` an ownerReference (the Node), so
    that the entry goes when the node goes.
    """
    metadata: dict[str, Any] = {
        "name": lease_name(speaker.node),
        "namespace": namespace,
        "labels": {COMPONENT_LABEL: COMPONENT, "module": "metallb", "heritage": "deckhouse"},
        "annotations": {LINKS_ANNOTATION: links_text(speaker.port, speaker.links)},
    }
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    if speaker.meta.resource_version:
        metadata["resourceVersion"] = speaker.meta.resource_version
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": speaker.holder or None,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": now,
        },
    }
