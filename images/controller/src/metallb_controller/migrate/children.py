"""Child objects of Deckhouse's own module (SDNInternalL2LBService): one for each L2 address.

Its controller gives each child an address, and a hook copies these into the status of the Service.
The hook may be late, or stop at a Service that is gone, so a child can have an address that the
Service does not show yet; clients may use it all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.fields import Fields
from metallb.api.meta import ObjectKey, read_metadata
from metallb.net.addresses import IPAddress, parse_address

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

KIND = "SDNInternalL2LBService"
_CLASS_ANNOTATION = "metallb.io/address-pool"


@dataclass(frozen=True, slots=True)
class Child:
    """A child: its Service, the class that it is of (empty: it does not say), its addresses."""

    key: ObjectKey
    service: ObjectKey
    class_name: str
    addresses: tuple[IPAddress, ...]


def read_child(value: JsonObject) -> Child:
    """Read a child; an address that is none is left out."""
    fields = Fields(value)
    key = read_metadata(fields).key
    of = fields.child("spec").child("serviceRef")
    ingress = fields.child("status").child("loadBalancer").children("ingress")
    annotations = fields.child("metadata").child("annotations")
    return Child(
        key,
        ObjectKey(of.word("namespace", key.namespace), of.text("name")),
        annotations.text(_CLASS_ANNOTATION),
        tuple(found for item in ingress if (found := address_or_none(item.text("ip")))),
    )


def address_or_none(text: str) -> IPAddress | None:
    """Read an address; None when it is none."""
    try:
        return parse_address(text)
    except ValueError:
        return None
