"""What a package imports it declares, what it declares it imports, and each has its decision."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING

import pytest

from meta.tree import ROOT, SOURCES, files, parsed, project

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = {
    "metallb": ROOT / "lib/python",
    "metallb-controller": ROOT / "images/controller",
    "metallb-speaker": ROOT / "images/speaker",
    "metallb-lab": ROOT / "lab",
}
ADRS = "\n".join(path.read_text() for path in (ROOT / "docs/internal/adr").glob("*.md"))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[\[<>=!~; ]", item, maxsplit=1)[0]) for item in requirements}


def declared(package: str) -> set[str]:
    """Distributions that a package declares itself, extras included."""
    found = project(FOLDERS[package])["project"]
    extras = found.get("optional-dependencies", {}).values()
    return names([*found["dependencies"], *(item for extra in extras for item in extra)])


def available(package: str) -> set[str]:
    """Distributions that a package may import: its own, and those of our packages it builds on."""
    own = declared(package)
    return own.union(*(available(item) for item in own if item in FOLDERS), {package})


def imported(folder: Path) -> set[str]:
    """Distributions that the modules of a folder import, or find without importing."""
    found: set[str] = set()
    for path in files("*.py", below=folder):
        for node in ast.walk(parsed(path)):
            match node:
                case ast.Import():
                    found |= {alias.name for alias in node.names}
                case ast.ImportFrom(module=str(module), level=0):
                    found.add(module)
                case ast.Call(func=ast.Attribute(attr="find_spec"), args=[ast.Constant(str(name))]):
                    found.add(name)
                case ast.Call(func=ast.Name("find_spec"), args=[ast.Constant(str(name))]):
                    found.add(name)
    tops = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names)
    owners = packages_distributions()
    return {normal(owners[top][0]) if top in owners else normal(top) for top in tops}


@pytest.mark.parametrize("package", FOLDERS)
def test_what_is_imported_is_declared(package: str) -> None:
    assert imported(SOURCES[package.replace("-", "_")]) <= available(package)


@pytest.mark.parametrize("package", FOLDERS)
def test_what_is_declared_is_imported(package: str) -> None:
    assert declared(package) - set(FOLDERS) <= imported(SOURCES[package.replace("-", "_")])


@pytest.mark.parametrize("package", FOLDERS)
def test_each_library_has_its_decision(package: str) -> None:
    assert not {item for item in declared(package) - set(FOLDERS) if not is_decided(item)}


def test_each_tool_has_its_decision() -> None:
    tools = names(project()["dependency-groups"]["dev"])
    assert not {item for item in tools if not is_decided(item)}


def is_decided(name: str) -> bool:
    """Tell whether a decision record names a distribution, in code type."""
    return re.search(rf"`{re.escape(name)}`", ADRS, re.I) is not None
