"""Situations of hooks for tests: only what matters is given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from metallb.domain.decisions import Situation

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NOW_TEXT = "2026-11-26T12:00:00Z"

HOSTILE: tuple[Any, ...] = (
    None,
    "text",
    7,
    [],
    {},
    {"name": 7, "labels": [], "nodeSelector": "x", "data": "x", "addresses": {"a": 1}},
    {"name": "x", "labels": {"a": 1}, "nodeSelectors": ["x", {}], "settings": [], "version": "3"},
    {"metadata": "x", "spec": [], "status": {"conditions": ["x", {"type": 7}]}},
)
"""Filter results that no API server gives; they must change nothing and stop nothing."""


def situation(
    *,
    now: datetime = NOW,
    values: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    shared: dict[str, Any] | None = None,
    **snapshots: Any,
) -> Situation:
    """Make a situation; underscores in names of snapshots stand for dashes."""
    return Situation(
        now=now,
        snapshots={name.replace("_", "-"): found for name, found in snapshots.items()},
        values=values or {},
        settings=settings or {},
        shared=shared or {},
    )


def node(name: str, **labels: str) -> dict[str, Any]:
    """Make what the binding `nodes` gives; `__` stands for a dash."""
    return {"name": name, "labels": {key.replace("__", "-"): v for key, v in labels.items()}}
