"""Child objects of Deckhouse's own module (SDNInternalL2LBService): one for each L2 address.

Its controller gives each child an address, and a hook copies these into the status of the Service.
The hook may be late, or stop at a Service that is gone, so a child can have an address that the
Service does not show yet; clients may use it all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.fields import Fields
from metallb.api.meta import Metadata, ObjectKey, read_metadata
from metallb.domain.deckhouse_children import FINALIZER
from metallb.net.addresses import IPAddress, parse_address

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

_CLASS_ANNOTATION = "metallb.io/address-pool"


@dataclass(frozen=True, slots=True)
class Child:
    """A child: its Service, the class that it is of (empty: it does not say), its addresses.

    One that is held has our finalizer among its own.
    """

    meta: Metadata
    service: ObjectKey
    class_name: str
    addresses: tuple[IPAddress, ...]
    finalizers: tuple[str, ...] = ()

    @property
    def key(self) -> ObjectKey:
        """Namespace and name."""
        return self.meta.key

    @property
    def is_held(self) -> bool:
        """Tell whether it stays in the API until its addresses are adopted."""
        return FINALIZER in self.finalizers


def read_child(value: JsonObject) -> Child:
    """Read a child; an address that is none is left out."""
    fields = Fields(value)
    meta = read_metadata(fields)
    of = fields.child("spec").child("serviceRef")
    ingress = fields.child("status").child("loadBalancer").children("ingress")
    metadata = fields.child("metadata")
    return Child(
        meta,
        ObjectKey(of.word("namespace", meta.key.namespace), of.text("name")),
        metadata.child("annotations").text(_CLASS_ANNOTATION),
        tuple(found for item in ingress if (found := address_or_none(item.text("ip")))),
        metadata.texts("finalizers"),
    )


def address_or_none(text: str) -> IPAddress | None:
    """Read an address; None when it is none."""
    try:
        return parse_address(text)
    except ValueError:
        return None
