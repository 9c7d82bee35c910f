"""What the server serves: resources, and the strategy that decides for each kind.

A ``Resource`` is one plural in one version of one group. Its ``Strategy`` knows how to read a body,
fill in defaults, keep what a client may not write, and validate: the same cut as the real server's
registry strategies. The base class is right for a plain typed kind without status.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from metallb_lab.apiserver import errors, metadata
from metallb_lab.apiserver.decoding import GoTypeError, cleaner
from metallb_lab.apiserver.documents import lookup
from metallb_lab.apiserver.openapi_types import Shape, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.errors import FieldError

ALL_VERBS = (
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
)  # fmt: skip
FinalizerRule = Literal["never", "create", "always"]
STATUS_VERBS = ("get", "patch", "update")


class Reservation(Protocol):
    """What a write took from a pool; kept or given back with the write."""

    def commit(self) -> None:
        """The write was done."""

    def revert(self) -> None:
        """It was not, or was a dry run."""


@dataclass(frozen=True)
class Column:
    """One column of server-side printing."""

    name: str
    type: str
    description: str
    read: Callable[[Document], Any]
    format: str = ""
    priority: int = 0


@dataclass(frozen=True)
class GroupVersion:
    """``apps/v1``; the core group is empty."""

    group: str
    version: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(eq=False)
class Resource:
    """One plural in one version."""

    gv: GroupVersion
    plural: str
    singular: str
    kind: str
    namespaced: bool
    strategy: Strategy
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    list_kind: str = ""
    subresources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    table: str = ""
    custom: bool = False
    terminating: bool = False

    def __post_init__(self) -> None:
        self.list_kind = self.list_kind or f"{self.kind}List"
        self.table = self.table or errors.qualified(self.plural, self.gv.group)

    @property
    def group(self) -> str:
        """The API group."""
        return self.gv.group

    def not_found(self, name: str) -> errors.ApiError:
        """404 for one of its objects."""
        return errors.not_found(self.plural, self.group, name)

    def conflict(self, name: str, why: str = errors.MODIFIED) -> errors.ApiError:
        """409 for one of its objects."""
        return errors.conflict(self.plural, self.group, name, why)

    def invalid(self, name: str, found: list[FieldError]) -> errors.ApiError:
        """422 for one of its objects."""
        return errors.invalid_object(self.kind, self.group, name, found)


class Strategy:
    """How one kind behaves; this one suits a typed kind without a status subresource."""

    create_on_update: ClassVar[bool] = False
    unconditional_update: ClassVar[bool] = True
    returns_deleted: ClassVar[bool] = False
    has_status: ClassVar[bool] = False
    qualified_finalizers: ClassVar[FinalizerRule] = "always"
    generations: ClassVar[bool] = False
    selectable: ClassVar[tuple[str, ...]] = ()
    field_text: ClassVar[str] = "field label not supported: {}"
    columns: tuple[Column, ...] = ()
    conversion: Document | None = None
    """The webhook that converts between versions, if one does."""
    storage: GroupVersion

    def __init__(self, group: str, version: str, kind: str) -> None:
        self.gv = self.storage = GroupVersion(group, version)
        self.kind = kind

    # ------------------------------------------------------------ reading bodies

    @property
    def shape(self) -> Shape | None:
        """The published type, for typed kinds."""
        return shape_of(self.gv.group, self.gv.version, self.kind)

    def decode(self, document: Document, unknown: list[str]) -> Document:
        """A body as this kind's type holds it, with defaults; ``GoTypeError`` when it cannot."""
        shape = self.shape
        assert shape is not None
        if type(document) is dict:
            self._check_type(document)
        clean: Document = cleaner(shape)(document, unknown)
        clean["apiVersion"], clean["kind"] = str(self.gv), self.kind
        clean.setdefault("metadata", {})
        self.default(clean)
        return clean

    def _check_type(self, document: Document) -> None:
        """A body may leave out what it is, but not be something else."""
        version, kind = document.get("apiVersion", str(self.gv)), document.get("kind", self.kind)
        if version not in ("", str(self.gv)):
            raise errors.bad_request(
                f"the API version in the data ({version}) does not match the expected API version "
                f"({self.gv})"
            )
        if kind not in ("", self.kind):
            raise errors.bad_request(
                f'{kind} in version "{self.gv.version}" cannot be handled as a {self.kind}: '
                f"unknown conversion"
            )

    def default(self, obj: Document) -> None:
        """Fills in what Go's defaulting functions do."""

    def on_read(self, stored: Document) -> Document:
        """A stored object as this version shows it."""
        return stored

    # ------------------------------------------------------------ writing

    def name_fault(self, name: str) -> str | None:
        """Why a name is refused."""
        return metadata.subdomain(name)

    def finalizer_faults(self, new: Document, old: Document | None) -> list[FieldError]:
        """Kubernetes' own kinds want finalizers with a domain, some only at creation."""
        asked = self.qualified_finalizers
        if asked == "always" or (asked == "create" and old is None):
            return metadata.unqualified_finalizers(new["metadata"])
        return []

    def prepare_create(self, new: Document) -> None:
        """Before validation of a new object."""
        if self.has_status:
            new.pop("status", None)
        if self.generations:
            new["metadata"]["generation"] = 1

    def prepare_update(self, new: Document, old: Document) -> None:
        """Before validation of a changed object: status stays, generation follows the spec."""
        if self.has_status:
            metadata.keep(new, old, "status")
        if self.generations and self.spec_of(new) != self.spec_of(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def prepare_status(self, new: Document, old: Document) -> None:
        """Before validation of a changed status: the spec stays."""
        metadata.keep(new, old, "spec")

    def spec_of(self, obj: Document) -> Any:
        """The part whose change bumps the generation."""
        return obj.get("spec")

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """What is wrong with a new (``old`` None) or changed object, metadata apart."""
        return []

    def validate_status(self, new: Document, old: Document) -> list[FieldError]:
        """What is wrong with a changed status."""
        return []

    def warnings(self, new: Document, old: Document | None) -> Iterable[str]:
        """What the client should hear."""
        return ()

    def request_warnings(self) -> Iterable[str]:
        """What every client of this kind should hear."""
        return ()

    # ------------------------------------------------------------ around a write

    def begin(self, new: Document, old: Document | None) -> Reservation | None:
        """Takes from pools what a write needs."""
        return None

    def deleted(self, obj: Document) -> None:
        """An object is gone."""

    def grace_seconds(self, obj: Document, asked: int | None) -> int | None:
        """For graceful kinds the seconds to wait; None deletes at once."""
        return None

    # ------------------------------------------------------------ selecting

    def field_fault(self, name: str) -> str | None:
        """Why a field cannot be selected by."""
        known = name in ("metadata.name", "metadata.namespace") or name in self.selectable
        return None if known else self.field_text.format(name)

    def read_field(self, obj: Mapping[str, Any], name: str) -> str:
        """A selectable field as a string."""
        value = lookup(obj, name)
        if isinstance(value, bool):
            return "true" if value else "false"
        return "" if value is None else str(value)


ONLY_NAMES = '"{}" is not a known field selector: only "metadata.name", "metadata.namespace"'


class PlainStrategy(Strategy):
    """A kind that can be selected by its name alone."""

    field_text = ONLY_NAMES


__all__ = [
    "ALL_VERBS",
    "STATUS_VERBS",
    "Column",
    "GoTypeError",
    "GroupVersion",
    "PlainStrategy",
    "Reservation",
    "Resource",
    "Strategy",
]
