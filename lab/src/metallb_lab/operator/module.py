"""A module's directory, read as the operator reads it (deckhouse-platform.md §1.1, §1.2, §3.8).

The whole directory is the module and the chart at once. Its values have the name in lowerCamel as
their key. Digests of images come from `images_digests.json`, which the build writes; a tree that
was not built has none, and gets digests that no registry knows.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from metallb_lab.operator.errors import ModuleError
from metallb_lab.operator.schemas import ModuleSchemas

if TYPE_CHECKING:
    from pathlib import Path

    from metallb_lab.operator.schemas import Document

KEYS = frozenset({
    "name", "namespace", "stage", "weight", "critical", "tags", "subsystems", "descriptions",
    "exclusiveGroup", "requirements", "accessibility", "update", "disable",
})  # fmt: skip
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*")
NAME_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Module:
    """One module."""

    directory: Path
    name: str
    namespace: str
    schemas: ModuleSchemas
    definition: Document

    @property
    def key(self) -> str:
        """Key of its values."""
        return camel(self.name)

    @property
    def has_chart(self) -> bool:
        """Whether there is something to release; a missing Chart.yaml would be made up (§1.1)."""
        return (self.directory / "templates").is_dir()

    def digests(self) -> dict[str, str]:
        """Digests of its images, by camel key (§1.10)."""
        path = self.directory / "images_digests.json"
        if path.exists():
            found: dict[str, str] = json.loads(path.read_text())
            return found
        images = self.directory / "images"
        names = [item.name for item in images.iterdir() if item.is_dir()] if images.exists() else []
        return {camel(name): unbuilt(name) for name in sorted(names)}

    def crds(self) -> list[Document]:
        """CRDs, in the order of their files (§1.6): `doc-` and `_` files are left out."""
        root = self.directory / "crds"
        paths = [
            path for path in sorted(root.rglob("*.yaml")) if not path.name.startswith(("doc-", "_"))
        ]
        documents = [
            item
            for path in paths
            for item in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader)
        ]
        return [item for item in documents if item]


def load_module(directory: Path) -> Module:
    """Read `module.yaml` and `openapi/`; raises ModuleError and SchemaError."""
    path = directory / "module.yaml"
    if not path.exists():
        raise ModuleError(f"{path}: there is none, so this is no module")
    definition: Any = yaml.safe_load(path.read_text())
    if not isinstance(definition, dict):
        raise ModuleError(f"{path}: a mapping is wanted")
    if unknown := definition.keys() - KEYS:
        raise ModuleError(f"{path}: unknown keys {', '.join(sorted(unknown))}")
    name = definition.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > NAME_CHARACTERS:
        raise ModuleError(f"{path}: name {name!r} is not kebab-case of at most 64 letters")
    namespace = definition.get("namespace") or f"d8-{name}"
    schemas = ModuleSchemas.load(directory / "openapi", camel(name))
    return Module(directory, name, namespace, schemas, definition)


def camel(name: str) -> str:
    """`my-lb` -> `myLb`."""
    first, *others = name.split("-")
    return first + "".join(part.capitalize() for part in others)


def unbuilt(image: str) -> str:
    """A digest for an image that was not built."""
    return f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"
