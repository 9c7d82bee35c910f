"""What a review asks, and which changes are not judged."""

from __future__ import annotations

from typing import Any

import pytest

from metallb_controller.admission.questions import (
    Operation,
    Question,
    ReviewError,
    read_question,
    read_request,
)

VERSION, KIND = "admission.k8s.io/v1", "AdmissionReview"
POOL = {"kind": "IPAddressPool", "metadata": {"name": "edge"}, "spec": {"addresses": []}}
OTHER = {**POOL, "spec": {"addresses": ["10.0.0.1"]}}


@pytest.mark.parametrize(
    "review",
    [None, [], {},
     {"apiVersion": "admission.k8s.io/v1beta1", "request": {"uid": "u-1"}},
     {"apiVersion": VERSION},
     {"apiVersion": VERSION, "request": {}},
     {"apiVersion": VERSION, "request": {"uid": 7}}],
)  # fmt: skip
def test_what_is_no_review_is_an_error(review: Any) -> None:
    with pytest.raises(ReviewError):
        read_request(review, VERSION, KIND)


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ({"object": POOL}, Question("u", Operation.CREATE, "IPAddressPool", POOL, None)),
        (
            {"object": POOL, "oldObject": OTHER},
            Question("u", Operation.UPDATE, "IPAddressPool", POOL, OTHER),
        ),
        (
            {"object": None, "oldObject": POOL},
            Question("u", Operation.DELETE, "IPAddressPool", None, POOL),
        ),
        ({"object": "x", "oldObject": 7}, Question("u", Operation.DELETE, "", None, None)),
    ],
)
def test_the_operation_is_what_happens_to_the_object(request_: Any, wanted: Question) -> None:
    assert read_question({"uid": "u", **request_}) == wanted


def _is_harmless(value: Any, before: Any) -> bool:
    return read_question({"uid": "u", "object": value, "oldObject": before}).is_harmless


def test_a_change_of_something_else_than_the_spec_is_harmless() -> None:
    labelled = {**POOL, "metadata": {"name": "edge", "labels": {"a": "b"}}}
    assert _is_harmless(labelled, POOL)
    assert not _is_harmless(OTHER, POOL)
    assert not _is_harmless({**OTHER, "metadata": None}, POOL)


def test_so_is_one_of_an_object_that_is_going() -> None:
    going = {**OTHER, "metadata": {"name": "edge", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert _is_harmless(going, POOL)


def test_neither_a_new_object_nor_a_deletion_is() -> None:
    assert not _is_harmless(POOL, None)
    assert not _is_harmless(None, POOL)
