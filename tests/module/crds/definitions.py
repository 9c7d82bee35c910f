"""The CRDs of the module, and what is known of them without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.api import Api

ROOT = Path(__file__).parents[3]
CRDS = ROOT / "crds"
OURS = "network.deckhouse.io"
Document = dict[str, Any]


def load(path: Path) -> Document:
    document: Document = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return document


FILES = sorted(path for path in CRDS.rglob("*.yaml") if not path.name.startswith("doc-"))
DEFINED = {crd["spec"]["names"]["kind"]: crd for crd in map(load, FILES)}


def _shapes() -> Iterator[str]:
    for kind, crd in DEFINED.items():
        for version in crd["spec"]["versions"]:
            yield kind if version["storage"] else f"{kind}/{version['name']}"


SHAPES = list(_shapes())
"""Kinds, which stand for the version that is stored, and `Kind/version` for the others."""


def kind_of(shape: str) -> str:
    return shape.partition("/")[0]


def version_of(shape: str) -> Document:
    """One version of a kind."""
    kind, _, name = shape.partition("/")
    versions: list[Document] = DEFINED[kind]["spec"]["versions"]
    return next(
        version
        for version in versions
        if (version["name"] == name if name else version["storage"] is True)
    )


def schema_of(shape: str) -> Document:
    schema: Document = version_of(shape)["schema"]["openAPIV3Schema"]
    return schema


def path_of(api: Api, shape: str) -> str:
    """Where the objects of a kind are."""
    spec = DEFINED[kind_of(shape)]["spec"]
    where = f"namespaces/{api.namespace}/" if spec["scope"] == "Namespaced" else ""
    return f"/apis/{spec['group']}/{version_of(shape)['name']}/{where}{spec['names']['plural']}"


def api_version(shape: str) -> str:
    return f"{DEFINED[kind_of(shape)]['spec']['group']}/{version_of(shape)['name']}"


def levels(schema: Document, path: str = "") -> Iterator[tuple[str, Document]]:
    """Every level of a schema with its path: `.spec.addresses[]`."""
    yield path, schema
    for name, below in (schema.get("properties") or {}).items():
        yield from levels(below, f"{path}.{name}")
    if isinstance(items := schema.get("items"), dict):
        yield from levels(items, f"{path}[]")
    if isinstance(values := schema.get("additionalProperties"), dict):
        yield from levels(values, f"{path}{{}}")
