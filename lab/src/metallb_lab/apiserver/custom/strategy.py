"""Custom resources: the strategy that a CRD's version defines.

Stored in the storage version. With conversion ``None`` versions differ in their apiVersion and in
what their schemas keep and fill in, and a body takes the storage version as it is read. With
``Webhook`` objects stay in the request's version until :mod:`..conversion` has converted them.
Every read through another version (or after the schema has changed) is defaulted and pruned anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import errors, metadata
from metallb_lab.apiserver.custom.columns import custom_columns
from metallb_lab.apiserver.decoding import cleaner
from metallb_lab.apiserver.documents import copied, same, whole_floats
from metallb_lab.apiserver.errors import FieldError, invalid
from metallb_lab.apiserver.jsonpath import parse_path, plain
from metallb_lab.apiserver.openapi_types import named_shape
from metallb_lab.apiserver.resources import (
    STATUS_VERBS,
    GroupVersion,
    Resource,
    Strategy,
)
from metallb_lab.apiserver.schema import cel
from metallb_lab.apiserver.schema.structural import apply_defaults, drop_nulls, prune, read_root
from metallb_lab.apiserver.schema.validation import MISSING, validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb_lab.apiserver.documents import Document

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
BLOCKING = {
    "FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany",
    "FieldValueTypeInvalid",
}  # fmt: skip
UNCHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation"
)


class CustomStrategy(Strategy):
    """One served version of one CRD."""

    unconditional_update = False
    qualified_finalizers = "never"
    generations = True

    def __init__(self, crd: Document, version: Document) -> None:
        spec = crd["spec"]
        super().__init__(spec["group"], version["name"], spec["names"]["kind"])
        self.schema: Document = version["schema"]["openAPIV3Schema"]
        self.node = read_root(self.schema)
        rules = cel.compile_rules(self.node, "", [])
        self.rules = None if rules.empty else rules
        self.with_status = "status" in (version.get("subresources") or {})
        storage = next(v["name"] for v in spec["versions"] if v.get("storage"))
        self.storage = GroupVersion(spec["group"], storage)
        conversion = spec.get("conversion") or {}
        if conversion.get("strategy") == "Webhook":
            self.conversion = conversion["webhook"]
        self.columns = custom_columns(version.get("additionalPrinterColumns"))
        self._clean_metadata = cleaner(named_shape(OBJECT_META))
        self._fields = {
            f["jsonPath"].lstrip("."): parse_path(f["jsonPath"])
            for f in version.get("selectableFields") or ()
        }
        self._warning = deprecation(version, self.kind, spec["group"])

    # ------------------------------------------------------------ reading bodies

    def decode(self, document: Document, unknown: list[str]) -> Document:
        """Defaults, then pruning; metadata as for every object."""
        if type(document) is not dict:
            raise errors.bad_request("the object provided is not a JSON object")
        version = document.get("apiVersion", "")
        if version != str(self.gv):
            raise errors.bad_request(
                f"the API version in the data ({version}) does not match the expected API version "
                f"({self.gv})"
            )
        inside: list[str] = []
        given = document.get("metadata")
        document["metadata"] = self._clean_metadata({} if given is None else given, inside)
        whole_floats(document)
        unknown += [f"metadata.{name}" for name in inside]
        drop_nulls(document, self.node)
        apply_defaults(document, self.node)
        prune(document, self.node, "", unknown)
        if self.conversion is None:
            document["apiVersion"] = str(self.storage)
        return document

    def on_read(self, stored: Document) -> Document:
        """Through this version's schema; what a webhook has to convert has been."""
        if self.conversion is not None and stored["apiVersion"] != str(self.gv):
            raise AssertionError(f"{stored['apiVersion']} was not converted to {self.gv}")
        shown: Document = copied(stored)
        drop_nulls(shown, self.node)
        apply_defaults(shown, self.node)
        prune(shown, self.node)
        shown["apiVersion"] = str(self.gv)
        return shown

    # ------------------------------------------------------------ writing

    def prepare_create(self, new: Document) -> None:
        """No status where it has a path of its own."""
        if self.with_status:
            new.pop("status", None)
            apply_defaults(new, self.node)
        new["metadata"]["generation"] = 1

    def prepare_update(self, new: Document, old: Document) -> None:
        """The generation follows everything but metadata (and but status, with the path)."""
        if self.with_status:
            metadata.keep(new, old, "status")
            apply_defaults(new, self.node)
        if not same(without_metadata(new), without_metadata(old)):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def prepare_status(self, new: Document, old: Document) -> None:
        """Nothing but the status counts, not even metadata."""
        status = new.get("status", MISSING)
        new.clear()
        new.update(copied(old))
        new.pop("status", None)
        if status is not MISSING:
            new["status"] = status

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """The schema, then the rules unless the schema's verdict makes them pointless."""
        if new.get("kind") != self.kind:
            return [invalid("kind", new.get("kind", ""), f"must be {self.kind}")]
        found = validate(new, self.node, "", MISSING if old is None else old)
        return [*found, *self._rule_errors(new, old, found)]

    def validate_status(self, new: Document, old: Document) -> list[FieldError]:
        """The same; what did not change does not count."""
        return self.validate(new, old)

    def _rule_errors(
        self, new: Document, old: Document | None, found: list[FieldError]
    ) -> list[FieldError]:
        if self.rules is None:
            return []
        if any(fault.cause in BLOCKING for fault in found):
            return [invalid("<nil>", None, UNCHECKED)]
        return cel.evaluate(self.rules, new, "", MISSING if old is None else old)

    def request_warnings(self) -> Iterable[str]:
        """Deprecated versions say so."""
        return (self._warning,) if self._warning else ()

    # ------------------------------------------------------------ selecting

    def field_fault(self, name: str) -> str | None:
        """What the version's selectableFields allow."""
        known = name in ("metadata.name", "metadata.namespace") or name in self._fields
        return None if known else self.field_text.format(name)

    def read_field(self, obj: Mapping[str, Any], name: str) -> str:
        """A selectable field as a string."""
        if name not in self._fields:
            return super().read_field(obj, name)
        values = self._fields[name].find(obj)
        return plain(values[0]) if values and values[0] is not None else ""


def without_metadata(obj: Document) -> Document:
    """What the generation counts."""
    return {name: value for name, value in obj.items() if name != "metadata"}


def deprecation(version: Document, kind: str, group: str) -> str:
    """The warning of a deprecated version."""
    if not version.get("deprecated"):
        return ""
    default = f"{group}/{version['name']} {kind} is deprecated"
    return str(version.get("deprecationWarning") or default)


def custom_resources(crd: Document) -> list[Resource]:
    """The resources of a CRD's served versions."""
    spec, accepted = crd["spec"], crd["status"]["acceptedNames"]
    out = []
    for version in spec["versions"]:
        if not version.get("served"):
            continue
        strategy = CustomStrategy(crd, version)
        out.append(
            Resource(
                gv=strategy.gv,
                plural=spec["names"]["plural"],
                singular=spec["names"]["singular"],
                kind=spec["names"]["kind"],
                list_kind=spec["names"]["listKind"],
                namespaced=spec["scope"] == "Namespaced",
                strategy=strategy,
                short_names=tuple(accepted.get("shortNames") or ()),
                categories=tuple(accepted.get("categories") or ()),
                subresources={"status": STATUS_VERBS} if strategy.with_status else {},
                custom=True,
            )
        )
    return out
