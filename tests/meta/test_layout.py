"""The layout: tests mirror the source, files and functions stay short, CRDs have their twins."""

from __future__ import annotations

import ast
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from meta.tree import ROOT, SOURCES, files, name_of, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIRRORS = {
    "lib": SOURCES["metallb"],
    "controller": SOURCES["metallb_controller"],
    "speaker": SOURCES["metallb_speaker"],
    "lab": SOURCES["metallb_lab"],
    "scripts": ROOT / "scripts",
}
"""Directory of tests -> the source that it mirrors."""

KINDS = {
    "contract": "one suite against both API servers",
    "e2e": "the whole in network namespaces",
    "guest": "what runs in a kernel of its own",
    "interop": "against other implementations",
    "meta": "about the tree",
    "migration": "moves from recorded clusters",
    "module": "the Deckhouse module",
    "property": "what holds for all inputs",
    "sim": "whole clusters in virtual time",
    "support": "what several tests share",
    "vectors": "recorded and derived packets",
}
"""Directories of tests that mirror nothing, and what is in them."""

FUNCTION_LINES = 70
MEDIAN_FUNCTION_LINES = 10
FILE_LINES = 400
LONG_FILES: dict[str, str] = {}
"""Source files that may be longer, each with the reason."""


def folders(path: Path) -> list[Path]:
    return [item for item in sorted(path.iterdir()) if item.is_dir() and item.name[0] not in "._"]


def source_files() -> list[Path]:
    return [
        path
        for folder in (*SOURCES.values(), ROOT / "scripts", ROOT / "hooks")
        for path in files("*.py", below=folder)
    ]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name the functions of a file, with their lines."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def test_each_directory_of_tests_is_of_a_known_kind() -> None:
    assert {item.name for item in folders(ROOT / "tests")} <= {*MIRRORS, *KINDS}


@pytest.mark.parametrize("name", MIRRORS)
def test_directories_of_tests_mirror_the_source(name: str) -> None:
    found = [item.name for item in folders(ROOT / "tests" / name)]
    source = [item.name for item in folders(MIRRORS[name])]
    assert set(found) <= set(source)


def test_functions_are_short() -> None:
    everything = [*source_files(), *files("*.py", below=ROOT / "tests")]
    long = [
        f"{name_of(path)}: {name} has {lines} lines"
        for path in everything
        for name, lines in functions(path)
        if lines > FUNCTION_LINES
    ]
    assert not long


def test_half_of_the_functions_are_very_short() -> None:
    lengths = [lines for path in source_files() for _, lines in functions(path)]
    assert len(lengths) > 500
    assert median(lengths) <= MEDIAN_FUNCTION_LINES


def test_source_files_are_short() -> None:
    lines = {name_of(path): len(path.read_text().splitlines()) for path in source_files()}
    assert not {name: n for name, n in lines.items() if n > FILE_LINES and name not in LONG_FILES}


def test_long_files_are_there_and_long() -> None:
    for name in LONG_FILES:
        assert len((ROOT / name).read_text().splitlines()) > FILE_LINES, name


def test_each_module_says_what_it_is() -> None:
    silent = [name_of(item) for item in source_files() if not ast.get_docstring(parsed(item))]
    assert not silent


# ---------------------------------------------------------------- CRDs

CRDS = [path for path in sorted((ROOT / "crds").glob("*.yaml")) if not path.name.startswith("doc-")]


def described(schema: Any, path: str = "") -> set[str]:
    """Give the paths of the fields that have a description."""
    found: set[str] = set()
    if isinstance(schema, dict):
        if isinstance(schema.get("description"), str):
            found.add(path)
        for name, item in (schema.get("properties") or {}).items():
            found |= described(item, f"{path}.{name}")
        for word in ("items", "additionalProperties"):
            found |= described(schema.get(word), f"{path}[]")
    return found


def versions(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text())["spec"]["versions"]
    return {item["name"]: item["schema"]["openAPIV3Schema"] for item in found}


def test_there_are_crds() -> None:
    assert len(CRDS) >= 2


@pytest.mark.parametrize("crd", CRDS, ids=name_of)
def test_a_crd_has_its_russian_twin_with_the_same_descriptions(crd: Path) -> None:
    twin = crd.with_name(f"doc-ru-{crd.name}")
    assert twin.is_file()
    ours, theirs = versions(crd), versions(twin)
    assert ours.keys() == theirs.keys()
    for name, schema in ours.items():
        assert described(schema) == described(theirs[name])
