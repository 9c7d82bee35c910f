"""The tree as the linter and the module operator see it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

ROOT = Path(__file__).parents[3]
MADE = {"out", "dist", "__pycache__", "node_modules"}
HIDDEN = {".ci", ".werf", ".dmtlint.yaml", ".gitignore", ".helmignore"}


def load(name: str) -> Document:
    document: Document = yaml.load((ROOT / name).read_text(), Loader=yaml.CSafeLoader)
    return document


def files() -> list[str]:
    """What is in the tree and not made by tools."""
    found = []
    for directory, below, names in os.walk(ROOT):
        here = Path(directory).relative_to(ROOT)
        below[:] = [name for name in below if not is_made(name)]
        found += [(here / name).as_posix() for name in names if not is_made(name)]
    return sorted(found)


def is_made(name: str) -> bool:
    """Whether tools make it: what `.gitignore` names, and git's own."""
    return name in MADE or (name.startswith(".") and name not in HIDDEN)


def excluded(linter: str, rule: str) -> Any:
    """What `.dmtlint.yaml` leaves out of a rule."""
    settings: Document = load(".dmtlint.yaml")["linters-settings"]
    return settings.get(linter, {}).get("exclude-rules", {}).get(rule)
