"""BFDProfile (metallb.io/v1beta1): timers of BFD sessions (RFC 5880)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.fields import Fields, Problem
from metallb.api.meta import NATIVE_VERSION, Metadata, Named, read_metadata

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

KIND = "BFDProfile"


@dataclass(frozen=True, slots=True)
class BFDTimers:
    """Settings of a BFD session; intervals are in milliseconds, and 0 is: not said."""

    receive_interval: int = 0
    transmit_interval: int = 0
    detect_multiplier: int = 0
    echo_interval: int = 0
    is_echo: bool = False
    is_passive: bool = False
    minimum_ttl: int = 0


@dataclass(frozen=True, slots=True)
class BFDProfile(Named):
    """A profile as it was written; `problems` are those of the object itself."""

    api_version = NATIVE_VERSION
    object_kind = KIND

    meta: Metadata
    timers: BFDTimers
    problems: tuple[Problem, ...]


def read_bfd_profile(value: JsonObject) -> BFDProfile:
    """Read a BFDProfile object; never raises, see `problems` of the result."""
    fields = Fields(value)
    timers = read_bfd_timers(fields.child("spec"), "minimumTtl", multiplier_min=2, ttl_max=254)
    return BFDProfile(read_metadata(fields), timers, tuple(fields.problems))


def read_bfd_timers(
    fields: Fields, ttl_name: str, *, multiplier_min: int, ttl_max: int
) -> BFDTimers:
    """Read the settings of a session; the dialects spell the TTL and its limits differently."""
    return BFDTimers(
        receive_interval=fields.integer("receiveInterval", 0, 10, 60_000),
        transmit_interval=fields.integer("transmitInterval", 0, 10, 60_000),
        detect_multiplier=fields.integer("detectMultiplier", 0, multiplier_min, 255),
        echo_interval=fields.integer("echoInterval", 0, 10, 60_000),
        is_echo=fields.boolean("echoMode"),
        is_passive=fields.boolean("passiveMode"),
        minimum_ttl=fields.integer(ttl_name, 0, 1, ttl_max),
    )
