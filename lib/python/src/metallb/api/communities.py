"""BGP communities, and Community (metallb.io/v1beta1): names for them.

A community is ``a:b`` of 16 bits each (RFC 1997), ``large:a:b:c`` of 32 bits each (RFC 8092), one
of the well-known names of RFC 1997, or the name that a Community object gives it. Their text is
kept in one form, without leading zeros.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.fields import Fields, Problem, shown
from metallb.api.meta import NATIVE_VERSION, Metadata, Named, read_metadata

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

KIND = "Community"

COMMUNITIES_MAX = 63
"""More are too many for one advertisement, as they are for MetalLB."""

WELL_KNOWN = {
    "no-export": "65535:65281",
    "no-advertise": "65535:65282",
    "local-as": "65535:65283",
}
"""RFC 1997 names, as routers write them."""

_VALUE = re.compile(r"(\d{1,10}):(\d{1,10})|large:(\d{1,10}):(\d{1,10}):(\d{1,10})", re.ASCII)


def parse_community(text: str) -> str:
    """Read the value of a community, in its one form; raises ValueError."""
    found = _VALUE.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{shown(text)} is not a community; write 64512:100 or large:64512:100:200"
        )
    numbers = [int(number) for number in found.groups() if number is not None]
    most = 65_535 if len(numbers) == 2 else 2**32 - 1
    if max(numbers) > most:
        hint = "; larger ones need a large community, large:64512:100:200" if most < 2**16 else ""
        raise ValueError(f"{shown(text)} has a number above {most}{hint}")
    prefix = "" if len(numbers) == 2 else "large:"
    return prefix + ":".join(map(str, numbers))


def community_order(text: str) -> tuple[int, list[int]]:
    """Sort key of communities in their one form: by number, large ones last."""
    numbers = [int(part) for part in text.removeprefix("large:").split(":")]
    return len(numbers), numbers


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a community, and where it stands."""

    name: str
    value: str
    path: str


@dataclass(frozen=True, slots=True)
class Community(Named):
    """A Community object: names and what they stand for."""

    api_version = NATIVE_VERSION
    object_kind = KIND

    meta: Metadata
    aliases: tuple[Alias, ...]
    problems: tuple[Problem, ...]


def read_community(value: JsonObject) -> Community:
    """Read a Community object; never raises, see `problems` of the result."""
    fields = Fields(value)
    return Community(
        meta=read_metadata(fields),
        aliases=_read_aliases(fields.child("spec")),
        problems=tuple(fields.problems),
    )


def _read_aliases(spec: Fields) -> tuple[Alias, ...]:
    """Read the names; of a name that is there twice the first holds."""
    found: dict[str, Alias] = {}
    for item in spec.children("communities"):
        name = item.text("name")
        if not name or ":" in name:
            item.note("name", f"{shown(name)} cannot be a name: one without a colon is wanted")
            continue
        if name in found:
            item.note("name", f"{shown(name)} is there already, in {found[name].path}")
            continue
        try:
            found[name] = Alias(name, parse_community(item.text("value")), item.path)
        except ValueError as error:
            item.note("value", str(error))
    return tuple(found.values())
