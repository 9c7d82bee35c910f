"""AdmissionReviews in and out."""

from __future__ import annotations

from typing import Any

import pytest

from metallb_controller.admission.reviews import ReviewError, answer

WRONG = {"kind": "MetalLoadBalancerClass", "spec": {"addressPool": ["ten"]}}
EMPTY = {"kind": "MetalLoadBalancerClass", "spec": {"addressPool": []}}
RIGHT = {"kind": "MetalLoadBalancerClass", "spec": {"addressPool": ["10.0.0.1"]}}


def _review(**request: Any) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "u-1", **request},
    }


def test_the_answer_carries_the_uid_of_the_question() -> None:
    assert answer(_review(object=RIGHT)) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "u-1", "allowed": True},
    }


def test_a_refusal_says_why() -> None:
    response = answer(_review(object=WRONG))["response"]
    assert response["allowed"] is False
    assert response["status"]["reason"] == "Invalid"
    assert response["status"]["code"] == 422
    assert ".spec.addressPool[0]" in response["status"]["message"]


def test_a_warning_does_not_refuse() -> None:
    response = answer(_review(object=EMPTY))["response"]
    assert response["allowed"] is True
    assert len(response["warnings"]) == 1


def test_the_old_object_counts() -> None:
    assert answer(_review(object=WRONG, oldObject=WRONG))["response"]["allowed"] is True
    assert answer(_review(object=WRONG, oldObject=RIGHT))["response"]["allowed"] is False


def test_a_deletion_has_no_object_and_is_let_through() -> None:
    assert answer(_review(object=None, oldObject=WRONG))["response"]["allowed"] is True


@pytest.mark.parametrize(
    "review",
    [None, [], {},
     {"apiVersion": "admission.k8s.io/v1beta1", "request": {"uid": "u-1"}},
     {"apiVersion": "admission.k8s.io/v1"},
     {"apiVersion": "admission.k8s.io/v1", "request": {}},
     {"apiVersion": "admission.k8s.io/v1", "request": {"uid": 7}}],
)  # fmt: skip
def test_what_is_no_review_is_an_error(review: Any) -> None:
    with pytest.raises(ReviewError):
        answer(review)
