"""Our fields of all three kinds of pools."""

from __future__ import annotations

from typing import Any

import pytest

from metallb.api.fields import Fields
from metallb.api.meta import ObjectKey
from metallb.api.pool_options import PoolOptions, read_pool_options, read_ranges

RESERVED = {"addresses": ["10.0.0.0/31", "fd00::1"], "namespace": "web", "service": "site"}


def read(**spec: Any) -> tuple[PoolOptions, list[str]]:
    fields = Fields(spec, ".spec")
    found = read_pool_options(fields)
    return found, [str(problem) for problem in fields.problems]


def test_what_is_not_said() -> None:
    assert read() == (PoolOptions(), [])


def test_all_of_them() -> None:
    found, problems = read(
        disabled=True,
        namespaceQuota=3,
        retentionSeconds=604_800,
        reservations=[RESERVED],
        drainMovesPerMinute=60_000,
    )
    assert not problems
    assert found.is_disabled
    assert (found.namespace_quota, found.retention_seconds) == (3, 604_800)
    assert found.drain_moves_per_minute == 60_000
    assert [(str(item.range), item.namespace, item.service) for item in found.reservations] == [
        ("10.0.0.0-10.0.0.1", "web", "site"),
        ("fd00::1", "web", "site"),
    ]


def test_whom_a_reservation_is_for() -> None:
    found, _ = read(reservations=[RESERVED, {"addresses": ["10.0.0.9"], "namespace": "web"}])
    one, _, all_of_them = found.reservations
    assert one.is_for(ObjectKey("web", "site"))
    assert not one.is_for(ObjectKey("web", "other"))
    assert not one.is_for(ObjectKey("mail", "site"))
    assert all_of_them.is_for(ObjectKey("web", "other"))
    assert not all_of_them.is_for(ObjectKey("mail", "other"))


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"disabled": "yes"}, ".spec.disabled: true or false is wanted"),
        ({"namespaceQuota": 0}, ".spec.namespaceQuota: 0 is not within 1 to"),
        ({"retentionSeconds": 604_801}, ".spec.retentionSeconds: 604801 is not within 0 to 604800"),
        ({"drainMovesPerMinute": -1}, ".spec.drainMovesPerMinute: -1 is not within 0 to 60000"),
        ({"retentionSeconds": -1}, ".spec.retentionSeconds: -1 is not within"),
        ({"reservations": [7]}, ".spec.reservations[0]: an object is wanted"),
        ({"reservations": [{"namespace": "a"}]}, "[0].addresses: at least one range"),
        (
            {"reservations": [{"addresses": ["x"], "namespace": "a"}]},
            ".spec.reservations[0].addresses[0]: 'x' is not a range",
        ),
    ],
)
def test_what_is_malformed_is_left_out(spec: dict[str, Any], complaint: str) -> None:
    found, problems = read(**spec)
    assert found == PoolOptions()
    assert complaint in problems[0]


def test_a_reservation_for_no_namespace_is_for_nobody() -> None:
    found, problems = read(reservations=[{"addresses": ["10.0.0.9"]}])
    assert problems == [".spec.reservations[0].namespace: the name of a namespace is wanted"]
    assert not found.reservations[0].is_for(ObjectKey("web", "site"))


def test_a_text_that_is_too_long_is_not_repeated() -> None:
    fields = Fields({"addresses": ["1" * 10_000]}, ".spec")
    assert read_ranges(fields, "addresses", is_whole=True) == ()
    assert len(fields.problems[0].message) < 150
