"""Namespaces: their labels, by which pools are kept for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb.api.fields import JsonObject


@dataclass(frozen=True, slots=True)
class Namespace:
    """A Namespace: name and labels."""

    name: str
    labels: Mapping[str, str]


def read_namespace(value: JsonObject) -> Namespace:
    """Read a Namespace object; never raises."""
    meta = Fields(value).child("metadata")
    return Namespace(meta.text("name"), meta.mapping("labels"))
