"""Events: one storage, read and written as ``v1`` and as ``events.k8s.io/v1``.

Stored in the form of ``v1``, as the real server does; the other form is a renaming of fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.errors import FieldError, invalid, not_supported, required
from metallb_lab.apiserver.resources import Strategy

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

RENAMED = {  # events.k8s.io -> v1
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
OBJECT_FIELDS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


class EventStrategy(Strategy):
    """``v1`` Events."""

    create_on_update = True
    selectable = (
        *(f"involvedObject.{name}" for name in OBJECT_FIELDS),
        "reason", "reportingComponent", "source", "type",
    )  # fmt: skip

    def default(self, obj: Document) -> None:
        """What Go writes even when it is empty."""
        obj.setdefault("involvedObject", {})
        obj.setdefault("source", {})
        for name in ("firstTimestamp", "lastTimestamp", "eventTime"):
            obj.setdefault(name, None)
        for name in ("reportingComponent", "reportingInstance"):
            obj.setdefault(name, "")

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """An event lives in the namespace of what it is about."""
        namespace = new["metadata"].get("namespace", "")
        about = new["involvedObject"].get("namespace", "")
        allowed = (namespace,) if about else ("", "default")
        if (about or namespace) not in allowed:
            why = "does not match event.namespace"
            return [invalid("involvedObject.namespace", about, why)]
        return []

    def read_field(self, obj: Any, name: str) -> str:
        """``source`` is the component that reported."""
        if name == "source":
            component = obj.get("source", {}).get("component", "")
            return str(component or obj.get("reportingComponent", ""))
        return super().read_field(obj, name)


class NewEventStrategy(EventStrategy):
    """``events.k8s.io/v1`` Events."""

    selectable = (
        *(f"regarding.{name}" for name in OBJECT_FIELDS),
        "reason", "reportingController", "type",
    )  # fmt: skip

    def decode(self, document: Document, unknown: list[str]) -> Document:
        """Into the stored form."""
        clean = super().decode(document, unknown)
        clean["apiVersion"] = "v1"
        return clean

    def default(self, obj: Document) -> None:
        """Into the stored form."""
        for ours, stored in RENAMED.items():
            if ours in obj:
                obj[stored] = obj.pop(ours)
        super().default(obj)

    def on_read(self, stored: Document) -> Document:
        """Out of the stored form."""
        back = {old: new for new, old in RENAMED.items()}
        shown = {back.get(name, name): value for name, value in stored.items()}
        shown["apiVersion"] = str(self.gv)
        for name in ("reportingController", "reportingInstance"):
            if not shown.get(name):
                shown.pop(name, None)
        return shown

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """The newer API demands more."""
        found = super().validate(new, old)
        if old is None:
            if not new.get("eventTime"):
                found.append(required("eventTime"))
            named = {"reportingComponent": "reportingController"}
            for name in ("reportingComponent", "reportingInstance", "action", "reason"):
                if not new.get(name):
                    found.append(required(named.get(name, name)))
            if new.get("type") not in ("Normal", "Warning"):
                found.append(not_supported("type", new.get("type", ""), ["Normal", "Warning"]))
        return found

    def read_field(self, obj: Any, name: str) -> str:
        """Selected by the names of this API."""
        head, dot, rest = name.partition(".")
        return super().read_field(obj, f"{RENAMED.get(head, head)}{dot}{rest}")
