"""Decoding of lists and watches, only as far as somebody reads them.

Making Python objects is what decoding costs, and half of what the API server says about an object
(`metadata.managedFields` most of all) is read by nobody. A *shape* is a `TypedDict` that names the
fields of a kind that are read; others are passed over. Values are not looked at, whatever type they
are of: that is for `metallb.api.fields`. Where not even the structure is as it should be, all of it
is decoded, and the reader sees what is wrong.

    class Shape(TypedDict, total=False):
        metadata: MetadataObject
        spec: Any

Source: Kubernetes API conventions, "Lists"; API concepts, "Efficient detection of changes".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

import msgspec
import orjson

if TYPE_CHECKING:
    from metallb.kube.client import JsonObject

Shape = TypeVar("Shape")


def decoded(body: bytes) -> Any:
    """Decode an answer: JSON, or what is none as text; nothing at all is an empty object."""
    if not body:
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace").strip()


class _Page(TypedDict, Generic[Shape], total=False):
    metadata: Any
    items: list[Shape]


class _Event(TypedDict, Generic[Shape], total=False):
    type: Any
    object: Shape


class Decoder:
    """Decodes lists and watch events of objects of one shape; None: of any, with all fields."""

    def __init__(self, shape: Any = None) -> None:
        self._list: msgspec.json.Decoder[Any] | None = None
        self._event: msgspec.json.Decoder[Any] | None = None
        if shape is not None:
            self._list = msgspec.json.Decoder(_Page[shape])
            self._event = msgspec.json.Decoder(_Event[shape])

    def page(self, body: bytes) -> Any:
        """Decode a page of a list; what is no list is decoded as any answer."""
        if self._list is None:
            return decoded(body)
        try:
            return self._list.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return decoded(body)

    def event(self, line: bytes) -> JsonObject:
        """Decode an event of a watch; errors and what has another structure with all fields.

        Raises ValueError when it is no JSON object.
        """
        found: Any = None
        if self._event is not None:
            try:
                found = self._event.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                found = None
        if found is None or found.get("type") == "ERROR":
            found = orjson.loads(line)
        if not isinstance(found, dict):
            raise ValueError("no JSON object")
        return found
