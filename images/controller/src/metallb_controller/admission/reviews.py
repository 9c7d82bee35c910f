"""AdmissionReview (admission.k8s.io/v1): the question of the API server, and our answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_controller.admission.questions import Question, read_question, read_request

if TYPE_CHECKING:
    from metallb.domain.verdicts import Verdict

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

_WARNING_CHARACTERS = 256
"""What kube-apiserver passes on of a warning without cutting it."""


def question_of(review: Any) -> Question:
    """Read what is asked; raises ReviewError when there is nobody to answer to."""
    return read_question(read_request(review, API_VERSION, KIND))


def answer(question: Question, verdict: Verdict) -> dict[str, Any]:
    """Give the review that carries a verdict."""
    response: dict[str, Any] = {"uid": question.uid, "allowed": not verdict.errors}
    if verdict.errors:
        response["status"] = {
            "code": 422,
            "reason": "Invalid",
            "message": "; ".join(verdict.errors),
        }
    if verdict.warnings:
        response["warnings"] = [text[:_WARNING_CHARACTERS] for text in verdict.warnings]
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}
