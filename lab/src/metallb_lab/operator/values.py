"""Values of a module: their layers, and the patches of hooks (deckhouse-platform.md §2.7, §3.1).

    defaults of config-values.yaml < settings < defaults of values.yaml < patches of hooks

A patch is a list of `add` and `remove` with paths below the module's own key; `replace` is
refused. It is applied strictly: what is removed must be there, and so must the parent of what is
added. Patches are kept and compacted: the last operation of a path stays, and one on a parent
drops those below. They live in memory only, so a restart forgets them.
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import TYPE_CHECKING, Any

import jsonpatch

from metallb_lab.operator.errors import PatchRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_lab.operator.cel_rules import Fault
    from metallb_lab.operator.schemas import ModuleSchemas

Document = dict[str, Any]


class ModuleValues:
    """The values of one module; `shared` is what stands under `global`."""

    def __init__(self, key: str, schemas: ModuleSchemas, shared: Document) -> None:
        self.key = key
        self.shared = shared
        self._schemas = schemas
        self._settings: Document = {}
        self._registry: Document = {}
        self._patches: list[Document] = []

    # -- layers --------------------------------------------------------------------------------

    @property
    def settings(self) -> Document:
        """What the user set, in the current version."""
        return copy.deepcopy(self._settings)

    def set_settings(self, settings: Document, registry: Document) -> None:
        """Take in settings that were found right; `registry` is injected by Deckhouse (§1.3)."""
        self._settings = copy.deepcopy(settings)
        self._registry = copy.deepcopy(registry)

    def config_values(self) -> Document:
        """Give `CONFIG_VALUES_PATH` (§2.8)."""
        return {"global": {}, self.key: self.settings}

    def values(self) -> Document:
        """Give `VALUES_PATH` (§2.8)."""
        base = self._schemas.config.with_defaults(self._settings) | {"registry": self._registry}
        below = self._schemas.values.with_defaults(base)
        document = {"global": copy.deepcopy(self.shared), self.key: below}
        for operation in self._patches:
            document = _applied(document, operation, is_strict=False)
        return document

    def checksum(self) -> str:
        """Give a text that changes when the values do."""
        text = json.dumps(self.values(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    # -- patches -------------------------------------------------------------------------------

    def patch(self, operations: list[Document]) -> bool:
        """Apply a hook's patch; tell whether the values changed. Raises PatchRefusedError.

        After it the values must satisfy `values.yaml` (§3.2), or nothing is changed.
        """
        before, kept = self.checksum(), list(self._patches)
        document = self.values()
        for operation in operations:
            self._check(operation)
            document = _applied(document, operation, is_strict=True)
        self._patches = compacted([*self._patches, *operations])
        faults = self.faults()
        if faults:
            self._patches = kept
            raise PatchRefusedError("; ".join(map(str, faults)))
        return self.checksum() != before

    def forget_patches(self) -> None:
        """Forget what hooks found: the module is off, or the operator starts anew."""
        self._patches.clear()

    def _check(self, operation: Document) -> None:
        kind, path = operation.get("op"), operation.get("path")
        if kind not in ("add", "remove"):
            raise PatchRefusedError(
                f"values: op {kind!r} is refused, only add and remove are taken"
            )
        if unknown := operation.keys() - {"op", "path", "value"}:
            raise PatchRefusedError(f"values: unknown keys {', '.join(sorted(unknown))}")
        if not isinstance(path, str) or not (path + "/").startswith(f"/{self.key}/"):
            raise PatchRefusedError(f"values: path {path!r}: only '{self.key}' accepted")

    # -- validation ----------------------------------------------------------------------------

    def faults(self) -> list[Fault]:
        """What `values.yaml` says against the values."""
        return self._schemas.values.faults(self.values()[self.key])

    def helm_faults(self) -> list[Fault]:
        """The same just before Helm, with `x-required-for-helm`."""
        return self._schemas.helm.faults(self.values()[self.key])


def compacted(operations: Iterable[Document]) -> list[Document]:
    """Keep the last operation of each path, and none below a later one."""
    kept: list[Document] = []
    for operation in operations:
        path = operation["path"]
        kept = [item for item in kept if not (item["path"] + "/").startswith(path + "/")]
        kept.append(operation)
    return kept


def _applied(document: Document, operation: Document, *, is_strict: bool) -> Document:
    try:
        found: Document = jsonpatch.apply_patch(document, [operation])
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        if not is_strict and operation["op"] == "remove":
            return document
        raise PatchRefusedError(
            f"values: {operation['op']} {operation['path']}: {error}"
        ) from error
    return found
