"""The tree as a list of files, and what `pyproject.toml` says: for tests about the tree."""

from __future__ import annotations

import ast
import os
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCES = {
    "metallb": ROOT / "lib/python/src/metallb",
    "metallb_controller": ROOT / "images/controller/src/metallb_controller",
    "metallb_speaker": ROOT / "images/speaker/src/metallb_speaker",
    "metallb_lab": ROOT / "lab/src/metallb_lab",
}
GENERATED = {".git", ".venv", ".uv", "out", "dist", "node_modules", "__pycache__"}


def files(*patterns: str, below: Path = ROOT) -> Iterator[Path]:
    """Walk the files whose name matches one of the patterns; what is generated is left out."""
    for folder, folders, names in os.walk(below):
        folders[:] = sorted(item for item in folders if not is_generated(item))
        for name in sorted(names):
            path = Path(folder, name)
            if any(path.match(pattern) for pattern in patterns):
                yield path


def is_generated(folder: str) -> bool:
    """Tell whether a folder is not ours to judge."""
    return folder in GENERATED or folder.endswith("_cache") or folder == ".hypothesis"


def project(folder: Path = ROOT) -> dict[str, Any]:
    """Read a `pyproject.toml`."""
    return tomllib.loads((folder / "pyproject.toml").read_text())


def name_of(path: Path) -> str:
    """Name a file by its path from the root."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """Parse a module, once for all tests."""
    return ast.parse(path.read_text())
