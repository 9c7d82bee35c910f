"""Reads the schema of the module's settings from the module's own directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path


def read_schema(module: Path) -> dict[str, Any]:
    """Read `openapi/config-values.yaml`."""
    text = (module / "openapi" / "config-values.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return found
