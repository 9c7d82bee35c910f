"""BFDProfile (metallb.md §2)."""

from __future__ import annotations

from typing import Any

import pytest

from metallb.api.bfd_profiles import BFDProfile, BFDTimers, read_bfd_profile
from support.objects import native_object


def read(**spec: Any) -> BFDProfile:
    return read_bfd_profile(native_object("BFDProfile", "fast", **spec))


def test_a_whole_profile_is_read() -> None:
    found = read(
        receiveInterval=10,
        transmitInterval=60_000,
        detectMultiplier=2,
        echoInterval=50,
        echoMode=True,
        passiveMode=True,
        minimumTtl=254,
    )
    assert found.timers == BFDTimers(10, 60_000, 2, 50, True, True, 254)
    assert (found.name, found.problems) == ("fast", ())
    assert found.reference().kind == "BFDProfile"


def test_what_is_not_said() -> None:
    assert read().timers == BFDTimers()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("receiveInterval", 9),
        ("receiveInterval", 60_001),
        ("transmitInterval", 9),
        ("transmitInterval", 60_001),
        ("echoInterval", 9),
        ("echoInterval", 60_001),
        ("detectMultiplier", 1),
        ("detectMultiplier", 256),
        ("minimumTtl", 0),
        ("minimumTtl", 255),
        ("receiveInterval", "300"),
        ("echoMode", 1),
    ],
)
def test_what_is_beyond_its_limits_is_named_and_not_said(name: str, value: Any) -> None:
    found = read(**{name: value})
    assert found.timers == BFDTimers()
    assert [problem.path for problem in found.problems] == [f".spec.{name}"]
