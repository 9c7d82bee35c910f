from __future__ import annotations

import base64
from datetime import timedelta
from itertools import count, pairwise
from typing import Any

import pytest

from metallb.domain.decisions import CreateIfNotExists, CreateOrUpdate, Decision
from metallb.domain.findings import rfc3339
from metallb.domain.heartbeat_keys import (
    PHASE_ANNOTATION,
    PROPAGATION,
    SINCE_ANNOTATION,
    Phase,
    heartbeat_keys,
)
from support.situations import HOSTILE, NOW, NOW_TEXT, situation

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
HERE = [{"name": "d8-metallb"}]
MONTH = timedelta(days=30)


def _data(*keys: str) -> str:
    return base64.b64encode("".join(f"{key}\n" for key in keys).encode()).decode()


def _secret(*keys: str, phase: str = "Stable", age: timedelta = timedelta()) -> dict[str, Any]:
    return {"keys": _data(*keys), "phase": phase, "since": rfc3339(NOW - age)}


def _decide(secret: Any = None, **more: Any) -> Decision:
    secrets = [] if secret is None else [secret]
    given = situation(secret=secrets, namespace=HERE, **more)
    return heartbeat_keys(given, iter([C]).__next__)


def _written(decision: Decision) -> dict[str, Any]:
    [operation] = decision.operations
    found = operation.to_object()
    made = found["object"]
    annotations = made["metadata"]["annotations"]
    return {
        "keys": made["data"]["keys"],
        "phase": annotations[PHASE_ANNOTATION],
        "since": annotations[SINCE_ANNOTATION],
    }


def test_the_first_key() -> None:
    decision = _decide()
    assert _written(decision) == {"keys": _data(C), "phase": "Stable", "since": NOW_TEXT}
    made = decision.operations[0].to_object()["object"]
    assert made["metadata"]["name"] == "metallb-heartbeat-keys"
    assert made["metadata"]["namespace"] == "d8-metallb"
    assert made["type"] == "Opaque"


def test_the_first_key_never_takes_the_place_of_another() -> None:
    assert isinstance(_decide().operations[0], CreateIfNotExists)
    assert isinstance(_decide(_secret("short")).operations[0], CreateOrUpdate)
    assert isinstance(_decide(_secret(A, age=MONTH)).operations[0], CreateOrUpdate)


def test_without_its_namespace_nothing_is_made() -> None:
    assert heartbeat_keys(situation(secret=[]), iter([C]).__next__) == Decision()


@pytest.mark.parametrize(
    "secret",
    [
        _secret(A),
        _secret(A, age=MONTH - timedelta(seconds=1)),
        _secret(A, B, phase="Adding", age=PROPAGATION - timedelta(seconds=1)),
        _secret(B, A, phase="Retiring", age=PROPAGATION - timedelta(seconds=1)),
    ],
)
def test_nothing_happens_before_its_time(secret: Any) -> None:
    assert _decide(secret) == Decision()


@pytest.mark.parametrize(
    ("secret", "keys", "phase"),
    [
        (_secret(A, age=MONTH), (A, C), "Adding"),
        (_secret(A, B, phase="Adding", age=PROPAGATION), (B, A), "Retiring"),
        (_secret(B, A, phase="Retiring", age=PROPAGATION), (B,), "Stable"),
    ],
)
def test_each_step_of_a_change(secret: Any, keys: tuple[str, ...], phase: str) -> None:
    expected = {"keys": _data(*keys), "phase": phase, "since": NOW_TEXT}
    assert _written(_decide(secret)) == expected


def test_the_user_says_how_old_a_key_may_get() -> None:
    week = {"l2": {"heartbeatKeyRotationDays": 7}}
    aged = _secret(A, age=timedelta(days=7))
    assert _written(_decide(aged, values=week))["phase"] == "Adding"
    assert _decide(_secret(A, age=timedelta(days=6)), values=week) == Decision()
    nonsense = {"l2": {"heartbeatKeyRotationDays": 0}}
    assert _decide(aged, values=nonsense) == Decision()


def test_a_whole_change_never_leaves_a_speaker_deaf() -> None:
    """Whoever has the state of one step accepts what those with the next or last state sign."""
    fresh = (f"{number:064x}" for number in count())
    secret: Any = None
    states: list[list[str]] = []
    now = NOW
    for _ in range(1000):
        given = situation(secret=[secret] if secret else [], namespace=HERE, now=now)
        decision = heartbeat_keys(given, lambda: next(fresh))
        if decision.operations:
            secret = _written(decision)
            states.append(base64.b64decode(secret["keys"]).decode().split())
        now += timedelta(hours=6)
    assert len(states) > 20
    for earlier, later in pairwise(states):
        assert earlier[0] in later
        assert later[0] in earlier
        assert len(later) <= 2


@pytest.mark.parametrize(
    ("keys", "phase", "expected"),
    [
        ((A,), "Adding", Phase.STABLE),
        ((A,), "", Phase.STABLE),
        ((A, B), "Stable", Phase.RETIRING),
        ((A, B, C), "Adding", Phase.RETIRING),
        ((A, B), "Retiring?", Phase.RETIRING),
    ],
)
def test_a_phase_that_does_not_fit_is_put_right(
    keys: tuple[str, ...], phase: str, expected: Phase
) -> None:
    written = _written(_decide(_secret(*keys, phase=phase)))
    assert (written["phase"], written["keys"]) == (expected, _data(*keys))


@pytest.mark.parametrize("since", ["", "yesterday", "2036-01-01T00:00:00Z"])
def test_a_time_that_cannot_be_is_now(since: str) -> None:
    written = _written(_decide({**_secret(A), "since": since}))
    assert written == {"keys": _data(A), "phase": "Stable", "since": NOW_TEXT}


def test_a_time_without_a_zone_is_taken_as_utc() -> None:
    written = _written(_decide({**_secret(A), "since": "2026-11-26T11:00:00"}))
    assert written["since"] == "2026-11-26T11:00:00Z"


@pytest.mark.parametrize(
    "data",
    ["", "!", "ключ", _data("short"), _data(A, "g" * 64), base64.b64encode(b"\xff").decode(), 7],
)
def test_keys_that_nobody_could_read_are_replaced(data: Any) -> None:
    written = _written(_decide({**_secret(A), "keys": data}))
    assert (written["keys"], written["phase"]) == (_data(C), "Stable")


def test_what_is_no_secret_is_as_good_as_none() -> None:
    for item in HOSTILE:
        assert _written(_decide(item or "x"))["keys"] == _data(C)
