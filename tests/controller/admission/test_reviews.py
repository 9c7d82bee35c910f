"""AdmissionReviews out: a verdict, as the API server wants it."""

from __future__ import annotations

from typing import Any

import pytest

from metallb.domain.verdicts import Verdict
from metallb_controller.admission.questions import Operation, Question, ReviewError
from metallb_controller.admission.reviews import answer, question_of

QUESTION = Question("u-1", Operation.CREATE, "Community", {"kind": "Community"}, None)


def _response(verdict: Verdict) -> Any:
    return answer(QUESTION, verdict)["response"]


def test_a_question_is_read_from_its_review() -> None:
    request = {"uid": "u-1", "object": {"kind": "Community"}}
    review = {"apiVersion": "admission.k8s.io/v1", "request": request}
    assert question_of(review) == QUESTION
    with pytest.raises(ReviewError, match=r"no AdmissionReview of admission\.k8s\.io/v1"):
        question_of({"request": request})


def test_the_answer_carries_the_uid_of_the_question() -> None:
    assert answer(QUESTION, Verdict()) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "u-1", "allowed": True},
    }


def test_a_refusal_says_all_that_is_wrong() -> None:
    assert _response(Verdict(("a", "b"))) == {
        "uid": "u-1",
        "allowed": False,
        "status": {"code": 422, "reason": "Invalid", "message": "a; b"},
    }


def test_a_warning_does_not_refuse_and_is_as_long_as_is_passed_on() -> None:
    response = _response(Verdict(warnings=("w" * 300,)))
    assert response["allowed"] is True
    assert response["warnings"] == ["w" * 256]
