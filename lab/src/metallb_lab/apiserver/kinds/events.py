"""Events: one storage, read and written as ``v1`` and as ``events.k8s.io/v1``.

Stored in the form of ``v1``, as the real server does; the other form is a renaming of fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from metallb_lab.apiserver.errors import FieldError, invalid, required
from metallb_lab.apiserver.resources import FinalizerRule, Strategy
from metallb_lab.apiserver.selectors import qualified_name_fault

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
LENGTHS = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}
FIXED = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count",
    "type", "eventTime", "action", "related", "reportingComponent", "reportingInstance",
)  # fmt: skip
OBJECT_FIELDS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


class EventStrategy(Strategy):
    """``v1`` Events."""

    create_on_update = True
    qualified_finalizers: ClassVar[FinalizerRule] = "never"
    reporter_name: ClassVar[str] = "reportingComponent"
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
        """An event lives in the namespace of what it is about; with a time it says who tells."""
        timed = bool(new.get("eventTime"))
        namespace = new["metadata"].get("namespace", "")
        about = new["involvedObject"].get("namespace", "")
        homeless = ("default", "kube-system") if timed else ("", "default")
        strange = not timed and namespace != about if about else namespace not in homeless
        found = []
        if strange:
            why = "does not match event.namespace"
            found.append(invalid("involvedObject.namespace", about, why))
        return [*found, *self._reporter_errors(new)] if timed else found

    def _reporter_errors(self, new: Document) -> list[FieldError]:
        """Who reported, what was done, and why."""
        named = {"reportingComponent": self.reporter_name}
        found = [
            required(named.get(name, name))
            for name in ("reportingComponent", "reportingInstance", "action", "reason")
            if not new.get(name)
        ]
        reporter = new.get("reportingComponent", "")
        if fault := qualified_name_fault(reporter):
            found.append(invalid(self.reporter_name, reporter, fault))
        for name, limit in LENGTHS.items():
            if len(new.get(name) or "") > limit:
                found.append(invalid(name, "", f"can have at most {limit} characters"))
        return found

    def read_field(self, obj: Any, name: str) -> str:
        """``source`` is the component that reported."""
        if name == "source":
            component = obj.get("source", {}).get("component", "")
            return str(component or obj.get("reportingComponent", ""))
        return super().read_field(obj, name)


class NewEventStrategy(EventStrategy):
    """``events.k8s.io/v1`` Events."""

    qualified_finalizers = "create"
    reporter_name = "reportingController"

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
        """The newer API demands more: a time at creation, and that what was said stays."""
        found = super().validate(new, old)
        if old is not None:
            return found + [
                invalid(name, new.get(name), "field is immutable")
                for name in FIXED
                if (new.get(name) or None) != (old.get(name) or None)
            ]
        if not new.get("eventTime"):
            found.append(required("eventTime"))
        if new.get("type") not in ("Normal", "Warning"):
            found.append(invalid("type", "", f"has invalid value: {new.get('type', '')}"))
        unset = ("firstTimestamp", "lastTimestamp", "count", "source")
        found += [invalid(name, "", "needs to be unset") for name in unset if new.get(name)]
        return found

    def read_field(self, obj: Any, name: str) -> str:
        """Selected by the names of this API."""
        head, dot, rest = name.partition(".")
        return super().read_field(obj, f"{RENAMED.get(head, head)}{dot}{rest}")
